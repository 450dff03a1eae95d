//! What deleting a set of images does: exactly these, nothing else.
//!
//! The engine does it, on a copy of the stores, so that no second piece of code can disagree with it.
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

use std::collections::HashMap;

use serde::Serialize;

use crate::api::event::Recorder;
use crate::api::record::Record;
use crate::base::digest::{ChainId, ImageId};
use crate::base::error::Error;
use crate::graph::delete::Extent;
use crate::graph::engine::Engine;
use crate::graph::store::{ContainerStore, ImageStore, Layer, LayerStore, ReferenceStore, Stores};
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

/// Deletes exactly this set on a copy of the stores, as `docker rmi` of all its references would, without force:
/// children first, unnamed parents that nothing needs any more along (D-12).
///
/// What a container uses stays, and so does what has children outside of the set.
#[must_use]
pub fn remove(stores: &Stores, set: &[ImageId], semantics: &Semantics) -> Removal {
    let engine = Engine::new(stores.copy(), *semantics, Recorder::default());
    let mut removal = Removal { bytes: 0, records: Vec::new(), stays: Vec::new() };
    let images = &engine.stores().images;
    for id in children_first(stores, set) {
        // A child of the set may have taken it along.
        if !images.contains(id) {
            continue;
        }
        let deleted = delete_one(&engine, id, &mut removal.records);
        if images.contains(id) {
            let why = deleted.map_or_else(|error| error.to_string(), |()| NAMELESS.to_owned());
            removal.stays.push((id, why));
        }
    }
    removal.bytes = bytes_between(stores, engine.stores());
    removal
}

/// Bytes of the layers that are no longer there. Only damaged stores have negative sizes.
fn bytes_between(before: &Stores, after: &Stores) -> u64 {
    let layers = before.layers.layers().into_iter();
    let gone = layers.filter(|layer| after.layers.layer(layer.chain_id).is_none());
    let sum: i128 = gone.map(|layer| i128::from(layer.size)).sum();
    u64::try_from(sum.max(0)).unwrap_or(u64::MAX)
}

/// Every image, by ID, with the bytes that deleting it alone frees: those of [`remove`], without a copy for each. 0 for
/// one that cannot go.
#[must_use]
pub fn marginal(stores: &Stores, semantics: &Semantics) -> Vec<(ImageId, u64)> {
    let mut ids = stores.images.ids(false);
    ids.sort_unstable();
    ids.into_iter().map(|id| (id, alone(stores, semantics, id))).collect()
}

fn alone(stores: &Stores, semantics: &Semantics, id: ImageId) -> u64 {
    let mut released: HashMap<ChainId, usize> = HashMap::new();
    let mut sum = 0_i128;
    let (mut gone, mut next) = (None, Some(id));
    while let Some(id) = next
        && let Ok(image) = stores.images.get(id)
        && may_go(stores, semantics, id, gone)
    {
        let mut release = |chain, layer: Layer| {
            let released = released.entry(chain).or_default();
            *released += 1;
            let is_free = *released >= stores.layers.count(chain);
            sum += if is_free { i128::from(layer.diff_size) } else { 0 };
            is_free
        };
        if let Some(top) = image.top_layer() {
            stores.layers.walk(top, &mut release);
        }
        (gone, next) = (Some(id), stores.images.parent(id));
    }
    u64::try_from(sum.max(0)).unwrap_or(u64::MAX)
}

/// D-7 for the first, D-12 for its parents: nothing uses it, and its only child is `gone`, the one that went before. In
/// a circle each has a child that is not.
fn may_go(stores: &Stores, semantics: &Semantics, id: ImageId, gone: Option<ImageId>) -> bool {
    let is_named = stores.references.has_references(id);
    let is_used = stores.containers.count(id) > 0
        || (semantics.image_mounts_are_use && is_named && stores.containers.first_mounting(id).is_some());
    let is_foreign = semantics.os_is_checked_on_delete
        && stores.images.get(id).is_ok_and(|image| !image.is_os_supported());
    let is_blocked = is_used || is_foreign || (is_named && gone.is_some());
    !is_blocked && !stores.images.has_child_besides(id, gone)
}

/// Every reference of an image goes; the last one takes it along.
fn delete_one(engine: &Engine<Recorder>, id: ImageId, records: &mut Vec<Record>) -> Result<(), Error> {
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
pub(crate) fn children_first(stores: &Stores, set: &[ImageId]) -> Vec<ImageId> {
    let mut depths = HashMap::new();
    let mut sorted: Vec<_> =
        set.iter().map(|id| (std::cmp::Reverse(depth(stores, *id, &mut depths)), *id)).collect();
    sorted.sort_unstable();
    sorted.dedup();
    sorted.into_iter().map(|(_, id)| id).collect()
}

/// How many other images are above this one. What is found on the way is kept: else a chain of thousands costs as
/// many millions of steps.
fn depth(stores: &Stores, id: ImageId, depths: &mut HashMap<ImageId, usize>) -> usize {
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
        next = stores.images.parent(id);
    }
    let mut above = above.or_else(|| depths.get(&next?).copied());
    for id in path.into_iter().rev() {
        let depth = above.map_or(0, |above| above + 1);
        depths.insert(id, depth);
        above = Some(depth);
    }
    depths.get(&id).copied().unwrap_or_default()
}
