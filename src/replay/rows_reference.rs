//! `reference.jsonl.gz`: what a text names.

use serde_json::{Map, Value};

use crate::document::reference::{AnyReference, Reference};
use crate::semantics::Semantics;

/// The answer to one row: the parts of the reference or `error`, and `any` or `any_error`.
///
/// ```
/// use image_prune::{Semantics, replay::reference_row};
///
/// let answer = reference_row("a", &Semantics::MOBY_20_10);
/// assert_eq!(answer["tag_name_only"], "docker.io/library/a:latest");
/// ```
#[must_use]
pub fn reference_row(value: &str, semantics: &Semantics) -> Value {
    let mut row = Map::new();
    let mut put = |key: &str, text: &str| row.insert(key.to_owned(), text.into());
    match Reference::parse(value, semantics) {
        Ok(reference) => {
            put("string", reference.as_str());
            put("familiar", reference.familiar());
            put("domain", reference.domain());
            put("path", reference.path());
            reference.tag().map(|tag| put("tag", tag));
            reference.digest().map(|digest| put("digest", digest));
            put("tag_name_only", reference.tag_name_only().as_str());
        }
        Err(error) => {
            put("error", &error.to_string());
        }
    }
    match Reference::parse_any(value, semantics) {
        Ok(AnyReference::Digest(digest)) => put("any", &digest),
        Ok(AnyReference::Named(reference)) => put("any", reference.as_str()),
        Err(error) => put("any_error", &error.to_string()),
    };
    Value::Object(row)
}
