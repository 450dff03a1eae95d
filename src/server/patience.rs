//! How long a client may keep the server waiting.

use std::time::Duration;

/// Time that a client may keep the server waiting. It is spent by waiting and earned back, up to where it began, by
/// bytes: a client slower than the rate runs out of it, however small its pieces.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    whole: Duration,
    left: Duration,
    /// Bytes a second.
    rate: u64,
}

impl Patience {
    pub const fn new(whole: Duration, rate: u64) -> Self {
        Self { whole, left: whole, rate }
    }

    /// What is left of it.
    pub const fn left(&self) -> Duration {
        self.left
    }

    /// Spends the time that was waited.
    pub const fn waited(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time);
    }

    /// Earns back what so many bytes take at the rate. A rate of 0 asks for none: each byte earns all.
    pub fn moved(&mut self, bytes: usize) {
        let earned = (bytes as u64).saturating_mul(1_000_000).checked_div(self.rate);
        let earned = earned.map_or(self.whole, Duration::from_micros);
        self.left = if bytes == 0 { self.left } else { self.left.saturating_add(earned).min(self.whole) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_trickle_uses_it_up() {
        let mut patience = Patience::new(60 * SECOND, 1000);
        let mut seconds = 0;
        while patience.left() >= SECOND {
            patience.waited(SECOND);
            patience.moved(500);
            seconds += 1;
        }
        // Half a second is lost in each.
        assert_eq!(seconds, 119);
    }

    #[test]
    fn the_rate_keeps_it_up() {
        let mut patience = Patience::new(2 * SECOND, 1000);
        for _ in 0..1000 {
            patience.waited(SECOND);
            patience.moved(1000);
        }
        assert_eq!(patience.left(), 2 * SECOND);
        patience.moved(usize::MAX);
        assert_eq!(patience.left(), 2 * SECOND);
    }

    #[test]
    fn without_a_rate_each_piece_has_all_of_it() {
        let mut patience = Patience::new(2 * SECOND, 0);
        patience.waited(SECOND);
        patience.moved(0);
        assert_eq!(patience.left(), SECOND);
        patience.moved(1);
        assert_eq!(patience.left(), 2 * SECOND);
    }
}
