//! What deleting a set of images frees together, and the smallest set that frees enough.
//!
//! Images share content and snapshots: what each would free alone does not add up. Here an object goes with the last
//! image that reaches it; what anything else reaches stays. The work and the memory grow with what the images reach, not with
//! its square.

use std::collections::BTreeSet;

use serde::Serialize;

use super::store::{ContainerStore as _, Freed, Held, MetadataStore as _, Stores};
use crate::base::digest::Digest;
use crate::base::error::Result;
use crate::go::time::Now;

mod gather;
mod gone;

use gather::gather;
use gone::Gone;

/// Up to so many candidates every set is looked at.
pub const EXACT: usize = 20;

/// How images share what they reach, among those that may go.
#[derive(Debug, Clone)]
pub struct Sharing {
    /// The images that may go, sorted.
    images: Vec<Digest>,
    /// What each image alone reaches, by its place; then what several do.
    parts: Held,
    /// By part, those that it leads to.
    leads_to: Vec<Vec<usize>>,
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
        let parts = metadata.held(&images);
        let mut leads_to = vec![Vec::new(); parts.len()];
        for (at, part) in parts.iter().enumerate() {
            for leader in &part.led_by {
                leads_to.get_mut(*leader).into_iter().for_each(|led| led.push(at));
            }
        }
        Ok(Self { images, parts, leads_to })
    }

    /// The images that may go, sorted.
    #[must_use]
    pub fn images(&self) -> &[Digest] {
        &self.images
    }

    /// The images that may go, each with the bytes that deleting it alone frees.
    pub fn alone(&self) -> impl Iterator<Item = (Digest, Freed)> {
        self.images.iter().zip(&self.parts).map(|(image, part)| (*image, part.freed))
    }

    /// The bytes that deleting exactly these frees; images that may not go count as not named.
    #[must_use]
    pub fn freed(&self, set: &[Digest]) -> Freed {
        let places = set.iter().filter_map(|id| self.images.binary_search(id).ok());
        let mut gone = Gone::new(self);
        places.collect::<BTreeSet<_>>().into_iter().for_each(|place| gone.take(place));
        gone.freed()
    }

    /// The smallest set that frees at least `bytes`; all that may go where none does.
    #[must_use]
    pub fn smallest(&self, bytes: u64) -> SmallestSet {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let is_exact = self.images.len() <= EXACT;
        let places = if is_exact { self.search(bytes) } else { gather(self, bytes) };
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
        let mut holders: Vec<usize> = (0..count).map(|place| 1 << place).collect();
        for (at, part) in self.parts.iter().enumerate() {
            if at >= count {
                let of_leaders = part.led_by.iter().filter_map(|leader| holders.get(*leader));
                holders.push(of_leaders.fold(0, |all, mask| all | mask));
            }
            if let Some(sum) = holders.get(at).and_then(|mask| freed.get_mut(*mask)) {
                *sum = sum.saturating_add(part.freed.total());
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
}
