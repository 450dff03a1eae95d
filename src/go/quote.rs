//! Go's two ways to quote text in an error.

use crate::go::printable::is_printable;
use crate::semantics::Unicode;

/// Go's `%q`, that is `strconv.Quote`, of any bytes (T-2).
///
/// ```
/// use image_prune::{Unicode, go::quote::quote};
///
/// assert_eq!(quote("a\t½\u{2028}\"".as_bytes(), Unicode::V13), r#""a\t½\u2028\"""#);
/// assert_eq!(quote(b"\xff", Unicode::V13), r#""\xff""#);
/// ```
#[must_use]
pub fn quote(text: &[u8], unicode: Unicode) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            push_escaped(&mut quoted, '"', character, unicode);
        }
        for &byte in chunk.invalid() {
            push_hex(&mut quoted, 'x', 2, u32::from(byte));
        }
    }
    quoted.push('"');
    quoted
}

/// Go's `%q` of a number, that is `strconv.QuoteRune`.
///
/// ```
/// use image_prune::{Unicode, go::quote::quote_character};
///
/// assert_eq!(quote_character('\'', Unicode::V15), r"'\''");
/// assert_eq!(quote_character('"', Unicode::V15), r#"'"'"#);
/// assert_eq!(quote_character('\u{80}', Unicode::V15), r"'\u0080'");
/// ```
#[must_use]
pub fn quote_character(character: char, unicode: Unicode) -> String {
    let mut quoted = String::from("'");
    push_escaped(&mut quoted, '\'', character, unicode);
    quoted.push('\'');
    quoted
}

/// `mark` is what stands around the text.
fn push_escaped(quoted: &mut String, mark: char, character: char, unicode: Unicode) {
    let code = u32::from(character);
    match character {
        _ if character == mark => quoted.extend(['\\', character]),
        '\\' => quoted.extend(['\\', character]),
        '\x07' => quoted.push_str(r"\a"),
        '\x08' => quoted.push_str(r"\b"),
        '\x0c' => quoted.push_str(r"\f"),
        '\n' => quoted.push_str(r"\n"),
        '\r' => quoted.push_str(r"\r"),
        '\t' => quoted.push_str(r"\t"),
        '\x0b' => quoted.push_str(r"\v"),
        _ if is_printable(character, unicode) => quoted.push(character),
        '\0'..' ' | '\x7f' => push_hex(quoted, 'x', 2, code),
        '\u{80}'..='\u{ffff}' => push_hex(quoted, 'u', 4, code),
        _ => push_hex(quoted, 'U', 8, code),
    }
}

/// The quoting of Go's `time` package: `"` and `\` get a backslash, control bytes and everything
/// beyond ASCII become `\xNN`, DEL stays (T-6).
#[must_use]
pub fn time_quote(text: &[u8]) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for &byte in text {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', char::from(byte)]),
            b' '..=0x7f => quoted.push(char::from(byte)),
            _ => push_hex(&mut quoted, 'x', 2, u32::from(byte)),
        }
    }
    quoted.push('"');
    quoted
}

/// Appends a backslash, `kind` and `width` lower-case hexadecimal digits of `value`.
fn push_hex(quoted: &mut String, kind: char, width: u32, value: u32) {
    quoted.extend(['\\', kind]);
    let nibbles = (0..width).rev().map(|place| (value >> (4 * place)) & 0xf);
    quoted.extend(nibbles.filter_map(|nibble| char::from_digit(nibble, 16)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_as_strconv_does() {
        for (text, quoted) in [
            ("".as_bytes(), r#""""#),
            (b"\x07\x08\x0c\n\r\t\x0b\\\"'", r#""\a\b\f\n\r\t\v\\\"'""#),
            (b"\x00\x1b\x7f", r#""\x00\x1b\x7f""#),
            ("é½１\u{fffd}".as_bytes(), "\"é½１\u{fffd}\""),
            ("\u{80}\u{ad}\u{2028}\u{feff}".as_bytes(), r#""\u0080\u00ad\u2028\ufeff""#),
            ("\u{e0001}\u{10ffff}".as_bytes(), r#""\U000e0001\U0010ffff""#),
            (b"\xffa\xe0\xa0b\xed\xa0\x80\xc0\x80", r#""\xffa\xe0\xa0b\xed\xa0\x80\xc0\x80""#),
        ] {
            assert_eq!(quote(text, Unicode::V13), quoted);
            assert_eq!(quote(text, Unicode::V15), quoted);
        }
        assert_eq!(quote("🫨".as_bytes(), Unicode::V13), r#""\U0001fae8""#);
        assert_eq!(quote("🫨".as_bytes(), Unicode::V15), "\"🫨\"");
    }

    #[test]
    fn quotes_as_the_time_package_does() {
        assert_eq!(
            time_quote("a\"\\\n\x7fé\u{fffd}".as_bytes()),
            "\"a\\\"\\\\\\x0a\x7f\\xc3\\xa9\\xef\\xbf\\xbd\""
        );
        assert_eq!(time_quote(b"\xff"), r#""\xff""#);
    }
}
