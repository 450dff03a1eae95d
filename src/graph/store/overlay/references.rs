//! References over those of another store.

use super::DigestMap;
use crate::base::digest::ImageId;
use crate::base::error::{Error, Result};
use crate::base::sync::RwLock;
use crate::document::reference::Reference;
use crate::graph::store::reference::stored_form;
use crate::graph::store::{ReferenceStore, Remaining, is_single_reference};

/// The references of an [`Overlay`](super::Overlay).
#[derive(Debug)]
pub struct OverlayReferences<'a, R> {
    below: &'a R,
    /// The references that are left to an image that has lost one, sorted.
    left: RwLock<DigestMap<ImageId, Vec<Reference>>>,
}

impl<'a, R> OverlayReferences<'a, R> {
    pub(super) fn new(below: &'a R) -> Self {
        Self { below, left: RwLock::default() }
    }
}

impl<R: ReferenceStore> OverlayReferences<'_, R> {
    fn with_left<T>(&self, id: ImageId, look: impl FnOnce(&[Reference]) -> T) -> Option<T> {
        self.left.read().get(&id).map(|left| look(left))
    }
}

impl<R: ReferenceStore> ReferenceStore for OverlayReferences<'_, R> {
    fn references(&self, id: ImageId) -> Vec<Reference> {
        self.with_left(id, <[_]>::to_vec).unwrap_or_else(|| self.below.references(id))
    }

    fn get(&self, reference: &Reference) -> Option<ImageId> {
        let id = self.below.get(reference)?;
        self.with_left(id, |left| position(left, reference).is_some()).unwrap_or(true).then_some(id)
    }

    fn delete(&self, reference: &Reference) -> Result<()> {
        let missing = || Error::not_found("reference does not exist");
        let id = self.below.get(reference).ok_or_else(missing)?;
        self.untag(id, reference).map(drop)
    }

    fn references_into(&self, id: ImageId, references: &mut Vec<Reference>) {
        if self.with_left(id, |left| references.extend_from_slice(left)).is_none() {
            self.below.references_into(id, references);
        }
    }

    fn announce(&self, ids: &[ImageId]) {
        self.below.announce(ids);
    }

    fn has_references(&self, id: ImageId) -> bool {
        self.with_left(id, |left| !left.is_empty()).unwrap_or_else(|| self.below.has_references(id))
    }

    /// Of the image that the reference names, as any store: `id` is only asked for what is left.
    fn untag(&self, id: ImageId, reference: &Reference) -> Result<Remaining> {
        let missing = || Error::not_found("reference does not exist");
        let owner = self.below.get(reference).ok_or_else(missing)?;
        let known = self.left.read().contains_key(&owner);
        let references = if known { Vec::new() } else { self.below.references(owner) };
        let mut left = self.left.write();
        let of_owner = left.entry(owner).or_insert(references);
        let position = position(of_owner, reference).ok_or_else(missing)?;
        of_owner.remove(position);
        if owner == id {
            return Ok(Remaining::behind(reference, of_owner));
        }
        drop(left);
        Ok(Remaining::behind(reference, &self.references(id)))
    }

    fn has_single_reference(&self, id: ImageId) -> bool {
        self.with_left(id, is_single_reference).unwrap_or_else(|| self.below.has_single_reference(id))
    }
}

/// Where a reference is among those of its image; two spellings of one key are one reference.
fn position(references: &[Reference], reference: &Reference) -> Option<usize> {
    // An image loses its references in their order.
    if references.first() == Some(reference) {
        return Some(0);
    }
    let wanted = stored_form(reference);
    references.iter().position(|other| stored_form(other).familiar() == wanted.familiar())
}
