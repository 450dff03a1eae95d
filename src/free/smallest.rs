//! The smallest set that frees enough.

use serde::Serialize;

use super::bytes;
use super::holders::{Holders, Removal};
use crate::digest::ImageId;

/// Up to so many candidates every set is tried.
pub const EXACT_LIMIT: usize = 20;

/// How a set was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Search {
    /// No smaller set frees as much.
    Exact,
    /// Largest gain first: a smaller set may do.
    Greedy,
}

/// A set that was chosen. Children come before their parents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// The images to delete, in this order.
    pub images: Vec<ImageId>,
    /// Bytes that this set frees, as [`Freed::bytes`](super::Freed::bytes).
    pub bytes: u64,
    /// How it was found.
    pub search: Search,
    /// Whether that is as much as was asked for. If not, the set is all that frees anything.
    pub is_enough: bool,
}

impl Holders {
    /// The smallest set of `candidates` that frees at least `wanted` bytes: the fewest images, and of sets with as
    /// many the one that frees the least too much. Of more than [`EXACT_LIMIT`] candidates one that is about as
    /// small. Candidates that cannot go are not chosen.
    #[must_use]
    pub fn smallest(&self, candidates: &[ImageId], wanted: u64) -> Choice {
        let candidates = self.places_of(candidates);
        let search = if candidates.len() <= EXACT_LIMIT { Search::Exact } else { Search::Greedy };
        let mut attempt = Attempt { holders: self.clone(), candidates, wanted: i128::from(wanted) };
        let all = attempt.all();
        let chosen = if all.1 < attempt.wanted {
            None
        } else if search == Search::Exact {
            attempt.exact()
        } else {
            Some(attempt.greedy())
        };
        let is_enough = chosen.is_some();
        let (places, freed) = chosen.unwrap_or(all);
        let images = places.into_iter().filter_map(|place| self.id(place)).collect();
        Choice { images, bytes: bytes(freed), search, is_enough }
    }
}

/// Places of images, and the bytes that they free together.
type Set = (Vec<usize>, i128);

struct Attempt {
    holders: Holders,
    /// Children first.
    candidates: Vec<usize>,
    wanted: i128,
}

impl Attempt {
    /// Everything that can go.
    fn all(&mut self) -> Set {
        self.measure(&self.candidates.clone())
    }

    /// Those of `places`, children first, that can go together, and the bytes that they free.
    fn measure(&mut self, places: &[usize]) -> Set {
        let mut removals = Vec::new();
        let mut set = Vec::new();
        for place in places {
            let removal = self.holders.remove(*place);
            if !removal.is_empty() {
                set.push(*place);
                removals.push(removal);
            }
        }
        removals.iter().rev().for_each(|removal| self.holders.restore(removal));
        (set, removals.iter().map(|removal| removal.freed).sum())
    }

    /// Sets of one, then of two and so on: the first size that does is the smallest.
    fn exact(&mut self) -> Option<Set> {
        if self.wanted <= 0 {
            return Some((Vec::new(), 0));
        }
        (1..=self.candidates.len()).find_map(|size| {
            let mut best = None;
            self.extend(0, size, &mut Vec::new(), 0, &mut best);
            best
        })
    }

    /// Tries every way to add `left` of the candidates from the `from`th on.
    fn extend(
        &mut self,
        from: usize,
        left: usize,
        set: &mut Vec<usize>,
        freed: i128,
        best: &mut Option<Set>,
    ) {
        if left == 0 {
            let is_better = best.as_ref().is_none_or(|(_, least)| freed < *least);
            if freed >= self.wanted && is_better {
                *best = Some((set.clone(), freed));
            }
            return;
        }
        for next in from..self.candidates.len().saturating_sub(left - 1) {
            let Some(place) = self.candidates.get(next).copied() else { return };
            let removal = self.holders.remove(place);
            // What cannot go, or went along with a child, makes no set smaller.
            if !removal.is_empty() {
                set.push(place);
                self.extend(next + 1, left - 1, set, freed + removal.freed, best);
                set.pop();
            }
            self.holders.restore(&removal);
        }
    }

    /// Adds the image, or the images that share a layer, with the most bytes an image; then drops what turns out
    /// not to be needed.
    fn greedy(&mut self) -> Set {
        let mut groups: Vec<Vec<usize>> = self.candidates.iter().map(|place| vec![*place]).collect();
        groups.extend(self.holders.sharing(&self.candidates));
        let mut taken: Vec<usize> = Vec::new();
        let mut freed = 0;
        let mut removals: Vec<Removal> = Vec::new();
        while freed < self.wanted {
            let gains: Vec<Set> = groups.iter().map(|group| self.measure(group)).collect();
            let Some((best, gain)) = gains.into_iter().reduce(|a, b| if is_denser(&b, &a) { b } else { a })
            else {
                break;
            };
            // All that is left is held by what stays, or is freed only by everything together.
            if gain <= 0 {
                taken.clone_from(&self.candidates);
                break;
            }
            removals.extend(best.iter().map(|place| self.holders.remove(*place)));
            taken.extend(best);
            freed += gain;
            groups.retain(|group| !group.iter().all(|place| self.holders.is_gone(*place)));
        }
        removals.iter().rev().for_each(|removal| self.holders.restore(removal));
        taken = self.candidates.iter().copied().filter(|place| taken.contains(place)).collect();
        self.without_needless(taken)
    }

    /// Drops, parents first, what the rest does without.
    fn without_needless(&mut self, mut set: Vec<usize>) -> Set {
        for at in (0..set.len()).rev() {
            let mut fewer = set.clone();
            fewer.remove(at);
            if self.measure(&fewer).1 >= self.wanted {
                set = fewer;
            }
        }
        self.measure(&set)
    }
}

/// More bytes an image.
fn is_denser(a: &Set, b: &Set) -> bool {
    let images = |set: &Set| i128::try_from(set.0.len().max(1)).unwrap_or(i128::MAX);
    a.1.saturating_mul(images(b)) > b.1.saturating_mul(images(a))
}
