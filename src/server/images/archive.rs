//! A tar in memory, files found by their path: what `docker load` is given.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Component, Path};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use crate::{Error, Result};

/// The most links from one to the next.
const LINKS: usize = 40;

/// The files of a tar.
pub(super) struct Archive(HashMap<String, Entry>);

enum Entry {
    File(Arc<[u8]>),
    Link(String),
}

impl Archive {
    /// Reads a tar, compressed or not.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is compressed in a way that is not known here.
    pub fn read(source: impl Read) -> Result<Self> {
        let cannot = |error: io::Error| Error::system(format!("cannot read the archive: {error}"));
        let mut files = HashMap::new();
        let mut tar = tar::Archive::new(decompress(source)?);
        for entry in tar.entries().map_err(cannot)? {
            let mut entry = entry.map_err(cannot)?;
            let Some(path) = normalized(&entry.path().map_err(cannot)?) else { continue };
            let link = entry.link_name().map_err(cannot)?.map(std::borrow::Cow::into_owned);
            let kind = entry.header().entry_type();
            let file = match link {
                Some(target) if kind.is_symlink() => {
                    let folder = Path::new(&path).parent().unwrap_or(Path::new(""));
                    normalized(&folder.join(target)).map(Entry::Link)
                }
                Some(target) if kind.is_hard_link() => normalized(&target).map(Entry::Link),
                _ if kind.is_file() || kind.is_contiguous() => {
                    let mut bytes = Vec::new();
                    entry.read_to_end(&mut bytes).map_err(cannot)?;
                    Some(Entry::File(bytes.into()))
                }
                _ => None,
            };
            if let Some(file) = file {
                files.insert(path, file);
            }
        }
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

    /// A file that must be there.
    ///
    /// # Errors
    ///
    /// It is not, in Go's words.
    pub fn require(&self, path: &str) -> Result<Arc<[u8]>> {
        self.get(path).ok_or_else(|| Error::system(format!("open {path}: no such file or directory")))
    }
}

/// The bytes of a tar that may be compressed.
///
/// # Errors
///
/// Compressed in a way that is not known here, or broken.
pub(super) fn decompress<'a>(source: impl Read + 'a) -> Result<Box<dyn Read + 'a>> {
    let mut source = BufReader::new(source);
    let beginning =
        source.fill_buf().map_err(|error| Error::system(format!("cannot read the tar: {error}")))?;
    let unknown = |name: &str| {
        Err(Error::system(format!("{name} compression is not supported here: use gzip, or none")))
    };
    match beginning {
        [0x1f, 0x8b, 0x08, ..] => Ok(Box::new(MultiGzDecoder::new(source))),
        [b'B', b'Z', b'h', ..] => unknown("bzip2"),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => unknown("xz"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => unknown("zstd"),
        _ => Ok(Box::new(source)),
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
pub(super) fn unpacked_size(tar: &[u8]) -> Result<i64> {
    let broken = |error: io::Error| Error::system(format!("the layer is no tar: {error}"));
    let mut size = 0_i64;
    for entry in tar::Archive::new(tar).entries().map_err(broken)? {
        let own = i64::try_from(entry.map_err(broken)?.size()).unwrap_or(i64::MAX);
        size = size.saturating_add(own);
    }
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
        let archive = Archive::read(&*bytes).unwrap();
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
        assert!(Archive::read(&bytes[..600]).is_err());
        assert!(Archive::read(&b"BZh9"[..]).err().unwrap().to_string().contains("bzip2"));
        assert!(Archive::read(&[0x1f, 0x8b, 0x08, 0, 0][..]).is_err());
    }
}
