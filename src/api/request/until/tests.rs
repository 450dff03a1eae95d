//! The tables of T-3 to T-9, for three of Go's releases, and as moby 29.4 reads them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use super::*;
use crate::semantics::{GoTime, Unicode};

/// A value, and seconds with nanoseconds or the text of the error.
type Row<'a> = (&'a str, Result<(i64, u32), &'a str>);

/// 2024-03-10T12:00:00.9Z
const NOW: Timestamp = Timestamp::new(1_710_072_000, 900_000_000);

fn read(value: &str, utc_offset_seconds: i32, semantics: &Semantics) -> Result<(i64, u32), String> {
    let now = Now { instant: NOW, utc_offset_seconds };
    match parse(value, now, semantics) {
        Ok(limit) => Ok((limit.unix_seconds(), limit.nanos())),
        Err(error) => {
            assert_eq!(error.class(), semantics.until_error_class, "{value}");
            Err(error.to_string())
        }
    }
}

fn check_all(table: &[Row<'_>]) {
    check_where(table, |_| true);
}

fn check_where(table: &[Row<'_>], is_asked: impl Fn(&Semantics) -> bool) {
    let asked: Vec<_> = Semantics::ALL.into_iter().filter(is_asked).collect();
    assert!(!asked.is_empty());
    for semantics in asked {
        check(table, &semantics);
    }
}

/// In every version before 29.4.
fn check_old(table: &[Row<'_>]) {
    check_where(table, |semantics| !semantics.unix_seconds_are_text);
}

/// In 29.4 and later.
fn check_new(table: &[Row<'_>]) {
    check_where(table, |semantics| semantics.unix_seconds_are_text);
}

fn check(table: &[Row<'_>], semantics: &Semantics) {
    for (value, expected) in table {
        assert_eq!(read(value, 0, semantics), expected.map_err(str::to_owned), "{value} {semantics}");
    }
}

/// Those that reach the last resort and fail there, before 29.4.
fn check_unreadable(values: &[&str]) {
    for value in values {
        let error = format!("failed to parse value as time or duration: \"{value}\"");
        check_old(&[(value, Err(&error))]);
    }
}

/// The same since 29.4, with the cause of each.
fn check_causes(table: &[(&str, &str)]) {
    for (value, cause) in table {
        check_new(&[(value, Err(&format!("failed to parse value as time or duration: {cause}")))]);
    }
}

#[test]
fn t3_durations() {
    check_old(&[
        ("1s", Ok((1_710_071_999, 0))),
        ("+1s", Ok((1_710_071_999, 0))),
        ("-1s", Ok((1_710_072_001, 0))),
        ("100ms", Ok((1_710_072_000, 0))),
        ("1ns", Ok((1_710_072_000, 0))),
        ("0s", Ok((1_710_072_000, 0))),
        ("-0", Ok((1_710_072_000, 0))),
        ("+0", Ok((1_710_072_000, 0))),
        ("999ms", Ok((1_710_071_999, 0))),
        ("1.5h", Ok((1_710_066_600, 0))),
        ("1h30m", Ok((1_710_066_600, 0))),
        ("90m", Ok((1_710_066_600, 0))),
        ("-9223372036854775808ns", Ok((-7_513_300_036, 0))),
    ]);
    check_unreadable(&["9223372036854775808ns", "1d", "1w", "1H", "1 h", "1h 30m", ""]);
}

/// The second is the one that earlier versions have, the nanoseconds are those of the clock and of the duration.
#[test]
fn t3_durations_keep_nanoseconds_since_29_4() {
    check_new(&[
        ("1s", Ok((1_710_071_999, 900_000_000))),
        ("-1s", Ok((1_710_072_001, 900_000_000))),
        ("100ms", Ok((1_710_072_000, 800_000_000))),
        ("1ns", Ok((1_710_072_000, 899_999_999))),
        ("0s", Ok((1_710_072_000, 900_000_000))),
        ("-0", Ok((1_710_072_000, 900_000_000))),
        ("+0", Ok((1_710_072_000, 900_000_000))),
        ("0", Ok((0, 0))),
        ("999ms", Ok((1_710_071_999, 901_000_000))),
        ("1h30m", Ok((1_710_066_600, 900_000_000))),
        ("-9223372036854775808ns", Ok((-7_513_300_036, 45_224_192))),
    ]);
    check_causes(&[
        ("1d", r#"invalid seconds "1d": invalid syntax"#),
        ("1h 30m", r#"invalid seconds "1h 30m": invalid syntax"#),
    ]);
}

/// Blank is what Go's `unicode.IsSpace` has for blank.
#[test]
fn t9_blank_values() {
    let spaces = "\t\n\u{b}\u{c}\r \u{85}\u{a0}\u{1680}\u{2000}\u{2001}\u{2002}\u{2003}\u{2004}\u{2005}\u{2006}\
                  \u{2007}\u{2008}\u{2009}\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}";
    assert_eq!(spaces.chars().count(), 25);
    for blank in spaces.chars() {
        check_causes(&[(&blank.to_string(), "value is empty")]);
    }
    check_causes(&[
        ("", "value is empty"),
        (spaces, "value is empty"),
        ("\u{200b}", r#"invalid seconds "\u200b": invalid syntax"#),
        ("\u{feff}", r#"invalid seconds "\ufeff": invalid syntax"#),
        ("\u{180e}", r#"invalid seconds "\u180e": invalid syntax"#),
        ("\0", r#"invalid seconds "\x00": invalid syntax"#),
        ("\u{1f}", r#"invalid seconds "\x1f": invalid syntax"#),
    ]);
}

#[test]
fn t4_layouts() {
    for (value, layout) in [
        ("x.T:z", "2006-01-02T15:04:05.999999999Z07:00"),
        ("x.T:", "2006-01-02T15:04:05.999999999"),
        ("---.", "2006-01-02T15:04:05.999999999Z07:00"),
        ("T", "2006-01-02T15"),
        ("T:", "2006-01-02T15:04"),
        ("T::", "2006-01-02T15:04:05"),
        ("T:::", "2006-01-02T15:04:05"),
        ("TZ", "2006-01-02T15Z07:00"),
        ("T:z", "2006-01-02T15:04Z07:00"),
        ("T::Z", "2006-01-02T15:04:05Z07:00"),
        ("T+", "2006-01-02T15Z07:00"),
        ("T+:", "2006-01-02T15Z07:00"),
        ("T:+:", "2006-01-02T15:04Z07:00"),
        ("T::+:", "2006-01-02T15:04:05Z07:00"),
        ("---T:", "2006-01-02T15Z07:00"),
        ("----T:", "2006-01-02T15:04"),
        ("--T:", "2006-01-02T15:04"),
        ("", "2006-01-02"),
        ("--", "2006-01-02"),
        ("---", "2006-01-02Z07:00"),
        ("Z", "2006-01-02Z07:00"),
        ("+", "2006-01-02Z07:00"),
        ("t::z", "2006-01-02Z07:00"),
    ] {
        assert_eq!(layout_of(value).as_str(), layout, "{value}");
    }
}

#[test]
fn t5_local_zone() {
    for semantics in Semantics::ALL {
        let local = |value| read(value, 7200, &semantics).map(|(seconds, _)| seconds);
        assert_eq!(local("2024-01-15"), Ok(1_705_269_600)); // 2024-01-14T22:00:00Z
        assert_eq!(local("2024-01-15Z"), Ok(1_705_276_800));
        assert_eq!(local("2024-01-15T00:00:00"), Ok(1_705_269_600));
        assert_eq!(local("2024-01-15T00+01:00"), Ok(1_705_273_200));
    }
}

#[test]
fn t6_fields_of_every_release() {
    check_all(&[
        ("2020-01-01", Ok((1_577_836_800, 0))),
        ("2020-01-01T1", Ok((1_577_840_400, 0))),
        ("2020-01-01T5:04:05", Ok((1_577_855_045, 0))),
        ("2020-01-01T00:00:05,5", Ok((1_577_836_805, 500_000_000))),
        ("2020-01-01T00:00:05,12345678901", Ok((1_577_836_805, 123_456_789))),
        ("2020-01-01T00:00:00.123456789Z", Ok((1_577_836_800, 123_456_789))),
        ("2020-01-01T00:00:00-01:30", Ok((1_577_842_200, 0))),
        ("2020-01-01T00:00:00+24:00", Ok((1_577_750_400, 0))),
        ("2020-01-01T00:00:00+24:60", Ok((1_577_746_800, 0))),
        ("0000-12-31T00:00:00Z", Ok((-62_135_683_200, 0))),
        ("0000-02-29", Ok((-62_162_121_600, 0))),
        ("0001-01-01T00:00:00Z", Ok((-62_135_596_800, 0))),
        ("1969-12-31T23:59:58.5Z", Ok((-2, 500_000_000))),
        ("9999-12-31T23:59:59Z", Ok((253_402_300_799, 0))),
        ("2020-13-01", Err(r#"parsing time "2020-13-01": month out of range"#)),
        ("2020-00-01", Err(r#"parsing time "2020-00-01": month out of range"#)),
        ("2020-01-00", Err(r#"parsing time "2020-01-00": day out of range"#)),
        ("2021-02-29", Err(r#"parsing time "2021-02-29": day out of range"#)),
        ("1900-02-29", Err(r#"parsing time "1900-02-29": day out of range"#)),
        ("2020-01-01T24", Err(r#"parsing time "2020-01-01T24": hour out of range"#)),
        ("2020-01-01T00:60", Err(r#"parsing time "2020-01-01T00:60": minute out of range"#)),
        ("2020-01-01T00:00:60", Err(r#"parsing time "2020-01-01T00:00:60": second out of range"#)),
        ("2020-01-32x", Err(r#"parsing time "2020-01-32x": extra text: "x""#)),
        ("2020-1-01", Err(r#"parsing time "2020-1-01" as "2006-01-02": cannot parse "1-01" as "01""#)),
        (
            "2020-01-01T00:00:00z",
            Err(
                r#"parsing time "2020-01-01T00:00:00z" as "2006-01-02T15:04:05Z07:00": cannot parse "z" as "Z07:00""#,
            ),
        ),
        ("20200101-", Err(r#"parsing time "20200101-" as "2006-01-02": cannot parse "0101-" as "-""#)),
        (
            "\"\\é\n-",
            Err(
                r#"parsing time "\"\\\xc3\xa9\x0a-" as "2006-01-02": cannot parse "\"\\\xc3\xa9\x0a-" as "2006""#,
            ),
        ),
    ]);
}

#[test]
fn t6_in_go_1_19() {
    let table: &[Row<'_>] = &[
        ("1h-1m", Err(r#"parsing time "1h-1m" as "2006-01-02": cannot parse "m" as "2006""#)),
        (
            "2020-01-01t00:00:00Z",
            Err(
                r#"parsing time "2020-01-01t00:00:00Z" as "2006-01-02Z07:00": cannot parse ":00Z" as "Z07:00""#,
            ),
        ),
        ("2020-01-01T00:00:00+99:99", Ok((1_577_836_800 - 362_340, 0))),
        ("2020-01-01T00:00:00++1:00", Ok((1_577_833_200, 0))),
        ("2020-01-01T00:00:00+-1:00", Ok((1_577_840_400, 0))),
        ("2020-01-01T00:00:,5", Ok((1_577_836_800, 500_000_000))),
        (
            "20-6-01-02",
            Err(r#"parsing time "20-6-01-02" as "2006-01-02Z07:00": cannot parse "-01-02" as "2006""#),
        ),
        (
            "2020-01-01T00:00:00x01:00Z",
            Err(
                r#"parsing time "2020-01-01T00:00:00x01:00Z" as "2006-01-02T15:04:05Z07:00": cannot parse "Z" as "Z07:00""#,
            ),
        ),
        (
            "2020-01-01T00:00:00.1234567891",
            Err(r#"parsing time "2020-01-01T00:00:00.1234567891": extra text: "1""#),
        ),
        (
            "2020-01-01T00:00:00.1234567891Z",
            Err(
                r#"parsing time "2020-01-01T00:00:00.1234567891Z" as "2006-01-02T15:04:05.999999999Z07:00": cannot parse "1Z" as "Z07:00""#,
            ),
        ),
    ];
    check(table, &Semantics::MOBY_20_10);
}

/// Everything of later releases but the range of a zone.
#[test]
fn t6_in_go_1_20() {
    let table: &[Row<'_>] = &[
        ("2020-01-01T00:00:00+99:99", Ok((1_577_836_800 - 362_340, 0))),
        ("2020-01-01T00:00:00+25:00", Ok((1_577_836_800 - 90_000, 0))),
        (
            "2020-01-99T00:00:00x99:00Z",
            Err(
                r#"parsing time "2020-01-99T00:00:00x99:00Z" as "2006-01-02T15:04:05Z07:00": cannot parse "x99:00Z" as "Z07:00""#,
            ),
        ),
        (
            "2020-01-01T00:00:00+99:xx",
            Err(
                r#"parsing time "2020-01-01T00:00:00+99:xx" as "2006-01-02T15:04:05Z07:00": cannot parse "+99:xx" as "Z07:00""#,
            ),
        ),
        (
            "2020-01-01T00:00:00++1:00",
            Err(
                r#"parsing time "2020-01-01T00:00:00++1:00" as "2006-01-02T15:04:05Z07:00": cannot parse "++1:00" as "Z07:00""#,
            ),
        ),
        ("2020-01-01T00:00:00.1234567891", Ok((1_577_836_800, 123_456_789))),
        (
            "2020-01-01T00:00:,5",
            Err(r#"parsing time "2020-01-01T00:00:,5" as "2006-01-02T15:04:05": cannot parse ",5" as "05""#),
        ),
        ("1h-1m", Err(r#"parsing time "1h-1m" as "2006-01-02": cannot parse "1h-1m" as "2006""#)),
    ];
    check_where(table, |semantics| semantics.go_time == GoTime::Go1_20);
}

#[test]
fn t6_in_go_1_23() {
    let table: &[Row<'_>] = &[
        ("1h-1m", Err(r#"parsing time "1h-1m" as "2006-01-02": cannot parse "1h-1m" as "2006""#)),
        ("2020-01-01T00:00:00.999999999999Z", Ok((1_577_836_800, 999_999_999))),
        ("2020-01-01T00:00:00.1234567891", Ok((1_577_836_800, 123_456_789))),
        (
            "2020-01-01T00:00:00+25:00",
            Err(r#"parsing time "2020-01-01T00:00:00+25:00": time zone offset hour out of range"#),
        ),
        (
            "2020-01-01T00:00:00+24:61",
            Err(r#"parsing time "2020-01-01T00:00:00+24:61": time zone offset minute out of range"#),
        ),
        (
            "2020-01-01T00:00:00+99:99",
            Err(r#"parsing time "2020-01-01T00:00:00+99:99": time zone offset minute out of range"#),
        ),
        (
            "2020-01-99T00:00:00x99:00Z",
            Err(r#"parsing time "2020-01-99T00:00:00x99:00Z": time zone offset hour out of range"#),
        ),
        (
            "2020-01-01T00:00:00+99:xx",
            Err(r#"parsing time "2020-01-01T00:00:00+99:xx": time zone offset hour out of range"#),
        ),
        (
            "2020-01-01T00:00:00+x9:99",
            Err(
                r#"parsing time "2020-01-01T00:00:00+x9:99" as "2006-01-02T15:04:05Z07:00": cannot parse "+x9:99" as "Z07:00""#,
            ),
        ),
        (
            "2020-01-01T00:00:00++1:00",
            Err(
                r#"parsing time "2020-01-01T00:00:00++1:00" as "2006-01-02T15:04:05Z07:00": cannot parse "++1:00" as "Z07:00""#,
            ),
        ),
        (
            "20-6-01-02",
            Err(r#"parsing time "20-6-01-02" as "2006-01-02Z07:00": cannot parse "20-6-01-02" as "2006""#),
        ),
        (
            "2020-01-01T00:00:,5",
            Err(r#"parsing time "2020-01-01T00:00:,5" as "2006-01-02T15:04:05": cannot parse ",5" as "05""#),
        ),
    ];
    check_where(table, |semantics| semantics.go_time == GoTime::Go1_23);
}

#[test]
fn t7_unix_seconds() {
    check_old(&[
        ("1136073600", Ok((1_136_073_600, 0))),
        ("+5", Ok((5, 0))),
        ("1136073600.5", Ok((1_136_073_600, 500_000_000))),
        ("1136073600.000000001", Ok((1_136_073_600, 1))),
        ("1136073600.0000000015", Ok((1_136_073_600, 1))),
        ("1136073600.0000000010", Ok((1_136_073_600, 1))),
        ("1136073600.1234567891", Ok((1_136_073_600, 123_456_789))),
        ("1136073600.99999999999", Ok((1_136_073_600, 999_999_999))),
        ("1136073600.9223372036854775807", Ok((1_136_073_600, 922_337_203))),
        ("1136073600.+5", Ok((1_136_073_600, 50_000_000))),
        // The product rounds up to a whole second.
        ("1136073600.999999999999999999", Ok((1_136_073_601, 0))),
        ("1136073600.0000000000000000000000000000009", Ok((1_136_073_600, 0))),
        ("20060102", Ok((20_060_102, 0))),
        ("0", Ok((0, 0))),
        ("00", Ok((0, 0))),
        ("9223371974719179008", Ok((9_223_371_974_719_179_008, 0))),
        ("9223372036854775807", Ok((i64::MAX, 0))),
        ("-5", Err(r#"parsing time "-5" as "2006-01-02": cannot parse "-5" as "2006""#)),
        (
            "1136073600.-5",
            Err(
                r#"parsing time "1136073600.-5" as "2006-01-02T15:04:05.999999999": cannot parse "073600.-5" as "-""#,
            ),
        ),
    ]);
    check_unreadable(&[
        "1136073600.9223372036854775808",
        "1136073600.",
        ".5",
        "1e3",
        "0x10",
        "1_000",
        " 5",
        "5 ",
        "+",
        "9223372036854775808",
        "1.2.3",
    ]);
}

#[test]
fn t7_unix_seconds_as_text_since_29_4() {
    check_new(&[
        ("1136073600", Ok((1_136_073_600, 0))),
        ("+5", Ok((5, 0))),
        ("1136073600.", Ok((1_136_073_600, 0))),
        ("1136073600.0", Ok((1_136_073_600, 0))),
        ("1136073600.5", Ok((1_136_073_600, 500_000_000))),
        ("1136073600.000000001", Ok((1_136_073_600, 1))),
        ("1136073600.0000000019", Ok((1_136_073_600, 1))),
        ("1136073600.9223372036854775808", Ok((1_136_073_600, 922_337_203))),
        ("1136073600.51576843868502705136", Ok((1_136_073_600, 515_768_438))),
        ("1577836800.099999999999999999", Ok((1_577_836_800, 99_999_999))),
        ("1136073600.9999999999999999", Ok((1_136_073_600, 999_999_999))),
        ("9223372036854775807.9999999999999999", Ok((i64::MAX, 999_999_999))),
        ("-5", Err(r#"parsing time "-5" as "2006-01-02": cannot parse "-5" as "2006""#)),
        ("2020-13-01", Err(r#"parsing time "2020-13-01": month out of range"#)),
    ]);
    let too_long = "invalid nanoseconds: length 23 exceeds maximum 20";
    check_causes(&[
        ("1.00009009099000909909099", too_long),
        // The length is checked before the digits, and in bytes.
        ("1.xxxxxxxxxxxxxxxxxxxxxxx", too_long),
        ("1.½½½½½½½½½½½", "invalid nanoseconds: length 22 exceeds maximum 20"),
        ("1136073600.+5", "invalid nanoseconds: invalid character '+' at position 0"),
        ("15250947544.1.2", "invalid nanoseconds: invalid character '.' at position 1"),
        ("1.½", "invalid nanoseconds: invalid character 'Â' at position 0"),
        ("1.5\u{80}", "invalid nanoseconds: invalid character 'Â' at position 1"),
        // The first byte of these is C3, of those E2 and F0.
        ("1.55é", "invalid nanoseconds: invalid character 'Ã' at position 2"),
        ("1.\u{2028}", "invalid nanoseconds: invalid character 'â' at position 0"),
        ("1.🫨", "invalid nanoseconds: invalid character 'ð' at position 0"),
        ("1.'", r"invalid nanoseconds: invalid character '\'' at position 0"),
        ("1.\"", r#"invalid nanoseconds: invalid character '"' at position 0"#),
        ("1.\\", r"invalid nanoseconds: invalid character '\\' at position 0"),
        ("1.\t", r"invalid nanoseconds: invalid character '\t' at position 0"),
        ("1.\0", r"invalid nanoseconds: invalid character '\x00' at position 0"),
        ("1.\u{7f}", r"invalid nanoseconds: invalid character '\x7f' at position 0"),
        (".5", r#"invalid seconds "": invalid syntax"#),
        (".5h9223372036854775807ns", r#"invalid seconds "": invalid syntax"#),
        ("yesterday", r#"invalid seconds "yesterday": invalid syntax"#),
        ("9223372036854775808", r#"invalid seconds "9223372036854775808": value out of range"#),
        ("9223372036854775808m", r#"invalid seconds "9223372036854775808m": invalid syntax"#),
        ("249223372036854775808m", r#"invalid seconds "249223372036854775808m": value out of range"#),
        ("x.123456789012345678901", r#"invalid seconds "x": invalid syntax"#),
        ("5 ", r#"invalid seconds "5 ": invalid syntax"#),
        (" 5", r#"invalid seconds " 5": invalid syntax"#),
        ("1_000", r#"invalid seconds "1_000": invalid syntax"#),
        ("a\t\u{2028}½🫨", r#"invalid seconds "a\t\u2028½🫨": invalid syntax"#),
    ]);
}

/// A byte of a character is quoted as the code point of its number (`½` is C2 BD).
#[test]
fn t7_every_byte_has_its_quote() {
    for byte in 0_u8..=255 {
        let error = unix::UnixError::Character { byte, position: 0 };
        let text = error.text(Unicode::V15).to_string();
        let expected = match byte {
            b'\'' => r"'\''".to_owned(),
            b'\\' => r"'\\'".to_owned(),
            7..=13 => format!(r"'\{}'", ["a", "b", "t", "n", "v", "f", "r"][usize::from(byte) - 7]),
            0..=0x1f | 0x7f => format!(r"'\x{byte:02x}'"),
            0x80..=0xa0 | 0xad => format!(r"'\u{byte:04x}'"),
            _ => format!("'{}'", char::from(byte)),
        };
        assert_eq!(text, format!("invalid nanoseconds: invalid character {expected} at position 0"));
    }
}

#[test]
fn the_last_unix_seconds_lie_in_the_past() {
    let now = Now { instant: NOW, utc_offset_seconds: 0 };
    for value in ["9223371974719179008", "9223372036854775807"] {
        assert!(parse(value, now, &Semantics::MOBY_20_10).is_ok_and(|limit| limit < Timestamp::ZERO));
    }
    let last = parse("9223371974719179007", now, &Semantics::MOBY_20_10);
    assert!(last.is_ok_and(|limit| limit > NOW));
}

#[test]
fn the_last_resort_quotes_by_the_profiles_unicode() {
    let error = |value, semantics| read(value, 0, semantics).unwrap_err();
    let prefix = "failed to parse value as time or duration: ";
    assert_eq!(
        error("a\t\u{2028}½🫨", &Semantics::MOBY_20_10),
        format!("{prefix}\"a\\t\\u2028½\\U0001fae8\"")
    );
    assert_eq!(error("a\t\u{2028}½🫨", &Semantics::MOBY_28_5), format!("{prefix}\"a\\t\\u2028½🫨\""));
}
