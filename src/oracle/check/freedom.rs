//! Where moby's refusals say what a map has first, or what Go's library has words for.

use std::collections::BTreeSet;

use crate::{BadFilterText, Semantics};

/// Whether moby, where it refuses these filters with the text `expected`, might as well say `got`: the same, or
/// different in what is not determined (SPEC.md O-5) or not ours to copy.
#[must_use]
pub fn is_same_refusal(filters: &str, semantics: &Semantics, expected: &str, got: &str) -> bool {
    expected == got
        || is_from_go_json(expected, semantics)
        || is_other_order(filters, expected, got)
        || is_other_key(filters, semantics, expected, got)
}

/// 1. Go's wording of a JSON error. No other error of a prune begins like it.
fn is_from_go_json(message: &str, semantics: &Semantics) -> bool {
    let message = match semantics.bad_filter_text {
        BadFilterText::PrefixedJson => {
            message.strip_prefix(semantics.invalid_filter_prefix).and_then(|rest| rest.strip_prefix(": "))
        }
        _ => Some(message),
    };
    let Some(message) = message else { return false };
    ["json: ", "invalid character ", "unexpected end of JSON input"]
        .iter()
        .any(|beginning| message.starts_with(beginning))
}

/// 2. Two or more values of `dangling`, in any order.
fn is_other_order(filters: &str, expected: &str, got: &str) -> bool {
    // Values may hold blanks, so blanks do not tell them apart, but no reordering changes the pieces.
    let pieces = |message: &str| {
        let (_, values) = message.split_once("nvalid filter 'dangling=[")?;
        let mut pieces: Vec<String> = values.strip_suffix("]'")?.split(' ').map(str::to_owned).collect();
        pieces.sort();
        Some(pieces)
    };
    values_of(filters, "dangling").len() > 1
        && pieces(expected).is_some()
        && pieces(expected) == pieces(got)
        && expected.get(..1) == got.get(..1)
}

/// 3. Two or more unknown keys, any of them.
fn is_other_key(filters: &str, semantics: &Semantics, expected: &str, got: &str) -> bool {
    let messages: Vec<String> = keys_of(filters)
        .into_iter()
        .filter(|key| !matches!(key.as_str(), "dangling" | "label" | "label!" | "until"))
        .map(|key| match semantics.invalid_filter_prefix {
            prefix if key.is_empty() && semantics.empty_key_is_bare => prefix.to_owned(),
            prefix => format!("{prefix} '{key}'"),
        })
        .collect();
    let named = |message: &str| messages.iter().any(|one| one == message);
    messages.len() > 1 && named(expected) && named(got)
}

fn object_of(filters: &str) -> serde_json::Map<String, serde_json::Value> {
    serde_json::from_str(filters).unwrap_or_default()
}

fn keys_of(filters: &str) -> BTreeSet<String> {
    object_of(filters).into_iter().map(|(key, _)| key).collect()
}

fn values_of(filters: &str, key: &str) -> BTreeSet<String> {
    match object_of(filters).remove(key) {
        Some(serde_json::Value::Object(values)) => values.into_iter().map(|(value, _)| value).collect(),
        Some(serde_json::Value::Array(values)) => {
            // A null in an array of strings is the empty string (SPEC.md F-1).
            values.iter().map(|value| value.as_str().unwrap_or_default().to_owned()).collect()
        }
        _ => BTreeSet::new(),
    }
}
