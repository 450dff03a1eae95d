//! The filters of a prune (F-4 to F-8, L, T-10, T-11), by the rules alone: the engine has code of its own.

use std::collections::BTreeMap;

use crate::api::request::PruneRequest;
use crate::document::filters::Filters;
use crate::document::image::{Image, Labels};
use crate::go::time::Timestamp;
use crate::semantics::Semantics;

/// F-8, for filters that were not refused: a false-ish value means all images.
pub(super) fn dangling_only(filters: &Filters) -> bool {
    let says_false = |word: &str| exact_match(filters, "dangling", word);
    !filters.contains("dangling") || !(says_false("false") || says_false("0"))
}

/// P-4: the filters let the image go.
pub(super) fn accepts(request: &PruneRequest, image: &Image, semantics: &Semantics) -> bool {
    let filters = request.filters();
    if let Some(until) = request.until() {
        let created = match image.created() {
            None if semantics.created_is_optional => return false, // T-11
            None => Timestamp::ZERO,
            Some(created) => created,
        };
        if created > until {
            return false; // T-10
        }
    }
    if !image.has_config() {
        return true; // L-1
    }
    // L-4: a config without labels has none of those asked for.
    let labels: BTreeMap<&str, &str> = image.labels().into_iter().flat_map(Labels::iter).collect();
    if !match_kv_list(filters, "label", &labels) {
        return false; // L-2
    }
    // L-3, L-5: all of them together, so that an empty set excludes everything.
    !(filters.contains("label!") && match_kv_list(filters, "label!", &labels))
}

/// F-5.
fn exact_match(filters: &Filters, key: &str, wanted: &str) -> bool {
    let mut values = filters.flags(key).peekable();
    values.peek().is_none() || values.any(|(value, flag)| value == wanted && flag)
}

/// F-6; F-10: flags do not count.
fn match_kv_list(filters: &Filters, key: &str, labels: &BTreeMap<&str, &str>) -> bool {
    filters.get(key).all(|text| match text.split_once('=') {
        Some((name, value)) => labels.get(name) == Some(&value),
        None => labels.contains_key(text),
    })
}
