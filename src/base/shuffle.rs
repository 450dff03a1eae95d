//! Numbers and shuffles that are the same for a seed for ever.

/// `SplitMix64`: what a seed gives must stay the same for ever, on every machine, which a crate's generator does not
/// promise.
#[derive(Debug, Clone)]
pub(crate) struct SplitMix64(u64);

/// By how much the state grows with each number: the golden ratio's fraction, in 64 bits.
pub(crate) const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

impl SplitMix64 {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}

/// Fisher and Yates: the order for a seed must stay the same for ever.
pub(crate) fn shuffle<T>(ids: &mut [T], seed: u64) {
    let mut random = SplitMix64::new(seed);
    for last in (1..ids.len()).rev() {
        let choices = last as u64 + 1;
        if let Ok(chosen) = usize::try_from(random.next() % choices) {
            ids.swap(last, chosen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers for the seed 1234567 in the reference implementation of Sebastiano Vigna.
    #[test]
    fn the_numbers_are_those_of_the_reference_implementation() {
        let mut random = SplitMix64::new(1_234_567);
        let numbers = [random.next(), random.next(), random.next()];
        assert_eq!(
            numbers,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }
}
