//! Which compressed layers a daemon pulled, and what they were unpacked to.

use std::path::{Path, PathBuf};

use super::layout::read_limited;
use crate::base::digest::{DiffId, Digest};

/// What a daemon wrote down about its pulls, in `distribution/diffid-by-digest` of its data root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled(PathBuf);

impl Pulled {
    /// Of a data root and its storage driver.
    #[must_use]
    pub fn of(data_root: &Path, driver: &str) -> Self {
        Self(data_root.join("image").join(driver).join("distribution/diffid-by-digest/sha256"))
    }

    /// The diff ID of a compressed layer, if it was pulled once.
    #[must_use]
    pub fn diff_id(&self, layer: Digest) -> Option<DiffId> {
        let text = read_limited(&self.0.join(layer.hex()), 4096).ok()?;
        std::str::from_utf8(&text).ok()?.trim().parse().ok()
    }
}
