//! What a deletion names: an image, by a reference or by its ID (G-1, D-1 to D-3).

use std::sync::Arc;

use super::{Deletion, Failure};
use crate::base::digest::ImageId;
use crate::base::error::{Error, Result};
use crate::document::image::Image;
use crate::document::reference::{AnyReference, Reference};
use crate::graph::store::{ImageStore, ReferenceStore};

/// Which way a deletion goes (D-3).
#[derive(Debug)]
pub(super) enum Path {
    Reference(Reference),
    Id,
}

impl<I: ImageStore, R: ReferenceStore, L, C, E> Deletion<'_, I, R, L, C, E> {
    pub(super) fn resolve(&self, text: &str) -> Result<(ImageId, Arc<Image>, Path), Failure> {
        let (id, image) = self.find(text)?;
        self.check_os(&image)?;
        if is_prefix(id, text) {
            return Ok((id, image, Path::Id));
        }
        // By the rule for names alone, as moby does.
        Ok((id, image, Path::Reference(Reference::parse(text, self.semantics)?)))
    }

    /// G-1.
    pub(crate) fn find(&self, text: &str) -> Result<(ImageId, Arc<Image>), Failure> {
        match Reference::parse_any(text, self.semantics)? {
            AnyReference::Digest(digest) => digest
                .parse()
                .ok()
                .and_then(|id| self.read(id))
                .ok_or_else(|| Error::not_found(format!("No such image: {digest}")).into()),
            AnyReference::Named(reference) => self
                .named(&reference)
                .or_else(|| self.read(self.stores.images.search(text).ok()?))
                .ok_or(Failure::NoSuchImage(reference)),
        }
    }

    /// The image that a reference names now, if it can be read.
    pub(super) fn named(&self, reference: &Reference) -> Option<(ImageId, Arc<Image>)> {
        self.read(self.stores.references.get(reference)?)
    }

    pub(super) fn read(&self, id: ImageId) -> Option<(ImageId, Arc<Image>)> {
        self.stores.images.get(id).ok().map(|image| (id, image))
    }

    /// D-2.
    pub(super) fn check_os(&self, image: &Image) -> Result<()> {
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
