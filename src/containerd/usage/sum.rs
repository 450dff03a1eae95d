//! What is added up over the manifests of one image (W-2).

use std::collections::HashMap;

use super::super::decode::{self, Descriptor, Kind};
use super::super::image::Image;
use super::super::manifests::{config_in_part, read, read_manifest};
use super::super::store::walk::{SnapshotKey, Visit, present};
use super::super::store::{MetadataStore, Stores};
use super::Users;
use crate::base::digest::Digest;
use crate::base::error::Result;
use crate::document::world::containerd::Platform;
use crate::semantics::Containerd;

#[derive(Debug, Default)]
pub(super) struct Sum {
    /// Bytes of content and of the snapshots of all platforms.
    pub size: i64,
    /// Bytes of content alone.
    pub content: i64,
    pub containers: usize,
    /// The chain IDs of all platforms, as often as they come.
    pub chain_ids: Vec<SnapshotKey>,
    /// The sizes of its blobs, as the first descriptor has them.
    pub blobs: HashMap<Digest, i64>,
    /// The manifests that can be used.
    pub platforms: Vec<(Descriptor, Platform)>,
}

impl Sum {
    pub(super) fn of<S: MetadataStore, C>(
        stores: &Stores<S, C>,
        image: &Image,
        users: &Users,
        containerd: &Containerd,
    ) -> Result<Self> {
        let metadata = &stores.metadata;
        let mut sum = Self::default();
        for manifest in reachable(metadata, image)? {
            sum.add_content(metadata, &manifest);
            if is_pseudo(metadata, &manifest)
                || containerd.list_needs_whole_platform && !is_whole(metadata, &manifest)?
            {
                continue;
            }
            let (config, decoded) = config_in_part(metadata, &manifest);
            if containerd.list_needs_whole_platform && decoded.is_err() {
                continue;
            }
            let chain_ids: Vec<_> = config.chain_ids().into_iter().map(SnapshotKey::from).collect();
            if let Some(top) = chain_ids.last().filter(|_| decoded.is_ok()) {
                let size = top.with_text(|top| metadata.chain_size(top))?.unwrap_or(0);
                sum.size = sum.size.wrapping_add(size);
            }
            sum.chain_ids.extend(chain_ids);
            sum.containers += manifest.blob().map_or(0, |digest| users.count(digest));
            let platform = manifest.platform.clone().unwrap_or(config.platform);
            sum.platforms.push((manifest, platform));
        }
        Ok(sum)
    }

    /// A manifest below which something does not decode counts for nothing.
    fn add_content<S: MetadataStore>(&mut self, metadata: &S, manifest: &Descriptor) {
        let mut blobs = Vec::new();
        let walked = present(metadata, manifest.clone(), &mut |descriptor, digest| {
            blobs.push((digest, descriptor.size));
            Ok(Visit::Children)
        });
        if walked.is_ok() {
            for (digest, size) in blobs {
                self.size = self.size.wrapping_add(size);
                self.content = self.content.wrapping_add(size);
                self.blobs.entry(digest).or_insert(size);
            }
        }
    }
}

/// All manifests below the target, those included that are not there.
fn reachable<S: MetadataStore>(metadata: &S, image: &Image) -> Result<Vec<Descriptor>> {
    let target = image.target();
    match target.kind() {
        // Nobody walks below it, so that one which does not decode is left out in silence.
        Kind::Manifest => {
            let is_readable = read_manifest(metadata, &target).err().is_none_or(|error| error.is_not_found());
            return Ok(Vec::from_iter(is_readable.then_some(target)));
        }
        Kind::Index => {}
        Kind::Config | Kind::Opaque => return Ok(Vec::new()),
    }
    let (mut manifests, mut next) = (Vec::new(), vec![target]);
    while let Some(descriptor) = next.pop() {
        if descriptor.kind().is_recorded() {
            let children = read(metadata, &descriptor).and_then(|raw| decode::children(&raw, &descriptor));
            match children {
                Ok(children) => next.extend(children.into_iter().rev()),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        if descriptor.kind() == Kind::Manifest {
            manifests.push(descriptor);
        }
    }
    Ok(manifests)
}

/// An attestation, a platform that nobody has, or an artifact.
fn is_pseudo<S: MetadataStore>(metadata: &S, manifest: &Descriptor) -> bool {
    let is_unknown = |platform: &Platform| platform.os == "unknown" && platform.architecture == "unknown";
    manifest.is_attestation()
        || manifest.platform.as_ref().is_some_and(is_unknown)
        || read_manifest(metadata, manifest).is_ok_and(|manifest| {
            let layers = &manifest.layers;
            !layers.is_empty() && !layers.iter().any(Descriptor::is_layer)
        })
}

/// Whether the config and all layers are there.
fn is_whole<S: MetadataStore>(metadata: &S, manifest: &Descriptor) -> Result<bool> {
    let manifest = match read_manifest(metadata, manifest) {
        Ok(manifest) => manifest,
        Err(error) if error.is_not_found() => return Ok(false),
        Err(error) => return Err(error),
    };
    for blob in manifest.layers.iter().chain([&manifest.config]) {
        let is_there = blob.blob().map_or(Ok(false), |digest| metadata.contains(digest))?;
        if !is_there {
            return Ok(false);
        }
    }
    Ok(true)
}
