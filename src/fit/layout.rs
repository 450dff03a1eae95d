//! Where manifests and layers come from: OCI layouts, loose files, and what others implement.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::base::digest::Digest;
use crate::base::error::{Error, Result};
use crate::document::manifest::{Descriptor, MANIFEST_SIZE, Manifest};

/// The annotation of a layout's index that names an image.
const NAME: &str = "org.opencontainers.image.ref.name";

/// Content by digest.
pub trait Content {
    /// Reads something of at most `limit` bytes, checked against its digest; none where it is not here.
    ///
    /// # Errors
    ///
    /// It cannot be read, is larger, or is not what its digest says.
    fn read(&self, wanted: &Descriptor, limit: usize) -> Result<Option<Vec<u8>>>;

    /// Opens a layer, to be read from its beginning; none where that would mean a download.
    ///
    /// # Errors
    ///
    /// It cannot be opened.
    fn open(&self, wanted: &Descriptor) -> Result<Option<Box<dyn Read + '_>>> {
        let _ = wanted;
        Ok(None)
    }
}

/// Manifests and configs that were given as files.
#[derive(Debug, Clone, Default)]
pub struct Files(BTreeMap<Digest, Vec<u8>>);

impl Files {
    /// Adds the content of a file.
    pub fn add(&mut self, content: Vec<u8>) {
        self.0.insert(Digest::of(&content), content);
    }
}

impl Content for Files {
    fn read(&self, wanted: &Descriptor, _limit: usize) -> Result<Option<Vec<u8>>> {
        Ok(self.0.get(&wanted.digest).cloned())
    }
}

/// An OCI image layout: a folder with `index.json` and `blobs`.
#[derive(Debug, Clone)]
pub struct Layout {
    folder: PathBuf,
    index: Manifest,
}

impl Layout {
    /// Reads a layout's index.
    ///
    /// # Errors
    ///
    /// There is none, or it cannot be read.
    pub fn open(folder: &Path) -> Result<Self> {
        let file = folder.join("index.json");
        let wrong = |problem: String| Error::invalid_parameter(format!("{}: {problem}", file.display()));
        let text = read_limited(&file, MANIFEST_SIZE).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::not_found(format!("{}: not an OCI layout", folder.display())),
            _ => wrong(error.to_string()),
        })?;
        let index = Manifest::parse(&text).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { folder: folder.to_owned(), index })
    }

    /// What the index lists under a name; everything, where none is asked for.
    ///
    /// # Errors
    ///
    /// Nothing has that name.
    pub fn images(&self, name: Option<&str>) -> Result<Vec<&Descriptor>> {
        let names = || self.index.manifests.iter().filter_map(|image| image.annotations.get(NAME));
        let is_asked = |image: &&Descriptor| {
            name.is_none_or(|name| image.annotations.get(NAME).is_some_and(|own| own == name))
        };
        let images: Vec<&Descriptor> = self.index.manifests.iter().filter(is_asked).collect();
        match name {
            Some(name) if images.is_empty() => {
                let known: Vec<&str> = names().map(String::as_str).collect();
                let known = if known.is_empty() { "no names".to_owned() } else { known.join(", ") };
                let message = format!("{}: no image `{name}`; it has {known}", self.folder.display());
                Err(Error::not_found(message))
            }
            _ => Ok(images),
        }
    }

    fn blob(&self, digest: Digest) -> PathBuf {
        self.folder.join("blobs/sha256").join(digest.hex())
    }
}

impl Content for Layout {
    fn read(&self, wanted: &Descriptor, limit: usize) -> Result<Option<Vec<u8>>> {
        let file = self.blob(wanted.digest);
        let wrong = |problem: &dyn std::fmt::Display| Error::system(format!("{}: {problem}", file.display()));
        match read_limited(&file, limit) {
            Ok(content) if Digest::of(&content) == wanted.digest => Ok(Some(content)),
            Ok(_) => Err(wrong(&"its content is not what its digest says")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(wrong(&error)),
        }
    }

    fn open(&self, wanted: &Descriptor) -> Result<Option<Box<dyn Read + '_>>> {
        let file = self.blob(wanted.digest);
        match regular(&file) {
            Ok(opened) => Ok(Some(Box::new(opened))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::system(format!("{}: {error}", file.display()))),
        }
    }
}

/// A regular file, opened; a pipe would wait for ever.
fn regular(file: &Path) -> io::Result<File> {
    if !fs::metadata(file)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    File::open(file)
}

/// The content of a small file.
pub(super) fn read_limited(file: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    regular(file)?.take(limit as u64 + 1).read_to_end(&mut content)?;
    if content.len() > limit {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("larger than {limit} bytes")));
    }
    Ok(content)
}
