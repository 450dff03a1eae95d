//! JSON as Go's encoder writes it without the escaping of HTML (H-5, H-6), with the newline behind it.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter, Serializer};

/// What [`write_string`](crate::go::json::write_string) does for one string, for whole documents.
struct GoFormatter;

impl Formatter for GoFormatter {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(['\u{2028}', '\u{2029}']) {
            let (plain, separator) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let escape: &[u8] = if separator.starts_with('\u{2028}') { br"\u2028" } else { br"\u2029" };
            writer.write_all(escape)?;
            rest = separator.get('\u{2028}'.len_utf8()..).unwrap_or_default();
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: ?Sized + Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        let text: &[u8] = match escape {
            CharEscape::Quote => br#"\""#,
            CharEscape::ReverseSolidus => br"\\",
            CharEscape::Solidus => b"/",
            CharEscape::Backspace => br"\u0008",
            CharEscape::FormFeed => br"\u000c",
            CharEscape::LineFeed => br"\n",
            CharEscape::CarriageReturn => br"\r",
            CharEscape::Tab => br"\t",
            CharEscape::AsciiControl(byte) => return write!(writer, "\\u{byte:04x}"),
        };
        writer.write_all(text)
    }
}

/// A document and a newline.
pub(super) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut bytes, GoFormatter))?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use crate::go::json::{Html, write_string};

    #[test]
    fn strings_are_those_of_the_library() {
        let text: String = (0..0x3000).filter_map(char::from_u32).collect();
        let mut expected = String::new();
        write_string(&mut expected, &text, Html::AsIs);
        expected.push('\n');
        assert_eq!(String::from_utf8(super::encode(&text).unwrap()).unwrap(), expected);
    }
}
