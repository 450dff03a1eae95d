//! A metadata store of which one call fails.

use std::sync::atomic::{AtomicUsize, Ordering};

use image_prune::containerd::store::{
    Collection, ContentStore, ImageStore, LeaseStore, Metadata, MetadataStore, SnapshotStore, Stores,
};
use image_prune::containerd::{Engine, Image};
use image_prune::event::Recorder;
use image_prune::world::ContainerdWorld;
use image_prune::{Digest, Error, Result, Semantics, Timestamp};
use std::sync::Arc;

/// Which call fails, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// This one among all calls; nothing is done.
    Call(usize),
    /// This one among all calls; what it was to do is done, and the answer is lost.
    Answer(usize),
    /// This one among the calls that change something; nothing is done.
    Change(usize),
}

/// What a failing call answers; as the model's.
pub const FAILED: &str = "the store failed";

#[derive(Debug)]
pub struct Faulty {
    pub inner: Metadata,
    fault: Fault,
    calls: AtomicUsize,
    changes: AtomicUsize,
}

impl Faulty {
    /// Whether the call that is to fail has come.
    pub fn has_failed(&self) -> bool {
        let (calls, changes) = (self.calls.load(Ordering::Relaxed), self.changes.load(Ordering::Relaxed));
        match self.fault {
            Fault::Call(nth) | Fault::Answer(nth) => calls > nth,
            Fault::Change(nth) => changes > nth,
        }
    }

    /// From now on nothing fails.
    pub fn mend(&self) {
        self.calls.store(usize::MAX / 2, Ordering::Relaxed);
        self.changes.store(usize::MAX / 2, Ordering::Relaxed);
    }

    fn read<T>(&self, read: impl FnOnce(&Metadata) -> Result<T>) -> Result<T> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        match self.fault {
            Fault::Call(nth) | Fault::Answer(nth) if nth == call => Err(Error::system(FAILED)),
            _ => read(&self.inner),
        }
    }

    fn change<T>(&self, change: impl FnOnce(&Metadata) -> Result<T>) -> Result<T> {
        let number = self.changes.fetch_add(1, Ordering::Relaxed);
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        match self.fault {
            Fault::Call(nth) if nth == call => Err(Error::system(FAILED)),
            Fault::Change(nth) if nth == number => Err(Error::system(FAILED)),
            Fault::Answer(nth) if nth == call => change(&self.inner).and(Err(Error::system(FAILED))),
            _ => change(&self.inner),
        }
    }
}

impl ImageStore for Faulty {
    fn images(&self) -> Result<Vec<Arc<Image>>> {
        self.read(Metadata::images)
    }

    fn image(&self, name: &str) -> Result<Option<Arc<Image>>> {
        self.read(|inner| inner.image(name))
    }

    fn create_image(&self, image: Image) -> Result<bool> {
        self.change(|inner| inner.create_image(image))
    }

    fn delete_image(&self, name: &str, collection: Collection) -> Result<bool> {
        self.change(|inner| inner.delete_image(name, collection))
    }
}

impl ContentStore for Faulty {
    fn contains(&self, digest: Digest) -> Result<bool> {
        self.read(|inner| inner.contains(digest))
    }

    fn read(&self, digest: Digest) -> Result<Option<Vec<u8>>> {
        Self::read(self, |inner| inner.read(digest))
    }

    fn delete_content(&self, digest: Digest) -> Result<bool> {
        self.change(|inner| inner.delete_content(digest))
    }
}

impl SnapshotStore for Faulty {
    fn snapshot_size(&self, key: &str) -> Result<Option<i64>> {
        Self::read(self, |inner| inner.snapshot_size(key))
    }

    fn chain_size(&self, key: &str) -> Result<Option<i64>> {
        Self::read(self, |inner| inner.chain_size(key))
    }

    fn snapshots(&self) -> Result<Vec<(String, i64)>> {
        Self::read(self, Metadata::snapshots)
    }
}

impl LeaseStore for Faulty {
    fn leases_with_label(&self, key: &str) -> Result<Vec<String>> {
        Self::read(self, |inner| inner.leases_with_label(key))
    }

    fn delete_lease(&self, id: &str, collection: Collection) -> Result<bool> {
        self.change(|inner| inner.delete_lease(id, collection))
    }
}

// Walks are the trait's own, so that each look at a blob is a call.
impl MetadataStore for Faulty {
    fn collect(&self, now: Timestamp) -> Result<()> {
        self.change(|inner| inner.collect(now))
    }
}

pub type FaultyEngine = Engine<Recorder, Faulty>;

pub fn faulty_engine(world: &ContainerdWorld, semantics: &Semantics, fault: Fault) -> FaultyEngine {
    let Stores { metadata, containers, host_platform } = Stores::load(world, semantics).unwrap();
    let (calls, changes) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let metadata = Faulty { inner: metadata, fault, calls, changes };
    Engine::new(Stores { metadata, containers, host_platform }, *semantics, Recorder::default())
}

/// What is left, as a description.
pub fn world_of(engine: &FaultyEngine) -> ContainerdWorld {
    let Stores { metadata, containers, host_platform } = engine.stores();
    let (metadata, host_platform) = (metadata.inner.copy(), host_platform.clone());
    Stores { metadata, containers: containers.copy(), host_platform }.to_world()
}
