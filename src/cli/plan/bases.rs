//! What stands on what: images as the bases of others, by their layers.

use std::collections::HashMap;

use image_prune::ChainId;
use image_prune::graph::store::{ImageStore, LayerStore, Stores};

use super::rows::Row;

/// Where an image stands.
pub struct Standing {
    /// The row of the image whose layers are the lower part of its own; of several that have all layers in common the
    /// first is the base of the others.
    pub base: Option<usize>,
    /// Its layers above the base, top first, with their sizes.
    pub own: Vec<(ChainId, i64)>,
    /// The bytes of the layers that it has from its base.
    pub shared: i64,
}

impl Standing {
    pub fn own_size(&self) -> i64 {
        self.own.iter().map(|(_, size)| size).sum()
    }
}

/// For each row, where its image stands. Costs the layers of all images together.
pub fn standings(rows: &[Row], stores: &Stores) -> Vec<Standing> {
    let top = |row: &Row| stores.images.get(row.image.id).ok().and_then(|image| image.chain().ok().flatten());
    let tops: Vec<Option<ChainId>> = rows.iter().map(top).collect();
    let mut owner: HashMap<ChainId, usize> = HashMap::new();
    for (row, top) in tops.iter().enumerate() {
        if let Some(top) = top {
            owner.entry(*top).or_insert(row);
        }
    }
    let standing = |(row, top): (usize, &Option<ChainId>)| {
        let (mut base, mut own) = (None, Vec::new());
        if let Some(top) = top {
            stores.layers.walk(*top, &mut |chain, layer| {
                base = owner.get(&chain).copied().filter(|other| *other != row);
                if base.is_none() {
                    own.push((chain, layer.diff_size));
                }
                base.is_none()
            });
        }
        let own_size: i64 = own.iter().map(|(_, size)| size).sum();
        let shared = rows.get(row).map_or(0, |row| row.image.size) - own_size;
        Standing { base, own, shared }
    };
    tops.iter().enumerate().map(standing).collect()
}

/// The rows with their depth, each base before what stands on it, the largest of each first.
pub fn in_order(rows: &[Row], standings: &[Standing]) -> Vec<(usize, Vec<bool>)> {
    let mut above: HashMap<Option<usize>, Vec<usize>> = HashMap::new();
    for (row, standing) in standings.iter().enumerate() {
        above.entry(standing.base).or_default().push(row);
    }
    let size = |row: &usize| rows.get(*row).map(|row| (std::cmp::Reverse(row.image.size), row.name.clone()));
    for rows in above.values_mut() {
        rows.sort_by_cached_key(size);
    }
    let next = |base: Option<usize>, branch: &[bool]| {
        let rows = above.get(&base).map(Vec::as_slice).unwrap_or_default();
        let last = rows.len().saturating_sub(1);
        let with_branch = |(at, row): (usize, &usize)| {
            (*row, branch.iter().copied().chain([at == last]).collect::<Vec<bool>>())
        };
        rows.iter().enumerate().map(with_branch).rev().collect::<Vec<_>>()
    };
    let mut waiting = next(None, &[]);
    let mut ordered = Vec::with_capacity(rows.len());
    while let Some((row, branch)) = waiting.pop() {
        // Beyond this depth branches are no longer drawn, and a chain of thousands takes no memory for them.
        let drawn = branch.get(branch.len().saturating_sub(DEEPEST)..).unwrap_or_default();
        waiting.extend(next(Some(row), drawn));
        ordered.push((row, branch));
    }
    ordered
}

/// How many branches are drawn in front of a name.
pub const DEEPEST: usize = 12;
