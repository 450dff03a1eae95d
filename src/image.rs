//! An image: its raw config, which is the truth, and the view of it that matters.

use crate::digest::ChainId;
use crate::go::time::Timestamp;
use crate::{Error, Result, Semantics};

/// Labels of an image's config.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Labels(std::sync::Arc<[(String, String)]>);

impl Labels {
    /// The labels, sorted by key, each key once.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The value of one label.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find_map(|(k, value)| (k == key).then_some(value))
    }
}

/// An image as the image store has it.
#[derive(Debug, Clone)]
pub struct Image {}

impl Image {
    /// Reads a config by Go's JSON rules (SPEC.md I-2, I-3).
    pub fn parse(config: impl Into<Box<[u8]>>, semantics: &Semantics) -> Result<Self> {
        let _ = (config.into(), semantics);
        Err(Error::system(""))
    }
    /// The raw config.
    #[must_use]
    pub fn config(&self) -> &[u8] {
        &[]
    }
    /// When it was created; none where the config does not say (SPEC.md I-2, T-11).
    #[must_use]
    pub fn created(&self) -> Option<Timestamp> {
        None
    }
    /// Whether the config has a non-null `config` object (SPEC.md L-1).
    #[must_use]
    pub fn has_config(&self) -> bool {
        false
    }
    /// The labels of its `config` object, none where that or the map is absent or null.
    #[must_use]
    pub fn labels(&self) -> Option<&Labels> {
        None
    }
    /// The operating system that the config names, empty for the host's (SPEC.md I-4).
    #[must_use]
    pub fn os(&self) -> &str {
        ""
    }
    /// Whether the operating system is the daemon's, Linux (SPEC.md I-4).
    #[must_use]
    pub fn is_os_supported(&self) -> bool {
        true
    }
    /// The `diff_ids` as they stand in the config, and may be anything; null elements are empty.
    pub fn diff_ids(&self) -> impl Iterator<Item = &str> {
        [].into_iter()
    }
    /// The chain of its layers, none for an image without layers (SPEC.md I-5). The text of the
    /// chain where it is no chain ID, which no layer store can hold.
    pub fn chain(&self) -> Result<Option<ChainId>, String> {
        Ok(None)
    }
}
