//! The decoder: typed reads that note mismatches and go on.

use std::borrow::Cow;
use std::mem;

use super::scanner::Scanner;
use super::text::Key;
use super::{JsonError, Result};

/// Reads one JSON text with `read`, which takes one value from the decoder; if it takes none, the
/// value is skipped.
///
/// # Errors
///
/// In this order: the first error of syntax; the first [refusal](Decoder::refuse); the first value of
/// a wrong type. What `read` computed on the way is dropped.
pub fn decode<'a, T>(text: &'a [u8], read: impl FnOnce(&mut Decoder<'a>) -> Result<T>) -> Result<T> {
    let mut decoder = Decoder {
        scanner: Scanner::new(text),
        structure: "",
        fields: Vec::new(),
        mismatch: None,
        refusal: None,
    };
    let value = decoder.value(read)?;
    decoder.scanner.end()?;
    match decoder.refusal.or(decoder.mismatch) {
        Some(error) => Err(error),
        None => Ok(value),
    }
}

/// Stands before a value and reads it. See [the module](super) for the rules.
///
/// `go_type` is the Go type that the value is for, as error texts name it: `map[string]bool`.
#[derive(Debug)]
pub struct Decoder<'a> {
    scanner: Scanner<'a>,
    /// The Go struct that is being read, and the fields that lead to this place.
    structure: &'static str,
    fields: Vec<&'static str>,
    mismatch: Option<JsonError>,
    refusal: Option<JsonError>,
}

/// What a JSON value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "JSON's own words")]
pub enum Kind {
    Null,
    Bool,
    Number,
    String,
    Array,
    Object,
}

impl Kind {
    /// Go's word for it in an error.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "bool",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }
}

impl<'a> Decoder<'a> {
    /// What comes next. Takes nothing.
    ///
    /// # Errors
    ///
    /// No value begins here.
    pub fn kind(&mut self) -> Result<Kind> {
        Ok(match self.scanner.value()? {
            b'{' => Kind::Object,
            b'[' => Kind::Array,
            b'"' => Kind::String,
            b't' | b'f' => Kind::Bool,
            b'n' => Kind::Null,
            _ => Kind::Number,
        })
    }

    /// Reads an object, a member at a time; a value that `member` does not take is skipped. Returns
    /// false for null and for a mismatch.
    ///
    /// # Errors
    ///
    /// A syntax error, as for every method below.
    pub fn object(
        &mut self,
        go_type: &str,
        mut member: impl FnMut(&mut Self, Key<'a>) -> Result<()>,
    ) -> Result<bool> {
        if !self.comes(Kind::Object, go_type)? {
            return Ok(false);
        }
        let mut next = self.scanner.first_key()?;
        while let Some(key) = next {
            self.value(|decoder| member(decoder, Key::new(key.text())))?;
            next = self.scanner.next_key()?;
        }
        Ok(true)
    }

    /// Reads an array, an element at a time; one that `element` does not take is skipped. Returns
    /// false for null and for a mismatch.
    ///
    /// # Errors
    ///
    /// A syntax error.
    pub fn array(&mut self, go_type: &str, mut element: impl FnMut(&mut Self) -> Result<()>) -> Result<bool> {
        if !self.comes(Kind::Array, go_type)? {
            return Ok(false);
        }
        let mut more = self.scanner.first_element()?;
        while more {
            self.value(&mut element)?;
            more = self.scanner.next_element()?;
        }
        Ok(true)
    }

    /// Reads a string; none for null and for a mismatch. Borrowed unless it has escapes or invalid
    /// UTF-8.
    ///
    /// # Errors
    ///
    /// A syntax error.
    pub fn string(&mut self, go_type: &str) -> Result<Option<Cow<'a, str>>> {
        if !self.comes(Kind::String, go_type)? {
            return Ok(None);
        }
        Ok(Some(self.scanner.string()?.text()))
    }

    /// Reads a boolean; none for null and for a mismatch.
    ///
    /// # Errors
    ///
    /// A syntax error.
    pub fn boolean(&mut self, go_type: &str) -> Result<Option<bool>> {
        if !self.comes(Kind::Bool, go_type)? {
            return Ok(None);
        }
        Ok(Some(self.raw()? == b"true"))
    }

    /// Reads a number that a Go `int64` can hold; none for null and for a mismatch.
    ///
    /// # Errors
    ///
    /// A syntax error.
    pub fn integer(&mut self, go_type: &str) -> Result<Option<i64>> {
        if !self.comes(Kind::Number, go_type)? {
            return Ok(None);
        }
        let digits = String::from_utf8_lossy(self.scanner.number()?);
        let integer = digits.parse().ok();
        if integer.is_none() {
            self.mismatch(&format!("number {digits}"), go_type);
        }
        Ok(integer)
    }

    /// Reads any value; its bytes, without blanks around it.
    ///
    /// # Errors
    ///
    /// A syntax error.
    pub fn raw(&mut self) -> Result<&'a [u8]> {
        self.scanner.value()?;
        let start = self.scanner.position();
        self.scanner.skip()?;
        Ok(self.scanner.since(start))
    }

    /// Passes over any value, however deep.
    ///
    /// # Errors
    ///
    /// A syntax error.
    pub fn skip(&mut self) -> Result<()> {
        self.scanner.skip()
    }

    /// How many bytes have been read. Where a value was not taken yet, this is its first byte.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.scanner.position()
    }

    /// Reads a value that belongs to the field `name` (as JSON spells it) of the Go struct
    /// `structure`, so that errors say so.
    ///
    /// # Errors
    ///
    /// What `read` returns.
    pub fn field<T>(
        &mut self,
        structure: &'static str,
        name: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let outer = mem::replace(&mut self.structure, structure);
        self.fields.push(name);
        let value = read(self);
        self.fields.pop();
        self.structure = outer;
        value
    }

    /// Notes that a value which should be a `go_type` is `value`, [`Kind::as_str`] or a number's
    /// digits. The first counts.
    pub fn mismatch(&mut self, value: &str, go_type: &str) {
        if self.mismatch.is_none() {
            self.mismatch = Some(self.mismatch_here(value, go_type));
        }
    }

    /// Notes that a type which decodes itself refuses its value. The first counts, and wins over
    /// every mismatch.
    pub fn refuse(&mut self, error: JsonError) {
        self.refusal.get_or_insert(error);
    }

    /// The text of a mismatch at this place.
    #[must_use]
    pub fn mismatch_here(&self, value: &str, go_type: &str) -> JsonError {
        let Self { structure, fields, .. } = self;
        let target = if fields.is_empty() {
            "value".to_owned()
        } else {
            format!("struct field {structure}.{}", fields.join("."))
        };
        JsonError::new(format!("json: cannot unmarshal {value} into Go {target} of type {go_type}"))
    }

    /// Passes over a value that should be of this kind, without decoding it.
    ///
    /// # Errors
    ///
    /// A syntax error.
    pub fn pass(&mut self, wanted: Kind, go_type: &str) -> Result<()> {
        if self.comes(wanted, go_type)? { self.skip() } else { Ok(()) }
    }

    /// Whether a value of this kind comes next. One of another kind is passed over, and noted unless
    /// it is null.
    fn comes(&mut self, wanted: Kind, go_type: &str) -> Result<bool> {
        let kind = self.kind()?;
        if kind == wanted {
            return Ok(true);
        }
        if kind != Kind::Null {
            self.mismatch(kind.as_str(), go_type);
        }
        self.skip()?;
        Ok(false)
    }

    fn value<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.scanner.value()?;
        let start = self.position();
        let value = read(self)?;
        if self.position() == start {
            self.skip()?;
        }
        Ok(value)
    }
}
