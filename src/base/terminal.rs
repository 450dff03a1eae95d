//! Text that a terminal shows and never obeys.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

/// True for control characters, and for Unicode's format characters for direction, joining and line ends.
#[must_use]
pub fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// Writes one value as JSON, compact, in which everything that a terminal obeys is escaped. The value is the same.
///
/// # Errors
///
/// `out` cannot be written, or the value has no form in JSON.
pub fn write_json(out: impl Write, value: &(impl Serialize + ?Sized)) -> io::Result<()> {
    Ok(value.serialize(&mut Serializer::with_formatter(out, Escaping))?)
}

/// One value as JSON, as [`write_json`] writes it.
///
/// # Errors
///
/// The value has no form in JSON.
pub fn json(value: &(impl Serialize + ?Sized)) -> io::Result<String> {
    let mut bytes = Vec::new();
    write_json(&mut bytes, value)?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// Compact, as `serde_json` writes it.
struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: Write + ?Sized>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        escape(out, fragment)
    }

    /// JSON that somebody else wrote: outside of its strings it has nothing but ASCII.
    fn write_raw_fragment<W: Write + ?Sized>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        escape(out, fragment)
    }
}

/// What is below U+007F is up to `serde_json`.
fn escape<W: Write + ?Sized>(out: &mut W, fragment: &str) -> io::Result<()> {
    let is_escaped = |character: char| character >= '\u{7f}' && is_harmful(character);
    // Most text has nothing to look at, and there may be a hundred megabytes of it.
    if fragment.bytes().all(|byte| byte < 0x7f) {
        return out.write_all(fragment.as_bytes());
    }
    let mut rest = fragment;
    while let Some((at, found)) = rest.char_indices().find(|(_, character)| is_escaped(*character)) {
        let (before, from) = rest.split_at(at);
        out.write_all(before.as_bytes())?;
        for unit in found.encode_utf16(&mut [0; 2]) {
            write!(out, "\\u{unit:04x}")?;
        }
        rest = from.strip_prefix(found).unwrap_or_default();
    }
    out.write_all(rest.as_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use serde_json::value::RawValue;
    use serde_json::{Value, json};

    #[test]
    fn what_a_terminal_obeys_is_escaped_and_means_the_same() {
        let value = json!({ "\u{9b}31m": ["a\u{202e}b", "\u{7f}\n\u{1b}", "é漢😀", "\u{e0041}", "plain", 1.5, null] });
        let written = super::json(&value).unwrap();
        assert_eq!(
            written,
            r#"{"\u009b31m":["a\u202eb","\u007f\n\u001b","é漢😀","\udb40\udc41","plain",1.5,null]}"#
        );
        assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), value);
        let raw = RawValue::from_string("{\n \"\u{9b}\": \"\u{200b}\" }".to_owned()).unwrap();
        assert_eq!(super::json(&raw).unwrap(), "{\n \"\\u009b\": \"\\u200b\" }");
    }
}
