//! The list of images and the disk usage (W).

use std::collections::{BTreeMap, BTreeSet};

use crate::Result;
use crate::oci::{Descriptor, View, is_index, is_layer, is_manifest, platform};
use crate::reference::Reference;
use crate::world::containerd::{ImageRecord, Labels, Platform, Target};

use super::{Model, PARENT, is_dangling};

/// One row of `GET /images/json` (W-2).
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "moby's own words")]
pub struct ImageRow {
    pub containers: i64,
    pub created: i64,
    pub id: String,
    pub labels: Option<Labels>,
    pub parent_id: String,
    pub descriptor: Target,
    pub repo_digests: Option<Vec<String>>,
    pub repo_tags: Option<Vec<String>>,
    pub shared_size: i64,
    pub size: i64,
}

/// What is added up over the manifests of one image (W-2).
#[derive(Default)]
struct Sum {
    size: i64,
    containers: usize,
    chain_ids: Vec<String>,
    /// The sizes of its blobs.
    blobs: BTreeMap<String, i64>,
    platforms: Vec<(Descriptor, Platform)>,
}

impl Model {
    /// `GET /images/json` without filters (W-1 to W-3), newest first.
    ///
    /// # Errors
    ///
    /// moby's.
    pub fn list(&self, all: bool, shared_size: bool) -> Result<Vec<ImageRow>> {
        let mut groups: BTreeMap<_, (&ImageRecord, Vec<String>)> = BTreeMap::new();
        for image in self.world.images.iter() {
            if !all && is_dangling(image) && self.is_parent(image) {
                continue;
            }
            let (group, tags) = groups.entry(image.target.digest).or_insert((image, Vec::new()));
            if !is_dangling(image) {
                *group = image;
                let reference = Reference::parse(&image.name, &self.semantics).ok();
                tags.extend(reference.map(|reference| reference.familiar().to_owned()));
            }
        }
        let mut rows = Vec::new();
        for (image, tags) in groups.into_values() {
            let sum = self.sum(image)?;
            rows.push((self.row(image, tags, &sum)?, sum));
        }
        if shared_size {
            self.share(&mut rows);
        }
        let mut rows: Vec<ImageRow> = rows.into_iter().map(|(row, _)| row).collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.created));
        Ok(rows)
    }

    fn is_parent(&self, image: &ImageRecord) -> bool {
        let digest = image.target.digest.to_string();
        self.world.images.iter().any(|other| other.labels.get(PARENT) == Some(&digest))
    }

    fn row(&self, image: &ImageRecord, mut tags: Vec<String>, sum: &Sum) -> Result<ImageRow> {
        let id = image.target.digest.to_string();
        let mut row = ImageRow {
            containers: -1,
            created: 0,
            labels: None,
            parent_id: String::new(),
            descriptor: image.target.clone(),
            repo_digests: Some(vec![id.clone()]),
            repo_tags: None,
            shared_size: -1,
            size: sum.size,
            id,
        };
        let best = platform::best(&self.world.host_platform, sum.platforms.clone());
        if let Some((manifest, _)) = best {
            let config = self.config_of(&manifest, View::Labels).0;
            row.containers = i64::try_from(sum.containers).unwrap_or(i64::MAX);
            row.created = config.created.map_or(0, |created| created.unix_seconds());
            row.labels = Some(config.labels.unwrap_or_default());
            row.parent_id = image.labels.get(PARENT).cloned().unwrap_or_default();
            let strict = self.strict(&image.name);
            row.repo_digests = strict.as_ref().map(|reference| {
                let name = reference.familiar_name();
                vec![format!("{name}@{}", row.id)]
            });
            if strict.is_none() && !is_dangling(image) {
                tags.push(image.name.clone());
            }
        }
        row.repo_tags = Some(tags).filter(|tags| !tags.is_empty());
        Ok(row)
    }

    /// W-2
    fn sum(&self, image: &ImageRecord) -> Result<Sum> {
        let mut sum = Sum::default();
        for manifest in self.reachable(image)? {
            let present = self.present(manifest.clone()).unwrap_or_default();
            for Descriptor { digest, size, .. } in present {
                sum.size = sum.size.wrapping_add(size);
                sum.blobs.entry(digest).or_insert(size);
            }
            if self.is_pseudo(&manifest) {
                continue;
            }
            // As far as it decodes; the snapshots of one that does not decode are not looked for.
            let (config, end) = self.config_of(&manifest, View::Image);
            let chain_ids = config.chain_ids();
            sum.size += chain_ids.last().filter(|_| end.is_ok()).map_or(0, |top| self.chain_size(top));
            sum.chain_ids.extend(chain_ids);
            let is_user = |digest: &crate::Digest| digest.to_string() == manifest.digest;
            let users =
                self.world.containers.iter().filter(|user| user.image_manifest.as_ref().is_some_and(is_user));
            sum.containers += users.count();
            let platform = manifest.platform.clone().unwrap_or(config.platform);
            sum.platforms.push((manifest, platform));
        }
        Ok(sum)
    }

    /// All manifests below the target, absent ones included (W-2).
    fn reachable(&self, image: &ImageRecord) -> Result<Vec<Descriptor>> {
        let target = Descriptor::from(&image.target);
        if is_manifest(&target.media_type) {
            // Nobody walks below it, so that one which does not decode is no error.
            let is_readable = self.manifest(&target).err().is_none_or(|error| error.is_not_found());
            return Ok(Some(target).filter(|_| is_readable).into_iter().collect());
        }
        let mut manifests = Vec::new();
        let mut next = Vec::from_iter(Some(target).filter(|target| is_index(&target.media_type)));
        while let Some(descriptor) = next.pop() {
            match self.children(&descriptor) {
                Ok(children) => next.extend(children.into_iter().rev()),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
            manifests.extend(Some(descriptor).filter(|one| is_manifest(&one.media_type)));
        }
        Ok(manifests)
    }

    fn is_pseudo(&self, manifest: &Descriptor) -> bool {
        let is_unknown = |platform: &Platform| platform.os == "unknown" && platform.architecture == "unknown";
        manifest.annotations.contains_key("vnd.docker.reference.type")
            || manifest.platform.as_ref().is_some_and(is_unknown)
            || self.manifest(manifest).is_ok_and(|document| {
                let layers = &document.layers;
                !layers.is_empty() && !layers.iter().any(|layer| is_layer(&layer.media_type))
            })
    }

    /// The sizes from `top` down; 0 where one is missing.
    fn chain_size(&self, top: &str) -> i64 {
        let mut size: i64 = 0;
        let mut next = Some(top.to_owned());
        let mut seen = BTreeSet::new();
        while let Some(key) = next.filter(|key| seen.insert(key.clone())) {
            let Some(snapshot) = self.snapshot(&key) else { return 0 };
            size = size.wrapping_add(snapshot.size);
            next = snapshot.parent.clone();
        }
        size
    }

    /// W-3
    fn share(&self, rows: &mut [(ImageRow, Sum)]) {
        let mut chains: BTreeMap<String, usize> = BTreeMap::new();
        let mut blobs: BTreeMap<String, usize> = BTreeMap::new();
        for (_, sum) in rows.iter() {
            sum.chain_ids.iter().for_each(|id| *chains.entry(id.clone()).or_default() += 1);
            sum.blobs.keys().for_each(|digest| *blobs.entry(digest.clone()).or_default() += 1);
        }
        let is_shared =
            |counts: &BTreeMap<String, usize>, key: &str| counts.get(key).is_some_and(|count| *count > 1);
        for (row, sum) in rows {
            let snapshots = sum.chain_ids.iter().filter(|id| is_shared(&chains, id.as_str()));
            let snapshots = snapshots.filter_map(|id| self.snapshot(id)).map(|snapshot| snapshot.size);
            let blobs =
                sum.blobs.iter().filter(|(digest, _)| is_shared(&blobs, digest)).map(|(_, size)| *size);
            row.shared_size = snapshots.chain(blobs).sum();
        }
    }

    /// `TotalSize` (W-4).
    ///
    /// # Errors
    ///
    /// That of a walk.
    pub fn disk_usage(&self) -> Result<i64> {
        let mut sizes = BTreeMap::new();
        let mut chains = BTreeSet::new();
        for image in self.world.images.iter() {
            for descriptor in self.present(Descriptor::from(&image.target))? {
                if is_manifest(&descriptor.media_type) {
                    let (config, end) = self.config_of(&descriptor, View::Image);
                    let ids = config.chain_ids();
                    if end.is_ok() && ids.last().is_some_and(|top| self.snapshot(top).is_some()) {
                        chains.extend(ids);
                    }
                }
                sizes.entry(descriptor.digest).or_insert(descriptor.size);
            }
        }
        let snapshots = chains.iter().filter_map(|id| self.snapshot(id)).map(|snapshot| snapshot.size);
        Ok(sizes.into_values().chain(snapshots).sum())
    }
}
