//! Digests and the identifiers made of them.
//!
//! An identifier is 32 bytes here; its text is made at the edge. Only `sha256:` and 64 lower-case
//! hexadecimal digits are read, as moby's stores hold nothing else.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::Visitor;
use sha2::{Digest as _, Sha256};

/// A SHA-256 digest.
///
/// ```
/// use image_prune::Digest;
///
/// let digest = Digest::of(b"");
/// assert_eq!(
///     digest.to_string(),
///     "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
/// );
/// assert_eq!(digest.to_string().parse(), Ok(digest));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

/// Text that is not a digest in its one accepted form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestError {
    expected: &'static str,
}

impl fmt::Display for DigestError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "not {}", self.expected)
    }
}

impl std::error::Error for DigestError {}

impl Digest {
    /// The digest with these 32 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest of `content`.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        Self(Sha256::digest(content).into())
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The bytes as four words, for hashing.
    pub(crate) fn words(self) -> [u64; 4] {
        let (words, _) = self.0.as_chunks::<8>();
        std::array::from_fn(|i| words.get(i).map_or(0, |bytes| u64::from_le_bytes(*bytes)))
    }

    /// The 64 hexadecimal digits, without `sha256:`.
    #[must_use]
    pub fn hex(&self) -> String {
        self.text().hex().to_owned()
    }

    /// The text, without an allocation.
    pub(crate) fn text(self) -> DigestText {
        let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or_default();
        let mut text = [0; DigestText::LENGTH];
        let (prefix, digits) = text.split_at_mut(PREFIX.len());
        prefix.copy_from_slice(PREFIX.as_bytes());
        for (pair, byte) in digits.as_chunks_mut().0.iter_mut().zip(self.0) {
            *pair = [digit(byte >> 4), digit(byte & 0xf)];
        }
        DigestText(text)
    }

    /// Whether the hexadecimal digits begin with `prefix`.
    pub(crate) fn has_prefix(self, prefix: &str) -> bool {
        let digit_at = |place: usize| {
            let byte = self.0.get(place / 2)?;
            Some(if place.is_multiple_of(2) { byte >> 4 } else { byte & 0xf })
        };
        prefix.bytes().enumerate().all(|(place, digit)| digit_at(place).is_some_and(|d| value(digit) == d))
    }

    /// Reads exactly 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn from_hex(hex: &str) -> Option<Self> {
        Self::from_hex_bytes(hex.as_bytes())
    }

    pub(crate) fn from_hex_bytes(hex: &[u8]) -> Option<Self> {
        let mut bytes = [0; 32];
        let (pairs, []) = hex.as_chunks::<2>() else { return None };
        if pairs.len() != bytes.len() {
            return None;
        }
        // Without a branch in the loop: digits are random, no processor foresees them.
        let mut seen = 0;
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            let (high, low) = (value(*high), value(*low));
            seen |= high | low;
            *byte = high << 4 | low & 0xf;
        }
        (seen != NO_DIGIT).then_some(Self(bytes))
    }
}

/// What the text of a digest begins with.
const PREFIX: &str = "sha256:";

/// The text of a digest, on the stack.
pub(crate) struct DigestText([u8; Self::LENGTH]);

impl DigestText {
    const LENGTH: usize = PREFIX.len() + 64;

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The digits alone.
    pub(crate) fn hex(&self) -> &str {
        self.as_str().get(PREFIX.len()..).unwrap_or_default()
    }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";
const NO_DIGIT: u8 = 0xff;

/// The values of the lower-case hexadecimal digits.
#[expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "evaluated by the compiler")]
static VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < DIGITS.len() {
        values[DIGITS[value] as usize] = value as u8;
        value += 1;
    }
    values
};

/// The value of a hexadecimal digit, or [`NO_DIGIT`].
fn value(digit: u8) -> u8 {
    VALUES.get(usize::from(digit)).copied().unwrap_or(NO_DIGIT)
}

impl Hash for Digest {
    // Without the length that a slice would write first. All bytes count: the digests of a state file
    // may have been chosen to collide.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.words().into_iter().for_each(|word| state.write_u64(word));
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.text().as_str())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        text.strip_prefix(PREFIX)
            .and_then(Self::from_hex)
            .ok_or(DigestError { expected: "`sha256:` and 64 lower-case hexadecimal digits" })
    }
}

/// JSON as the type's text.
macro_rules! written_as_text {
    ($name:ident) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(FromText(PhantomData))
            }
        }
    };
}

written_as_text!(Digest);

/// Makes an identifier of a [`Digest`]: copied, ordered by its bytes, written and read as `$text`.
macro_rules! identifier {
    ($(#[$meta:meta])* $name:ident, $display:path, $parse:path) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Digest);

        impl $name {
            /// The digest behind the identifier.
            #[must_use]
            pub const fn digest(&self) -> Digest {
                self.0
            }
        }

        impl From<$name> for Digest {
            fn from(identifier: $name) -> Self {
                identifier.0
            }
        }

        impl From<Digest> for $name {
            fn from(digest: Digest) -> Self {
                Self(digest)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                $display(&self.0, formatter)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, formatter)
            }
        }

        impl FromStr for $name {
            type Err = DigestError;

            fn from_str(text: &str) -> Result<Self, DigestError> {
                $parse(text).map(Self)
            }
        }

        written_as_text!($name);
    };
}

/// Reads an identifier from a text that need not live on.
struct FromText<T>(PhantomData<T>);

impl<T: FromStr<Err = DigestError>> Visitor<'_> for FromText<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(|error| E::custom(format_args!("`{text}` is {error}")))
    }
}

fn write_hex(digest: &Digest, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    formatter.pad(digest.text().hex())
}

fn bare(text: &str) -> Result<Digest, DigestError> {
    Digest::from_hex(text).ok_or(DigestError { expected: "64 lower-case hexadecimal digits" })
}

identifier!(
    /// Names one image: the digest of its config (I-1).
    ImageId, fmt::Display::fmt, Digest::from_str
);
identifier!(
    /// Names a layer and all below it (Y-1).
    ChainId, fmt::Display::fmt, Digest::from_str
);
identifier!(
    /// Names one layer's own tar, wherever it sits.
    DiffId, fmt::Display::fmt, Digest::from_str
);
identifier!(
    /// Names one container: 64 hexadecimal digits, without `sha256:`.
    ContainerId, write_hex, bare
);

impl ImageId {
    /// The ID of the image with this config (I-1).
    #[must_use]
    pub fn of(config: &[u8]) -> Self {
        Self(Digest::of(config))
    }

    /// The 64 hexadecimal digits, without `sha256:`.
    #[must_use]
    pub fn hex(&self) -> String {
        self.0.hex()
    }

    /// The first bytes, in whose order nearly all IDs are sorted.
    pub(crate) fn leading(self) -> u64 {
        let [first, ..] = self.0.words();
        first.swap_bytes()
    }
}

impl ChainId {
    /// The chain of `diff` on top of `parent` (Y-1).
    #[must_use]
    pub fn on(parent: Option<ChainId>, diff: DiffId) -> Self {
        match parent {
            None => Self(diff.0),
            Some(parent) => {
                let mut hasher = Sha256::new();
                hasher.update(parent.0.text().as_str());
                hasher.update(b" ");
                hasher.update(diff.0.text().as_str());
                Self(Digest(hasher.finalize().into()))
            }
        }
    }
}

/// What moby shows of an identifier in a message: at most 12 bytes behind the first `:`
/// (`stringid.TruncateID`).
#[must_use]
pub fn short(identifier: &str) -> &str {
    let tail = identifier.split_once(':').map_or(identifier, |(_, tail)| tail);
    tail.get(..12).unwrap_or(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_every_other_form() {
        let hex = Digest::of(b"x").hex();
        for text in [
            hex.clone(),
            format!("sha256:{}", hex.to_uppercase()),
            format!("sha512:{hex}"),
            format!("sha256:{hex}0"),
            format!("sha256:{}", &hex[..63]),
            format!("sha256:{}é", &hex[..62]),
            String::new(),
        ] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
        assert!(format!("sha256:{hex}").parse::<ContainerId>().is_err());
        assert!(hex.parse::<ContainerId>().is_ok());
    }

    #[test]
    fn chains_fold_over_text() {
        let (a, b) = (DiffId(Digest::of(b"a")), DiffId(Digest::of(b"b")));
        let base = ChainId::on(None, a);
        assert_eq!(base.digest(), a.digest());
        let text = format!("sha256:{} sha256:{}", a.digest().hex(), b.digest().hex());
        assert_eq!(ChainId::on(Some(base), b).digest(), Digest::of(text.as_bytes()));
    }

    #[test]
    fn short_is_twelve_bytes_behind_the_colon() {
        assert_eq!(short("sha256:0123456789abcdef"), "0123456789ab");
        assert_eq!(short("abc"), "abc");
        assert_eq!(short("a:b:c"), "b:c");
    }
}
