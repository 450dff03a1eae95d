//! Disk usage of images (U-2 … U-6): `daemon/images/images.go` and `service.go`.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::base::digest::{Digest, ImageId};
use crate::base::error::{Error, Result};
use crate::go::time::Timestamp;

use super::{Model, StoredImage};

/// The images' part of `GET /system/df` (U-6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Usage {
    /// Bytes of all layers in use, each once (U-5).
    pub layers_size: i64,
    /// The images (U-2), newest first; by ID among equals, where moby's order is random.
    pub images: Vec<ImageUsage>,
}

/// One image of it (U-3, U-4). As JSON it is moby's `ImageSummary`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageUsage {
    /// How many containers, in any state, were made from it.
    pub containers: usize,
    /// Unix seconds.
    pub created: i64,
    /// The image.
    pub id: ImageId,
    /// The labels of its config; none without the map.
    pub labels: Option<BTreeMap<String, String>>,
    /// Its parent's ID as text, or empty.
    #[serde(rename = "ParentId")]
    pub parent: String,
    /// Its digest references, familiar.
    pub repo_digests: Option<Vec<String>>,
    /// Its tags, familiar.
    pub repo_tags: Option<Vec<String>>,
    /// Bytes in layers that other images have, too.
    pub shared_size: i64,
    /// Bytes of all its layers.
    pub size: i64,
    /// The same again.
    pub virtual_size: i64,
}

impl Model {
    /// Computes disk usage.
    ///
    /// # Errors
    ///
    /// `layer … was not found (corruption?)` (U-4): from a config with empty diff IDs.
    pub fn usage(&self) -> Result<Usage> {
        let listed = |stored: &&StoredImage| stored.image.is_os_supported() && !self.is_intermediate(stored);
        let listed: Vec<&StoredImage> = self.images.iter().filter(listed).collect(); // U-2
        // U-4: who shares, each chain as often as images have it.
        let all = if self.semantics.shared_size_over_all_images {
            self.images.iter().collect()
        } else {
            listed.clone()
        };
        let uses: Vec<String> = all.into_iter().flat_map(chains).collect();
        let mut images = Vec::new();
        for stored in listed {
            images.push(self.image_usage(stored, self.shared_size(stored, &uses)?));
        }
        images.sort_by_key(|image| (Reverse(image.created), image.id));
        Ok(Usage { layers_size: self.layers_size(), images })
    }

    fn is_intermediate(&self, stored: &StoredImage) -> bool {
        self.references_of(stored.id).is_empty() && self.has_children(stored.id)
    }

    /// U-3.
    fn image_usage(&self, stored: &StoredImage, shared_size: i64) -> ImageUsage {
        let references = self.references_of(stored.id);
        let familiar = |canonical: bool, placeholder: &str| {
            if references.is_empty() && !self.semantics.unreferenced_tags_are_null {
                return Some(vec![placeholder.to_owned()]);
            }
            let kind = references.iter().filter(|reference| reference.is_canonical() == canonical);
            let names: Vec<String> = kind.map(|reference| reference.familiar().to_owned()).collect();
            (!names.is_empty()).then_some(names)
        };
        let without_created = if self.semantics.created_is_optional { 0 } else { -62_135_596_800 };
        let size = self.size_of_chain(stored);
        ImageUsage {
            containers: self.containers.iter().filter(|container| container.image == stored.id).count(),
            created: stored.image.created().map_or(without_created, Timestamp::unix_seconds),
            id: stored.id,
            labels: stored
                .image
                .labels()
                .map(|labels| labels.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()),
            parent: stored.parent.map(|parent| parent.to_string()).unwrap_or_default(),
            repo_digests: familiar(true, "<none>@<none>"),
            repo_tags: familiar(false, "<none>:<none>"),
            shared_size,
            size,
            virtual_size: size,
        }
    }

    /// `Size` of the top layer (Y-7).
    fn size_of_chain(&self, stored: &StoredImage) -> i64 {
        let mut size: i64 = 0;
        let mut next = stored.top;
        while let Some(layer) = next.and_then(|chain| self.layer(chain)) {
            size = size.wrapping_add(layer.size);
            next = layer.parent;
        }
        size
    }

    /// U-4.
    fn shared_size(&self, stored: &StoredImage, uses: &[String]) -> Result<i64> {
        let mut sum: i64 = 0;
        for chain in chains(stored) {
            let shared = uses.iter().filter(|used| **used == chain).count() > 1;
            let layer = self.layers.iter().find(|layer| layer.chain_id.to_string() == chain);
            match layer {
                Some(layer) if shared => sum = sum.wrapping_add(layer.size),
                // 20.10 looks for every layer, later versions for those that they add.
                None if shared || !self.semantics.shared_size_over_all_images => {
                    return Err(Error::system(format!("layer {chain} was not found (corruption?)")));
                }
                _ => {}
            }
        }
        Ok(sum)
    }

    /// U-5.
    fn layers_size(&self) -> i64 {
        let in_use = self.images.iter().filter(|stored| !self.is_intermediate(stored));
        let in_use: Vec<String> = in_use.flat_map(chains).collect();
        let layers = self.layers.iter().filter(|layer| in_use.contains(&layer.chain_id.to_string()));
        layers.fold(0, |sum: i64, layer| sum.wrapping_add(layer.size))
    }
}

/// The chain of each of the image's layers, base first, as text (Y-1).
fn chains(stored: &StoredImage) -> Vec<String> {
    let mut chains: Vec<String> = Vec::new();
    for diff in stored.image.diff_ids() {
        chains.push(match chains.last() {
            Some(below) if !below.is_empty() => Digest::of(format!("{below} {diff}").as_bytes()).to_string(),
            _ => diff,
        });
    }
    chains
}
