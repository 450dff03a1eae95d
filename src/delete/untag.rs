//! The way of a reference: it goes, and the image where it was the last one (SPEC.md D-4, D-5).

use super::{Deletion, Extent, Failure, Obstacle};
use crate::digest::ImageId;
use crate::event::EventSink;
use crate::record::Record;
use crate::reference::Reference;
use crate::store::{ContainerState, ContainerStore, ImageStore, ReferenceStore};

impl<I, R, L, C, E> Deletion<'_, I, R, L, C, E>
where
    I: ImageStore,
    R: ReferenceStore,
    C: ContainerStore,
    E: EventSink,
{
    /// D-5: removes `reference` from the image that it names; `given` is what the caller wrote.
    pub(super) fn delete_reference(
        &self,
        id: ImageId,
        given: &str,
        reference: Reference,
        extent: Extent,
        records: &mut Vec<Record>,
    ) -> Result<(), Failure> {
        let references = &self.stores.references;
        if !extent.force && is_single_reference(&references.references(id)) {
            self.refuse_last_reference(id, given)?;
        }
        let reference = reference.tag_name_only();
        references.delete(&reference)?;
        self.publish_untag(id);
        records.push(Record::Untagged(reference.clone()));

        let mut left = references.references(id);
        if !reference.is_canonical() {
            left = self.clean_up_digests(&reference, left, records)?;
        }
        if left.is_empty() {
            return self.delete_with_parents(id, extent, true, records);
        }
        Ok(())
    }

    /// D-5.1: the last reference of an image that a container uses stays.
    fn refuse_last_reference(&self, image: ImageId, given: &str) -> Result<(), Failure> {
        let containers = &self.stores.containers;
        let mounting = || {
            if self.semantics.image_mounts_are_use { containers.first_mounting(image) } else { None }
        };
        match containers.first(image, ContainerState::Any).or_else(mounting) {
            None => Ok(()),
            Some(container) => {
                let obstacle = Obstacle::LastReference(given.into(), container);
                Err(super::Conflict { image, obstacle }.into())
            }
        }
    }

    /// D-5.4: once no tag of the repository is left on the image, its digests of that repository go, too.
    /// Returns the references that stay.
    fn clean_up_digests(
        &self,
        removed: &Reference,
        left: Vec<Reference>,
        records: &mut Vec<Record>,
    ) -> Result<Vec<Reference>, Failure> {
        let is_same_repository = |other: &Reference| other.name() == removed.name();
        if left.iter().any(|other| !other.is_canonical() && is_same_repository(other)) {
            return Ok(left);
        }
        let (go, stay): (Vec<_>, Vec<_>) = left.into_iter().partition(is_same_repository);
        for reference in go {
            self.stores.references.delete(&reference).map_err(Failure::CleanUp)?;
            records.push(Record::Untagged(reference));
        }
        Ok(stay)
    }
}

/// D-4: whether all references are of one repository, with at most one tag among them. False for none.
pub(super) fn is_single_reference(references: &[Reference]) -> bool {
    let mut tags = references.iter().filter(|reference| !reference.is_canonical());
    let (tag, other_tag) = (tags.next(), tags.next());
    let Some(single) = tag.or_else(|| references.first()) else { return false };
    other_tag.is_none() && references.iter().all(|reference| reference.name() == single.name())
}
