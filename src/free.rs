//! What deleting a set of images frees together, and the smallest set that frees enough.
//!
//! Images share layers: what each would free alone does not add up. Here a layer goes with the last image that
//! holds it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::Serialize;

use crate::digest::{ChainId, ImageId};
use crate::store::{ContainerStore, ImageStore, LayerStore, ReferenceStore, Stores};

/// Up to so many candidates every set is looked at.
pub const EXACT: usize = 20;

/// How images share layers, among those that may go.
///
/// ```
/// use std::collections::HashSet;
/// use image_prune::free::Sharing;
/// use image_prune::store::Stores;
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
    /// Layers with the same holders, as places in `images`.
    groups: Vec<Group>,
    /// For each image, those that have to go before it: its children.
    children: Vec<Vec<usize>>,
    /// For each image, its parent.
    parents: Vec<Option<usize>>,
    /// For each image, the groups that it holds.
    held: Vec<Vec<usize>>,
    /// For each image, whether it goes by itself once its last child does (SPEC.md D-12).
    follows: Vec<bool>,
}

#[derive(Debug, Clone)]
struct Group {
    holders: BTreeSet<usize>,
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
    pub fn new(stores: &Stores, candidates: &[ImageId], needed: &HashSet<ChainId>) -> Self {
        let images = deletable(stores, candidates);
        let place: HashMap<ImageId, usize> = images.iter().enumerate().map(|(at, id)| (*id, at)).collect();
        let children = images.iter().map(|id| {
            let children = stores.images.children(*id).into_iter();
            children.filter_map(|child| place.get(&child).copied()).collect()
        });
        let follows = images.iter().map(|id| {
            !stores.references.has_references(*id)
                && stores.images.has_children(*id)
                && stores.containers.count(*id) == 0
        });
        let parents = images.iter().map(|id| {
            let parent = stores.images.parent(*id);
            parent.and_then(|parent| place.get(&parent).copied())
        });
        let (children, parents, follows) = (children.collect(), parents.collect(), follows.collect());
        let groups = groups(stores, &place, needed);
        let mut held = vec![Vec::new(); images.len()];
        for (at, group) in groups.iter().enumerate() {
            for holder in &group.holders {
                held.get_mut(*holder).into_iter().for_each(|held| held.push(at));
            }
        }
        Self { images, groups, children, parents, held, follows }
    }

    /// The images that may go, sorted.
    #[must_use]
    pub fn images(&self) -> &[ImageId] {
        &self.images
    }

    /// The bytes that deleting exactly these frees; images that may not go count as not named.
    #[must_use]
    pub fn freed(&self, set: &[ImageId]) -> u64 {
        let places = set.iter().filter_map(|id| self.images.binary_search(id).ok()).collect();
        self.bytes(&places)
    }

    /// The smallest set that frees at least `bytes`; all that may go where none does.
    #[must_use]
    pub fn smallest(&self, bytes: u64) -> SmallestSet {
        let is_exact = self.images.len() <= EXACT;
        let found = if is_exact { self.search(bytes) } else { self.gather(bytes) };
        let places = found.unwrap_or_else(|| self.all());
        let freed = self.bytes(&places);
        let images = places.iter().filter_map(|place| self.images.get(*place).copied()).collect();
        SmallestSet { images, freed, is_enough: freed >= bytes, is_exact }
    }

    fn bytes(&self, places: &BTreeSet<usize>) -> u64 {
        let gone = self.groups.iter().filter(|group| group.holders.is_subset(places));
        gone.map(|group| group.bytes).fold(0, u64::saturating_add)
    }

    /// What goes once `added` goes behind `gone`: the bytes, none where something needed is among it.
    fn gain(&self, gone: &BTreeSet<usize>, added: &[usize]) -> Option<u64> {
        let touched: BTreeSet<usize> =
            added.iter().filter_map(|place| self.held.get(*place)).flatten().copied().collect();
        let goes = |place: &usize| added.contains(place) || gone.contains(place);
        let mut bytes = 0_u64;
        for group in touched.into_iter().filter_map(|group| self.groups.get(group)) {
            if group.holders.iter().all(goes) {
                bytes = bytes.saturating_add(group.bytes);
                if group.is_needed {
                    return None;
                }
            }
        }
        Some(bytes)
    }

    /// Everything that can go together without freeing what is needed, one image after the other.
    fn all(&self) -> BTreeSet<usize> {
        let mut places = BTreeSet::new();
        for place in 0..self.images.len() {
            let added = self.family(&places, place);
            if self.gain(&places, &added).is_some() {
                places.extend(added);
            }
        }
        places
    }

    /// One more image than those that are gone, with the children that have to go before it and the parents that
    /// follow.
    fn family(&self, gone: &BTreeSet<usize>, one: usize) -> Vec<usize> {
        let (mut family, mut next) = (Vec::new(), vec![one]);
        while !next.is_empty() {
            while let Some(place) = next.pop() {
                if !family.contains(&place) && !gone.contains(&place) {
                    family.push(place);
                    next.extend(self.children.get(place).into_iter().flatten());
                }
            }
            next.extend(family.iter().filter_map(|place| self.follower(*place, gone, &family)));
        }
        family
    }

    /// The parent of an image, where it goes by itself now.
    fn follower(&self, place: usize, gone: &BTreeSet<usize>, family: &[usize]) -> Option<usize> {
        let parent = self.parents.get(place).copied().flatten()?;
        let goes = |place: &usize| family.contains(place) || gone.contains(place);
        let is_last = self.children.get(parent)?.iter().all(goes);
        (is_last && !goes(&parent) && self.follows.get(parent) == Some(&true)).then_some(parent)
    }

    /// Looks at every set. `freed` is summed over subsets, one image at a time.
    fn search(&self, bytes: u64) -> Option<BTreeSet<usize>> {
        let count = self.images.len();
        let mask = |places: &mut dyn Iterator<Item = usize>| places.fold(0_usize, |mask, at| mask | 1 << at);
        let mut freed = vec![0_u64; 1 << count];
        let mut frees_needed = vec![false; 1 << count];
        for group in &self.groups {
            let holders = mask(&mut group.holders.iter().copied());
            if let (Some(sum), Some(needed)) = (freed.get_mut(holders), frees_needed.get_mut(holders)) {
                *sum = sum.saturating_add(group.bytes);
                *needed |= group.is_needed;
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
        let families: Vec<(usize, usize, bool)> = self
            .children
            .iter()
            .zip(&self.follows)
            .enumerate()
            .map(|(at, (children, follows))| (1 << at, mask(&mut children.iter().copied()), *follows))
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

    /// Takes the image that frees most, then the next; in the end gives back what is not needed.
    fn gather(&self, bytes: u64) -> Option<BTreeSet<usize>> {
        let (mut places, mut freed) = (BTreeSet::new(), 0);
        while freed < bytes {
            let others = (0..self.images.len()).filter(|place| !places.contains(place));
            let rated = others.filter_map(|place| {
                let added = self.family(&places, place);
                let sum = freed.saturating_add(self.gain(&places, &added)?);
                // Of those that are enough the smallest; else the one that frees most, or promises most.
                let is_enough = sum >= bytes;
                let rest = if is_enough { u64::MAX - sum } else { sum };
                Some(((is_enough, rest, self.promise(&added)), (added, sum)))
            });
            let (added, sum) = rated.max_by(|(a, _), (b, _)| a.cmp(b)).map(|(_, taken)| taken)?;
            places.extend(added);
            freed = sum;
        }
        for place in places.clone() {
            let mut without = places.clone();
            without.remove(&place);
            if self.is_closed(&without) && self.bytes(&without) >= bytes {
                places = without;
            }
        }
        Some(places)
    }

    /// Bytes of layers that are let go, each by the share of one holder.
    fn promise(&self, added: &[usize]) -> u64 {
        let held = added.iter().filter_map(|place| self.held.get(*place)).flatten();
        let groups = held.filter_map(|group| self.groups.get(*group));
        groups.map(|group| group.bytes / (group.holders.len() as u64).max(1)).fold(0, u64::saturating_add)
    }

    fn is_closed(&self, places: &BTreeSet<usize>) -> bool {
        let mut families = self.children.iter().zip(&self.follows).enumerate();
        families.all(|(place, (children, follows))| {
            let are_gone = children.iter().all(|child| places.contains(child));
            if places.contains(&place) { are_gone } else { !(*follows && are_gone && !children.is_empty()) }
        })
    }
}

/// The candidates whose descendants are candidates, too.
fn deletable(stores: &Stores, candidates: &[ImageId]) -> Vec<ImageId> {
    let mut left: BTreeSet<ImageId> =
        candidates.iter().copied().filter(|id| stores.images.contains(*id)).collect();
    loop {
        let has_other = |id: &ImageId| stores.images.children(*id).iter().any(|child| !left.contains(child));
        let blocked: Vec<ImageId> = left.iter().copied().filter(has_other).collect();
        if blocked.is_empty() {
            return left.into_iter().collect();
        }
        left.retain(|id| !blocked.contains(id));
    }
}

/// Layers that go with these images and nothing else, by their holders.
fn groups(stores: &Stores, place: &HashMap<ImageId, usize>, needed: &HashSet<ChainId>) -> Vec<Group> {
    let mut holders: HashMap<ChainId, BTreeSet<usize>> = HashMap::new();
    let mut pinned: HashSet<ChainId> = HashSet::new();
    let pin = |top: ChainId, pinned: &mut HashSet<ChainId>| {
        stores.layers.walk(top, &mut |chain, _| pinned.insert(chain));
    };
    for (id, image, _) in stores.images.images() {
        let Some(top) = image.chain().ok().flatten() else { continue };
        match place.get(&id) {
            None => pin(top, &mut pinned),
            Some(place) => {
                let mut hold = |chain, _| holders.entry(chain).or_default().insert(*place);
                stores.layers.walk(top, &mut hold);
            }
        }
    }
    for container in stores.containers.containers() {
        if let Some(top) = stores.layers.mount_parent(&container.id.to_string()) {
            pin(top, &mut pinned);
        }
    }
    // What no image has is held by somebody whom we do not see, such as a build cache.
    let layers = stores.layers.layers();
    for layer in layers.iter().filter(|layer| !holders.contains_key(&layer.chain_id)) {
        pin(layer.chain_id, &mut pinned);
    }
    let mut groups: BTreeMap<(BTreeSet<usize>, bool), u64> = BTreeMap::new();
    for layer in layers.iter().filter(|layer| !pinned.contains(&layer.chain_id)) {
        if let Some(holders) = holders.remove(&layer.chain_id) {
            let bytes = groups.entry((holders, needed.contains(&layer.chain_id))).or_default();
            *bytes = bytes.saturating_add(u64::try_from(layer.size).unwrap_or(0));
        }
    }
    let group = |((holders, is_needed), bytes)| Group { holders, bytes, is_needed };
    groups.into_iter().map(group).collect()
}
