//! The layers that go with some images and nothing else.

use std::collections::{HashMap, HashSet};

use crate::base::digest::{ChainId, ImageId};
use crate::graph::store::{ImageStore, LayerStore, Stores};

use super::{Links, SharedLayer};

/// A layer that one of the images holds.
struct Held {
    layer: SharedLayer,
    /// How many hold it who are none of the images, and no layer that they hold: other images, containers, whoever else
    /// has asked for it, such as a build cache.
    others: usize,
}

/// The layers that only `images` hold; tells `links` the top layer of each.
pub(super) fn shared<I: ImageStore, R, L: LayerStore, C>(
    stores: &Stores<I, R, L, C>,
    images: &[ImageId],
    needed: &HashSet<ChainId>,
    links: &mut [Links],
) -> Vec<SharedLayer> {
    let mut layers: Vec<Held> = Vec::new();
    let mut found: HashMap<ChainId, usize> = HashMap::new();
    for (id, links) in images.iter().zip(links.iter_mut()) {
        let Some(top) = stores.images.get(*id).ok().and_then(|image| image.top_layer()) else { continue };
        let mut above: Option<usize> = None;
        // A walk ends where another one went on, so that each step is a holder of its own.
        stores.layers.walk(top, &mut |chain, layer| {
            let next = layers.len();
            let at = *found.entry(chain).or_insert(next);
            if at == next {
                let bytes = u64::try_from(layer.diff_size).unwrap_or(0);
                let shared = SharedLayer { below: None, bytes, is_needed: needed.contains(&chain) };
                layers.push(Held { layer: shared, others: layer.holders });
            }
            if let Some(held) = layers.get_mut(at) {
                held.others = held.others.saturating_sub(1);
            }
            match above.and_then(|above| layers.get_mut(above)) {
                Some(above) => above.layer.below = Some(at),
                None => links.top = Some(at),
            }
            above = Some(at);
            at == next
        });
    }
    only_theirs(&layers, links)
}

/// Without the layers that others hold, and those below them.
fn only_theirs(layers: &[Held], links: &mut [Links]) -> Vec<SharedLayer> {
    let mut stays = vec![false; layers.len()];
    for (at, _) in layers.iter().enumerate().filter(|(_, held)| held.others > 0) {
        let mut next = Some(at);
        while let Some((at, stays)) = next.and_then(|at| Some((at, stays.get_mut(at)?)))
            && !*stays
        {
            *stays = true;
            next = layers.get(at).and_then(|held| held.layer.below);
        }
    }
    let mut left = 0;
    let places: Vec<Option<usize>> = stays
        .iter()
        .map(|stays| {
            let place = (!stays).then_some(left);
            left += usize::from(!stays);
            place
        })
        .collect();
    let place = |at: usize| places.get(at).copied().flatten();
    for links in links {
        links.top = links.top.and_then(place);
    }
    let theirs = layers.iter().zip(&stays).filter(|(_, stays)| !**stays);
    theirs
        .map(|(held, _)| SharedLayer { below: held.layer.below.and_then(place), ..held.layer.clone() })
        .collect()
}
