//! How many bytes a prune gave back (P-9).

use crate::api::record::Record;
use crate::base::digest::ChainId;
use crate::graph::delete::DeleteLog;
use crate::graph::store::LayerSizes;

/// The sum of the sizes, before the prune, of all layers that the records name.
///
/// As moby does it, an image's record counts, too, where its ID is the chain ID of a layer; and a negative
/// size, or a sum beyond 2^64, wraps.
pub fn account(before: &impl LayerSizes, log: &DeleteLog) -> u64 {
    let newcomers = before.newcomers();
    let freed_size = |chain: ChainId, size: i64| match &newcomers {
        None => before.diff_size(chain),
        Some(newcomers) => (newcomers.is_empty() || !newcomers.contains(&chain)).then_some(size),
    };
    let mut layer_sizes = log.layer_sizes.iter();
    let size = |record: &Record| match record {
        Record::Untagged(_) => None,
        Record::Image(id) => before.diff_size(ChainId::from(id.digest())),
        Record::Layer(chain) => freed_size(*chain, *layer_sizes.next()?),
    };
    let sizes = log.records.iter().filter_map(size);
    sizes.fold(0, |sum, size| sum.wrapping_add(size.cast_unsigned()))
}
