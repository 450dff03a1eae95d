//! The graph of references (B-5, B-6), with counts that are kept up to date, so that a deletion
//! costs what it frees.
//!
//! An object is reached in two ways. Reached *strongly*, all its references count; reached *flatly*, by a flat lease,
//! only the parent of a snapshot and the target of an image do. It stays as long as it is reached in either way. An
//! object counts for others only from when it was reached until a collection has found that it no longer is: what
//! nobody reaches holds nothing.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use smallvec::SmallVec;

use super::bytes::Bytes;
use super::node::{Held, Key, Links, Marked, Marks, Node, Object, Said};
use crate::base::arena::{Arena, Place};
use crate::base::digest::Digest;
use crate::base::error::{Error, Result};
use crate::containerd::image::Image;
use crate::go::time::Timestamp;
use crate::semantics::{Containerd, Semantics};

#[derive(Debug, Clone)]
pub(super) struct Graph {
    pub nodes: Arena<Key, Node>,
    /// References of flat leases, and of what they reach flatly; few objects have one.
    flat: HashMap<Place, u32>,
    /// Those that live as long as the one at this place, by back references.
    dependents: HashMap<Place, Vec<Place>>,
    /// What the next collection looks at.
    pub suspects: Vec<Place>,
    /// The place of a digest and of each of its records: in a tree an entry takes less memory than in a hash map.
    pub names: BTreeSet<(Place, Place)>,
    /// How many records have this digest as their parent.
    pub children: HashMap<Digest, usize>,
    /// Records and leases that expire, by when.
    pub expiring: BTreeSet<(Timestamp, Place)>,
    /// The time of the last collection.
    pub collected_at: Option<Timestamp>,
    /// References came that may close a cycle.
    pub may_have_cycles: bool,
    /// How often something came.
    pub version: u64,
    pub snapshotter: Box<str>,
    pub bytes: Bytes,
    pub containerd: Containerd,
}

/// The two ways to be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Way {
    Strong,
    Flat,
}

/// The references that one object makes.
pub(super) type Targets = SmallVec<[(Place, Way); 12]>;

impl Graph {
    pub(super) fn new(snapshotter: &str, semantics: &Semantics) -> Self {
        let snapshotter = if snapshotter.is_empty() { "overlayfs" } else { snapshotter };
        Self {
            nodes: Arena::new(),
            flat: HashMap::new(),
            dependents: HashMap::new(),
            suspects: Vec::new(),
            names: BTreeSet::new(),
            children: HashMap::new(),
            expiring: BTreeSet::new(),
            collected_at: None,
            may_have_cycles: false,
            version: 0,
            snapshotter: snapshotter.into(),
            bytes: Bytes::All,
            containerd: semantics.containerd.unwrap_or(Containerd::MOBY_29),
        }
    }

    /// The object with this key, where it is there.
    pub(super) fn get(&self, key: Key) -> Option<(Place, &Node)> {
        let place = self.nodes.find(key)?;
        let node = self.nodes.at(place)?;
        node.is_there().then_some((place, node))
    }

    /// Whether the object with this key is at that place.
    pub(super) fn is_at(&self, place: Place, key: Key) -> bool {
        self.nodes.key(place) == Some(key) && self.at(place).is_some()
    }

    /// The object at a place, where it is there.
    pub(super) fn at(&self, place: Place) -> Option<&Node> {
        self.nodes.at(place).filter(|node| node.is_there())
    }

    /// Takes hold of a place: it stays until [`Graph::release`].
    pub(super) fn hold(&mut self, key: Key) -> Result<Place> {
        let place = self.place(key)?;
        if let Some(node) = self.nodes.at_mut(place) {
            node.held.increase();
        }
        Ok(place)
    }

    fn place(&mut self, key: Key) -> Result<Place> {
        if let Some(place) = self.nodes.find(key) {
            return Ok(place);
        }
        let object = Object::Absent;
        let node = Node { size: 0, object, strong: 0, held: Held::default(), marks: Marks::default() };
        self.nodes
            .insert(key, node)
            .ok_or_else(|| Error::system("the store is full: it has four billion objects"))
    }

    fn release(&mut self, place: Place) {
        if let Some(node) = self.nodes.at_mut(place) {
            node.held.decrease();
        }
        self.forget(place);
    }

    /// Gives a place back where nothing is there and nobody knows it.
    fn forget(&mut self, place: Place) {
        let is_unknown = self
            .nodes
            .at(place)
            .is_some_and(|node| !node.is_there() && node.held.get() == 0 && !node.marks.has(Marks::SUSPECT));
        if is_unknown {
            self.nodes.remove(place);
        }
    }

    /// Takes hold of what labels name.
    pub(super) fn marked(&mut self, said: Said<'_>) -> Result<Marked> {
        let families: Result<_> =
            said.families.into_iter().map(|(code, key)| Ok((code, self.hold(key)?))).collect();
        let others = if said.others.is_empty() {
            None
        } else {
            let links = self.links(&said.references, &said.back_references)?;
            let texts = said.others.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
            Some(Box::new((links, texts)))
        };
        Ok(Marked { families: families?, others })
    }

    /// The records of a digest, by its place.
    pub(super) fn names_of(&self, target: Place) -> impl Iterator<Item = Place> {
        self.names.range((target, Place::FIRST)..=(target, Place::NONE)).map(|(_, name)| *name)
    }

    pub(super) fn links(&mut self, references: &[Key], back_references: &[Key]) -> Result<Links> {
        let references: Result<_> = references.iter().map(|key| self.hold(*key)).collect();
        let back_references: Result<_> = back_references.iter().map(|key| self.hold(*key)).collect();
        Ok(Links { references: references?, back_references: back_references? })
    }

    /// Puts an object where none is. What it names is held already.
    ///
    /// # Errors
    ///
    /// The store is full.
    pub(super) fn put(&mut self, key: Key, size: i64, object: Object, is_root: bool) -> Result<Place> {
        let place = self.place(key)?;
        self.version = self.version.wrapping_add(1);
        for on in object.links().into_iter().flat_map(|links| &links.back_references) {
            self.join(*on, place);
        }
        // What was not there may have been reached for those that depend on it alone.
        self.unreach(place, Way::Strong);
        let has_back_references = object.links().is_some_and(|links| !links.back_references.is_empty());
        let Some(node) = self.nodes.at_mut(place) else { return Ok(place) };
        // Only what others refer to before it is there, and refers to others, can close a cycle.
        self.may_have_cycles |= (node.held.get() > 0 || has_back_references) && object.names_others();
        (node.size, node.object) = (size, object);
        node.marks.set(Marks::ROOT, is_root);
        let is_strong = is_root || node.strong > 0;
        let is_flat = self.flat.contains_key(&place);
        if is_strong {
            self.reach(place, Way::Strong);
        }
        if is_flat {
            self.reach(place, Way::Flat);
        }
        if !is_strong && !is_flat {
            self.suspect(place);
        }
        Ok(place)
    }

    /// Takes an object away, whoever refers to it.
    pub(super) fn take(&mut self, place: Place) -> Option<(Key, Object)> {
        self.unreach(place, Way::Strong);
        self.unreach(place, Way::Flat);
        let key = self.nodes.key(place)?;
        let node = self.nodes.at_mut(place)?;
        let object = std::mem::replace(&mut node.object, Object::Absent);
        node.size = 0;
        node.marks.set(Marks::ROOT, false);
        for on in object.links().into_iter().flat_map(|links| &links.back_references) {
            self.leave(*on, place);
        }
        object.each_place(|named| self.release(named));
        if self.nodes.at(place).is_some_and(|node| node.strong > 0) {
            self.reach(place, Way::Strong);
        }
        self.forget(place);
        Some((key, object))
    }

    /// Begins a back reference of the object at `place`.
    fn join(&mut self, on: Place, place: Place) {
        self.dependents.entry(on).or_default().push(place);
        let Some(node) = self.nodes.at_mut(on) else { return };
        node.marks.set(Marks::HAS_DEPENDENTS, true);
        let (was_reached, is_reached) = (node.marks.has(Marks::STRONG), node.strong > 0);
        if was_reached {
            if let Some(node) = self.nodes.at_mut(place) {
                node.strong += 1;
            }
        } else if is_reached {
            self.reach(on, Way::Strong);
        }
    }

    /// Ends a back reference of the object at `place`.
    fn leave(&mut self, on: Place, place: Place) {
        let Some(dependents) = self.dependents.get_mut(&on) else { return };
        let Some(at) = dependents.iter().position(|dependent| *dependent == place) else { return };
        dependents.swap_remove(at);
        let is_last = dependents.is_empty();
        if is_last {
            self.dependents.remove(&on);
        }
        let mut was_reached = false;
        if let Some(node) = self.nodes.at_mut(on) {
            node.marks.set(Marks::HAS_DEPENDENTS, !is_last);
            was_reached = node.marks.has(Marks::STRONG);
            if !node.is_vertex() {
                node.marks.set(Marks::STRONG, false);
            }
        }
        if let Some(node) = self.nodes.at_mut(place).filter(|_| was_reached) {
            node.strong = node.strong.saturating_sub(1);
        }
    }

    /// Lets an object count for what it refers to, and so on from there.
    pub(super) fn reach(&mut self, place: Place, way: Way) {
        let mut next: SmallVec<[(Place, Way); 16]> = SmallVec::new();
        next.push((place, way));
        while let Some((place, way)) = next.pop() {
            let Some(node) = self.nodes.at_mut(place) else { continue };
            let mark = way.mark();
            let counts = if way == Way::Strong { node.is_vertex() } else { node.is_there() };
            if !counts || node.marks.has(mark) {
                continue;
            }
            node.marks.set(mark, true);
            for (target, way) in self.targets(place, way) {
                match way {
                    Way::Flat => *self.flat.entry(target).or_default() += 1,
                    Way::Strong => {
                        if let Some(node) = self.nodes.at_mut(target) {
                            node.strong += 1;
                        }
                    }
                }
                next.push((target, way));
            }
        }
    }

    /// Lets an object no longer count; what it refers to waits for the collection.
    pub(super) fn unreach(&mut self, place: Place, way: Way) {
        let Some(node) = self.nodes.at_mut(place) else { return };
        if !node.marks.has(way.mark()) {
            return;
        }
        node.marks.set(way.mark(), false);
        for (target, way) in self.targets(place, way) {
            let is_suspect = match way {
                Way::Strong => self.nodes.at_mut(target).is_some_and(|node| {
                    node.strong = node.strong.saturating_sub(1);
                    node.strong == 0 || node.marks.has(Marks::CYCLIC)
                }),
                Way::Flat => match self.flat.get_mut(&target) {
                    Some(1) | None => {
                        self.flat.remove(&target);
                        true
                    }
                    Some(count) => {
                        *count -= 1;
                        false
                    }
                },
            };
            if is_suspect {
                self.suspect(target);
            }
        }
    }

    pub(super) fn suspect(&mut self, place: Place) {
        if let Some(node) = self.nodes.at_mut(place)
            && node.is_vertex()
            && !node.marks.has(Marks::SUSPECT)
        {
            node.marks.set(Marks::SUSPECT, true);
            self.suspects.push(place);
        }
    }

    /// The next one to look at, its mark taken off.
    pub(super) fn next_suspect(&mut self) -> Option<Place> {
        let place = self.suspects.pop()?;
        if let Some(node) = self.nodes.at_mut(place) {
            node.marks.set(Marks::SUSPECT, false);
        }
        self.forget(place);
        Some(place)
    }

    pub(super) fn is_flat(&self, place: Place) -> bool {
        self.flat.contains_key(&place)
    }

    pub(super) fn flat_count(&self, place: Place) -> u32 {
        self.flat.get(&place).copied().unwrap_or(0)
    }

    pub(super) fn flats(&self) -> impl Iterator<Item = Place> {
        self.flat.keys().copied()
    }

    /// Those that live as long as what is, or was, at `place`.
    pub(super) fn dependents(&self, place: Place) -> impl Iterator<Item = Place> {
        self.dependents.get(&place).into_iter().flatten().copied()
    }

    /// What the object at `place` refers to if it is reached in this way.
    pub(super) fn targets(&self, place: Place, way: Way) -> Targets {
        let mut targets = Targets::new();
        let Some(node) = self.nodes.at(place) else { return targets };
        let strong = |place: &Place| (*place, Way::Strong);
        match (&node.object, way) {
            (Object::Absent | Object::Blob(None), _) | (Object::Blob(_) | Object::Lease(_), Way::Flat) => {}
            (Object::Snapshot(parent, _), Way::Flat) => targets.extend(parent.map(|parent| (parent, way))),
            (Object::Blob(Some(blob)), Way::Strong) => {
                blob.view.each_labelled(|place| targets.push((place, way)));
                if let Some(labels) = &blob.labels {
                    targets.extend(labels.families.iter().map(|(_, place)| (*place, way)));
                }
            }
            (Object::Snapshot(parent, snapshot), Way::Strong) => {
                targets.extend(parent.map(|parent| (parent, way)));
                let families = snapshot.iter().flat_map(|snapshot| &snapshot.labels.families);
                targets.extend(families.map(|(_, place)| (*place, way)));
            }
            (Object::Image(_, target), _) => targets.push((*target, way)),
            (Object::LinkedImage(record), _) => targets.push((record.target, way)),
            (Object::Lease(lease), Way::Strong) => {
                let way = if lease.is_flat { Way::Flat } else { Way::Strong };
                targets.extend(lease.items.iter().map(|place| (*place, way)));
            }
        }
        if way == Way::Strong {
            targets.extend(
                node.object.links().into_iter().flat_map(|links| links.references.iter().map(strong)),
            );
            if node.marks.has(Marks::HAS_DEPENDENTS) {
                targets.extend(self.dependents.get(&place).into_iter().flatten().map(strong));
            }
        }
        targets
    }
}

impl Way {
    pub(super) const fn mark(self) -> Marks {
        match self {
            Self::Strong => Marks::STRONG,
            Self::Flat => Marks::FLAT,
        }
    }
}

impl Object {
    /// The record of a name, and the place of its target.
    pub(super) fn image(&self) -> Option<(&Arc<Image>, Place)> {
        match self {
            Self::Image(image, target) => Some((image, *target)),
            Self::LinkedImage(record) => Some((&record.image, record.target)),
            _ => None,
        }
    }

    /// References that are written in labels of no common family.
    pub(super) fn links(&self) -> Option<&Links> {
        match self {
            Self::Absent | Self::Image(..) | Self::Lease(_) => None,
            Self::Blob(blob) => blob.as_deref()?.labels.as_deref()?.links(),
            Self::Snapshot(_, snapshot) => snapshot.as_deref()?.labels.links(),
            Self::LinkedImage(record) => Some(&record.links),
        }
    }

    fn names_others(&self) -> bool {
        let mut any = false;
        self.each_place(|_| any = true);
        any
    }

    /// Shows every place that it holds, as often as it does. Lists and chained iterators cost a tenth of a prune.
    pub(super) fn each_place(&self, mut see: impl FnMut(Place)) {
        match self {
            Self::Absent | Self::Blob(None) => {}
            Self::Blob(Some(blob)) => {
                if let Some(labels) = &blob.labels {
                    labels.places().for_each(&mut see);
                }
                blob.view.each_place(see);
            }
            Self::Snapshot(parent, snapshot) => {
                parent.iter().copied().for_each(&mut see);
                if let Some(snapshot) = snapshot {
                    snapshot.labels.places().for_each(see);
                }
            }
            Self::Image(_, target) => see(*target),
            Self::LinkedImage(record) => {
                see(record.target);
                record.links.places().for_each(see);
            }
            Self::Lease(lease) => lease.items.iter().copied().for_each(see),
        }
    }
}
