//! How many bytes a prune gave back (SPEC.md P-9).

use crate::delete::DeleteLog;
use crate::digest::ChainId;
use crate::record::Record;
use crate::store::LayerSizes;

/// The sum of the sizes, before the prune, of all layers that the records name.
///
/// As moby does it, an image's record counts, too, where its ID is the chain ID of a layer; and a negative
/// size, or a sum beyond 2^64, wraps.
pub fn account(before: &impl LayerSizes, log: &DeleteLog) -> u64 {
    let size = |record: &Record| match record {
        Record::Untagged(_) => None,
        Record::Image(id) => before.diff_size(ChainId::from(id.digest())),
        Record::Layer(chain) => before.diff_size(*chain),
    };
    log.records.iter().filter_map(size).fold(0, |sum, size| sum.wrapping_add(size.cast_unsigned()))
}
