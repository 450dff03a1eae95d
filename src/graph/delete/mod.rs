//! `ImageDelete`: one reference or image goes, and what hangs on it (rules D; moby's
//! `daemon/images/image_delete.go`).

use crate::api::event::{EventSink, ImageEvent};
use crate::api::record::Record;
use crate::base::digest::ImageId;
use crate::base::error::Result;
use crate::document::image::Image;
use crate::document::reference::Reference;
use crate::graph::store::{ContainerStore, FreedLayer, ImageStore, ReferenceStore, Stores};
use crate::semantics::Semantics;

mod candidates;
mod conflict;
mod failure;
mod resolve;
mod untag;

pub use candidates::{DeleteLog, Skipped, delete_candidates};
pub use conflict::{Conflict, Obstacle};
pub use failure::{DeleteError, Failure};

use conflict::Mask;
use resolve::Path;

/// What a deletion works on: the stores, and who hears of it.
#[derive(Debug)]
pub struct Deletion<'a, I, R, L, C, E> {
    /// The stores.
    pub stores: &'a Stores<I, R, L, C>,
    /// Takes the events.
    pub events: &'a E,
    /// The version of moby to equal.
    pub semantics: &'a Semantics,
}

/// What a deletion has taken away so far.
#[derive(Debug, Default)]
struct Gone {
    records: Vec<Record>,
    /// The size of each layer of the records, in their order.
    layer_sizes: Vec<i64>,
    /// The layers of the last image; kept for its memory.
    freed: Vec<FreedLayer>,
}

impl Gone {
    /// Most images have a reference, and a layer or two of their own.
    fn with_capacity(images: usize) -> Self {
        let (records, layer_sizes) = (Vec::with_capacity(images * 4), Vec::with_capacity(images * 2));
        Self { records, layer_sizes, freed: Vec::new() }
    }

    fn untagged(&mut self, reference: Reference) {
        self.records.push(Record::Untagged(reference));
    }

    fn image(&mut self, id: ImageId) {
        self.records.push(Record::Image(id));
        self.records.extend(self.freed.iter().map(|layer| Record::Layer(layer.chain_id)));
        self.layer_sizes.extend(self.freed.iter().map(|layer| layer.diff_size));
    }
}

/// How far a deletion goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Overrides soft conflicts: references, and stopped containers.
    pub force: bool,
    /// Takes parents along that nothing needs any more (D-12).
    pub prune: bool,
}

impl<I, R, L, C, E> Deletion<'_, I, R, L, C, E>
where
    I: ImageStore,
    R: ReferenceStore,
    C: ContainerStore,
    E: EventSink,
{
    /// Deletes what `reference_or_id` names: a reference, and the image where it was the last one; or
    /// an image by its ID (D-1 to D-3).
    ///
    /// # Errors
    ///
    /// Where nothing is named, a conflict, or a failure of a store. D-14 says what has changed
    /// already.
    pub fn delete(&self, reference_or_id: &str, extent: Extent) -> Result<Vec<Record>, DeleteError> {
        let mut gone = Gone::default();
        let done = self.resolve(reference_or_id).and_then(|(id, image, path)| match path {
            Path::Reference(reference) => {
                self.delete_reference((id, &image), reference_or_id, reference, extent, &mut gone)
            }
            Path::Id => self.delete_id(id, &image, extent, &mut gone),
        });
        match done {
            Ok(()) => Ok(gone.records),
            Err(failure) => Err(DeleteError::new(failure, gone.records)),
        }
    }

    /// D-6: deletes an image by its ID.
    fn delete_id(&self, id: ImageId, image: &Image, extent: Extent, gone: &mut Gone) -> Result<(), Failure> {
        if self.stores.references.has_single_reference(id) {
            let mask = Mask { references: false, ..Mask::new(extent.force) };
            if let Some(conflict) = self.conflict(id, mask) {
                return Err(conflict.into());
            }
            self.remove_all_references(id, image, gone)?;
        }
        self.delete_with_parents(id, extent, false, gone)
    }

    /// D-8, then D-12: deletes an image that is free, and from there every ancestor that is. A quiet
    /// deletion ends in silence where a conflict is in the way.
    fn delete_with_parents(
        &self,
        id: ImageId,
        extent: Extent,
        quiet: bool,
        gone: &mut Gone,
    ) -> Result<(), Failure> {
        let (mut id, mut mask, mut quiet) = (id, Mask::new(extent.force), quiet);
        loop {
            if let Some(conflict) = self.conflict(id, mask) {
                let is_silent = quiet && (conflict.is_used() || !self.is_dangling(id));
                return if is_silent { Ok(()) } else { Err(conflict.into()) };
            }
            if !mask.references
                && let Ok(image) = self.stores.images.get(id)
            {
                // Only force comes here with references left.
                self.remove_all_references(id, &image, gone)?;
            }
            gone.freed.clear();
            let parent = self.stores.images.delete_into(id, &mut gone.freed)?;
            self.events.publish(ImageEvent::Delete(id));
            gone.image(id);
            match parent {
                Some(parent) if extent.prune => (id, mask, quiet) = (parent, Mask::new(false), true),
                _ => return Ok(()),
            }
        }
    }

    fn remove_all_references(&self, id: ImageId, image: &Image, gone: &mut Gone) -> Result<(), Failure> {
        for reference in self.stores.references.references(id) {
            self.stores.references.delete(&reference)?;
            self.publish_untag(id, image);
            gone.untagged(reference);
        }
        Ok(())
    }

    /// D-13: the labels come along.
    fn publish_untag(&self, id: ImageId, image: &Image) {
        self.events.publish(ImageEvent::Untag(id, image.labels().cloned()));
    }

    fn is_dangling(&self, id: ImageId) -> bool {
        !self.stores.references.has_references(id) && !self.stores.images.has_children(id)
    }
}
