//! Who holds which layer, as numbers that can be taken back: fast enough to try out many sets.

use std::collections::HashMap;

use super::{bytes, children_first};
use crate::Semantics;
use crate::digest::{ChainId, ImageId};
use crate::store::{ContainerState, ContainerStore, ReferenceStore, Stores};

/// Who holds which layer, at one moment. Answers what [`free`](super::free) does, without a copy of the stores.
#[derive(Debug, Clone)]
pub struct Holders {
    images: Vec<Image>,
    places: HashMap<ImageId, usize>,
    layers: Vec<Layer>,
    order: HashMap<ImageId, usize>,
}

#[derive(Debug, Clone)]
struct Image {
    id: ImageId,
    parent: Option<usize>,
    top: Option<usize>,
    children: usize,
    has_references: bool,
    /// A container uses it, or the daemon does not delete images of its operating system.
    is_blocked: bool,
    is_gone: bool,
}

#[derive(Debug, Clone)]
struct Layer {
    parent: Option<usize>,
    size: i64,
    /// Images, layers above and writable layers that stand on it.
    count: usize,
}

/// What one deletion took away, to be given back.
#[derive(Debug, Default)]
pub(super) struct Removal {
    images: Vec<usize>,
    /// Layers that were let go of by one.
    released: Vec<usize>,
    pub freed: i128,
}

impl Removal {
    pub const fn is_empty(&self) -> bool {
        self.images.is_empty()
    }
}

impl Holders {
    /// Counts what holds what in `stores`. They should not change meanwhile.
    #[must_use]
    pub fn new(stores: &Stores, semantics: &Semantics) -> Self {
        let described = stores.layers.layers();
        let layer_places: HashMap<ChainId, usize> =
            described.iter().map(|layer| layer.chain_id).zip(0..).collect();
        let place = |chain: Option<ChainId>| layer_places.get(&chain?).copied();
        let mut layers: Vec<Layer> = described
            .iter()
            .map(|layer| Layer {
                parent: place(layer.parent),
                size: layer.size,
                count: stores.layers.count(layer.chain_id),
            })
            .collect();
        // What the layer store does not count, nobody holds: it stays (SPEC.md Y-6).
        for layer in &mut layers {
            layer.count = layer.count.max(1);
        }

        let listed = stores.images.images();
        let places: HashMap<ImageId, usize> = listed.iter().map(|(id, ..)| *id).zip(0..).collect();
        let images = listed
            .iter()
            .map(|(id, image, parent)| {
                let has_references = stores.references.has_references(*id);
                let is_used = stores.containers.first(*id, ContainerState::Any).is_some();
                let is_mounted = semantics.image_mounts_are_use
                    && has_references
                    && stores.containers.first_mounting(*id).is_some();
                let is_foreign = semantics.os_is_checked_on_delete && !image.is_os_supported();
                Image {
                    id: *id,
                    parent: parent.and_then(|parent| places.get(&parent).copied()),
                    top: place(image.chain().ok().flatten()),
                    children: stores.images.children(*id).len(),
                    has_references,
                    is_blocked: is_used || is_mounted || is_foreign,
                    is_gone: false,
                }
            })
            .collect();
        let all: Vec<ImageId> = places.keys().copied().collect();
        let order = children_first(stores, &all).into_iter().zip(0..).collect();
        Self { images, places, layers, order }
    }

    /// Bytes that deleting exactly this set frees: those of [`free`](super::free).
    #[must_use]
    pub fn freed(&self, set: &[ImageId]) -> u64 {
        let mut copy = self.clone();
        let freed = copy.places_of(set).into_iter().map(|place| copy.remove(place).freed).sum();
        bytes(freed)
    }

    /// Each image of `images` with the bytes that deleting it alone frees.
    #[must_use]
    pub fn marginal(&self, images: &[ImageId]) -> Vec<(ImageId, u64)> {
        let mut copy = self.clone();
        let mut alone = |id: ImageId| {
            let Some(place) = copy.places.get(&id).copied() else { return (id, 0) };
            let removal = copy.remove(place);
            copy.restore(&removal);
            (id, bytes(removal.freed))
        };
        images.iter().map(|id| alone(*id)).collect()
    }

    /// The places of a set: each once, children first. Unknown images are left out.
    pub(super) fn places_of(&self, set: &[ImageId]) -> Vec<usize> {
        let mut known: Vec<_> =
            set.iter().filter_map(|id| Some((*self.order.get(id)?, *self.places.get(id)?))).collect();
        known.sort_unstable();
        known.dedup();
        known.into_iter().map(|(_, place)| place).collect()
    }

    /// Deletes an image, and its unnamed ancestors that nothing needs any more (SPEC.md D-7, D-12). Where it
    /// cannot go nothing happens.
    pub(super) fn remove(&mut self, image: usize) -> Removal {
        let mut removal = Removal::default();
        let mut next = Some(image);
        while let Some(place) = next
            && let Some(image) = self.images.get_mut(place)
            && !image.is_gone
            && !image.is_blocked
            && image.children == 0
            && (removal.images.is_empty() || !image.has_references)
        {
            image.is_gone = true;
            removal.images.push(place);
            let (top, parent) = (image.top, image.parent);
            self.release(top, &mut removal);
            if let Some(parent) = parent.and_then(|parent| self.images.get_mut(parent)) {
                parent.children = parent.children.saturating_sub(1);
            }
            next = parent;
        }
        removal
    }

    fn release(&mut self, top: Option<usize>, removal: &mut Removal) {
        let mut next = top;
        while let Some(place) = next
            && let Some(layer) = self.layers.get_mut(place)
        {
            layer.count = layer.count.saturating_sub(1);
            removal.released.push(place);
            if layer.count > 0 {
                return;
            }
            removal.freed += i128::from(layer.size);
            next = layer.parent;
        }
    }

    /// Takes a removal back; the last one first.
    pub(super) fn restore(&mut self, removal: &Removal) {
        for place in &removal.released {
            if let Some(layer) = self.layers.get_mut(*place) {
                layer.count += 1;
            }
        }
        for place in removal.images.iter().rev() {
            let Some(image) = self.images.get_mut(*place) else { continue };
            image.is_gone = false;
            let parent = image.parent;
            if let Some(parent) = parent.and_then(|parent| self.images.get_mut(parent)) {
                parent.children += 1;
            }
        }
    }

    pub(super) fn id(&self, place: usize) -> Option<ImageId> {
        self.images.get(place).map(|image| image.id)
    }

    pub(super) fn is_gone(&self, place: usize) -> bool {
        self.images.get(place).is_some_and(|image| image.is_gone)
    }

    /// For each layer that several images of `places` stand on, those images, in their order.
    pub(super) fn sharing(&self, places: &[usize]) -> Vec<Vec<usize>> {
        let mut users: HashMap<usize, Vec<usize>> = HashMap::new();
        for place in places {
            let mut next = self.images.get(*place).and_then(|image| image.top);
            while let Some(layer) = next {
                users.entry(layer).or_default().push(*place);
                next = self.layers.get(layer).and_then(|layer| layer.parent);
            }
        }
        let mut groups: Vec<_> = users.into_values().filter(|users| users.len() > 1).collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }
}
