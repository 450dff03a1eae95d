//! IDs that a daemon makes up: the same in each run of a seed, and none twice.

use crate::base::digest::Digest;
use crate::base::sync::atomic::{AtomicU64, Ordering};

pub(super) struct Ids {
    seed: u64,
    made: AtomicU64,
}

impl Ids {
    pub const fn new(seed: u64) -> Self {
        Self { seed, made: AtomicU64::new(0) }
    }

    /// 64 hexadecimal digits.
    pub fn next(&self, kind: &str) -> String {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        Digest::of(format!("{kind} {} {number}", self.seed).as_bytes()).hex()
    }
}
