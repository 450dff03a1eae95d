//! What deleting a set of images frees together, and the smallest set that frees enough.
//!
//! Images share layers: what each would free alone does not add up. Here a layer goes with the last image that
//! holds it.
//!
//! The work and the memory grow with what the images hold, not with their square: stores of 20,000 images in one
//! chain are real.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::Serialize;

use crate::base::digest::{ChainId, ImageId};
use crate::graph::store::{ContainerStore, ImageStore, LayerStore, ReferenceStore, Stores};

mod gather;
mod gone;
mod layers;

use gone::Gone;

/// Up to so many candidates every set is looked at.
pub const EXACT: usize = 20;

/// How images share layers, among those that may go.
///
/// ```
/// use std::collections::HashSet;
/// use image_prune::graph::free::Sharing;
/// use image_prune::graph::store::Stores;
///
/// let stores = Stores::default();
/// let image = stores.images.create(r#"{"rootfs":{"type":"layers"}}"#)?;
/// let sharing = Sharing::new(&stores, &[image], &HashSet::new());
/// assert_eq!(sharing.freed(&[image]), 0);
/// assert!(sharing.smallest(0).is_enough);
/// # Ok::<(), image_prune::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Sharing {
    /// The images that may go, sorted.
    images: Vec<ImageId>,
    /// For each image, what holds it and what it holds.
    links: Vec<Links>,
    /// The layers that go with these images and nothing else.
    layers: Vec<SharedLayer>,
}

/// The place of an image among others.
#[derive(Debug, Clone, Default)]
struct Links {
    parent: Option<usize>,
    /// Whether it goes by itself once its last child does (D-12).
    follows: bool,
    /// Its top layer, unless that stays anyway.
    top: Option<usize>,
}

/// A layer, by the place of that below it.
#[derive(Debug, Clone)]
struct SharedLayer {
    below: Option<usize>,
    bytes: u64,
    /// Must not go.
    is_needed: bool,
}

/// A set of images that frees enough, or all that may go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SmallestSet {
    /// The images, sorted.
    pub images: Vec<ImageId>,
    /// The bytes that deleting exactly these frees.
    pub freed: u64,
    /// Whether that is as much as was asked for.
    pub is_enough: bool,
    /// Whether no smaller set would do: fewer images or, as many, fewer bytes. Otherwise the set was put together
    /// one image after the other.
    pub is_exact: bool,
}

impl Sharing {
    /// How `candidates` share layers with each other and with everything else. A set that would free a layer of
    /// `needed` is none. An image whose child is no candidate cannot go, and is left out.
    #[must_use]
    pub fn new<I: ImageStore, R: ReferenceStore, L: LayerStore, C: ContainerStore>(
        stores: &Stores<I, R, L, C>,
        candidates: &[ImageId],
        needed: &HashSet<ChainId>,
    ) -> Self {
        let images = deletable(&stores.images, candidates);
        let places: HashMap<ImageId, usize> = images.iter().enumerate().map(|(at, id)| (*id, at)).collect();
        let mut links: Vec<Links> = images.iter().map(|id| links_of(stores, *id, &places)).collect();
        let layers = layers::shared(stores, &images, needed, &mut links);
        Self { images, links, layers }
    }

    /// The images that may go, sorted.
    #[must_use]
    pub fn images(&self) -> &[ImageId] {
        &self.images
    }

    /// The bytes that deleting exactly these frees; images that may not go count as not named.
    #[must_use]
    pub fn freed(&self, set: &[ImageId]) -> u64 {
        let places: BTreeSet<usize> =
            set.iter().filter_map(|id| self.images.binary_search(id).ok()).collect();
        let mut gone = Gone::new(self);
        for place in places {
            gone.release(place);
        }
        gone.freed()
    }

    /// The smallest set that frees at least `bytes`; all that may go where none does.
    #[must_use]
    pub fn smallest(&self, bytes: u64) -> SmallestSet {
        let is_exact = self.images.len() <= EXACT;
        let found = if is_exact { self.search(bytes) } else { None };
        let places = found.unwrap_or_else(|| gather::gather(self, bytes));
        let images: Vec<ImageId> =
            places.iter().filter_map(|place| self.images.get(*place).copied()).collect();
        let freed = self.freed(&images);
        SmallestSet { images, freed, is_enough: freed >= bytes, is_exact }
    }

    /// The layers that an image holds, top to base.
    fn held(&self, place: usize) -> impl Iterator<Item = (usize, &SharedLayer)> {
        let layer = |at: usize| Some((at, self.layers.get(at)?));
        let top = self.links.get(place).and_then(|links| links.top).and_then(layer);
        std::iter::successors(top, move |(_, held)| held.below.and_then(layer))
    }

    /// Looks at every set. `freed` is summed over subsets, one image at a time.
    fn search(&self, bytes: u64) -> Option<Vec<usize>> {
        let count = self.images.len();
        let mut freed = vec![0_u64; 1 << count];
        let mut frees_needed = vec![false; 1 << count];
        let mut holders = vec![0_usize; self.layers.len()];
        for place in 0..count {
            for (at, _) in self.held(place) {
                holders.get_mut(at).into_iter().for_each(|holders| *holders |= 1 << place);
            }
        }
        for (layer, holders) in self.layers.iter().zip(holders) {
            if let (Some(sum), Some(needed)) = (freed.get_mut(holders), frees_needed.get_mut(holders)) {
                *sum = sum.saturating_add(layer.bytes);
                *needed |= layer.is_needed;
            }
        }
        for bit in (0..count).map(|at| 1 << at) {
            for set in (0..1 << count).filter(|set| set & bit != 0) {
                let without = set & !bit;
                let (fewer, was_needed) = (freed.get(without).copied()?, frees_needed.get(without).copied()?);
                if let (Some(sum), Some(needed)) = (freed.get_mut(set), frees_needed.get_mut(set)) {
                    *sum = sum.saturating_add(fewer);
                    *needed |= was_needed;
                }
            }
        }
        let mut children = vec![0_usize; count];
        for (place, links) in self.links.iter().enumerate() {
            if let Some(children) = links.parent.and_then(|parent| children.get_mut(parent)) {
                *children |= 1 << place;
            }
        }
        let families: Vec<(usize, usize, bool)> = children
            .iter()
            .zip(&self.links)
            .enumerate()
            .map(|(at, (children, links))| (1 << at, *children, links.follows))
            .collect();
        let is_closed = |set: usize| {
            families.iter().all(|(own, children, follows)| {
                let are_gone = set & children == *children;
                if set & own == 0 { !(*follows && are_gone && *children != 0) } else { are_gone }
            })
        };
        let is_fit = |set: &usize| {
            freed.get(*set).is_some_and(|freed| *freed >= bytes)
                && frees_needed.get(*set) == Some(&false)
                && is_closed(*set)
        };
        let best = (0..1 << count).filter(is_fit);
        let best = best.min_by_key(|set: &usize| (set.count_ones(), freed.get(*set).copied()))?;
        Some((0..count).filter(|at| best & (1 << at) != 0).collect())
    }
}

fn links_of<I: ImageStore, R: ReferenceStore, L, C: ContainerStore>(
    stores: &Stores<I, R, L, C>,
    id: ImageId,
    places: &HashMap<ImageId, usize>,
) -> Links {
    let has_children = stores.images.has_children(id);
    Links {
        parent: stores.images.parent(id).and_then(|parent| places.get(&parent).copied()),
        follows: has_children && !stores.references.has_references(id) && stores.containers.count(id) == 0,
        top: None,
    }
}

/// The candidates whose descendants are candidates, too, sorted; of a circle of parents none.
fn deletable(images: &impl ImageStore, candidates: &[ImageId]) -> Vec<ImageId> {
    let there: HashSet<ImageId> = images.ids(false).into_iter().collect();
    let mut children: HashMap<ImageId, usize> = candidates
        .iter()
        .copied()
        .filter(|id| there.contains(id))
        .map(|id| (id, images.children(id).len()))
        .collect();
    let mut next: Vec<ImageId> =
        children.iter().filter(|(_, children)| **children == 0).map(|(id, _)| *id).collect();
    let mut deletable = Vec::with_capacity(children.len());
    while let Some(id) = next.pop() {
        deletable.push(id);
        let parent = images.parent(id);
        if let Some((parent, left)) = parent.and_then(|parent| Some((parent, children.get_mut(&parent)?))) {
            *left = left.saturating_sub(1);
            if *left == 0 {
                next.push(parent);
            }
        }
    }
    deletable.sort_unstable();
    deletable
}
