//! The most that a layer can take once it is unpacked, by its compressed size alone.
//!
//! Three steps, none of which is an estimate:
//!
//! 1. The tar has at most [`Compression::most`] bytes for each compressed byte.
//! 2. Each entry of the tar has a header of 512 bytes, so that there are at most `tar / 512` entries, and no more
//!    inodes.
//! 3. The files together have fewer bytes than the tar, and an entry takes at most one block beyond its bytes: a
//!    file the part of its last block that is empty, a directory one, a link none or one. What its name takes in a
//!    directory is less than its header has.
//!
//! For gzip and blocks of 4,096 bytes that is 1,032 × (1 + 4096 / 512) = 9,288 times the compressed size. It holds
//! for tars as image builders write them: compressed as the media type says, without sparse files (whose holes are
//! not in the tar), and with an entry for each directory.

use super::measure::{Compression, Range, Source, Unpacked, compression};

/// The size of a tar header, and of the units that a tar consists of.
const HEADER: u64 = 512;

impl Compression {
    /// The most bytes that one compressed byte can stand for.
    const fn most(self) -> u64 {
        match self {
            Self::None => 1,
            // DEFLATE copies at most 258 bytes at a time, and such a copy takes at least a bit for its length and
            // one for its distance: 258 × 8 / 2.
            Self::Gzip => 1_032,
            // A block has at most 128 KiB, and takes at least three bytes of header and one of content.
            Self::Zstd => 131_072 / 4,
        }
    }
}

/// The limits of a layer of `compressed` bytes, in blocks of `block` bytes. A compression that is not known here
/// has no upper limit.
pub(super) fn bound(media_type: &str, compressed: u64, block: u64) -> Unpacked {
    let most = compression(media_type).map(Compression::most);
    let tar = most.map_or(u64::MAX, |most| compressed.saturating_mul(most));
    let entries = tar / HEADER;
    let usage = tar.saturating_add(entries.saturating_mul(block.max(1)));
    // At least nothing: a tar may consist of headers alone.
    let up_to = |high| Range { low: 0, high };
    Unpacked { size: up_to(tar), usage: up_to(usage), inodes: Some(up_to(entries)), source: Source::Bound }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use std::io::{Read, Write};

    use super::super::measure::measure;
    use super::*;

    const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    const ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
    const PLAIN: &str = "application/vnd.oci.image.layer.v1.tar";

    fn gzip(tar: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(tar).unwrap();
        encoder.finish().unwrap()
    }

    fn tar_of(entries: impl Iterator<Item = (String, tar::EntryType, Vec<u8>)>) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, kind, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, path, content.as_slice()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn the_arithmetic_is_as_said() {
        let of = |kind, compressed| {
            let Unpacked { size, usage, inodes, .. } = bound(kind, compressed, 4096);
            (size.high, usage.high, inodes.unwrap().high)
        };
        assert_eq!(of(GZIP, 512), (512 * 1_032, 512 * 9_288, 1_032));
        assert_eq!(of(ZSTD, 512), (512 * 32_768, 512 * 32_768 * 9, 32_768));
        assert_eq!(of(PLAIN, 1024), (1024, 1024 + 2 * 4096, 2));
        for kind in ["", "application/octet-stream", "application/vnd.oci.image.layer.v1.tar+xz"] {
            assert_eq!(of(kind, 1), (u64::MAX, u64::MAX, u64::MAX / 512), "{kind}: no limit is known");
        }
        assert_eq!(of(GZIP, u64::MAX).1, u64::MAX, "nothing wraps");
    }

    /// The most extreme content of each kind stays below the bound.
    #[test]
    fn no_layer_takes_more() {
        let file = tar::EntryType::Regular;
        let small = (0..2000).map(|n| (format!("usr/share/zoneinfo/z{n}"), file, vec![7; 20]));
        let empty = (0..2000).map(|n| (format!("{n}"), file, Vec::new()));
        let folders = (0..2000).map(|n| (format!("{n}/"), tar::EntryType::Directory, Vec::new()));
        let zeros = std::iter::once(("zeros".to_owned(), file, vec![0; 32 << 20]));
        for (name, tar) in [
            ("small files", tar_of(small)),
            ("empty files", tar_of(empty)),
            ("folders", tar_of(folders)),
            ("zeros", tar_of(zeros)),
        ] {
            let zip = gzip(&tar);
            for (kind, layer) in [(GZIP, &zip), (PLAIN, &tar)] {
                for block in [512, 4096, 65_536] {
                    let counted = measure(kind, layer.as_slice(), block).unwrap();
                    let most = bound(kind, layer.len() as u64, block);
                    let what = format!("{name} {kind} {block}: {counted:?} {most:?}");
                    assert!(counted.size.high <= most.size.high, "{what}");
                    assert!(counted.usage.high <= most.usage.high, "{what}");
                    assert!(counted.inodes.unwrap().high <= most.inodes.unwrap().high, "{what}");
                }
            }
        }
    }

    /// How near the densest input comes: the factor is no larger than it has to be.
    #[test]
    fn gzip_comes_near_its_bound_and_not_beyond() {
        let length = 64 << 20;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::copy(&mut std::io::repeat(0).take(length), &mut encoder).unwrap();
        let compressed = encoder.finish().unwrap().len() as u64;
        assert!(length <= compressed * 1_032, "{compressed}");
        assert!(length >= compressed * 1_000, "{compressed}");
    }
}
