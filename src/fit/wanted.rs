//! What an update consists of: from manifests, indexes and layer indexes to layers.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::layout::Content;
use super::measure::{Range, Source, USUAL_BLOCK, Unpacked, measure};
use crate::base::digest::{ChainId, DiffId, Digest};
use crate::base::error::{Error, Result};
use crate::document::manifest::{Descriptor, MANIFEST_SIZE, Manifest, Platform};

/// The annotation of a compose app's layer index.
pub const LAYERS: &str = "compose-app-layers";
/// Annotations that we write to the layers of such an index.
pub const DIFF_ID: &str = "image-prune.diff-id";
/// The bytes of a layer's files.
pub const SIZE: &str = "image-prune.size";
/// The bytes that they take in blocks of [`super::USUAL_BLOCK`].
pub const USAGE: &str = "image-prune.usage";
/// The inodes that they take.
pub const INODES: &str = "image-prune.inodes";

/// The limit of a config, in bytes.
const CONFIG_SIZE: usize = 8 << 20;
/// How deep indexes may list indexes.
const DEPTH: usize = 8;

/// What is wanted: the layers of images, and what else has to be stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The layers of all images, base first in each.
    pub layers: Vec<WantedLayer>,
    /// Manifests, configs and bundles, which a blob store keeps, too.
    pub others: Vec<Descriptor>,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// A layer that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedLayer {
    /// The compressed layer.
    pub blob: Descriptor,
    /// Its own tar; none where no config says so.
    pub diff_id: Option<DiffId>,
    /// The layer and all below it.
    pub chain_id: Option<ChainId>,
    /// Its unpacked size, where somebody knows.
    pub unpacked: Option<Unpacked>,
}

impl Wanted {
    /// Adds an image, or the images of an index for a platform, or a compose app's layers.
    ///
    /// `name` is for errors. With a `block` size, layers that are at hand are unpacked and counted.
    ///
    /// # Errors
    ///
    /// Something cannot be read, or there is nothing for this platform.
    pub fn add(
        &mut self,
        name: &str,
        text: &[u8],
        platform: &Platform,
        content: &dyn Content,
        block: Option<u64>,
    ) -> Result<()> {
        let text = document(name, text, platform)?;
        let manifest = parse(name, text)?;
        let own = Descriptor {
            media_type: manifest.media_type.clone(),
            digest: Digest::of(text),
            size: text.len() as u64,
            platform: None,
            urls: Vec::new(),
            annotations: <_>::default(),
        };
        self.add_manifest(name, own, &manifest, Walk { platform, content, block, depth: 0 })
    }

    fn add_manifest(
        &mut self,
        name: &str,
        own: Descriptor,
        manifest: &Manifest,
        walk: Walk<'_>,
    ) -> Result<()> {
        if manifest.annotations.contains_key(LAYERS) {
            return self.add_layers(name, manifest, walk.platform);
        }
        self.others.push(own);
        if manifest.manifests.is_empty() && !manifest.is_index() {
            return self.add_image(name, manifest, walk);
        }
        // A compose app: its layers are its bundle, and it lists its images' layers for each platform.
        self.others.extend(manifest.config.iter().chain(&manifest.layers).cloned());
        let child = choose(name, manifest, walk.platform)?;
        if walk.depth == DEPTH {
            return Err(Error::invalid_parameter(format!(
                "{name}: indexes in indexes, more than {DEPTH} deep"
            )));
        }
        let Some(text) = walk.content.read(child, MANIFEST_SIZE)? else {
            let message = format!("{name}: it lists {}, which is not here", child.digest);
            return Err(Error::not_found(message));
        };
        let child_name = format!("{name} ({})", walk.platform);
        let manifest = parse(&child_name, &text)?;
        self.add_manifest(&child_name, child.clone(), &manifest, Walk { depth: walk.depth + 1, ..walk })
    }

    fn add_image(&mut self, name: &str, manifest: &Manifest, walk: Walk<'_>) -> Result<()> {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Config {
            rootfs: Rootfs,
            #[serde(flatten)]
            platform: Platform,
        }
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Rootfs {
            diff_ids: Vec<DiffId>,
        }
        let config = match &manifest.config {
            Some(config) => walk.content.read(config, CONFIG_SIZE)?,
            None => None,
        };
        let config: Option<Config> = config.and_then(|text| serde_json::from_slice(&text).ok());
        self.others.extend(manifest.config.clone());
        if let Some(config) = &config
            && !config.platform.architecture.is_empty()
            && !walk.platform.runs(&config.platform)
        {
            return Err(nothing_for(name, walk.platform, &[config.platform.to_string()]));
        }
        let diff_ids = config.map(|config| config.rootfs.diff_ids).unwrap_or_default();
        let is_sound = diff_ids.len() == manifest.layers.len();
        if !is_sound {
            self.notes.push(format!("{name}: no config says which layers these are; all count as missing"));
        }
        let mut below = None;
        for (place, blob) in manifest.layers.iter().enumerate() {
            let diff_id = diff_ids.get(place).copied().filter(|_| is_sound);
            let chain_id = diff_id.map(|diff_id| ChainId::on(below, diff_id));
            below = chain_id;
            let unpacked = match walk.block {
                Some(block) => {
                    walk.content.open(blob)?.and_then(|layer| measure(&blob.media_type, layer, block))
                }
                None => None,
            };
            let unpacked = unpacked.or_else(|| annotated(blob));
            self.layers.push(WantedLayer { blob: blob.clone(), diff_id, chain_id, unpacked });
        }
        Ok(())
    }

    /// The layers that a layer index lists, in no order.
    fn add_layers(&mut self, name: &str, manifest: &Manifest, platform: &Platform) -> Result<()> {
        if let Some(own) = manifest.platform.as_ref().filter(|own| !platform.runs(own)) {
            return Err(nothing_for(name, platform, &[own.to_string()]));
        }
        self.layers.extend(manifest.layers.iter().map(|blob| WantedLayer {
            diff_id: blob.annotations.get(DIFF_ID).and_then(|text| text.parse().ok()),
            chain_id: None,
            unpacked: annotated(blob),
            blob: blob.clone(),
        }));
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct Walk<'a> {
    platform: &'a Platform,
    content: &'a dyn Content,
    block: Option<u64>,
    depth: usize,
}

fn parse(name: &str, text: &[u8]) -> Result<Manifest> {
    Manifest::parse(text).map_err(|error| Error::new(error.class(), format!("{name}: {error}")))
}

/// The image of an index for a platform. Attestations, of an unknown platform, are none.
fn choose<'a>(name: &str, index: &'a Manifest, platform: &Platform) -> Result<&'a Descriptor> {
    let platforms = || index.manifests.iter().filter_map(|child| Some((child, child.platform.as_ref()?)));
    let fitting = platforms().find(|(_, own)| platform.runs(own)).map(|(child, _)| child);
    // The index of a layout with one image says nothing of platforms.
    let only = match index.manifests.as_slice() {
        [only] if only.platform.is_none() => Some(only),
        _ => None,
    };
    fitting.or(only).ok_or_else(|| {
        let known = platforms().filter(|(_, own)| own.architecture != "unknown");
        nothing_for(name, platform, &known.map(|(_, own)| own.to_string()).collect::<Vec<_>>())
    })
}

fn nothing_for(name: &str, platform: &Platform, known: &[String]) -> Error {
    let known = if known.is_empty() { "none that it names".to_owned() } else { known.join(", ") };
    Error::not_found(format!("{name}: nothing for {platform}; it is for {known}"))
}

/// The unpacked size that somebody wrote to a layer, if it is all there. Files take no fewer bytes in blocks than they have.
fn annotated(blob: &Descriptor) -> Option<Unpacked> {
    let (size, usage) = (number(blob, SIZE)?, number(blob, USAGE)?);
    let inodes = Some(Range::exactly(number(blob, INODES)?));
    let usage = Range::exactly(Some(usage).filter(|usage| *usage >= size)?);
    Some(Unpacked { size: Range::exactly(size), usage, inodes, source: Source::Metadata })
}

/// These limits of a layer, narrowed by what somebody wrote to it.
pub(super) fn annotated_in_part(blob: &Descriptor, limits: Unpacked, block: u64) -> Unpacked {
    let Some(size) = number(blob, SIZE) else { return limits };
    let limits = limits.with_size(size, block);
    let usage = number(blob, USAGE).filter(|usage| *usage >= size && block <= USUAL_BLOCK);
    let usage = usage.map_or(limits.usage, Range::exactly);
    let inodes = number(blob, INODES).map(Range::exactly).or(limits.inodes);
    Unpacked { usage, inodes, ..limits }
}

fn number(blob: &Descriptor, key: &str) -> Option<u64> {
    blob.annotations.get(key)?.parse().ok()
}

/// The one document of a file, or of several layer indexes the one for a platform.
fn document<'a>(name: &str, text: &'a [u8], platform: &Platform) -> Result<&'a [u8]> {
    let mut documents = serde_json::Deserializer::from_slice(text).into_iter::<&RawValue>();
    let (Some(Ok(first)), Some(second)) = (documents.next(), documents.next()) else { return Ok(text) };
    let mut known = Vec::new();
    for document in [Ok(first), second].into_iter().chain(documents) {
        let wrong = |error: &dyn std::fmt::Display| Error::invalid_parameter(format!("{name}: {error}"));
        let document = document.map_err(|error| wrong(&error))?.get().as_bytes();
        match parse(name, document)?.platform {
            Some(own) if platform.runs(&own) => return Ok(document),
            Some(own) => known.push(own.to_string()),
            None => return Err(wrong(&"several documents, and one does not say its platform")),
        }
    }
    Err(nothing_for(name, platform, &known))
}
