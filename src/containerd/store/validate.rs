//! What must always hold in a graph.

use std::collections::{BTreeSet, HashMap};

use super::graph::{Graph, Way};
use super::node::{Held, Key, Marks, Object};
use super::{Metadata, Stores, expiry_of};
use crate::base::arena::Place;

impl Stores {
    /// Checks what must always hold: counts, marks and indexes agree with the objects. For tests.
    ///
    /// # Errors
    ///
    /// The first invariant that is broken, in words.
    pub fn validate(&self) -> Result<(), String> {
        self.metadata.validate()
    }
}

impl Metadata {
    /// Checks what must always hold: counts, marks and indexes agree with the objects. For tests.
    ///
    /// # Errors
    ///
    /// The first invariant that is broken, in words.
    pub fn validate(&self) -> Result<(), String> {
        let graph = self.0.read();
        graph.check_counts()?;
        graph.check_marks()?;
        graph.check_indexes()
    }
}

impl Graph {
    fn check_counts(&self) -> Result<(), String> {
        let (mut strong, mut flat, mut held) =
            (HashMap::<Place, u32>::new(), HashMap::<Place, u32>::new(), HashMap::<Place, u32>::new());
        for place in self.nodes.places() {
            let Some(node) = self.nodes.at(place) else { continue };
            node.object.each_place(|named| *held.entry(named).or_default() += 1);
            for way in [Way::Strong, Way::Flat].into_iter().filter(|way| node.marks.has(way.mark())) {
                for (target, way) in self.targets(place, way) {
                    let counts = if way == Way::Strong { &mut strong } else { &mut flat };
                    *counts.entry(target).or_default() += 1;
                }
            }
        }
        for place in self.nodes.places() {
            let Some(node) = self.nodes.at(place) else { continue };
            let counted = |counts: &HashMap<Place, u32>| counts.get(&place).copied().unwrap_or(0);
            let key = self.nodes.key(place);
            if node.strong != counted(&strong) {
                return Err(format!("{key:?} has {} references, counts {}", counted(&strong), node.strong));
            }
            if self.flat_count(place) != counted(&flat) {
                return Err(format!("{key:?} has {} flat references", counted(&flat)));
            }
            let known = node.held.get();
            if known != counted(&held) && known != Held::MOST {
                return Err(format!("{key:?} is held {} times, counts {known}", counted(&held)));
            }
            let is_useless = !node.is_there() && known == 0 && !node.marks.has(Marks::SUSPECT);
            if is_useless {
                return Err(format!("{key:?} is not there, and nobody knows it"));
            }
        }
        match self.flats().find(|place| !flat.contains_key(place)) {
            Some(place) => Err(format!("{:?} has no flat references", self.nodes.key(place))),
            None => Ok(()),
        }
    }

    fn check_marks(&self) -> Result<(), String> {
        let suspects: BTreeSet<Place> = self.suspects.iter().copied().collect();
        for place in self.nodes.places() {
            let Some(node) = self.nodes.at(place) else { continue };
            let key = self.nodes.key(place);
            let is_there = node.is_there();
            let (is_strong, is_flat) = (node.marks.has(Marks::STRONG), node.marks.has(Marks::FLAT));
            let is_reached = node.marks.has(Marks::ROOT) || node.strong > 0;
            if node.marks.has(Marks::SUSPECT) != suspects.contains(&place) {
                return Err(format!("{key:?} is marked as a suspect, or is one, not both"));
            }
            if node.is_vertex() && is_reached && !is_strong || is_there && self.is_flat(place) && !is_flat {
                return Err(format!("{key:?} is reached, and does not count for what it refers to"));
            }
            let is_reached_for_others = is_strong && node.marks.has(Marks::HAS_DEPENDENTS);
            if !is_there && (is_strong != is_reached_for_others || is_flat || node.marks.has(Marks::ROOT)) {
                return Err(format!("{key:?} is not there, and counts"));
            }
            if is_there && !is_reached && !self.is_flat(place) && !node.marks.has(Marks::SUSPECT) {
                return Err(format!("{key:?} is not reached, and no suspect"));
            }
        }
        Ok(())
    }

    fn check_indexes(&self) -> Result<(), String> {
        let (mut names, mut children, mut expiring) = (0, HashMap::new(), BTreeSet::new());
        for place in self.nodes.places() {
            let Some(node) = self.at(place) else { continue };
            let labels = match &node.object {
                Object::Lease(lease) => &lease.described.labels,
                object => {
                    let Some((image, target)) = object.image() else { continue };
                    names += 1;
                    let is_listed = self.names.contains(&(target, place));
                    if !is_listed || self.nodes.key(target) != Some(Key::blob(image.digest())) {
                        return Err(format!("image `{}` is not listed by its target", image.name()));
                    }
                    if let Some(Ok(parent)) = image.parent() {
                        *children.entry(parent).or_default() += 1;
                    }
                    image.labels()
                }
            };
            expiring.extend(expiry_of(labels).map(|expiry| (expiry, place)));
        }
        if names != self.names.len() {
            return Err("names are listed that are not there".to_owned());
        }
        if children != self.children {
            return Err("the counts of children are wrong".to_owned());
        }
        if expiring != self.expiring {
            return Err("the list of what expires is wrong".to_owned());
        }
        Ok(())
    }
}
