//! The layers that go with some images and nothing else.

use std::collections::{HashMap, HashSet};

use crate::base::digest::{ChainId, ImageId};
use crate::graph::store::{LayerStore, Stores};

use super::{Links, SharedLayer};

/// The layers that only images of `places` hold; tells `links` the top layer of each.
pub(super) fn shared(
    stores: &Stores,
    places: &HashMap<ImageId, usize>,
    needed: &HashSet<ChainId>,
    links: &mut [Links],
) -> Vec<SharedLayer> {
    let mut tops = Vec::with_capacity(places.len());
    let mut held: HashSet<ChainId> = HashSet::new();
    let mut pinned: HashSet<ChainId> = HashSet::new();
    // A walk ends where another one went on.
    let mark = |top: ChainId, marked: &mut HashSet<ChainId>| {
        stores.layers.walk(top, &mut |chain, _| marked.insert(chain));
    };
    for (id, image, _) in stores.images.images() {
        let Some(top) = image.top_layer() else { continue };
        mark(top, &mut held);
        match places.get(&id) {
            None => mark(top, &mut pinned),
            Some(place) => tops.push((*place, top)),
        }
    }
    for container in stores.containers.containers() {
        if let Some(top) = stores.layers.mount_parent(&container.id.to_string()) {
            mark(top, &mut pinned);
        }
    }
    // What no image has is held by somebody whom we do not see, such as a build cache.
    for layer in stores.layers.layers().iter().filter(|layer| !held.contains(&layer.chain_id)) {
        mark(layer.chain_id, &mut pinned);
    }
    drop(held);
    let mut layers: Vec<SharedLayer> = Vec::new();
    let mut found: HashMap<ChainId, usize> = HashMap::new();
    for (place, top) in tops {
        let mut above: Option<usize> = None;
        let mut is_top = true;
        stores.layers.walk(top, &mut |chain, layer| {
            if pinned.contains(&chain) {
                return false;
            }
            let next = layers.len();
            let at = *found.entry(chain).or_insert(next);
            if at == next {
                let bytes = u64::try_from(layer.diff_size).unwrap_or(0);
                layers.push(SharedLayer { below: None, bytes, is_needed: needed.contains(&chain) });
            }
            if let Some(above) = above.and_then(|above| layers.get_mut(above)) {
                above.below = Some(at);
            }
            if std::mem::take(&mut is_top) {
                links.get_mut(place).into_iter().for_each(|links| links.top = Some(at));
            }
            above = Some(at);
            at == next
        });
    }
    layers
}
