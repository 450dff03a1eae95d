//! Stores made of a plain description.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::bytes::Bytes;
use super::graph::Graph;
use super::{Metadata, Stores};
use crate::base::digest::Digest;
use crate::base::error::Error;
use crate::base::sync::RwLock;
use crate::containerd::image::Image;
use crate::document::world::ContainerdWorld;
use crate::document::world::containerd::{Blob, Snapshot};
use crate::semantics::Semantics;

/// A description that no stores can be made of.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadError {
    /// Two objects have one name.
    Twice {
        /// `blob`, `image`, `snapshot`, `lease` or `container`.
        kind: &'static str,
        /// The digest, name, key or ID.
        name: String,
    },
    /// The bytes of a blob have another digest.
    WrongDigest {
        /// The digest that the blob is said to have.
        said: Digest,
        /// The digest that it has.
        found: Digest,
    },
    /// A snapshot is its own ancestor.
    SnapshotCycle(String),
    /// The store is full.
    Full,
}

impl fmt::Display for LoadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Twice { kind, name } => write!(formatter, "{kind} `{name}` is there twice; delete one"),
            Self::WrongDigest { said, found } => {
                write!(formatter, "blob {said}: its bytes have the digest {found}; correct one of them")
            }
            Self::SnapshotCycle(key) => {
                write!(formatter, "snapshot `{key}` is its own ancestor; correct a `parent` on the way")
            }
            Self::Full => formatter.write_str("more than four billion objects"),
        }
    }
}

impl std::error::Error for LoadError {}

impl From<LoadError> for Error {
    fn from(error: LoadError) -> Self {
        Error::invalid_parameter(error.to_string())
    }
}

impl Stores {
    /// Stores with everything that `world` has.
    ///
    /// # Errors
    ///
    /// Something is there twice, bytes have another digest, or a snapshot is its own ancestor.
    pub fn load(world: &ContainerdWorld, semantics: &Semantics) -> Result<Self, LoadError> {
        Self::load_with(world, semantics, Bytes::All)
    }

    /// [`Stores::load`], keeping these bytes alone.
    ///
    /// # Errors
    ///
    /// Those of [`Stores::load`].
    pub fn load_with(
        world: &ContainerdWorld,
        semantics: &Semantics,
        bytes: Bytes,
    ) -> Result<Self, LoadError> {
        let mut ids = HashSet::new();
        for container in &world.containers {
            once(ids.insert(&container.id), "container", &container.id)?;
        }
        check_parents(&world.snapshots)?;
        let mut graph = Graph::new(&world.snapshotter, semantics);
        graph.bytes = bytes;
        let full = |_| LoadError::Full;
        for blob in &world.blobs {
            check_digest(blob)?;
            once(graph.add_blob(blob).map_err(full)?, "blob", &blob.digest)?;
        }
        for snapshot in &world.snapshots {
            once(graph.add_snapshot(snapshot).map_err(full)?, "snapshot", &snapshot.key)?;
        }
        for lease in &world.leases {
            once(graph.add_lease(lease.clone()).map_err(full)?, "lease", &lease.id)?;
        }
        for record in &world.images {
            once(graph.add_image(Image::from(record.clone())).map_err(full)?, "image", &record.name)?;
        }
        Ok(Self {
            metadata: Metadata(RwLock::new(graph)),
            containers: world.containers.iter().cloned().collect(),
            host_platform: world.host_platform.clone(),
        })
    }

    /// A copy that shares nothing that can change.
    #[must_use]
    pub fn copy(&self) -> Self {
        let host_platform = self.host_platform.clone();
        Self { metadata: self.metadata.copy(), containers: self.containers.copy(), host_platform }
    }
}

fn once(is_new: bool, kind: &'static str, name: &impl ToString) -> Result<(), LoadError> {
    if is_new { Ok(()) } else { Err(LoadError::Twice { kind, name: name.to_string() }) }
}

fn check_digest(blob: &Blob) -> Result<(), LoadError> {
    let Some(raw) = blob.raw.as_deref() else { return Ok(()) };
    let found = Digest::of(raw);
    if found == blob.digest { Ok(()) } else { Err(LoadError::WrongDigest { said: blob.digest, found }) }
}

fn check_parents(snapshots: &[Snapshot]) -> Result<(), LoadError> {
    let parents: HashMap<&str, &str> = snapshots
        .iter()
        .filter_map(|snapshot| Some((snapshot.key.as_str(), snapshot.parent.as_deref()?)))
        .collect();
    // Ancestors that were followed to their end.
    let mut ended: HashSet<&str> = HashSet::new();
    for snapshot in snapshots {
        let mut path: HashSet<&str> = HashSet::new();
        let mut next = Some(snapshot.key.as_str());
        while let Some(key) = next.filter(|key| !ended.contains(key)) {
            if !path.insert(key) {
                return Err(LoadError::SnapshotCycle(key.to_owned()));
            }
            next = parents.get(key).copied();
        }
        ended.extend(path);
    }
    Ok(())
}
