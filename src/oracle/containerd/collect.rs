//! The garbage collector (B-4 to B-7).

use std::collections::{BTreeMap, BTreeSet};

use crate::document::world::containerd::Labels;
use crate::go::layout::parse_rfc3339;
use crate::go::time::Now;
use crate::semantics::GoTime;

use super::Model;

/// What the collector marks, by its key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Node {
    Content(String),
    Image(String),
    Snapshot(String),
    Lease(String),
}

/// A node, and whether it is held without what it refers to (B-5, `gc.flat`).
type Held = (Node, bool);

impl Model {
    /// One run of the collector (B-6).
    pub fn collect(&mut self, now: Now) {
        let references = self.references();
        let (mut seen, mut next) = (BTreeSet::new(), self.roots(now));
        while let Some((node, is_flat)) = next.pop() {
            if seen.insert((node.clone(), is_flat)) {
                next.extend(self.inherent(&node).map(|inherent| (inherent, is_flat)));
                let named = references.get(&node).filter(|_| !is_flat);
                next.extend(named.into_iter().flatten().map(|named| (named.clone(), false)));
            }
        }
        let live: BTreeSet<Node> = seen.into_iter().map(|(node, _)| node).collect();
        self.world.blobs.retain(|blob| live.contains(&Node::Content(blob.digest.to_string())));
        self.world.images.retain(|image| live.contains(&Node::Image(image.name.clone())));
        self.world.snapshots.retain(|snapshot| live.contains(&Node::Snapshot(snapshot.key.clone())));
        self.world.leases.retain(|lease| live.contains(&Node::Lease(lease.id.clone())));
    }

    /// Everything that has labels to follow.
    fn nodes(&self) -> impl Iterator<Item = (Node, &Labels)> {
        let blobs =
            self.world.blobs.iter().map(|blob| (Node::Content(blob.digest.to_string()), &blob.labels));
        let images = self.world.images.iter().map(|image| (Node::Image(image.name.clone()), &image.labels));
        let snapshots = self.world.snapshots.iter();
        let snapshots = snapshots.map(|snapshot| (Node::Snapshot(snapshot.key.clone()), &snapshot.labels));
        blobs.chain(images).chain(snapshots)
    }

    /// B-5, B-6
    fn roots(&self, now: Now) -> Vec<Held> {
        let root = "containerd.io/gc.root";
        let is_root = |key: &String| key == root || self.versions.any_root_label && key.starts_with(root);
        let holds_itself = |(node, labels): &(Node, &Labels)| match node {
            Node::Image(_) => !is_expired(labels, now),
            _ => labels.keys().any(is_root),
        };
        let mut roots: Vec<Held> = self.nodes().filter(holds_itself).map(|(node, _)| (node, false)).collect();
        for lease in self.world.leases.iter().filter(|lease| !is_expired(&lease.labels, now)) {
            let is_flat = lease.labels.contains_key("containerd.io/gc.flat");
            let content = lease.content.iter().cloned().map(Node::Content);
            let snapshots = lease.snapshots.iter().cloned().map(Node::Snapshot);
            let images = lease.images.iter().cloned().map(Node::Image);
            roots.extend(content.chain(snapshots).chain(images).map(|node| (node, is_flat)));
            roots.push((Node::Lease(lease.id.clone()), false));
        }
        roots
    }

    /// What a node refers to without a label: an image its target, a snapshot its parent (B-6).
    fn inherent(&self, node: &Node) -> Option<Node> {
        match node {
            Node::Image(name) => Some(Node::Content(self.image(name)?.target.digest.to_string())),
            Node::Snapshot(key) => Some(Node::Snapshot(self.snapshot(key)?.parent.clone()?)),
            Node::Content(_) | Node::Lease(_) => None,
        }
    }

    /// Whom each node keeps alive by labels: whom its own name, and who names it in a back reference (B-5).
    fn references(&self) -> BTreeMap<Node, Vec<Node>> {
        let mut references: BTreeMap<Node, Vec<Node>> = BTreeMap::new();
        for (node, labels) in self.nodes() {
            for label in labels {
                if let Some(named) = self.named("containerd.io/gc.ref.", label) {
                    references.entry(node.clone()).or_default().push(named);
                }
                let named = self.named("containerd.io/gc.bref.", label);
                if let Some(named) = named.filter(|_| self.versions.back_references) {
                    references.entry(named).or_default().push(node.clone());
                }
            }
        }
        references
    }

    /// Whom a label names, if its key begins like this (B-5).
    fn named(&self, prefix: &str, (key, value): (&String, &String)) -> Option<Node> {
        let kind = key.strip_prefix(prefix)?;
        match kind.split(['.', '/']).next()? {
            "content" => Some(Node::Content(value.clone())),
            "image" => Some(Node::Image(value.clone())),
            _ => {
                let snapshotter = kind.strip_prefix("snapshot.")?.split('/').next()?;
                (snapshotter == self.world.snapshotter).then(|| Node::Snapshot(value.clone()))
            }
        }
    }
}

/// B-5. What does not parse is no limit.
fn is_expired(labels: &Labels, now: Now) -> bool {
    let limit = labels.get("containerd.io/gc.expire");
    let limit = limit.and_then(|text| parse_rfc3339(text.as_bytes(), GoTime::Go1_23).ok());
    limit.is_some_and(|limit| now.instant > limit)
}
