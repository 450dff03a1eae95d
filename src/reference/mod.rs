//! References: `repository:tag` and `repository@digest`, normalized and familiar.

use crate::{Error, Result, Semantics};

/// A reference by its normalized name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {}

impl Reference {
    /// `ParseNormalizedNamed` (SPEC.md R-2).
    pub fn parse(text: &str, semantics: &Semantics) -> Result<Self> {
        let _ = (text, semantics);
        Err(Error::invalid_parameter(""))
    }
    /// The normalized text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        ""
    }
    /// The familiar text (SPEC.md R-4).
    #[must_use]
    pub fn familiar(&self) -> &str {
        ""
    }
    /// Normalized name, without tag and digest.
    #[must_use]
    pub fn name(&self) -> &str {
        ""
    }
    /// Familiar name, without tag and digest.
    #[must_use]
    pub fn familiar_name(&self) -> &str {
        ""
    }
    /// The domain, may be empty.
    #[must_use]
    pub fn domain(&self) -> &str {
        ""
    }
    /// The path.
    #[must_use]
    pub fn path(&self) -> &str {
        ""
    }
    /// The tag.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        None
    }
    /// The digest with its algorithm, as text.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        None
    }
    /// Has a digest.
    #[must_use]
    pub fn is_canonical(&self) -> bool {
        self.digest().is_some()
    }
    /// `TagNameOnly`: a name-only reference gets `:latest`.
    #[must_use]
    pub fn tag_name_only(self) -> Self {
        self
    }
    /// A reference with both tag and digest loses its tag (SPEC.md R-6).
    #[must_use]
    pub fn favor_digest(self) -> Self {
        self
    }
}
