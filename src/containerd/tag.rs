//! `TagImage`: a name for an image that is there (N-9; moby's `daemon/containerd/image_tag.go`).

use super::delete::{Deletion, no_image_with};
use super::image::Image;
use super::store::{Collection, ContainerStore, MetadataStore};
use crate::api::event::{EventSink, ImageEvent, Tagged};
use crate::base::digest::ImageId;
use crate::base::error::{Error, Result};
use crate::document::reference::Reference;

impl<S: MetadataStore, C: ContainerStore, E: EventSink> Deletion<'_, S, C, E> {
    /// Gives an image a name, and takes it from the one that has it.
    pub(super) fn tag(&self, id: ImageId, reference: Reference) -> Result<()> {
        let reference = reference.tag_name_only();
        let image = self.first_of(id.into())?.ok_or_else(|| no_image_with(&id.to_string()))?;
        self.create_or_replace(image.named(reference.as_str(), self.now))?;
        // No longer dangling. moby logs what goes wrong here, and goes on.
        let _ = self.stores.metadata.delete_image(&image.dangling_name(), Collection::Later);
        let labels = self.labels_of(id.into()).ok().flatten();
        let tagged = Tagged { name: reference.familiar().into(), labels };
        self.events.publish(ImageEvent::Tag(id, tagged.into()));
        Ok(())
    }

    /// A name that has the same target already stays as it is, with its time (N-9).
    fn create_or_replace(&self, new: Image) -> Result<()> {
        let metadata = &self.stores.metadata;
        let (name, target) = (new.name().to_owned(), new.digest());
        let failed = |error: Error| {
            Error::system(format!("failed to create image with name {name} and target {target}: {error}"))
        };
        if metadata.create_image(new.clone()).map_err(failed)? {
            return Ok(());
        }
        let Some(replaced) = metadata.image(&name)? else {
            return Err(Error::system(format!(
                "creating image {name} failed because it already exists, but accessing it also failed: image \"{name}\": \
                 not found"
            )));
        };
        if replaced.digest() == target {
            return Ok(());
        }
        self.soft_delete(&replaced, &metadata.images_of(replaced.digest())?)?;
        if metadata.create_image(new).map_err(failed)? {
            return Ok(());
        }
        Err(Error::system(format!(
            "failed to create an image {name} with target {target} after deleting the existing one: image \"{name}\": \
             already exists"
        )))
    }
}
