//! Strings as `json.Marshal` and `json.Encoder` write them.

use std::fmt::Write as _;

/// Whether `<`, `>` and `&` are escaped for use within HTML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Html {
    /// As `json.Marshal` does.
    Escaped,
    /// As moby's answers are encoded (H-5, H-6).
    AsIs,
}

/// Appends `text` as a JSON string, as Go 1.19 writes it.
///
/// ```
/// use image_prune::go::json::{Html, write_string};
///
/// let mut json = String::new();
/// write_string(&mut json, "a<b", Html::Escaped);
/// assert_eq!(json, r#""a\u003cb""#);
/// ```
pub fn write_string(json: &mut String, text: &str, html: Html) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '<' | '>' | '&' if html == Html::AsIs => json.push(character),
            ..' ' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                // Writing to a `String` cannot fail.
                let _ = write!(json, "\\u{:04x}", u32::from(character));
            }
            _ => json.push(character),
        }
    }
    json.push('"');
}
