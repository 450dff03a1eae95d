//! A tar in memory, files found by their path: what `docker load` is given.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Component, Path};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use crate::base::archive::{Budget, each_entry};
use crate::base::error::{Error, Result};

/// The most links from one to the next.
const LINKS: usize = 40;

/// The bytes that a request may unpack to, all decoders together, before what it sends counts.
/// DIFFERENCE(limits-of-archives): layers stay in memory, and a tar describes an entry in a mebibyte at most.
const UNPACKED: u64 = 256 << 20;
/// How many more for each byte that it sends. Layers compress to a third, texts to a tenth; zeros to a thousandth.
const UNPACKED_RATIO: u64 = 32;

/// What the archives of one request may unpack to. They stay in memory.
pub(super) const fn budget() -> Budget {
    Budget::new(UNPACKED, UNPACKED_RATIO)
}

/// The files of a tar.
pub(super) struct Archive(HashMap<String, Entry>);

enum Entry {
    File(Arc<[u8]>),
    Link(String),
}

impl Archive {
    /// Reads a tar, compressed or not, as it is received.
    ///
    /// # Errors
    ///
    /// It cannot be read, is compressed in a way that is not known here, or unpacks to more than the budget.
    pub fn read(source: impl Read, budget: &Budget) -> Result<Self> {
        let mut files = HashMap::new();
        let read = each_entry(decompress(budget.received(source), budget)?, |entry| {
            let Some(path) = normalized(&entry.path()?) else { return Ok(()) };
            let link = entry.link_name()?.map(std::borrow::Cow::into_owned);
            let kind = entry.header().entry_type();
            let file = match link {
                Some(target) if kind.is_symlink() => {
                    let folder = Path::new(&path).parent().unwrap_or(Path::new(""));
                    normalized(&folder.join(target)).map(Entry::Link)
                }
                Some(target) if kind.is_hard_link() => normalized(&target).map(Entry::Link),
                _ if kind.is_file() || kind.is_contiguous() => {
                    let mut bytes = Vec::new();
                    entry.read_to_end(&mut bytes)?;
                    Some(Entry::File(bytes.into()))
                }
                _ => None,
            };
            if let Some(file) = file {
                files.insert(path, file);
            }
            Ok::<(), io::Error>(())
        });
        read.map_err(|error| Error::system(format!("cannot read the archive: {error}")))?;
        Ok(Self(files))
    }

    /// A file, links followed within the archive.
    pub fn get(&self, path: &str) -> Option<Arc<[u8]>> {
        let mut path = normalized(Path::new(path))?;
        for _ in 0..LINKS {
            match self.0.get(&path)? {
                Entry::File(bytes) => return Some(Arc::clone(bytes)),
                Entry::Link(target) => path.clone_from(target),
            }
        }
        None
    }

    /// The folders at the top that hold a file of this name, in their order.
    pub fn folders_with(&self, name: &str) -> Vec<String> {
        let folders = self.0.keys().filter_map(|path| path.split_once('/'));
        let mut folders: Vec<_> =
            folders.filter(|(_, rest)| *rest == name).map(|(folder, _)| folder.to_owned()).collect();
        folders.sort_unstable();
        folders
    }

    /// A file that must be there.
    ///
    /// # Errors
    ///
    /// It is not, in Go's words.
    pub fn require(&self, path: &str) -> Result<Arc<[u8]>> {
        self.get(path).ok_or_else(|| Error::system(format!("open {path}: no such file or directory")))
    }
}

/// The bytes of a tar that may be compressed, taken from the budget.
///
/// # Errors
///
/// Compressed in a way that is not known here, or broken.
pub(super) fn decompress<'a>(source: impl Read + 'a, budget: &'a Budget) -> Result<Box<dyn Read + 'a>> {
    let mut source = BufReader::new(source);
    let beginning =
        source.fill_buf().map_err(|error| Error::system(format!("cannot read the tar: {error}")))?;
    let unknown = |name: &str| {
        Err(Error::system(format!("{name} compression is not supported here: use gzip, or none")))
    };
    match beginning {
        [0x1f, 0x8b, 0x08, ..] => Ok(Box::new(budget.unpacked(MultiGzDecoder::new(source)))),
        // DIFFERENCE(compressions): nobody makes these any more.
        [b'B', b'Z', b'h', ..] => unknown("bzip2"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => unknown("xz"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => unknown("zstd"),
        _ => Ok(Box::new(budget.unpacked(source))),
    }
}

/// A path below the archive's root, `..` stopping there; none for the root itself.
fn normalized(path: &Path) -> Option<String> {
    let mut parts = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => parts.push(name.to_str()?),
            Component::ParentDir => drop(parts.pop()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// A layer's own size: what its files say they take, as moby's naive drivers count.
///
/// # Errors
///
/// It is no tar.
pub(in super::super) fn unpacked_size(tar: &[u8]) -> Result<i64> {
    let mut size = 0_i64;
    let read = each_entry(tar, |entry| {
        size = size.saturating_add(i64::try_from(entry.size()).unwrap_or(i64::MAX));
        Ok::<(), io::Error>(())
    });
    read.map_err(|error| Error::system(format!("the layer is no tar: {error}")))?;
    Ok(size)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

    use super::*;

    fn archive(build: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        build(&mut builder);
        builder.into_inner().unwrap()
    }

    fn add(builder: &mut tar::Builder<Vec<u8>>, kind: tar::EntryType, path: &str, content: &str) {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        if kind.is_file() {
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, path, content.as_bytes()).unwrap();
        } else {
            header.set_size(0);
            builder.append_link(&mut header, path, content).unwrap();
        }
    }

    #[test]
    fn links_stay_inside() {
        let bytes = archive(|builder| {
            add(builder, tar::EntryType::Regular, "a/file", "content");
            add(builder, tar::EntryType::Symlink, "b/link", "../../../a/file");
            add(builder, tar::EntryType::Link, "hard", "a/file");
            add(builder, tar::EntryType::Symlink, "loop", "loop");
            add(builder, tar::EntryType::Symlink, "out", "/etc/passwd");
        });
        let archive = Archive::read(&*bytes, &budget()).unwrap();
        for path in ["a/file", "./a/../a/file", "/../a/file", "b/link", "hard"] {
            assert_eq!(archive.get(path).as_deref(), Some(&b"content"[..]), "{path}");
        }
        for path in ["loop", "out", "a", "", "missing"] {
            assert_eq!(archive.get(path), None, "{path}");
        }
        assert_eq!(unpacked_size(&bytes), Ok(7));
    }

    #[test]
    fn damaged_archives_are_errors() {
        let bytes = archive(|builder| add(builder, tar::EntryType::Regular, "a", "content"));
        assert!(Archive::read(&bytes[..600], &budget()).is_err());
        assert!(Archive::read(&b"BZh9"[..], &budget()).err().unwrap().to_string().contains("bzip2"));
        assert!(Archive::read(&[0x1f, 0x8b, 0x08, 0, 0][..], &budget()).is_err());
    }
}
