//! Go's `time` package: instants, as they are kept, read and written.

use std::cmp::Ordering;
use std::fmt;

use chrono::{Datelike, Timelike};

/// Seconds from Go's zero time, 0001-01-01T00:00:00Z, to the Unix epoch.
const ZERO_TO_UNIX: i64 = 62_135_596_800;

/// An instant as Go's `time.Unix(seconds, nanos)` has it, nanoseconds in `0..1_000_000_000`.
///
/// Instants are ordered as Go orders them: its second counter starts at year 1 and wraps, so the
/// largest Unix seconds lie far in the past (T-7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
// Packed, for every image has one: four bytes less.
#[repr(C, packed(4))]
pub struct Timestamp {
    unix_seconds: i64,
    nanos: u32,
}

impl Timestamp {
    /// Go's zero time, 0001-01-01T00:00:00Z.
    pub const ZERO: Self = Self { unix_seconds: -ZERO_TO_UNIX, nanos: 0 };

    /// The instant `unix_seconds` and `nanos` after 1970-01-01T00:00:00Z. Nanoseconds beyond a
    /// second are carried over, wrapping as Go does.
    #[must_use]
    pub const fn new(unix_seconds: i64, nanos: u32) -> Self {
        let carry = (nanos / 1_000_000_000) as i64;
        Self { unix_seconds: unix_seconds.wrapping_add(carry), nanos: nanos % 1_000_000_000 }
    }

    /// Whole seconds since the Unix epoch.
    #[must_use]
    pub const fn unix_seconds(self) -> i64 {
        self.unix_seconds
    }

    /// Nanoseconds within the second.
    #[must_use]
    pub const fn nanos(self) -> u32 {
        self.nanos
    }

    /// Returns true for Go's zero time, which means "no time" (T-11).
    #[must_use]
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// Nanoseconds since the Unix epoch, wrapping as Go's `UnixNano` does.
    #[must_use]
    pub const fn unix_nanos(self) -> i64 {
        self.unix_seconds.wrapping_mul(1_000_000_000).wrapping_add(self.nanos as i64)
    }

    /// The instant as Go's `time.RFC3339Nano` writes it in a zone with this offset from UTC: `Z` or
    /// hours and minutes, and a fraction without trailing zeros. Beyond chrono's years it is Unix
    /// seconds, which `until` reads as well (T-7).
    ///
    /// ```
    /// let instant = image_prune::Timestamp::new(1_710_072_000, 900_000_000);
    /// assert_eq!(instant.rfc3339_nano(7200).to_string(), "2024-03-10T14:00:00.9+02:00");
    /// assert_eq!(instant.to_string(), "2024-03-10T12:00:00.9Z");
    /// ```
    #[must_use]
    pub const fn rfc3339_nano(self, utc_offset_seconds: i32) -> Rfc3339Nano {
        Rfc3339Nano { instant: self, utc_offset_seconds }
    }

    /// The instant `nanos` later, as Go's `Time.Add`: where Go's second counter ends, it stays.
    #[must_use]
    pub const fn saturating_add(self, nanos: i64) -> Self {
        let fraction = self.nanos as i64 + nanos.rem_euclid(1_000_000_000);
        let seconds = nanos.div_euclid(1_000_000_000) + fraction / 1_000_000_000;
        let go_seconds = self.go_seconds().saturating_add(seconds);
        #[expect(clippy::cast_sign_loss, reason = "in 0..1e9")]
        let nanos = (fraction % 1_000_000_000) as u32;
        Self { unix_seconds: go_seconds.wrapping_sub(ZERO_TO_UNIX), nanos }
    }

    const fn go_seconds(self) -> i64 {
        self.unix_seconds.wrapping_add(ZERO_TO_UNIX)
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, see [`Timestamp::rfc3339_nano`].
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rfc3339_nano(0).fmt(formatter)
    }
}

/// An instant and a zone to write it in; made by [`Timestamp::rfc3339_nano`].
#[derive(Debug, Clone, Copy)]
pub struct Rfc3339Nano {
    instant: Timestamp,
    utc_offset_seconds: i32,
}

impl fmt::Display for Rfc3339Nano {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Timestamp { unix_seconds, nanos } = self.instant;
        let local = unix_seconds
            .checked_add(i64::from(self.utc_offset_seconds))
            .and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0));
        let Some(local) = local else {
            return write!(formatter, "{unix_seconds}.{nanos:09}");
        };

        let sign = if local.year() < 0 { "-" } else { "" };
        let (year, month, day) = (local.year().unsigned_abs(), local.month(), local.day());
        let (hour, minute, second) = (local.hour(), local.minute(), local.second());
        write!(formatter, "{sign}{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if nanos != 0 {
            let fraction = format!("{nanos:09}");
            write!(formatter, ".{}", fraction.trim_end_matches('0'))?;
        }
        if self.utc_offset_seconds == 0 {
            return formatter.write_str("Z");
        }
        let minutes = self.utc_offset_seconds / 60;
        let sign = if minutes < 0 { '-' } else { '+' };
        let minutes = minutes.unsigned_abs();
        write!(formatter, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

impl Ord for Timestamp {
    fn cmp(&self, other: &Self) -> Ordering {
        self.go_seconds().cmp(&other.go_seconds()).then(self.nanos.cmp(&other.nanos))
    }
}

impl PartialOrd for Timestamp {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<Tz: chrono::TimeZone> From<chrono::DateTime<Tz>> for Timestamp {
    fn from(instant: chrono::DateTime<Tz>) -> Self {
        // chrono puts a leap second into nanoseconds beyond one second; `new` carries it over.
        Self::new(instant.timestamp(), instant.timestamp_subsec_nanos())
    }
}

/// An instant outside of chrono's years, about ±262,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfRange;

impl fmt::Display for OutOfRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("instant out of range")
    }
}

impl std::error::Error for OutOfRange {}

impl TryFrom<Timestamp> for chrono::DateTime<chrono::Utc> {
    type Error = OutOfRange;

    fn try_from(instant: Timestamp) -> Result<Self, OutOfRange> {
        Self::from_timestamp(instant.unix_seconds, instant.nanos).ok_or(OutOfRange)
    }
}

/// The wall clock at a call: the instant, and the offset of the daemon's local zone at that instant
/// (T-1, T-5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The instant.
    pub instant: Timestamp,
    /// The local zone's offset from UTC in seconds, east positive.
    pub utc_offset_seconds: i32,
}

impl Now {
    /// `instant`, with UTC as the local zone.
    #[must_use]
    pub fn utc(instant: chrono::DateTime<chrono::Utc>) -> Self {
        Self { instant: instant.into(), utc_offset_seconds: 0 }
    }

    /// `instant`, with its own offset as the local zone.
    #[must_use]
    pub fn local(instant: chrono::DateTime<chrono::FixedOffset>) -> Self {
        let utc_offset_seconds = instant.offset().local_minus_utc();
        Self { instant: instant.into(), utc_offset_seconds }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use super::*;

    #[test]
    fn writes_rfc3339_with_nanoseconds() {
        let instant = Timestamp::new(1_710_072_000, 120_000_000);
        assert_eq!(instant.to_string(), "2024-03-10T12:00:00.12Z");
        assert_eq!(instant.rfc3339_nano(45_900).to_string(), "2024-03-11T00:45:00.12+12:45");
        assert_eq!(instant.rfc3339_nano(-12_600).to_string(), "2024-03-10T08:30:00.12-03:30");
        // Go drops the seconds of an offset, and its sign with the last minute.
        assert_eq!(instant.rfc3339_nano(-30).to_string(), "2024-03-10T11:59:30.12+00:00");
        assert_eq!(Timestamp::ZERO.to_string(), "0001-01-01T00:00:00Z");
        assert_eq!(Timestamp::new(-62_198_755_200, 1).to_string(), "-0001-01-01T00:00:00.000000001Z");
        assert_eq!(Timestamp::new(253_402_300_800, 0).to_string(), "10000-01-01T00:00:00Z");
        assert_eq!(Timestamp::new(i64::MAX, 5).to_string(), "9223372036854775807.000000005");
    }
}
