//! Manifests, indexes and configs, packed: most of their bytes are digests, which the store knows, and words that all of
//! them have.

use crate::base::digest::Digest;

/// The text of a digest begins with this; 64 lower-case digits follow.
const PREFIX: &[u8] = b"sha256:";
const TEXT: usize = PREFIX.len() + 64;

// No UTF-8 text has these bytes. In other content each stands behind `LITERAL`.
/// Stands for a digest, whose 32 bytes follow.
const DIGEST: u8 = 0xff;
/// Stands for the byte that follows.
const LITERAL: u8 = 0xfe;
/// Stands for the digest of a blob or a snapshot that the document is known to name; its number follows.
const NAMED: u8 = 0xfd;
/// Stands for the phrase whose number follows.
const PHRASE: u8 = 0xfc;

/// The words of the tools that write most images; of two that fit, the first counts.
const PHRASES: [&str; 36] = [
    r#"{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":""#,
    r#"{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","digest":""#,
    r#"{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":""#,
    r#"{"mediaType":"application/vnd.oci.image.config.v1+json","digest":""#,
    r#"{"mediaType":"application/vnd.in-toto+json","digest":""#,
    r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":"#,
    r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":["#,
    r#""annotations":{"vnd.docker.reference.digest":""#,
    r#""vnd.docker.reference.type":"attestation-manifest"}"#,
    r#""platform":{"architecture":"unknown","os":"unknown"}"#,
    r#""platform":{"architecture":"amd64","os":"linux"}"#,
    r#""platform":{"architecture":"arm64","os":"linux""#,
    r#""rootfs":{"type":"layers","diff_ids":["#,
    r#""PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin""#,
    r#""application/vnd.docker.distribution.manifest.v2+json""#,
    r#""application/vnd.docker.distribution.manifest.list.v2+json""#,
    r#""application/vnd.docker.image.rootfs.diff.tar.gzip""#,
    r#""application/vnd.docker.container.image.v1+json""#,
    r#""application/vnd.oci.image.layer.v1.tar+gzip""#,
    r#""application/vnd.oci.image.manifest.v1+json""#,
    r#""application/vnd.oci.image.config.v1+json""#,
    r#""architecture":"amd64","config":{"#,
    r#""architecture":""#,
    r#""schemaVersion": 2"#,
    r#""mediaType": "#,
    r#""digest": ""#,
    r#""empty_layer":true"#,
    r#""created_by":""#,
    r#""created":""#,
    r#""os":"linux""#,
    r#""Labels":{"#,
    r#""layers":["#,
    r#"","size":"#,
    r#""Env":["#,
    r#""Cmd":["#,
    r#""size": "#,
];

/// Bytes from which the original comes back to the letter, with the same digests in `named`.
pub(super) fn pack(plain: &[u8], named: &[Digest]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(plain.len() / 3);
    let mut rest = plain;
    while let Some((first, behind)) = rest.split_first() {
        if *first == b's'
            && let Some((digest, behind)) = digest(rest)
        {
            let number = named.iter().position(|known| *known == digest);
            if let Some(number) = number.and_then(|number| u8::try_from(number).ok()) {
                packed.extend([NAMED, number]);
            } else {
                packed.push(DIGEST);
                packed.extend_from_slice(digest.as_bytes());
            }
            rest = behind;
            continue;
        }
        if matches!(first, b'"' | b'{')
            && let Some((number, phrase)) =
                (0..).zip(PHRASES).find(|(_, phrase)| rest.starts_with(phrase.as_bytes()))
        {
            packed.extend([PHRASE, number]);
            rest = rest.get(phrase.len()..).unwrap_or_default();
            continue;
        }
        if *first >= PHRASE {
            packed.push(LITERAL);
        }
        packed.push(*first);
        rest = behind;
    }
    packed
}

/// The original.
pub(super) fn unpack(packed: &[u8], named: &[Digest]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(packed.len() * 4);
    let mut rest = packed;
    while let Some(place) = rest.iter().position(|byte| *byte >= PHRASE) {
        let (before, behind) = rest.split_at(place);
        plain.extend_from_slice(before);
        let put =
            |digest: Digest, plain: &mut Vec<u8>| plain.extend_from_slice(digest.text().as_str().as_bytes());
        rest = match behind {
            [DIGEST, behind @ ..] => {
                let Some((digest, behind)) = behind.split_first_chunk() else { break };
                put(Digest::from_bytes(*digest), &mut plain);
                behind
            }
            [NAMED, number, behind @ ..] => {
                if let Some(digest) = named.get(usize::from(*number)) {
                    put(*digest, &mut plain);
                }
                behind
            }
            [PHRASE, number, behind @ ..] => {
                let phrase = PHRASES.get(usize::from(*number)).copied().unwrap_or_default();
                plain.extend_from_slice(phrase.as_bytes());
                behind
            }
            [_, byte, behind @ ..] => {
                plain.push(*byte);
                behind
            }
            _ => break,
        };
    }
    plain.extend_from_slice(rest);
    plain
}

/// The digest that a text begins with, and what is behind it.
fn digest(text: &[u8]) -> Option<(Digest, &[u8])> {
    if !text.starts_with(PREFIX) {
        return None;
    }
    let (digest, behind) = text.split_at_checked(TEXT)?;
    Some((Digest::from_hex_bytes(digest.get(PREFIX.len()..)?)?, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_comes_back_to_the_letter() {
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        let named = [one];
        let all = PHRASES.concat();
        let nested = format!(r#"{{"digest":"{one}","x":"{two}","y":"sha256:{}"#, &two.hex()[..63]);
        for text in [
            &b""[..],
            b"{}",
            b"sha256:",
            b"\xff\xfe\xfd\xfc\xfb\xf5 \x00",
            b"\"mediaType\": \"",
            all.as_bytes(),
            nested.as_bytes(),
            "é漢\"Env\":[".as_bytes(),
        ] {
            assert_eq!(unpack(&pack(text, &named), &named), text);
        }
        assert_eq!(pack(one.to_string().as_bytes(), &named).len(), 2);
        assert_eq!(pack(two.to_string().as_bytes(), &named).len(), 33);
    }
}
