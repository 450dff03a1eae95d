//! Where moby's refusals say what a map has first, or what Go's library has words for.

use std::collections::BTreeSet;

use crate::api::request::until;
use crate::document::filters::Filters;
use crate::go::time::{Now, Timestamp};
use crate::semantics::{BadFilterText, Semantics};

/// Whether moby, where it refuses these filters with the text `expected`, might as well say `got`: the same, or
/// different in what is not determined (O-5) or not ours to copy.
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

/// Whether two texts of failures are one, but for the words of Go's JSON decoder. Errors of a prune of the containerd
/// store are joined by line feeds, and so compared line by line.
#[must_use]
pub fn is_same_failure(expected: &str, got: &str) -> bool {
    let (expected, got): (Vec<_>, Vec<_>) = (expected.split('\n').collect(), got.split('\n').collect());
    let is_same = |(expected, got): (&&str, &&str)| expected == got || gos_words(expected, got);
    expected.len() == got.len() && expected.iter().zip(&got).all(is_same)
}

/// Whether both are what Go's JSON decoder says, behind the same words of moby's.
fn gos_words(expected: &str, got: &str) -> bool {
    let own = |text: &str| {
        let words = ["invalid character ", "json: cannot unmarshal ", "unexpected end of JSON input"];
        let start = words.into_iter().filter_map(|words| text.find(words)).min()?;
        let own = text.get(..start)?.to_owned();
        let is_mobys = own.trim_start_matches("\t* ").is_empty()
            || own.ends_with("could not deserialize image config: ")
            || own.contains(": invalid desc ");
        is_mobys.then_some(own)
    };
    own(expected).is_some() && own(expected) == own(got)
}

/// Whether both texts refuse a value of one key, of which several are bad: the containerd store names any of them
///
#[must_use]
pub fn is_other_value(filters: &str, semantics: &Semantics, expected: &str, got: &str) -> bool {
    let Ok(filters) = Filters::parse(filters, semantics) else { return false };
    let now = Now { instant: Timestamp::ZERO, utc_offset_seconds: 0 };
    let refused = |key: &str, value: &str| {
        if key == "until" {
            let error = until::parse(value, now, semantics).err()?;
            return Some(format!("{}{error}", semantics.until_error_prefix));
        }
        let (key, value) = value.split_once('=').unwrap_or((value, ""));
        let shown = String::from_utf8_lossy(key.as_bytes().get(..64).unwrap_or(key.as_bytes()));
        let length = key.len() + value.len();
        let text =
            format!("label key and value length ({length} bytes) greater than maximum size (4096 bytes)");
        Some(format!("{text}, key: {shown}: invalid argument"))
    };
    ["until", "label", "label!"].into_iter().any(|key| {
        let named = |text: &str| filters.get(key).any(|value| refused(key, value).as_deref() == Some(text));
        named(expected) && named(got)
    })
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
            // A null in an array of strings is the empty string (F-1).
            values.iter().map(|value| value.as_str().unwrap_or_default().to_owned()).collect()
        }
        _ => BTreeSet::new(),
    }
}
