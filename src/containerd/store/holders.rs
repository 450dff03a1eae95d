//! Who reaches what.

use std::collections::{HashMap, HashSet};

use super::graph::{Graph, Way};
use super::node::{Key, Marks, Object};
use super::{Freed, Metadata};
use crate::base::arena::Place;
use crate::base::digest::Digest;

impl Metadata {
    /// Content and snapshots that only these images reach, each with the places of the images in `images` that do.
    /// What is not reached at all is not among them.
    pub(in crate::containerd) fn holders(&self, images: &[Digest]) -> Vec<(Vec<usize>, Freed)> {
        let graph = self.0.read();
        let records: Vec<Vec<Place>> = images.iter().map(|digest| graph.records(*digest)).collect();
        let of_images: HashSet<Place> = records.iter().flatten().copied().collect();
        let is_root = |place: &Place| {
            !of_images.contains(place) && graph.at(*place).is_some_and(|node| node.marks.has(Marks::ROOT))
        };
        let roots: Vec<Place> = graph.nodes.places().filter(is_root).collect();
        let pinned = graph.reached_from(&roots, &HashSet::new(), &of_images);
        let mut holders: HashMap<Place, Vec<usize>> = HashMap::new();
        for (at, records) in records.iter().enumerate() {
            let reached = graph.reached_from(records, &pinned, &of_images);
            let places: HashSet<Place> = reached.into_iter().map(|(place, _)| place).collect();
            let is_pinned =
                |place: &Place| [Way::Strong, Way::Flat].iter().any(|way| pinned.contains(&(*place, *way)));
            for place in places.into_iter().filter(|place| !is_pinned(place)) {
                holders.entry(place).or_default().push(at);
            }
        }
        let size = |(place, holders): (Place, Vec<usize>)| Some((holders, graph.size(place)?));
        holders.into_iter().filter_map(size).collect()
    }
}

impl Graph {
    fn records(&self, digest: Digest) -> Vec<Place> {
        let target = self.nodes.find(Key::blob(digest));
        target.and_then(|target| self.names.get(&target)).into_iter().flatten().copied().collect()
    }

    fn size(&self, place: Place) -> Option<Freed> {
        let node = self.at(place)?;
        match node.object {
            Object::Blob(_) => Some(Freed { content: node.size, snapshots: 0 }),
            Object::Snapshot(..) => Some(Freed { content: 0, snapshots: node.size }),
            _ => None,
        }
    }

    /// Everything that is reached from here, and how, without what is `known` to be. Where others refer to one of
    /// `records`, which go by themselves, only what depends on the name is reached.
    fn reached_from(
        &self,
        start: &[Place],
        known: &HashSet<(Place, Way)>,
        records: &HashSet<Place>,
    ) -> HashSet<(Place, Way)> {
        let mut reached: HashSet<_> = start.iter().map(|place| (*place, Way::Strong)).collect();
        let mut next: Vec<_> = start.iter().flat_map(|place| self.targets(*place, Way::Strong)).collect();
        while let Some((place, way)) = next.pop() {
            if known.contains(&(place, way)) || !reached.insert((place, way)) {
                continue;
            }
            if !records.contains(&place) {
                next.extend(self.targets(place, way));
            } else if way == Way::Strong {
                next.extend(self.dependents(place).map(|place| (place, Way::Strong)));
            }
        }
        reached
    }
}
