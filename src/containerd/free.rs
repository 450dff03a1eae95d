//! What deleting a set of images frees together, and the smallest set that frees enough.
//!
//! Images share content and snapshots: what each would free alone does not add up. Here an object goes with the last
//! image that reaches it; what anything else reaches stays.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;

use super::store::{ContainerStore as _, Freed, MetadataStore as _, Stores};
use crate::base::digest::Digest;
use crate::base::error::Result;
use crate::go::time::Now;

/// Up to so many candidates every set is looked at.
pub const EXACT: usize = 20;

/// How images share what they reach, among those that may go.
#[derive(Debug, Clone)]
pub struct Sharing {
    /// The images that may go, sorted.
    images: Vec<Digest>,
    groups: Vec<Group>,
    /// For each image, the groups that it holds.
    held: Vec<Vec<usize>>,
}

/// Objects that the same images reach.
#[derive(Debug, Clone)]
struct Group {
    holders: Vec<usize>,
    freed: Freed,
}

/// A set of images that frees enough, or all that may go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SmallestSet {
    /// The images, sorted.
    pub images: Vec<Digest>,
    /// The bytes that deleting exactly these frees.
    pub freed: Freed,
    /// Whether that is as much as was asked for.
    pub is_enough: bool,
    /// Whether no smaller set would do: fewer images or, as many, fewer bytes. Otherwise the set was put together
    /// one image after the other.
    pub is_exact: bool,
}

impl Sharing {
    /// How `candidates` share with each other and with everything else. An image that a container uses cannot go
    /// without force, and is left out.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn new(stores: &Stores, candidates: &[Digest], now: Now) -> Result<Self> {
        let is_unused = |digest: &Digest| stores.containers.first_using(*digest).is_none();
        let images: BTreeSet<Digest> = candidates.iter().copied().filter(is_unused).collect();
        let images: Vec<Digest> = images.into_iter().collect();
        let metadata = stores.metadata.copy();
        metadata.collect(now.instant)?;
        let mut sums: HashMap<Vec<usize>, Freed> = HashMap::new();
        for (holders, size) in metadata.holders(&images) {
            let sum = sums.entry(holders).or_default();
            *sum = *sum + size;
        }
        let mut groups: Vec<Group> =
            sums.into_iter().map(|(holders, freed)| Group { holders, freed }).collect();
        groups.sort_by(|a, b| a.holders.cmp(&b.holders));
        let mut held = vec![Vec::new(); images.len()];
        for (at, group) in groups.iter().enumerate() {
            for holder in &group.holders {
                held.get_mut(*holder).into_iter().for_each(|held| held.push(at));
            }
        }
        Ok(Self { images, groups, held })
    }

    /// The images that may go, sorted.
    #[must_use]
    pub fn images(&self) -> &[Digest] {
        &self.images
    }

    /// The bytes that deleting exactly these frees; images that may not go count as not named.
    #[must_use]
    pub fn freed(&self, set: &[Digest]) -> Freed {
        let places = set.iter().filter_map(|id| self.images.binary_search(id).ok());
        let mut gone = Gone::new(self);
        places.collect::<BTreeSet<_>>().into_iter().for_each(|place| gone.take(place));
        gone.freed
    }

    /// The smallest set that frees at least `bytes`; all that may go where none does.
    #[must_use]
    pub fn smallest(&self, bytes: u64) -> SmallestSet {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let is_exact = self.images.len() <= EXACT;
        let places = if is_exact { self.search(bytes) } else { self.gather(bytes) };
        let mut images: Vec<Digest> =
            places.iter().filter_map(|place| self.images.get(*place).copied()).collect();
        images.sort_unstable();
        let freed = self.freed(&images);
        SmallestSet { images, freed, is_enough: freed.total() >= bytes, is_exact }
    }

    /// Looks at every set. The bytes are summed over subsets, one image at a time.
    fn search(&self, bytes: i64) -> Vec<usize> {
        let count = self.images.len();
        let mut freed = vec![0_i64; 1 << count];
        for group in &self.groups {
            let holders = group.holders.iter().fold(0_usize, |mask, place| mask | 1 << place);
            if let Some(sum) = freed.get_mut(holders) {
                *sum = sum.saturating_add(group.freed.total());
            }
        }
        for bit in (0..count).map(|at| 1 << at) {
            for set in (0..1 << count).filter(|set| set & bit != 0) {
                let fewer = freed.get(set & !bit).copied().unwrap_or(0);
                if let Some(sum) = freed.get_mut(set) {
                    *sum = sum.saturating_add(fewer);
                }
            }
        }
        let is_enough = |set: &usize| freed.get(*set).is_some_and(|freed| *freed >= bytes);
        let sets = (0..1_usize << count).filter(is_enough);
        let best = sets.min_by_key(|set| (set.count_ones(), freed.get(*set).copied(), *set));
        let best = best.unwrap_or((1 << count) - 1);
        (0..count).filter(|at| best & (1 << at) != 0).collect()
    }

    /// Takes the image that frees most, then the next; in the end gives back what is not needed. What nobody frees
    /// alone is taken by its share.
    fn gather(&self, bytes: i64) -> Vec<usize> {
        let mut gone = Gone::new(self);
        let shares: Vec<i64> = (0..self.images.len()).map(|place| self.share(place)).collect();
        let rank = |gone: &Gone<'_>, place: usize| {
            (gone.gain(place), shares.get(place).copied().unwrap_or(0), place)
        };
        let mut next: BTreeSet<(i64, i64, usize)> =
            (0..self.images.len()).map(|place| rank(&gone, place)).collect();
        let mut taken = Vec::new();
        while gone.freed.total() < bytes
            && let Some((_, _, place)) = next.pop_last()
        {
            // Those whose group has one holder left now are worth more.
            let touched: BTreeSet<usize> = gone.last_holders_without(place).collect();
            let before: Vec<_> = touched.iter().map(|place| rank(&gone, *place)).collect();
            gone.take(place);
            taken.push(place);
            for old in before {
                if next.remove(&old) {
                    next.insert(rank(&gone, old.2));
                }
            }
        }
        for place in taken.clone() {
            if gone.freed.total().saturating_sub(gone.loss(place)) >= bytes {
                gone.give_back(place);
                taken.retain(|other| *other != place);
            }
        }
        taken
    }

    fn share(&self, place: usize) -> i64 {
        let groups = self.held.get(place).into_iter().flatten().filter_map(|at| self.groups.get(*at));
        let share = |group: &Group| {
            group.freed.total() / i64::try_from(group.holders.len()).unwrap_or(i64::MAX).max(1)
        };
        groups.map(share).fold(0, i64::saturating_add)
    }
}

/// A set of images, and what it frees.
struct Gone<'a> {
    sharing: &'a Sharing,
    taken: Vec<bool>,
    /// For each group, the holders that are left.
    left: Vec<usize>,
    freed: Freed,
}

impl<'a> Gone<'a> {
    fn new(sharing: &'a Sharing) -> Self {
        let left = sharing.groups.iter().map(|group| group.holders.len()).collect();
        let taken = vec![false; sharing.images.len()];
        Self { sharing, taken, left, freed: Freed::default() }
    }

    fn groups(&self, place: usize) -> &'a [usize] {
        self.sharing.held.get(place).map_or(&[], Vec::as_slice)
    }

    fn size(&self, at: usize) -> Freed {
        self.sharing.groups.get(at).map(|group| group.freed).unwrap_or_default()
    }

    fn is_left(&self, at: usize, holders: usize) -> bool {
        self.left.get(at) == Some(&holders)
    }

    fn take(&mut self, place: usize) {
        for at in self.groups(place) {
            if self.is_left(*at, 1) {
                self.freed = self.freed + self.size(*at);
            }
            self.left.get_mut(*at).into_iter().for_each(|left| *left -= 1);
        }
        self.taken.get_mut(place).into_iter().for_each(|taken| *taken = true);
    }

    fn give_back(&mut self, place: usize) {
        for at in self.groups(place) {
            if self.is_left(*at, 0) {
                self.freed = self.freed - self.size(*at);
            }
            self.left.get_mut(*at).into_iter().for_each(|left| *left += 1);
        }
        self.taken.get_mut(place).into_iter().for_each(|taken| *taken = false);
    }

    fn sum(&self, place: usize, holders: usize) -> i64 {
        let groups = self.groups(place).iter().filter(|at| self.is_left(**at, holders));
        groups.map(|at| self.size(*at).total()).fold(0, i64::saturating_add)
    }

    /// What one more frees.
    fn gain(&self, place: usize) -> i64 {
        self.sum(place, 1)
    }

    /// What one fewer does not.
    fn loss(&self, place: usize) -> i64 {
        self.sum(place, 0)
    }

    /// The last holders of groups that have two, one of them this.
    fn last_holders_without(&self, place: usize) -> impl Iterator<Item = usize> {
        let groups = self.groups(place).iter().filter(|at| self.is_left(**at, 2));
        let groups = groups.filter_map(|at| self.sharing.groups.get(*at));
        groups.filter_map(move |group| {
            let mut left = group.holders.iter().filter(|holder| self.taken.get(**holder) == Some(&false));
            left.find(|holder| **holder != place).copied()
        })
    }
}
