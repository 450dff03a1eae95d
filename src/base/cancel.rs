//! Cancellation, polled exactly where moby polls its context (P-4, P-5).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Says whether the caller of a prune has given up. Asked once before each image of both loops.
///
/// Any closure that answers `bool` is one, and so is an [`AtomicBool`].
pub trait Cancel {
    /// True once the caller has given up. Called once per image and loop, in the engine's thread.
    fn is_cancelled(&self) -> bool;

    /// The text of the error (P-4): `context canceled`, or `context deadline exceeded`
    /// where time ran out.
    fn reason(&self) -> &'static str {
        "context canceled"
    }
}

/// Never gives up.
#[derive(Debug, Clone, Copy, Default)]
pub struct Never;

impl Cancel for Never {
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// Answers "not yet" a number of times, and gives up from then on.
#[derive(Debug)]
pub struct AfterPolls(AtomicUsize);

impl AfterPolls {
    /// Gives up after `polls` polls.
    #[must_use]
    pub const fn new(polls: usize) -> Self {
        Self(AtomicUsize::new(polls))
    }
}

impl Cancel for AfterPolls {
    fn is_cancelled(&self) -> bool {
        let left = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.is_err()
    }
}

impl Cancel for AtomicBool {
    fn is_cancelled(&self) -> bool {
        self.load(Ordering::Relaxed)
    }
}

impl<F: Fn() -> bool> Cancel for F {
    fn is_cancelled(&self) -> bool {
        self()
    }
}
