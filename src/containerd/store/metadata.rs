//! containerd's metadata database, in memory.

use std::sync::Arc;

use smallvec::SmallVec;

use super::graph::Graph;
use super::node::{Child, Key, LinkedImage, Node, Object, Said, View};
use super::packed::{pack, unpack};
use super::walk::{self, SnapshotKey, SnapshotSeen, Visited, Walk};
use super::{
    Bytes, Collection, ContentStore, ImageStore, LeaseStore, MetadataStore, SnapshotStore, expiry_of,
    is_flat, node,
};
use crate::base::arena::Place;
use crate::base::digest::Digest;
use crate::base::error::Result;
use crate::base::sync::RwLock;
use crate::containerd::decode::Kind;
use crate::containerd::image::Image;
use crate::document::image::Labels;
use crate::document::world::containerd::{Blob, Lease, Snapshot};
use crate::go::time::Timestamp;
use crate::semantics::Semantics;

/// Image records, content, snapshots and leases of one namespace, and the collector that looks after them.
///
/// It can be shared between threads; its methods take `&self`. It has one lock, as containerd's database has.
#[derive(Debug)]
pub struct Metadata(pub(super) RwLock<Graph>);

impl Metadata {
    /// An empty database. `snapshotter` is the daemon's, `overlayfs` where it is empty.
    #[must_use]
    pub fn new(snapshotter: &str, semantics: &Semantics) -> Self {
        Self(RwLock::new(Graph::new(snapshotter, semantics)))
    }

    /// The same database, which will keep no more than these bytes of what is added from now on.
    #[must_use]
    pub fn keeping(self, bytes: Bytes) -> Self {
        self.0.write().bytes = bytes;
        self
    }

    /// A copy that shares nothing that can change.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self(RwLock::new(self.0.read().clone()))
    }

    /// Adds a blob. Says whether it was added: one of this digest may be there.
    ///
    /// # Errors
    ///
    /// The store is full.
    pub fn add_blob(&self, blob: &Blob) -> Result<bool> {
        self.0.write().add_blob(blob)
    }

    /// Adds a snapshot. Says whether it was added: one with this key may be there.
    ///
    /// # Errors
    ///
    /// The store is full.
    pub fn add_snapshot(&self, snapshot: &Snapshot) -> Result<bool> {
        self.0.write().add_snapshot(snapshot)
    }

    /// Adds a lease. Says whether it was added: one with this ID may be there.
    ///
    /// # Errors
    ///
    /// The store is full.
    pub fn add_lease(&self, lease: Lease) -> Result<bool> {
        self.0.write().add_lease(lease)
    }
}

impl Graph {
    pub(super) fn add_blob(&mut self, blob: &Blob) -> Result<bool> {
        let key = Key::blob(blob.digest);
        if self.get(key).is_some() {
            return Ok(false);
        }
        let mut said = Said::by(&blob.labels, &self.snapshotter, &self.containerd);
        let is_root = said.is_root;
        let mut view = blob.raw.as_deref().map_or(Ok(View::None), |raw| self.view(raw))?;
        if self.are_usual(&mut said.families, &view) {
            view.set_labelled();
            said.families.clear();
        }
        let labels = self.marked(said)?;
        let labels = (!labels.is_empty()).then(|| Box::new(labels));
        let is_decoded = !matches!(view, View::None);
        let raw = blob.raw.as_deref().filter(|raw| self.bytes.keep(raw, is_decoded));
        let named = self.named(&view);
        let raw = raw.map(|raw| pack(raw, &named).into());
        let is_plain = labels.is_none() && raw.is_none() && !is_decoded;
        let body = (!is_plain).then(|| Box::new(node::Blob { view, raw, labels }));
        self.put(key, blob.size, Object::Blob(body), is_root)?;
        Ok(true)
    }

    pub(super) fn add_snapshot(&mut self, snapshot: &Snapshot) -> Result<bool> {
        let key = Key::snapshot(&snapshot.key);
        if self.get(key).is_some() {
            return Ok(false);
        }
        let said = Said::by(&snapshot.labels, &self.snapshotter, &self.containerd);
        let is_root = said.is_root;
        let labels = self.marked(said)?;
        let parent = snapshot.parent.as_deref().map(|parent| self.hold(Key::snapshot(parent))).transpose()?;
        let odd = |key: &str| (Key::snapshot(key).kind == node::KeyKind::NamedSnapshot).then(|| key.into());
        let (name, parent_name) = (odd(&snapshot.key), snapshot.parent.as_deref().and_then(odd));
        let is_plain = labels.is_empty() && name.is_none() && parent_name.is_none() && !snapshot.active;
        let body = (!is_plain).then(|| {
            Box::new(node::Snapshot { key: name, parent: parent_name, active: snapshot.active, labels })
        });
        self.put(key, snapshot.size, Object::Snapshot(parent, body), is_root)?;
        Ok(true)
    }

    pub(super) fn add_lease(&mut self, lease: Lease) -> Result<bool> {
        let key = Key::lease(&lease.id);
        if self.get(key).is_some() {
            return Ok(false);
        }
        let content = lease.content.iter().filter_map(|digest| digest.parse().ok()).map(Key::blob);
        let snapshots = lease.snapshots.iter().map(|key| Key::snapshot(key));
        let images = lease.images.iter().map(|name| Key::image(name));
        let keys: Vec<Key> = content.chain(snapshots).chain(images).collect();
        let items: Result<_> = keys.into_iter().map(|key| self.hold(key)).collect();
        let (expiry, is_flat) = (expiry_of(&lease.labels), is_flat(&lease));
        let object =
            Object::Lease(Box::new(node::Lease { described: Arc::new(lease), items: items?, is_flat }));
        let place = self.put(key, 0, object, self.is_alive(expiry))?;
        self.expiring.extend(expiry.map(|expiry| (expiry, place)));
        Ok(true)
    }

    pub(super) fn add_image(&mut self, image: Image) -> Result<bool> {
        let key = Key::image(image.name());
        if self.get(key).is_some() {
            return Ok(false);
        }
        let image = Arc::new(image);
        let said = Said::by(image.labels(), &self.snapshotter, &self.containerd);
        let families = said.families.iter().map(|(_, key)| *key);
        let references: Vec<Key> = said.references.iter().copied().chain(families).collect();
        let links = self.links(&references, &said.back_references)?;
        let target = self.hold(Key::blob(image.digest()))?;
        let (expiry, parent) = (expiry_of(image.labels()), image.parent());
        let object = if links.places().next().is_none() {
            Object::Image(image, target)
        } else {
            Object::LinkedImage(Box::new(LinkedImage { image, target, links }))
        };
        let place = self.put(key, 0, object, self.is_alive(expiry))?;
        self.expiring.extend(expiry.map(|expiry| (expiry, place)));
        self.names.insert((target, place));
        if let Some(Ok(parent)) = parent {
            *self.children.entry(parent).or_default() += 1;
        }
        Ok(true)
    }

    /// Whether these labels of the common families are those that a puller writes for the document.
    fn are_usual(&self, families: &mut [(u32, Key)], view: &View) -> bool {
        let mut usual = view.usual_labels();
        usual.sort_unstable_by_key(|(code, _)| *code);
        families.sort_unstable_by_key(|(code, _)| *code);
        let usual = usual.into_iter().map(|(code, place)| Some((code, self.nodes.key(place)?)));
        !families.is_empty() && usual.eq(families.iter().map(|family| Some(*family)))
    }

    /// The digests that a document is known to name.
    fn named(&self, view: &View) -> Vec<Digest> {
        let mut named = Vec::new();
        view.each_place(|place| named.extend(self.nodes.key(place).map(|key| key.id)));
        named
    }

    /// The bytes of a blob.
    pub(super) fn raw(&self, blob: &node::Blob) -> Option<Vec<u8>> {
        blob.raw.as_deref().map(|raw| unpack(raw, &self.named(&blob.view)))
    }

    fn delete(&mut self, key: Key, collection: Collection) -> bool {
        let Some((place, _)) = self.get(key) else { return false };
        self.delete_at(place, collection)
    }

    /// The record with the name of `image`, which is found by its target where that has not changed: no name is hashed.
    fn delete_record(&mut self, image: &Image, collection: Collection) -> bool {
        let target = self.nodes.find(Key::blob(image.digest()));
        let is_it = |place: &Place| self.image_at(*place).is_some_and(|own| own.name() == image.name());
        match target.and_then(|target| self.names_of(target).find(is_it)) {
            Some(place) => self.delete_at(place, collection),
            None => self.delete(Key::image(image.name()), collection),
        }
    }

    fn delete_at(&mut self, place: Place, collection: Collection) -> bool {
        self.remove(place);
        if let Collection::Now(now) = collection {
            self.collect(now);
        }
        true
    }

    fn image_at(&self, place: Place) -> Option<&Arc<Image>> {
        self.nodes.at(place)?.object.image().map(|(image, _)| image)
    }

    fn blob(&self, place: Place) -> Option<(Digest, Option<&node::Blob>)> {
        match &self.at(place)?.object {
            Object::Blob(blob) => Some((self.nodes.key(place)?.id, blob.as_deref())),
            _ => None,
        }
    }

    /// The walk over blobs that were decoded when they came in; `None` where one of them was not.
    fn walk(
        &self,
        image: &Image,
        mut visit: impl FnMut(Child, Digest, Option<&View>) -> Option<walk::Visit>,
    ) -> Option<()> {
        let Some((place, _)) = self.get(Key::blob(image.digest())) else { return Some(()) };
        let mut next: SmallVec<[Child; 32]> = SmallVec::new();
        let (size, kind, is_attestation) = (image.size(), image.kind(), image.is_attestation());
        next.push(Child { size, place, kind, is_attestation });
        while let Some(child) = next.pop() {
            let Some((digest, blob)) = self.blob(child.place) else { continue };
            let view = blob.map(|blob| &blob.view);
            match visit(child, digest, view)? {
                walk::Visit::End => return Some(()),
                walk::Visit::Skip => continue,
                walk::Visit::Children => {}
            }
            match (child.kind, view) {
                (Kind::Manifest, Some(View::Manifest(children)))
                | (Kind::Index, Some(View::Index(children))) => {
                    next.extend(children.list.iter().rev().copied());
                }
                (Kind::Manifest | Kind::Index, _) => return None,
                _ => {}
            }
        }
        Some(())
    }

    fn snapshots_of(&self, view: Option<&View>, walk: &mut Walk) -> Option<()> {
        let Some(View::Config(config, _)) = view else { return None };
        for place in config.snapshots.as_deref()? {
            let key = SnapshotKey::Chain(self.nodes.key(*place)?.id);
            if walk.snapshots.iter().all(|seen| seen.key != key) {
                let size = self.at(*place).map_or(0, |node| node.size);
                walk.snapshots.push(SnapshotSeen { key, size, is_gone: false, place: Some(*place) });
            }
        }
        Some(())
    }
}

fn sorted(mut images: Vec<Arc<Image>>) -> Vec<Arc<Image>> {
    images.sort_unstable_by(|a, b| a.name().cmp(b.name()));
    images
}

fn as_image(node: &Node) -> Option<Arc<Image>> {
    node.object.image().map(|(image, _)| Arc::clone(image))
}

impl ImageStore for Metadata {
    fn images(&self) -> Result<Vec<Arc<Image>>> {
        let images = self.0.read().nodes.iter().filter_map(|(_, node)| as_image(node)).collect();
        Ok(sorted(images))
    }

    fn image(&self, name: &str) -> Result<Option<Arc<Image>>> {
        Ok(self.0.read().get(Key::image(name)).and_then(|(_, node)| as_image(node)))
    }

    fn images_of(&self, digest: Digest) -> Result<Vec<Arc<Image>>> {
        let graph = self.0.read();
        let Some(target) = graph.nodes.find(Key::blob(digest)) else { return Ok(Vec::new()) };
        let images = graph.names_of(target).filter_map(|place| graph.image_at(place)).cloned().collect();
        drop(graph);
        Ok(sorted(images))
    }

    fn has_children(&self, digest: Digest) -> Result<bool> {
        Ok(self.0.read().children.contains_key(&digest))
    }

    fn create_image(&self, image: Image) -> Result<bool> {
        self.0.write().add_image(image)
    }

    fn delete_image(&self, name: &str, collection: Collection) -> Result<bool> {
        Ok(self.0.write().delete(Key::image(name), collection))
    }

    fn delete_record(&self, image: &Image, collection: Collection) -> Result<bool> {
        Ok(self.0.write().delete_record(image, collection))
    }
}

impl ContentStore for Metadata {
    fn contains(&self, digest: Digest) -> Result<bool> {
        Ok(self.0.read().get(Key::blob(digest)).is_some())
    }

    fn read(&self, digest: Digest) -> Result<Option<Vec<u8>>> {
        let graph = self.0.read();
        match graph.get(Key::blob(digest)).map(|(_, node)| &node.object) {
            Some(Object::Blob(Some(blob))) => match &blob.raw {
                Some(_) => Ok(graph.raw(blob)),
                None => Err(walk::unknown_bytes(digest)),
            },
            Some(_) => Err(walk::unknown_bytes(digest)),
            None => Ok(None),
        }
    }

    fn delete_content(&self, digest: Digest) -> Result<bool> {
        Ok(self.0.write().delete(Key::blob(digest), Collection::Later))
    }
}

impl SnapshotStore for Metadata {
    fn snapshot_size(&self, key: &str) -> Result<Option<i64>> {
        Ok(self.0.read().get(Key::snapshot(key)).map(|(_, node)| node.size))
    }

    fn chain_size(&self, key: &str) -> Result<Option<i64>> {
        let graph = self.0.read();
        let (mut sum, mut next) = (0_i64, graph.nodes.find(Key::snapshot(key)));
        if next.is_none() {
            return Ok(None);
        }
        while let Some(place) = next {
            let Some(Node { object: Object::Snapshot(parent, _), size, .. }) = graph.at(place) else {
                return Ok(None);
            };
            (sum, next) = (sum.wrapping_add(*size), *parent);
        }
        Ok(Some(sum))
    }

    fn snapshots(&self) -> Result<Vec<(String, i64)>> {
        let graph = self.0.read();
        let snapshots =
            graph.nodes.iter().filter_map(|(key, node)| Some((snapshot_key(key, node)?, node.size)));
        Ok(snapshots.collect())
    }
}

/// The key of a snapshot as text.
pub(super) fn snapshot_key(key: Key, node: &Node) -> Option<String> {
    match &node.object {
        Object::Snapshot(_, snapshot) => {
            let name = snapshot.as_ref().and_then(|snapshot| snapshot.key.as_deref());
            Some(name.map_or_else(|| key.id.to_string(), str::to_owned))
        }
        _ => None,
    }
}

impl LeaseStore for Metadata {
    fn leases_with_label(&self, key: &str) -> Result<Vec<String>> {
        let graph = self.0.read();
        let leases = graph.nodes.iter().filter_map(|(_, node)| match &node.object {
            Object::Lease(lease) => {
                lease.described.labels.contains_key(key).then(|| lease.described.id.clone())
            }
            _ => None,
        });
        let mut ids: Vec<_> = leases.collect();
        drop(graph);
        ids.sort_unstable();
        Ok(ids)
    }

    fn delete_lease(&self, id: &str, collection: Collection) -> Result<bool> {
        Ok(self.0.write().delete(Key::lease(id), collection))
    }
}

impl MetadataStore for Metadata {
    fn collect(&self, now: Timestamp) -> Result<()> {
        self.0.write().collect(now);
        Ok(())
    }

    fn walk(&self, image: &Image, with_snapshots: bool, walk: &mut Walk) -> Result<()> {
        walk.clear();
        let graph = self.0.read();
        walk.version = Some(graph.version);
        let done = graph.walk(image, |child, digest, view| {
            let Child { size, kind, place, .. } = child;
            walk.blobs.push(Visited { digest, size, kind, is_gone: false, place: Some(place) });
            if with_snapshots && kind == Kind::Config {
                graph.snapshots_of(view, walk)?;
            }
            Some(walk::Visit::Children)
        });
        drop(graph);
        match done {
            Some(()) => Ok(()),
            None => walk::walk(self, image, with_snapshots, walk),
        }
    }

    fn gone(&self, walk: &mut Walk) {
        let graph = self.0.read();
        // As long as nothing has come since, what is not at its place is gone.
        let is_still = walk.version == Some(graph.version);
        for blob in &mut walk.blobs {
            let key = Key::blob(blob.digest);
            blob.is_gone = match blob.place.filter(|_| is_still) {
                Some(place) => !graph.is_at(place, key),
                None => graph.get(key).is_none(),
            };
        }
        for snapshot in &mut walk.snapshots {
            let key = Key::chain(&snapshot.key);
            snapshot.is_gone = match snapshot.place.filter(|_| is_still) {
                Some(place) => !graph.is_at(place, key),
                None => graph.get(key).is_none(),
            };
        }
    }

    fn any_labels(
        &self,
        image: &Image,
        with_attestations: bool,
        matches: &mut dyn FnMut(Option<&Labels>) -> bool,
    ) -> Result<bool> {
        let mut found = false;
        let graph = self.0.read();
        let done = graph.walk(image, |child, _, view| {
            if !with_attestations && child.kind == Kind::Manifest && child.is_attestation {
                return Some(walk::Visit::Skip);
            }
            if child.kind == Kind::Config {
                let Some(View::Config(config, _)) = view else { return None };
                found = matches(config.labels.as_ref());
            }
            Some(if found { walk::Visit::End } else { walk::Visit::Children })
        });
        drop(graph);
        match done {
            Some(()) => Ok(found),
            None => walk::any_labels(self, image, with_attestations, matches),
        }
    }
}
