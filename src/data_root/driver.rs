//! Which storage driver's stores to read, and what a root is that has none.

use super::open::fatal;
use super::open::{Folder, OpenError};
use crate::base::error::{Error, Result};

/// The driver asked for, or the only one there is.
pub(super) fn choose(root: &Folder, wanted: Option<&str>) -> Result<String> {
    let found = drivers(root)?;
    match (wanted, found.as_slice()) {
        (Some(wanted), found) if found.iter().any(|driver| driver == wanted) => Ok(wanted.to_owned()),
        (None, [only]) => Ok(only.clone()),
        (_, []) => Err(Error::not_found(describe(root)?)),
        (Some(wanted), found) => Err(Error::not_found(format!(
            "{} has no storage driver `{}`; it has: {}",
            root.path_of("image").display(),
            wanted.escape_debug(),
            found.join(", "),
        ))),
        (None, found) => Err(Error::invalid_parameter(format!(
            "{} has several storage drivers: {}; choose one with --driver (`docker info` names the one in use)",
            root.path_of("image").display(),
            found.join(", "),
        ))),
    }
}

/// Whether there is any.
pub(super) fn has_any(root: &Folder) -> bool {
    drivers(root).is_ok_and(|found| !found.is_empty())
}

fn drivers(root: &Folder) -> Result<Vec<String>> {
    let image = match root.folder("image") {
        Ok(image) => image,
        Err(OpenError::Missing) => return Ok(Vec::new()),
        Err(failure) => return Err(fatal(failure, &root.path_of("image"))),
    };
    let listing = image.list().map_err(|failure| fatal(failure, &root.path_of("image")))?;
    let is_plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_graphic());
    let folders = listing.entries.into_iter().filter(|entry| entry.is_folder && is_plain(&entry.name));
    Ok(folders.map(|entry| entry.name).collect())
}

/// Docker 29 with the containerd image store makes nothing else in `image`.
fn has_identities(root: &Folder) -> Result<bool> {
    let name = super::beside::IDENTITIES;
    let stamp = root.stamp_of(name).map_err(|failure| fatal(failure, &root.path_of(name)))?;
    Ok(stamp.is_some())
}

/// What a folder without `image/<driver>` is instead, and what to do.
fn describe(root: &Folder) -> Result<String> {
    let path = root.path_of("");
    let path = path.display();
    let listing = root.list().map_err(|failure| fatal(failure, &root.path_of("")))?;
    let has = |name: &str| listing.entries.iter().any(|entry| entry.name == name);
    let has_ending = |end: &str| listing.entries.iter().any(|entry| entry.name.ends_with(end));
    Ok(if has("imagedb") || has("layerdb") {
        format!("{path} is one driver's folder in a data root; give the root itself, two folders up")
    } else if has("storage.lock") || has("libpod") || has_ending("-images") {
        format!(
            "{path} holds the images of Podman, Buildah or CRI-O (containers/storage), not of a Docker daemon; \
             give a Docker data root, usually /var/lib/docker"
        )
    } else if has("io.containerd.content.v1.content") {
        format!(
            "{path} is containerd's own root, not a Docker daemon's; give a data root, usually /var/lib/docker"
        )
    } else if has("containerd") || has("containers") || has_identities(root)? {
        format!(
            "{path} has no image/<driver> folder: the daemon keeps its images in the containerd image store \
             (`docker info` says `io.containerd.snapshotter.v1`), which this version cannot read; `docker system df` and \
             `docker image ls` of that daemon say what it holds"
        )
    } else {
        format!(
            "{path} is no Docker data root: it has no image/<driver> folder; `docker info` names the data root"
        )
    })
}
