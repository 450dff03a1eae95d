//! Parents of the classic builder, which go with their last child.

use std::collections::HashSet;
use std::sync::Arc;

use super::super::image::Image;
use super::super::record::Record;
use super::super::store::{Collection, ContainerStore, MetadataStore};
use super::Deletion;
use super::conflict::Checks;
use crate::api::event::EventSink;
use crate::base::digest::Digest;
use crate::base::error::Result;

impl<S: MetadataStore, C: ContainerStore, E: EventSink> Deletion<'_, S, C, E> {
    /// The parents of an image, nearest first; none at all where one of them is unknown.
    pub(super) fn parents(&self, id: Digest) -> Result<Vec<Arc<Image>>> {
        let mut parents = Vec::new();
        let mut seen = HashSet::from([id]);
        let mut next = self.first_of(id)?;
        while let Some(image) = next {
            let parent = match image.parent() {
                None => return Ok(parents),
                Some(Err(())) => return Ok(Vec::new()),
                Some(Ok(parent)) => parent,
            };
            // DIFFERENCE(cycle-of-parents): moby follows a cycle for ever. A cycle has no end, like a parent that is unknown.
            if !seen.insert(parent) {
                return Ok(Vec::new());
            }
            next = self.first_of(parent)?;
            match &next {
                Some(parent) => parents.push(Arc::clone(parent)),
                None => return Ok(Vec::new()),
            }
        }
        Ok(parents)
    }

    /// Deletes the parents that nothing needs any more; the first that is needed ends it in silence. `children` are
    /// the records of the image that went: with several, its parents stay.
    pub(super) fn delete_parents(
        &self,
        parents: &[Arc<Image>],
        children: &[Arc<Image>],
        records: &mut Vec<Record>,
    ) {
        for parent in parents {
            let checked = self.check(parent.digest(), children.len(), Checks::new(false));
            if !parent.is_dangling() || checked.is_err() {
                return;
            }
            if self.delete_record(parent, Collection::Now(self.now)).is_err() {
                return;
            }
            self.deleted(parent.digest(), records);
        }
    }
}
