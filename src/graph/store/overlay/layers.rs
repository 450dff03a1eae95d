//! Layers over those of another store.

use std::collections::HashSet;
use std::sync::Arc;

use super::{DigestMap, DigestSet};
use crate::base::digest::ChainId;
use crate::base::sync::RwLock;
use crate::graph::store::{FreedLayer, Layer, LayerSizes, LayerStore};

/// The layers of an [`Overlay`](super::Overlay).
#[derive(Debug)]
pub struct OverlayLayers<'a, L> {
    below: &'a L,
    releases: Arc<RwLock<Releases>>,
}

#[derive(Debug, Default)]
struct Releases {
    /// What is left of the holders of a layer that has lost one; none where the layer is gone.
    holders: DigestMap<ChainId, usize>,
    bytes: i128,
}

impl<'a, L> OverlayLayers<'a, L> {
    pub(super) fn new(below: &'a L) -> Self {
        Self { below, releases: Arc::default() }
    }
}

impl<L> Clone for OverlayLayers<'_, L> {
    /// Another handle on the same layers.
    fn clone(&self) -> Self {
        Self { below: self.below, releases: Arc::clone(&self.releases) }
    }
}

impl<L: LayerStore> OverlayLayers<'_, L> {
    /// The bytes of the layers that are gone. Only damaged stores have negative sizes.
    #[must_use]
    pub fn freed(&self) -> u64 {
        u64::try_from(self.releases.read().bytes.max(0)).unwrap_or(u64::MAX)
    }

    /// Y-5: a holder lets go; the layers that nobody holds any more go, top to base.
    pub(super) fn release(&self, top: ChainId, freed: &mut Vec<FreedLayer>) {
        let mut next = Some(top);
        while let Some(chain_id) = next
            && let Some(Layer { diff_id, parent, diff_size, holders }) = self.below.layer(chain_id)
        {
            let mut releases = self.releases.write();
            let left = releases.holders.entry(chain_id).or_insert(holders);
            *left = left.saturating_sub(1);
            if *left > 0 {
                return;
            }
            releases.bytes += i128::from(diff_size);
            freed.push(FreedLayer { chain_id, diff_id, diff_size });
            next = parent;
        }
    }

    /// A layer below, as it is here.
    fn seen(&self, chain: ChainId, layer: Layer) -> Option<Layer> {
        match self.releases.read().holders.get(&chain) {
            None => Some(layer),
            Some(0) => None,
            Some(left) => Some(Layer { holders: *left, ..layer }),
        }
    }
}

impl<L: LayerStore> LayerStore for OverlayLayers<'_, L> {
    type Sizes = OverlaySizes<L::Sizes>;

    fn sizes(&self) -> Self::Sizes {
        let releases = self.releases.read();
        let gone = releases.holders.iter().filter(|(_, holders)| **holders == 0);
        let gone = gone.map(|(chain, _)| *chain).collect();
        drop(releases);
        OverlaySizes { below: self.below.sizes(), gone }
    }

    fn layer(&self, chain: ChainId) -> Option<Layer> {
        self.seen(chain, self.below.layer(chain)?)
    }

    fn walk(&self, top: ChainId, visit: &mut dyn FnMut(ChainId, Layer) -> bool) {
        self.below
            .walk(top, &mut |chain, layer| self.seen(chain, layer).is_some_and(|layer| visit(chain, layer)));
    }
}

/// The sizes of the layers of an [`Overlay`](super::Overlay).
#[derive(Debug)]
pub struct OverlaySizes<S> {
    below: S,
    gone: DigestSet<ChainId>,
}

impl<S: LayerSizes> LayerSizes for OverlaySizes<S> {
    fn diff_size(&self, chain: ChainId) -> Option<i64> {
        if self.gone.contains(&chain) { None } else { self.below.diff_size(chain) }
    }

    fn newcomers(&self) -> Option<HashSet<ChainId>> {
        self.below.newcomers()
    }
}
