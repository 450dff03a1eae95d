//! What an API tells of the sizes of layers.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use crate::api::record::Record;
use crate::base::digest::ChainId;

/// The size of a layer with all below it, between limits: that of an image's top layer is told, and what lies
/// below stands between.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChainSizes {
    limits: BTreeMap<ChainId, Limits>,
    parents: BTreeMap<ChainId, Option<ChainId>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limits {
    low: i64,
    high: i64,
}

impl ChainSizes {
    /// Whether nothing is left to learn of these layers.
    pub(super) fn are_known(&self, chains: &[ChainId]) -> bool {
        chains.iter().all(|chain| self.limits.get(chain).is_some_and(|limits| limits.low == limits.high))
    }

    /// Takes in an image: its layers, base first, its size, and the sizes of its steps, oldest first. Steps that
    /// made no layer have 0 bytes, and so may layers have.
    pub(super) fn add(&mut self, chains: &[ChainId], size: i64, steps: &[i64]) {
        let sizes: Vec<i64> = if steps.len() == chains.len() {
            steps.to_vec()
        } else {
            steps.iter().copied().filter(|size| *size != 0).collect()
        };
        let told = sizes.iter().try_fold(0_i64, |sum, size| sum.checked_add(*size));
        // Steps that do not add up tell nothing.
        let is_told =
            told == Some(size) && sizes.len() <= chains.len() && sizes.iter().all(|size| *size >= 0);
        let zeros = chains.len().saturating_sub(sizes.len());
        let sum = |steps: usize| sizes.iter().take(steps).fold(0_i64, |sum, size| sum.saturating_add(*size));
        for (chain, number) in chains.iter().zip(1..) {
            let is_top = number == chains.len();
            let limits = match (is_top, is_told) {
                (true, _) => Limits { low: size, high: size },
                (false, true) => Limits { low: sum(number.saturating_sub(zeros)), high: sum(number) },
                (false, false) => Limits { low: 0, high: size },
            };
            let known = self.limits.entry(*chain).or_insert(limits);
            known.low = known.low.max(limits.low);
            known.high = known.high.min(limits.high);
        }
    }

    /// A layer is at least as large as what lies below, and at most as large as what stands on it.
    pub(super) fn settle(&mut self, parents: impl Iterator<Item = (ChainId, Option<ChainId>)>) {
        self.parents = parents.collect();
        for top in self.parents.keys().copied().collect::<Vec<_>>() {
            let chain = self.chain(top);
            let mut low = 0;
            for layer in chain.iter().rev() {
                if let Some(limits) = self.limits.get_mut(layer) {
                    limits.low = limits.low.max(low);
                    low = limits.low;
                }
            }
            let mut high = i64::MAX;
            for layer in &chain {
                if let Some(limits) = self.limits.get_mut(layer) {
                    limits.high = limits.high.min(high).max(limits.low);
                    high = limits.high;
                }
            }
        }
    }

    /// The layer and all below it, top first.
    fn chain(&self, top: ChainId) -> Vec<ChainId> {
        let below = |layer: &ChainId| self.parents.get(layer).copied().flatten();
        std::iter::successors(Some(top), below).collect()
    }

    /// The layer's own bytes, where everything is as small as it can be.
    pub(super) fn least(&self, chain: ChainId, parent: Option<ChainId>) -> i64 {
        let low = |chain: ChainId| self.limits.get(&chain).map_or(0, |limits| limits.low);
        low(chain).saturating_sub(parent.map_or(0, low)).max(0)
    }

    /// Whether every size is known to the byte.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.limits.values().all(|limits| limits.low == limits.high)
    }

    /// Between what the bytes of the layers lie that these records tell of.
    #[must_use]
    pub fn freed(&self, records: &[Record]) -> RangeInclusive<u64> {
        let chain = |record: &Record| match record {
            Record::Layer(chain) => Some(*chain),
            _ => None,
        };
        self.range(&records.iter().filter_map(chain).collect())
    }

    /// Between what the bytes of these layers lie.
    ///
    /// The size of what lies below a layer is added where the layer below goes, too, and taken away for each layer
    /// that goes from above it. What is added and taken away alike need not be known.
    #[must_use]
    pub fn range(&self, layers: &BTreeSet<ChainId>) -> RangeInclusive<u64> {
        let mut factors: BTreeMap<ChainId, i64> = BTreeMap::new();
        for layer in layers {
            *factors.entry(*layer).or_default() += 1;
            if let Some(parent) = self.parents.get(layer).copied().flatten() {
                *factors.entry(parent).or_default() -= 1;
            }
        }
        let (mut low, mut high) = (0_i64, 0_i64);
        for (layer, factor) in factors {
            let Some(limits) = self.limits.get(&layer) else { continue };
            let (least, most) =
                if factor < 0 { (limits.high, limits.low) } else { (limits.low, limits.high) };
            low = low.saturating_add(least.saturating_mul(factor));
            high = high.saturating_add(most.saturating_mul(factor));
        }
        let bytes = |sum: i64| u64::try_from(sum).unwrap_or(0);
        bytes(low)..=bytes(high.max(low))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "test code")]

    use super::*;
    use crate::base::digest::{DiffId, Digest};

    /// Chains of layers with these names, one on the other.
    fn chains(names: &str) -> Vec<ChainId> {
        let mut chains: Vec<ChainId> = Vec::new();
        for name in names.bytes() {
            chains.push(ChainId::on(chains.last().copied(), DiffId::from(Digest::of(&[name]))));
        }
        chains
    }

    fn sizes(images: &[(&str, i64, &[i64])]) -> ChainSizes {
        let mut sizes = ChainSizes::default();
        let mut parents = BTreeMap::new();
        for (names, size, steps) in images {
            let chains = chains(names);
            sizes.add(&chains, *size, steps);
            let below = std::iter::once(None).chain(chains.iter().copied().map(Some));
            parents.extend(chains.iter().copied().zip(below));
        }
        sizes.settle(parents.into_iter());
        sizes
    }

    fn range(sizes: &ChainSizes, names: &str, count: usize) -> (u64, u64) {
        let freed = chains(names).into_iter().rev().take(count).collect();
        (*sizes.range(&freed).start(), *sizes.range(&freed).end())
    }

    #[test]
    fn steps_tell_the_layers() {
        let told = sizes(&[("abc", 60, &[10, 0, 20, 0, 30])]);
        assert_eq!(range(&told, "abc", 1), (30, 30));
        assert_eq!(range(&told, "abc", 2), (50, 50));
        assert_eq!(range(&told, "abc", 3), (60, 60));
    }

    #[test]
    fn a_layer_without_bytes_is_one_of_several_steps() {
        let told = sizes(&[("abc", 30, &[10, 0, 20, 0])]);
        assert_eq!(range(&told, "abc", 1), (0, 20));
        assert_eq!(range(&told, "abc", 2), (20, 30));
        assert_eq!(range(&told, "abc", 3), (30, 30));
        // One step a layer: nothing is in doubt.
        assert_eq!(range(&sizes(&[("abc", 30, &[10, 0, 20])]), "abc", 1), (20, 20));
    }

    #[test]
    fn images_tell_what_no_step_tells() {
        let told = sizes(&[("a", 10, &[]), ("abc", 60, &[]), ("abd", 50, &[])]);
        // The layer `ab` is between 10 and 50.
        assert_eq!(range(&told, "abc", 1), (10, 50));
        assert_eq!(range(&told, "abc", 2), (50, 50));
        assert_eq!(range(&told, "abc", 3), (60, 60));
        let mut both: BTreeSet<_> = chains("abc").into_iter().chain(chains("abd")).collect();
        both.remove(&chains("a")[0]);
        // Everything on the base: 50 + 40, less what `ab` is counted twice.
        assert_eq!(told.range(&both), 50..=90);
        assert_eq!(told.range(&BTreeSet::new()), 0..=0);
    }

    #[test]
    fn steps_that_do_not_add_up_tell_nothing() {
        assert_eq!(range(&sizes(&[("ab", 30, &[1, 2])]), "ab", 1), (0, 30));
        assert_eq!(range(&sizes(&[("ab", 30, &[10, 10, 10])]), "ab", 1), (0, 30));
        assert_eq!(
            range(&sizes(&[("ab", i64::MAX, &[i64::MAX, 1])]), "ab", 1),
            (0, i64::MAX.cast_unsigned())
        );
    }
}
