//! Content of some platforms goes, and the names stay.

use std::sync::Arc;

use super::super::decode::Descriptor;
use super::super::image::Image;
use super::super::manifests::{manifests, platform};
use super::super::record::Record;
use super::super::store::walk::{Visit, present};
use super::super::store::{ContainerStore, MetadataStore};
use super::Deletion;
use crate::api::event::EventSink;
use crate::base::error::{Error, Result};
use crate::document::oci::platform::{normalized, text};
use crate::document::world::containerd::Platform;

impl<S: MetadataStore, C: ContainerStore, E: EventSink> Deletion<'_, S, C, E> {
    /// The records of what went; none where one of the platforms could not go, though others are gone by then.
    pub(super) fn delete_platforms(
        &self,
        image: Option<&Arc<Image>>,
        platforms: &[Platform],
    ) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        if let Some(image) = image {
            for wanted in platforms {
                let explained = |error: Error| {
                    let (wanted, id) = (text(wanted), image.digest());
                    let message = format!("failed to delete platform {wanted} for image {id}: {error}");
                    Error::new(error.class(), message)
                };
                self.delete_platform(image, wanted, &mut records).map_err(explained)?;
            }
        }
        Ok(records)
    }

    fn delete_platform(&self, image: &Image, wanted: &Platform, records: &mut Vec<Record>) -> Result<()> {
        let metadata = &self.stores.metadata;
        let manifest = self.manifest_for(image, wanted)?;
        let mut below = Vec::new();
        present(metadata, manifest, &mut |descriptor, digest| {
            below.push((digest, descriptor.kind()));
            Ok(Visit::Children)
        })?;
        for (digest, kind) in below {
            if metadata.delete_content(digest)? && kind.is_recorded() {
                records.push(Record::Deleted(digest));
            }
        }
        Ok(())
    }

    /// The first manifest that is exactly for this platform.
    fn manifest_for(&self, image: &Image, wanted: &Platform) -> Result<Descriptor> {
        let metadata = &self.stores.metadata;
        let mut found = None;
        for manifest in manifests(metadata, image)? {
            // Every platform is read, for one that cannot be read fails the whole.
            let is_it = normalized(&platform(metadata, &manifest)?) == normalized(wanted);
            if is_it && found.is_none() {
                found = Some(manifest);
            }
        }
        found.ok_or_else(|| {
            Error::not_found(format!(
                "image with reference {} was found but does not provide any platform",
                image.familiar(self.semantics)
            ))
        })
    }
}
