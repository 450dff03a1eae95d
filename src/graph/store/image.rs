//! Images in memory, with their parents and children (rules I).

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use smallvec::SmallVec;

use super::{FreedLayer, ImageStore, LayerHandle, Layers};
use crate::base::arena::{Arena, Place};
use crate::base::digest::{ChainId, Digest, ImageId};
use crate::base::error::{Error, Result};
use crate::base::sync::RwLock;
use crate::document::image::Image;
use crate::semantics::Semantics;

/// How many images are visited under one lock.
const PART: usize = 64;

/// The images of a daemon, in memory. Each holds its top layer in the layer store.
///
/// ```
/// use std::sync::Arc;
/// use image_prune::graph::store::{ImageStore, Images, Layers};
/// use image_prune::Semantics;
///
/// let images = Images::new(Arc::new(Layers::new()), &Semantics::MOBY_20_10);
/// let base = images.create(r#"{"rootfs":{"type":"layers"}}"#)?;
/// let child = images.create(r#"{"rootfs":{"type":"layers"},"author":"me"}"#)?;
/// images.set_parent(child, base)?;
/// assert_eq!(images.ids(true), [child]);
/// # Ok::<(), image_prune::Error>(())
/// ```
#[derive(Debug)]
pub struct Images {
    inner: RwLock<Inner>,
    layers: Arc<Layers>,
    semantics: Semantics,
    keeps_configs: bool,
}

#[derive(Debug, Clone)]
struct Inner {
    images: Arena<ImageId, Entry>,
    /// Readable, yet not in the store: what a failed create leaves (I-3).
    ghosts: HashMap<ImageId, Arc<Image>>,
    /// Parent links of images to what was not in the store when the link was set. They are mere
    /// metadata: the parent, should it come, does not know of the child.
    loose_parents: HashMap<ImageId, ImageId>,
    /// Children that a parent counts, though they do not exist (I-7).
    phantoms: HashMap<ImageId, BTreeSet<ImageId>>,
}

// INVARIANT: the entries whose `parent` is P are exactly those on the list that starts at P's
// `first_child` and goes on by `next_sibling`; `previous_sibling` is its inverse.
#[derive(Debug, Clone)]
struct Entry {
    image: Arc<Image>,
    /// The serial of the handle on the top layer; 0 for an image without layers.
    handle: u32,
    parent: Place,
    first_child: Place,
    next_sibling: Place,
    previous_sibling: Place,
}

impl Images {
    /// No images. They will hold their layers in `layers`.
    #[must_use]
    pub fn new(layers: Arc<Layers>, semantics: &Semantics) -> Self {
        let inner = Inner {
            images: Arena::new(),
            ghosts: HashMap::default(),
            loose_parents: HashMap::default(),
            phantoms: HashMap::default(),
        };
        Self { inner: RwLock::new(inner), layers, semantics: *semantics, keeps_configs: true }
    }

    /// The same store, for images to come without their raw configs, which takes less than half the memory.
    ///
    /// What then is empty: [`Image::config`], [`Image::diff_ids`], and hence the configs of
    /// [`Stores::to_world`](super::Stores::to_world), which cannot be loaded again. An image as an OCI config
    /// is an error. A prune, a plan and the disk usage need none of these.
    #[must_use]
    pub fn without_configs(self) -> Self {
        Self { keeps_configs: false, ..self }
    }

    /// A copy with a copy of the layers: both of one moment.
    pub(super) fn copy(&self) -> Self {
        let inner = self.inner.read();
        let layers = Arc::new(self.layers.copy());
        let inner = RwLock::new(inner.clone());
        Self { inner, layers, semantics: self.semantics, keeps_configs: self.keeps_configs }
    }

    pub(super) fn layers(&self) -> Arc<Layers> {
        Arc::clone(&self.layers)
    }

    /// Of at most [`PART`] images those that there are, and whether each has children.
    fn part(&self, ids: &[ImageId]) -> SmallVec<[(ImageId, Arc<Image>, bool); PART]> {
        let inner = self.inner.read();
        inner.images.fetch(ids, |entry| entry.image.fetch());
        let describe = |id: &ImageId| {
            let entry = inner.images.get(*id)?;
            Some((*id, Arc::clone(&entry.image), inner.has_children(*id, entry)))
        };
        ids.iter().filter_map(describe).collect()
    }

    /// Adds the image with this config (I-1, I-3). One that is there already stays as it is.
    ///
    /// # Errors
    ///
    /// Where the config is no image config, names an operating system that is not supported, or
    /// layers that do not exist. On the last two the bytes stay behind and can be read by ID.
    pub fn create(&self, config: impl Into<Vec<u8>>) -> Result<ImageId> {
        let config = config.into();
        let id = ImageId::of(&config);
        let image = Image::parse(config, &self.semantics)?;
        image.check_history(&self.semantics)?;
        self.insert(id, image)?;
        Ok(id)
    }

    /// Adds an image whose ID is known to be the digest of its config. False where it is there already.
    pub(super) fn insert(&self, id: ImageId, image: Image) -> Result<bool> {
        let image = Arc::new(if self.keeps_configs { image } else { image.without_config() });
        let mut inner = self.inner.write();
        if inner.images.find(id).is_some() {
            return Ok(false);
        }
        let handle = match self.hold_layers(&image) {
            Ok(handle) => handle.map_or(0, LayerHandle::serial),
            Err(error) => {
                inner.ghosts.insert(id, image);
                return Err(error);
            }
        };
        let was_ghost = inner.ghosts.remove(&id).is_some();
        let entry = Entry {
            image,
            handle,
            parent: Place::NONE,
            first_child: Place::NONE,
            next_sibling: Place::NONE,
            previous_sibling: Place::NONE,
        };
        let place = inner.images.insert(id, entry).ok_or_else(|| Error::system("too many images"))?;
        if was_ghost {
            inner.join_loose_parent(id, place);
        }
        Ok(true)
    }

    /// The place of an image that may go.
    fn deletable(&self, inner: &Inner, id: ImageId) -> Result<Place> {
        let Some(place) = inner.images.find(id) else {
            return Err(Error::system(format!("unrecognized image ID {id}")));
        };
        match inner.images.at(place) {
            Some(entry) if self.semantics.os_is_checked_on_delete && !entry.image.is_os_supported() => {
                let os = crate::go::quote::quote(entry.image.os().as_bytes(), self.semantics.unicode);
                Err(Error::system(format!("unsupported image operating system {os}")))
            }
            _ => Ok(place),
        }
    }

    fn hold_layers(&self, image: &Image) -> Result<Option<LayerHandle>> {
        let failed =
            |chain: &str| Error::system(format!("failed to get layer {chain}: layer does not exist"));
        match image.chain() {
            Ok(None) => Ok(None),
            // DIFFERENCE(os-in-odd-case): moby 20.10 panics for an `os` like "Linux" (I-4); it is supported here.
            _ if !image.is_os_supported() => Err(Error::system("operating system is not supported")),
            Ok(Some(chain)) => self.layers.get(chain).map(Some).map_err(|_| failed(&chain.to_string())),
            Err(chain) => Err(failed(&chain)),
        }
    }

    /// Makes `parent` the parent of `child` (I-7). Cycles are not refused.
    ///
    /// # Errors
    ///
    /// `unknown parent image ID …`. Where the child is unknown, too, the parent has counted it first
    /// and can never be deleted.
    pub fn set_parent(&self, child: ImageId, parent: ImageId) -> Result<()> {
        let mut inner = self.inner.write();
        let Some(above) = inner.images.find(parent) else {
            return Err(Error::system(format!("unknown parent image ID {parent}")));
        };
        if let Some(place) = inner.images.find(child) {
            inner.leave_parent(child, place);
            inner.forget_phantom(parent, child);
            inner.join_parent(place, above);
            return Ok(());
        }
        if let Some(old) = inner.loose_parents.remove(&child) {
            inner.forget_phantom(old, child);
        }
        inner.phantoms.entry(parent).or_default().insert(child);
        if inner.ghosts.contains_key(&child) {
            inner.loose_parents.insert(child, parent);
            return Ok(());
        }
        Err(Error::system(format!("failed to get digest {child}: no such image")))
    }

    /// Sets a parent link as a daemon finds it at start: what it names may be missing (I-2b).
    pub(super) fn restore_parent(&self, child: ImageId, parent: ImageId) {
        let mut inner = self.inner.write();
        match (inner.images.find(child), inner.images.find(parent)) {
            (Some(place), Some(above)) => inner.join_parent(place, above),
            _ => drop(inner.loose_parents.insert(child, parent)),
        }
    }

    /// Whether the image is in the store.
    #[must_use]
    pub fn contains(&self, id: ImageId) -> bool {
        self.inner.read().images.find(id).is_some()
    }

    /// The number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.read().images.len()
    }

    /// Returns true where there is no image.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All images with their parent links, in no particular order: one snapshot.
    #[must_use]
    pub fn images(&self) -> Vec<(ImageId, Arc<Image>, Option<ImageId>)> {
        let inner = self.inner.read();
        let describe =
            |(id, entry): (ImageId, &Entry)| (id, Arc::clone(&entry.image), inner.parent(id, entry));
        inner.images.iter().map(describe).collect()
    }

    pub(super) fn held_layers(&self) -> Vec<LayerHandle> {
        let inner = self.inner.read();
        inner.images.iter().filter_map(|(_, entry)| entry.handle()).collect()
    }

    pub(super) fn validate(&self) -> Result<(), String> {
        let inner = self.inner.read();
        let mut children = 0;
        for (id, entry) in inner.images.iter() {
            let Some(place) = inner.images.find(id) else { return Err(format!("{id} is not to be found")) };
            let mut previous = Place::NONE;
            for child in inner.children(place) {
                let Some(entry) = inner.images.at(child) else {
                    return Err(format!("{id} has lost a child"));
                };
                if entry.parent != place || entry.previous_sibling != previous {
                    return Err(format!("the list of children of {id} is broken"));
                }
                previous = child;
                children += 1;
            }
            if entry.handle == 0 && !matches!(entry.image.chain(), Ok(None)) {
                return Err(format!("{id} has layers but holds none"));
            }
        }
        let linked = inner.images.iter().filter(|(_, entry)| entry.parent.some().is_some()).count();
        if linked == children { Ok(()) } else { Err(format!("{linked} parents for {children} children")) }
    }
}

impl ImageStore for Images {
    fn ids(&self, heads_only: bool) -> Vec<ImageId> {
        // Writers wait for the list: it does not grow under the lock.
        let mut ids = Vec::with_capacity(self.len());
        let inner = self.inner.read();
        let is_meant = |id: ImageId, entry: &Entry| !(heads_only && inner.has_children(id, entry));
        ids.extend(inner.images.iter().filter(|(id, entry)| is_meant(*id, entry)).map(|(id, _)| id));
        ids
    }

    fn get(&self, id: ImageId) -> Result<Arc<Image>> {
        let inner = self.inner.read();
        match inner.images.get(id) {
            Some(entry) => Ok(Arc::clone(&entry.image)),
            None => inner.ghost(id),
        }
    }

    fn visit(&self, ids: &[ImageId], visit: &mut dyn FnMut(ImageId, &Image, bool) -> ControlFlow<()>) {
        for ids in ids.chunks(PART) {
            // The visitor is somebody's code: no lock is held while it runs.
            for (id, image, has_children) in self.part(ids) {
                if visit(id, &image, has_children).is_break() {
                    return;
                }
            }
        }
    }

    fn search(&self, term: &str) -> Result<ImageId> {
        let inner = self.inner.read();
        match prefix(term).and_then(Digest::from_hex) {
            Some(digest) => {
                let found = inner.images.find(digest.into()).map(|_| digest.into());
                found.ok_or_else(|| no_such_image(term))
            }
            None => find_by_prefix(term, inner.images.iter().map(|(id, _)| id)),
        }
    }

    fn has_children(&self, id: ImageId) -> bool {
        let inner = self.inner.read();
        inner.images.get(id).is_some_and(|entry| inner.has_children(id, entry))
    }

    fn parent(&self, id: ImageId) -> Option<ImageId> {
        let inner = self.inner.read();
        match inner.images.get(id) {
            Some(entry) => inner.parent(id, entry),
            None => inner.loose_parents.get(&id).copied(),
        }
    }

    fn children(&self, id: ImageId) -> Vec<ImageId> {
        let inner = self.inner.read();
        let Some(place) = inner.images.find(id) else { return Vec::new() };
        let mut children: Vec<_> =
            inner.children(place).filter_map(|child| inner.images.key(child)).collect();
        children.extend(inner.phantoms.get(&id).into_iter().flatten());
        children
    }

    fn check_delete(&self, id: ImageId) -> Result<()> {
        self.deletable(&self.inner.read(), id).map(drop)
    }

    fn delete(&self, id: ImageId) -> Result<Vec<FreedLayer>> {
        let mut freed = Vec::new();
        self.delete_into(id, &mut freed)?;
        Ok(freed)
    }

    fn announce(&self, ids: &[ImageId]) {
        let inner = self.inner.read();
        inner.images.fetch(ids, |entry| entry.image.fetch());
        let top = |id: &ImageId| inner.images.get(*id)?.image.top_layer();
        let tops: SmallVec<[ChainId; 64]> = ids.iter().filter_map(top).collect();
        self.layers.announce(&tops);
    }

    fn delete_into(&self, id: ImageId, freed: &mut Vec<FreedLayer>) -> Result<Option<ImageId>> {
        let mut inner = self.inner.write();
        let place = self.deletable(&inner, id)?;
        let parent = inner.images.at(place).and_then(|entry| inner.parent(id, entry));
        inner.orphan_children(id, place);
        inner.leave_parent(id, place);
        let removed = inner.images.remove(place).map(|(_, entry)| entry);
        // I-10: moby's lock covers the layers, too, so that no image comes between that holds them again.
        let released = match removed.as_ref().and_then(Entry::handle) {
            Some(handle) => self.layers.release_into(handle, freed),
            None => Ok(()),
        };
        drop(inner);
        drop(removed);
        released.map(|()| parent)
    }
}

/// I-12: an algorithm counts only in front of something, and only `sha256` has images; a full digest that is not valid
/// is taken as a prefix whole, and no ID begins with that.
fn prefix(term: &str) -> Option<&str> {
    match term.split_once(':') {
        Some(("sha256", hex)) if !hex.is_empty() => Some(hex),
        Some(_) => None,
        None => Some(term),
    }
}

/// I-12, among these images.
pub(super) fn find_by_prefix(term: &str, mut ids: impl Iterator<Item = ImageId>) -> Result<ImageId> {
    let prefix = prefix(term).ok_or_else(|| no_such_image(term))?;
    let mut next = || ids.find(|id| id.digest().has_prefix(prefix));
    match (next(), next()) {
        (Some(id), None) => Ok(id),
        (None, _) => Err(no_such_image(term)),
        (Some(_), Some(_)) => Err(Error::system("ambiguous digest string")),
    }
}

fn no_such_image(term: &str) -> Error {
    Error::not_found(format!("No such image: {term}"))
}

impl Entry {
    fn handle(&self) -> Option<LayerHandle> {
        let chain = self.image.top_layer().filter(|_| self.handle != 0)?;
        Some(LayerHandle::new(chain, self.handle))
    }
}

impl Inner {
    fn ghost(&self, id: ImageId) -> Result<Arc<Image>> {
        let ghost = self.ghosts.get(&id).cloned();
        ghost.ok_or_else(|| Error::system(format!("failed to get digest {id}: no such image")))
    }

    fn children(&self, place: Place) -> impl Iterator<Item = Place> {
        let first = self.images.at(place).and_then(|entry| entry.first_child.some());
        std::iter::successors(first, |child| self.images.at(*child)?.next_sibling.some())
    }

    fn has_children(&self, id: ImageId, entry: &Entry) -> bool {
        entry.first_child.some().is_some() || (!self.phantoms.is_empty() && self.phantoms.contains_key(&id))
    }

    fn parent(&self, id: ImageId, entry: &Entry) -> Option<ImageId> {
        self.images.key(entry.parent).or_else(|| {
            if self.loose_parents.is_empty() { None } else { self.loose_parents.get(&id).copied() }
        })
    }

    fn join_parent(&mut self, child: Place, parent: Place) {
        let Some(above) = self.images.at_mut(parent) else { return };
        let sibling = std::mem::replace(&mut above.first_child, child);
        if let Some(entry) = self.images.at_mut(child) {
            entry.parent = parent;
            entry.next_sibling = sibling;
            entry.previous_sibling = Place::NONE;
        }
        if let Some(entry) = self.images.at_mut(sibling) {
            entry.previous_sibling = child;
        }
    }

    /// A ghost that is an image now is a child like any other.
    fn join_loose_parent(&mut self, child: ImageId, place: Place) {
        let Some(parent) = self.loose_parents.get(&child).copied() else { return };
        if let Some(above) = self.images.find(parent) {
            self.loose_parents.remove(&child);
            self.forget_phantom(parent, child);
            self.join_parent(place, above);
        }
    }

    /// The link goes, but the parent that it names counts the child for ever (I-7, I-10).
    fn forget_link(&mut self, child: ImageId) {
        let Some(place) = self.images.find(child) else { return };
        let parent = self.images.at(place).and_then(|entry| self.images.key(entry.parent));
        self.leave_parent(child, place);
        if let Some(parent) = parent {
            self.phantoms.entry(parent).or_default().insert(child);
        }
    }

    fn forget_phantom(&mut self, parent: ImageId, child: ImageId) {
        let Some(children) = self.phantoms.get_mut(&parent) else { return };
        children.remove(&child);
        if children.is_empty() {
            self.phantoms.remove(&parent);
        }
    }

    /// Takes the image from its parent's children and forgets the link.
    fn leave_parent(&mut self, id: ImageId, place: Place) {
        if !self.loose_parents.is_empty() {
            self.loose_parents.remove(&id);
        }
        let Some(entry) = self.images.at_mut(place) else { return };
        let parent = std::mem::replace(&mut entry.parent, Place::NONE);
        let next = std::mem::replace(&mut entry.next_sibling, Place::NONE);
        let previous = std::mem::replace(&mut entry.previous_sibling, Place::NONE);
        if let Some(entry) = self.images.at_mut(next) {
            entry.previous_sibling = previous;
        }
        match self.images.at_mut(previous) {
            Some(entry) => entry.next_sibling = next,
            None => {
                if let Some(entry) = self.images.at_mut(parent) {
                    entry.first_child = next;
                }
            }
        }
    }

    /// I-10: the children of an image that goes have no parent any more.
    fn orphan_children(&mut self, id: ImageId, place: Place) {
        let mut next = match self.images.at_mut(place) {
            Some(entry) => std::mem::replace(&mut entry.first_child, Place::NONE),
            None => return,
        };
        while let Some(child) = self.images.at_mut(next) {
            child.parent = Place::NONE;
            child.previous_sibling = Place::NONE;
            next = std::mem::replace(&mut child.next_sibling, Place::NONE);
        }
        if !self.phantoms.is_empty() {
            for phantom in self.phantoms.remove(&id).unwrap_or_default() {
                self.loose_parents.remove(&phantom);
                self.forget_link(phantom);
            }
        }
    }
}
