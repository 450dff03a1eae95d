//! `containers`: what each container stands on (moby `container/container.go`, `daemon/daemon.go`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::open::{Entry, Folder, OpenError, Stamp};
use super::warning::{FileWarning, Outcome, WarningKind};
use super::{CONFIG_FILE, json};
use crate::base::digest::{ChainId, ContainerId, Digest, ImageId};
use crate::base::error::Result;
use crate::document::world;
use crate::semantics::Semantics;

const CONFIG: &str = "config.v2.json";
const HOST_CONFIG: &str = "hostconfig.json";
const LEFT_OUT: &str = "the daemon does not load this container, so it does not protect its image";

/// The writable layers that load, by name, with the chain below them.
pub(super) type Mounts = BTreeMap<String, Option<ChainId>>;

/// A container's config file, from the root, and its stamp, to see later whether it was written again.
pub(super) type Config = (String, Stamp);

/// What one container's folder says.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) container: world::Container,
    pub(super) config: Config,
}

/// The container that a folder is named after.
pub(super) fn id_of(entry: &Entry, folder: &Path) -> Outcome<ContainerId> {
    match Digest::from_hex(&entry.name) {
        Some(digest) => ContainerId::from(digest).into(),
        None => Outcome::left_out(FileWarning::new(
            WarningKind::OddName,
            folder.join(&entry.name),
            "the name is not 64 lower-case hexadecimal digits, so it is no container's; it is passed over",
        )),
    }
}

/// Reads one container as the daemon's restore does.
pub(super) fn read(
    containers: &Folder,
    id: ContainerId,
    driver: &str,
    mounts: &Mounts,
    semantics: &Semantics,
    buffer: &mut Vec<u8>,
) -> Result<Outcome<Read>> {
    let name = id.to_string();
    let relative = format!("{name}/{CONFIG}");
    let path = || containers.path_of(&relative);
    let left_out = |kind, reason: &str| {
        Ok(Outcome::left_out(FileWarning::new(kind, path(), format!("{reason}; {LEFT_OUT}"))))
    };
    let stamp = match containers.read(&relative, CONFIG_FILE, buffer) {
        Ok(stamp) => stamp,
        Err(failure) => {
            return failure.warning(WarningKind::BadContainer, path(), LEFT_OUT).map(Outcome::left_out);
        }
    };
    let config = match json::container(buffer, &name) {
        Ok(config) => config,
        Err(error) => return left_out(WarningKind::BadContainer, &format!("it is damaged: {error}")),
    };
    let host_config = format!("{name}/{HOST_CONFIG}");
    match containers.read(&host_config, CONFIG_FILE, buffer) {
        Ok(_) if json::begins_with_object(buffer) => {}
        Err(OpenError::Missing) => {}
        Ok(_) => return left_out(WarningKind::BadContainer, "the hostconfig.json beside it is damaged"),
        Err(failure) => {
            let path = containers.path_of(&host_config);
            return failure.warning(WarningKind::BadContainer, path, LEFT_OUT).map(Outcome::left_out);
        }
    }
    if config.id != name {
        return left_out(WarningKind::BadContainer, "the ID in it is not that of its folder");
    }
    // One store per operating system, until 23.0.
    if semantics.os_is_checked_on_delete && !config.os.is_empty() && !config.os.eq_ignore_ascii_case("linux")
    {
        return left_out(WarningKind::ForeignOs, "it is for another operating system");
    }
    let is_ours = config.driver == driver || (config.driver.is_empty() && driver == "aufs");
    if !is_ours {
        let reason =
            format!("it was created with another storage driver (`{}`)", config.driver.escape_debug());
        return left_out(WarningKind::OtherDriver, &reason);
    }
    let Some(&rw_layer_parent) = mounts.get(&name) else {
        return left_out(WarningKind::BadContainer, "its writable layer is not in the layer store");
    };
    let mut warnings = Vec::new();
    let image = config.image.parse().unwrap_or_else(|_| {
        let reason =
            "it does not name an image by its ID; it protects none, and its writable layer holds its layers";
        warnings.push(FileWarning::new(WarningKind::BadContainer, path(), reason));
        no_image()
    });
    let image_mounts = config.image_mounts.iter().filter_map(|source| source.parse().ok()).collect();
    let container = world::Container { id, image, running: config.running, rw_layer_parent, image_mounts };
    Ok(Outcome {
        value: Some(Read { container, config: (format!("containers/{relative}"), stamp) }),
        warnings,
    })
}

/// An ID that no image has: the digest of nothing, which is no config.
fn no_image() -> ImageId {
    ImageId::of(b"")
}

/// The writable layers of no container. The daemon loads them and they hold the layers below, which
/// a [`World`](crate::document::world::World) can only say with a container: one that uses no image.
pub(super) fn of_nobody(
    mounts: &Mounts,
    containers: &[world::Container],
    folder: &Path,
    warnings: &mut Vec<FileWarning>,
) -> Vec<world::Container> {
    let known: BTreeSet<String> = containers.iter().map(|container| container.id.to_string()).collect();
    let mut nobodys = Vec::new();
    for (name, parent) in mounts {
        if parent.is_none() || known.contains(name) {
            continue;
        }
        // `<container>-<image>`: where a container mounts an image (since 28.0).
        let is_image_mount = name.split_once('-').is_some_and(|(owner, _)| known.contains(owner));
        if !is_image_mount {
            warnings.push(FileWarning::new(
                WarningKind::MountWithoutContainer,
                folder.join(name),
                "no container has this writable layer; it keeps the layers below from being freed",
            ));
        }
        let id = Digest::from_hex(name).unwrap_or_else(|| Digest::of(name.as_bytes())).into();
        nobodys.push(world::Container {
            id,
            image: no_image(),
            running: false,
            rw_layer_parent: *parent,
            image_mounts: Vec::new(),
        });
    }
    nobodys
}
