//! Go's `time.Parse`, for the ten layouts that moby picks from and the RFC 3339 of `created`
//! (T-4, T-6, C1).

use chrono::NaiveDate;

use crate::base::error::Error;
use crate::go::quote;
use crate::go::time::Timestamp;
use crate::semantics::GoTime;

/// How much of the time of day a layout has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    /// `2006-01-02`
    Date,
    /// `2006-01-02T15`
    Hour,
    /// `2006-01-02T15:04`
    Minute,
    /// `2006-01-02T15:04:05`
    Second,
    /// `2006-01-02T15:04:05.999999999`
    Fraction,
}

/// One of the ten layouts of T-4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Where the time of day ends.
    pub precision: Precision,
    /// Whether `Z07:00` follows.
    pub zoned: bool,
}

impl Layout {
    /// Go's `time.RFC3339`.
    pub const RFC3339: Self = Self { precision: Precision::Second, zoned: true };

    /// The layout as Go spells it and as error texts quote it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match (self.precision, self.zoned) {
            (Precision::Date, false) => "2006-01-02",
            (Precision::Hour, false) => "2006-01-02T15",
            (Precision::Minute, false) => "2006-01-02T15:04",
            (Precision::Second, false) => "2006-01-02T15:04:05",
            (Precision::Fraction, false) => "2006-01-02T15:04:05.999999999",
            (Precision::Date, true) => "2006-01-02Z07:00",
            (Precision::Hour, true) => "2006-01-02T15Z07:00",
            (Precision::Minute, true) => "2006-01-02T15:04Z07:00",
            (Precision::Second, true) => "2006-01-02T15:04:05Z07:00",
            (Precision::Fraction, true) => "2006-01-02T15:04:05.999999999Z07:00",
        }
    }

    /// Reads `value` as Go's `time.ParseInLocation` does. A layout without a zone takes its time at
    /// `utc_offset_seconds`; one with a zone ignores it.
    ///
    /// # Errors
    ///
    /// Go's text, without a class of its own (T-6, H-9).
    pub fn parse(self, value: &[u8], utc_offset_seconds: i32, go: GoTime) -> Result<Timestamp, Error> {
        let mut reader = Reader { rest: value, go };
        self.read(&mut reader, utc_offset_seconds).map_err(|failure| {
            let value = quote::time_quote(value);
            Error::system(match failure {
                LayoutError::Range(field) => format!("parsing time {value}: {field} out of range"),
                LayoutError::ExtraText(rest) => {
                    format!("parsing time {value}: extra text: {}", quote::time_quote(rest))
                }
                LayoutError::Mismatch { at, element } => format!(
                    "parsing time {value} as \"{}\": cannot parse {} as \"{element}\"",
                    self.as_str(),
                    quote::time_quote(at)
                ),
            })
        })
    }

    fn read<'a>(
        self,
        reader: &mut Reader<'a>,
        utc_offset_seconds: i32,
    ) -> Result<Timestamp, LayoutError<'a>> {
        let year = reader.year()?;
        reader.literal("-")?;
        let month = reader.two_digits("01")?;
        if !(1..=12).contains(&month) {
            return Err(LayoutError::Range("month"));
        }
        reader.literal("-")?;
        let day = reader.two_digits("02")?;

        let (mut hour, mut minute, mut second, mut nanos) = (0, 0, 0, 0);
        if self.precision >= Precision::Hour {
            reader.literal("T")?;
            hour = reader.hour()?;
        }
        if self.precision >= Precision::Minute {
            reader.literal(":")?;
            minute = reader.sixtieth("04", "minute")?;
        }
        if self.precision >= Precision::Second {
            reader.literal(":")?;
            (second, nanos) = reader.second(self.precision == Precision::Fraction)?;
        }
        let offset = if self.zoned { reader.zone()? } else { utc_offset_seconds };

        if !reader.rest.is_empty() {
            return Err(LayoutError::ExtraText(reader.rest));
        }
        let date = NaiveDate::from_ymd_opt(year, month, day).ok_or(LayoutError::Range("day"))?;
        let midnight = date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp();
        let time_of_day = i64::from((hour * 60 + minute) * 60 + second);
        Ok(Timestamp::new(midnight + time_of_day - i64::from(offset), nanos))
    }
}

/// Why a value does not match; [`Layout::parse`] makes Go's text of it.
enum LayoutError<'a> {
    Range(&'static str),
    ExtraText(&'a [u8]),
    Mismatch { at: &'a [u8], element: &'static str },
}

/// What is left of a value. A method reads one field and leaves `rest` alone when it fails.
struct Reader<'a> {
    rest: &'a [u8],
    go: GoTime,
}

impl<'a> Reader<'a> {
    fn mismatch(&self, element: &'static str) -> LayoutError<'a> {
        LayoutError::Mismatch { at: self.rest, element }
    }

    /// A field whose bytes were cut off before they turned out to be wrong: Go 1.19 shows what
    /// follows them, later releases what precedes (T-6 (a)).
    fn mismatch_behind(&self, after: &'a [u8], element: &'static str) -> LayoutError<'a> {
        match self.go {
            GoTime::Go1_19 => LayoutError::Mismatch { at: after, element },
            _ => self.mismatch(element),
        }
    }

    fn literal(&mut self, literal: &'static str) -> Result<(), LayoutError<'a>> {
        self.rest = self.rest.strip_prefix(literal.as_bytes()).ok_or_else(|| self.mismatch(literal))?;
        Ok(())
    }

    fn year(&mut self) -> Result<i32, LayoutError<'a>> {
        let Some((year, after)) =
            self.rest.split_first_chunk::<4>().filter(|(year, _)| is_digit(year.first()))
        else {
            return Err(self.mismatch("2006"));
        };
        if !year.iter().all(u8::is_ascii_digit) {
            return Err(self.mismatch_behind(after, "2006"));
        }
        self.rest = after;
        Ok(year.iter().fold(0, |value, digit| value * 10 + i32::from(digit - b'0')))
    }

    fn two_digits(&mut self, element: &'static str) -> Result<u32, LayoutError<'a>> {
        match self.rest {
            [tens @ b'0'..=b'9', ones @ b'0'..=b'9', rest @ ..] => {
                self.rest = rest;
                Ok(u32::from(tens - b'0') * 10 + u32::from(ones - b'0'))
            }
            _ => Err(self.mismatch(element)),
        }
    }

    fn hour(&mut self) -> Result<u32, LayoutError<'a>> {
        if let [digit @ b'0'..=b'9', rest @ ..] = self.rest
            && !is_digit(rest.first())
        {
            self.rest = rest;
            return Ok(u32::from(digit - b'0'));
        }
        let hour = self.two_digits("15")?;
        if hour < 24 { Ok(hour) } else { Err(LayoutError::Range("hour")) }
    }

    fn sixtieth(&mut self, element: &'static str, field: &'static str) -> Result<u32, LayoutError<'a>> {
        let value = self.two_digits(element)?;
        if value < 60 { Ok(value) } else { Err(LayoutError::Range(field)) }
    }

    /// Seconds and nanoseconds. A fraction may follow the seconds even where the layout has none.
    fn second(&mut self, layout_has_fraction: bool) -> Result<(u32, u32), LayoutError<'a>> {
        // T-6: reading the fraction hides that the seconds were missing.
        let may_be_missing = self.go == GoTime::Go1_19 && !layout_has_fraction && self.at_fraction();
        let second = if may_be_missing { 0 } else { self.sixtieth("05", "second")? };
        let longest = match self.go {
            GoTime::Go1_19 if layout_has_fraction => 9,
            _ => usize::MAX,
        };
        Ok((second, self.fraction(longest)))
    }

    fn at_fraction(&self) -> bool {
        matches!(self.rest, [b'.' | b',', b'0'..=b'9', ..])
    }

    /// Takes up to `longest` digits of a fraction, if there is one; the first nine are its nanoseconds.
    fn fraction(&mut self, longest: usize) -> u32 {
        if !self.at_fraction() {
            return 0;
        }
        let digits = self.rest.iter().skip(1).take(longest).take_while(|byte| byte.is_ascii_digit());
        let nine = digits.clone().map(|digit| u32::from(digit - b'0')).chain(std::iter::repeat(0)).take(9);
        let nanos = nine.fold(0, |value, digit| value * 10 + digit);
        let length = 1 + digits.count();
        self.rest = self.rest.get(length..).unwrap_or_default();
        nanos
    }

    /// The zone's offset from UTC in seconds.
    fn zone(&mut self) -> Result<i32, LayoutError<'a>> {
        const ELEMENT: &str = "Z07:00";
        if let [b'Z', rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(0);
        }
        let [sign, h1, h2, b':', m1, m2, after @ ..] = self.rest else {
            return Err(self.mismatch(ELEMENT));
        };
        let field = |high: u8, low: u8| match self.go {
            GoTime::Go1_19 => signed_digits(high, low),
            _ => digits(high, low),
        };
        let hour = field(*h1, *h2);
        let minute = hour.and_then(|_| field(*m1, *m2));
        if self.go >= GoTime::Go1_23 {
            if minute.is_some_and(|minute| minute > 60) {
                return Err(LayoutError::Range("time zone offset minute"));
            }
            if hour.is_some_and(|hour| hour > 24) {
                return Err(LayoutError::Range("time zone offset hour"));
            }
        }
        let offset = match (hour, minute, sign) {
            (Some(hour), Some(minute), b'+') => (hour * 60 + minute) * 60,
            (Some(hour), Some(minute), b'-') => -(hour * 60 + minute) * 60,
            _ => return Err(self.mismatch_behind(after, ELEMENT)),
        };
        self.rest = after;
        Ok(offset)
    }
}

fn is_digit(byte: Option<&u8>) -> bool {
    byte.is_some_and(u8::is_ascii_digit)
}

fn digits(high: u8, low: u8) -> Option<i32> {
    (high.is_ascii_digit() && low.is_ascii_digit())
        .then(|| i32::from(high - b'0') * 10 + i32::from(low - b'0'))
}

/// Two bytes through an integer parser that takes its own sign (T-6, the zone).
fn signed_digits(high: u8, low: u8) -> Option<i32> {
    match high {
        b'+' => digits(b'0', low),
        b'-' => digits(b'0', low).map(|value| -value),
        _ => digits(high, low),
    }
}

/// Go's `time.Parse(time.RFC3339, text)`, as JSON's `created` is read (I-2). With `Go1_19`
/// the hour may have one digit and the seconds may be missing in front of a fraction (T-6, C1).
///
/// ```
/// use image_prune::{GoTime, Timestamp, go::layout::parse_rfc3339};
///
/// let read = parse_rfc3339(b"2024-03-10T14:00:00.9+02:00", GoTime::Go1_19);
/// assert_eq!(read, Ok(Timestamp::new(1_710_072_000, 900_000_000)));
/// ```
///
/// # Errors
///
/// Go's text, class `System`.
pub fn parse_rfc3339(text: &[u8], go: GoTime) -> Result<Timestamp, Error> {
    Layout::RFC3339.parse(text, 0, go)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use super::*;

    #[test]
    fn reads_created_as_json_does() {
        for (text, go_1_19, go_1_23) in [
            ("2020-01-01T00:00:00Z", Some((1_577_836_800, 0)), Some((1_577_836_800, 0))),
            ("2020-01-01T0:00:00,5Z", Some((1_577_836_800, 500_000_000)), Some((1_577_836_800, 500_000_000))),
            ("2020-01-01T00:00:.5Z", Some((1_577_836_800, 500_000_000)), None),
            ("2020-01-01T00:00:00.0000000019+99:99", Some((1_577_836_800 - 362_340, 1)), None),
            ("0001-01-01T00:00:00Z", Some((-62_135_596_800, 0)), Some((-62_135_596_800, 0))),
            ("0000-02-29T00:00:00Z", Some((-62_162_121_600, 0)), Some((-62_162_121_600, 0))),
            ("2020-01-01T00:00:00z", None, None),
            ("2020-01-01T00:00:00", None, None),
            ("2020-01-01T00:00:00Z ", None, None),
            ("2021-02-29T00:00:00Z", None, None),
            ("", None, None),
        ] {
            for (go, expected) in [(GoTime::Go1_19, go_1_19), (GoTime::Go1_23, go_1_23)] {
                let expected = expected.map(|(seconds, nanos)| Timestamp::new(seconds, nanos));
                assert_eq!(parse_rfc3339(text.as_bytes(), go).ok(), expected, "{text} {go:?}");
            }
        }
        let in_between = |text: &str| parse_rfc3339(text.as_bytes(), GoTime::Go1_20).ok();
        let far_east = Timestamp::new(1_577_836_800 - 362_340, 1);
        assert_eq!(in_between("2020-01-01T00:00:00.0000000019+99:99"), Some(far_east));
        assert_eq!(in_between("2020-01-01T00:00:00++1:00"), None);
        assert_eq!(in_between("2020-01-01T00:00:.5Z"), None);
    }
}
