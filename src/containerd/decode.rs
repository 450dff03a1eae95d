//! How blobs are read (B-1, B-2, B-3a).

pub(super) use crate::document::oci::Descriptor;

use crate::base::digest::Digest;
use crate::base::error::Result;
use crate::document::image::Labels;
use crate::document::oci::{Config, Document, View, is_config, is_index, is_manifest};

/// How a blob is read: decided by the descriptor that points to it, never by the blob (B-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A manifest: a config and layers.
    Manifest,
    /// An index: manifests and other indexes.
    Index,
    /// The config of an image.
    Config,
    /// Everything else: never read.
    Opaque,
}

/// The media types that nearly all blobs have.
const KNOWN: [&str; 6] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.container.image.v1+json",
];

impl Kind {
    /// The kind of a media type.
    #[must_use]
    pub fn of(media_type: &str) -> Self {
        match media_type {
            _ if is_manifest(media_type) => Self::Manifest,
            _ if is_index(media_type) => Self::Index,
            _ if is_config(media_type) => Self::Config,
            _ => Self::Opaque,
        }
    }

    /// Returns true for manifests and indexes, of whose deletion a prune makes a record.
    #[must_use]
    pub const fn is_recorded(self) -> bool {
        matches!(self, Self::Manifest | Self::Index)
    }

    /// A descriptor of this kind, of a blob that does not matter.
    pub(super) fn descriptor(self) -> Descriptor {
        let media_type = KNOWN.into_iter().find(|known| Self::of(known) == self).unwrap_or_default();
        Descriptor { media_type: media_type.to_owned(), ..Descriptor::default() }
    }
}

/// One of the media types that nearly all blobs have, in a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KnownType(u8);

impl KnownType {
    pub(super) fn of(text: &str) -> Option<Self> {
        KNOWN.into_iter().zip(0..).find(|(known, _)| *known == text).map(|(_, number)| Self(number))
    }

    pub(super) fn text(self) -> &'static str {
        KNOWN.get(usize::from(self.0)).copied().unwrap_or_default()
    }
}

impl Descriptor {
    /// How the blob is read.
    pub(super) fn kind(&self) -> Kind {
        Kind::of(&self.media_type)
    }

    /// The digest, where it is one that a content store can have.
    pub(super) fn blob(&self) -> Option<Digest> {
        self.digest.parse().ok()
    }

    /// The bytes that are right here, if they are those of the blob (B-3a).
    pub(super) fn inline(&self) -> Option<&[u8]> {
        let is_whole = i64::try_from(self.data.len()) == Ok(self.size) && !self.data.is_empty();
        (is_whole && self.blob() == Some(Digest::of(&self.data))).then_some(&self.data)
    }
}

/// The children of a blob (B-2): none for configs and what is never read.
///
/// # Errors
///
/// Go's text of JSON that does not decode, and containerd's where the blob is of another kind.
pub(super) fn children(raw: &[u8], of: &Descriptor) -> Result<Vec<Descriptor>> {
    if !of.kind().is_recorded() {
        return Ok(Vec::new());
    }
    Ok(Document::read(raw, of, "children")?.children(&of.media_type))
}

/// Everything of a config that matters to a prune.
///
/// # Errors
///
/// Go's text of JSON that does not decode.
pub(super) fn config(raw: &[u8]) -> Result<Config> {
    let (config, read) = Config::read(raw, View::Image);
    read.map(|()| config)
}

/// The labels of a config, as label filters read them.
///
/// # Errors
///
/// Go's text of JSON that does not decode.
pub(super) fn config_labels(raw: &[u8]) -> Result<Option<Labels>> {
    let (config, read) = Config::read(raw, View::Labels);
    read.map(|()| config.labels.map(Labels::from_iter))
}
