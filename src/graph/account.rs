//! How many bytes a prune gave back (P-9).

use crate::base::digest::ChainId;
use crate::graph::delete::{DeleteLog, Deleted};
use crate::graph::store::LayerSizes;

/// The sum of the sizes, before the prune, of all layers that the records name.
///
/// As moby does it, an image's record counts, too, where its ID is the chain ID of a layer; and a negative
/// size, or a sum beyond 2^64, wraps.
pub fn account(before: &impl LayerSizes, log: &DeleteLog) -> u64 {
    let newcomers = before.newcomers();
    let freed_size = |chain: &ChainId, size: i64| match &newcomers {
        None => before.diff_size(*chain),
        Some(newcomers) => (newcomers.is_empty() || !newcomers.contains(chain)).then_some(size),
    };
    let size = |deleted: &Deleted| match deleted {
        Deleted::Untagged(_) => None,
        Deleted::Image(id) => before.diff_size(ChainId::from(id.digest())),
        Deleted::Layer(chain, size) => freed_size(chain, *size),
    };
    let sizes = log.deleted.iter().filter_map(size);
    sizes.fold(0, |sum, size| sum.wrapping_add(size.cast_unsigned()))
}
