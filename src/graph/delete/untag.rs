//! The way of a reference: it goes, and the image where it was the last one (D-4, D-5).

use super::{Deletion, Extent, Failure, Gone, Obstacle};
use crate::api::event::EventSink;
use crate::base::digest::ImageId;
use crate::document::image::Image;
use crate::document::reference::Reference;
use crate::graph::store::{ContainerState, ContainerStore, ImageStore, ReferenceStore};

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
        (id, image): (ImageId, &Image),
        given: &str,
        reference: Reference,
        extent: Extent,
        gone: &mut Gone,
    ) -> Result<(), Failure> {
        let references = &self.stores.references;
        if !extent.force && references.has_single_reference(id) {
            self.refuse_last_reference(id, given)?;
        }
        let reference = reference.tag_name_only();
        let mut left = references.untag(id, &reference)?;
        self.publish_untag(id, image);
        gone.untagged(reference);
        // D-5.4: once no tag of the repository is left on the image, its digests of that repository go, too.
        for digest in std::mem::take(&mut left.orphaned_digests) {
            left = references.untag(id, &digest).map_err(Failure::CleanUp)?;
            gone.untagged(digest);
        }
        if left.any {
            return Ok(());
        }
        self.delete_with_parents(id, extent, true, gone)
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
}
