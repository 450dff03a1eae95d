//! The list of images, and what they take on disk (rules W). Reads the stores, changes nothing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde::Serialize;

use super::image::Image;
use super::store::walk::{SnapshotKey, Visit, present};
use super::store::{ContainerStore, MetadataStore, Stores};
use super::{decode, manifests};
use crate::base::digest::Digest;
use crate::base::error::Result;
use crate::document::oci::{Config, View, platform};
use crate::document::reference::Reference;
use crate::document::world::containerd::{ImageRecord, Labels, Target};
use crate::semantics::{Containerd, Semantics};

mod sum;

use sum::Sum;

/// One row of the list, a digest's. As JSON it is moby's, of the API's latest version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageRow {
    /// How many containers were made from one of its manifests; −1 where it has none that can be used.
    pub containers: i64,
    /// When the image was built, in seconds since 1970; 0 where that is not known.
    pub created: i64,
    /// The digest.
    pub id: Digest,
    /// The labels of its config.
    pub labels: Option<Labels>,
    /// The parent in the classic builder's label.
    pub parent_id: String,
    /// The target.
    pub descriptor: Target,
    /// The digest in the repository of its last name.
    pub repo_digests: Option<Vec<String>>,
    /// Its names, as moby shows them.
    pub repo_tags: Option<Vec<String>>,
    /// Bytes that it shares with others, or −1 where nobody asked.
    pub shared_size: i64,
    /// Bytes of content and snapshots, shared ones included.
    pub size: i64,
}

/// See [`Engine::list`](super::Engine::list).
pub(super) fn list<S: MetadataStore, C: ContainerStore>(
    stores: &Stores<S, C>,
    semantics: &Semantics,
    all: bool,
    shared_size: bool,
) -> Result<Vec<ImageRow>> {
    let containerd = semantics.containerd.unwrap_or(Containerd::MOBY_29);
    let users = Users::of(stores);
    let mut rows = Vec::new();
    for group in groups(stores, semantics, all)? {
        let sum = Sum::of(stores, &group.image, &users, &containerd)?;
        rows.push((row(stores, semantics, group, &sum), sum));
    }
    if shared_size {
        share(stores, &containerd, &mut rows)?;
    }
    let mut rows: Vec<ImageRow> = rows.into_iter().map(|(row, _)| row).collect();
    rows.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
    Ok(rows)
}

/// What one image takes, shared bytes included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sizes {
    pub content: i64,
    pub total: i64,
}

/// The sizes of all images; those whose content does not decode are left out.
pub(super) fn sizes<S: MetadataStore, C: ContainerStore>(
    stores: &Stores<S, C>,
    semantics: &Semantics,
) -> Result<HashMap<Digest, Sizes>> {
    let containerd = semantics.containerd.unwrap_or(Containerd::MOBY_29);
    let users = Users::of(stores);
    let mut sizes = HashMap::new();
    for group in groups(stores, semantics, true)? {
        if let Ok(sum) = Sum::of(stores, &group.image, &users, &containerd) {
            sizes.insert(group.image.digest(), Sizes { content: sum.content, total: sum.size });
        }
    }
    Ok(sizes)
}

/// The records of one digest.
struct Group {
    /// The last one with a name of its own, else the dangling one (W-1).
    image: Arc<Image>,
    tags: Vec<String>,
}

fn groups<S: MetadataStore, C>(
    stores: &Stores<S, C>,
    semantics: &Semantics,
    all: bool,
) -> Result<Vec<Group>> {
    let mut groups: BTreeMap<Digest, Group> = BTreeMap::new();
    for image in stores.metadata.images()? {
        if !all && image.is_dangling() && stores.metadata.has_children(image.digest())? {
            continue;
        }
        let new = || Group { image: Arc::clone(&image), tags: Vec::new() };
        let group = groups.entry(image.digest()).or_insert_with(new);
        if !image.is_dangling() {
            let reference = Reference::parse(image.name(), semantics).ok();
            group.tags.extend(reference.map(|reference| reference.familiar().to_owned()));
            group.image = image;
        }
    }
    Ok(groups.into_values().collect())
}

fn row<S: MetadataStore, C>(
    stores: &Stores<S, C>,
    semantics: &Semantics,
    Group { image, mut tags }: Group,
    sum: &Sum,
) -> ImageRow {
    let ImageRecord { target, .. } = ImageRecord::from(&*image);
    let id = image.digest();
    let mut row = ImageRow {
        containers: -1,
        created: 0,
        id,
        labels: None,
        parent_id: String::new(),
        descriptor: target,
        repo_digests: Some(vec![id.to_string()]),
        repo_tags: None,
        shared_size: -1,
        size: sum.size,
    };
    let platforms = sum.platforms.iter().map(|(manifest, platform)| (manifest, platform.clone()));
    if let Some((manifest, _)) = platform::best(&stores.host_platform, platforms) {
        let config = manifests::read_manifest(&stores.metadata, manifest)
            .and_then(|manifest| manifests::read_config(&stores.metadata, &manifest.config));
        let config = config.map_or_else(|_| Config::default(), |raw| Config::read(&raw, View::Labels).0);
        row.containers = i64::try_from(sum.containers).unwrap_or(i64::MAX);
        row.created = config.created.map_or(0, crate::go::time::Timestamp::unix_seconds);
        let containerd = semantics.containerd.unwrap_or(Containerd::MOBY_29);
        let no_labels = (!containerd.list_labels_may_be_null).then(Labels::new);
        row.labels = config.labels.or(no_labels);
        row.parent_id = image.labels().get(super::PARENT).cloned().unwrap_or_default();
        let reference = image.reference(semantics);
        row.repo_digests = reference.as_ref().map(|name| vec![format!("{}@{id}", name.familiar_name())]);
        if reference.is_none() && !image.is_dangling() {
            tags.push(image.name().to_owned());
        }
    }
    row.repo_tags = (!tags.is_empty()).then_some(tags);
    row
}

/// W-3.
fn share<S: MetadataStore, C>(
    stores: &Stores<S, C>,
    containerd: &Containerd,
    rows: &mut [(ImageRow, Sum)],
) -> Result<()> {
    let mut chains: HashMap<SnapshotKey, usize> = HashMap::new();
    let mut blobs: HashMap<Digest, usize> = HashMap::new();
    for (_, sum) in rows.iter() {
        sum.chain_ids.iter().for_each(|key| *chains.entry(key.clone()).or_default() += 1);
        sum.blobs.keys().for_each(|digest| *blobs.entry(*digest).or_default() += 1);
    }
    for (row, sum) in rows {
        let mut size = 0_i64;
        for key in sum.chain_ids.iter().filter(|key| chains.get(key).is_some_and(|count| *count > 1)) {
            let own = key.with_text(|key| stores.metadata.snapshot_size(key))?.unwrap_or(0);
            size = size.wrapping_add(own);
        }
        if !containerd.shared_size_is_snapshots {
            let shared =
                sum.blobs.iter().filter(|(digest, _)| blobs.get(digest).is_some_and(|count| *count > 1));
            size = shared.fold(size, |size, (_, own)| size.wrapping_add(*own));
        }
        row.shared_size = size;
    }
    Ok(())
}

/// The containers of each manifest.
pub(super) struct Users(HashMap<Digest, usize>);

impl Users {
    fn of<S, C: ContainerStore>(stores: &Stores<S, C>) -> Self {
        let mut users = HashMap::new();
        for container in stores.containers.containers() {
            if let Some(manifest) = container.image_manifest {
                *users.entry(manifest).or_default() += 1;
            }
        }
        Self(users)
    }

    fn count(&self, manifest: Digest) -> usize {
        self.0.get(&manifest).copied().unwrap_or(0)
    }
}

/// See [`Engine::disk_usage`](super::Engine::disk_usage).
pub(super) fn disk_usage<S: MetadataStore, C>(stores: &Stores<S, C>, semantics: &Semantics) -> Result<i64> {
    let containerd = semantics.containerd.unwrap_or(Containerd::MOBY_29);
    let metadata = &stores.metadata;
    let mut blobs: HashMap<Digest, i64> = HashMap::new();
    let mut chains: HashSet<SnapshotKey> = HashSet::new();
    for image in metadata.images()? {
        present(metadata, image.target(), &mut |descriptor, digest| {
            if descriptor.kind() == decode::Kind::Manifest
                && let (config, Ok(())) = manifests::config_in_part(metadata, descriptor)
            {
                let ids: Vec<_> = config.chain_ids().into_iter().map(SnapshotKey::from).collect();
                if let Some(top) = ids.last()
                    && top.with_text(|top| metadata.snapshot_size(top))?.is_some()
                {
                    chains.extend(ids);
                }
            }
            blobs.entry(digest).or_insert(descriptor.size);
            Ok(Visit::Children)
        })?;
    }
    let content = blobs.into_values().fold(0_i64, i64::wrapping_add);
    if containerd.usage_counts_all_snapshots {
        let snapshots = metadata.snapshots()?.into_iter();
        return Ok(snapshots.fold(content, |sum, (_, size)| sum.wrapping_add(size)));
    }
    chains.into_iter().try_fold(content, |sum, key| {
        let size = key.with_text(|key| metadata.snapshot_size(key))?.unwrap_or(0);
        Ok(sum.wrapping_add(size))
    })
}
