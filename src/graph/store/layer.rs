//! Layers in memory, counted by what holds them (rules Y).

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

use super::{FreedLayer, Layer, LayerSizes, LayerStore};
use crate::base::arena::{Arena, Place};
use crate::base::digest::{ChainId, DiffId};
use crate::base::error::{Error, Result};
use crate::base::hash::DigestState;
use crate::base::sync::RwLock;

/// The most layers that a chain may have (Y-2; moby's `maxLayerDepth`).
const MAX_DEPTH: usize = 125;

/// Something that holds a layer: an image, or whoever asked for it. Each is distinct (Y-3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LayerHandle {
    chain: ChainId,
    serial: u32,
}

impl LayerHandle {
    pub(super) const fn new(chain: ChainId, serial: u32) -> Self {
        Self { chain, serial }
    }

    pub(super) const fn serial(self) -> u32 {
        self.serial
    }

    /// The layer that is held.
    #[must_use]
    pub const fn chain_id(&self) -> ChainId {
        self.chain
    }
}

/// A container's writable layer (Y-9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mount {
    /// The layer below.
    pub parent: Option<ChainId>,
    references: u32,
}

/// Removes a layer's data; where it fails, Y-6 says what becomes of the layer.
pub type LayerDriver = dyn Fn(ChainId) -> Result<()> + Send + Sync;

/// The layers of a daemon, in memory.
///
/// ```
/// use image_prune::graph::store::Layers;
/// use image_prune::{DiffId, Digest};
///
/// let layers = Layers::new();
/// let diff = DiffId::from(Digest::of(b"a tar"));
/// let base = layers.register(diff, None, 1000)?;
/// let freed = layers.release(base)?;
/// assert_eq!(freed[0].diff_size, 1000);
/// # Ok::<(), image_prune::Error>(())
/// ```
pub struct Layers {
    inner: RwLock<Inner>,
    driver: Option<Box<LayerDriver>>,
}

/// The sizes of the layers in memory at one moment. Only layers without a parent are copied: the chain ID of
/// any other is the digest of a text that is no image's config. While a snapshot lives, the store notes the
/// layers that come and go again.
#[derive(Debug)]
pub struct LayerSnapshot {
    layers: Arc<Layers>,
    number: u32,
    bases: HashMap<ChainId, i64, DigestState>,
}

#[derive(Debug, Clone)]
struct Inner {
    layers: Arena<ChainId, Entry>,
    mounts: HashMap<String, Mount>,
    /// Handles of layers beyond the one that each entry keeps itself; most layers have one at most.
    more_handles: HashSet<(Place, u32)>,
    next_serial: u32,
    /// The layers without a parent.
    bases: HashSet<Place>,
    snapshots: Snapshots,
}

/// The snapshots of sizes.
#[derive(Debug, Clone, Default)]
struct Snapshots {
    /// The number of the last one taken; the first has number 1.
    taken: u32,
    living: Vec<Living>,
}

/// A snapshot that somebody has, and what came since and is gone again.
#[derive(Debug, Clone)]
struct Living {
    number: u32,
    // DIFFERENCE(layer-that-comes-back): a layer that goes, comes back and goes again within one prune is here, too, and not counted.
    // moby counts each time.
    newcomers: HashSet<ChainId>,
}

impl Snapshots {
    fn take(&mut self) -> u32 {
        self.taken = self.taken.saturating_add(1);
        self.living.push(Living { number: self.taken, newcomers: HashSet::new() });
        self.taken
    }

    fn drop(&mut self, number: u32) -> Option<Living> {
        let place = self.living.iter().position(|snapshot| snapshot.number == number)?;
        Some(self.living.swap_remove(place))
    }

    fn note_freed(&mut self, chain: ChainId, entry: &Entry) {
        for snapshot in self.living.iter_mut().filter(|snapshot| entry.snapshot >= snapshot.number) {
            snapshot.newcomers.insert(chain);
        }
    }

    /// Gives the set away instead of a copy: others wait meanwhile.
    fn newcomers(&mut self, number: u32) -> HashSet<ChainId> {
        let snapshot = self.living.iter_mut().find(|snapshot| snapshot.number == number);
        snapshot.map(|snapshot| std::mem::take(&mut snapshot.newcomers)).unwrap_or_default()
    }
}

/// Packed, for there are millions: eight bytes less.
#[derive(Debug, Clone, Copy)]
#[repr(C, packed(4))]
struct Entry {
    diff_id: DiffId,
    parent: Place,
    // INVARIANT: layers above + handles + mounts, plus what a failed driver leaked (Y-6).
    count: u32,
    /// The serial of one outstanding handle, 0 for none.
    handle: u32,
    /// The number of the last snapshot that does not know it.
    snapshot: u32,
    size: i64,
}

impl Layers {
    /// No layers.
    #[must_use]
    pub fn new() -> Self {
        Self { inner: RwLock::new(Inner::new()), driver: None }
    }

    /// No layers, and a driver that is asked to remove the data of each layer that goes.
    #[must_use]
    pub fn with_driver(driver: impl Fn(ChainId) -> Result<()> + Send + Sync + 'static) -> Self {
        Self { inner: RwLock::new(Inner::new()), driver: Some(Box::new(driver)) }
    }

    pub(super) fn copy(&self) -> Self {
        Self { inner: RwLock::new(self.inner.read().clone()), driver: None }
    }

    /// Adds a layer of `size` bytes on top of `parent`, or holds it once more where it exists
    /// (Y-2).
    ///
    /// # Errors
    ///
    /// `layer does not exist` for an unknown parent, `max depth exceeded` above 125 layers.
    pub fn register(&self, diff_id: DiffId, parent: Option<ChainId>, size: i64) -> Result<LayerHandle> {
        let chain = ChainId::on(parent, diff_id);
        let mut inner = self.inner.write();
        let below = inner.parent_place(parent)?;
        if inner.depth(below) >= MAX_DEPTH {
            return Err(Error::system("max depth exceeded"));
        }
        let place = match inner.layers.find(chain) {
            Some(place) => place,
            None => inner.insert(chain, diff_id, below, size)?,
        };
        Ok(inner.hold(place, chain))
    }

    /// Adds a layer as a daemon finds it at start: held by nobody yet, at any depth.
    pub(super) fn restore(&self, layer: &crate::document::world::Layer) -> Result<()> {
        let mut inner = self.inner.write();
        let below = inner.parent_place(layer.parent)?;
        inner.insert(layer.chain_id, layer.diff_id, below, layer.size).map(drop)
    }

    /// Holds a layer (Y-3).
    ///
    /// # Errors
    ///
    /// `layer does not exist`.
    pub fn get(&self, chain: ChainId) -> Result<LayerHandle> {
        let mut inner = self.inner.write();
        let place = inner.layers.find(chain).ok_or_else(does_not_exist)?;
        Ok(inner.hold(place, chain))
    }

    /// Gives a handle back; the layers that nobody holds any more go, top to base (Y-4, Y-5).
    ///
    /// # Errors
    ///
    /// `layer not retained` for a handle that was given back before; the driver's error, which leaves
    /// the layers below with a count too many (Y-6).
    pub fn release(&self, handle: LayerHandle) -> Result<Vec<FreedLayer>> {
        let mut freed = Vec::new();
        self.release_into(handle, &mut freed)?;
        Ok(freed)
    }

    pub(super) fn release_into(&self, handle: LayerHandle, freed: &mut Vec<FreedLayer>) -> Result<()> {
        let mut inner = self.inner.write();
        let Some(place) = inner.layers.find(handle.chain) else { return Ok(()) };
        inner.forget_handle(place, handle.serial)?;
        self.unhold(&mut inner, place, freed)
    }

    /// These layers will be released next: fetches them from memory, and those below.
    pub(super) fn announce(&self, tops: &[ChainId]) {
        let inner = self.inner.read();
        let layers = &inner.layers;
        layers.fetch(tops, |entry| layers.at(entry.parent).map_or(0, |below| below.count.to_le_bytes()[0]));
        let below = |top: &ChainId| layers.key(layers.get(*top)?.parent);
        let below: SmallVec<[ChainId; 64]> = tops.iter().filter_map(below).collect();
        layers.fetch(&below, |entry| entry.count.to_le_bytes()[0]);
    }

    /// Adds a writable layer above `parent` (Y-9).
    ///
    /// # Errors
    ///
    /// `mount already exists with name`, `layer does not exist`.
    pub fn mount(&self, name: &str, parent: Option<ChainId>) -> Result<()> {
        let mut inner = self.inner.write();
        if inner.mounts.contains_key(name) {
            return Err(Error::system("mount already exists with name"));
        }
        let below = inner.parent_place(parent)?;
        if let Some(entry) = inner.layers.at_mut(below) {
            entry.count += 1;
        }
        inner.mounts.insert(name.to_owned(), Mount { parent, references: 1 });
        Ok(())
    }

    /// Uses a writable layer once more.
    ///
    /// # Errors
    ///
    /// `mount does not exist`.
    pub fn get_mount(&self, name: &str) -> Result<Mount> {
        let mut inner = self.inner.write();
        let mount = inner.mounts.get_mut(name).ok_or_else(|| Error::system("mount does not exist"))?;
        mount.references += 1;
        Ok(*mount)
    }

    /// Gives a writable layer back; the last use takes it away, and the layers below that nobody
    /// holds any more go, top to base (Y-9).
    ///
    /// # Errors
    ///
    /// The driver's (Y-6).
    pub fn unmount(&self, name: &str) -> Result<Vec<FreedLayer>> {
        let mut inner = self.inner.write();
        let Some(mount) = inner.mounts.get_mut(name) else { return Ok(Vec::new()) };
        mount.references -= 1;
        if mount.references > 0 {
            return Ok(Vec::new());
        }
        let parent = mount.parent;
        inner.mounts.remove(name);
        match parent.and_then(|parent| inner.layers.find(parent)) {
            Some(place) => {
                let mut freed = Vec::new();
                self.unhold(&mut inner, place, &mut freed)?;
                Ok(freed)
            }
            None => Ok(Vec::new()),
        }
    }

    /// The size of a chain: the layer and all below it (Y-7). None for an unknown layer.
    #[must_use]
    pub fn chain_size(&self, chain: ChainId) -> Option<i64> {
        let inner = self.inner.read();
        let top = inner.layers.find(chain)?;
        Some(inner.from(top).fold(0, |sum, entry| i64::wrapping_add(sum, entry.size)))
    }

    /// The number of layers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.read().layers.len()
    }

    /// Returns true where there is no layer.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All layers, in no particular order.
    #[must_use]
    pub fn layers(&self) -> Vec<crate::document::world::Layer> {
        let inner = self.inner.read();
        let describe = |(chain_id, entry): (ChainId, &Entry)| crate::document::world::Layer {
            chain_id,
            diff_id: entry.diff_id,
            parent: inner.layers.key(entry.parent),
            size: entry.size,
        };
        inner.layers.iter().map(describe).collect()
    }

    /// What a writable layer stands on.
    #[must_use]
    pub fn mount_parent(&self, name: &str) -> Option<ChainId> {
        self.inner.read().mounts.get(name)?.parent
    }

    /// Y-5, and Y-6 where the driver fails.
    fn unhold(&self, inner: &mut Inner, top: Place, freed: &mut Vec<FreedLayer>) -> Result<()> {
        let before = freed.len();
        let mut place = top;
        while let Some(entry) = inner.layers.at_mut(place) {
            entry.count = entry.count.saturating_sub(1);
            if entry.count > 0 {
                break;
            }
            let Some((chain_id, entry)) = inner.layers.remove(place) else { break };
            if entry.parent == Place::NONE {
                inner.bases.remove(&place);
            }
            inner.snapshots.note_freed(chain_id, &entry);
            if let Some(driver) = &self.driver {
                driver(chain_id).inspect_err(|_| freed.truncate(before))?;
            }
            freed.push(FreedLayer { chain_id, diff_id: entry.diff_id, diff_size: entry.size });
            place = entry.parent;
        }
        Ok(())
    }

    /// Checks that every count is what holds the layer, or more where a driver failed (Y-6). `held` are the
    /// handles that images hold.
    pub(super) fn validate(&self, held: &[LayerHandle]) -> Result<(), String> {
        let inner = self.inner.read();
        let mut holders: HashMap<ChainId, u32> = HashMap::new();
        for (chain, entry) in inner.layers.iter() {
            *holders.entry(chain).or_default() += u32::from(entry.handle != 0);
            if let Some(parent) = entry.parent.some() {
                let parent =
                    inner.layers.key(parent).ok_or_else(|| format!("{chain} has lost its parent"))?;
                *holders.entry(parent).or_default() += 1;
            }
        }
        let handles = inner.more_handles.iter().filter_map(|(place, _)| inner.layers.key(*place));
        let mounts = inner.mounts.values().filter_map(|mount| mount.parent);
        for parent in handles.chain(mounts) {
            *holders.entry(parent).or_default() += 1;
        }
        for (chain, entry) in inner.layers.iter() {
            let holders = holders.get(&chain).copied().unwrap_or(0);
            let leaks = self.driver.is_some() && entry.count >= holders;
            if entry.count != holders && !leaks {
                return Err(format!("{chain} counts {} but {holders} hold it", entry.count));
            }
        }
        for handle in held {
            let place = inner.layers.find(handle.chain);
            if !place.is_some_and(|place| inner.is_held_by(place, handle.serial)) {
                return Err(format!("an image holds {} by a handle that is not outstanding", handle.chain));
            }
        }
        Ok(())
    }
}

impl Inner {
    fn new() -> Self {
        Self {
            layers: Arena::new(),
            mounts: HashMap::default(),
            more_handles: HashSet::default(),
            next_serial: 1,
            bases: HashSet::new(),
            snapshots: Snapshots::default(),
        }
    }

    fn parent_place(&self, parent: Option<ChainId>) -> Result<Place> {
        match parent {
            None => Ok(Place::NONE),
            Some(parent) => self.layers.find(parent).ok_or_else(does_not_exist),
        }
    }

    fn insert(&mut self, chain: ChainId, diff_id: DiffId, below: Place, size: i64) -> Result<Place> {
        let snapshot = self.snapshots.taken;
        let entry = Entry { diff_id, parent: below, count: 0, handle: 0, snapshot, size };
        let place = self.layers.insert(chain, entry).ok_or_else(|| Error::system("too many layers"))?;
        match self.layers.at_mut(below) {
            Some(parent) => parent.count += 1,
            None => drop(self.bases.insert(place)),
        }
        Ok(place)
    }

    /// The layer and all below it, top to base.
    fn from(&self, top: Place) -> impl Iterator<Item = &Entry> {
        std::iter::successors(self.layers.at(top), |entry| self.layers.at(entry.parent))
    }

    fn describe(&self, entry: &Entry) -> Layer {
        Layer {
            diff_id: entry.diff_id,
            parent: self.layers.key(entry.parent),
            diff_size: entry.size,
            holders: entry.count as usize,
        }
    }

    fn depth(&self, top: Place) -> usize {
        self.from(top).take(MAX_DEPTH).count()
    }

    fn hold(&mut self, place: Place, chain: ChainId) -> LayerHandle {
        let serial = self.next_serial;
        self.next_serial = serial.checked_add(1).unwrap_or(1);
        if let Some(entry) = self.layers.at_mut(place) {
            entry.count += 1;
            // The older handle moves: most often it is given back first, by whoever has made the layer.
            let older = std::mem::replace(&mut entry.handle, serial);
            if older != 0 {
                self.more_handles.insert((place, older));
            }
        }
        LayerHandle { chain, serial }
    }

    fn is_held_by(&self, place: Place, serial: u32) -> bool {
        self.layers.at(place).is_some_and(|entry| entry.handle == serial)
            || self.more_handles.contains(&(place, serial))
    }

    fn forget_handle(&mut self, place: Place, serial: u32) -> Result<()> {
        if let Some(entry) = self.layers.at_mut(place).filter(|entry| entry.handle == serial) {
            entry.handle = 0;
            return Ok(());
        }
        if self.more_handles.remove(&(place, serial)) {
            return Ok(());
        }
        Err(Error::system("layer not retained"))
    }
}

impl LayerStore for Arc<Layers> {
    type Sizes = LayerSnapshot;

    fn sizes(&self) -> LayerSnapshot {
        let mut inner = self.inner.write();
        let number = inner.snapshots.take();
        let base = |place: &Place| Some((inner.layers.key(*place)?, inner.layers.at(*place)?.size));
        let bases: Vec<_> = inner.bases.iter().filter_map(base).collect();
        drop(inner);
        LayerSnapshot { layers: Self::clone(self), number, bases: bases.into_iter().collect() }
    }

    fn layer(&self, chain: ChainId) -> Option<Layer> {
        let inner = self.inner.read();
        Some(inner.describe(inner.layers.get(chain)?))
    }

    fn walk(&self, top: ChainId, visit: &mut dyn FnMut(ChainId, Layer) -> bool) {
        let inner = self.inner.read();
        let mut next = inner.layers.find(top);
        while let Some(place) = next
            && let (Some(chain), Some(entry)) = (inner.layers.key(place), inner.layers.at(place))
            && visit(chain, inner.describe(entry))
        {
            next = entry.parent.some();
        }
    }
}

impl LayerSizes for LayerSnapshot {
    fn diff_size(&self, chain: ChainId) -> Option<i64> {
        self.bases.get(&chain).copied()
    }

    fn newcomers(&self) -> Option<HashSet<ChainId>> {
        Some(self.layers.inner.write().snapshots.newcomers(self.number))
    }
}

impl Drop for LayerSnapshot {
    fn drop(&mut self) {
        let gone = self.layers.inner.write().snapshots.drop(self.number);
        // Behind the lock.
        drop(gone);
    }
}

impl Default for Layers {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Layers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Layers").field("len", &self.len()).finish_non_exhaustive()
    }
}

fn does_not_exist() -> Error {
    Error::system("layer does not exist")
}
