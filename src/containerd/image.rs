//! Image records: names, and what they point to (rules N).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::decode::{Descriptor, Kind, KnownType};
use crate::base::digest::{Digest, ImageId};
use crate::document::reference::Reference;
use crate::document::world::containerd::{ImageRecord, Labels, Target};
use crate::go::time::Timestamp;
use crate::semantics::Semantics;

/// What the name of a dangling record begins with; the digest of its target follows (N-2).
pub const DANGLING: &str = "moby-dangling@";

/// The label in which the classic builder names an image's parent.
pub const PARENT: &str = "org.mobyproject.image.parent";

/// A name in the image store, and the index or manifest that it points to (N-1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    name: Box<str>,
    digest: Digest,
    size: i64,
    created_at: Timestamp,
    media_type: Option<KnownType>,
    rest: Option<Box<Rest>>,
}

/// What most records do not have: a media type of their own, annotations, labels, a change since they were made.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rest {
    media_type: Box<str>,
    annotations: BTreeMap<String, String>,
    labels: Labels,
    updated_at: Timestamp,
}

/// What a record without any has.
static NO_LABELS: Labels = Labels::new();

impl Image {
    /// The unique name; any text (N-4).
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The digest of the target, which moby takes for the image's ID.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// [`Image::digest`] as an image ID.
    #[must_use]
    pub fn id(&self) -> ImageId {
        self.digest.into()
    }

    /// The size of the target, as the record has it.
    #[must_use]
    pub fn size(&self) -> i64 {
        self.size
    }

    /// How the target is read.
    #[must_use]
    pub fn kind(&self) -> Kind {
        Kind::of(self.media_type())
    }

    fn media_type(&self) -> &str {
        match self.media_type {
            Some(known) => known.text(),
            None => self.rest.as_ref().map_or("", |rest| &rest.media_type),
        }
    }

    fn annotations(&self) -> &BTreeMap<String, String> {
        self.rest.as_ref().map_or(&NO_LABELS, |rest| &rest.annotations)
    }

    /// The target's descriptor.
    pub(super) fn target(&self) -> Descriptor {
        Descriptor {
            media_type: self.media_type().to_owned(),
            digest: self.digest.to_string(),
            size: self.size,
            annotations: self.annotations().clone(),
            ..Descriptor::default()
        }
    }

    pub(super) fn is_attestation(&self) -> bool {
        !self.annotations().is_empty() && self.target().is_attestation()
    }

    /// The labels of the record.
    #[must_use]
    pub fn labels(&self) -> &Labels {
        self.rest.as_ref().map_or(&NO_LABELS, |rest| &rest.labels)
    }

    /// When the name was made in this store: what `until` looks at (Q-2, N-9).
    #[must_use]
    pub const fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// When the record was changed last.
    #[must_use]
    pub fn updated_at(&self) -> Timestamp {
        self.rest.as_ref().map_or(self.created_at, |rest| rest.updated_at)
    }

    /// Returns true for the record that stands in for the names that an image has lost (N-2).
    #[must_use]
    pub fn is_dangling(&self) -> bool {
        self.name.strip_prefix(DANGLING).is_some_and(|digest| digest == self.digest.text().as_str())
    }

    /// The reference that the name is, where it is one and written normalized (N-5).
    #[must_use]
    pub fn reference(&self, semantics: &Semantics) -> Option<Reference> {
        Reference::parse(&self.name, semantics).ok().filter(|reference| reference.as_str() == &*self.name)
    }

    /// The name as moby shows it: the digest for a dangling record, the familiar form of a reference, any other
    /// name as it is (N-6).
    #[must_use]
    pub fn familiar(&self, semantics: &Semantics) -> Arc<str> {
        if self.is_dangling() {
            return self.digest.text().as_str().into();
        }
        match self.reference(semantics) {
            Some(reference) => reference.familiar().into(),
            None => (&*self.name).into(),
        }
    }

    /// The digest in the label of the classic builder; `None` where there is no label, an error in the other
    /// case where it is no digest.
    pub(super) fn parent(&self) -> Option<Result<Digest, ()>> {
        self.labels().get(PARENT).map(|parent| parent.parse().map_err(|_| ()))
    }

    /// The dangling record of the same target, with these labels (N-8).
    pub(super) fn dangling(&self, labels: Labels, now: Timestamp) -> Self {
        let record = ImageRecord { labels, ..ImageRecord::from(&self.named(&self.dangling_name(), now)) };
        record.into()
    }

    /// N-2.
    pub(super) fn dangling_name(&self) -> String {
        format!("{DANGLING}{}", self.digest)
    }

    /// Another name of the same target, with the same labels (N-9).
    pub(super) fn named(&self, name: &str, now: Timestamp) -> Self {
        let (name, created_at, updated_at) = (name.to_owned(), now, now);
        ImageRecord { name, created_at, updated_at, ..ImageRecord::from(self) }.into()
    }
}

impl From<ImageRecord> for Image {
    fn from(ImageRecord { name, target, mut labels, created_at, updated_at }: ImageRecord) -> Self {
        let Target { media_type, digest, size, annotations } = target;
        // N-1: containerd does not store an empty value.
        labels.retain(|_, value| !value.is_empty());
        let known = KnownType::of(&media_type);
        let is_plain =
            known.is_some() && annotations.is_empty() && labels.is_empty() && updated_at == created_at;
        let media_type = if known.is_some() { String::new() } else { media_type }.into();
        let rest = (!is_plain).then(|| Box::new(Rest { media_type, annotations, labels, updated_at }));
        Self { name: name.into(), digest, size, created_at, media_type: known, rest }
    }
}

impl From<&Image> for ImageRecord {
    fn from(image: &Image) -> Self {
        let target = Target {
            media_type: image.media_type().to_owned(),
            digest: image.digest,
            size: image.size,
            annotations: image.annotations().clone(),
        };
        Self {
            name: image.name().to_owned(),
            target,
            labels: image.labels().clone(),
            created_at: image.created_at(),
            updated_at: image.updated_at(),
        }
    }
}
