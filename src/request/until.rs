//! The value of an `until` filter: a duration, a date or Unix seconds (SPEC.md T-1 to T-9;
//! moby `api/types/time/timestamp.go`).

use crate::go::layout::{Layout, Precision};
use crate::go::time::{Now, Timestamp};
use crate::go::{duration, quote};
use crate::{Error, Result, Semantics};

/// Reads the value of an `until` filter: moby's `GetTimestamp`, `ParseTimestamps` and Go's
/// `time.Unix`. Go's zero time is a result like any other; that it turns the filter off is the
/// caller's matter (SPEC.md T-11).
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
/// moby's text, class `System` (SPEC.md H-9).
pub fn parse(value: &str, now: Now, semantics: &Semantics) -> Result<Timestamp> {
    if value != "0"
        && let Ok(nanos) = duration::parse(value)
    {
        // The negation wraps in Go, too: the longest negative duration lies in the past (T-3).
        let limit = now.instant.saturating_add(nanos.wrapping_neg());
        return Ok(Timestamp::new(limit.unix_seconds(), 0));
    }
    // Every layout begins with a date.
    if value.contains('-') {
        return layout_of(value).parse(value.as_bytes(), now.utc_offset_seconds, semantics.go_time);
    }
    unix_seconds(value).ok_or_else(|| {
        let value = quote::quote(value.as_bytes(), semantics.unicode);
        Error::system(format!("failed to parse value as time or duration: {value}"))
    })
}

/// The one layout that is tried (SPEC.md T-4).
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

/// Unix seconds with an optional fraction of a second (SPEC.md T-7).
pub(crate) fn unix_seconds(value: &str) -> Option<Timestamp> {
    let (seconds, fraction) = match value.split_once('.') {
        Some((seconds, fraction)) => (seconds, Some(fraction)),
        None => (value, None),
    };
    let seconds = seconds.parse().ok()?;
    let nanos = match fraction {
        Some(fraction) => scale_to_nanos(fraction.parse().ok()?, fraction.len()),
        None => 0,
    };
    Some(Timestamp::new(seconds, nanos))
}

/// moby's `fraction × 10^(9 − length)` in binary64, truncated; a sign counts in the length.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "moby's own conversions; no fraction has more digits than its length, so the product is in 0..=1e9"
)]
fn scale_to_nanos(fraction: i64, length: usize) -> u32 {
    // Go's `math.Pow` has the rounded reciprocal for a negative exponent. Beyond 27 digits nothing
    // is left of any i64.
    let power = match length {
        0..=9 => power_of_ten(9 - length),
        10..=27 => 1.0 / power_of_ten(length - 9),
        _ => 0.0,
    };
    (fraction as f64 * power) as u32
}

/// Exact up to 10^22.
fn power_of_ten(exponent: usize) -> f64 {
    (0..exponent).fold(1.0, |power, _| power * 10.0)
}

#[cfg(test)]
mod tests;
