//! References: `repository:tag` and `repository@digest`, normalized and familiar
//! (R-1 to R-6; `github.com/distribution/reference`).

mod parse;

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use crate::base::error::Result;
use crate::semantics::Semantics;

/// The domain that names without one belong to.
const DEFAULT_DOMAIN: &str = "docker.io";
/// What a repository without a namespace is put under in the default domain.
const OFFICIAL: &str = "library/";
/// What `TagNameOnly` adds to a bare name.
const DEFAULT_TAG: &str = "latest";

/// A reference by its normalized name. Equality, order and hash are those of the normalized text;
/// the order is bytewise (R-10).
///
/// One shared text and a few lengths, which count from its end: a clone does not copy the text, and the familiar
/// form is its tail, so no accessor allocates.
///
/// ```
/// use image_prune::{Reference, Semantics};
///
/// let reference = Reference::parse("busybox:1", &Semantics::MOBY_20_10)?;
/// assert_eq!(reference.as_str(), "docker.io/library/busybox:1");
/// assert_eq!(reference.familiar(), "busybox:1");
/// assert_eq!((reference.domain(), reference.path()), ("docker.io", "library/busybox"));
/// # Ok::<(), image_prune::Error>(())
/// ```
#[derive(Clone)]
pub struct Reference {
    /// `[domain/]path[:tag][@digest]`
    text: Arc<str>,
    /// The grammar limits a path to 255 bytes, and no domain at all …
    path_length: u8,
    /// … a tag to 128, 0 where there is none …
    tag_length: u8,
    /// … and a digest to that of `sha512`. 0 where there is none.
    digest_length: u8,
    /// How much of the text the familiar form leaves out.
    familiar_start: u8,
}

/// What a text names that may be a digest as well (R-5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnyReference {
    /// A digest with its algorithm; 64 bare hexadecimal digits are a SHA-256.
    Digest(String),
    /// A reference with a name.
    Named(Reference),
}

impl AnyReference {
    /// The digest, or the normalized text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Digest(digest) => digest,
            Self::Named(named) => named.as_str(),
        }
    }

    /// The digest, or the familiar text: `FamiliarString` (R-4).
    #[must_use]
    pub fn familiar(&self) -> &str {
        match self {
            Self::Digest(digest) => digest,
            Self::Named(named) => named.familiar(),
        }
    }

    /// The digest, if there is one.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        match self {
            Self::Digest(digest) => Some(digest),
            Self::Named(named) => named.digest(),
        }
    }

    /// Gives a bare name `:latest` ([`Reference::tag_name_only`]).
    #[must_use]
    pub fn tag_name_only(self) -> Self {
        match self {
            Self::Digest(_) => self,
            Self::Named(named) => Self::Named(named.tag_name_only()),
        }
    }
}

impl Reference {
    /// `ParseNormalizedNamed` (R-2). A normalized text parses to itself.
    ///
    /// # Errors
    ///
    /// `InvalidParameter` with the text of the distribution module.
    pub fn parse(text: &str, semantics: &Semantics) -> Result<Self> {
        parse::parse_normalized(text, semantics)
    }

    /// `ParseAnyReference`: a digest, or a reference (R-5).
    ///
    /// # Errors
    ///
    /// Those of [`Reference::parse`].
    pub fn parse_any(text: &str, semantics: &Semantics) -> Result<AnyReference> {
        if parse::is_identifier(text) {
            return Ok(AnyReference::Digest(format!("sha256:{text}")));
        }
        if parse::check_digest(text).is_ok() {
            return Ok(AnyReference::Digest(text.to_owned()));
        }
        Self::parse(text, semantics).map(AnyReference::Named)
    }

    /// The normalized text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The familiar text: without `docker.io/`, and without `library/` in front of a single element
    /// (R-4). It is the key of the reference store (R-6).
    #[must_use]
    pub fn familiar(&self) -> &str {
        self.part(usize::from(self.familiar_start)..self.text.len())
    }

    /// Normalized name, without tag and digest.
    #[must_use]
    pub fn name(&self) -> &str {
        self.part(0..self.name_end())
    }

    /// Familiar name, without tag and digest: the store's bucket (R-6).
    #[must_use]
    pub fn familiar_name(&self) -> &str {
        self.part(usize::from(self.familiar_start)..self.name_end())
    }

    /// The domain with its port. Empty in a name such as `ex_ample.com/a`, whose first element looks
    /// like a domain and is none.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.part(0..self.path_start().saturating_sub(1))
    }

    /// The name without its domain.
    #[must_use]
    pub fn path(&self) -> &str {
        self.part(self.path_start()..self.name_end())
    }

    /// The tag.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        let start = self.name_end() + 1;
        (self.tag_length > 0).then(|| self.part(start..self.tag_end()))
    }

    /// The digest with its algorithm.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        self.is_canonical().then(|| self.part(self.tag_end() + 1..self.text.len()))
    }

    /// Returns true when there is a digest.
    #[must_use]
    pub fn is_canonical(&self) -> bool {
        self.digest_length > 0
    }

    /// `TagNameOnly`: a name alone gets `:latest` (R-3).
    #[must_use]
    pub fn tag_name_only(self) -> Self {
        if self.tag_length > 0 || self.is_canonical() {
            return self;
        }
        let text = join(&[&self.text, ":", DEFAULT_TAG]);
        Self { text, tag_length: bounded(DEFAULT_TAG.len()), ..self }
    }

    /// A reference with both tag and digest loses its tag: the store keeps it by digest only
    /// (R-6).
    #[must_use]
    pub fn favor_digest(self) -> Self {
        match self.digest() {
            Some(digest) if self.tag_length > 0 => {
                let text = join(&[self.name(), "@", digest]);
                Self { text, tag_length: 0, ..self }
            }
            _ => self,
        }
    }

    fn path_start(&self) -> usize {
        self.name_end().saturating_sub(usize::from(self.path_length))
    }

    fn name_end(&self) -> usize {
        self.tag_end().saturating_sub(with_separator(self.tag_length))
    }

    fn tag_end(&self) -> usize {
        self.text.len().saturating_sub(with_separator(self.digest_length))
    }

    fn part(&self, range: Range<usize>) -> &str {
        // The lengths were taken from the text, so the empty default is never used.
        self.text.get(range).unwrap_or_default()
    }
}

/// The length of a tag or a digest and of what separates it; 0 where there is none.
const fn with_separator(length: u8) -> usize {
    if length == 0 { 0 } else { length as usize + 1 }
}

/// A length that the grammar keeps below 256.
fn bounded(length: usize) -> u8 {
    u8::try_from(length).unwrap_or(u8::MAX)
}

/// Puts the pieces into one allocation. They meet on the stack; only a text beyond every limit but
/// that of a domain takes the detour over the heap.
fn join(pieces: &[&str]) -> Arc<str> {
    let mut buffer = [0; 576];
    let mut free = buffer.as_mut_slice();
    let fits = pieces.iter().all(|piece| free.write_all(piece.as_bytes()).is_ok());
    let left = free.len();
    let joined = buffer.len().checked_sub(left).and_then(|length| buffer.get(..length));
    match joined.map(str::from_utf8) {
        Some(Ok(text)) if fits => text.into(),
        _ => pieces.concat().into(),
    }
}

impl PartialEq for Reference {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Reference {}

impl PartialOrd for Reference {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Reference {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl Hash for Reference {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Display for Reference {
    /// The normalized text.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.text)
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Reference").field(&self.text).finish()
    }
}

#[cfg(test)]
mod tests;
