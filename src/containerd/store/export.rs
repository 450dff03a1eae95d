//! A plain description made of stores.

use super::graph::Graph;
use super::label::family;
use super::metadata::snapshot_key;
use super::node::{self, Marked, Object};
use super::{ContainerStore, Stores};
use crate::base::arena::Place;
use crate::document::world::ContainerdWorld;
use crate::document::world::containerd::{Blob, ImageRecord, Labels, Snapshot};

impl Stores {
    /// Everything that the stores have: blobs by digest, records by name, snapshots behind their parents, leases by
    /// ID. What a description has besides stays empty.
    #[must_use]
    pub fn to_world(&self) -> ContainerdWorld {
        let graph = self.metadata.0.read();
        let mut world = ContainerdWorld {
            snapshotter: graph.snapshotter.to_string(),
            host_platform: self.host_platform.clone(),
            ..ContainerdWorld::default()
        };
        let mut snapshots = Vec::new();
        for (key, node) in graph.nodes.iter() {
            match &node.object {
                Object::Absent => {}
                Object::Blob(blob) => {
                    let raw = blob.as_ref().and_then(|blob| graph.raw(blob)).map(Into::into);
                    let labels = blob.as_ref().map(|blob| graph.labels_of(blob)).unwrap_or_default();
                    world.blobs.push(Blob { digest: key.id, size: node.size, raw, labels });
                }
                Object::Snapshot(parent, snapshot) => {
                    let named = snapshot.as_ref().and_then(|snapshot| snapshot.parent.as_deref());
                    let parent = parent.and_then(|parent| {
                        let digest = || Some(graph.nodes.key(parent)?.id.to_string());
                        named.map(str::to_owned).or_else(digest)
                    });
                    let active = snapshot.as_ref().is_some_and(|snapshot| snapshot.active);
                    let labels =
                        snapshot.as_ref().map(|snapshot| graph.labels(&snapshot.labels)).unwrap_or_default();
                    let key = snapshot_key(key, node).unwrap_or_default();
                    snapshots.push(Snapshot { key, parent, size: node.size, active, labels });
                }
                Object::Image(image, _) => world.images.push(ImageRecord::from(&**image)),
                Object::LinkedImage(record) => world.images.push(ImageRecord::from(&*record.image)),
                Object::Lease(lease) => world.leases.push((*lease.described).clone()),
            }
        }
        drop(graph);
        world.blobs.sort_unstable_by_key(|blob| blob.digest);
        world.images.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        world.leases.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        world.snapshots = parents_first(snapshots);
        let containers = self.containers.containers();
        world.containers = containers.iter().map(|container| (**container).clone()).collect();
        world
    }
}

impl Graph {
    fn labels_of(&self, blob: &node::Blob) -> Labels {
        let usual = if blob.view.is_labelled() { blob.view.usual_labels() } else { Vec::new() };
        let mut labels: Labels = usual.into_iter().filter_map(|usual| self.label(usual)).collect();
        labels.extend(blob.labels.iter().flat_map(|marked| self.labels(marked)));
        labels
    }

    fn label(&self, (code, place): (u32, Place)) -> Option<(String, String)> {
        let key = family::key(code, &self.snapshotter).into_owned();
        Some((key, self.nodes.key(place)?.id.to_string()))
    }

    fn labels(&self, marked: &Marked) -> Labels {
        let families = marked.families.iter().filter_map(|family| self.label(*family));
        let others = marked.others.iter().flat_map(|others| &others.1);
        families.chain(others.map(|(key, value)| (key.to_string(), value.to_string()))).collect()
    }
}

fn parents_first(mut snapshots: Vec<Snapshot>) -> Vec<Snapshot> {
    snapshots.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    let mut sorted = Vec::with_capacity(snapshots.len());
    let mut places: std::collections::HashMap<String, usize> =
        snapshots.iter().enumerate().map(|(place, snapshot)| (snapshot.key.clone(), place)).collect();
    let mut left: Vec<Option<Snapshot>> = snapshots.into_iter().map(Some).collect();
    for start in 0..left.len() {
        let mut path = Vec::new();
        let mut next = Some(start);
        while let Some(place) = next {
            let Some(snapshot) = left.get_mut(place).and_then(Option::take) else { break };
            next = snapshot.parent.as_ref().and_then(|parent| places.remove(parent));
            path.push(snapshot);
        }
        sorted.extend(path.into_iter().rev());
    }
    sorted
}
