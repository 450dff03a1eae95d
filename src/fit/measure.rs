//! How much a layer takes once it is unpacked.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, BufReader, Read};

use flate2::read::MultiGzDecoder;
use serde::Serialize;

use crate::base::archive::{Budget, each_entry};

/// Blocks of this size are what most file systems have, and what layer indexes count in.
pub const USUAL_BLOCK: u64 = 4096;

/// The most bytes of a tar that are counted; reading more takes minutes.
const TAR_SIZE: u64 = 64 << 30;
/// The most directories that are told apart while a layer is counted, in 32 MB of memory.
const DIRECTORIES: usize = 1_000_000;
/// What each directory has in its block beside its names: itself, the one above, and a checksum.
const OWN_ENTRIES: u64 = 12 + 12 + 12;
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
    /// These limits in blocks of this size, which are larger than those that were counted in.
    pub(super) fn in_blocks(self, block: u64) -> Self {
        let last_blocks = self.inodes.map_or(u64::MAX, |inodes| inodes.high.saturating_mul(block));
        let usage = Range { low: self.usage.low, high: self.usage.high.saturating_add(last_blocks) };
        Self { usage, ..self }
    }

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

/// Counts what is in a tar. A directory takes a block, also one that only the name of a file in it tells of, and more
/// where its names need it; a link takes none, unless its target is long. A hard link takes no inode.
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
    let [size, inodes] = [size, inodes].map(Range::exactly);
    let usage = Range { low: usage, high: usage.saturating_add(directories.more_blocks(block)) };
    Ok(Unpacked { size, usage, inodes: Some(inodes), source: Source::Exact })
}

/// The directories of a layer, each counted once, with the bytes of the names in it. Hashes instead of names: what a layer
/// names may be large.
#[derive(Default)]
struct Directories {
    seen: HashMap<u64, u64>,
    hasher: RandomState,
}

impl Directories {
    /// Adds those that a path goes through, and itself if it `is_directory`; returns how many are new.
    fn add(&mut self, path: &[u8], is_directory: bool) -> io::Result<u64> {
        let parent = path.iter().rposition(|byte| *byte == b'/').and_then(|end| path.get(..end));
        let directory = if is_directory { path } else { parent.unwrap_or_default() };
        // One hash that goes on from part to part: linear in the path.
        let mut hash = self.hasher.build_hasher();
        let (mut new, mut above) = (0, hash.finish());
        for part in directory.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".") {
            hash.write(part);
            hash.write_u8(b'/');
            let own = hash.finish();
            if let Entry::Vacant(vacant) = self.seen.entry(own) {
                vacant.insert(0);
                new += 1;
                self.add_name(above, part);
            }
            above = own;
        }
        if !is_directory {
            let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            self.add_name(above, name);
        }
        if self.seen.len() > DIRECTORIES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "more directories than are counted"));
        }
        Ok(new)
    }

    /// Adds a name to a directory, in the form of ext4: eight bytes and the name, in units of four.
    fn add_name(&mut self, directory: u64, name: &[u8]) {
        let length = u64::try_from(name.len()).unwrap_or(u64::MAX).saturating_add(8 + 3) / 4 * 4;
        // The root of the layer has no name.
        let bytes = self.seen.entry(directory).or_default();
        *bytes = bytes.saturating_add(length);
    }

    /// The most that names take beyond a block for each directory, in bytes. Blocks that were split are half full, and one
    /// more has their index.
    fn more_blocks(&self, block: u64) -> u64 {
        let large = self.seen.values().filter(|bytes| bytes.saturating_add(OWN_ENTRIES) > block);
        let more = large.map(|bytes| bytes.saturating_mul(2).checked_next_multiple_of(block));
        more.fold(0, |sum: u64, more| sum.saturating_add(more.unwrap_or(u64::MAX)))
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

    /// Half full blocks of 20,000 names in one directory, which alone has them.
    #[test]
    fn a_directory_of_many_names_takes_blocks_for_them() {
        let mut builder = tar::Builder::new(Vec::new());
        for number in 0..20_000 {
            let mut header = tar::Header::new_gnu();
            header.set_size(0);
            header.set_mode(0o644);
            builder.append_data(&mut header, format!("many/{number:0>200}"), [].as_slice()).unwrap();
        }
        let tar = builder.into_inner().unwrap();
        let counted = measure("application/vnd.oci.image.layer.v1.tar", tar.as_slice(), 4096).unwrap();
        let names = 20_000 * 208;
        assert_eq!((counted.size.high, counted.inodes), (0, Some(Range::exactly(20_001))));
        assert_eq!(counted.usage.low, 4096);
        assert!(counted.usage.high >= 2 * names && counted.usage.high < 2 * names + 3 * 4096, "{counted:?}");
    }

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
