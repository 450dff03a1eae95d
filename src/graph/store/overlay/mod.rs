//! Stores over stores: reads go through, and what is deleted is noted above, so that nothing reaches what lies below.
//!
//! A plan is a prune of an overlay, over whichever stores there are. While others change the stores below, an overlay
//! sees their changes as a prune would.

use std::collections::{HashMap, HashSet};

use super::{ContainerState, ContainerStore, Stores, Users};
use crate::base::digest::{ContainerId, ImageId};
use crate::base::hash::DigestState;

mod images;
mod layers;
mod references;

pub use images::OverlayImages;
pub use layers::{OverlayLayers, OverlaySizes};
pub use references::OverlayReferences;

// INVARIANT: no lock of an overlay is held while a store below is called, since that may call back under its own.
type DigestMap<K, V> = HashMap<K, V, DigestState>;
type DigestSet<K> = HashSet<K, DigestState>;

/// Stores over stores of any kind. Containers are only read: they are those below.
pub type Overlay<'a, I, R, L, C> =
    Stores<OverlayImages<'a, I, L>, OverlayReferences<'a, R>, OverlayLayers<'a, L>, &'a C>;

impl<I, R, L, C> Stores<I, R, L, C> {
    /// Stores in which everything can be deleted while these stay as they are.
    ///
    /// ```
    /// use image_prune::graph::store::{ImageStore, Stores};
    ///
    /// let stores = Stores::default();
    /// let id = stores.images.create(r#"{"rootfs":{"type":"layers"}}"#)?;
    /// let overlay = stores.overlay();
    /// overlay.images.delete(id)?;
    /// assert!(overlay.images.get(id).is_err() && stores.images.get(id).is_ok());
    /// # Ok::<(), image_prune::Error>(())
    /// ```
    #[must_use]
    pub fn overlay(&self) -> Overlay<'_, I, R, L, C> {
        let layers = OverlayLayers::new(&self.layers);
        Stores {
            images: OverlayImages::new(&self.images, layers.clone()),
            references: OverlayReferences::new(&self.references),
            layers,
            containers: &self.containers,
        }
    }
}

impl<C: ContainerStore + ?Sized> ContainerStore for &C {
    fn first(&self, image: ImageId, state: ContainerState) -> Option<ContainerId> {
        (**self).first(image, state)
    }

    fn users(&self, image: ImageId) -> Users {
        (**self).users(image)
    }

    fn count(&self, image: ImageId) -> usize {
        (**self).count(image)
    }

    fn first_mounting(&self, image: ImageId, state: ContainerState) -> Option<ContainerId> {
        (**self).first_mounting(image, state)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;
    use crate::base::digest::Digest;
    use crate::graph::store::ImageStore;

    fn image(stores: &Stores, author: &str) -> ImageId {
        stores.images.create(format!(r#"{{"rootfs":{{"type":"layers"}},"author":"{author}"}}"#)).unwrap()
    }

    /// I-10.
    #[test]
    fn the_children_of_what_is_deleted_are_orphans() {
        let stores = Stores::default();
        let (parent, child) = (image(&stores, "parent"), image(&stores, "child"));
        stores.images.set_parent(child, parent).unwrap();
        let overlay = stores.overlay();
        overlay.images.delete(parent).unwrap();
        assert_eq!((overlay.images.parent(child), overlay.images.ids(true)), (None, vec![child]));
        assert_eq!((stores.images.parent(child), stores.images.ids(true)), (Some(parent), vec![child]));
        stores.validate().unwrap();
    }

    /// I-7.
    #[test]
    fn a_child_that_does_not_exist_is_counted_as_below() {
        let stores = Stores::default();
        let (parent, child) = (image(&stores, "parent"), image(&stores, "child"));
        stores.images.set_parent(child, parent).unwrap();
        let phantom = Digest::of(b"phantom").into();
        assert!(stores.images.set_parent(phantom, parent).is_err());
        let overlay = stores.overlay();
        overlay.images.delete(child).unwrap();
        assert_eq!(overlay.images.children(parent), [phantom]);
        assert!(overlay.images.has_children(parent));
    }

    /// A link that the parent does not know of is no child's (I-2b).
    #[test]
    fn a_parent_that_came_later_loses_no_child() {
        let stores = Stores::default();
        let (late, child) = (image(&stores, "late"), image(&stores, "child"));
        stores.images.delete(late).unwrap();
        stores.images.restore_parent(child, late);
        image(&stores, "late");
        let other = image(&stores, "other");
        stores.images.set_parent(other, late).unwrap();
        let overlay = stores.overlay();
        assert_eq!(overlay.images.delete_into(child, &mut Vec::new()), Ok(Some(late)));
        assert_eq!(overlay.images.children(late), [other]);
    }
}
