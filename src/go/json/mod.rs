//! Go's `encoding/json`, as a pull decoder: one pass over the bytes, no tree.
//!
//! moby's behaviour rests on what Go accepts, so this decoder refuses and forgives the same:
//!
//! * A syntax error anywhere wins over every other error, with Go's text. At most 10,000 levels of
//!   nesting.
//! * A value of the wrong type does not stop decoding; the first such error is reported at the end.
//! * An error of a type that decodes itself (in Go an `Unmarshaler`) wins over errors of types.
//! * Invalid UTF-8 and lone surrogates become U+FFFD. Text without escapes is borrowed.
//! * Struct fields match keys by case folding ([`Key::is`]), maps take keys as they stand
//!   ([`Key::text`]). Repeated keys come in their order: what a repetition means is the caller's.
//! * `null` is `None`, or `false` from [`Decoder::object`] and [`Decoder::array`]. In Go it clears
//!   pointers, maps and slices, and leaves everything else as it was; that, too, is the caller's.
//!
//! moby's `repositories.json`, a map of maps in a struct:
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use image_prune::go::json;
//!
//! let file = br#"{"Repositories":{"alpine":{"alpine:3":"sha256:00"}}}"#;
//! let mut references = BTreeMap::new();
//! json::decode(file, |decoder| {
//!     decoder.object("reference.store", |decoder, key| {
//!         if !key.is("Repositories") {
//!             return Ok(()); // an unknown key: its value is skipped
//!         }
//!         decoder.field("store", "Repositories", |decoder| {
//!             decoder.object("map[string]reference.repository", |decoder, _name| {
//!                 decoder.object("reference.repository", |decoder, familiar| {
//!                     let digest = decoder.string("digest.Digest")?.unwrap_or_default();
//!                     references.insert(familiar.text().into_owned(), digest.into_owned());
//!                     Ok(())
//!                 })?;
//!                 Ok(())
//!             })?;
//!             Ok(())
//!         })
//!     })
//! })?;
//! assert_eq!(references["alpine:3"], "sha256:00");
//!
//! let error = json::decode(b"{'a'", |decoder| decoder.skip()).unwrap_err();
//! assert_eq!(error.to_string(), r"invalid character '\'' looking for beginning of object key string");
//! # Ok::<(), json::JsonError>(())
//! ```

use std::fmt;

mod decoder;
mod scanner;
mod text;
mod write;

#[cfg(test)]
mod tests;

pub use decoder::{Decoder, Kind, decode};
pub use text::Key;
pub use write::{Html, write_string};

/// Go's refusal of a JSON text. `Display` is Go's wording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError(String);

impl JsonError {
    /// An error with this text.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for JsonError {}

/// What decoding steps return; the error is always one of syntax, and ends the decoding.
pub type Result<T, E = JsonError> = std::result::Result<T, E>;
