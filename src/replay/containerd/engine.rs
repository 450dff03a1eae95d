//! The engine, replayed.

use super::scenario::{EventText, ListRow};
use super::subject::{DeleteRequest, Subject};
use crate::api::event::Recorder;
use crate::api::record::RecordText;
use crate::base::cancel::AfterPolls;
use crate::base::error::Result;
use crate::containerd::store::{Collection, ImageStore, MetadataStore, Stores};
use crate::containerd::{Engine, ImageRow, Options, Order, PruneReport, Record, Request, delete_leases};
use crate::document::world::ContainerdWorld;
use crate::go::time::Now;
use crate::oracle::containerd::Cancellation;
use crate::oracle::containerd::Returned;
use crate::replay::PruneText;
use crate::semantics::Semantics;

impl Subject for Engine<Recorder> {
    fn load(world: &ContainerdWorld, semantics: &Semantics) -> Result<Self> {
        Ok(Self::new(Stores::load(world, semantics)?, *semantics, Recorder::default()))
    }

    fn prune(
        &mut self,
        filters: &str,
        now: Now,
        order: &[String],
        cancellation: Cancellation,
    ) -> Returned<PruneText> {
        let answer = Request::parse(filters, self.semantics(), now).map_err(Into::into).and_then(|request| {
            let cancel = AfterPolls::new(polls(self, &request, now, cancellation)?);
            self.prune_request(&request, &Order::Given(order.to_vec()), &cancel)
        });
        match answer {
            Ok(report) => Returned { report: Some(text(&report)), error: None },
            Err(error) => {
                let report = error.report().map(text);
                Returned { report, error: Some(error.into()) }
            }
        }
    }

    fn delete(&mut self, request: &DeleteRequest<'_>, now: Now) -> Returned<Vec<RecordText>> {
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

    fn list(&mut self, all: bool, shared_size: bool) -> Result<Vec<ListRow>> {
        Ok(Self::list(self, all, shared_size)?.into_iter().map(Into::into).collect())
    }

    fn disk_usage(&mut self) -> Result<i64> {
        Self::disk_usage(self)
    }

    fn collect(&mut self, now: Now) {
        // Stores in memory do not fail.
        let _ = self.stores().metadata.collect(now.instant);
    }

    fn take_events(&mut self) -> Vec<EventText> {
        self.events().take().iter().map(EventText::from).collect()
    }

    fn world(&self) -> ContainerdWorld {
        self.stores().to_world()
    }
}

/// How often the engine asks before the client goes away: once before the leases, once for each record that is held
/// against the filters, and once for each that is visited. The leases' collection takes expired records away first.
fn polls(
    engine: &Engine<Recorder>,
    request: &Request,
    now: Now,
    cancellation: Cancellation,
) -> Result<usize> {
    let considered = || -> Result<usize> {
        let metadata = engine.stores().metadata.copy();
        delete_leases(&metadata, Collection::Now(now.instant))?;
        let images = metadata.images()?;
        Ok(images.iter().filter(|image| !request.dangling_only() || image.is_dangling()).count())
    };
    Ok(match cancellation {
        Cancellation::Never => usize::MAX,
        Cancellation::AtOnce => 0,
        Cancellation::AfterConsidered(records) if records > considered()? => usize::MAX,
        Cancellation::AfterConsidered(records) => records.saturating_add(1),
        Cancellation::AfterVisited(records) => records.saturating_add(considered()?).saturating_add(1),
    })
}

fn text(report: &PruneReport) -> PruneText {
    let records: Vec<_> = report.images_deleted.iter().map(RecordText::from).collect();
    let images_deleted = Some(records).filter(|records| !records.is_empty());
    PruneText { images_deleted, space_reclaimed: report.space_reclaimed }
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
            descriptor,
            repo_digests,
            repo_tags,
            shared_size: row.shared_size,
            size: row.size,
        }
    }
}
