//! Go's `strconv.ParseInt`.

use std::fmt;

/// Why a text is no integer; `Display` is Go's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntegerError {
    /// Something else than a sign and digits.
    Syntax,
    /// Beyond 64 bits.
    Range,
}

impl fmt::Display for IntegerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Syntax => "invalid syntax",
            Self::Range => "value out of range",
        })
    }
}

impl std::error::Error for IntegerError {}

/// Reads a decimal number, `strconv.ParseInt(text, 10, 64)`. Go reads from left to right: digits beyond 2^64 − 1 are out
/// of range whatever follows them, while behind a number from 2^63 on anything else is still a matter of syntax.
///
/// ```
/// use image_prune::go::integer::{IntegerError, parse};
///
/// assert_eq!(parse("-5"), Ok(-5));
/// assert_eq!(parse("9223372036854775808"), Err(IntegerError::Range));
/// assert_eq!(parse("9223372036854775808m"), Err(IntegerError::Syntax));
/// assert_eq!(parse("249223372036854775808m"), Err(IntegerError::Range));
/// ```
///
/// # Errors
///
/// The first of Go's two reasons.
pub fn parse(text: &str) -> Result<i64, IntegerError> {
    let (is_negative, digits) = match text.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    if digits.is_empty() {
        return Err(IntegerError::Syntax);
    }
    let magnitude = digits.iter().try_fold(0_u64, |number, byte| {
        let digit = if byte.is_ascii_digit() { byte - b'0' } else { return Err(IntegerError::Syntax) };
        let shifted = number.checked_mul(10).and_then(|number| number.checked_add(digit.into()));
        shifted.ok_or(IntegerError::Range)
    })?;
    let number = if is_negative { 0_i64.checked_sub_unsigned(magnitude) } else { magnitude.try_into().ok() };
    number.ok_or(IntegerError::Range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_strconv_does() {
        let (syntax, range) = (Err(IntegerError::Syntax), Err(IntegerError::Range));
        for (text, expected) in [
            ("0", Ok(0)),
            ("-0", Ok(0)),
            ("+007", Ok(7)),
            ("9223372036854775807", Ok(i64::MAX)),
            ("-9223372036854775808", Ok(i64::MIN)),
            ("", syntax),
            ("+", syntax),
            ("-", syntax),
            ("+-1", syntax),
            ("--1", syntax),
            (" 1", syntax),
            ("1 ", syntax),
            ("1_0", syntax),
            ("0x1", syntax),
            ("1e3", syntax),
            ("１", syntax),
            ("9223372036854775808", range),
            ("-9223372036854775809", range),
            ("9223372036854775808x", syntax),
            ("18446744073709551615", range),
            ("18446744073709551615x", syntax),
            ("18446744073709551616", range),
            ("18446744073709551616x", range),
            ("18446744073709551620x", range),
            ("-18446744073709551616x", range),
            ("99999999999999999999x", range),
            ("x99999999999999999999", syntax),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
