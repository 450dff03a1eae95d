//! Content: reading, walks (B-2, B-3), the config of an ID (V-4), and the garbage collector (B-4 to B-7).

use std::collections::{BTreeMap, BTreeSet};

use crate::base::digest::Digest;
use crate::base::error::{Error, Result};
use crate::document::oci::{Config, Descriptor, Document, View, platform};
use crate::document::world::containerd::{ImageRecord, Labels, Lease, Node, Platform, Snapshot};
use crate::go::layout::parse_rfc3339;
use crate::semantics::GoTime;

use super::Model;

/// Is shown a descriptor, and says whether a walk goes on with it.
type Enter<'a> = dyn FnMut(&Descriptor) -> Result<bool> + 'a;

impl Model {
    /// The bytes of a blob, or those in the descriptor itself (B-3a).
    pub(super) fn bytes(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let Descriptor { digest, size, data, .. } = descriptor;
        if i64::try_from(data.len()) == Ok(*size) && Digest::of(data).to_string() == *digest {
            return Ok(data.clone());
        }
        let missing = || Error::not_found(format!("content digest {digest}: not found"));
        let unknown = || Error::system(format!("the content of {digest} is not part of the description"));
        let raw = self.world.blob(digest).ok_or_else(missing)?.raw.as_ref();
        raw.map(|bytes| bytes.to_vec()).ok_or_else(unknown)
    }

    pub(super) fn manifest(&self, descriptor: &Descriptor) -> Result<Document> {
        Document::read(&self.bytes(descriptor)?, descriptor, "manifest")
    }

    pub(super) fn config(&self, descriptor: &Descriptor, view: View) -> Result<Config> {
        let bytes = self.bytes(descriptor).map_err(|error| error.wrapped("failed to read config content"));
        Config::whole(&bytes?, view)
    }

    pub(super) fn config_of(&self, manifest: &Descriptor, view: View) -> Result<Config> {
        self.config(&self.manifest(manifest)?.config, view)
    }

    /// B-2
    pub(super) fn children(&self, descriptor: &Descriptor) -> Result<Vec<Descriptor>> {
        if !descriptor.is_manifest() && !descriptor.is_index() {
            return Ok(Vec::new());
        }
        let document = Document::read(&self.bytes(descriptor)?, descriptor, "children")?;
        Ok(document.children(&descriptor.media_type))
    }

    /// The present content from `root` down, in order (B-3).
    pub(super) fn walk(&self, root: &Descriptor, enter: &mut Enter<'_>) -> Result<Vec<Descriptor>> {
        let (mut visited, mut next) = (Vec::new(), vec![root.clone()]);
        while let Some(descriptor) = next.pop() {
            if self.world.blob(&descriptor.digest).is_some() && enter(&descriptor)? {
                next.extend(self.children(&descriptor)?.into_iter().rev());
                visited.push(descriptor);
            }
        }
        Ok(visited)
    }

    /// The present manifests of an image with their platforms (V-4).
    pub(super) fn manifests(&self, image: &ImageRecord) -> Result<Vec<(Descriptor, Platform)>> {
        let target = Descriptor::from(&image.target);
        if !target.is_manifest() && !target.is_index() {
            let error = Error::invalid_parameter("descriptor is neither a manifest or index");
            return Err(error.wrapped(format_args!("error walking manifest for {}", image.name)));
        }
        let visited = if target.is_index() { self.walk(&target, &mut |_| Ok(true))? } else { vec![target] };
        let with_platform = |manifest: Descriptor| match manifest.platform.clone() {
            Some(platform) => Ok((manifest, platform)),
            None => Ok((manifest.clone(), self.config_of(&manifest, View::Platform)?.platform)),
        };
        visited.into_iter().filter(Descriptor::is_manifest).map(with_platform).collect()
    }

    /// The labels of the config that an ID resolves to; empty where it does not (V-3, V-4).
    pub(super) fn labels_of(&self, id: Digest) -> Labels {
        let image = self.images_of(&id.to_string()).into_iter().next();
        let manifests = image.and_then(|image| self.manifests(&image).ok()).unwrap_or_default();
        let best = platform::best(&self.world.host_platform, manifests);
        let config = best.and_then(|(manifest, _)| self.config_of(&manifest, View::Image).ok());
        config.and_then(|config| config.labels).unwrap_or_default()
    }

    /// One run of the collector (B-6). By a flat lease a node is reached flatly: without what its labels refer to (B-5).
    pub fn collect(&mut self) {
        let roots = self.world.labelled().filter(|((kind, _), labels)| self.is_root(kind, labels));
        let is_flat = |labels: &Labels| labels.contains_key("containerd.io/gc.flat");
        let roots = roots.map(|(node, labels)| (node.0 == "lease" && is_flat(labels), node));
        let (mut next, mut seen, references) =
            (roots.collect::<Vec<_>>(), BTreeSet::new(), self.references());
        while let Some((is_flat, node)) = next.pop() {
            if seen.insert((is_flat, node.clone())) {
                let followed = references.get(&node).into_iter().flatten();
                let followed = followed.filter(|(is_inherent, _)| *is_inherent || !is_flat);
                next.extend(followed.map(|(_, named)| (is_flat, named.clone())));
            }
        }
        let live: BTreeSet<Node> = seen.into_iter().map(|(_, node)| node).collect();
        let is_live = |kind, key: &dyn ToString| live.contains(&(kind, key.to_string()));
        self.world.blobs.retain(|blob| is_live("content", &blob.digest));
        self.world.images.retain(|image| is_live("image", &image.name));
        self.world.snapshots.retain(|snapshot| is_live("snapshot", &snapshot.key));
        self.world.leases.retain(|lease| is_live("lease", &lease.id));
    }

    /// B-5, B-6
    fn is_root(&self, kind: &str, labels: &Labels) -> bool {
        if matches!(kind, "image" | "lease") {
            let limit = labels.get("containerd.io/gc.expire");
            let limit = limit.and_then(|text| parse_rfc3339(text.as_bytes(), GoTime::Go1_23).ok());
            return limit.is_none_or(|limit| self.now.instant <= limit); // What does not parse is no limit.
        }
        let root = "containerd.io/gc.root";
        labels.keys().any(|key| key == root || self.versions.any_root_label && key.starts_with(root))
    }

    /// Whom each node keeps alive, and whether without a label: an image its target, a snapshot its parent, a lease what
    /// it lists (B-6). With one: whom its own names, and who names it in a back reference (B-5).
    fn references(&self) -> BTreeMap<Node, Vec<(bool, Node)>> {
        let mut references: BTreeMap<Node, Vec<(bool, Node)>> = BTreeMap::new();
        let mut add = |from, is_inherent, to| references.entry(from).or_default().push((is_inherent, to));
        for image in &self.world.images {
            add(("image", image.name.clone()), true, ("content", image.target.digest.to_string()));
        }
        for Snapshot { key, parent, .. } in &self.world.snapshots {
            let parent = parent.iter().map(|parent| ("snapshot", parent.clone()));
            parent.for_each(|parent| add(("snapshot", key.clone()), true, parent));
        }
        for Lease { id, content, snapshots, images, .. } in &self.world.leases {
            for (kind, keys) in [("content", content), ("snapshot", snapshots), ("image", images)] {
                let listed = keys.iter().map(|key| (kind, key.clone()));
                listed.for_each(|listed| add(("lease", id.clone()), true, listed));
            }
        }
        for (node, labels) in self.world.labelled().filter(|((kind, _), _)| *kind != "lease") {
            for label in labels {
                let named = self.named("containerd.io/gc.ref.", label).into_iter();
                named.for_each(|named| add(node.clone(), false, named));
                let back = self.named("containerd.io/gc.bref.", label).into_iter();
                let back = back.filter(|_| self.versions.back_references);
                back.for_each(|named| add(named, false, node.clone()));
            }
        }
        references
    }

    /// Whom a label names, if its key begins like this (B-5).
    fn named(&self, prefix: &str, (key, value): (&String, &String)) -> Option<Node> {
        let kind = key.strip_prefix(prefix)?;
        let snapshotter = kind.strip_prefix("snapshot.").and_then(|name| name.split('/').next());
        let kind = match kind.split(['.', '/']).next()? {
            "content" => "content",
            "image" => "image",
            _ if snapshotter == Some(self.world.snapshotter.as_str()) => "snapshot",
            _ => return None,
        };
        Some((kind, value.clone()))
    }
}
