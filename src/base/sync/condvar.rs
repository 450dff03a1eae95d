//! The condition variable that shuttle's `parking_lot` lacks.

use std::time::Instant;

use shuttle::rand::Rng;
use shuttle_parking_lot::MutexGuard;

/// Wakes up at any moment, which a condition variable may; and any deadline may have passed by then.
#[derive(Debug)]
pub(crate) struct Condvar;

pub(crate) struct WaitTimeoutResult {
    timed_out: bool,
}

impl Condvar {
    pub(crate) const fn new() -> Self {
        Self
    }

    #[expect(clippy::unused_self, reason = "the signature of parking_lot's")]
    pub(crate) fn wait_until<T>(&self, guard: &mut MutexGuard<'_, T>, _: Instant) -> WaitTimeoutResult {
        MutexGuard::unlocked(guard, shuttle::thread::yield_now);
        WaitTimeoutResult { timed_out: shuttle::rand::thread_rng().gen_bool(0.25) }
    }

    #[expect(clippy::unused_self, reason = "the signature of parking_lot's")]
    pub(crate) const fn notify_all(&self) {}
}

impl WaitTimeoutResult {
    pub(crate) const fn timed_out(&self) -> bool {
        self.timed_out
    }
}
