//! The garbage collector (B-6).
//!
//! The first collection looks at everything that nothing reached when it was put there; each later one at what
//! deletions have let go since. Counts prove nothing for objects on cycles of references, which few stores have: those
//! are held together against all that refers to them from outside.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::graph::{Graph, Targets, Way};
use super::node::{Key, Marks, Node, Object};
use crate::base::arena::Place;
use crate::go::time::Timestamp;

impl Graph {
    /// Removes everything that is not reached at `now`.
    pub(super) fn collect(&mut self, now: Timestamp) {
        self.pass_time(now);
        if std::mem::take(&mut self.may_have_cycles) {
            self.mark_cycles();
        }
        let mut on_cycles = Vec::new();
        loop {
            while let Some(place) = self.next_suspect() {
                if self.is_doubtful(place) {
                    on_cycles.push(place);
                }
            }
            if on_cycles.is_empty() {
                return;
            }
            self.let_go_of_cycles(&std::mem::take(&mut on_cycles));
        }
    }

    /// Removes an object that nothing reaches. Says whether only a look at its cycle can tell.
    fn is_doubtful(&mut self, place: Place) -> bool {
        let Some(node) = self.nodes.at(place) else { return false };
        let is_there = node.is_there();
        let (is_root, is_referred_to) = (node.marks.has(Marks::ROOT), node.strong > 0);
        let is_cyclic = node.marks.has(Marks::CYCLIC);
        let is_flat = self.is_flat(place);
        if !is_flat {
            self.unreach(place, Way::Flat);
        }
        if is_root || is_referred_to {
            return is_cyclic && !is_root;
        }
        self.unreach(place, Way::Strong);
        if is_there && !is_flat {
            self.remove(place);
        }
        false
    }

    /// Removes an object, whoever refers to it, from the graph and its indexes.
    pub(super) fn remove(&mut self, place: Place) -> Option<(Key, Object)> {
        match self.at(place).map(|node| &node.object)? {
            object @ (Object::Image(..) | Object::LinkedImage(_)) => {
                let (image, target) = object.image().map(|(image, target)| (Arc::clone(image), target))?;
                self.names.remove(&(target, place));
                if let Some(Ok(parent)) = image.parent()
                    && let Some(count) = self.children.get_mut(&parent)
                {
                    *count -= 1;
                    if *count == 0 {
                        self.children.remove(&parent);
                    }
                }
                self.forget_expiry(place, image.labels());
            }
            Object::Lease(lease) => {
                let lease = lease.described.clone();
                self.forget_expiry(place, &lease.labels);
            }
            _ => {}
        }
        self.take(place)
    }

    fn forget_expiry(&mut self, place: Place, labels: &crate::document::world::containerd::Labels) {
        if let Some(expiry) = super::expiry_of(labels) {
            self.expiring.remove(&(expiry, place));
        }
    }

    /// Whether what expires then is a root still, as of the last collection.
    pub(super) fn is_alive(&self, expiry: Option<Timestamp>) -> bool {
        match (expiry, self.collected_at) {
            (Some(expiry), Some(now)) => expiry >= now,
            _ => true,
        }
    }

    /// What has expired since the last collection is a root no longer. A clock that was set back revives it.
    fn pass_time(&mut self, now: Timestamp) {
        let before = self.collected_at.replace(now);
        let is_between = |expiry: Timestamp| match before {
            None => expiry < now,
            Some(before) => (expiry < now) != (expiry < before),
        };
        let changed: Vec<_> =
            self.expiring.iter().filter(|(expiry, _)| is_between(*expiry)).copied().collect();
        for (expiry, place) in changed {
            let is_root = expiry >= now;
            if let Some(node) = self.nodes.at_mut(place) {
                node.marks.set(Marks::ROOT, is_root);
            }
            if is_root {
                self.reach(place, Way::Strong);
            } else {
                self.suspect(place);
            }
        }
    }

    /// Ends the mutual holding of those that nothing outside of their cycles reaches.
    fn let_go_of_cycles(&mut self, suspects: &[Place]) {
        // What the suspects refer to along cycles, with the references from within.
        let mut inner: HashMap<Place, u32> = HashMap::new();
        let mut next: Vec<Place> = suspects.to_vec();
        let mut seen: HashSet<Place> = HashSet::new();
        while let Some(place) = next.pop() {
            if !self.is_on_cycle(place) || !seen.insert(place) {
                continue;
            }
            for target in self.cyclic_targets(place) {
                *inner.entry(target).or_default() += 1;
                next.push(target);
            }
        }
        let is_held_outside = |place: &Place| {
            let node = self.nodes.at(*place);
            node.is_some_and(|node| {
                node.marks.has(Marks::ROOT) || node.strong > inner.get(place).copied().unwrap_or(0)
            })
        };
        let mut alive: HashSet<Place> = HashSet::new();
        let mut next: Vec<Place> = seen.iter().copied().filter(is_held_outside).collect();
        while let Some(place) = next.pop() {
            if alive.insert(place) {
                next.extend(self.cyclic_targets(place));
            }
        }
        for place in seen.into_iter().filter(|place| !alive.contains(place)) {
            self.unreach(place, Way::Strong);
            self.suspect(place);
        }
    }

    fn cyclic_targets(&self, place: Place) -> Vec<Place> {
        let targets = self.targets(place, Way::Strong).into_iter();
        let strong = targets.filter(|(_, way)| *way == Way::Strong).map(|(target, _)| target);
        strong.filter(|target| self.is_on_cycle(*target)).collect()
    }

    fn is_on_cycle(&self, place: Place) -> bool {
        let marks = self.nodes.at(place).map(|node| node.marks);
        marks.is_some_and(|marks| marks.has(Marks::CYCLIC) && marks.has(Marks::STRONG))
    }

    fn is_vertex(&self, place: Place) -> bool {
        self.nodes.at(place).is_some_and(Node::is_vertex)
    }

    /// Marks what lies on a cycle, or between two.
    fn mark_cycles(&mut self) {
        let places: Vec<Place> = self.nodes.places().collect();
        let has_cycle = self.has_cycle(&places);
        for place in &places {
            if let Some(node) = self.nodes.at_mut(*place) {
                node.marks.set(Marks::ENTERED, false);
                node.marks.set(Marks::LEFT, false);
                node.marks.set(Marks::CYCLIC, false);
            }
        }
        if !has_cycle {
            return;
        }
        let present: HashSet<Place> = places.into_iter().filter(|place| self.is_vertex(*place)).collect();
        let forward: Vec<_> = present.iter().flat_map(|place| self.edges(*place)).collect();
        let backward = forward.iter().map(|(from, to)| (*to, *from)).collect::<Vec<_>>();
        let behind = peel(&peel(&present, &forward), &backward);
        for place in behind {
            if let Some(node) = self.nodes.at_mut(place) {
                node.marks.set(Marks::CYCLIC, true);
            }
            // Who knows what was decided about it while it counted for none.
            self.suspect(place);
        }
    }

    fn edges(&self, place: Place) -> Vec<(Place, Place)> {
        let targets = self.targets(place, Way::Strong).into_iter();
        let strong = targets.filter(|(target, way)| *way == Way::Strong && self.is_vertex(*target));
        strong.map(|(target, _)| (place, target)).collect()
    }

    /// A search in depth, with the marks of the objects for a memory: most stores have no cycle.
    fn has_cycle(&mut self, places: &[Place]) -> bool {
        let mut path: Vec<(Place, Targets)> = Vec::new();
        for start in places {
            let mut next = Some(*start);
            loop {
                if let Some(place) = next.take() {
                    let Some(node) = self.nodes.at_mut(place) else { continue };
                    if node.marks.has(Marks::ENTERED) && !node.marks.has(Marks::LEFT) {
                        return true;
                    }
                    if !node.marks.has(Marks::ENTERED) {
                        node.marks.set(Marks::ENTERED, true);
                        path.push((place, self.targets(place, Way::Strong)));
                    }
                }
                match path.last_mut() {
                    None => break,
                    Some((place, targets)) => match targets.pop() {
                        Some((target, Way::Strong)) => next = Some(target),
                        Some(_) => {}
                        None => {
                            let place = *place;
                            path.pop();
                            if let Some(node) = self.nodes.at_mut(place) {
                                node.marks.set(Marks::LEFT, true);
                            }
                        }
                    },
                }
            }
        }
        false
    }
}

/// Those that are left when whatever no edge of those left leads to is taken away, again and again.
fn peel(places: &HashSet<Place>, edges: &[(Place, Place)]) -> HashSet<Place> {
    let is_within = |(from, to): &&(Place, Place)| places.contains(from) && places.contains(to);
    let mut incoming: HashMap<Place, usize> = HashMap::new();
    let mut outgoing: HashMap<Place, Vec<Place>> = HashMap::new();
    for (from, to) in edges.iter().filter(is_within) {
        *incoming.entry(*to).or_default() += 1;
        outgoing.entry(*from).or_default().push(*to);
    }
    let mut left = places.clone();
    let mut next: Vec<Place> = places.iter().copied().filter(|place| !incoming.contains_key(place)).collect();
    while let Some(place) = next.pop() {
        left.remove(&place);
        for target in outgoing.remove(&place).into_iter().flatten() {
            if let Some(count) = incoming.get_mut(&target) {
                *count -= 1;
                if *count == 0 {
                    next.push(target);
                }
            }
        }
    }
    left
}
