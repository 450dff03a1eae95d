//! JSON's syntax as `encoding/json/scanner.go` has it, with its error texts.
//!
//! DIFFERENCE(text-of-json-errors): the texts are those of Go 1.19, whatever Go built the daemon.

use super::text::Quoted;
use super::{JsonError, Result};

/// Go's `maxNestingDepth`.
const MAX_DEPTH: usize = 10_000;

/// A position in a text. Every method expects to stand at the first byte of what it reads and ends
/// behind its last; blanks before a value, a key or a separator are passed over.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    /// What is open, outermost first.
    open: Vec<Container>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Container {
    Object,
    Array,
}

impl<'a> Scanner<'a> {
    pub(super) const fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, open: Vec::new() }
    }

    /// How many bytes have been read.
    pub(super) const fn position(&self) -> usize {
        self.at
    }

    /// What has been read since `start`.
    pub(super) fn since(&self, start: usize) -> &'a [u8] {
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// The first byte of the value that comes next.
    pub(super) fn value(&mut self) -> Result<u8> {
        self.blanks();
        match self.peek() {
            Some(byte @ (b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n')) => Ok(byte),
            _ => Err(self.unexpected("looking for beginning of value")),
        }
    }

    /// Refuses everything but blanks.
    pub(super) fn end(&mut self) -> Result<()> {
        self.blanks();
        if self.at < self.text.len() { Err(self.unexpected("after top-level value")) } else { Ok(()) }
    }

    /// Passes over the value that comes next, however deep, without recursion.
    pub(super) fn skip(&mut self) -> Result<()> {
        let outside = self.open.len();
        loop {
            match self.value()? {
                b'{' => {
                    if self.first_key()?.is_some() {
                        continue;
                    }
                }
                b'[' => {
                    if self.first_element()? {
                        continue;
                    }
                }
                b'"' => {
                    self.string()?;
                }
                b't' => self.literal("true")?,
                b'f' => self.literal("false")?,
                b'n' => self.literal("null")?,
                _ => {
                    self.number()?;
                }
            }
            // A value has ended, and with it perhaps the containers around it.
            loop {
                if self.open.len() == outside {
                    return Ok(());
                }
                let more = match self.open.last() {
                    Some(Container::Object) => self.next_key()?.is_some(),
                    _ => self.next_element()?,
                };
                if more {
                    break;
                }
            }
        }
    }

    /// Opens an object; its first key, none if it is empty and closed again.
    pub(super) fn first_key(&mut self) -> Result<Option<Quoted<'a>>> {
        self.enter(Container::Object)?;
        if self.closes(b'}') { Ok(None) } else { self.key().map(Some) }
    }

    /// Behind a value of an object: the next key, none if the object is closed.
    pub(super) fn next_key(&mut self) -> Result<Option<Quoted<'a>>> {
        if self.closes(b'}') {
            return Ok(None);
        }
        self.separator(b',', "after object key:value pair")?;
        self.blanks();
        self.key().map(Some)
    }

    /// Opens an array; whether an element follows. If not, the array is closed again.
    pub(super) fn first_element(&mut self) -> Result<bool> {
        self.enter(Container::Array)?;
        Ok(!self.closes(b']'))
    }

    /// Behind an element of an array: whether another follows. If not, the array is closed.
    pub(super) fn next_element(&mut self) -> Result<bool> {
        if self.closes(b']') {
            return Ok(false);
        }
        self.separator(b',', "after array element")?;
        Ok(true)
    }

    pub(super) fn literal(&mut self, word: &str) -> Result<()> {
        for expected in word.bytes() {
            if self.peek() != Some(expected) {
                let expected = char::from(expected);
                return Err(self.interrupted(&format!("in literal {word} (expecting '{expected}')")));
            }
            self.at += 1;
        }
        Ok(())
    }

    pub(super) fn number(&mut self) -> Result<&'a [u8]> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits("in numeric literal")?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        Ok(self.since(start))
    }

    pub(super) fn string(&mut self) -> Result<Quoted<'a>> {
        self.at += 1;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += plain(self.text.get(self.at..).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    let inner = self.since(start);
                    self.at += 1;
                    return Ok(Quoted::new(inner, escaped));
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape()?;
                    escaped = true;
                }
                _ => return Err(self.unexpected("in string literal")),
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<()> {
        match self.peek() {
            Some(b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return Err(self.interrupted("in \\u hexadecimal character escape"));
                    }
                    self.at += 1;
                }
            }
            _ => return Err(self.interrupted("in string escape code")),
        }
        Ok(())
    }

    fn key(&mut self) -> Result<Quoted<'a>> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("looking for beginning of object key string"));
        }
        let key = self.string()?;
        self.blanks();
        self.separator(b':', "after object key")?;
        Ok(key)
    }

    fn digits(&mut self, context: &str) -> Result<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err(self.interrupted(context)) } else { Ok(()) }
    }

    fn enter(&mut self, container: Container) -> Result<()> {
        if self.open.len() == MAX_DEPTH {
            return Err(self.unexpected("exceeded max depth"));
        }
        self.open.push(container);
        self.at += 1;
        Ok(())
    }

    fn closes(&mut self, bracket: u8) -> bool {
        self.blanks();
        let closes = self.peek() == Some(bracket);
        if closes {
            self.at += 1;
            self.open.pop();
        }
        closes
    }

    fn separator(&mut self, separator: u8, context: &str) -> Result<()> {
        if self.peek() != Some(separator) {
            return Err(self.unexpected(context));
        }
        self.at += 1;
        Ok(())
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// The error at this byte, between tokens or in a string.
    fn unexpected(&self, context: &str) -> JsonError {
        match self.peek() {
            Some(byte) => invalid(byte, context),
            None => JsonError::new("unexpected end of JSON input"),
        }
    }

    /// The error at this byte within a token: at its end Go reads one more blank, and complains
    /// about that.
    fn interrupted(&self, context: &str) -> JsonError {
        invalid(self.peek().unwrap_or(b' '), context)
    }
}

fn invalid(byte: u8, context: &str) -> JsonError {
    // Go takes the byte for a code point, whatever encoding it is part of.
    let shown = match byte {
        b'\'' => r"\'".to_owned(),
        b'\\' => r"\\".to_owned(),
        0x07 => r"\a".to_owned(),
        0x08 => r"\b".to_owned(),
        b'\t' => r"\t".to_owned(),
        b'\n' => r"\n".to_owned(),
        0x0b => r"\v".to_owned(),
        0x0c => r"\f".to_owned(),
        b'\r' => r"\r".to_owned(),
        ..b' ' | 0x7f => format!(r"\x{byte:02x}"),
        0x80..=0xa0 | 0xad => format!(r"\u{byte:04x}"),
        _ => char::from(byte).to_string(),
    };
    JsonError::new(format!("invalid character '{shown}' {context}"))
}

/// How many bytes there are in front of a quote, a backslash or a control character.
fn plain(text: &[u8]) -> usize {
    let (words, _) = text.as_chunks::<8>();
    let mut length = 0;
    for word in words {
        let special = special(u64::from_le_bytes(*word));
        if special != 0 {
            return length + special.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    let rest = text.get(length..).unwrap_or_default();
    length + rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..b' ')).unwrap_or(rest.len())
}

/// Eight bytes at once: the lowest bit of the result stands in the first special byte.
const fn special(word: u64) -> u64 {
    const EACH: u64 = u64::MAX / 255;
    const fn below(word: u64, limit: u8) -> u64 {
        // The borrow may spoil bytes above the first that is below, never one under it.
        word.wrapping_sub(EACH * limit as u64) & !word & (EACH << 7)
    }
    const QUOTES: u64 = EACH * b'"' as u64;
    const BACKSLASHES: u64 = EACH * b'\\' as u64;
    below(word, b' ') | below(word ^ QUOTES, 1) | below(word ^ BACKSLASHES, 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "test code")]

    use super::plain;

    #[test]
    fn are_found_at_every_place() {
        for ordinary in [b'a', b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xff] {
            for length in 0..20 {
                let mut text = vec![ordinary; length];
                assert_eq!(plain(&text), length);
                for special in [b'"', b'\\', 0, 0x1f] {
                    for place in 0..length {
                        text.fill(ordinary);
                        text[place..].fill(special);
                        assert_eq!(plain(&text), place, "{ordinary} {special} {length}");
                    }
                }
            }
        }
    }
}
