//! Digests and the identifiers made of them.
//!
//! An identifier is 32 bytes here; its text is made at the edge. Only `sha256:` and 64 lower-case
//! hexadecimal digits are read, as moby's stores hold nothing else.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

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
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or_default();
        let digits = self.0.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]);
        digits.map(char::from).collect()
    }

    /// Whether the hexadecimal digits begin with `prefix`.
    pub(crate) fn has_prefix(self, prefix: &str) -> bool {
        let digit_at = |place: usize| {
            let byte = self.0.get(place / 2)?;
            Some(if place.is_multiple_of(2) { byte >> 4 } else { byte & 0xf })
        };
        prefix
            .bytes()
            .enumerate()
            .all(|(place, digit)| digit_at(place).is_some_and(|d| nibble(digit) == Some(d)))
    }

    /// Reads exactly 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn from_hex(hex: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let (pairs, []) = hex.as_bytes().as_chunks::<2>() else { return None };
        if pairs.len() != bytes.len() {
            return None;
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = nibble(*high)? << 4 | nibble(*low)?;
        }
        Some(Self(bytes))
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
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
        formatter.pad(&format!("sha256:{}", self.hex()))
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
        text.strip_prefix("sha256:")
            .and_then(Self::from_hex)
            .ok_or(DigestError { expected: "`sha256:` and 64 lower-case hexadecimal digits" })
    }
}

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
                formatter.pad(&$display(&self.0))
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

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(|error: DigestError| {
                    serde::de::Error::custom(format_args!("`{text}` is {error}"))
                })
            }
        }
    };
}

fn bare(text: &str) -> Result<Digest, DigestError> {
    Digest::from_hex(text).ok_or(DigestError { expected: "64 lower-case hexadecimal digits" })
}

identifier!(
    /// Names one image: the digest of its config (SPEC.md I-1).
    ImageId, Digest::to_string, Digest::from_str
);
identifier!(
    /// Names a layer and all below it (SPEC.md Y-1).
    ChainId, Digest::to_string, Digest::from_str
);
identifier!(
    /// Names one layer's own tar, wherever it sits.
    DiffId, Digest::to_string, Digest::from_str
);
identifier!(
    /// Names one container: 64 hexadecimal digits, without `sha256:`.
    ContainerId, Digest::hex, bare
);

impl ImageId {
    /// The ID of the image with this config (SPEC.md I-1).
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
    /// The chain of `diff` on top of `parent` (SPEC.md Y-1).
    #[must_use]
    pub fn on(parent: Option<ChainId>, diff: DiffId) -> Self {
        match parent {
            None => Self(diff.0),
            Some(parent) => Self(Digest::of(format!("{parent} {diff}").as_bytes())),
        }
    }
}

/// What moby shows of an identifier in a message: at most 12 bytes behind the first `:`
/// (`stringid.TruncateID`, SPEC.md section 0).
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
