//! Reads containerd's files into a [`ContainerdWorld`], and never writes to them.
//!
//! A daemon that runs containerd itself keeps them in `<data root>/containerd/daemon`; the system's containerd in
//! `/var/lib/containerd`. containerd holds a lock on its database for as long as it runs; nothing here asks for it: the
//! file is read below the newer of its meta pages, and read again if that page has changed meanwhile (Z-1).
//!
//! ```no_run
//! use std::path::Path;
//!
//! use image_prune::data_root::containerd::{self, Options};
//!
//! let reading = containerd::read(Path::new("/var/lib/docker"), &Options::default())?;
//! println!("{}: {} names", reading.snapshotter, reading.world.images.len());
//! # Ok::<(), image_prune::Error>(())
//! ```
//!
//! # What the files do not say
//!
//! A writable snapshot's size is that of its folder, which is not looked at: it is 0 here.

use std::path::{Path, PathBuf};

use super::open::{File, Folder, OpenError, fatal};
use super::warning::{FileWarning, WarningKind};
use crate::base::error::{Error, Result};
use crate::document::world::ContainerdWorld;
use crate::document::world::containerd::{Lease, Platform};

pub(crate) mod bolt;
mod container;
mod content;
mod metadata;

use bolt::{Damage, Meta, ReadAt};

/// containerd's folder below a data root, where the daemon runs it.
const OWN: &str = "containerd/daemon";
/// The data root of a daemon that nobody told otherwise.
const STANDARD: &str = "/var/lib/docker";
/// Where the system's containerd keeps its files.
const SYSTEM: &str = "/var/lib/containerd";
/// The metadata database, below containerd's folder.
pub(super) const DATABASE: &str = "io.containerd.metadata.v1.bolt/meta.db";
/// The namespace of Docker's images.
pub const NAMESPACE: &str = "moby";

/// How often a database that changes under the reading is read.
const ATTEMPTS: usize = 3;

/// How to read containerd's files.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// containerd's folder; `None` looks for it, see [`find`].
    pub containerd_root: Option<PathBuf>,
    /// The namespace; `None` is [`NAMESPACE`]. Of another the containers are containerd's own, each with a lease on its
    /// snapshot, and nothing is read of the data root.
    pub namespace: Option<String>,
    /// The snapshotter; `None` is the only one with snapshots, or `overlayfs`.
    pub snapshotter: Option<String>,
    /// The platform of the host whose files these are; `None` is this one.
    pub host_platform: Option<Platform>,
}

/// containerd's files, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The namespace, and the containers of the data root. Everything is in order; the zone is UTC.
    pub world: ContainerdWorld,
    /// What was left out or is in doubt.
    pub warnings: Vec<FileWarning>,
    /// The snapshotter whose snapshots these are.
    pub snapshotter: String,
    /// containerd's folder.
    pub containerd_root: PathBuf,
}

/// Finds containerd's folder: the one given, the daemon's own, or for the standard data root the system's.
///
/// `None` where none of them has a metadata database. Another data root is another daemon's, which the system's
/// containerd need not serve.
#[must_use]
pub fn find(data_root: &Path, given: Option<&Path>) -> Option<PathBuf> {
    let candidates = if let Some(given) = given {
        vec![given.to_owned()]
    } else {
        let system = (data_root == Path::new(STANDARD)).then(|| PathBuf::from(SYSTEM));
        std::iter::once(data_root.join(OWN)).chain(system).collect()
    };
    candidates.into_iter().find(|folder| folder.join(DATABASE).is_file())
}

/// Reads the namespace of containerd that the daemon of `data_root` uses, and that daemon's containers.
///
/// # Errors
///
/// * [not found](Error::is_not_found): there is no metadata database, no such namespace or no such snapshotter;
/// * [system](Error::is_system): no permission, or a database that is damaged.
///
/// Each says what to do.
pub fn read(data_root: &Path, options: &Options) -> Result<Reading> {
    let root = find(data_root, options.containerd_root.as_deref()).ok_or_else(|| {
        let given = options.containerd_root.as_deref();
        let places = given
            .map_or_else(|| data_root.join(OWN).display().to_string(), |given| given.display().to_string());
        Error::not_found(format!(
            "no containerd database ({DATABASE}) in {places}; --containerd-root names the folder"
        ))
    })?;
    let folder = Folder::root(&root).map_err(|failure| fatal(failure, &root))?;
    let mut attempt = 1;
    loop {
        let path = folder.path_of(DATABASE);
        let database = folder.file(DATABASE).map_err(|failure| fatal(failure, &path))?;
        let before = bolt::meta(&database).map_err(|damage| damaged(damage, &path))?;
        let outcome = attempt_read(&folder, &database, &before, data_root, options);
        let is_stable = bolt::meta(&database) == Ok(before);
        match outcome {
            // A page may have been written again under the reading.
            _ if !is_stable && attempt < ATTEMPTS => attempt += 1,
            Ok(mut reading) => {
                if !is_stable {
                    let message = format!(
                        "containerd wrote to it during each of {ATTEMPTS} readings; names and content may not be of one \
                         moment"
                    );
                    reading
                        .warnings
                        .insert(0, FileWarning::new(WarningKind::ChangedWhileRead, path, message));
                }
                return Ok(reading);
            }
            Err(error) => return Err(error),
        }
    }
}

fn attempt_read(
    folder: &Folder,
    database: &File,
    meta: &Meta,
    data_root: &Path,
    options: &Options,
) -> Result<Reading> {
    let path = folder.path_of(DATABASE);
    let namespace = options.namespace.as_deref().unwrap_or(NAMESPACE);
    let mut metadata = metadata::read(database, meta, namespace).map_err(|damage| damaged(damage, &path))?;
    if !metadata.namespaces.iter().any(|known| known == namespace) {
        let known = metadata.namespaces.join(", ");
        let known = if known.is_empty() { "none".to_owned() } else { known };
        return Err(Error::not_found(format!(
            "{}: no namespace `{namespace}`; there are: {known}",
            path.display()
        )));
    }
    let mut warnings: Vec<FileWarning> = std::mem::take(&mut metadata.odd)
        .into_iter()
        .map(|(name, reason)| {
            let message = format!("`{name}`: {reason}; it is left out");
            FileWarning::new(WarningKind::BadRecord, path.clone(), message)
        })
        .collect();
    let snapshotter = choose_snapshotter(&metadata, options.snapshotter.as_deref(), &path)?;
    let mut leases =
        leases(std::mem::take(&mut metadata.leases), std::mem::take(&mut metadata.leased), &snapshotter);
    let containers = if namespace == NAMESPACE {
        container::read(data_root, &snapshotter, &mut warnings)?
    } else {
        leases.extend(container::leases_of_records(&metadata.containers, &snapshotter));
        warnings.push(FileWarning::new(WarningKind::OtherNamespace, path.clone(), other_clients(namespace)));
        container::of_records(&metadata.containers, &metadata.images)
    };
    content::read(folder, &metadata.images, &mut metadata.blobs, &mut warnings)?;
    let snapshots = snapshots(folder, &mut metadata, &snapshotter, &mut warnings)?;
    let world = ContainerdWorld {
        host_platform: options.host_platform.clone().unwrap_or_else(this_platform),
        snapshotter: snapshotter.clone(),
        blobs: metadata.blobs.into_values().collect(),
        images: metadata.images,
        snapshots,
        leases,
        containers,
        ..ContainerdWorld::default()
    };
    Ok(Reading { world, warnings, snapshotter, containerd_root: folder.path_of("") })
}

/// Whose a namespace is that is not Docker's, and how they prune.
fn other_clients(namespace: &str) -> String {
    let clients = match namespace {
        "k8s.io" => {
            "the kubelet's, which deletes unused images by the time of their last use when the disk is nearly full, and \
             never a pinned one"
        }
        "default" => "that of nerdctl and ctr, which prune by rules of their own",
        _ => "not Docker's, and its clients may prune by other rules",
    };
    format!(
        "the namespace `{}` is {clients}; this is what Docker's prune would do to it, with containerd's own containers \
         in place of a daemon's, none of which is known to run",
        namespace.escape_debug()
    )
}

/// The daemon uses one snapshotter: the one named, or the only one with snapshots, or its default.
fn choose_snapshotter(metadata: &metadata::Metadata, named: Option<&str>, path: &Path) -> Result<String> {
    const DEFAULT: &str = "overlayfs";
    let used: Vec<&str> = metadata
        .snapshots
        .iter()
        .filter(|(_, snapshots)| !snapshots.is_empty())
        .map(|(name, _)| name.as_str())
        .collect();
    match (named, used.as_slice()) {
        (Some(named), _) if metadata.snapshots.contains_key(named) || used.is_empty() => Ok(named.to_owned()),
        (Some(named), _) => Err(Error::not_found(format!(
            "{}: no snapshotter `{named}`; there are: {}",
            path.display(),
            used.join(", ")
        ))),
        (None, [one]) => Ok((*one).to_owned()),
        (None, []) => Ok(DEFAULT.to_owned()),
        (None, several) if several.contains(&DEFAULT) => Ok(DEFAULT.to_owned()),
        (None, several) => Err(Error::invalid_parameter(format!(
            "{}: several snapshotters have snapshots ({}); choose one with --driver",
            path.display(),
            several.join(", ")
        ))),
    }
}

/// The snapshots of the chosen snapshotter, with the sizes that its own database has.
fn snapshots(
    folder: &Folder,
    metadata: &mut metadata::Metadata,
    snapshotter: &str,
    warnings: &mut Vec<FileWarning>,
) -> Result<Vec<crate::document::world::containerd::Snapshot>> {
    let named = metadata.snapshots.remove(snapshotter).unwrap_or_default();
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let name = format!("io.containerd.snapshotter.v1.{snapshotter}/metadata.db");
    let path = folder.path_of(&name);
    let stored = match folder.file(&name) {
        Ok(file) => bolt::meta(&file)
            .and_then(|meta| metadata::sizes(&file, &meta))
            .map_err(|damage| damaged(damage, &path))?,
        Err(failure) => {
            let consequence = "the sizes of snapshots are unknown and count as 0";
            warnings.push(failure.warning(WarningKind::BadContent, path.clone(), consequence)?);
            std::collections::BTreeMap::new()
        }
    };
    let mut unknown = 0_usize;
    let snapshots = named.into_iter().filter_map(|named| {
        let mut snapshot = named.snapshot?;
        match stored.get(&named.name) {
            Some(stored) => {
                snapshot.active = stored.is_active;
                snapshot.size = stored.size.unwrap_or(0);
            }
            None => unknown += usize::from(!stored.is_empty()),
        }
        Some(snapshot)
    });
    let mut snapshots: Vec<_> = snapshots.collect();
    if unknown > 0 {
        let message = format!("it does not know {unknown} of the snapshots; their sizes count as 0");
        warnings.push(FileWarning::new(WarningKind::BadContent, path, message));
    }
    parents_first(&mut snapshots);
    Ok(snapshots)
}

/// Puts each snapshot behind the one it stands on. Of a circle, which no daemon makes, the order is that of the keys.
fn parents_first(snapshots: &mut Vec<crate::document::world::containerd::Snapshot>) {
    use std::collections::HashMap;
    let place: HashMap<&str, usize> =
        snapshots.iter().enumerate().map(|(at, snapshot)| (snapshot.key.as_str(), at)).collect();
    let parents: Vec<Option<usize>> =
        snapshots.iter().map(|snapshot| place.get(snapshot.parent.as_deref()?).copied()).collect();
    let mut depths: Vec<Option<usize>> = vec![None; snapshots.len()];
    for start in 0..parents.len() {
        let mut chain = Vec::new();
        let mut at = Some(start);
        while let Some(one) = at.filter(|one| depths.get(*one) == Some(&None) && chain.len() <= parents.len())
        {
            chain.push(one);
            at = parents.get(one).copied().flatten();
        }
        let first = at.and_then(|one| depths.get(one).copied().flatten()).map_or(0, |depth| depth + 1);
        for (one, depth) in chain.into_iter().rev().zip(first..) {
            if let Some(known) = depths.get_mut(one) {
                *known = Some(depth);
            }
        }
    }
    let mut ordered: Vec<_> = std::mem::take(snapshots).into_iter().zip(depths).collect();
    ordered.sort_by(|(a, deep_a), (b, deep_b)| deep_a.cmp(deep_b).then_with(|| a.key.cmp(&b.key)));
    snapshots.extend(ordered.into_iter().map(|(snapshot, _)| snapshot));
}

/// The leases with what they hold of the chosen snapshotter.
fn leases(mut leases: Vec<Lease>, held: Vec<(String, usize, String)>, snapshotter: &str) -> Vec<Lease> {
    for (of, place, key) in held {
        if of == snapshotter
            && let Some(lease) = leases.get_mut(place)
        {
            lease.snapshots.push(key);
        }
    }
    leases
}

/// The platform that this program was built for, in OCI's words.
fn this_platform() -> Platform {
    let (architecture, variant) = if cfg!(target_arch = "aarch64") {
        ("arm64", "v8")
    } else if cfg!(target_arch = "arm") {
        ("arm", "v7")
    } else if cfg!(target_arch = "x86") {
        ("386", "")
    } else if cfg!(target_arch = "riscv64") {
        ("riscv64", "")
    } else {
        ("amd64", "")
    };
    Platform {
        architecture: architecture.to_owned(),
        os: "linux".to_owned(),
        variant: variant.to_owned(),
        ..Platform::default()
    }
}

fn damaged(damage: Damage, path: &Path) -> Error {
    Error::system(format!("{}: {damage}", path.display()))
}

impl ReadAt for File {
    fn length(&self) -> u64 {
        Self::length(self)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Damage> {
        if Self::read_at(self, offset, buffer) {
            Ok(())
        } else {
            Err(Damage("it is cut off or cannot be read"))
        }
    }
}

/// A failure to read one thing that others do not depend on.
fn warn(failure: OpenError, path: PathBuf, consequence: &str) -> Result<FileWarning> {
    failure.warning(WarningKind::BadContent, path, consequence)
}
