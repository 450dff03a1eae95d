//! The manifests of an image, and the one for a platform (V-4).

use super::decode::{self, Descriptor, Kind};
use super::image::Image;
use super::store::MetadataStore;
use super::store::walk::{Visit, present};
use crate::base::error::{Error, Result};
use crate::document::oci::{Config, Document, View, platform as platforms};
use crate::document::world::containerd::Platform;

/// The manifests of an image that are there, in order. That of a plain manifest is not looked for.
///
/// # Errors
///
/// The image is neither a manifest nor an index; an index does not decode.
pub(super) fn manifests<S: MetadataStore>(metadata: &S, image: &Image) -> Result<Vec<Descriptor>> {
    match image.kind() {
        Kind::Manifest => Ok(vec![image.target()]),
        Kind::Index => {
            let mut found = Vec::new();
            present(metadata, image.target(), &mut |descriptor, _| {
                if descriptor.kind() == Kind::Manifest {
                    found.push(descriptor.clone());
                }
                Ok(Visit::Children)
            })?;
            Ok(found)
        }
        Kind::Config | Kind::Opaque => Err(Error::invalid_parameter(format!(
            "error walking manifest for {}: descriptor is neither a manifest or index",
            image.name()
        ))),
    }
}

/// The manifest that the host would take, or the first.
pub(super) fn best<S: MetadataStore>(
    metadata: &S,
    image: &Image,
    host: &Platform,
) -> Result<Option<Descriptor>> {
    let manifests = manifests(metadata, image)?.into_iter();
    let with_platforms: Result<Vec<_>> = manifests
        .map(|manifest| {
            let platform = platform(metadata, &manifest)?;
            Ok((manifest, platform))
        })
        .collect();
    Ok(platforms::best(host, with_platforms?).map(|(manifest, _)| manifest))
}

/// The platform of a manifest: the descriptor's, else the config's.
pub(super) fn platform<S: MetadataStore>(metadata: &S, manifest: &Descriptor) -> Result<Platform> {
    if let Some(platform) = &manifest.platform {
        return Ok(platform.clone());
    }
    let config = read_manifest(metadata, manifest)?.config;
    let (config, read) = Config::read(&read_config(metadata, &config)?, View::Platform);
    read.map(|()| config.platform)
}

/// The config of a manifest as far as it can be read.
pub(super) fn config_in_part<S: MetadataStore>(metadata: &S, manifest: &Descriptor) -> (Config, Result<()>) {
    let raw = read_manifest(metadata, manifest).and_then(|manifest| read_config(metadata, &manifest.config));
    match raw {
        Ok(raw) => Config::read(&raw, View::Image),
        Err(error) => (Config::default(), Err(error)),
    }
}

/// The config of a manifest.
pub(super) fn config<S: MetadataStore>(metadata: &S, manifest: &Descriptor) -> Result<Config> {
    let config = read_manifest(metadata, manifest)?.config;
    decode::config(&read_config(metadata, &config)?)
}

pub(super) fn read_config<S: MetadataStore>(metadata: &S, config: &Descriptor) -> Result<Vec<u8>> {
    read(metadata, config).map_err(|error| error.wrapped("failed to read config content"))
}

/// A manifest, decoded.
pub(super) fn read_manifest<S: MetadataStore>(metadata: &S, manifest: &Descriptor) -> Result<Document> {
    Document::read(&read(metadata, manifest)?, manifest, "manifest")
}

/// The bytes of a blob that has to be there.
pub(super) fn read<S: MetadataStore>(metadata: &S, of: &Descriptor) -> Result<Vec<u8>> {
    if let Some(inline) = of.inline() {
        return Ok(inline.to_vec());
    }
    let found = of.blob().map_or(Ok(None), |digest| metadata.read(digest))?;
    found.ok_or_else(|| Error::not_found(format!("content digest {}: not found", of.digest)))
}
