//! What people see: tables as docker prints them, and nothing that a terminal would obey.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io::Write as _;

use comfy_table::{Table, presets};
use image_prune::few;
use image_prune::terminal::is_harmful;

/// `warning: …`, `error: …`, `hint: …` on stderr; bold where colours are wanted.
pub fn line_to_stderr(label: &str, message: &str) {
    let colour = match label {
        "error" => "\x1b[1;31m",
        "warning" => "\x1b[1;33m",
        _ => "\x1b[1;36m",
    };
    // Where stderr is closed there is nobody to tell.
    let _ = writeln!(anstream::stderr().lock(), "{colour}{label}:\x1b[0m {}", escape(message));
}

/// The first ten of these lines, and one more with the number of the others.
pub fn first_to_stderr(label: &str, lines: impl IntoIterator<Item = String>, rest: impl Fn(usize) -> String) {
    for line in few::first(lines, rest) {
        line_to_stderr(label, &line);
    }
}

/// Emphasis; `anstream` drops it where it is not wanted.
pub fn bold(text: impl fmt::Display) -> String {
    format!("\x1b[1m{text}\x1b[0m")
}

/// `text` without anything that a terminal obeys: control characters, and those that reorder or hide text,
/// are written as `\u{1b}`.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_harmful(character) {
            let _ = write!(safe, "{}", character.escape_default());
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

/// The first twelve digits of an identifier, as docker shows it.
fn short(identifier: &str) -> &str {
    let digits = identifier.strip_prefix("sha256:").unwrap_or(identifier);
    digits.get(..12).unwrap_or(digits)
}

/// An identifier, twelve digits of it unless all are wanted.
pub fn identifier(id: impl fmt::Display, is_whole: bool) -> String {
    let text = id.to_string();
    if is_whole { text } else { short(&text).to_owned() }
}

/// A message with every digest and container ID in it cut to twelve digits.
pub fn shorten(message: &str) -> String {
    let is_identifier = |word: &str| {
        let hex = word.strip_prefix("sha256:").unwrap_or(word);
        hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let cut = |piece: &str| {
        let word = piece.trim_end_matches([' ', ',', ';', ':']);
        let rest = piece.strip_prefix(word).unwrap_or_default();
        if is_identifier(word) { format!("{}{rest}", short(word)) } else { piece.to_owned() }
    };
    message.split_inclusive(' ').map(cut).collect()
}

/// A table as docker prints it: no lines, three blanks between columns, each column at least ten wide.
/// Cells are escaped. The first line is the header.
pub fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> Vec<String> {
    const GAP: u16 = 3;
    const NARROWEST: usize = 7;
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header.map(|title| format!("{title:NARROWEST$}")));
    for row in rows {
        table.add_row(row.map(|cell| escape(&cell).into_owned()));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_a_terminal_obeys() {
        assert_eq!(escape("a:1 é 漢"), "a:1 é 漢");
        assert_eq!(escape("\x1b[31m\r\n\u{9b}\u{202e}"), r"\u{1b}[31m\r\n\u{9b}\u{202e}");
    }

    #[test]
    fn shortens_identifiers_alone() {
        let hex = "0123456789abcdef".repeat(4);
        let message = format!("sha256:{hex} has the child sha256:{hex}: x@sha256:{hex}, {hex}, a");
        let short = format!("0123456789ab has the child 0123456789ab: x@sha256:{hex}, 0123456789ab, a");
        assert_eq!(shorten(&message), short);
    }

    #[test]
    fn tables_are_dockers() {
        let rows = [["1".to_owned(), "a\tb".to_owned()], ["0123456789ab".to_owned(), String::new()]];
        let lines = table(["ID", "NAME"], rows);
        assert_eq!(lines, ["ID             NAME", r"1              a\tb", "0123456789ab"]);
    }
}
