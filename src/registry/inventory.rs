//! What is in a registry: tags, what they point to, and what that lists.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::client::Content;
use crate::base::digest::Digest;
use crate::document::manifest::Manifest;

/// What was read of a registry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Repositories that rules are about, and the others as far as they were read.
    pub repositories: Vec<Repository>,
    /// Whether that is all there is, so that what nothing here needs is needed by nothing.
    pub is_whole: bool,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// One repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repository {
    /// Its name.
    pub name: String,
    /// Its tags.
    pub tags: BTreeMap<String, Pointer>,
    /// What the tags point to, what that lists, and what any of it is about.
    pub manifests: BTreeMap<Digest, Entry>,
    /// What was asked for, because something lists it or is about it, and does not exist.
    pub missing: BTreeSet<Digest>,
    /// The manifests that were deleted since they were read; they are among `manifests` still.
    pub deleted: BTreeSet<Digest>,
}

/// What a tag points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pointer {
    /// This digest.
    To(Digest),
    /// It could not be found out.
    Unknown {
        /// What is wrong.
        why: String,
    },
}

/// A manifest of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// It was read.
    Read {
        /// The length of its text, in bytes.
        size: u64,
        /// What it says.
        manifest: Box<Manifest>,
        /// When its image was made, in Unix seconds; none where that is unknown or was not asked.
        created: Option<i64>,
    },
    /// It cannot be read.
    Unreadable {
        /// What is wrong.
        why: String,
        /// Whether it may list other manifests.
        may_list: bool,
    },
}

impl Entry {
    pub(super) fn of(content: Content) -> Self {
        Self::Read { size: content.size, manifest: Box::new(content.manifest), created: None }
    }

    /// Its content; `None` where it cannot be read.
    pub(super) fn manifest(&self) -> Option<&Manifest> {
        match self {
            Self::Read { manifest, .. } => Some(manifest),
            Self::Unreadable { .. } => None,
        }
    }

    /// All that it lists, whatever the list says that it is.
    pub(super) fn listed(&self) -> impl Iterator<Item = Digest> {
        let manifests = self.manifest().into_iter().flat_map(|manifest| &manifest.manifests);
        manifests.map(|listed| listed.digest)
    }

    /// The manifest that it is about.
    pub(super) fn subject(&self) -> Option<Digest> {
        self.manifest()?.subject.as_ref().map(|subject| subject.digest)
    }

    pub(super) fn created(&self) -> Option<i64> {
        match self {
            Self::Read { created, .. } => *created,
            Self::Unreadable { .. } => None,
        }
    }
}

impl Repository {
    /// By manifest, those that list it.
    pub(super) fn parents(&self) -> BTreeMap<Digest, Vec<Digest>> {
        let mut parents: BTreeMap<Digest, Vec<Digest>> = BTreeMap::new();
        for (parent, entry) in &self.manifests {
            for child in entry.listed() {
                parents.entry(child).or_default().push(*parent);
            }
        }
        parents
    }

    /// What a tag is about: the subject of its manifest, or the digest in a name like `sha256-<hex>.sig`, as cosign
    /// and clients of registries without a referrers API write it.
    pub(super) fn subject_of(&self, tag: &str, digest: Digest) -> Option<Digest> {
        let subject = self.manifests.get(&digest).and_then(Entry::subject);
        subject.or_else(|| subject_in(tag)).filter(|subject| *subject != digest)
    }

    /// By manifest, those that are about it, such as its signatures.
    pub(super) fn referrers(&self) -> BTreeMap<Digest, Vec<Digest>> {
        let mut referrers: BTreeMap<Digest, Vec<Digest>> = BTreeMap::new();
        for (referrer, entry) in &self.manifests {
            if let Some(subject) = entry.subject() {
                referrers.entry(subject).or_default().push(*referrer);
            }
        }
        referrers
    }

    /// What `from` needs: itself, and all that it lists, in any depth. Only what is there.
    pub(super) fn closure(&self, from: Digest) -> BTreeSet<Digest> {
        let mut found = BTreeSet::new();
        let mut next = vec![from];
        while let Some(digest) = next.pop() {
            if let Some(entry) = self.manifests.get(&digest)
                && found.insert(digest)
            {
                next.extend(entry.listed());
            }
        }
        found
    }

    /// Bytes of one image or index, with all that it lists, each blob once.
    pub(super) fn size(&self, digest: Digest) -> u64 {
        let mut blobs = HashMap::new();
        for digest in self.closure(digest) {
            self.add_blobs(digest, &mut blobs);
        }
        blobs.into_values().fold(0, u64::saturating_add)
    }

    fn add_blobs(&self, digest: Digest, blobs: &mut HashMap<Digest, u64>) {
        if let Some(Entry::Read { size, manifest, .. }) = self.manifests.get(&digest) {
            blobs.insert(digest, *size);
            blobs.extend(manifest.blobs().map(|blob| (blob.digest, blob.size)));
        }
    }
}

/// What a tag like `sha256-<hex>` or `sha256-<hex>.sig` is about.
pub(super) fn subject_in(tag: &str) -> Option<Digest> {
    let hex = tag.strip_prefix("sha256-")?;
    let hex = hex.split_once('.').map_or(hex, |(hex, _)| hex);
    Digest::from_hex(hex)
}

impl Inventory {
    /// The bytes that a garbage collection frees once `gone` is deleted, as repository and digest: manifests,
    /// configs and layers that no other manifest needs, in any repository that was read. And whether that is exact:
    /// blobs that may lie elsewhere count, and a registry need not have them.
    pub(super) fn freed(&self, gone: &HashSet<(&str, Digest)>) -> (u64, bool) {
        let (mut freed, mut needed, mut elsewhere) = (HashMap::new(), HashMap::new(), HashSet::new());
        for repository in &self.repositories {
            for (digest, entry) in &repository.manifests {
                let is_gone = gone.contains(&(repository.name.as_str(), *digest));
                repository.add_blobs(*digest, if is_gone { &mut freed } else { &mut needed });
                let blobs = entry.manifest().into_iter().flat_map(Manifest::blobs);
                elsewhere.extend(blobs.filter(|blob| !blob.urls.is_empty()).map(|blob| blob.digest));
            }
        }
        freed.retain(|digest, _| !needed.contains_key(digest));
        let is_exact = !freed.keys().any(|digest| elsewhere.contains(digest));
        (freed.into_values().fold(0, u64::saturating_add), is_exact)
    }
}
