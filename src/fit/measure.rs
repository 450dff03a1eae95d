//! How much a layer takes once it is unpacked.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, BufReader, Read};

use flate2::read::MultiGzDecoder;
use serde::Serialize;

use crate::base::archive::{Budget, each_entry};

/// Blocks of this size are what most file systems have, and what layer indexes count in.
pub const USUAL_BLOCK: u64 = 4096;

/// The most bytes of a tar that are counted; reading more takes minutes.
const TAR_SIZE: u64 = 64 << 30;
/// The most directories that are told apart while a layer is counted, in 16 MB of memory.
const DIRECTORIES: usize = 1_000_000;
/// The longest target of a symbolic link that ext4 keeps in the inode; a longer one takes a block.
const SHORT_LINK: usize = 59;

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

/// How a size is known, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The layer was unpacked and counted.
    #[default]
    Exact,
    /// Somebody wrote it down.
    Metadata,
    /// The user said how many times its compressed size a layer takes at most.
    Ratio,
    /// Unknown: the limits are those of the compression.
    Bound,
}

/// The unpacked size of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unpacked {
    /// The bytes of its files.
    pub size: Range,
    /// The bytes that they take in blocks.
    pub usage: Range,
    /// The inodes that they take; `None` where nobody says.
    pub inodes: Option<Range>,
    /// How that is known.
    pub source: Source,
}

impl Unpacked {
    /// These limits, for a layer whose files are known to have `size` bytes.
    pub(super) fn with_size(self, size: u64, block: u64) -> Self {
        let last_blocks = self.inodes.map_or(u64::MAX, |inodes| inodes.high.saturating_mul(block));
        let high = self.usage.high.min(size.saturating_add(last_blocks));
        let usage = Range { low: self.usage.low.max(size), high: high.max(size) };
        Self { size: Range::exactly(size), usage, ..self }
    }
}

/// Unpacks a layer into nothing and counts: the bytes of its files, what they take in blocks, and inodes. `None`
/// for a compression that is not known here, for a layer that is damaged, and for one that cannot be counted in a
/// reasonable time: its tar is larger than 64 GiB, or it has more than a million directories.
#[must_use]
pub fn measure(media_type: &str, layer: impl Read, block: u64) -> Option<Unpacked> {
    let layer = BufReader::new(layer);
    let budget = Budget::new(TAR_SIZE, 0);
    let counted = match compression(media_type)? {
        Compression::None => count(budget.unpacked(layer), block),
        Compression::Gzip => count(budget.unpacked(MultiGzDecoder::new(layer)), block),
        Compression::Zstd => return None,
    };
    counted.ok()
}

/// A compression of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstd,
}

/// The compression that a media type names; `None` for one that is not known here.
pub(super) fn compression(media_type: &str) -> Option<Compression> {
    if !media_type.contains("tar") {
        return None;
    }
    match media_type.rsplit(['.', '+']).next()? {
        "gzip" => Some(Compression::Gzip),
        "zstd" => Some(Compression::Zstd),
        "tar" => Some(Compression::None),
        _ => None,
    }
}

/// Counts what is in a tar. A directory takes a block, also one that only the name of a file in it tells of; a
/// link takes none, unless its target is long. A hard link takes no inode.
fn count(tar: impl Read, block: u64) -> io::Result<Unpacked> {
    let block = block.max(1);
    let (mut size, mut usage, mut inodes) = (0_u64, 0_u64, 0_u64);
    let mut directories = Directories::default();
    each_entry(tar, |entry| {
        let kind = entry.header().entry_type();
        if kind.is_pax_global_extensions() {
            return Ok(());
        }
        let implied = directories.add(&entry.path_bytes(), kind.is_dir())?;
        let is_file = kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse();
        let bytes = if is_file { entry.size() } else { 0 };
        let is_long =
            kind.is_symlink() && entry.link_name_bytes().is_some_and(|target| target.len() > SHORT_LINK);
        let blocks = if is_long { block } else { bytes.checked_next_multiple_of(block).unwrap_or(u64::MAX) };
        size = size.saturating_add(bytes);
        usage = usage.saturating_add(blocks).saturating_add(implied.saturating_mul(block));
        let own = u64::from(!kind.is_hard_link() && !kind.is_dir());
        inodes = inodes.saturating_add(own).saturating_add(implied);
        Ok::<(), io::Error>(())
    })?;
    let [size, usage, inodes] = [size, usage, inodes].map(Range::exactly);
    Ok(Unpacked { size, usage, inodes: Some(inodes), source: Source::Exact })
}

/// The directories of a layer, each counted once. Hashes instead of names: what a layer names may be large.
#[derive(Default)]
struct Directories {
    seen: HashSet<u64>,
    hasher: RandomState,
}

impl Directories {
    /// Adds those that a path goes through, and itself if it `is_directory`; returns how many are new.
    fn add(&mut self, path: &[u8], is_directory: bool) -> io::Result<u64> {
        let parent = path.iter().rposition(|byte| *byte == b'/').and_then(|end| path.get(..end));
        let directory = if is_directory { path } else { parent.unwrap_or_default() };
        // One hash that goes on from part to part: linear in the path.
        let mut hash = self.hasher.build_hasher();
        let mut new = 0;
        for part in directory.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".") {
            hash.write(part);
            hash.write_u8(b'/');
            new += u64::from(self.seen.insert(hash.finish()));
        }
        if self.seen.len() > DIRECTORIES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "more directories than are counted"));
        }
        Ok(new)
    }
}

/// What is known of a layer if it takes at most `ratio` times its compressed size.
pub(super) fn assumed(compressed: u64, ratio: u32) -> Unpacked {
    let size = Range { low: 0, high: compressed.saturating_mul(ratio.max(1).into()) };
    Unpacked { size, usage: size, inodes: None, source: Source::Ratio }
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
    fn directories_that_only_names_tell_of_are_counted_once() {
        let mut builder = tar::Builder::new(Vec::new());
        let mut add = |path: &str, kind: tar::EntryType, target: &str| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(0);
            header.set_mode(0o644);
            if target.is_empty() {
                builder.append_data(&mut header, path, &[][..]).unwrap();
            } else {
                builder.append_link(&mut header, path, target).unwrap();
            }
        };
        add("a/b/c", tar::EntryType::Regular, "");
        add("a/b/d", tar::EntryType::Regular, "");
        add("./a/", tar::EntryType::Directory, "");
        add(&"x/".repeat(1000), tar::EntryType::Directory, "");
        add("a/hard", tar::EntryType::Link, "a/b/c");
        add("short", tar::EntryType::Symlink, &"s".repeat(SHORT_LINK));
        add("long", tar::EntryType::Symlink, &"s".repeat(SHORT_LINK + 1));
        let tar = builder.into_inner().unwrap();
        let found = measure("x.tar", tar.as_slice(), 4096).unwrap();
        assert_eq!(found.usage, Range::exactly(4096 * (2 + 1000 + 1)));
        assert_eq!(found.inodes, Some(Range::exactly(2 + 2 + 1000 + 2)));
    }

    #[test]
    fn a_known_size_narrows_the_limits() {
        let limits = Unpacked {
            size: Range { low: 0, high: 1000 },
            usage: Range { low: 0, high: 100_000 },
            inodes: Some(Range { low: 0, high: 2 }),
            source: Source::Bound,
        };
        let narrowed = limits.with_size(500, 4096);
        assert_eq!((narrowed.size, narrowed.usage), (Range::exactly(500), Range { low: 500, high: 8692 }));
        assert_eq!(limits.with_size(200_000, 4096).usage, Range::exactly(200_000), "a compression that lies");
        let stated = Unpacked { inodes: None, ..limits };
        assert_eq!(stated.with_size(500, 4096).usage, Range { low: 500, high: 100_000 });
    }
}
