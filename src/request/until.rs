//! Placeholder until the `until` rules are merged.

use crate::go::time::{Now, Timestamp};
use crate::{Result, Semantics};

/// Reads a value of `until`.
///
/// # Errors
///
/// Neither RFC 3339 nor Unix seconds.
pub fn parse(value: &str, now: Now, semantics: &Semantics) -> Result<Timestamp> {
    let _ = now;
    crate::go::time::parse_rfc3339(value.as_bytes(), semantics.go_time)
        .or_else(|error| value.parse().map(|seconds| Timestamp::new(seconds, 0)).map_err(|_| error))
}
