//! Go's `time.ParseDuration` (T-3).

use std::fmt;

use crate::go::quote::time_quote;

/// The number of nanoseconds that no duration exceeds, and only a negative one reaches.
const LIMIT: u64 = 1 << 63;

/// Reads a duration such as `1h30m`, `-1.5h` or `0`, in nanoseconds.
///
/// ```
/// use image_prune::go::duration::parse;
///
/// assert_eq!(parse("1.5h"), Ok(5_400_000_000_000));
/// assert_eq!(parse("1d").unwrap_err().to_string(), r#"time: unknown unit "d" in duration "1d""#);
/// ```
///
/// # Errors
///
/// [`DurationError`], whose text is Go's.
pub fn parse(text: &str) -> Result<i64, DurationError<'_>> {
    let failed = |fault| DurationError { text, fault };

    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(unsigned) => (true, unsigned),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if unsigned == "0" {
        return Ok(0);
    }
    if unsigned.is_empty() {
        return Err(failed(Fault::Invalid));
    }

    let mut rest = unsigned;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let nanos;
        (nanos, rest) = group(rest).map_err(failed)?;
        // Wraps where both are the limit, as in Go: such a sum is zero.
        total = total.wrapping_add(nanos);
        if total > LIMIT {
            return Err(failed(Fault::Invalid));
        }
    }
    if negative {
        return Ok(total.wrapping_neg().cast_signed());
    }
    i64::try_from(total).map_err(|_| failed(Fault::Invalid))
}

/// Why a text is not a duration. `Display` is Go's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DurationError<'a> {
    text: &'a str,
    fault: Fault<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault<'a> {
    Invalid,
    MissingUnit,
    UnknownUnit(&'a str),
}

impl fmt::Display for DurationError<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = time_quote(self.text.as_bytes());
        match self.fault {
            Fault::Invalid => write!(formatter, "time: invalid duration {text}"),
            Fault::MissingUnit => write!(formatter, "time: missing unit in duration {text}"),
            Fault::UnknownUnit(unit) => {
                let unit = time_quote(unit.as_bytes());
                write!(formatter, "time: unknown unit {unit} in duration {text}")
            }
        }
    }
}

impl std::error::Error for DurationError<'_> {}

/// Reads one number and its unit; returns its nanoseconds, at most [`LIMIT`], and what follows.
fn group(text: &str) -> Result<(u64, &str), Fault<'_>> {
    let (digits, rest) = split_digits(text);
    let whole = integer(digits).ok_or(Fault::Invalid)?;
    let (fraction_digits, rest) = rest.strip_prefix('.').map_or(("", rest), split_digits);
    if digits.is_empty() && fraction_digits.is_empty() {
        return Err(Fault::Invalid);
    }

    let unit_length = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit_text, rest) = rest.split_at(unit_length);
    if unit_text.is_empty() {
        return Err(Fault::MissingUnit);
    }
    let unit = unit_nanos(unit_text).ok_or(Fault::UnknownUnit(unit_text))?;

    let nanos = whole.checked_mul(unit).filter(|&nanos| nanos <= LIMIT).ok_or(Fault::Invalid)?;
    let nanos = nanos + fraction_nanos(fraction_digits, unit);
    if nanos > LIMIT { Err(Fault::Invalid) } else { Ok((nanos, rest)) }
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn integer(digits: &str) -> Option<u64> {
    digits.bytes().try_fold(0_u64, |value, digit| {
        value.checked_mul(10)?.checked_add(u64::from(digit - b'0')).filter(|&value| value <= LIMIT)
    })
}

/// The fraction of a unit, by Go's float64 product, truncated. Digits that the integer cannot hold
/// are dropped.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "Go's own conversions; the product is in 0..=3.6e12"
)]
fn fraction_nanos(digits: &str, unit: u64) -> u64 {
    let mut fraction = 0;
    let mut scale = 1.0;
    for digit in digits.bytes() {
        if fraction > (LIMIT - 1) / 10 {
            break;
        }
        let longer = fraction * 10 + u64::from(digit - b'0');
        if longer > LIMIT {
            break;
        }
        fraction = longer;
        scale *= 10.0;
    }
    (fraction as f64 * (unit as f64 / scale)) as u64
}

fn unit_nanos(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        // The micro sign, and the Greek letter.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn valid() {
        for (text, nanos) in [
            ("0", 0),
            ("-0", 0),
            ("+0", 0),
            ("0s", 0),
            ("1s", SECOND),
            ("+1s", SECOND),
            ("-1s", -SECOND),
            ("5.s", 5 * SECOND),
            (".5s", SECOND / 2),
            ("1.5h", 5400 * SECOND),
            ("1h30m", 5400 * SECOND),
            ("90m", 5400 * SECOND),
            ("1h1h", 7200 * SECOND),
            ("1ns1us1\u{b5}s1\u{3bc}s1ms", 1_003_001),
            ("0.3333333333333333333h", 1_200_000_000_000),
            ("0.100000000000000000000h", 360_000_000_000),
            ("0.9223372036854775807h", 3_320_413_933_267),
            ("0.0000000001s", 0),
            ("9223372036854775807ns", i64::MAX),
            ("-9223372036854775807ns", -i64::MAX),
            ("-9223372036854775808ns", i64::MIN),
            ("-9223372036854775.808us", i64::MIN),
            ("9223372036s854775807ns", i64::MAX),
            ("000000000000000000000000000001ns", 1),
            // The sum of two limits wraps to nothing.
            ("-9223372036854775808ns9223372036854775808ns", 0),
            ("9223372036854775808ns9223372036854775808ns", 0),
        ] {
            assert_eq!(parse(text), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn invalid() {
        for (text, error) in [
            ("", r#"time: invalid duration """#),
            ("-", r#"time: invalid duration "-""#),
            (".", r#"time: invalid duration ".""#),
            (".s", r#"time: invalid duration ".s""#),
            ("s", r#"time: invalid duration "s""#),
            ("--1s", r#"time: invalid duration "--1s""#),
            ("3000000h", r#"time: invalid duration "3000000h""#),
            ("9223372036854775808ns", r#"time: invalid duration "9223372036854775808ns""#),
            ("-9223372036854775809ns", r#"time: invalid duration "-9223372036854775809ns""#),
            ("99999999999999999999x", r#"time: invalid duration "99999999999999999999x""#),
            ("1", r#"time: missing unit in duration "1""#),
            ("00", r#"time: missing unit in duration "00""#),
            ("1.5.s", r#"time: missing unit in duration "1.5.s""#),
            ("1d", r#"time: unknown unit "d" in duration "1d""#),
            ("1w", r#"time: unknown unit "w" in duration "1w""#),
            ("1H", r#"time: unknown unit "H" in duration "1H""#),
            ("1 h", r#"time: unknown unit " h" in duration "1 h""#),
            ("1h 30m", r#"time: unknown unit "h " in duration "1h 30m""#),
            ("1h-1m", r#"time: unknown unit "h-" in duration "1h-1m""#),
            ("1½", r#"time: unknown unit "\xc2\xbd" in duration "1\xc2\xbd""#),
        ] {
            assert_eq!(parse(text).map_err(|error| error.to_string()), Err(error.to_owned()), "{text}");
        }
    }
}
