//! A prune request: the filters, read and checked before anything is looked at.

pub mod until;

use crate::go::time::{Now, Timestamp};
use crate::image::Image;
use crate::{Error, Result, Semantics};

/// What a prune was asked for.
#[derive(Debug, Clone)]
pub struct PruneRequest {}

/// Why a filter keeps an image (SPEC.md P-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// Created after `until` (T-10), or without `created` where that counts (T-11).
    NewerThanUntil,
    /// A `label` does not match (L-2).
    Label,
    /// All `label!` match (L-3).
    NegatedLabel,
}

impl PruneRequest {
    /// Reads the raw `filters` parameter, in moby's order of failure (SPEC.md P-2).
    pub fn parse(filters: &str, semantics: &Semantics, now: Now) -> Result<Self> {
        let _ = (filters, semantics, now);
        Err(Error::invalid_parameter(""))
    }
    /// Only dangling images, or all (SPEC.md F-8).
    #[must_use]
    pub fn dangling_only(&self) -> bool {
        true
    }
    /// The effective limit; none where the filter is off (SPEC.md T-11).
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        None
    }
    /// Why the filters keep `image`, none where it may go (SPEC.md P-4).
    #[must_use]
    pub fn rejection(&self, image: &Image) -> Option<Rejection> {
        let _ = image;
        None
    }
}
