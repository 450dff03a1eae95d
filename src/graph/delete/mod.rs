//! `ImageDelete`: one reference or image goes, and what hangs on it (rules D; moby's
//! `daemon/images/image_delete.go`).

use std::sync::Arc;

use crate::api::event::{EventSink, ImageEvent};
use crate::api::record::Record;
use crate::base::digest::{ChainId, ImageId};
use crate::base::error::{Error, Kind, Result};
use crate::document::image::Image;
use crate::document::reference::{AnyReference, Reference};
use crate::graph::store::{ContainerState, ContainerStore, FreedLayer, ImageStore, ReferenceStore, Stores};
use crate::semantics::Semantics;

mod candidates;
mod conflict;
mod failure;

pub use candidates::{DeleteLog, FailedDeletion, delete_candidates};
pub use conflict::{Conflict, Obstacle};
pub use failure::{DeleteError, DeleteErrorKind};

use conflict::Mask;

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

/// One thing that went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deleted {
    /// A reference.
    Untagged(Reference),
    /// An image.
    Image(ImageId),
    /// A layer, and its own size in bytes, which nobody can tell any more.
    Layer(ChainId, i64),
}

impl From<Deleted> for Record {
    fn from(deleted: Deleted) -> Self {
        match deleted {
            Deleted::Untagged(reference) => Self::Untagged(reference),
            Deleted::Image(id) => Self::Image(id),
            Deleted::Layer(chain, _) => Self::Layer(chain),
        }
    }
}

/// What a deletion has taken away so far.
#[derive(Debug, Default)]
struct Gone {
    deleted: Vec<Deleted>,
    /// The layers of the last image; kept for its memory.
    freed: Vec<FreedLayer>,
}

impl Gone {
    /// Most images have a reference, and a layer or two of their own.
    fn with_capacity(images: usize) -> Self {
        Self { deleted: Vec::with_capacity(images * 4), freed: Vec::new() }
    }

    fn untagged(&mut self, reference: Reference) {
        self.deleted.push(Deleted::Untagged(reference));
    }

    fn image(&mut self, id: ImageId) {
        let layer = |freed: &FreedLayer| Deleted::Layer(freed.chain_id, freed.diff_size);
        self.deleted.push(Deleted::Image(id));
        self.deleted.extend(self.freed.iter().map(layer));
    }

    fn records(self) -> Vec<Record> {
        self.deleted.into_iter().map(Record::from).collect()
    }
}

/// Which way a deletion goes (D-3).
#[derive(Debug)]
enum Path {
    Reference(Reference),
    Id,
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
            Ok(()) => Ok(gone.records()),
            Err(failure) => Err(DeleteError::new(failure, gone.records())),
        }
    }

    /// D-5: removes `reference` from the image that it names; `given` is what the caller wrote.
    fn delete_reference(
        &self,
        (id, image): (ImageId, &Image),
        given: &str,
        reference: Reference,
        extent: Extent,
        gone: &mut Gone,
    ) -> Result<(), DeleteErrorKind> {
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
            left = references.untag(id, &digest).map_err(DeleteErrorKind::CleanUp)?;
            gone.untagged(digest);
        }
        if left.any {
            return Ok(());
        }
        self.delete_with_parents(id, extent, true, gone)
    }

    /// D-5.1: the last reference of an image that a container uses stays.
    fn refuse_last_reference(&self, image: ImageId, given: &str) -> Result<(), DeleteErrorKind> {
        let containers = &self.stores.containers;
        let mounting = || {
            if self.semantics.image_mounts_are_use {
                containers.first_mounting(image, ContainerState::Any)
            } else {
                None
            }
        };
        match containers.first(image, ContainerState::Any).or_else(mounting) {
            None => Ok(()),
            Some(container) => {
                let obstacle = Obstacle::LastReference(given.into(), container);
                Err(Conflict { image, obstacle }.into())
            }
        }
    }

    /// D-6: deletes an image by its ID.
    fn delete_id(
        &self,
        id: ImageId,
        image: &Image,
        extent: Extent,
        gone: &mut Gone,
    ) -> Result<(), DeleteErrorKind> {
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
    ) -> Result<(), DeleteErrorKind> {
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

    fn remove_all_references(
        &self,
        id: ImageId,
        image: &Image,
        gone: &mut Gone,
    ) -> Result<(), DeleteErrorKind> {
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

impl<I: ImageStore, R: ReferenceStore, L, C, E> Deletion<'_, I, R, L, C, E> {
    fn resolve(&self, text: &str) -> Result<(ImageId, Arc<Image>, Path), DeleteErrorKind> {
        let (id, image) = self.find(text)?;
        self.check_os(&image)?;
        if is_prefix(id, text) {
            return Ok((id, image, Path::Id));
        }
        // By the rule for names alone, as moby does.
        Ok((id, image, Path::Reference(Reference::parse(text, self.semantics)?)))
    }

    /// G-1.
    pub(crate) fn find(&self, text: &str) -> Result<(ImageId, Arc<Image>), DeleteErrorKind> {
        match Reference::parse_any(text, self.semantics)? {
            AnyReference::Digest(digest) => digest
                .parse()
                .ok()
                .and_then(|id| self.read(id))
                .ok_or_else(|| {
                    Error::not_found(format!("No such image: {digest}")).of_kind(Kind::NoSuchImage)
                })
                .map_err(DeleteErrorKind::Error),
            AnyReference::Named(reference) => self
                .named(&reference)
                .or_else(|| self.read(self.stores.images.search(text).ok()?))
                .ok_or(DeleteErrorKind::NoSuchImage(reference)),
        }
    }

    /// The image that a reference names now, if it can be read.
    fn named(&self, reference: &Reference) -> Option<(ImageId, Arc<Image>)> {
        self.read(self.stores.references.get(reference)?)
    }

    fn read(&self, id: ImageId) -> Option<(ImageId, Arc<Image>)> {
        self.stores.images.get(id).ok().map(|image| (id, image))
    }

    /// D-2.
    fn check_os(&self, image: &Image) -> Result<()> {
        if self.semantics.os_is_checked_on_delete && !image.is_os_supported() {
            return Err(Error::system(r#"unable to delete image: "operating system is not supported""#));
        }
        Ok(())
    }
}

fn is_prefix(id: ImageId, text: &str) -> bool {
    let id = id.to_string();
    id.starts_with(text) || id.split_once(':').is_some_and(|(_, hex)| hex.starts_with(text))
}
