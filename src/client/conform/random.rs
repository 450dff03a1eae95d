//! Numbers that look random and are the same for the same seed, on every machine.

use crate::base::shuffle::{GAMMA, SplitMix64};

pub(super) struct Random(SplitMix64);

impl Random {
    /// The numbers of one case.
    pub fn new(seed: u64, case: u64) -> Self {
        let start = SplitMix64::new(seed).next() ^ case.wrapping_mul(GAMMA);
        Self(SplitMix64::new(start))
    }

    /// A number below `end`; 0 below 0.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.0.next() % end).unwrap_or(0)
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
