//! What deleting a set of images does: exactly these, nothing else.
//!
//! The engine does it, on an [overlay](Stores::overlay) over the stores, so that no second piece of code can disagree with it.
//! [`free`](crate::graph::free) searches for sets.
//!
//! ```
//! use image_prune::graph::removal::remove;
//! use image_prune::graph::store::Stores;
//! use image_prune::{DiffId, Digest, Semantics};
//!
//! let stores = Stores::default();
//! let base = DiffId::from(Digest::of(b"base"));
//! let handle = stores.layers.register(base, None, 100)?;
//! let config = |author| format!(r#"{{"author":"{author}","rootfs":{{"type":"layers","diff_ids":["{base}"]}}}}"#);
//! let (a, b) = (stores.images.create(config("a"))?, stores.images.create(config("b"))?);
//! stores.layers.release(handle)?;
//!
//! let bytes = |set: &[_]| remove(&stores, set, &Semantics::MOBY_20_10).bytes;
//! assert_eq!((bytes(&[a]), bytes(&[b]), bytes(&[a, b])), (0, 0, 100));
//! assert_eq!(stores.images.len(), 2);
//! # Ok::<(), image_prune::Error>(())
//! ```

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use crate::api::event::{EventSink, Recorder};
use crate::api::record::Record;
use crate::base::digest::{ChainId, ImageId};
use crate::base::error::Error;
use crate::graph::delete::Extent;
use crate::graph::engine::Engine;
use crate::graph::store::{ContainerState, ContainerStore, ImageStore, LayerStore, ReferenceStore, Stores};
use crate::semantics::Semantics;

/// What deleting a set of images does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Removal {
    /// Bytes of the layers that go.
    pub bytes: u64,
    /// What goes, in order; unnamed parents that nothing else needs are among it.
    pub records: Vec<Record>,
    /// The images of the set that stay, and why; moby's words where it has some.
    pub stays: Vec<(ImageId, String)>,
}

/// What moby says nothing about (P-12).
const NAMELESS: &str = "it has children that stay: it only loses its references";

/// Deletes exactly this set on an overlay over the stores, as `docker rmi` of all its references would, without force:
/// children first, unnamed parents that nothing needs any more along (D-12).
///
/// What a container uses stays, and so does what has children outside of the set.
#[must_use]
pub fn remove<I: ImageStore, R: ReferenceStore, L: LayerStore, C: ContainerStore>(
    stores: &Stores<I, R, L, C>,
    set: &[ImageId],
    semantics: &Semantics,
) -> Removal {
    let engine = Engine::new(stores.overlay(), *semantics, Recorder::default());
    let mut removal = Removal { bytes: 0, records: Vec::new(), stays: Vec::new() };
    let there: HashSet<ImageId> = stores.images.ids(false).into_iter().collect();
    let images = &engine.stores().images;
    for id in children_first(&stores.images, set).into_iter().filter(|id| there.contains(id)) {
        // A child of the set may have taken it along.
        if images.is_deleted(id) {
            continue;
        }
        let deleted = delete_one(&engine, id, &mut removal.records);
        if !images.is_deleted(id) {
            let why = deleted.map_or_else(|error| error.to_string(), |()| NAMELESS.to_owned());
            removal.stays.push((id, why));
        }
    }
    removal.bytes = engine.stores().layers.freed();
    removal
}

/// Every image, by ID, with the bytes that deleting it alone frees: those of [`remove`], without an overlay for each. 0
/// for one that cannot go.
#[must_use]
pub fn marginal<I: ImageStore, R: ReferenceStore, L: LayerStore, C: ContainerStore>(
    stores: &Stores<I, R, L, C>,
    semantics: &Semantics,
) -> Vec<(ImageId, u64)> {
    let mut ids = stores.images.ids(false);
    ids.sort_unstable();
    let mut marginal = Marginal { stores, semantics, children: HashMap::new() };
    ids.into_iter().map(|id| (id, marginal.alone(id))).collect()
}

struct Marginal<'a, I, R, L, C> {
    stores: &'a Stores<I, R, L, C>,
    semantics: &'a Semantics,
    /// Of each parent that was asked for, two children at most: there may be thousands, and as many ask.
    children: HashMap<ImageId, Vec<ImageId>>,
}

impl<I: ImageStore, R: ReferenceStore, L: LayerStore, C: ContainerStore> Marginal<'_, I, R, L, C> {
    fn alone(&mut self, id: ImageId) -> u64 {
        let mut released: HashMap<ChainId, usize> = HashMap::new();
        let mut sum = 0_i128;
        let (mut gone, mut next) = (None, Some(id));
        while let Some(id) = next
            && let Ok(image) = self.stores.images.get(id)
            && self.may_go(id, gone)
        {
            if let Some(top) = image.top_layer() {
                self.stores.layers.walk(top, &mut |chain, layer| {
                    let released = released.entry(chain).or_default();
                    *released += 1;
                    let is_free = *released >= layer.holders;
                    sum += if is_free { i128::from(layer.diff_size) } else { 0 };
                    is_free
                });
            }
            (gone, next) = (Some(id), self.stores.images.parent(id));
        }
        u64::try_from(sum.max(0)).unwrap_or(u64::MAX)
    }

    /// D-7 for the first, D-12 for its parents: nothing uses it, and its only child is `gone`, the one that went before.
    /// In a circle each has a child that is not.
    fn may_go(&mut self, id: ImageId, gone: Option<ImageId>) -> bool {
        let Stores { images, references, containers, .. } = self.stores;
        let is_named = references.has_references(id);
        let is_mounted = || containers.first_mounting(id, ContainerState::Any).is_some();
        let is_used =
            containers.count(id) > 0 || (self.semantics.image_mounts_are_use && is_named && is_mounted());
        let is_foreign = self.semantics.os_is_checked_on_delete
            && images.get(id).is_ok_and(|image| !image.is_os_supported());
        let is_blocked = is_used || is_foreign || (is_named && gone.is_some());
        !is_blocked && !self.has_child_besides(id, gone)
    }

    fn has_child_besides(&mut self, id: ImageId, one: Option<ImageId>) -> bool {
        let Some(one) = one else { return self.stores.images.has_children(id) };
        let two = || self.stores.images.children(id).into_iter().take(2).collect();
        self.children.entry(id).or_insert_with(two).iter().any(|child| *child != one)
    }
}

/// Every reference of an image goes; the last one takes it along.
fn delete_one<E: EventSink, I: ImageStore, R: ReferenceStore, L: LayerStore, C: ContainerStore>(
    engine: &Engine<E, I, R, L, C>,
    id: ImageId,
    records: &mut Vec<Record>,
) -> Result<(), Error> {
    let extent = Extent { force: false, prune: true };
    let references = engine.stores().references.references(id);
    if references.is_empty() {
        records.extend(engine.delete(&id.to_string(), extent)?);
    }
    for reference in references {
        // A tag takes the digests of its repository along (D-5.4).
        if engine.stores().references.get(&reference) == Some(id) {
            records.extend(engine.delete(reference.as_str(), extent)?);
        }
    }
    Ok(())
}

/// The images of a set, each once: those with more ancestors first, by ID among equals.
pub(crate) fn children_first(images: &impl ImageStore, set: &[ImageId]) -> Vec<ImageId> {
    let mut depths = HashMap::new();
    let mut sorted: Vec<_> =
        set.iter().map(|id| (std::cmp::Reverse(depth(images, *id, &mut depths)), *id)).collect();
    sorted.sort_unstable();
    sorted.dedup();
    sorted.into_iter().map(|(_, id)| id).collect()
}

/// How many other images are above this one. What is found on the way is kept: else a chain of thousands costs as
/// many millions of steps.
fn depth(images: &impl ImageStore, id: ImageId, depths: &mut HashMap<ImageId, usize>) -> usize {
    let mut path = Vec::new();
    let mut places: HashMap<ImageId, usize> = HashMap::new();
    let mut next = Some(id);
    let mut above = None;
    while let Some(id) = next.filter(|id| !depths.contains_key(id)) {
        if let Some(first) = places.insert(id, path.len()) {
            // A circle: each has all others above it.
            let circle = path.split_off(first);
            above = Some(circle.len() - 1);
            depths.extend(circle.iter().map(|id| (*id, circle.len() - 1)));
            break;
        }
        path.push(id);
        next = images.parent(id);
    }
    let mut above = above.or_else(|| depths.get(&next?).copied());
    for id in path.into_iter().rev() {
        let depth = above.map_or(0, |above| above + 1);
        depths.insert(id, depth);
        above = Some(depth);
    }
    depths.get(&id).copied().unwrap_or_default()
}
