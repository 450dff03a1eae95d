//! The engine as an image service. A state and a new name need the stores in memory: a store of somebody's own has its own
//! ways to make them.

use super::delete::Extent;
use super::engine::Engine;
use super::store::ImageStore;
use super::usage::ImageSummary;
use crate::api::event::{EventSink, ImageEvent, Tagged};
use crate::api::record::{ListRow, PruneText, Record, RecordText};
use crate::api::service::{DeleteRequest, ImageService, ListRequest, Returned, Usage};
use crate::base::cancel::Cancel;
use crate::base::digest::ImageId;
use crate::base::error::Result;
use crate::document::filters::Filters;
use crate::document::reference::Reference;
use crate::document::world::State;
use crate::go::time::Now;
use crate::semantics::Semantics;

impl<E: EventSink> ImageService for Engine<E> {
    type Events = E;

    fn semantics(&self) -> &Semantics {
        Self::semantics(self)
    }

    fn events(&self) -> &E {
        Self::events(self)
    }

    fn prune(&self, filters: &Filters, now: Now, cancel: &dyn Cancel) -> Returned<PruneText> {
        let report = Self::prune(self, filters, now, cancel);
        report.map(|report| PruneText::new(&report.images_deleted, report.space_reclaimed)).into()
    }

    fn delete(&self, request: &DeleteRequest<'_>, _now: Now) -> Returned<Vec<RecordText>> {
        let texts = |records: &[Record]| records.iter().map(RecordText::from).collect::<Vec<_>>();
        let extent = Extent { force: request.force, prune: request.prune };
        match Self::delete(self, request.reference, extent) {
            Ok(records) => Returned { report: Some(texts(&records)), error: None },
            Err(error) => {
                let report = Some(texts(error.records())).filter(|records| !records.is_empty());
                Returned { report, error: Some(error.into()) }
            }
        }
    }

    fn tag(&self, id: ImageId, reference: Reference, _now: Now) -> Result<()> {
        // Without `:latest` where nobody wrote it.
        let name = reference.familiar().into();
        self.stores().references.retag(reference, id)?;
        let image = self.stores().images.get(id).ok();
        let labels = image.and_then(|image| image.labels().cloned());
        self.events().publish(ImageEvent::Tag(id, Tagged { name, labels }.into()));
        Ok(())
    }

    fn find(&self, reference_or_id: &str) -> Result<ImageId> {
        self.image(reference_or_id).map(|(id, _)| id)
    }

    fn list(&self, request: &ListRequest<'_>) -> Result<Vec<ListRow>> {
        Ok(Self::list(self, request)?.into_iter().map(ListRow::from).collect())
    }

    fn disk_usage(&self) -> Result<i64> {
        Ok(Self::usage(self)?.layers_size)
    }

    fn usage(&self) -> Result<Usage> {
        let usage = Self::usage(self)?;
        let images = usage.images.into_iter().map(ListRow::from).collect();
        Ok(Usage { total_size: usage.layers_size, images })
    }

    fn state(&self) -> State {
        let mut world = self.stores().to_world();
        Self::semantics(self).name.clone_into(&mut world.profile);
        State::Classic(world)
    }
}

impl From<ImageSummary> for ListRow {
    fn from(summary: ImageSummary) -> Self {
        let ImageSummary { containers, created, id, labels, parent_id, repo_digests, repo_tags, .. } =
            summary;
        Self {
            containers,
            created,
            id: id.to_string(),
            labels,
            parent_id,
            descriptor: None,
            repo_digests,
            repo_tags,
            shared_size: summary.shared_size,
            size: summary.size,
        }
    }
}
