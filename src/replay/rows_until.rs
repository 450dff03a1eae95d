//! `until.jsonl.gz`: what an `until` value means.

use serde_json::{Value, json};

use crate::api::request::until;
use crate::go::time::Now;
use crate::semantics::Semantics;

/// The answer to one row: `unix`, `nanos` and `is_zero`, or `error`.
///
/// ```
/// use image_prune::{Now, Semantics, Timestamp, replay::until_row};
///
/// let now = Now { instant: Timestamp::new(60, 0), utc_offset_seconds: 0 };
/// let answer = until_row("1m", now, &Semantics::MOBY_20_10);
/// assert_eq!(answer.to_string(), r#"{"is_zero":false,"nanos":0,"unix":0}"#);
/// ```
#[must_use]
pub fn until_row(value: &str, now: Now, semantics: &Semantics) -> Value {
    match until::parse(value, now, semantics) {
        Ok(limit) => json!({
            "unix": limit.unix_seconds(),
            "nanos": limit.nanos(),
            "is_zero": limit.is_zero(),
        }),
        Err(error) => json!({ "error": error.to_string() }),
    }
}
