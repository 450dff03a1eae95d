//! The stores of a daemon that keeps its images in containerd: one narrow trait each, and stores in memory.
//!
//! Image records, content, snapshots and leases are one database in containerd, [`Metadata`] here: a deletion in one
//! of them, with a [`Collection`], takes away in the others what nothing reaches any more. Containers are the
//! daemon's. Methods take `&self`, no lock leaves a method, and no store calls another; [`Metadata`] has one lock,
//! [`Containers`] has its own, and nobody holds both.

use std::sync::Arc;

use super::decode::Kind;
use super::image::Image;
use crate::base::digest::Digest;
use crate::base::error::Result;
use crate::document::world::containerd::{Container, Labels, Lease, Platform};
use crate::go::time::Timestamp;
use walk::Walk;

mod bytes;
mod collect;
mod container;
mod export;
mod graph;
mod holders;
mod label;
mod load;
mod metadata;
mod node;
mod packed;
mod size;
mod validate;
mod view;
pub mod walk;

pub use bytes::Bytes;
pub use container::Containers;
pub(super) use holders::Held;
pub use load::LoadError;
pub use metadata::Metadata;
pub use size::Freed;

/// Whether a deletion collects garbage before it returns (B-7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collection {
    /// It does, and what has expired before this instant goes, too.
    Now(Timestamp),
    /// The next collection will.
    Later,
}

/// The image records of one namespace.
pub trait ImageStore {
    /// All records, in the byte order of their names (N-3).
    ///
    /// # Errors
    ///
    /// The store cannot be read; so for every method below.
    fn images(&self) -> Result<Vec<Arc<Image>>>;

    /// The record with this name.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn image(&self, name: &str) -> Result<Option<Arc<Image>>>;

    /// The records of this target, in the byte order of their names.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn images_of(&self, digest: Digest) -> Result<Vec<Arc<Image>>> {
        let images = self.images()?.into_iter();
        Ok(images.filter(|image| image.digest() == digest).collect())
    }

    /// The records whose target's digits begin so, in the byte order of their names.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn images_with_prefix(&self, digits: &str) -> Result<Vec<Arc<Image>>> {
        let images = self.images()?.into_iter();
        Ok(images.filter(|image| image.digest().has_prefix(digits)).collect())
    }

    /// Whether some record has this digest as its parent, in the classic builder's label.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn has_children(&self, digest: Digest) -> Result<bool> {
        Ok(self.images()?.iter().any(|image| image.parent() == Some(Ok(digest))))
    }

    /// Adds a record; one of this name that is there already stays as it is. Says whether it was added.
    ///
    /// # Errors
    ///
    /// The store cannot be written.
    fn create_image(&self, image: Image) -> Result<bool>;

    /// Takes a record out. Says whether it was there; where it was not, nothing is collected (B-8).
    ///
    /// # Errors
    ///
    /// The store cannot be written.
    fn delete_image(&self, name: &str, collection: Collection) -> Result<bool>;

    /// [`delete_image`](Self::delete_image) of a record that was read before: whatever has its name now goes.
    ///
    /// # Errors
    ///
    /// The store cannot be written.
    fn delete_record(&self, image: &Image, collection: Collection) -> Result<bool> {
        self.delete_image(image.name(), collection)
    }
}

/// The content of one namespace.
pub trait ContentStore {
    /// Whether the blob is there.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn contains(&self, digest: Digest) -> Result<bool>;

    /// The bytes of a blob; `None` where there is no such blob.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn read(&self, digest: Digest) -> Result<Option<Vec<u8>>>;

    /// Takes a blob out, whatever refers to it. Says whether it was there.
    ///
    /// # Errors
    ///
    /// The store cannot be written.
    fn delete_content(&self, digest: Digest) -> Result<bool>;
}

/// The snapshots of the snapshotter that the daemon uses (S-3).
pub trait SnapshotStore {
    /// The size of a snapshot in bytes, without that of its parents; `None` where there is none.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn snapshot_size(&self, key: &str) -> Result<Option<i64>>;

    /// The sizes of a snapshot and all its parents; `None` where one of them is not there (W-2).
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn chain_size(&self, key: &str) -> Result<Option<i64>>;

    /// Every snapshot, writable ones included, with its size.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn snapshots(&self) -> Result<Vec<(String, i64)>>;
}

/// The leases of one namespace.
pub trait LeaseStore {
    /// The IDs of all leases that have this label, whatever its value, sorted.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn leases_with_label(&self, key: &str) -> Result<Vec<String>>;

    /// Takes a lease out. Says whether it was there.
    ///
    /// # Errors
    ///
    /// The store cannot be written.
    fn delete_lease(&self, id: &str, collection: Collection) -> Result<bool>;
}

/// containerd's metadata database: four stores that one collector looks after.
pub trait MetadataStore: ImageStore + ContentStore + SnapshotStore + LeaseStore {
    /// Removes everything that is not reached (B-6).
    ///
    /// # Errors
    ///
    /// The store cannot be written.
    fn collect(&self, now: Timestamp) -> Result<()>;

    /// Walks the present content of a target (B-3) and, where `with_snapshots` says so, decodes its configs for
    /// their snapshots. What is found replaces what `walk` had.
    ///
    /// # Errors
    ///
    /// A manifest, an index or a config does not decode; the store cannot be read.
    fn walk(&self, image: &Image, with_snapshots: bool, walk: &mut Walk) -> Result<()>
    where
        Self: Sized,
    {
        walk::walk(self, image, with_snapshots, walk)
    }

    /// Marks the blobs and snapshots of a walk that are gone now. One that cannot be looked for is not known to be
    /// gone; the others are told all the same.
    fn gone(&self, walk: &mut Walk)
    where
        Self: Sized,
    {
        walk::gone(self, walk);
    }

    /// Whether some config that is reached from the target passes `matches`, which gets its labels.
    /// Attestations count where `with_attestations` says so.
    ///
    /// # Errors
    ///
    /// A blob on the way does not decode; the store cannot be read.
    fn any_labels(
        &self,
        image: &Image,
        with_attestations: bool,
        matches: &mut dyn FnMut(Option<&crate::document::image::Labels>) -> bool,
    ) -> Result<bool>
    where
        Self: Sized,
    {
        walk::any_labels(self, image, with_attestations, matches)
    }

    /// Tells the store which records will be asked for next, so that it can have them at hand.
    fn announce(&self, images: &[Arc<Image>]) {
        let _ = images;
    }
}

/// The daemon's containers.
pub trait ContainerStore {
    /// All of them, in order of creation.
    fn containers(&self) -> Vec<Arc<Container>>;

    /// A container that is made from this image and runs, or does not. Where several qualify it may be any of
    /// them.
    fn first(&self, image: Digest, running: bool) -> Option<Arc<Container>> {
        let is_it = |container: &Arc<Container>| container.image_id == image && container.running == running;
        self.containers().into_iter().find(is_it)
    }

    /// A container that is made from this image, or mounts it.
    fn first_using(&self, image: Digest) -> Option<Arc<Container>> {
        self.containers().into_iter().find(|container| uses(container, image))
    }
}

/// X-7c.
fn uses(container: &Container, image: Digest) -> bool {
    let is_source = |source: &str| source == image.text().as_str();
    container.image_id == image
        || container.mounts.iter().any(|mount| mount.kind == "image" && is_source(&mount.source))
}

/// The stores of a daemon.
#[derive(Debug)]
pub struct Stores<S = Metadata, C = Containers> {
    /// containerd's.
    pub metadata: S,
    /// The daemon's containers.
    pub containers: C,
    /// The platform of the host (V-4).
    pub host_platform: Platform,
}

/// When what has these labels expires.
fn expiry_of(labels: &Labels) -> Option<Timestamp> {
    label::expiry(labels.iter().map(|(key, value)| (key.as_str(), value.as_str())))
}

/// Whether a lease holds only what it lists.
fn is_flat(lease: &Lease) -> bool {
    label::is_flat(lease.labels.iter().filter(|(_, value)| !value.is_empty()).map(|(key, _)| key.as_str()))
}
