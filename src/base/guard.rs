//! One at a time: the guard of operations that refuse to run beside themselves.

use crate::base::error::{Error, Kind, Result};
use crate::base::sync::atomic::{AtomicBool, Ordering};

/// One at a time: the flag is lowered on every way out, a panic included.
#[derive(Debug)]
pub(crate) struct Guard<'a>(&'a AtomicBool);

impl<'a> Guard<'a> {
    /// None where somebody else is inside.
    pub(crate) fn enter(flag: &'a AtomicBool) -> Option<Self> {
        (!flag.swap(true, Ordering::Acquire)).then(|| Self(flag))
    }

    /// P-1; moby has one flag for images and another for containers and networks.
    pub(crate) fn of_prune(flag: &'a AtomicBool) -> Result<Self> {
        let running = || Error::conflict("a prune operation is already running").of_kind(Kind::PruneRunning);
        Self::enter(flag).ok_or_else(running)
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
