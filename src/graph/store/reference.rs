//! References in memory, found by name and by image (rules R-6 to R-11).

use std::borrow::Cow;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use hashbrown::HashTable;
use smallvec::SmallVec;

use super::{ReferenceStore, Remaining};
use crate::base::arena::{Arena, Place};
use crate::base::digest::ImageId;
use crate::base::error::{Error, Result};
use crate::base::sync::RwLock;
use crate::document::reference::Reference;
use crate::semantics::Semantics;

/// The references of a daemon, in memory.
///
/// ```
/// use image_prune::graph::store::{ReferenceStore, References};
/// use image_prune::{ImageId, Reference, Semantics};
///
/// let semantics = Semantics::MOBY_20_10;
/// let references = References::new(&semantics);
/// let id = ImageId::of(b"{}");
/// references.add_tag(Reference::parse("busybox", &semantics)?, id)?;
/// assert_eq!(references.references(id)[0].as_str(), "docker.io/library/busybox:latest");
/// # Ok::<(), image_prune::Error>(())
/// ```
#[derive(Debug)]
pub struct References {
    inner: RwLock<Inner>,
    new_conflict_texts: bool,
}

#[derive(Debug, Clone)]
struct Inner {
    // INVARIANT: an image with references has one entry, its references sorted by their text; the
    // table has one item for each of them.
    images: Arena<ImageId, List>,
    /// By familiar text: two spellings of one key are one reference (R-9).
    by_key: HashTable<Key>,
    hasher: RandomState,
}

type List = SmallVec<[Reference; 1]>;

/// Where to look for a reference. It is told from others by the list at that place: eight bytes instead of forty.
#[derive(Debug, Clone, Copy)]
struct Key {
    /// Of the familiar text.
    hash: u32,
    place: Place,
}

impl Key {
    /// The hash that the table sees: it takes its buckets from the low bits, and seven more from the top.
    fn spread(self) -> u64 {
        u64::from(self.hash) << 32 | u64::from(self.hash)
    }
}

impl Clone for References {
    fn clone(&self) -> Self {
        let inner = RwLock::new(self.inner.read().clone());
        Self { inner, new_conflict_texts: self.new_conflict_texts }
    }
}

impl References {
    /// No references.
    #[must_use]
    pub fn new(semantics: &Semantics) -> Self {
        let inner = Inner { images: Arena::new(), by_key: HashTable::new(), hasher: RandomState::default() };
        Self { inner: RwLock::new(inner), new_conflict_texts: semantics.new_tag_conflict_texts }
    }

    /// Adds a tag that must be free, or name this image already (R-7).
    ///
    /// # Errors
    ///
    /// `invalid_parameter` for a canonical reference or a repository called `sha256`; a conflict where
    /// the tag names another image.
    pub fn add_tag(&self, reference: Reference, id: ImageId) -> Result<()> {
        self.set_tag(reference, id, false).map(drop)
    }

    /// Moves a tag to this image; the image that lost it (R-7, forced).
    ///
    /// # Errors
    ///
    /// `invalid_parameter` as in [`References::add_tag`].
    pub fn retag(&self, reference: Reference, id: ImageId) -> Result<Option<ImageId>> {
        self.set_tag(reference, id, true)
    }

    fn set_tag(&self, reference: Reference, id: ImageId, force: bool) -> Result<Option<ImageId>> {
        if reference.is_canonical() {
            return Err(Error::invalid_parameter("refusing to create a tag with a digest reference"));
        }
        let reference = reference.tag_name_only();
        refuse_ambiguous(&reference)?;
        let mut inner = self.inner.write();
        match inner.get(&reference) {
            Some(other) if other == id => Ok(None),
            Some(other) if !force => Err(self.tag_conflict(&reference, other)),
            other => {
                if other.is_some() {
                    inner.remove(&reference);
                }
                inner.insert(reference, id).map(|()| other)
            }
        }
    }

    fn tag_conflict(&self, reference: &Reference, other: ImageId) -> Error {
        let tag = reference.familiar();
        Error::conflict(if self.new_conflict_texts {
            format!("tag {tag} is already set to image {other}, use the force option to replace it")
        } else {
            format!(
                "Conflict: Tag {tag} is already set to image {other}, if you want to replace it, \
                 please use the force option"
            )
        })
    }

    /// Adds a canonical reference; of tag and digest the digest alone is kept (R-6, R-7).
    ///
    /// # Errors
    ///
    /// A conflict where the digest names another image; `invalid_parameter` for a reference without
    /// a digest and for a repository called `sha256`.
    pub fn add_digest(&self, reference: Reference, id: ImageId) -> Result<()> {
        let reference = reference.favor_digest();
        let Some(digest) = reference.digest() else {
            return Err(Error::invalid_parameter("a digest reference needs a digest"));
        };
        refuse_ambiguous(&reference)?;
        let cannot = if self.new_conflict_texts { "cannot" } else { "Cannot" };
        let conflict = Error::conflict(format!("{cannot} overwrite digest {digest}"));
        let mut inner = self.inner.write();
        match inner.get(&reference) {
            Some(other) if other == id => Ok(()),
            Some(_) => Err(conflict),
            None => inner.insert(reference, id),
        }
    }

    /// All references of one repository with their images, sorted by text (R-11). The name is
    /// a familiar one.
    #[must_use]
    pub fn references_by_name(&self, familiar_name: &str) -> Vec<(Reference, ImageId)> {
        let mut found = self.references_where(|reference| reference.familiar_name() == familiar_name);
        found.sort_unstable();
        found
    }

    /// All references with their images, in no particular order: one snapshot.
    #[must_use]
    pub fn all(&self) -> Vec<(Reference, ImageId)> {
        self.references_where(|_| true)
    }

    fn references_where(&self, is_meant: impl Fn(&Reference) -> bool) -> Vec<(Reference, ImageId)> {
        let inner = self.inner.read();
        let every =
            inner.images.iter().flat_map(|(id, list)| list.iter().map(move |reference| (reference, id)));
        every
            .filter(|(reference, _)| is_meant(reference))
            .map(|(reference, id)| (reference.clone(), id))
            .collect()
    }

    /// The number of references.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.read().by_key.len()
    }

    /// Returns true where there is no reference.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn validate(&self) -> Result<(), String> {
        let inner = self.inner.read();
        let mut count = 0;
        for (id, list) in inner.images.iter() {
            if list.is_empty() || !list.is_sorted() {
                return Err(format!("the references of {id} are empty or not sorted"));
            }
            count += list.len();
            for reference in list {
                if inner.get(reference) != Some(id) {
                    return Err(format!("{} is not found by its name", reference.as_str()));
                }
            }
        }
        let keys = inner.by_key.len();
        if keys == count { Ok(()) } else { Err(format!("{keys} keys for {count} references")) }
    }
}

fn refuse_ambiguous(reference: &Reference) -> Result<()> {
    if reference.familiar_name() == "sha256" {
        return Err(Error::invalid_parameter(
            "refusing to create an ambiguous tag using digest algorithm as name",
        ));
    }
    Ok(())
}

/// R-6, R-7: what the store holds has either a tag or a digest.
pub(super) fn stored_form(reference: &Reference) -> Cow<'_, Reference> {
    if reference.tag().is_some() == reference.is_canonical() {
        return Cow::Owned(reference.clone().favor_digest().tag_name_only());
    }
    Cow::Borrowed(reference)
}

impl ReferenceStore for References {
    fn references(&self, id: ImageId) -> Vec<Reference> {
        self.inner.read().images.get(id).map(|list| list.to_vec()).unwrap_or_default()
    }

    fn get(&self, reference: &Reference) -> Option<ImageId> {
        self.inner.read().get(&stored_form(reference))
    }

    fn delete(&self, reference: &Reference) -> Result<()> {
        self.inner.write().delete(reference)
    }

    fn references_into(&self, id: ImageId, references: &mut Vec<Reference>) {
        if let Some(list) = self.inner.read().images.get(id) {
            references.extend_from_slice(list);
        }
    }

    fn announce(&self, ids: &[ImageId]) {
        let first_byte =
            |list: &List| list.first().and_then(|reference| reference.as_str().bytes().next()).unwrap_or(0);
        self.inner.read().images.fetch(ids, first_byte);
    }

    fn has_references(&self, id: ImageId) -> bool {
        self.inner.read().images.find(id).is_some()
    }

    fn untag(&self, id: ImageId, reference: &Reference) -> Result<Remaining> {
        let mut inner = self.inner.write();
        inner.delete(reference)?;
        let left = inner.images.get(id).map(SmallVec::as_slice).unwrap_or_default();
        Ok(Remaining::behind(reference, left))
    }

    fn has_single_reference(&self, id: ImageId) -> bool {
        self.inner.read().images.get(id).is_some_and(|list| super::is_single_reference(list))
    }
}

impl Inner {
    fn hash(&self, reference: &Reference) -> u32 {
        let [.., a, b, c, d] = self.hasher.hash_one(reference.familiar()).to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    fn get(&self, reference: &Reference) -> Option<ImageId> {
        let wanted = Key { hash: self.hash(reference), place: Place::NONE };
        let is_meant =
            |key: &Key| key.hash == wanted.hash && position(&self.images, key.place, reference).is_some();
        self.images.key(self.by_key.find(wanted.spread(), is_meant)?.place)
    }

    fn insert(&mut self, reference: Reference, id: ImageId) -> Result<()> {
        let hash = self.hash(&reference);
        let place = match self.images.find(id) {
            Some(place) => place,
            None => self
                .images
                .insert(id, SmallVec::new())
                .ok_or_else(|| Error::system("too many images with references"))?,
        };
        if let Some(list) = self.images.at_mut(place) {
            let position = list.partition_point(|other| *other < reference);
            list.insert(position, reference);
        }
        let key = Key { hash, place };
        self.by_key.insert_unique(key.spread(), key, |key| key.spread());
        Ok(())
    }

    fn delete(&mut self, reference: &Reference) -> Result<()> {
        self.remove(&stored_form(reference)).ok_or_else(|| Error::not_found("reference does not exist"))
    }

    fn remove(&mut self, reference: &Reference) -> Option<()> {
        let wanted = Key { hash: self.hash(reference), place: Place::NONE };
        let mut found = None;
        let is_meant = |key: &Key| {
            found = (key.hash == wanted.hash).then(|| position(&self.images, key.place, reference)).flatten();
            found.is_some()
        };
        let (Key { place, .. }, _) = self.by_key.find_entry(wanted.spread(), is_meant).ok()?.remove();
        let list = self.images.at_mut(place)?;
        list.remove(found?);
        if list.is_empty() {
            self.images.remove(place);
        }
        Some(())
    }
}

/// The position of a reference in the list at this place, in whichever spelling it is there.
fn position(images: &Arena<ImageId, List>, place: Place, reference: &Reference) -> Option<usize> {
    let list = images.at(place)?;
    // An image loses its references in their order.
    if list.first() == Some(reference) {
        return Some(0);
    }
    list.binary_search(reference).ok().or_else(|| other_spelling(list, reference.familiar()))
}

/// R-9: what a familiar text leaves out stands in front of it, or nothing does.
fn other_spelling(list: &[Reference], familiar: &str) -> Option<usize> {
    ["docker.io/library/", "docker.io/", ""].iter().find_map(|left_out| {
        let is_before =
            |other: &Reference| other.as_str().bytes().lt(left_out.bytes().chain(familiar.bytes()));
        let position = list.partition_point(is_before);
        list.get(position).filter(|other| other.familiar() == familiar).map(|_| position)
    })
}
