//! The list of images and the disk usage (W).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Not;

use crate::api::record::ListRow;
use crate::base::error::Result;
use crate::document::oci::{Config, Descriptor, View, platform};
use crate::document::reference::Reference;
use crate::document::world::containerd::{ImageRecord, Node, Platform};
use crate::go::time::Timestamp;

use super::{Model, PARENT};

/// A row, and what may be shared of it, with sizes: snapshots as often as they come, and content once (W-3).
type Summed = (ListRow, Vec<(Node, i64)>);

impl Model {
    /// `GET /images/json` without filters (W-1 to W-3), newest first.
    ///
    /// # Errors
    ///
    /// Where an index or what it names does not decode.
    pub fn list(&self, all: bool, shared_size: bool) -> Result<Vec<ListRow>> {
        let mut groups: BTreeMap<_, (&ImageRecord, Vec<String>)> = BTreeMap::new();
        for image in &self.world.images {
            let id = image.target.digest.to_string();
            let is_parent = || self.world.images.iter().any(|other| other.labels.get(PARENT) == Some(&id));
            if !all && image.is_dangling() && is_parent() {
                continue; // W-1
            }
            let (group, tags) = groups.entry(image.target.digest).or_insert((image, Vec::new()));
            if !image.is_dangling() {
                *group = image;
                let reference = Reference::parse(&image.name, &self.semantics).ok();
                tags.extend(reference.map(|reference| reference.familiar().to_owned()));
            }
        }
        let rows = groups.into_values().map(|(image, tags)| self.row(image, tags));
        let mut rows: Vec<Summed> = rows.collect::<Result<_>>()?;
        // W-3
        let parts = rows.iter().flat_map(|(_, parts)| parts).map(|(part, _)| part.clone());
        let parts: Vec<Node> = parts.filter(|_| shared_size).collect();
        let is_shared = |part: &Node| parts.iter().filter(|other| *other == part).count() > 1;
        for (row, own) in rows.iter_mut().filter(|_| shared_size) {
            row.shared_size = sum(own.iter().filter(|(part, _)| is_shared(part)).map(|(_, size)| *size));
        }
        rows.sort_by_key(|(row, ..)| std::cmp::Reverse(row.created));
        Ok(rows.into_iter().map(|(row, ..)| row).collect())
    }

    /// W-2
    fn row(&self, image: &ImageRecord, mut tags: Vec<String>) -> Result<Summed> {
        // As far as they decode.
        let config_of = |manifest: &Descriptor, view| {
            let bytes = self.manifest(manifest).and_then(|document| self.bytes(&document.config));
            Config::read(&bytes.unwrap_or_default(), view)
        };
        let reachable = self.reachable(image)?;
        let content = reachable.iter().filter_map(|manifest| self.walk(manifest, &mut |_| Ok(true)).ok());
        let content: Vec<(String, i64)> = content.flatten().map(|blob| (blob.digest, blob.size)).collect();
        let mut size = sum(content.iter().map(|(_, size)| *size));
        let (mut parts, mut platforms) = (Vec::new(), Vec::new());
        for manifest in reachable.iter().filter(|manifest| !self.is_left_out(manifest)) {
            let (config, end) = config_of(manifest, View::Image);
            size = size.wrapping_add(end.map_or(0, |()| self.chain_size(config.chain_ids().last())));
            let snapshots = config.chain_ids().into_iter().filter_map(|id| self.world.snapshot(&id));
            parts.extend(snapshots.map(|own| (("snapshot", own.key.clone()), own.size)));
            platforms.push((manifest, manifest.platform.clone().unwrap_or(config.platform)));
        }
        let users = self.world.containers.iter().filter_map(|user| Some(user.image_manifest?.to_string()));
        let users = users.flat_map(|id| platforms.iter().filter(move |(own, _)| own.digest == id)).count();
        let best = platform::best(&self.world.host_platform, platforms);
        let config = best.map(|(manifest, _)| config_of(manifest, View::Labels).0);
        let (id, strict) = (image.target.digest.to_string(), self.strict(&image.name));
        if config.is_some() && strict.is_none() && !image.is_dangling() {
            tags.push(image.name.clone());
        }
        let digests = strict.map(|name| vec![format!("{}@{id}", name.familiar_name())]);
        let no_labels = self.versions.list_labels_may_be_null.not().then(BTreeMap::new);
        let row = ListRow {
            containers: config.as_ref().map_or(-1, |_| i64::try_from(users).unwrap_or(i64::MAX)),
            created: config.as_ref().and_then(|config| config.created).map_or(0, Timestamp::unix_seconds),
            parent_id: config.as_ref().and(image.labels.get(PARENT)).cloned().unwrap_or_default(),
            descriptor: Some(image.target.clone()),
            repo_digests: if config.is_some() { digests } else { Some(vec![id.clone()]) },
            repo_tags: tags.is_empty().not().then_some(tags),
            labels: config.and_then(|config| config.labels.or(no_labels)),
            shared_size: -1,
            size,
            id,
        };
        // The first size of a blob counts.
        let content = content.into_iter().rev().filter(|_| !self.versions.shared_size_is_snapshots);
        let content = content.map(|(digest, size)| (("content", digest), size)).collect::<BTreeMap<_, _>>();
        Ok((row, parts.into_iter().chain(content).collect()))
    }

    /// All manifests below the target, absent ones included (W-2).
    fn reachable(&self, image: &ImageRecord) -> Result<Vec<Descriptor>> {
        let target = Descriptor::from(&image.target);
        if target.is_manifest() {
            // Nobody walks below it, so that one which does not decode is no error.
            let is_readable = self.manifest(&target).err().is_none_or(|error| error.is_not_found());
            return Ok(is_readable.then_some(target).into_iter().collect());
        }
        let (mut manifests, mut next) = (Vec::new(), Vec::from_iter(target.is_index().then_some(target)));
        while let Some(descriptor) = next.pop() {
            match self.children(&descriptor) {
                Err(error) if error.is_not_found() => {}
                children => next.extend(children?.into_iter().rev()),
            }
            manifests.extend(descriptor.is_manifest().then_some(descriptor));
        }
        Ok(manifests)
    }

    /// An attestation, an unknown platform, layers that are none; in 28.5 one that is not there whole (W-2).
    fn is_left_out(&self, manifest: &Descriptor) -> bool {
        let is_unknown = |own: &Platform| own.os == "unknown" && own.architecture == "unknown";
        let layers = self.manifest(manifest).map(|document| document.layers).unwrap_or_default();
        let is_there = |blob: &Descriptor| self.world.blob(&blob.digest).is_some();
        let is_whole = || {
            self.config_of(manifest, View::Image).is_ok()
                && self.children(manifest).is_ok_and(|children| children.iter().all(is_there))
        };
        manifest.is_attestation()
            || manifest.platform.as_ref().is_some_and(is_unknown)
            || !layers.is_empty() && !layers.iter().any(Descriptor::is_layer)
            || self.versions.list_needs_whole_platform && !is_whole()
    }

    /// The sizes from `top` down; 0 where one is missing (W-2).
    fn chain_size(&self, top: Option<&String>) -> i64 {
        let (mut size, mut next, mut seen) = (0, top.cloned(), BTreeSet::new());
        while let Some(key) = next.take().filter(|key| seen.insert(key.clone())) {
            let Some(snapshot) = self.world.snapshot(&key) else { return 0 };
            size = snapshot.size.wrapping_add(size);
            next.clone_from(&snapshot.parent);
        }
        size
    }

    /// `TotalSize` (W-4).
    ///
    /// # Errors
    ///
    /// That of a walk.
    pub fn disk_usage(&self) -> Result<i64> {
        let (mut sizes, mut chains) = (BTreeMap::new(), BTreeSet::new());
        for image in &self.world.images {
            for descriptor in self.walk(&Descriptor::from(&image.target), &mut |_| Ok(true))? {
                let config = self.config_of(&descriptor, View::Image).unwrap_or_default();
                let ids = config.chain_ids();
                if descriptor.is_manifest()
                    && ids.last().is_some_and(|top| self.world.snapshot(top).is_some())
                {
                    chains.extend(ids);
                }
                sizes.entry(descriptor.digest).or_insert(descriptor.size);
            }
        }
        let is_counted = |key| self.versions.usage_counts_all_snapshots || chains.contains(key);
        let snapshots = self.world.snapshots.iter().filter(|snapshot| is_counted(&snapshot.key));
        Ok(sum(sizes.into_values().chain(snapshots.map(|snapshot| snapshot.size))))
    }
}

/// As Go's integers, which wrap.
fn sum(sizes: impl Iterator<Item = i64>) -> i64 {
    sizes.fold(0, i64::wrapping_add)
}
