//! Placeholder until the `until` rules are merged.

use crate::go::time::{Now, Timestamp};
use crate::{Error, Result, Semantics};

/// Reads a value of `until`.
///
/// # Errors
///
/// Not Unix seconds.
pub fn parse(value: &str, now: Now, semantics: &Semantics) -> Result<Timestamp> {
    let _ = (now, semantics);
    value
        .parse()
        .map(|seconds| Timestamp::new(seconds, 0))
        .map_err(|_| Error::system(format!("failed to parse value as time or duration: {value:?}")))
}
