//! A raw config, packed: most of it is digests, each 71 characters for 32 bytes.

use crate::digest::Digest;

/// The text of a digest begins with this; 64 lower-case digits follow.
const PREFIX: &[u8] = b"sha256:";
const TEXT: usize = PREFIX.len() + 64;

/// Stands for a digest, whose 32 bytes follow. No UTF-8 text has this byte.
const DIGEST: u8 = 0xff;

/// Bytes from which the original comes back to the letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Packed {
    /// As they are, since they contain the byte that stands for a digest.
    Plain(Box<[u8]>),
    Digests(Box<[u8]>),
}

impl Default for Packed {
    fn default() -> Self {
        Self::Plain(Box::default())
    }
}

impl Packed {
    pub(super) fn new(plain: &[u8]) -> Self {
        if plain.contains(&DIGEST) {
            return Self::Plain(plain.into());
        }
        let mut packed = Vec::with_capacity(plain.len());
        let mut rest = plain;
        while let Some((before, digest, behind)) = next_digest(rest) {
            packed.extend_from_slice(before);
            packed.push(DIGEST);
            packed.extend_from_slice(digest.as_bytes());
            rest = behind;
        }
        packed.extend_from_slice(rest);
        Self::Digests(packed.into())
    }

    /// Reads the first byte.
    pub(super) fn fetch(&self) -> u8 {
        let (Self::Plain(bytes) | Self::Digests(bytes)) = self;
        bytes.first().copied().unwrap_or(0)
    }

    pub(super) fn unpack(&self) -> Vec<u8> {
        let packed = match self {
            Self::Plain(plain) => return plain.to_vec(),
            Self::Digests(packed) => packed,
        };
        let mut plain = Vec::with_capacity(packed.len() * 2);
        let mut rest = &**packed;
        while let Some(place) = rest.iter().position(|byte| *byte == DIGEST) {
            let (before, behind) = rest.split_at(place);
            plain.extend_from_slice(before);
            let Some((bytes, behind)) = behind.get(1..).and_then(|behind| behind.split_first_chunk::<32>())
            else {
                break;
            };
            plain.extend_from_slice(PREFIX);
            plain.extend_from_slice(Digest::from_bytes(*bytes).hex().as_bytes());
            rest = behind;
        }
        plain.extend_from_slice(rest);
        plain
    }
}

/// What is before the first digest, the digest, and what is behind it.
fn next_digest(text: &[u8]) -> Option<(&[u8], Digest, &[u8])> {
    let mut from = 0;
    loop {
        let colon = from + text.get(from..)?.iter().position(|byte| *byte == b':')?;
        from = colon + 1;
        let Some(start) = from.checked_sub(PREFIX.len()) else { continue };
        let Some((candidate, behind)) = text.get(start..).and_then(|text| text.split_at_checked(TEXT)) else {
            continue;
        };
        let hex = candidate.strip_prefix(PREFIX).and_then(|hex| std::str::from_utf8(hex).ok());
        if let Some(digest) = hex.and_then(Digest::from_hex) {
            return Some((text.get(..start)?, digest, behind));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_to_the_letter() {
        let digest = Digest::of(b"x").to_string();
        let texts = [
            String::new(),
            ":".to_owned(),
            digest.clone(),
            format!("{digest}{digest}"),
            format!("a{digest}b sha256:{digest} sha256:"),
            digest.to_uppercase(),
            format!("{}g", &digest[..70]),
            digest[..70].to_owned(),
        ];
        for text in texts {
            assert_eq!(Packed::new(text.as_bytes()).unpack(), text.as_bytes(), "{text}");
        }
        let odd = [digest.as_bytes(), &[DIGEST], digest.as_bytes()].concat();
        assert_eq!(Packed::new(&odd).unpack(), odd);
    }

    #[test]
    fn takes_less_than_half_for_a_digest() {
        let digest = Digest::of(b"x").to_string();
        let packed = Packed::new(digest.as_bytes());
        assert!(matches!(packed, Packed::Digests(packed) if packed.len() == 33));
    }
}
