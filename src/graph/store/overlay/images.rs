//! Images over those of another store.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::{DigestMap, DigestSet, OverlayLayers};
use crate::base::digest::ImageId;
use crate::base::error::{Error, Result};
use crate::base::sync::RwLock;
use crate::document::image::Image;
use crate::graph::store::image::find_by_prefix;
use crate::graph::store::{FreedLayer, ImageStore, LayerStore};

/// The images of an [`Overlay`](super::Overlay).
#[derive(Debug)]
pub struct OverlayImages<'a, I, L> {
    below: &'a I,
    layers: OverlayLayers<'a, L>,
    changes: RwLock<Changes>,
}

#[derive(Debug, Default)]
struct Changes {
    deleted: DigestSet<ImageId>,
    /// The children that are left to an image that has lost one.
    children: DigestMap<ImageId, DigestSet<ImageId>>,
    /// Images whose parent is deleted; they have none now (I-10).
    orphans: DigestSet<ImageId>,
}

impl<'a, I, L> OverlayImages<'a, I, L> {
    pub(super) fn new(below: &'a I, layers: OverlayLayers<'a, L>) -> Self {
        Self { below, layers, changes: RwLock::default() }
    }
}

impl<I: ImageStore, L> OverlayImages<'_, I, L> {
    pub(crate) fn is_deleted(&self, id: ImageId) -> bool {
        self.changes.read().deleted.contains(&id)
    }

    fn is_changed(&self) -> bool {
        !self.changes.read().deleted.is_empty()
    }

    /// Takes an image from the children of its parent, if the parent knows of it.
    fn leave_parent(&self, id: ImageId, parent: ImageId) {
        if !self.changes.read().children.contains_key(&parent) {
            let children = self.below.children(parent).into_iter().collect();
            self.changes.write().children.insert(parent, children);
        }
        if let Some(children) = self.changes.write().children.get_mut(&parent) {
            children.remove(&id);
        }
    }
}

impl<I: ImageStore, L: LayerStore> ImageStore for OverlayImages<'_, I, L> {
    fn ids(&self, heads_only: bool) -> Vec<ImageId> {
        if !self.is_changed() {
            return self.below.ids(heads_only);
        }
        let mut ids = self.below.ids(false);
        let is_meant = |id: ImageId| !self.is_deleted(id) && (!heads_only || !self.has_children(id));
        ids.retain(|id| is_meant(*id));
        ids
    }

    fn get(&self, id: ImageId) -> Result<Arc<Image>> {
        if self.is_deleted(id) {
            return Err(Error::system(format!("failed to get digest {id}: no such image")));
        }
        self.below.get(id)
    }

    fn search(&self, term: &str) -> Result<ImageId> {
        if self.is_changed() {
            find_by_prefix(term, self.ids(false).into_iter())
        } else {
            self.below.search(term)
        }
    }

    fn has_children(&self, id: ImageId) -> bool {
        let changes = self.changes.read();
        if changes.deleted.contains(&id) {
            return false;
        }
        if let Some(left) = changes.children.get(&id) {
            return !left.is_empty();
        }
        drop(changes);
        self.below.has_children(id)
    }

    fn children(&self, id: ImageId) -> Vec<ImageId> {
        let changes = self.changes.read();
        if changes.deleted.contains(&id) {
            return Vec::new();
        }
        if let Some(left) = changes.children.get(&id) {
            return left.iter().copied().collect();
        }
        drop(changes);
        self.below.children(id)
    }

    fn parent(&self, id: ImageId) -> Option<ImageId> {
        let changes = self.changes.read();
        if changes.deleted.contains(&id) || changes.orphans.contains(&id) {
            return None;
        }
        drop(changes);
        self.below.parent(id)
    }

    fn visit(&self, ids: &[ImageId], visit: &mut dyn FnMut(ImageId, &Image, bool) -> ControlFlow<()>) {
        if !self.is_changed() {
            return self.below.visit(ids, visit);
        }
        // Not in a visit below: that store need not answer while it visits.
        for &id in ids {
            if let Ok(image) = self.get(id)
                && visit(id, &image, self.has_children(id)).is_break()
            {
                return;
            }
        }
    }

    fn check_delete(&self, id: ImageId) -> Result<()> {
        if self.is_deleted(id) {
            return Err(Error::system(format!("unrecognized image ID {id}")));
        }
        self.below.check_delete(id)
    }

    fn delete(&self, id: ImageId) -> Result<Vec<FreedLayer>> {
        let mut freed = Vec::new();
        self.delete_into(id, &mut freed)?;
        Ok(freed)
    }

    fn delete_into(&self, id: ImageId, freed: &mut Vec<FreedLayer>) -> Result<Option<ImageId>> {
        self.check_delete(id)?;
        let image = self.below.get(id)?;
        let parent = self.parent(id);
        let orphans = if self.has_children(id) { self.children(id) } else { Vec::new() };
        if let Some(parent) = parent {
            self.leave_parent(id, parent);
        }
        let mut changes = self.changes.write();
        changes.deleted.insert(id);
        changes.orphans.extend(orphans);
        drop(changes);
        if let Some(top) = image.top_layer() {
            self.layers.release(top, freed);
        }
        Ok(parent)
    }

    fn announce(&self, ids: &[ImageId]) {
        self.below.announce(ids);
    }
}
