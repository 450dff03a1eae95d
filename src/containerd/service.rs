//! The engine as an image service. A state needs the stores in memory: a store of somebody's own has its own way to make one.

use super::delete::Options;
use super::engine::Engine;
use super::prune::PruneReport;
use super::record::Record;
use super::usage::ImageRow;
use crate::api::event::EventSink;
use crate::api::record::{ListRow, PruneText, RecordText};
use crate::api::service::{DeleteRequest, ImageService, ListRequest, Returned, Usage};
use crate::base::cancel::Cancel;
use crate::base::digest::ImageId;
use crate::base::error::{Error, Result};
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
        match Self::prune(self, filters, now, cancel) {
            Ok(report) => Returned { report: Some(PruneText::from(&report)), error: None },
            Err(error) => Returned { report: error.report().map(PruneText::from), error: Some(error.into()) },
        }
    }

    fn delete(&self, request: &DeleteRequest<'_>, now: Now) -> Returned<Vec<RecordText>> {
        let DeleteRequest { reference, force, prune, platforms } = *request;
        let options = Options { force, prune, platforms: platforms.to_vec() };
        let texts = |records: &[Record]| {
            (!records.is_empty()).then(|| records.iter().map(RecordText::from).collect())
        };
        match Self::delete(self, reference, &options, now) {
            Ok(records) => Returned { report: texts(&records), error: None },
            Err(error) => Returned { report: texts(error.records()), error: Some(error.into()) },
        }
    }

    fn tag(&self, id: ImageId, reference: Reference, now: Now) -> Result<()> {
        Self::tag(self, id, reference, now)
    }

    fn find(&self, reference_or_id: &str) -> Result<ImageId> {
        Self::find(self, reference_or_id)
    }

    fn list(&self, request: &ListRequest<'_>) -> Result<Vec<ListRow>> {
        if !request.filters.is_empty() {
            return Err(Error::invalid_parameter(
                "the list of a containerd image store takes no filters here, since no rule says how it applies them: ask for \
                 all images and choose among the rows",
            ));
        }
        let mut rows = Vec::new();
        for row in Self::list(self, request.all, request.shared_size)? {
            let containers = if request.containers { row.containers } else { -1 };
            rows.push(ListRow { containers, ..row.into() });
        }
        Ok(rows)
    }

    fn disk_usage(&self) -> Result<i64> {
        Self::disk_usage(self)
    }

    fn usage(&self) -> Result<Usage> {
        let images = Self::list(self, false, true)?.into_iter().map(ListRow::from).collect();
        Ok(Usage { total_size: Self::disk_usage(self)?, images })
    }

    fn state(&self) -> State {
        let mut world = self.stores().to_world();
        Self::semantics(self).name.clone_into(&mut world.profile);
        State::Containerd(world)
    }
}

impl From<&PruneReport> for PruneText {
    fn from(report: &PruneReport) -> Self {
        Self::new(&report.images_deleted, report.space_reclaimed)
    }
}

impl From<ImageRow> for ListRow {
    fn from(row: ImageRow) -> Self {
        let ImageRow {
            containers, created, id, labels, parent_id, descriptor, repo_digests, repo_tags, ..
        } = row;
        Self {
            containers,
            created,
            id: id.to_string(),
            labels,
            parent_id,
            descriptor: Some(descriptor),
            repo_digests,
            repo_tags,
            shared_size: row.shared_size,
            size: row.size,
        }
    }
}
