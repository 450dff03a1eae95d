//! The engine, replayed.

use super::scenario::{EventText, ListRow};
use super::subject::Subject;
use crate::api::event::Recorder;
use crate::api::record::{PruneText, RecordText};
use crate::api::service::{DeleteRequest, ImageService, ListRequest, Returned};
use crate::base::cancel::Cancel;
use crate::base::error::Result;
use crate::containerd::store::{Collection, ImageStore, MetadataStore, Stores};
use crate::containerd::{Engine, Order, Request, delete_leases};
use crate::document::filters::Filters;
use crate::document::world::ContainerdWorld;
use crate::go::time::Now;
use crate::replay::engine;
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
        cancel: &dyn Cancel,
    ) -> Returned<PruneText> {
        self.set_order(Order::Given(order.to_vec()));
        engine::prune(self, filters, now, cancel)
    }

    fn considered(&self, filters: &str, now: Now) -> Result<usize> {
        let request = Request::parse(filters, self.semantics(), now)?;
        let metadata = self.stores().metadata.copy();
        // What has expired goes with the leases.
        delete_leases(&metadata, Collection::Now(now.instant))?;
        let images = metadata.images()?;
        Ok(images.iter().filter(|image| !request.dangling_only() || image.is_dangling()).count())
    }

    fn delete(&mut self, request: &DeleteRequest<'_>, now: Now) -> Returned<Vec<RecordText>> {
        ImageService::delete(self, request, now)
    }

    fn list(&mut self, all: bool, shared_size: bool) -> Result<Vec<ListRow>> {
        let filters = Filters::default();
        // No filter, so that nobody asks for the time.
        let request = ListRequest::new(&filters, Now::utc(chrono::DateTime::UNIX_EPOCH));
        ImageService::list(self, &ListRequest { all, shared_size, containers: true, ..request })
    }

    fn disk_usage(&mut self) -> Result<i64> {
        ImageService::disk_usage(self)
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
