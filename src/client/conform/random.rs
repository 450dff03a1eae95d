//! Numbers that look random and are the same for the same seed, on every machine (`SplitMix64`).

pub(super) struct Random(u64);

impl Random {
    /// The numbers of one case.
    pub fn new(seed: u64, case: u64) -> Self {
        let mut random = Self(seed);
        let start = random.next() ^ case.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self(start)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 below 0.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % end).unwrap_or(0)
    }

    /// True in so many of ten cases.
    pub fn in_ten(&mut self, cases: usize) -> bool {
        self.below(10) < cases
    }

    /// One of these; the default where there are none.
    pub fn pick<T: Copy + Default>(&mut self, items: &[T]) -> T {
        items.get(self.below(items.len())).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let numbers = |seed, case| {
            let mut random = Random::new(seed, case);
            [random.below(1000), random.below(1000), random.below(1000), random.below(1000)]
        };
        assert_eq!(numbers(1, 7), numbers(1, 7));
        assert_ne!(numbers(1, 7), numbers(1, 8));
        assert_ne!(numbers(1, 7), numbers(2, 7));
        assert_eq!(Random::new(0, 0).below(0), 0);
        assert_eq!(Random::new(0, 0).pick::<u8>(&[]), 0);
    }
}
