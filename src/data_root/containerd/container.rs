//! Containers: in Docker's namespace the daemon's, which are not containerd's (Z-5); in others containerd's own.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::open::{Folder, OpenError, fatal};
use super::super::warning::{FileWarning, WarningKind};
use super::super::{CONFIG_FILE, json};
use super::metadata::ContainerRecord;
use crate::base::digest::Digest;
use crate::base::error::Result;
use crate::document::world::containerd::{Container, ImageRecord, Labels, Lease, Mount};

const FOLDER: &str = "containers";
const LEFT_OUT: &str = "the daemon does not load this container, so it does not protect its image";

/// Reads the containers of a data root that use the snapshotter, by the order of their IDs.
pub(super) fn read(
    root: &Path,
    snapshotter: &str,
    warnings: &mut Vec<FileWarning>,
) -> Result<Vec<Container>> {
    let root = Folder::root(root).map_err(|failure| fatal(failure, root))?;
    let folder = match root.folder(FOLDER) {
        Ok(folder) => folder,
        Err(OpenError::Missing) => return Ok(Vec::new()),
        Err(failure) => return Err(fatal(failure, &root.path_of(FOLDER))),
    };
    let listing = folder.list().map_err(|failure| fatal(failure, &root.path_of(FOLDER)))?;
    let mut containers = Vec::new();
    let mut buffer = Vec::new();
    for entry in listing.entries {
        let path = folder.path_of(&entry.name);
        if Digest::from_hex(&entry.name).is_none() {
            let message = "the name is not 64 lower-case hexadecimal digits, so it is no container's";
            warnings.push(FileWarning::new(WarningKind::OddName, path, message));
            continue;
        }
        let name = format!("{}/config.v2.json", entry.name);
        let path = folder.path_of(&name);
        if let Err(failure) = folder.read(&name, CONFIG_FILE, &mut buffer) {
            warnings.push(failure.warning(WarningKind::BadContainer, path, LEFT_OUT)?);
            continue;
        }
        let config = match json::container(&buffer, &entry.name) {
            Ok(config) => config,
            Err(error) => {
                let message = format!("it is damaged: {error}; {LEFT_OUT}");
                warnings.push(FileWarning::new(WarningKind::BadContainer, path, message));
                continue;
            }
        };
        let mut leave_out = |kind, reason: &str| {
            warnings.push(FileWarning::new(kind, path.clone(), format!("{reason}; {LEFT_OUT}")));
        };
        if config.id != entry.name {
            leave_out(WarningKind::BadContainer, "the ID in it is not that of its folder");
        } else if config.driver != snapshotter {
            let reason =
                format!("it was created with another storage driver (`{}`)", config.driver.escape_debug());
            leave_out(WarningKind::OtherDriver, &reason);
        } else if let Ok(image_id) = config.image.parse() {
            let mounts = config.image_mounts.into_iter();
            containers.push(Container {
                id: config.id,
                image: config.typed_image,
                image_id,
                running: config.running,
                mounts: mounts.map(|source| Mount { kind: "image".to_owned(), source }).collect(),
                platform: config.platform,
                image_manifest: config.manifest.parse().ok(),
            });
        } else {
            leave_out(WarningKind::BadContainer, "it does not name an image by its digest");
        }
    }
    Ok(containers)
}

/// The containers of a namespace without a Docker daemon, as far as their images are there. containerd does not store
/// whether they run.
pub(super) fn of_records(records: &[ContainerRecord], images: &[ImageRecord]) -> Vec<Container> {
    let targets: BTreeMap<&str, Digest> =
        images.iter().map(|image| (image.name.as_str(), image.target.digest)).collect();
    let container = |record: &ContainerRecord| {
        Some(Container {
            id: record.id.clone(),
            image: record.image.clone(),
            image_id: *targets.get(record.image.as_str())?,
            running: false,
            mounts: Vec::new(),
            platform: None,
            image_manifest: None,
        })
    };
    records.iter().filter_map(container).collect()
}

/// Leases in place of the containers, which keep their snapshots without one (B-6).
pub(super) fn leases_of_records(records: &[ContainerRecord], snapshotter: &str) -> Vec<Lease> {
    let own = records.iter().filter(|one| one.snapshotter == snapshotter && !one.snapshot_key.is_empty());
    own.map(|record| Lease {
        id: format!("container {}", record.id),
        labels: Labels::new(),
        snapshots: vec![record.snapshot_key.clone()],
        ..Lease::default()
    })
    .collect()
}
