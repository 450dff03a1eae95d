//! How much a layer takes once it is unpacked.

use std::io::{self, BufReader, Read};

use flate2::read::MultiGzDecoder;
use serde::Serialize;

/// Blocks of this size are what most file systems have, and what layer indexes count in.
pub const USUAL_BLOCK: u64 = 4096;

/// Bytes, at least and at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Range {
    /// At least.
    pub low: u64,
    /// At most.
    pub high: u64,
}

impl Range {
    /// So much and not more.
    #[must_use]
    pub const fn exactly(bytes: u64) -> Self {
        Self { low: bytes, high: bytes }
    }

    /// Both ends.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self { low: self.low.saturating_add(other.low), high: self.high.saturating_add(other.high) }
    }
}

/// How a size is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The layer was unpacked and counted, or the store knows it.
    #[default]
    Exact,
    /// Somebody wrote it down.
    Metadata,
    /// Guessed from the compressed size.
    Ratio,
}

/// The unpacked size of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unpacked {
    /// The bytes of its files.
    pub size: Range,
    /// The bytes that they take in blocks.
    pub usage: Range,
    /// How that is known.
    pub source: Source,
}

/// Unpacks a layer into nothing and counts: the bytes of its files, and what they take in blocks. None for a
/// compression that is not known here, or where it is damaged.
#[must_use]
pub fn measure(media_type: &str, layer: impl Read, block: u64) -> Option<Unpacked> {
    let layer = BufReader::new(layer);
    let (size, usage) = match compression(media_type)? {
        Compression::None => count(layer, block),
        Compression::Gzip => count(MultiGzDecoder::new(layer), block),
    }
    .ok()?;
    let [size, usage] = [size, usage].map(Range::exactly);
    Some(Unpacked { size, usage, source: Source::Exact })
}

enum Compression {
    None,
    Gzip,
}

fn compression(media_type: &str) -> Option<Compression> {
    let is_tar = media_type.contains("tar");
    match media_type.rsplit(['.', '+']).next()? {
        "gzip" => Some(Compression::Gzip),
        "tar" => Some(Compression::None),
        _ if is_tar && media_type.ends_with("tar.gzip") => Some(Compression::Gzip),
        _ => None,
    }
}

/// Bytes and blocks of what is in a tar. Links take none, a folder one block.
fn count(tar: impl Read, block: u64) -> io::Result<(u64, u64)> {
    let block = block.max(1);
    let mut archive = tar::Archive::new(tar);
    let (mut size, mut usage) = (0_u64, 0_u64);
    for entry in archive.entries()? {
        let entry = entry?;
        let kind = entry.header().entry_type();
        let bytes =
            if kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse() { entry.size() } else { 0 };
        let blocks =
            if kind.is_dir() { block } else { bytes.checked_next_multiple_of(block).unwrap_or(u64::MAX) };
        size = size.saturating_add(bytes);
        usage = usage.saturating_add(blocks);
    }
    Ok((size, usage))
}

/// What is known of a layer by its compressed size alone.
pub(super) fn guess(media_type: &str, compressed: u64, ratio: u32) -> Unpacked {
    if matches!(compression(media_type), Some(Compression::None)) {
        let size = Range::exactly(compressed);
        return Unpacked { size, usage: size, source: Source::Exact };
    }
    let size = Range { low: compressed, high: compressed.saturating_mul(ratio.max(1).into()) };
    Unpacked { size, usage: size, source: Source::Ratio }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use std::io::Write;

    use super::*;

    fn tar() -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, kind, size) in [
            ("a", tar::EntryType::Regular, 1_usize),
            ("b", tar::EntryType::Regular, 4097),
            ("c", tar::EntryType::Directory, 0),
            ("d", tar::EntryType::Symlink, 0),
        ] {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(size as u64);
            header.set_mode(0o644);
            if kind == tar::EntryType::Symlink {
                header.set_link_name("a").unwrap();
            }
            builder.append_data(&mut header, path, vec![7; size].as_slice()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn counts_what_is_in_a_layer() {
        let tar = tar();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&tar).unwrap();
        let gzip = gzip.finish().unwrap();
        let expected = (Range::exactly(4098), Range::exactly(4096 + 8192 + 4096));
        for (kind, layer) in [
            ("application/vnd.oci.image.layer.v1.tar+gzip", gzip.as_slice()),
            ("application/vnd.docker.image.rootfs.diff.tar.gzip", &gzip),
            ("application/vnd.oci.image.layer.v1.tar", &tar),
        ] {
            let found = measure(kind, layer, 4096).unwrap();
            assert_eq!((found.size, found.usage), expected, "{kind}");
        }
        assert_eq!(measure("application/vnd.oci.image.layer.v1.tar+zstd", gzip.as_slice(), 4096), None);
        assert_eq!(measure("x.tar+gzip", gzip.get(..gzip.len() / 2).unwrap(), 4096), None, "cut off");
        assert_eq!(measure("x.tar+gzip", &b"garbage"[..], 4096), None);
    }

    #[test]
    fn guesses_are_ranges() {
        assert_eq!(guess("x.tar+gzip", 10, 5).size, Range { low: 10, high: 50 });
        assert_eq!(guess("", u64::MAX, 5).size, Range { low: u64::MAX, high: u64::MAX });
        assert_eq!(guess("x.tar", 10, 5).size, Range::exactly(10));
    }
}
