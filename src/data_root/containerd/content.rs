//! The manifests, indexes and configs that names reach; no other content is read.

use std::collections::{BTreeMap, BTreeSet};

use super::super::CONFIG_FILE;
use super::super::open::Folder;
use super::super::warning::{FileWarning, WarningKind};
use super::warn;
use crate::base::digest::Digest;
use crate::base::error::Result;
use crate::document::world::containerd::{Blob, ImageRecord};

const BLOBS: &str = "io.containerd.content.v1.content/blobs/sha256";

/// Fills in the bytes of every manifest, index and config below the names, as far as they are present.
pub(super) fn read(
    root: &Folder,
    images: &[ImageRecord],
    blobs: &mut BTreeMap<Digest, Blob>,
    warnings: &mut Vec<FileWarning>,
) -> Result<()> {
    let mut seen = BTreeSet::new();
    let mut next: Vec<(Digest, Kind)> = images
        .iter()
        .filter_map(|image| Some((image.target.digest, Kind::of(&image.target.media_type)?)))
        .collect();
    let mut buffer = Vec::new();
    while let Some((digest, kind)) = next.pop() {
        // One blob may be called a manifest here and a config there.
        if !seen.insert((digest, kind)) {
            continue;
        }
        let Some(blob) = blobs.get_mut(&digest) else { continue };
        if blob.raw.is_none() {
            let name = format!("{BLOBS}/{}", digest.hex());
            let path = root.path_of(&name);
            match root.read(&name, CONFIG_FILE, &mut buffer) {
                Ok(_) if Digest::of(&buffer) == digest => blob.raw = Some(buffer.as_slice().into()),
                Ok(_) => {
                    let message = "its digest is not its name; it counts as unreadable";
                    warnings.push(FileWarning::new(WarningKind::DigestMismatch, path, message));
                }
                Err(failure) => warnings.push(warn(failure, path, "what it lists is unknown")?),
            }
        }
        if let Some(raw) = &blob.raw {
            next.extend(children(raw, kind));
        }
    }
    Ok(())
}

/// How a blob is read, by the media type of the descriptor that names it (B-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Manifest,
    Index,
    Config,
}

impl Kind {
    fn of(media_type: &str) -> Option<Self> {
        match media_type {
            "application/vnd.oci.image.manifest.v1+json"
            | "application/vnd.docker.distribution.manifest.v2+json" => Some(Self::Manifest),
            "application/vnd.oci.image.index.v1+json"
            | "application/vnd.docker.distribution.manifest.list.v2+json" => Some(Self::Index),
            "application/vnd.oci.image.config.v1+json" | "application/vnd.docker.container.image.v1+json" => {
                Some(Self::Config)
            }
            _ => None,
        }
    }
}

/// The descriptors in a manifest or an index whose content is worth reading. Go reads keys in any case; what does not
/// decode has no children, here and there.
fn children(raw: &[u8], kind: Kind) -> Vec<(Digest, Kind)> {
    let Ok(serde_json::Value::Object(document)) = serde_json::from_slice(raw) else { return Vec::new() };
    let wanted = match kind {
        Kind::Manifest => ["config", "layers"].as_slice(),
        Kind::Index => &["manifests"],
        Kind::Config => &[],
    };
    let lists = document.iter().filter(|(key, _)| wanted.iter().any(|one| key.eq_ignore_ascii_case(one)));
    let descriptors = lists.flat_map(|(_, value)| match value {
        serde_json::Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    });
    let field = |descriptor: &serde_json::Value, name: &str| {
        let fields = descriptor.as_object()?;
        let (_, value) = fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        value.as_str().map(str::to_owned)
    };
    descriptors
        .filter_map(|descriptor| {
            let digest = field(descriptor, "digest")?.parse().ok()?;
            Some((digest, Kind::of(&field(descriptor, "mediaType")?)?))
        })
        .collect()
}
