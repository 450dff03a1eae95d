//! Go's `time` package: instants and the layouts that `until` and `created` are read with.

use std::cmp::Ordering;

/// Seconds from Go's zero time, 0001-01-01T00:00:00Z, to the Unix epoch.
const ZERO_TO_UNIX: i64 = 62_135_596_800;

/// An instant as Go's `time.Unix(seconds, nanos)` has it, nanoseconds in `0..1_000_000_000`.
///
/// Instants are ordered as Go orders them: its second counter starts at year 1 and wraps, so the
/// largest Unix seconds lie far in the past (SPEC.md T-7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

    /// Returns true for Go's zero time, which means "no time" (SPEC.md T-11).
    #[must_use]
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// Nanoseconds since the Unix epoch, wrapping as Go's `UnixNano` does.
    #[must_use]
    pub const fn unix_nanos(self) -> i64 {
        self.unix_seconds.wrapping_mul(1_000_000_000).wrapping_add(self.nanos as i64)
    }

    const fn go_seconds(self) -> i64 {
        self.unix_seconds.wrapping_add(ZERO_TO_UNIX)
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

impl std::fmt::Display for OutOfRange {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
/// (SPEC.md T-1, T-5).
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

/// Placeholder until the layouts are merged.
///
/// # Errors
///
/// Not an instant.
pub fn parse_rfc3339(text: &[u8], go: crate::GoTime) -> Result<Timestamp, crate::Error> {
    let _ = go;
    let text = String::from_utf8_lossy(text);
    match chrono::DateTime::parse_from_rfc3339(&text) {
        Ok(instant) => Ok(instant.into()),
        Err(error) => Err(crate::Error::system(error.to_string())),
    }
}
