//! Rows of `filters.jsonl`: what filter arguments are read as.

use serde_json::{Map, Value, json};

use crate::api::request::ACCEPTED;
use crate::base::error::Error;
use crate::document::filters::Filters;
use crate::semantics::Semantics;

/// The row for `value`, the raw query value, without `value` itself: `fields` (values sorted),
/// `dangling_exact_match` for five words, and `validate_error` where prune refuses a key (with
/// `message` only where there is a single key, as moby picks any); or `error`.
///
/// ```
/// use image_prune::Semantics;
/// use image_prune::replay::filters_row;
///
/// let row = filters_row(r#"{"angling":["true"]}"#, &Semantics::MOBY_20_10);
/// assert_eq!(row["fields"]["angling"][0], "true");
/// assert_eq!(row["validate_error"]["message"], "Invalid filter 'angling'");
/// ```
#[must_use]
pub fn filters_row(value: &str, semantics: &Semantics) -> Value {
    let filters = match Filters::parse(value, semantics) {
        Ok(filters) => filters,
        Err(error) => return json!({ "error": error_row(&error, true) }),
    };
    let fields: Map<_, _> = filters.keys().map(|key| (key.to_owned(), filters.get(key).collect())).collect();
    let words = ["", "0", "1", "false", "true"];
    let matches: Map<_, _> = words
        .map(|word| (word.to_owned(), filters.exact_match("dangling", word).into()))
        .into_iter()
        .collect();
    let mut row = json!({ "fields": fields, "dangling_exact_match": matches });
    if let (Err(error), Some(row)) = (filters.validate(&ACCEPTED, semantics), row.as_object_mut()) {
        row.insert("validate_error".to_owned(), error_row(&error, filters.keys().count() == 1));
    }
    row
}

fn error_row(error: &Error, with_message: bool) -> Value {
    let class = error.class().as_str();
    if with_message {
        json!({ "class": class, "message": error.to_string() })
    } else {
        json!({ "class": class })
    }
}
