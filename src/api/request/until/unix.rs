//! Unix seconds with an optional fraction of a second (T-7), through a float until 29.3, as text from 29.4 on.

use std::fmt;

use crate::go::integer::{self, IntegerError};
use crate::go::quote::{quote, quote_character};
use crate::go::time::Timestamp;
use crate::semantics::Unicode;

/// The most bytes that a fraction may have where it is read as text.
const LONGEST_FRACTION: usize = 20;

/// Unix seconds as moby reads them until 29.3.
pub(crate) fn through_float(value: &str) -> Option<Timestamp> {
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

/// Unix seconds as moby reads them from 29.4 on.
///
/// # Errors
///
/// What is wrong, the seconds first.
pub(crate) fn as_text(value: &str) -> Result<Timestamp, UnixError<'_>> {
    let (seconds, fraction) = value.split_once('.').unwrap_or((value, ""));
    let number = integer::parse(seconds).map_err(|cause| UnixError::Seconds { seconds, cause })?;
    if fraction.len() > LONGEST_FRACTION {
        return Err(UnixError::Length(fraction.len()));
    }
    if let Some((position, byte)) = fraction.bytes().enumerate().find(|(_, byte)| !byte.is_ascii_digit()) {
        return Err(UnixError::Character { byte, position });
    }
    let nine = fraction.bytes().map(|digit| u32::from(digit - b'0')).chain(std::iter::repeat(0)).take(9);
    Ok(Timestamp::new(number, nine.fold(0, |nanos, digit| nanos * 10 + digit)))
}

/// Why a text is no Unix time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnixError<'a> {
    Seconds {
        seconds: &'a str,
        cause: IntegerError,
    },
    /// The bytes of a fraction that has too many.
    Length(usize),
    /// The first byte of the fraction that is no digit.
    Character {
        byte: u8,
        position: usize,
    },
}

impl UnixError<'_> {
    /// moby's text, quoted as that edition of Unicode has it.
    pub const fn text(self, unicode: Unicode) -> impl fmt::Display {
        Text { error: self, unicode }
    }
}

struct Text<'a> {
    error: UnixError<'a>,
    unicode: Unicode,
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.error {
            UnixError::Seconds { seconds, cause } => {
                write!(formatter, "invalid seconds {}: {cause}", quote(seconds.as_bytes(), self.unicode))
            }
            UnixError::Length(length) => {
                write!(formatter, "invalid nanoseconds: length {length} exceeds maximum {LONGEST_FRACTION}")
            }
            // Go has the byte for a code point, so that half of a character shows as another one.
            UnixError::Character { byte, position } => {
                let character = quote_character(char::from(byte), self.unicode);
                write!(formatter, "invalid nanoseconds: invalid character {character} at position {position}")
            }
        }
    }
}
