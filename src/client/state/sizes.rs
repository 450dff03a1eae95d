//! The sizes of layers, from what the API tells: the size of each image, and of each step of its history.

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::{ChainId, DiffId, ImageId};
use crate::world::Layer;

/// The diff ID of a tar of nothing, which builders make where a step changes no file.
const EMPTY: &str = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

/// What is told of one image.
pub(super) struct Chain<'a> {
    pub image: ImageId,
    /// Base first.
    pub diffs: &'a [DiffId],
    /// Bytes of each step, oldest first. A step without a layer has 0, and so has an empty layer.
    pub history: &'a [i64],
    /// Bytes of all layers.
    pub size: i64,
}

/// The layers of all images.
pub(super) struct Sizes {
    layers: BTreeMap<ChainId, Layer>,
    estimated: BTreeSet<ImageId>,
}

impl Sizes {
    /// What is certain first; it tells most of the rest.
    pub fn of(chains: Vec<Chain<'_>>) -> Self {
        let mut sizes = Self { layers: BTreeMap::new(), estimated: BTreeSet::new() };
        let mut uncertain = Vec::new();
        for chain in chains {
            match chain.told() {
                Some(told) => sizes.add(&chain, &told),
                None => uncertain.push(chain),
            }
        }
        // Short chains tell about the long ones on them.
        uncertain.sort_by_key(|chain| (chain.diffs.len(), chain.image));
        for chain in uncertain {
            let (guess, is_certain) = sizes.guess(&chain);
            sizes.add(&chain, &guess);
            if !is_certain {
                sizes.estimated.insert(chain.image);
            }
        }
        sizes
    }

    pub fn into_layers(self) -> (Vec<Layer>, BTreeSet<ImageId>) {
        (self.layers.into_values().collect(), self.estimated)
    }

    fn add(&mut self, chain: &Chain<'_>, sizes: &[i64]) {
        for ((chain_id, diff_id, parent), size) in chain.layers().zip(sizes) {
            self.layers.entry(chain_id).or_insert(Layer { chain_id, diff_id, parent, size: *size });
        }
    }

    /// What other images tell, and the rest of the size on the first layer that nobody tells of. Certain where that
    /// is the only one, and where there is nothing left.
    fn guess(&self, chain: &Chain<'_>) -> (Vec<i64>, bool) {
        let known: Vec<Option<i64>> = chain
            .layers()
            .map(|(id, diff, _)| match self.layers.get(&id) {
                Some(layer) => Some(layer.size),
                None => is_empty(diff).then_some(0),
            })
            .collect();
        let rest = known.iter().flatten().fold(chain.size, |rest, size| rest.saturating_sub(*size));
        let unknown = known.iter().filter(|size| size.is_none()).count();
        let is_certain = unknown <= 1 || rest == 0;
        let mut rest = Some(rest.max(0));
        let sizes = known.into_iter().map(|size| size.unwrap_or_else(|| rest.take().unwrap_or(0)));
        (sizes.collect(), is_certain)
    }
}

fn is_empty(diff: DiffId) -> bool {
    diff.to_string() == EMPTY
}

impl Chain<'_> {
    fn layers(&self) -> impl Iterator<Item = (ChainId, DiffId, Option<ChainId>)> {
        let mut below = None;
        self.diffs.iter().map(move |diff| {
            let parent = below;
            let id = ChainId::on(parent, *diff);
            below = Some(id);
            (id, *diff, parent)
        })
    }

    /// The sizes as the history tells them. None where it has fewer sizes than there are layers, since nobody says
    /// which of the steps without a size have a layer; and where it contradicts the image's size.
    fn told(&self) -> Option<Vec<i64>> {
        let sizes: Vec<i64> = if self.history.len() == self.diffs.len() {
            self.history.to_vec()
        } else {
            let mut sizes = self.history.iter().copied().filter(|size| *size != 0);
            let told: Option<Vec<i64>> =
                self.diffs.iter().map(|diff| if is_empty(*diff) { Some(0) } else { sizes.next() }).collect();
            told.filter(|_| sizes.next().is_none())?
        };
        let sum = sizes.iter().try_fold(0_i64, |sum, size| sum.checked_add(*size))?;
        (sum == self.size).then_some(sizes)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;
    use crate::digest::Digest;

    fn diffs(names: &[&str]) -> Vec<DiffId> {
        let diff = |name: &&str| {
            if *name == "empty" { EMPTY.parse().unwrap() } else { Digest::of(name.as_bytes()).into() }
        };
        names.iter().map(diff).collect()
    }

    /// The sizes of the last chain's layers, base first, and how many images are estimated.
    fn sizes(images: &[(&[&str], &[i64], i64)]) -> (Vec<i64>, usize) {
        let owned: Vec<_> =
            images.iter().map(|(names, history, size)| (diffs(names), *history, *size)).collect();
        let chain = |(number, (diffs, history, size)): (usize, &(Vec<DiffId>, &'_ [i64], i64))| Chain {
            image: Digest::of(&[u8::try_from(number).unwrap()]).into(),
            diffs: &*diffs.clone().leak(),
            history: &*history.to_vec().leak(),
            size: *size,
        };
        let (layers, estimated) = Sizes::of(owned.iter().enumerate().map(chain).collect()).into_layers();
        let mut below = None;
        let last = owned.last().unwrap().0.iter().map(|diff| {
            below = Some(ChainId::on(below, *diff));
            layers.iter().find(|layer| Some(layer.chain_id) == below).unwrap().size
        });
        (last.collect(), estimated.len())
    }

    #[test]
    fn a_history_tells_sizes() {
        assert_eq!(sizes(&[(&["a", "b"], &[5, 7], 12)]), (vec![5, 7], 0));
        assert_eq!(sizes(&[(&["a", "b"], &[5, 0, 7, 0], 12)]), (vec![5, 7], 0));
        assert_eq!(sizes(&[(&["a", "b"], &[5, 0], 5)]), (vec![5, 0], 0));
        assert_eq!(sizes(&[(&["a", "empty", "b"], &[5, 0, 0, 7], 12)]), (vec![5, 0, 7], 0));
        assert_eq!(sizes(&[(&[], &[], 0)]), (vec![], 0));
    }

    #[test]
    fn one_layer_that_nobody_tells_of_has_the_rest() {
        assert_eq!(sizes(&[(&["a"], &[], 9)]), (vec![9], 0));
        assert_eq!(sizes(&[(&["a"], &[5], 5), (&["a", "b"], &[], 12)]), (vec![5, 7], 0));
    }

    #[test]
    fn what_cannot_be_told_apart_is_estimated() {
        assert_eq!(sizes(&[(&["a", "b", "c"], &[5, 0, 0, 7], 12)]), (vec![12, 0, 0], 1));
        assert_eq!(sizes(&[(&["a", "b"], &[5, 7], 13)]), (vec![13, 0], 1), "a history that contradicts");
        assert_eq!(sizes(&[(&["a", "b"], &[i64::MAX, 7], -1)]), (vec![0, 0], 1), "sizes that overflow");
    }
}
