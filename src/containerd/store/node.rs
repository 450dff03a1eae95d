//! What the graph of a metadata store is made of: objects, and what they say about others.

use std::sync::Arc;

use super::label::{Aim, Meaning, family};
use super::walk::SnapshotKey;
use crate::base::arena::Place;
use crate::base::digest::Digest;
use crate::containerd::image::Image;
use crate::document::world::containerd::Labels;
use crate::semantics::Containerd;

/// The name of an object: its kind, and 32 bytes. For content and for snapshots that are named by a digest these are
/// the digest; for all others they are the digest of the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub id: Digest,
    pub kind: KeyKind,
}

/// Which objects a key is among.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum KeyKind {
    Blob,
    Snapshot,
    /// A snapshot that is not named by a digest, such as a container's.
    NamedSnapshot,
    Image,
    Lease,
}

impl From<Key> for Digest {
    /// For hashing alone.
    fn from(Key { id, kind }: Key) -> Self {
        let mut bytes = *id.as_bytes();
        let [first, ..] = &mut bytes;
        *first ^= kind as u8;
        Self::from_bytes(bytes)
    }
}

impl Key {
    pub(super) const fn blob(digest: Digest) -> Self {
        Self { id: digest, kind: KeyKind::Blob }
    }

    pub(super) fn chain(key: &SnapshotKey) -> Self {
        match key {
            SnapshotKey::Chain(id) => Self { id: *id, kind: KeyKind::Snapshot },
            SnapshotKey::Odd(key) => Self::snapshot(key),
        }
    }

    pub(super) fn snapshot(key: &str) -> Self {
        match key.parse() {
            Ok(id) => Self { id, kind: KeyKind::Snapshot },
            Err(_) => Self { id: Digest::of(key.as_bytes()), kind: KeyKind::NamedSnapshot },
        }
    }

    pub(super) fn image(name: &str) -> Self {
        Self { id: Digest::of(name.as_bytes()), kind: KeyKind::Image }
    }

    pub(super) fn lease(id: &str) -> Self {
        Self { id: Digest::of(id.as_bytes()), kind: KeyKind::Lease }
    }
}

/// A place in the graph: an object, or the memory of one that others name.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// In bytes; of content and snapshots.
    pub size: i64,
    pub object: Object,
    /// References from objects that are reached.
    pub strong: u32,
    /// How many objects know the place, so that it stays.
    pub held: Held,
    pub marks: Marks,
}

// A store has a dozen nodes an image.
const _: () = assert!(size_of::<Node>() <= 32, "a node is larger than it was");

impl Node {
    /// Whether there is an object.
    pub(super) const fn is_there(&self) -> bool {
        !matches!(self.object, Object::Absent)
    }

    /// Whether references lead on from here: also from the name of what is not there, to what depends on it.
    pub(super) const fn is_vertex(&self) -> bool {
        self.is_there() || self.marks.has(Marks::HAS_DEPENDENTS)
    }
}

/// A count of three bytes, which with the marks are four. A place that sixteen million objects know stays for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Held([u8; 3]);

impl Held {
    pub(super) const MOST: u32 = 0xff_ff_ff;

    pub(super) const fn get(self) -> u32 {
        let [low, middle, high] = self.0;
        u32::from_le_bytes([low, middle, high, 0])
    }

    pub(super) fn increase(&mut self) {
        self.set(self.get().saturating_add(1).min(Self::MOST));
    }

    pub(super) fn decrease(&mut self) {
        if self.get() < Self::MOST {
            self.set(self.get().saturating_sub(1));
        }
    }

    fn set(&mut self, count: u32) {
        let [low, middle, high, _] = count.to_le_bytes();
        self.0 = [low, middle, high];
    }
}

/// One bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Marks(u8);

impl Marks {
    /// Is reached by itself: a record or lease that has not expired, or a `gc.root` label.
    pub(super) const ROOT: Self = Self(1);
    /// Was reached, and its references count.
    pub(super) const STRONG: Self = Self(2);
    /// Was reached by a flat lease: its parent counts, or its target, and nothing else.
    pub(super) const FLAT: Self = Self(4);
    /// Lies between cycles of references, so that a count above zero proves nothing.
    pub(super) const CYCLIC: Self = Self(8);
    /// Waits for the next collection to look at it.
    pub(super) const SUSPECT: Self = Self(16);
    /// Others live as long as this one (B-5).
    pub(super) const HAS_DEPENDENTS: Self = Self(32);
    /// Seen by the search for cycles, entered and left.
    pub(super) const ENTERED: Self = Self(64);
    pub(super) const LEFT: Self = Self(128);

    pub(super) const fn has(self, mark: Self) -> bool {
        self.0 & mark.0 != 0
    }

    pub(super) const fn set(&mut self, mark: Self, on: bool) {
        if on { self.0 |= mark.0 } else { self.0 &= !mark.0 }
    }
}

#[derive(Debug, Clone)]
pub(super) enum Object {
    Absent,
    Blob(Option<Box<Blob>>),
    Snapshot(Option<Place>, Option<Box<Snapshot>>),
    /// A record, and the place of its target.
    Image(Arc<Image>, Place),
    /// A record with labels that refer to others, which few have.
    LinkedImage(Box<LinkedImage>),
    Lease(Box<Lease>),
}

/// Content that has labels, or whose bytes are known.
#[derive(Debug, Clone, Default)]
pub(super) struct Blob {
    pub view: View,
    /// The bytes, packed; `None` where they are not known.
    pub raw: Option<Box<[u8]>>,
    /// The labels that the view does not stand for.
    pub labels: Option<Box<Marked>>,
}

/// A snapshot that has labels, is writable, or is not named by a digest, nor its parent.
#[derive(Debug, Clone, Default)]
pub(super) struct Snapshot {
    pub key: Option<Box<str>>,
    pub parent: Option<Box<str>>,
    pub active: bool,
    pub labels: Marked,
}

#[derive(Debug, Clone)]
pub(super) struct LinkedImage {
    pub image: Arc<Image>,
    pub target: Place,
    pub links: Links,
}

#[derive(Debug, Clone)]
pub(super) struct Lease {
    pub described: Arc<crate::document::world::containerd::Lease>,
    pub items: Box<[Place]>,
    pub is_flat: bool,
}

/// What is known of the bytes of a blob: decoded once, for the kind that the bytes look like.
#[derive(Debug, Clone, Default)]
pub(super) enum View {
    #[default]
    None,
    Manifest(Children),
    Index(Children),
    /// Set where the labels of the common families are the one for the top snapshot (B-4).
    Config(Box<ConfigView>, bool),
}

/// What a manifest or an index names.
#[derive(Debug, Clone)]
pub(super) struct Children {
    pub list: Box<[Child]>,
    /// The labels of the common families are those that a puller writes for these children (B-4).
    pub are_labelled: bool,
}

/// A blob that a manifest or an index names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Child {
    pub size: i64,
    pub place: Place,
    pub kind: super::Kind,
    pub is_attestation: bool,
}

/// What a prune looks at in a config.
#[derive(Debug, Clone)]
pub(super) struct ConfigView {
    pub labels: Option<crate::document::image::Labels>,
    /// The snapshots of the layers, base first; `None` where a key is no digest.
    pub snapshots: Option<Box<[Place]>>,
}

impl View {
    /// Shows every place that the document names.
    pub(super) fn each_place(&self, mut see: impl FnMut(Place)) {
        match self {
            Self::None => {}
            Self::Manifest(children) | Self::Index(children) => {
                children.list.iter().for_each(|child| see(child.place));
            }
            Self::Config(view, _) => view.snapshots.iter().flatten().copied().for_each(see),
        }
    }

    /// The labels of the common families that a puller writes for such a document, whether they are there or not.
    pub(super) fn usual_labels(&self) -> Vec<(u32, Place)> {
        let with = |code: fn(usize) -> u32, children: &Children| {
            children.list.iter().enumerate().map(|(at, child)| (code(at), child.place)).collect()
        };
        match self {
            Self::None => Vec::new(),
            Self::Manifest(children) => with(family::in_manifest, children),
            Self::Index(children) => with(family::in_index, children),
            Self::Config(view, _) => view.top().map(|top| (family::SNAPSHOT, *top)).into_iter().collect(),
        }
    }

    /// Lets the view stand for the usual labels.
    pub(super) fn set_labelled(&mut self) {
        match self {
            Self::None => {}
            Self::Manifest(children) | Self::Index(children) => children.are_labelled = true,
            Self::Config(_, is_labelled) => *is_labelled = true,
        }
    }

    pub(super) fn is_labelled(&self) -> bool {
        match self {
            Self::None => false,
            Self::Manifest(children) | Self::Index(children) => children.are_labelled,
            Self::Config(_, is_labelled) => *is_labelled,
        }
    }

    /// Shows what the labels refer to that the view stands for.
    pub(super) fn each_labelled(&self, mut see: impl FnMut(Place)) {
        match self {
            Self::Config(view, true) => view.top().copied().into_iter().for_each(see),
            Self::Manifest(children) | Self::Index(children) if children.are_labelled => {
                children.list.iter().for_each(|child| see(child.place));
            }
            _ => {}
        }
    }
}

impl ConfigView {
    fn top(&self) -> Option<&Place> {
        self.snapshots.as_deref()?.last()
    }
}

/// References that are written in labels of no common family.
#[derive(Debug, Clone, Default)]
pub(super) struct Links {
    /// What it holds.
    pub references: Box<[Place]>,
    /// What it lives as long as.
    pub back_references: Box<[Place]>,
}

/// Labels, those of the common families as a number and a place.
#[derive(Debug, Clone, Default)]
pub(super) struct Marked {
    pub families: Box<[(u32, Place)]>,
    pub others: Option<Box<(Links, Texts)>>,
}

/// Labels as they stand.
pub(super) type Texts = Box<[(Box<str>, Box<str>)]>;

impl Marked {
    pub(super) fn is_empty(&self) -> bool {
        self.families.is_empty() && self.others.is_none()
    }

    pub(super) fn links(&self) -> Option<&Links> {
        self.others.as_deref().map(|(links, _)| links)
    }

    /// Every place that they name.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        let families = self.families.iter().map(|(_, place)| *place);
        families.chain(self.links().into_iter().flat_map(Links::places))
    }
}

impl Links {
    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        self.references.iter().chain(&self.back_references).copied()
    }
}

/// What the labels of an object say, before places are known.
#[derive(Debug, Default)]
pub(super) struct Said<'a> {
    pub families: Vec<(u32, Key)>,
    pub references: Vec<Key>,
    pub back_references: Vec<Key>,
    pub others: Vec<(&'a str, &'a str)>,
    pub is_root: bool,
}

impl<'a> Said<'a> {
    pub(super) fn by(labels: &'a Labels, snapshotter: &str, containerd: &Containerd) -> Self {
        let mut said = Self::default();
        // N-1: an empty value is not stored.
        for (label, value) in labels.iter().filter(|(_, value)| !value.is_empty()) {
            let key = |aim: Aim<'_>| match aim {
                Aim::Content => value.parse().ok().map(Key::blob),
                Aim::Image => Some(Key::image(value)),
                Aim::Snapshot(name) => (name == snapshotter).then(|| Key::snapshot(value)),
            };
            match Meaning::of(label, containerd) {
                Meaning::Reference(aim) => {
                    if let Some(key) = key(aim) {
                        let code = family::code(label, snapshotter);
                        match code.filter(|_| matches!(key.kind, KeyKind::Blob | KeyKind::Snapshot)) {
                            Some(code) => {
                                said.families.push((code, key));
                                continue;
                            }
                            None => said.references.push(key),
                        }
                    }
                }
                Meaning::BackReference(aim) => said.back_references.extend(key(aim)),
                Meaning::Root => said.is_root = true,
                Meaning::Other => {}
            }
            said.others.push((label, value));
        }
        said
    }
}
