//! Layer indexes of compose apps: the layers of all images of an app, for one platform a line.

use std::collections::BTreeMap;

use super::measure::{Source, USUAL_BLOCK};
use super::wanted::{DIFF_ID, INODES, LAYERS, SIZE, USAGE, Wanted};
use crate::base::digest::Digest;
use crate::document::manifest::{Descriptor, Manifest, OCI_INDEX, Platform};

/// Makes the layer index of everything that is wanted on a platform: each layer once, by digest. Sizes that were
/// counted in blocks of [`USUAL_BLOCK`] are written down, too.
///
/// ```
/// use image_prune::fit::{Wanted, layer_index};
///
/// let index = layer_index(&Wanted::default(), &"linux/arm64".parse()?);
/// assert_eq!(index.annotations["compose-app-layers"], "v1");
/// # Ok::<(), image_prune::Error>(())
/// ```
#[must_use]
pub fn layer_index(wanted: &Wanted, platform: &Platform) -> Manifest {
    let mut layers: BTreeMap<Digest, Descriptor> = BTreeMap::new();
    for layer in &wanted.layers {
        let mut blob = layer.blob.clone();
        if let Some(diff_id) = layer.diff_id {
            blob.annotations.insert(DIFF_ID.to_owned(), diff_id.to_string());
        }
        if let Some(unpacked) = layer.unpacked.filter(|unpacked| unpacked.source <= Source::Metadata) {
            blob.annotations.insert(SIZE.to_owned(), unpacked.size.high.to_string());
            blob.annotations.insert(USAGE.to_owned(), unpacked.usage.high.to_string());
            if let Some(inodes) = unpacked.inodes {
                blob.annotations.insert(INODES.to_owned(), inodes.high.to_string());
            }
        }
        layers.insert(blob.digest, blob);
    }
    Manifest {
        schema_version: 2,
        media_type: OCI_INDEX.to_owned(),
        platform: Some(platform.clone()),
        layers: layers.into_values().collect(),
        annotations: BTreeMap::from([(LAYERS.to_owned(), "v1".to_owned())]),
        ..Manifest::default()
    }
}

/// The block size that layers are to be counted with for an index.
pub const INDEX_BLOCK: u64 = USUAL_BLOCK;
