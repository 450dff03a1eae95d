//! Walks over the content of an image that is present (B-3).

use super::{ContentStore, SnapshotStore};
use crate::base::arena::Place;
use crate::base::digest::Digest;
use crate::base::error::{Error, Result};
use crate::containerd::decode::{self, Descriptor, Kind};
use crate::containerd::image::Image;
use crate::document::image::Labels;

/// What the walk over one record found, and later what of it is gone. Kept for its memory.
#[derive(Debug, Clone, Default)]
pub struct Walk {
    /// Every visit, in order; a blob that is reached twice was visited twice.
    pub blobs: Vec<Visited>,
    /// The snapshots of the configs that were visited, each once.
    pub snapshots: Vec<SnapshotSeen>,
    /// The state of the store in memory that the places are of.
    pub(super) version: Option<u64>,
}

/// A blob that a walk came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visited {
    /// The blob.
    pub digest: Digest,
    /// Its size, as the descriptor that led to it has it.
    pub size: i64,
    /// How it was read.
    pub kind: Kind,
    /// Set once it is found to be gone.
    pub is_gone: bool,
    /// Where the store in memory has it.
    pub(super) place: Option<Place>,
}

/// A snapshot of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotSeen {
    /// Its key: the chain ID.
    pub key: SnapshotKey,
    /// Its size when it was seen; 0 where it was not there.
    pub size: i64,
    /// Set once it is found to be gone; also where it never was there, which frees nothing.
    pub is_gone: bool,
    /// Where the store in memory has it.
    pub(super) place: Option<Place>,
}

/// The key of an image's snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SnapshotKey {
    /// A chain ID.
    Chain(Digest),
    /// The one diff ID of an image, where that is no digest.
    Odd(Box<str>),
}

impl SnapshotKey {
    /// The key as text.
    pub fn with_text<T>(&self, use_text: impl FnOnce(&str) -> T) -> T {
        match self {
            Self::Chain(digest) => use_text(digest.text().as_str()),
            Self::Odd(text) => use_text(text),
        }
    }
}

impl Walk {
    /// Forgets everything but the memory.
    pub fn clear(&mut self) {
        self.blobs.clear();
        self.snapshots.clear();
        self.version = None;
    }
}

impl From<String> for SnapshotKey {
    fn from(key: String) -> Self {
        key.parse().map_or_else(|_| Self::Odd(key.into()), Self::Chain)
    }
}

/// What stands in for content whose bytes a state file does not have.
pub(super) fn unknown_bytes(digest: Digest) -> Error {
    Error::system(format!("content {digest} is there, but its bytes are not known"))
}

/// The content that is there, or `None` where it went meanwhile.
fn bytes<S: ContentStore + ?Sized>(store: &S, of: &Descriptor) -> Result<Option<Vec<u8>>> {
    if let Some(inline) = of.inline() {
        return Ok(Some(inline.to_vec()));
    }
    of.blob().map_or(Ok(None), |digest| store.read(digest))
}

/// Visits the present content of a target in order: each descriptor, then its children. Ends where `visit` says false.
///
/// # Errors
///
/// What `visit` returns, and children that do not decode.
pub(in crate::containerd) fn present<S: ContentStore + ?Sized>(
    store: &S,
    target: Descriptor,
    visit: &mut dyn FnMut(&Descriptor, Digest) -> Result<Visit>,
) -> Result<()> {
    let mut next = vec![target];
    while let Some(descriptor) = next.pop() {
        let Some(digest) = descriptor.blob() else { continue };
        if !store.contains(digest)? {
            continue;
        }
        match visit(&descriptor, digest)? {
            Visit::End => return Ok(()),
            Visit::Skip => continue,
            Visit::Children => {}
        }
        if descriptor.kind().is_recorded()
            && let Some(raw) = bytes(store, &descriptor)?
        {
            let children = decode::children(&raw, &descriptor)?;
            next.extend(children.into_iter().rev());
        }
    }
    Ok(())
}

/// How a walk goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::containerd) enum Visit {
    /// With the children.
    Children,
    /// Behind what is below this one.
    Skip,
    /// Not at all.
    End,
}

/// See [`MetadataStore::walk`].
pub(super) fn walk<S: ContentStore + SnapshotStore>(
    store: &S,
    image: &Image,
    with_snapshots: bool,
    walk: &mut Walk,
) -> Result<()> {
    walk.clear();
    present(store, image.target(), &mut |descriptor, digest| {
        let (size, kind) = (descriptor.size, descriptor.kind());
        walk.blobs.push(Visited { digest, size, kind, is_gone: false, place: None });
        if with_snapshots
            && kind == Kind::Config
            && let Some(raw) = bytes(store, descriptor)?
        {
            for key in decode::config(&raw)?.chain_ids().into_iter().map(SnapshotKey::from) {
                if walk.snapshots.iter().all(|seen| seen.key != key) {
                    let size = key.with_text(|key| store.snapshot_size(key))?.unwrap_or(0);
                    walk.snapshots.push(SnapshotSeen { key, size, is_gone: false, place: None });
                }
            }
        }
        Ok(Visit::Children)
    })
}

/// See [`MetadataStore::gone`].
pub(super) fn gone<S: ContentStore + SnapshotStore>(store: &S, walk: &mut Walk) {
    for blob in &mut walk.blobs {
        blob.is_gone = matches!(store.contains(blob.digest), Ok(false));
    }
    for snapshot in &mut walk.snapshots {
        let size = snapshot.key.with_text(|key| store.snapshot_size(key));
        snapshot.is_gone = matches!(size, Ok(None));
    }
}

/// See [`MetadataStore::any_labels`].
pub(super) fn any_labels<S: ContentStore>(
    store: &S,
    image: &Image,
    with_attestations: bool,
    matches: &mut dyn FnMut(Option<&Labels>) -> bool,
) -> Result<bool> {
    let mut found = false;
    present(store, image.target(), &mut |descriptor, _| {
        if !with_attestations && descriptor.kind() == Kind::Manifest && descriptor.is_attestation() {
            return Ok(Visit::Skip);
        }
        if descriptor.kind() == Kind::Config
            && let Some(raw) = bytes(store, descriptor)?
        {
            found = matches(decode::config_labels(&raw)?.as_ref());
        }
        Ok(if found { Visit::End } else { Visit::Children })
    })?;
    Ok(found)
}
