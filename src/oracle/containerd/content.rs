//! The content store: reading blobs, the walk of what is present (B-2, B-3), and the config of an ID (V-4).

use std::borrow::Cow;

use crate::base::digest::Digest;
use crate::base::error::{Error, Result};
use crate::document::oci::platform::best;
use crate::document::oci::{Config, Descriptor, Document, View, is_index, is_manifest};
use crate::document::world::containerd::{Blob, ImageRecord, Labels, Platform, Snapshot};

use super::Model;

impl Model {
    pub(super) fn blob(&self, digest: &str) -> Option<&Blob> {
        let digest: Digest = digest.parse().ok()?;
        self.world.blobs.iter().find(|blob| blob.digest == digest)
    }

    pub(super) fn snapshot(&self, key: &str) -> Option<&Snapshot> {
        self.world.snapshots.iter().find(|snapshot| snapshot.key == key)
    }

    /// The bytes of a blob, or those in the descriptor itself (B-3a).
    fn bytes<'a>(&'a self, descriptor: &'a Descriptor) -> Result<Cow<'a, [u8]>> {
        let Descriptor { digest, size, data, .. } = descriptor;
        if i64::try_from(data.len()) == Ok(*size) && Digest::of(data).to_string() == *digest {
            return Ok(data.into());
        }
        let Some(blob) = self.blob(digest) else {
            return Err(Error::not_found(format!("content digest {digest}: not found")));
        };
        let unknown = || Error::system(format!("the content of {digest} is not part of the description"));
        blob.raw.as_deref().map(Cow::Borrowed).ok_or_else(unknown)
    }

    /// B-2
    pub(super) fn children(&self, descriptor: &Descriptor) -> Result<Vec<Descriptor>> {
        let media_type = &descriptor.media_type;
        if !is_manifest(media_type) && !is_index(media_type) {
            return Ok(Vec::new());
        }
        Ok(Document::read(&self.bytes(descriptor)?, descriptor, "children")?.children(media_type))
    }

    pub(super) fn manifest(&self, descriptor: &Descriptor) -> Result<Document> {
        Document::read(&self.bytes(descriptor)?, descriptor, "manifest")
    }

    /// A config, as far as Go decodes it, and why it decodes no further.
    pub(super) fn config(&self, descriptor: &Descriptor, view: View) -> (Config, Result<()>) {
        let refused = |error: Error| {
            let text = format!("failed to read config content: {error}");
            (Config::default(), Err(Error::new(error.class(), text)))
        };
        self.bytes(descriptor).map_or_else(refused, |bytes| Config::read(&bytes, view))
    }

    pub(super) fn config_of(&self, manifest: &Descriptor, view: View) -> (Config, Result<()>) {
        let refused = |error| (Config::default(), Err(error));
        self.manifest(manifest).map_or_else(refused, |document| self.config(&document.config, view))
    }

    /// The present content below `root`, in order, and what ended the walk early (B-3).
    pub(super) fn walk(
        &self,
        root: Descriptor,
        skip: impl Fn(&Descriptor) -> bool,
    ) -> (Vec<Descriptor>, Result<()>) {
        let (mut visited, mut next) = (Vec::new(), vec![root]);
        while let Some(descriptor) = next.pop() {
            if self.blob(&descriptor.digest).is_none() || skip(&descriptor) {
                continue;
            }
            let children = self.children(&descriptor);
            visited.push(descriptor);
            match children {
                Ok(children) => next.extend(children.into_iter().rev()),
                Err(error) => return (visited, Err(error)),
            }
        }
        (visited, Ok(()))
    }

    /// The whole walk, or its error.
    pub(super) fn present(&self, root: Descriptor) -> Result<Vec<Descriptor>> {
        let (visited, end) = self.walk(root, |_| false);
        end.map(|()| visited)
    }

    /// The present manifests of an image with their platforms (V-4).
    pub(super) fn manifests(&self, image: &ImageRecord) -> Result<Vec<(Descriptor, Platform)>> {
        let target = Descriptor::from(&image.target);
        let mut manifests = if is_manifest(&target.media_type) {
            vec![target]
        } else if is_index(&target.media_type) {
            self.present(target)?
        } else {
            let name = &image.name;
            let text =
                format!("error walking manifest for {name}: descriptor is neither a manifest or index");
            return Err(Error::invalid_parameter(text));
        };
        manifests.retain(|descriptor| is_manifest(&descriptor.media_type));
        let with_platform = |manifest: Descriptor| {
            if let Some(platform) = manifest.platform.clone() {
                return Ok((manifest, platform));
            }
            let (config, end) = self.config_of(&manifest, View::Platform);
            end.map(|()| (manifest, config.platform))
        };
        manifests.into_iter().map(with_platform).collect()
    }

    /// The labels of the config that an ID resolves to; empty where it does not (V-3, V-4).
    pub(super) fn labels_of(&self, id: Digest) -> Labels {
        let image = self.images_of(&id.to_string()).into_iter().next();
        let manifests = image.and_then(|image| self.manifests(&image).ok()).unwrap_or_default();
        let best = best(&self.world.host_platform, manifests);
        let config = best.map(|(manifest, _)| self.config_of(&manifest, View::Image));
        config.and_then(|(config, end)| end.ok().and(config.labels)).unwrap_or_default()
    }
}
