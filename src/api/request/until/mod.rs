//! The value of an `until` filter: a duration, a date or Unix seconds (T-1 to T-9;
//! moby `api/types/time/timestamp.go`).

pub(crate) mod unix;

use crate::base::error::{Error, Kind, Result};
use crate::go::layout::{Layout, Precision};
use crate::go::time::{Now, Timestamp};
use crate::go::{duration, quote};
use crate::semantics::Semantics;

/// Reads the value of an `until` filter: moby's `GetTimestamp`, `ParseTimestamps` and Go's
/// `time.Unix`. Go's zero time is a result like any other; that it turns the filter off is the
/// caller's matter (T-11).
///
/// ```
/// use image_prune::{Now, Semantics, Timestamp, request::until};
///
/// let now = Now { instant: Timestamp::new(1_710_072_000, 0), utc_offset_seconds: 0 };
/// let limit = until::parse("1h30m", now, &Semantics::MOBY_20_10)?;
/// assert_eq!(limit, Timestamp::new(1_710_066_600, 0));
/// # Ok::<(), image_prune::Error>(())
/// ```
///
/// # Errors
///
/// moby's text without the prefix that prunes put in front of it, and the class of `semantics` (H-9).
pub fn parse(value: &str, now: Now, semantics: &Semantics) -> Result<Timestamp> {
    let refused = |text: String, kind| Error::new(semantics.until_error_class, text).of_kind(kind);
    let last_resort = |cause: &str| {
        refused(format!("failed to parse value as time or duration: {cause}"), Kind::UntilInvalid)
    };
    if semantics.blank_until_is_empty && value.trim().is_empty() {
        return Err(last_resort("value is empty"));
    }
    if value != "0"
        && let Ok(nanos) = duration::parse(value)
    {
        // The negation wraps in Go, too: the longest negative duration lies in the past (T-3).
        let limit = now.instant.saturating_add(nanos.wrapping_neg());
        let nanos = if semantics.durations_keep_nanos { limit.nanos() } else { 0 };
        return Ok(Timestamp::new(limit.unix_seconds(), nanos));
    }
    // Every layout begins with a date.
    if value.contains('-') {
        let read = layout_of(value).parse(value.as_bytes(), now.utc_offset_seconds, semantics.go_time);
        return read.map_err(|error| refused(error.to_string(), Kind::UntilInvalidDate));
    }
    if semantics.unix_seconds_are_text {
        return unix::as_text(value).map_err(|error| last_resort(&error.text(semantics.unicode).to_string()));
    }
    unix::through_float(value).ok_or_else(|| last_resort(&quote::quote(value.as_bytes(), semantics.unicode)))
}

/// The one layout that is tried (T-4).
fn layout_of(value: &str) -> Layout {
    let zoned = value.contains(['z', 'Z', '+']) || value.matches('-').count() == 3;
    let precision = if value.contains('.') {
        Precision::Fraction
    } else if value.contains('T') {
        let colon_of_zone = usize::from(zoned && !value.contains(['z', 'Z']));
        match value.matches(':').count().saturating_sub(colon_of_zone) {
            0 => Precision::Hour,
            1 => Precision::Minute,
            _ => Precision::Second,
        }
    } else {
        Precision::Date
    };
    Layout { precision, zoned }
}

#[cfg(test)]
mod tests;
