//! Whether it fits: what is missing, what that takes, and how much room there is.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::bound::bound;
use super::measure::{Range, Source, USUAL_BLOCK, Unpacked, assumed};
use super::volume::{Policy, Volume};
use super::wanted::{Wanted, WantedLayer, annotated_in_part};
use crate::base::digest::{ChainId, DiffId, Digest};
use crate::document::manifest::Descriptor;
use crate::graph::store::{LayerStore, Stores};

/// Where an update is to go.
pub struct Place<'a> {
    /// What the daemon has.
    pub stores: &'a Stores,
    /// The diff IDs of compressed layers that the daemon pulled once, where that is known.
    pub diff_ids: &'a dyn Fn(Digest) -> Option<DiffId>,
    /// The volume of the data root.
    pub volume: Volume,
    /// A second store, which keeps compressed layers.
    pub blob_store: Option<BlobStore>,
    /// Whether the storage driver copies all layers below into each, as `vfs` does.
    pub copies: bool,
}

impl std::fmt::Debug for Place<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { volume, blob_store, copies, .. } = self;
        formatter
            .debug_struct("Place")
            .field("volume", volume)
            .field("blob_store", blob_store)
            .field("copies", copies)
            .finish_non_exhaustive()
    }
}

/// A store of compressed layers, by digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobStore {
    /// Its folder; blobs lie in `blobs/sha256` or `sha256` below it.
    pub folder: PathBuf,
    /// Its volume.
    pub volume: Volume,
}

/// How to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counting {
    /// How full volumes may get.
    pub policy: Policy,
    /// How many times its compressed size a layer takes at most, where nobody knows: the user's word, and risk.
    /// `None` takes the most that its compression allows.
    pub assume_ratio: Option<u32>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fit {
    /// Whether it fits for sure: the upper limits do.
    pub fits: bool,
    /// What has to be downloaded and unpacked.
    pub missing: Missing,
    /// One or two volumes: the data root's, and the blob store's where that is another.
    pub volumes: Vec<Room>,
    /// What a person should know.
    pub notes: Vec<String>,
    /// Layers that are there, and that the update stands on: whatever else is pruned, these must stay.
    #[serde(skip)]
    pub reused: HashSet<ChainId>,
}

/// What is missing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Missing {
    /// The number of layers that have to be unpacked.
    pub layers: usize,
    /// Bytes to download.
    pub compressed: u64,
    /// Bytes of unpacked files, at least.
    pub unpacked_low: u64,
    /// Bytes of unpacked files, at most.
    pub unpacked_high: u64,
    /// How that is known, of the layer that is known worst.
    pub source: Source,
}

/// A volume, and what is needed of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Room {
    /// A folder on it.
    pub path: PathBuf,
    /// Its size in bytes.
    pub capacity: u64,
    /// Bytes that an unprivileged user may still write.
    pub available: u64,
    /// Bytes that may be added under the policy.
    pub allowed: u64,
    /// Bytes in blocks that are needed, at least.
    pub needed_low: u64,
    /// Bytes in blocks that are needed, at most.
    pub needed_high: u64,
    /// Bytes that have to be freed before that fits.
    #[serde(skip)]
    pub shortfall: u64,
    /// Inodes; `None` where the file system has no fixed number of them, or none are needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inodes: Option<Inodes>,
}

/// Inodes of a volume, and those that are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Inodes {
    /// Those that an unprivileged user may still use.
    pub available: u64,
    /// Those that are needed, at least.
    pub needed_low: u64,
    /// Those that are needed, at most.
    pub needed_high: u64,
}

impl Fit {
    /// Whether the lower limits fit.
    #[must_use]
    pub fn may_fit(&self) -> bool {
        let inodes_do = |room: &Room| room.inodes.is_none_or(|inodes| inodes.needed_low <= inodes.available);
        self.volumes.iter().all(|room| room.needed_low <= room.allowed && inodes_do(room))
    }
}

/// Whether `wanted` fits into `place`.
///
/// What has to be unpacked goes to the data root. What has to be downloaded goes to the blob store for good, or
/// to the data root until it is unpacked: both are there at the same time.
#[must_use]
pub fn fit(wanted: &Wanted, place: &Place<'_>, counting: Counting) -> Fit {
    let mut count = Count::new(place, counting);
    for layer in &wanted.layers {
        count.layer(layer);
    }
    let downloads: Vec<&Descriptor> = match &place.blob_store {
        Some(_) => wanted.layers.iter().map(|layer| &layer.blob).chain(&wanted.others).collect(),
        None => count.unpacked_blobs.values().copied().collect(),
    };
    let (compressed, blocks) = download(&downloads, place);
    let Count { mut missing, unpacked, inodes, assumed, reused, .. } = count;
    missing.compressed = compressed;
    let volumes = rooms(place, unpacked, inodes, Range::exactly(blocks), counting.policy);
    let inodes_do = |room: &Room| room.inodes.is_none_or(|inodes| inodes.needed_high <= inodes.available);
    let fits = volumes.iter().all(|room| room.shortfall == 0 && inodes_do(room));
    let mut answer = Fit { fits, missing, volumes, notes: wanted.notes.clone(), reused };
    if let (Some((bytes, inodes)), Some(ratio)) = (assumed, counting.assume_ratio) {
        let most = match (bytes.high, inodes.high) {
            (u64::MAX, _) => "any number of bytes and inodes".to_owned(),
            (bytes, inodes) => format!("up to {bytes} bytes in blocks, and {inodes} inodes"),
        };
        answer.notes.push(format!(
            "no layer takes more than {ratio} times its download: that is your own assumption, and the answer is no \
             better than it; those layers may take {most}"
        ));
    }
    for (room, inodes) in answer.volumes.iter().filter_map(|room| Some((room, room.inodes?))) {
        if inodes.needed_high > inodes.available {
            let Inodes { available, needed_high, .. } = inodes;
            let path = room.path.display();
            answer
                .notes
                .push(format!("{path}: up to {needed_high} inodes are needed, and {available} are free"));
        }
    }
    if !fits && answer.may_fit() {
        answer.notes.push(format!("it may fit: {}", why_unsure(answer.missing.source)));
    }
    answer
}

/// Why the lower limits fit and the upper ones do not, and what to do about it.
const fn why_unsure(source: Source) -> &'static str {
    match source {
        Source::Bound => {
            "nobody says how large the layers are once they are unpacked. An OCI layout (`skopeo copy docker://… \
             oci:…`) can be counted, a layer index of `fit index` has the sizes, and `--assume-ratio N` takes your \
             word for it"
        }
        Source::Ratio => "with the ratio that you assume, it does not",
        Source::Exact | Source::Metadata => "the sizes that are known leave it open",
    }
}

/// Layers being counted.
struct Count<'a> {
    place: &'a Place<'a>,
    assume_ratio: Option<u32>,
    /// The sizes of layers in the store, by what is in them.
    known: BTreeMap<DiffId, i64>,
    seen: BTreeSet<(Option<ChainId>, Digest)>,
    unpacked_blobs: BTreeMap<Digest, &'a Descriptor>,
    missing: Missing,
    /// In blocks.
    unpacked: Range,
    inodes: Range,
    /// Of layers whose size is assumed, the bytes in blocks and the inodes that they may take.
    assumed: Option<(Range, Range)>,
    /// What lies below the next layer of an image, for a driver that copies.
    below: Range,
    below_of: Option<ChainId>,
    reused: HashSet<ChainId>,
}

impl<'a> Count<'a> {
    fn new(place: &'a Place<'a>, counting: Counting) -> Self {
        let layers = place.stores.layers.layers();
        Self {
            place,
            assume_ratio: counting.assume_ratio,
            known: layers.into_iter().map(|layer| (layer.diff_id, layer.size)).collect(),
            seen: BTreeSet::new(),
            unpacked_blobs: BTreeMap::new(),
            missing: Missing::default(),
            unpacked: Range::default(),
            inodes: Range::default(),
            assumed: None,
            below: Range::default(),
            below_of: None,
            reused: HashSet::new(),
        }
    }

    fn layer(&mut self, layer: &'a WantedLayer) {
        let diff_id = layer.diff_id.or_else(|| (self.place.diff_ids)(layer.blob.digest));
        let unpacked = self.size(layer, diff_id);
        let usage = self.usage(unpacked);
        // A driver that copies writes what is below once more.
        let is_on_top = layer.chain_id.is_some_and(|_| self.below_of.is_some());
        let below = if self.place.copies && is_on_top { self.below } else { Range::default() };
        self.below = below.plus(usage);
        self.below_of = layer.chain_id;
        if self.is_there(layer, diff_id) || !self.seen.insert((layer.chain_id, layer.blob.digest)) {
            return;
        }
        self.unpacked_blobs.insert(layer.blob.digest, &layer.blob);
        self.unpacked = self.unpacked.plus(usage).plus(below);
        self.inodes = self.inodes.plus(unpacked.inodes.unwrap_or_default());
        if unpacked.source == Source::Ratio {
            let Descriptor { media_type, size, .. } = &layer.blob;
            let worst = bound(media_type, *size, self.place.volume.block);
            let (usage, inodes) = (self.usage(worst).plus(below), worst.inodes.unwrap_or_default());
            let (bytes, number) = self.assumed.get_or_insert_default();
            (*bytes, *number) = (bytes.plus(usage), number.plus(inodes));
        }
        let Missing { layers, unpacked_low, unpacked_high, source, .. } = &mut self.missing;
        *layers += 1;
        *unpacked_low = unpacked_low.saturating_add(unpacked.size.low);
        *unpacked_high = unpacked_high.saturating_add(unpacked.size.high);
        *source = unpacked.source.max(*source);
    }

    /// Whether the store has the layer; where nobody says what it stands on, on anything.
    fn is_there(&mut self, layer: &WantedLayer, diff_id: Option<DiffId>) -> bool {
        let layers = &self.place.stores.layers;
        let found: Vec<ChainId> = match (layer.chain_id, diff_id) {
            (Some(chain), _) => layers.layer(chain).map(|_| chain).into_iter().collect(),
            (None, Some(diff_id)) if self.known.contains_key(&diff_id) => {
                let all = layers.layers().into_iter();
                all.filter(|layer| layer.diff_id == diff_id).map(|layer| layer.chain_id).collect()
            }
            _ => Vec::new(),
        };
        self.reused.extend(&found);
        !found.is_empty()
    }

    fn size(&self, layer: &WantedLayer, diff_id: Option<DiffId>) -> Unpacked {
        let Descriptor { media_type, size, .. } = &layer.blob;
        let block = self.place.volume.block;
        let limits = layer.unpacked.unwrap_or_else(|| {
            let limits = match self.assume_ratio {
                Some(ratio) => assumed(*size, ratio),
                None => bound(media_type, *size, block),
            };
            annotated_in_part(&layer.blob, limits, block)
        });
        // What is written down is counted in the usual blocks.
        let limits = match limits.source {
            Source::Metadata if block > USUAL_BLOCK => limits.in_blocks(block),
            _ => limits,
        };
        // A store knows the bytes of a layer's files, and not the blocks that they take.
        let known = diff_id.and_then(|diff_id| self.known.get(&diff_id));
        match known.and_then(|size| u64::try_from(*size).ok()) {
            Some(known) if limits.source != Source::Exact => limits.with_size(known, block),
            _ => limits,
        }
    }

    fn usage(&self, unpacked: Unpacked) -> Range {
        let volume = &self.place.volume;
        Range { low: volume.round(unpacked.usage.low), high: volume.round(unpacked.usage.high) }
    }
}

/// Bytes to download, and the blocks that they take.
fn download(blobs: &[&Descriptor], place: &Place<'_>) -> (u64, u64) {
    let volume = place.blob_store.as_ref().map_or(&place.volume, |store| &store.volume);
    let (mut bytes, mut blocks, mut seen) = (0_u64, 0_u64, BTreeSet::new());
    for blob in blobs.iter().filter(|blob| seen.insert(blob.digest)) {
        if place.blob_store.as_ref().is_some_and(|store| store.has(blob)) {
            continue;
        }
        bytes = bytes.saturating_add(blob.size);
        blocks = blocks.saturating_add(volume.round(blob.size));
    }
    (bytes, blocks)
}

impl BlobStore {
    /// Whether it has all of a blob. Half a blob is downloaded again.
    fn has(&self, blob: &Descriptor) -> bool {
        let file = |folder: &Path| folder.join("sha256").join(blob.digest.hex());
        let is_whole =
            |file: PathBuf| fs::metadata(file).is_ok_and(|found| found.is_file() && found.len() == blob.size);
        is_whole(file(&self.folder.join("blobs"))) || is_whole(file(&self.folder))
    }
}

/// What is needed of each volume; of one, where both stores are on the same.
fn rooms(place: &Place<'_>, unpacked: Range, inodes: Range, downloads: Range, policy: Policy) -> Vec<Room> {
    let room = |volume: &Volume, needed: Range, inodes: Range| Room {
        path: volume.path.clone(),
        capacity: volume.capacity,
        available: volume.available,
        allowed: volume.allowed(policy),
        needed_low: needed.low,
        needed_high: needed.high,
        shortfall: volume.shortfall(policy, needed.high),
        inodes: volume.inodes.filter(|_| inodes.high > 0).map(|available| Inodes {
            available,
            needed_low: inodes.low,
            needed_high: inodes.high,
        }),
    };
    match &place.blob_store {
        Some(store) if store.volume.device != place.volume.device => {
            vec![room(&place.volume, unpacked, inodes), room(&store.volume, downloads, Range::default())]
        }
        _ => vec![room(&place.volume, unpacked.plus(downloads), inodes)],
    }
}
