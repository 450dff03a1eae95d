//! How long to wait before trying again.

use std::time::Duration;

use crate::base::shuffle::SplitMix64;

/// Numbers for jitter: not secret, and the same for the same seed.
#[derive(Debug, Clone)]
pub struct Jitter(SplitMix64);

impl Jitter {
    /// Devices with different seeds do not act at the same moment.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(SplitMix64::new(seed))
    }

    /// The next number.
    pub const fn next(&mut self) -> u64 {
        self.0.next()
    }

    /// Some part of `whole`.
    pub fn part_of(&mut self, whole: Duration) -> Duration {
        let thousandths = u32::try_from(self.next() % 1001).unwrap_or(0);
        whole.checked_mul(thousandths).unwrap_or(whole) / 1000
    }
}

/// Waits that double up to a cap, for a limited number of attempts.
#[derive(Debug, Clone)]
pub struct Backoff {
    /// Before the second attempt.
    pub first: Duration,
    /// Never longer than this.
    pub cap: Duration,
    /// The first attempt included.
    pub attempts: u32,
}

impl Default for Backoff {
    /// From 2 seconds to 10 minutes, ten attempts: about an hour.
    fn default() -> Self {
        Self { first: Duration::from_secs(2), cap: Duration::from_secs(600), attempts: 10 }
    }
}

impl Backoff {
    /// How long to wait behind the attempt `failed`, counted from 1: half of what it would be, and some part of the
    /// other half. None where that was the last one.
    pub fn wait(&self, failed: u32, jitter: &mut Jitter) -> Option<Duration> {
        if failed >= self.attempts {
            return None;
        }
        let doubled =
            2_u32.checked_pow(failed.saturating_sub(1)).and_then(|factor| self.first.checked_mul(factor));
        let half = doubled.unwrap_or(self.cap).min(self.cap) / 2;
        Some(half + jitter.part_of(half))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_end() {
        let backoff = Backoff { first: Duration::from_secs(1), cap: Duration::from_secs(5), attempts: 60 };
        let mut jitter = Jitter::new(7);
        for (failed, whole) in [(1, 1), (2, 2), (3, 4), (4, 5), (5, 5), (40, 5), (59, 5)] {
            let whole = Duration::from_secs(whole);
            for _ in 0..50 {
                let wait = backoff.wait(failed, &mut jitter);
                assert!(wait.is_some_and(|wait| wait >= whole / 2 && wait <= whole), "{failed}: {wait:?}");
            }
        }
        assert_eq!(backoff.wait(60, &mut jitter), None);
        assert_eq!(backoff.wait(u32::MAX, &mut jitter), None);
    }

    #[test]
    fn jitter_is_the_same_for_the_same_seed() {
        let day = Duration::from_secs(86_400);
        let (mut one, mut other) = (Jitter::new(1), Jitter::new(1));
        let parts: Vec<_> = (0..20).map(|_| one.part_of(day)).collect();
        assert!(parts.iter().all(|part| *part == other.part_of(day) && *part <= day));
        assert!(parts.iter().any(|part| *part > day / 2) && parts.iter().any(|part| *part < day / 2));
        assert!(one.part_of(Duration::MAX) <= Duration::MAX);
    }
}
