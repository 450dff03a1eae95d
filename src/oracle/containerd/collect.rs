//! The garbage collector (B-4 to B-7).

use std::collections::{BTreeMap, BTreeSet};

use crate::document::world::containerd::Labels;
use crate::go::layout::parse_rfc3339;
use crate::go::time::Now;
use crate::semantics::GoTime;

use super::Model;

/// What the collector marks: `content`, `image`, `snapshot` or `lease`, and its key.
type Node = (&'static str, String);

impl Model {
    /// One run of the collector (B-6).
    pub fn collect(&mut self, now: Now) {
        let references = self.references();
        let (mut seen, mut next) = (BTreeSet::new(), self.roots(now));
        while let Some((node, is_flat)) = next.pop() {
            if seen.insert((node.clone(), is_flat)) {
                let followed = references.get(&node).into_iter().flatten();
                let followed = followed.filter(|(_, is_inherent)| *is_inherent || !is_flat);
                next.extend(followed.map(|(named, _)| (named.clone(), is_flat)));
            }
        }
        let is_live = |kind, key: &str| seen.iter().any(|((own, name), _)| *own == kind && name == key);
        self.world.blobs.retain(|blob| is_live("content", &blob.digest.to_string()));
        self.world.images.retain(|image| is_live("image", &image.name));
        self.world.snapshots.retain(|snapshot| is_live("snapshot", &snapshot.key));
        self.world.leases.retain(|lease| is_live("lease", &lease.id));
    }

    /// Everything that has labels to follow.
    fn nodes(&self) -> Vec<(Node, &Labels)> {
        let blobs = self.world.blobs.iter().map(|blob| (("content", blob.digest.to_string()), &blob.labels));
        let images = self.world.images.iter().map(|image| (("image", image.name.clone()), &image.labels));
        let snapshots = self.world.snapshots.iter();
        let snapshots = snapshots.map(|snapshot| (("snapshot", snapshot.key.clone()), &snapshot.labels));
        blobs.chain(images).chain(snapshots).collect()
    }

    /// B-5, B-6: each with whether it is held without what it refers to (`gc.flat`).
    fn roots(&self, now: Now) -> Vec<(Node, bool)> {
        let root = "containerd.io/gc.root";
        let is_root = |key: &String| key == root || self.versions.any_root_label && key.starts_with(root);
        let mut roots: Vec<(Node, bool)> = Vec::new();
        for (node, labels) in self.nodes() {
            let holds_itself =
                if node.0 == "image" { !is_expired(labels, now) } else { labels.keys().any(is_root) };
            roots.extend(holds_itself.then_some((node, false)));
        }
        for lease in self.world.leases.iter().filter(|lease| !is_expired(&lease.labels, now)) {
            let is_flat = lease.labels.contains_key("containerd.io/gc.flat");
            let lists =
                [("content", &lease.content), ("snapshot", &lease.snapshots), ("image", &lease.images)];
            for (kind, keys) in lists {
                roots.extend(keys.iter().map(|key| ((kind, key.clone()), is_flat)));
            }
            roots.push((("lease", lease.id.clone()), false));
        }
        roots
    }

    /// Whom each node keeps alive, and whether without a label: an image its target, a snapshot its parent (B-6). With
    /// one: whom its own label names, and who names it in a back reference (B-5).
    fn references(&self) -> BTreeMap<Node, Vec<(Node, bool)>> {
        let mut references: BTreeMap<Node, Vec<(Node, bool)>> = BTreeMap::new();
        let mut add = |from, to, is_inherent| references.entry(from).or_default().push((to, is_inherent));
        for image in &self.world.images {
            add(("image", image.name.clone()), ("content", image.target.digest.to_string()), true);
        }
        for snapshot in &self.world.snapshots {
            if let Some(parent) = &snapshot.parent {
                add(("snapshot", snapshot.key.clone()), ("snapshot", parent.clone()), true);
            }
        }
        for (node, labels) in self.nodes() {
            for label in labels {
                if let Some(named) = self.named("containerd.io/gc.ref.", label) {
                    add(node.clone(), named, false);
                }
                let named = self.named("containerd.io/gc.bref.", label);
                if let Some(named) = named.filter(|_| self.versions.back_references) {
                    add(named, node.clone(), false);
                }
            }
        }
        references
    }

    /// Whom a label names, if its key begins like this (B-5).
    fn named(&self, prefix: &str, (key, value): (&String, &String)) -> Option<Node> {
        let kind = key.strip_prefix(prefix)?;
        let kind = match kind.split(['.', '/']).next()? {
            "content" => "content",
            "image" => "image",
            _ => {
                let snapshotter = kind.strip_prefix("snapshot.")?.split('/').next()?;
                (snapshotter == self.world.snapshotter).then_some("snapshot")?
            }
        };
        Some((kind, value.clone()))
    }
}

/// B-5. What does not parse is no limit.
fn is_expired(labels: &Labels, now: Now) -> bool {
    let limit = labels.get("containerd.io/gc.expire");
    let limit = limit.and_then(|text| parse_rfc3339(text.as_bytes(), GoTime::Go1_23).ok());
    limit.is_some_and(|limit| now.instant > limit)
}
