//! Layer indexes of compose apps: the layers of all images of an app, for one platform a line.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::measure::{Source, USUAL_BLOCK};
use super::wanted::{DIFF_ID, LAYERS, SIZE, USAGE, Wanted};
use crate::digest::Digest;
use crate::manifest::{Descriptor, Manifest, OCI_INDEX, Platform};
use crate::{Error, Result};

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
        if let Some(unpacked) = layer.unpacked.filter(|unpacked| unpacked.source != Source::Ratio) {
            blob.annotations.insert(SIZE.to_owned(), unpacked.size.high.to_string());
            blob.annotations.insert(USAGE.to_owned(), unpacked.usage.high.to_string());
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

/// The one document of a file, or of several layer indexes the one for a platform.
pub(super) fn document<'a>(name: &str, text: &'a [u8], platform: &Platform) -> Result<&'a [u8]> {
    let mut documents = serde_json::Deserializer::from_slice(text).into_iter::<&RawValue>();
    let (Some(Ok(first)), Some(second)) = (documents.next(), documents.next()) else { return Ok(text) };
    let mut known = Vec::new();
    for document in [Ok(first), second].into_iter().chain(documents) {
        let wrong = |error: &dyn std::fmt::Display| Error::invalid_parameter(format!("{name}: {error}"));
        let document = document.map_err(|error| wrong(&error))?.get().as_bytes();
        let index = Manifest::parse(document).map_err(|error| wrong(&error))?;
        match index.platform {
            Some(own) if platform.runs(&own) => return Ok(document),
            Some(own) => known.push(own.to_string()),
            None => return Err(wrong(&"several documents, and one does not say its platform")),
        }
    }
    Err(Error::not_found(format!("{name}: nothing for {platform}; it is for {}", known.join(", "))))
}
