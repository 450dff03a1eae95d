//! Time, and the end: a test brings its own.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use crate::base::sync::atomic::{AtomicBool, Ordering};
use crate::go::time::Timestamp;

/// What an agent knows of time.
pub trait Clock {
    /// The time on the wall. It may jump.
    fn now(&self) -> Timestamp;

    /// Waits, or less where the agent is to stop meanwhile.
    fn sleep(&self, duration: Duration);

    /// Whether the agent is to stop after what it is doing.
    fn is_stopping(&self) -> bool;
}

/// The system's clock, and a way to stop who waits for it.
#[derive(Debug)]
pub struct SystemClock {
    is_stopping: Arc<AtomicBool>,
    stopped: Receiver<()>,
}

/// Stops an agent; from a signal handler's thread for example.
#[derive(Debug, Clone)]
pub struct Stopper {
    is_stopping: Arc<AtomicBool>,
    stop: Sender<()>,
}

impl SystemClock {
    /// The clock, and what stops it.
    #[must_use]
    pub fn new() -> (Self, Stopper) {
        let is_stopping = Arc::new(AtomicBool::new(false));
        let (stop, stopped) = channel();
        (Self { is_stopping: Arc::clone(&is_stopping), stopped }, Stopper { is_stopping, stop })
    }
}

impl Stopper {
    /// Lets the agent end after its current step.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
        // Where nobody waits any more the flag alone does.
        let _ = self.stop.send(());
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now()).into()
    }

    fn sleep(&self, duration: Duration) {
        if self.is_stopping() {
            return;
        }
        if self.stopped.recv_timeout(duration) == Err(RecvTimeoutError::Disconnected) {
            // Nobody can stop this any more.
            std::thread::sleep(duration);
        }
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_stop_ends_a_sleep_and_all_that_follow() {
        let (clock, stopper) = SystemClock::new();
        let start = Instant::now();
        clock.sleep(Duration::from_millis(20));
        assert!(start.elapsed() >= Duration::from_millis(20) && !clock.is_stopping());
        std::thread::spawn(move || stopper.stop());
        clock.sleep(Duration::from_secs(60));
        clock.sleep(Duration::from_secs(60));
        assert!(clock.is_stopping() && start.elapsed() < Duration::from_secs(30));
    }
}
