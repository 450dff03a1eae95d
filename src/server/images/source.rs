//! Images in a folder: an OCI layout, or the storage of a registry.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::super::platform::Platform;
use crate::base::digest::Digest;
use crate::base::error::{Error, Result};
use crate::document::reference::Reference;

/// The most that a manifest or a config may hold.
const LARGEST_DOCUMENT: u64 = 16 << 20;
/// Indexes in indexes.
const DEPTH: usize = 4;

/// An image as a source has it.
pub struct Found {
    pub config: Vec<u8>,
    /// Compressed or not, base first.
    pub layers: Vec<Vec<u8>>,
    /// That of the manifest, or of the index that led to it.
    pub digest: String,
}

/// Looks an image up; none where the folder has none of this name.
///
/// # Errors
///
/// A folder that is neither kind; an image that is not whole, or not for this platform.
pub fn find(folder: &Path, reference: &Reference, platform: &Platform) -> Result<Option<Found>> {
    let source = Source::of(folder)?;
    let Some(digest) = source.resolve(reference)? else { return Ok(None) };
    let mut manifest = source.document(&digest)?;
    for _ in 0..DEPTH {
        let Some(manifests) = manifest.get("manifests").and_then(Value::as_array) else { break };
        let missing = || {
            let Platform { os, architecture, .. } = platform;
            Error::not_found(format!(
                "no matching manifest for {os}/{architecture} in the manifest list entries"
            ))
        };
        let chosen = manifests.iter().find(|entry| is_for(entry, platform)).ok_or_else(missing)?;
        manifest = source.document(&digest_of(chosen)?)?;
    }
    let config =
        manifest.get("config").ok_or_else(|| Error::system(format!("manifest {digest} has no config")))?;
    let config = source.blob(&digest_of(config)?, LARGEST_DOCUMENT)?;
    let layers = manifest.get("layers").and_then(Value::as_array).into_iter().flatten();
    let layers = layers.map(|layer| source.blob(&digest_of(layer)?, u64::MAX)).collect::<Result<_>>()?;
    Ok(Some(Found { config, layers, digest }))
}

fn is_for(entry: &Value, platform: &Platform) -> bool {
    let text =
        |name: &str| entry.pointer(&format!("/platform/{name}")).and_then(Value::as_str).unwrap_or_default();
    // An entry that names none will do.
    entry.get("platform").is_none() || platform.takes(text("os"), text("architecture"), text("variant"))
}

fn digest_of(descriptor: &Value) -> Result<String> {
    let digest = descriptor.get("digest").and_then(Value::as_str);
    let is_digest = |text: &&str| {
        let hex = text.strip_prefix("sha256:").unwrap_or_default();
        hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    digest
        .filter(is_digest)
        .map(str::to_owned)
        .ok_or_else(|| Error::system("a descriptor has no SHA-256 digest"))
}

enum Source {
    Layout(PathBuf),
    /// Its `docker/registry/v2`.
    Registry(PathBuf),
}

impl Source {
    fn of(folder: &Path) -> Result<Self> {
        if folder.join("oci-layout").is_file() {
            return Ok(Self::Layout(folder.to_owned()));
        }
        let storage = folder.join("docker/registry/v2");
        if storage.is_dir() {
            return Ok(Self::Registry(storage));
        }
        Err(Error::system(format!(
            "pull source {}: neither an OCI layout, with a file oci-layout, nor a registry's storage, with \
             docker/registry/v2",
            folder.display()
        )))
    }

    /// The digest of the manifest that a reference names.
    fn resolve(&self, reference: &Reference) -> Result<Option<String>> {
        match self {
            Self::Layout(folder) => {
                let index = read(&folder.join("index.json"), LARGEST_DOCUMENT)?.unwrap_or_default();
                let index = parse("index.json", &index)?;
                let entries = index.get("manifests").and_then(Value::as_array).into_iter().flatten();
                let mut named = entries.filter(|entry| names(entry, reference));
                named.next().map(digest_of).transpose()
            }
            Self::Registry(storage) => {
                // A registry of its own has no `library/`, and none of its own name.
                for path in [reference.path(), reference.familiar_name()] {
                    let manifests = storage.join("repositories").join(path).join("_manifests");
                    let link = match (reference.digest(), reference.tag()) {
                        (Some(digest), _) => {
                            manifests.join("revisions").join(digest.replacen(':', "/", 1)).join("link")
                        }
                        (None, tag) => {
                            manifests.join("tags").join(tag.unwrap_or("latest")).join("current/link")
                        }
                    };
                    if let Some(link) = read(&link, LARGEST_DOCUMENT)? {
                        return Ok(Some(String::from_utf8_lossy(&link).trim().to_owned()));
                    }
                }
                Ok(None)
            }
        }
    }

    fn document(&self, digest: &str) -> Result<Map<String, Value>> {
        parse(digest, &self.blob(digest, LARGEST_DOCUMENT)?)
    }

    /// A blob, and it is what its name says.
    fn blob(&self, digest: &str, limit: u64) -> Result<Vec<u8>> {
        let hex = digest.strip_prefix("sha256:").unwrap_or_default();
        let path = match self {
            Self::Layout(folder) => folder.join("blobs/sha256").join(hex),
            Self::Registry(storage) => {
                storage.join("blobs/sha256").join(hex.get(..2).unwrap_or_default()).join(hex).join("data")
            }
        };
        let missing = || Error::system(format!("blob {digest} is missing: {}", path.display()));
        let bytes = read(&path, limit)?.ok_or_else(missing)?;
        if Digest::of(&bytes).to_string() != digest {
            return Err(Error::system(format!("blob {digest} has other content: {}", path.display())));
        }
        Ok(bytes)
    }
}

/// The annotations of an entry of `index.json` name the whole reference, or its tag.
fn names(entry: &Value, reference: &Reference) -> bool {
    let annotation = |name: &str| entry.get("annotations")?.get(name)?.as_str();
    if let Some(digest) = reference.digest() {
        return entry.get("digest").and_then(Value::as_str) == Some(digest);
    }
    let tag = reference.tag().unwrap_or("latest");
    let whole = format!("{}:{tag}", reference.name());
    let familiar = format!("{}:{tag}", reference.familiar_name());
    let is_one = |name: &str| name == whole || name == familiar;
    annotation("io.containerd.image.name").is_some_and(is_one)
        || annotation("org.opencontainers.image.ref.name").is_some_and(|name| is_one(name) || name == tag)
}

fn parse(name: &str, bytes: &[u8]) -> Result<Map<String, Value>> {
    serde_json::from_slice(bytes).map_err(|error| Error::system(format!("{name} cannot be read: {error}")))
}

/// None where there is no such file.
fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    let failed = |error: &io::Error| Error::system(format!("{}: {error}", path.display()));
    let file = match fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(|error| failed(&error))?,
    };
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    Ok(Some(bytes))
}
