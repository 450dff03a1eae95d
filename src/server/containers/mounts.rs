//! What a container mounts: volumes, folders of the host, memory (moby's `volume/mounts`, `daemon/volumes.go`).

use serde::Serialize;
use serde_json::{Map, Value};

use super::super::daemon::Daemon;
use super::super::record::{Record, strings};
use super::super::shape::{Object, find};
use super::super::volumes;
use crate::base::error::{Error, Result};

/// One mount of a container.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Mount {
    #[serde(rename = "Type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    source: String,
    destination: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    driver: &'static str,
    mode: String,
    #[serde(rename = "RW")]
    is_writable: bool,
    propagation: String,
    /// Made for this container: it may go with it.
    #[serde(skip)]
    is_anonymous: bool,
}

impl Mount {
    /// The volume that is mounted.
    pub fn volume(&self) -> Option<&str> {
        (self.kind == "volume").then_some(self.name.as_str())
    }

    /// In the list of containers, which was made before the daemon has given a volume of the config its place.
    pub fn in_list(&self) -> Self {
        let mut mount = self.clone();
        if mount.is_anonymous && mount.mode.is_empty() {
            mount.source.clear();
        }
        mount
    }

    /// Where the container sees it.
    pub fn destination(&self) -> &str {
        &self.destination
    }

    /// A volume of this name, or one that is made for the container.
    fn of_volume(daemon: &Daemon, name: &str, destination: &str, mode: &str) -> Self {
        let is_anonymous = name.is_empty();
        let name = if is_anonymous { daemon.ids.next("volume") } else { name.to_owned() };
        Self {
            kind: "volume",
            source: volumes::mountpoint(&name),
            name,
            destination: destination.to_owned(),
            driver: "local",
            mode: mode.to_owned(),
            is_writable: is_writable(mode),
            propagation: String::new(),
            is_anonymous,
        }
    }

    fn plain(kind: &'static str, source: &str, destination: &str, mode: &str, propagation: &str) -> Self {
        Self {
            kind,
            name: String::new(),
            source: source.to_owned(),
            destination: destination.to_owned(),
            driver: "",
            mode: mode.to_owned(),
            is_writable: is_writable(mode),
            propagation: propagation.to_owned(),
            is_anonymous: false,
        }
    }
}

fn is_writable(mode: &str) -> bool {
    !mode.split(',').any(|part| part == "ro")
}

const PROPAGATIONS: [&str; 6] = ["private", "rprivate", "shared", "rshared", "slave", "rslave"];

fn is_mode(mode: &str) -> bool {
    let known = ["ro", "rw", "z", "Z", "nocopy", "consistent", "cached", "delegated"];
    mode.split(',').all(|part| known.contains(&part) || PROPAGATIONS.contains(&part))
}

/// The mounts of `Mounts`.
///
/// # Errors
///
/// moby's.
pub fn of_host_config(daemon: &Daemon, host_config: &Object) -> Result<Vec<Mount>> {
    let given = host_config.get("Mounts").as_array().into_iter().flatten().filter_map(Value::as_object);
    given.filter_map(|mount| of_mount(daemon, mount).transpose()).collect()
}

/// All mounts of a container that is being made: those of `VolumesFrom` come first, then `Binds`, `Mounts` and the volumes
/// of the config.
///
/// # Errors
///
/// moby's.
pub fn of_request(daemon: &Daemon, record: &Record, of_host_config: Vec<Mount>) -> Result<Vec<Mount>> {
    let (config, host_config) = (&record.config, &record.host_config);
    let mut mounts: Vec<Mount> = Vec::new();
    for from in strings(host_config.get("VolumesFrom")) {
        let (name, mode) = from.split_once(':').unwrap_or((&from, "rw"));
        let other = daemon.shelf.find(name).map_err(|error| Error::invalid_parameter(error.to_string()))?;
        mounts.extend(other.mounts.into_iter().map(|mut mount| {
            mount.is_writable &= is_writable(mode);
            mount.is_anonymous = false;
            mount
        }));
    }
    let binds = strings(host_config.get("Binds")).into_iter().map(|bind| of_bind(daemon, &bind));
    let mut own = binds.collect::<Result<Vec<_>>>()?;
    own.extend(of_host_config);
    let inherited = mounts.len();
    for mount in own {
        let same = mounts.iter().position(|other| other.destination == mount.destination);
        match same {
            // A container's own mounts take the place of those of others.
            Some(place) if place < inherited => drop(mounts.get_mut(place).map(|other| *other = mount)),
            Some(_) => {
                let message = format!("Duplicate mount point: {}", mount.destination);
                return Err(Error::invalid_parameter(message));
            }
            None => mounts.push(mount),
        }
    }
    let tmpfs = host_config.get("Tmpfs").as_object();
    for destination in config.get("Volumes").as_object().into_iter().flatten().map(|(path, _)| path) {
        let is_taken = mounts.iter().any(|mount| mount.destination == *destination)
            || tmpfs.is_some_and(|tmpfs| tmpfs.contains_key(destination));
        if !is_taken {
            mounts.push(Mount::of_volume(daemon, "", destination, ""));
        }
    }
    Ok(mounts)
}

/// `source:target:mode`, of which the source and the mode may be missing.
fn of_bind(daemon: &Daemon, bind: &str) -> Result<Mount> {
    let wrong = |problem: String| Error::system(format!("invalid volume specification: '{bind}'{problem}"));
    let parts: Vec<_> = bind.split(':').collect();
    let (source, target, mode) = match *parts.as_slice() {
        [target] => ("", target, ""),
        [target, mode] if is_mode(mode) => ("", target, mode),
        [source, target] => (source, target, ""),
        [source, target, mode] => (source, target, mode),
        _ => return Err(Error::invalid_parameter(format!("invalid volume specification: '{bind}'"))),
    };
    let kind = if source.starts_with('/') { "bind" } else { "volume" };
    let in_config = |problem: String| wrong(format!(": invalid mount config for type \"{kind}\": {problem}"));
    if !target.starts_with('/') {
        return Err(in_config(format!("invalid mount path: '{target}' mount path must be absolute")));
    }
    if target.trim_matches('/').is_empty() {
        return Err(in_config("invalid specification: destination can't be '/'".to_owned()));
    }
    if !mode.is_empty() && !is_mode(mode) {
        return Err(Error::invalid_parameter(format!("invalid mode: {mode}")));
    }
    if kind == "bind" {
        let propagation = mode.split(',').find(|part| PROPAGATIONS.contains(part)).unwrap_or("rprivate");
        return Ok(Mount::plain("bind", source, target, mode, propagation));
    }
    if !source.is_empty() {
        volumes::check_name(source)
            .map_err(|error| Error::new(error.class(), format!("create {source}: {error}")))?;
    }
    Ok(Mount::of_volume(daemon, source, target, if mode.is_empty() { "z" } else { mode }))
}

/// An entry of `Mounts`; none for an image, which is no mount of the host.
fn of_mount(daemon: &Daemon, mount: &Map<String, Value>) -> Result<Option<Mount>> {
    let text = |name: &str| find(mount, name).and_then(Value::as_str).unwrap_or_default();
    let (kind, source, target) = (text("Type"), text("Source"), text("Target"));
    let wrong = |problem: &str| {
        Error::invalid_parameter(format!("invalid mount config for type \"{kind}\": {problem}"))
    };
    if !matches!(kind, "volume" | "bind" | "tmpfs" | "image") {
        return Err(wrong("mount type unknown"));
    }
    if target.is_empty() {
        return Err(wrong("field Target must not be empty"));
    }
    if !target.starts_with('/') {
        return Err(wrong(&format!("invalid mount path: '{target}' mount path must be absolute")));
    }
    if kind == "bind" && source.is_empty() {
        return Err(wrong("field Source must not be empty"));
    }
    let is_read_only = find(mount, "ReadOnly").and_then(Value::as_bool).unwrap_or_default();
    let options = find(mount, "BindOptions").and_then(Value::as_object);
    let propagation = options.and_then(|options| find(options, "Propagation")?.as_str());
    let mut made = match kind {
        "volume" => Mount::of_volume(daemon, source, target, "z"),
        "bind" => Mount::plain("bind", source, target, "", propagation.unwrap_or("rprivate")),
        "tmpfs" => Mount::plain("tmpfs", "", target, "", ""),
        _ => return Ok(None),
    };
    made.is_writable = !is_read_only;
    Ok(Some(made))
}

/// Makes the volumes of a container that is new.
pub fn make_volumes(daemon: &Daemon, record: &Record) {
    for mount in record.mounts.iter().filter(|mount| mount.volume().is_some()) {
        let labels = if mount.is_anonymous { volumes::anonymous_labels(daemon) } else { None };
        volumes::make(daemon, mount.name.clone(), labels, None);
    }
}

/// Removes the volumes that were made for a container that is gone.
pub fn remove_anonymous(daemon: &Daemon, record: &Record) {
    for mount in record.mounts.iter().filter(|mount| mount.is_anonymous) {
        volumes::take_away(daemon, &mount.name);
    }
}

/// Tells of the volumes of a container that starts.
pub fn log_mounted(daemon: &Daemon, record: &Record) {
    for mount in record.mounts.iter().filter(|mount| mount.volume().is_some()) {
        let attributes = [
            ("container", record.id.to_string()),
            ("destination", mount.destination.clone()),
            ("propagation", mount.propagation.clone()),
            ("read/write", mount.is_writable.to_string()),
        ];
        volumes::log(daemon.events(), &mount.name, "mount", &attributes);
    }
}

/// Tells of the volumes of a container that has ended.
pub fn log_unmounted(daemon: &Daemon, record: &Record) {
    for name in record.mounts.iter().filter_map(Mount::volume) {
        volumes::log(daemon.events(), name, "unmount", &[("container", record.id.to_string())]);
    }
}
