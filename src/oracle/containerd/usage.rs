//! The list of images and the disk usage (W).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Not;

use crate::api::record::ListRow;
use crate::base::error::Result;
use crate::document::oci::{Descriptor, View, is_index, is_layer, is_manifest, platform};
use crate::document::reference::Reference;
use crate::document::world::containerd::{ImageRecord, Platform};

use super::{Model, PARENT, is_dangling};

/// A row, and what may be shared of it: chain IDs as often as they come, and blobs with their sizes (W-3).
type Summed = (ListRow, Vec<String>, BTreeMap<String, i64>);

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
            if !all && is_dangling(image) && is_parent() {
                continue; // W-1
            }
            let (group, tags) = groups.entry(image.target.digest).or_insert((image, Vec::new()));
            if !is_dangling(image) {
                *group = image;
                let reference = Reference::parse(&image.name, &self.semantics).ok();
                tags.extend(reference.map(|reference| reference.familiar().to_owned()));
            }
        }
        let rows = groups.into_values().map(|(image, tags)| self.row(image, tags));
        let mut rows: Vec<Summed> = rows.collect::<Result<_>>()?;
        if shared_size {
            self.share(&mut rows);
        }
        rows.sort_by_key(|(row, ..)| std::cmp::Reverse(row.created));
        Ok(rows.into_iter().map(|(row, ..)| row).collect())
    }

    /// W-2
    fn row(&self, image: &ImageRecord, mut tags: Vec<String>) -> Result<Summed> {
        let (mut chain_ids, mut blobs, mut platforms) = (Vec::new(), BTreeMap::new(), Vec::new());
        let (mut size, mut containers) = (0_i64, 0);
        for manifest in self.reachable(image)? {
            for Descriptor { digest, size: own, .. } in self.present(manifest.clone()).unwrap_or_default() {
                size = size.wrapping_add(own);
                blobs.entry(digest).or_insert(own);
            }
            if self.is_left_out(&manifest) {
                continue;
            }
            // As far as it decodes; the snapshots of one that does not decode are not looked for.
            let (config, end) = self.config_of(&manifest, View::Image);
            size = size.wrapping_add(end.map_or(0, |()| self.chain_size(config.chain_ids().last())));
            chain_ids.extend(config.chain_ids());
            let users = self.world.containers.iter().filter_map(|user| user.image_manifest);
            containers += users.filter(|user| user.to_string() == manifest.digest).count();
            let platform = manifest.platform.clone().unwrap_or(config.platform);
            platforms.push((manifest, platform));
        }
        let id = image.target.digest.to_string();
        let mut row = ListRow {
            containers: -1,
            created: 0,
            labels: None,
            parent_id: String::new(),
            descriptor: Some(image.target.clone()),
            repo_digests: Some(vec![id.clone()]),
            repo_tags: None,
            shared_size: -1,
            size,
            id,
        };
        if let Some((manifest, _)) = platform::best(&self.world.host_platform, platforms) {
            let (config, _) = self.config_of(&manifest, View::Labels);
            row.containers = i64::try_from(containers).unwrap_or(i64::MAX);
            row.created = config.created.map_or(0, crate::go::time::Timestamp::unix_seconds);
            let no_labels = (!self.versions.list_labels_may_be_null).then(BTreeMap::new);
            row.labels = config.labels.or(no_labels);
            row.parent_id = image.labels.get(PARENT).cloned().unwrap_or_default();
            let strict = self.strict(&image.name);
            row.repo_digests =
                strict.as_ref().map(|name| vec![format!("{}@{}", name.familiar_name(), row.id)]);
            if strict.is_none() && !is_dangling(image) {
                tags.push(image.name.clone());
            }
        }
        row.repo_tags = tags.is_empty().not().then_some(tags);
        Ok((row, chain_ids, blobs))
    }

    /// All manifests below the target, absent ones included (W-2).
    fn reachable(&self, image: &ImageRecord) -> Result<Vec<Descriptor>> {
        let target = Descriptor::from(&image.target);
        if is_manifest(&target.media_type) {
            // Nobody walks below it, so that one which does not decode is no error.
            let is_readable = self.manifest(&target).err().is_none_or(|error| error.is_not_found());
            return Ok(is_readable.then_some(target).into_iter().collect());
        }
        let (mut manifests, mut next) =
            (Vec::new(), Vec::from_iter(is_index(&target.media_type).then_some(target)));
        while let Some(descriptor) = next.pop() {
            match self.children(&descriptor) {
                Err(error) if error.is_not_found() => {}
                children => next.extend(children?.into_iter().rev()),
            }
            manifests.extend(is_manifest(&descriptor.media_type).then_some(descriptor));
        }
        Ok(manifests)
    }

    /// An attestation, an unknown platform, layers that are none; in 28.5 one that is not there whole (W-2).
    fn is_left_out(&self, manifest: &Descriptor) -> bool {
        let is_unknown = |platform: &Platform| platform.os == "unknown" && platform.architecture == "unknown";
        let is_there = |blob: &Descriptor| self.blob(&blob.digest).is_some();
        let read = self.manifest(manifest);
        manifest.annotations.contains_key("vnd.docker.reference.type")
            || manifest.platform.as_ref().is_some_and(is_unknown)
            || read.as_ref().is_ok_and(|read| {
                !read.layers.is_empty() && !read.layers.iter().any(|layer| is_layer(&layer.media_type))
            })
            || self.versions.list_needs_whole_platform
                && (self.config_of(manifest, View::Image).1.is_err()
                    || !read.is_ok_and(|read| is_there(&read.config) && read.layers.iter().all(is_there)))
    }

    /// The sizes from `top` down; 0 where one is missing (W-2).
    fn chain_size(&self, top: Option<&String>) -> i64 {
        let (mut size, mut next, mut seen) = (0, top.cloned(), BTreeSet::new());
        while let Some(key) = next.take().filter(|key| seen.insert(key.clone())) {
            let Some(snapshot) = self.snapshot(&key) else { return 0 };
            size = snapshot.size.wrapping_add(size);
            next.clone_from(&snapshot.parent);
        }
        size
    }

    /// W-3
    fn share(&self, rows: &mut [Summed]) {
        let (mut chains, mut contents) = (BTreeMap::new(), BTreeMap::new());
        for (_, chain_ids, blobs) in rows.iter() {
            for id in chain_ids {
                *chains.entry(id.clone()).or_insert(0) += 1;
            }
            for digest in blobs.keys() {
                *contents.entry(digest.clone()).or_insert(0) += 1;
            }
        }
        let is_shared = |counts: &BTreeMap<String, i32>, key| counts.get(key).is_some_and(|count| *count > 1);
        for (row, chain_ids, blobs) in rows {
            let snapshots = chain_ids.iter().filter(|id| is_shared(&chains, *id));
            let snapshots = snapshots.filter_map(|id| self.snapshot(id)).map(|snapshot| snapshot.size);
            row.shared_size = snapshots.fold(0, i64::wrapping_add);
            if !self.versions.shared_size_is_snapshots {
                let shared = blobs.iter().filter(|(digest, _)| is_shared(&contents, *digest));
                row.shared_size = shared.fold(row.shared_size, |sum, (_, size)| sum.wrapping_add(*size));
            }
        }
    }

    /// `TotalSize` (W-4).
    ///
    /// # Errors
    ///
    /// That of a walk.
    pub fn disk_usage(&self) -> Result<i64> {
        let (mut sizes, mut chains) = (BTreeMap::new(), BTreeSet::new());
        for image in &self.world.images {
            for descriptor in self.present(Descriptor::from(&image.target))? {
                let (config, end) = self.config_of(&descriptor, View::Image);
                let ids = config.chain_ids();
                let is_unpacked = end.is_ok() && ids.last().is_some_and(|top| self.snapshot(top).is_some());
                if is_manifest(&descriptor.media_type) && is_unpacked {
                    chains.extend(ids);
                }
                sizes.entry(descriptor.digest).or_insert(descriptor.size);
            }
        }
        let is_counted = |key| self.versions.usage_counts_all_snapshots || chains.contains(key);
        let snapshots = self.world.snapshots.iter().filter(|snapshot| is_counted(&snapshot.key));
        let sizes = sizes.into_values().chain(snapshots.map(|snapshot| snapshot.size));
        Ok(sizes.fold(0, i64::wrapping_add))
    }
}
