//! JSON as the command writes it. Its values are anybody's, and a terminal may be where it goes: whatever a terminal
//! obeys is escaped. The values are the same.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

use super::render::is_harmful;

/// Writes one value, and a line end.
pub fn line(mut out: impl Write, value: &(impl Serialize + ?Sized)) -> io::Result<()> {
    write(&mut out, value)?;
    out.write_all(b"\n")
}

/// Writes one value.
pub fn write(out: impl Write, value: &(impl Serialize + ?Sized)) -> io::Result<()> {
    Ok(value.serialize(&mut Serializer::with_formatter(out, Escaping))?)
}

/// One value as text.
pub fn text(value: &(impl Serialize + ?Sized)) -> io::Result<String> {
    let mut bytes = Vec::new();
    write(&mut bytes, value)?;
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

    use std::{fs, path::Path};

    use serde_json::value::RawValue;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_escaped_and_means_the_same() {
        let value = json!({ "\u{9b}31m": ["a\u{202e}b", "\u{7f}\n\u{1b}", "é漢😀", "\u{e0041}", "plain", 1.5, null] });
        let written = text(&value).unwrap();
        assert_eq!(
            written,
            r#"{"\u009b31m":["a\u202eb","\u007f\n\u001b","é漢😀","\udb40\udc41","plain",1.5,null]}"#
        );
        assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), value);
        let raw = RawValue::from_string("{\n \"\u{9b}\": \"\u{200b}\" }".to_owned()).unwrap();
        assert_eq!(text(&raw).unwrap(), "{\n \"\\u009b\": \"\\u200b\" }");
    }

    /// Nobody beside this module turns a value into text: neither by `serde_json` nor by `Display`.
    #[test]
    fn all_json_of_the_command_is_written_here() {
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if !path.ends_with("cli/json.rs") {
                    let source = fs::read_to_string(&path).unwrap();
                    for way in
                        ["serde_json::to_writer", "serde_json::to_string", "serde_json::to_vec", "\", json!("]
                    {
                        assert!(!source.contains(way), "{}: {way}", path.display());
                    }
                }
            }
        }
    }
}
