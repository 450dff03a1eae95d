//! The moment at which the client of a recorded prune went away.

use crate::base::cancel::AfterPolls;
use crate::base::error::Result;

/// The moment at which the client goes away. From then on every call of the store fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancellation {
    /// It stays.
    Never,
    /// Before anything is done.
    AtOnce,
    /// After so many records have been held against the filters.
    AfterConsidered(usize),
    /// After the loop has visited so many candidates.
    AfterVisited(usize),
}

impl Cancellation {
    /// The client as a prune asks for it: once before anything is done, once before each record is held against the
    /// filters, and once before each visit. `considered` tells how many records are.
    pub(super) fn polls(self, considered: impl Fn() -> Result<usize>) -> Result<AfterPolls> {
        Ok(AfterPolls::new(match self {
            Self::Never => usize::MAX,
            Self::AtOnce => 0,
            Self::AfterConsidered(records) if records > considered()? => usize::MAX,
            Self::AfterConsidered(records) => records.saturating_add(1),
            Self::AfterVisited(records) => records.saturating_add(considered()?).saturating_add(1),
        }))
    }
}
