//! A raw config, packed: most of it is digests, each 71 characters for 32 bytes.

use memchr::memchr;

use crate::base::digest::Digest;

/// The text of a digest begins with this; 64 lower-case digits follow.
const PREFIX: &[u8] = b"sha256:";
const TEXT: usize = PREFIX.len() + 64;

/// Stands for a digest, whose 32 bytes follow. No UTF-8 text has this byte.
const DIGEST: u8 = 0xff;
/// Stands for the byte that follows, which is one of these two. No UTF-8 text has this byte either.
const LITERAL: u8 = 0xfe;

/// Bytes from which the original comes back to the letter.
pub(super) fn pack(plain: &[u8]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(plain.len());
    let mut rest = plain;
    while let Some((before, digest, behind)) = next_digest(rest) {
        put(&mut packed, before);
        packed.push(DIGEST);
        packed.extend_from_slice(digest.as_bytes());
        rest = behind;
    }
    put(&mut packed, rest);
    packed
}

/// The original.
pub(super) fn unpack(packed: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(packed.len() * 2);
    let mut rest = packed;
    while let Some(place) = rest.iter().position(|byte| *byte >= LITERAL) {
        let (before, behind) = rest.split_at(place);
        plain.extend_from_slice(before);
        rest = match behind {
            [LITERAL, byte, behind @ ..] => {
                plain.push(*byte);
                behind
            }
            [_, behind @ ..] => {
                let Some((digest, behind)) = behind.split_first_chunk() else { break };
                plain.extend_from_slice(Digest::from_bytes(*digest).text().as_str().as_bytes());
                behind
            }
            [] => break,
        };
    }
    plain.extend_from_slice(rest);
    plain
}

fn put(packed: &mut Vec<u8>, text: &[u8]) {
    // Not `all`: without a way out in the middle this takes many bytes at once.
    if text.iter().fold(0, |highest, byte| highest.max(*byte)) < LITERAL {
        return packed.extend_from_slice(text);
    }
    for byte in text {
        if *byte >= LITERAL {
            packed.push(LITERAL);
        }
        packed.push(*byte);
    }
}

/// What is before the first digest, the digest, and what is behind it.
fn next_digest(text: &[u8]) -> Option<(&[u8], Digest, &[u8])> {
    let mut from = 0;
    loop {
        let colon = from + memchr(b':', text.get(from..)?)?;
        from = colon + 1;
        let Some(start) = from.checked_sub(PREFIX.len()) else { continue };
        let Some((candidate, behind)) = text.get(start..).and_then(|text| text.split_at_checked(TEXT)) else {
            continue;
        };
        if let Some(digest) = candidate.strip_prefix(PREFIX).and_then(Digest::from_hex_bytes) {
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
            assert_eq!(unpack(&pack(text.as_bytes())), text.as_bytes(), "{text}");
        }
        for odd in [&[DIGEST][..], &[LITERAL], &[LITERAL, DIGEST], &[0xfd, DIGEST, LITERAL, LITERAL]] {
            let odd = [digest.as_bytes(), odd, digest.as_bytes(), odd].concat();
            assert_eq!(unpack(&pack(&odd)), odd);
        }
    }

    #[test]
    fn takes_less_than_half_for_a_digest() {
        let digest = Digest::of(b"x").to_string();
        assert_eq!(pack(digest.as_bytes()).len(), 33);
    }
}
