//! The containerd image store beside a graph driver's: a daemon that changed from one to the other leaves the first where
//! it is. Which one it reads is in its `daemon.json` (`features.containerd-snapshotter`), outside of the root; the root
//! says which one changed last.

use super::open::{Folder, OpenError, Stamp, fatal};
use super::warning::{FileWarning, WarningKind};
use crate::base::error::Result;

/// The root of the containerd that a daemon runs itself.
const ROOT: &str = "containerd/daemon";
/// containerd's metadata: images, snapshots, and the containers of any daemon that runs it.
const METADATA: &str = "containerd/daemon/io.containerd.metadata.v1.bolt/meta.db";
const CONTENT: &str = "containerd/daemon/io.containerd.content.v1.content";
/// Only the containerd image store has content here.
const BLOBS: &str = "containerd/daemon/io.containerd.content.v1.content/blobs/sha256";
/// Written by Docker 29 with the containerd image store, whichever containerd it uses.
pub(super) const IDENTITIES: &str = "image/identity-cache.db";

/// What to know about a root that has the store of `driver` and containerd's: which one the daemon reads, and how that
/// was decided.
pub(super) fn beside(root: &Folder, driver: &str) -> Result<Option<FileWarning>> {
    let Some((changed, stamp)) = newest(root, &containerd_files(root)?)? else { return Ok(None) };
    let image = format!("image/{driver}");
    let graph = [
        format!("{image}/repositories.json"),
        format!("{image}/imagedb/content/sha256"),
        format!("{image}/imagedb/metadata/sha256"),
        format!("{image}/layerdb/sha256"),
        format!("{image}/layerdb/mounts"),
    ];
    let graph_changed = newest(root, &graph)?;
    let is_newer = graph_changed.as_ref().is_none_or(|(_, graph)| stamp.modified() > graph.modified());
    let graph_file = graph_changed.map_or_else(|| image.clone(), |(name, _)| name);
    let decided = if is_newer {
        format!(
            "the daemon reads containerd's, and {image}, which is read here, is left from before: this file changed \
             later than {graph_file}"
        )
    } else {
        format!("the daemon reads {image}, which is read here: this file changed no later than {graph_file}")
    };
    let message = format!(
        "the root has two image stores, {image} and containerd's; {decided}. `docker info` says it for certain \
         (`driver-type: io.containerd.snapshotter.v1` is containerd's)"
    );
    Ok(Some(FileWarning::new(WarningKind::TwoImageStores, root.path_of(&changed), message)))
}

/// The files that the containerd image store changes.
fn containerd_files(root: &Folder) -> Result<Vec<String>> {
    let mut files = vec![IDENTITIES.to_owned()];
    let exists = |name: &str| stamp(root, name).map(|stamp| stamp.is_some());
    if !exists(METADATA)? {
        return Ok(files);
    }
    if !exists(CONTENT)? {
        files.push(METADATA.to_owned());
        return Ok(files);
    }
    // A daemon that runs its own containerd has it make these files for containers alone, and never a blob.
    if names(root, BLOBS)?.is_empty() {
        return Ok(files);
    }
    files.push(BLOBS.to_owned());
    for name in names(root, ROOT)? {
        if name.starts_with("io.containerd.snapshotter.v1.") {
            files.push(format!("{ROOT}/{name}/metadata.db"));
        }
    }
    Ok(files)
}

/// The one of these that changed last.
fn newest(root: &Folder, files: &[String]) -> Result<Option<(String, Stamp)>> {
    let mut newest: Option<(String, Stamp)> = None;
    for name in files {
        let Some(stamp) = stamp(root, name)? else { continue };
        if newest.as_ref().is_none_or(|(_, other)| stamp.modified() > other.modified()) {
            newest = Some((name.clone(), stamp));
        }
    }
    Ok(newest)
}

fn stamp(root: &Folder, name: &str) -> Result<Option<Stamp>> {
    root.stamp_of(name).map_err(|failure| fatal(failure, &root.path_of(name)))
}

/// The names in a folder; none where there is no such folder, or none to be trusted.
fn names(root: &Folder, relative: &str) -> Result<Vec<String>> {
    let listed = match root.folder(relative) {
        Ok(folder) => folder.list(),
        Err(failure) => Err(failure),
    };
    match listed {
        Ok(listing) => Ok(listing.entries.into_iter().map(|entry| entry.name).collect()),
        Err(OpenError::Missing | OpenError::Refused(..)) => Ok(Vec::new()),
        Err(failure) => Err(fatal(failure, &root.path_of(relative))),
    }
}
