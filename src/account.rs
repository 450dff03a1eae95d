//! How many bytes a prune gave back (SPEC.md P-9).

use std::collections::HashMap;

use crate::delete::DeleteLog;
use crate::digest::{ChainId, Digest};
use crate::record::Record;
use crate::store::LayerSizes;

/// The sum of the sizes, before the prune, of all layers that the records name.
///
/// As moby does it, an image's record counts, too, where its ID is the chain ID of a layer; and a negative
/// size, or a sum beyond 2^64, wraps.
pub fn account(before: &impl LayerSizes, log: &DeleteLog) -> u64 {
    let mut sizes = log.layer_sizes.iter();
    let mut images = Images::new(log);
    let mut sum = 0_u64;
    let mut add = |size: Option<i64>| sum = sum.wrapping_add(size.unwrap_or(0).cast_unsigned());
    for record in &log.records {
        match record {
            Record::Untagged(_) => {}
            Record::Layer(chain) => {
                let size = sizes.next().and_then(|size| before.freed_size(*chain, *size));
                add(size);
                images.note_layer(chain.digest(), size);
            }
            Record::Image(id) => add(before.diff_size(ChainId::from(id.digest()))),
        }
    }
    images.named_like_layers().for_each(|size| add(Some(size)));
    sum
}

/// Finds the images among the records whose ID is the chain ID of a layer that was freed. There are none but
/// in a made-up store, so that looking must cost next to nothing: a filter tells most layers from all images.
struct Images<'a> {
    log: &'a DeleteLog,
    /// Bits of the images' IDs.
    filter: Vec<u64>,
    /// The layers that the filter could not tell from an image.
    suspects: HashMap<Digest, i64>,
}

impl<'a> Images<'a> {
    fn new(log: &'a DeleteLog) -> Self {
        // A bit in 16 is set.
        let words = (log.records.len() / 4).next_power_of_two();
        let mut filter = vec![0; words];
        for record in &log.records {
            if let Record::Image(id) = record {
                let (word, bit) = place(id.digest(), words);
                if let Some(word) = filter.get_mut(word) {
                    *word |= bit;
                }
            }
        }
        Self { log, filter, suspects: HashMap::new() }
    }

    fn note_layer(&mut self, chain: Digest, size: Option<i64>) {
        let (word, bit) = place(chain, self.filter.len());
        if self.filter.get(word).is_some_and(|word| word & bit != 0) {
            self.suspects.extend(size.map(|size| (chain, size)));
        }
    }

    /// The sizes of the freed layers whose chain ID is the ID of an image among the records.
    fn named_like_layers(&self) -> impl Iterator<Item = i64> {
        let images = self.log.records.iter().filter_map(|record| match record {
            Record::Image(id) => Some(id.digest()),
            _ => None,
        });
        let images = images.take(if self.suspects.is_empty() { 0 } else { usize::MAX });
        images.filter_map(|id| self.suspects.get(&id).copied())
    }
}

/// A word of the filter, and a bit in it. The words are a power of two.
#[expect(clippy::cast_possible_truncation, reason = "the mask keeps fewer bits than that")]
fn place(digest: Digest, words: usize) -> (usize, u64) {
    let [hash, ..] = digest.words();
    ((hash >> 6) as usize & (words - 1), 1 << (hash & 63))
}
