//! Who is replayed.

use crate::api::event::{ImageEvent, Recorder};
use crate::api::record::{PruneText, RecordText};
use crate::api::request::PruneRequest;
use crate::api::service::{DeleteRequest, ImageService};
use crate::base::cancel::{AfterPolls, Cancel, Never};
use crate::base::digest::ImageId;
use crate::base::error::Result;
use crate::document::world::World;
use crate::go::time::Now;
use crate::graph::engine::Engine;
use crate::graph::select::Order;
use crate::graph::store::Stores;
use crate::oracle::graph::{Failed, Model};
use crate::semantics::Semantics;

use super::engine;
use super::scenario::{self, Action, After, ErrorText, Op, Outcome, Report, Returned, Scenario};

/// What claims to do what moby's image service does, on stores of its own.
pub trait Subject: Sized {
    /// Stores as `world` describes them.
    ///
    /// # Errors
    ///
    /// Where stores cannot hold what it describes.
    fn load(world: &World, semantics: &Semantics) -> Result<Self>;

    /// `POST /images/prune` with the raw `filters`, visiting the candidates as `order` has them.
    ///
    /// # Errors
    ///
    /// moby's.
    fn prune(&mut self, filters: &str, now: Now, order: &[ImageId], cancel: &dyn Cancel)
    -> Result<PruneText>;

    /// `DELETE /images/{reference}`.
    ///
    /// # Errors
    ///
    /// moby's.
    fn delete(&mut self, reference: &str, force: bool, prune: bool) -> Result<Vec<RecordText>>;

    /// The events since it was asked last, oldest first.
    fn take_events(&mut self) -> Vec<ImageEvent>;

    /// The stores as they are now.
    fn world(&self) -> World;
}

impl Subject for Model {
    fn load(world: &World, semantics: &Semantics) -> Result<Self> {
        Self::new(world, semantics)
    }

    fn prune(
        &mut self,
        filters: &str,
        now: Now,
        order: &[ImageId],
        cancel: &dyn Cancel,
    ) -> Result<PruneText> {
        let request = PruneRequest::parse(filters, self.semantics(), now)?;
        let pruned = Self::prune(self, &request, order, cancel)?;
        Ok(PruneText::new(&pruned.records, pruned.space_reclaimed))
    }

    fn delete(&mut self, reference: &str, force: bool, prune: bool) -> Result<Vec<RecordText>> {
        let records = Self::delete(self, reference, force, prune).map_err(|Failed { error, .. }| error)?;
        Ok(records.iter().map(RecordText::from).collect())
    }

    fn take_events(&mut self) -> Vec<ImageEvent> {
        std::mem::take(&mut self.events)
    }

    fn world(&self) -> World {
        Self::world(self)
    }
}

impl Subject for Engine<Recorder> {
    fn load(world: &World, semantics: &Semantics) -> Result<Self> {
        let stores = Stores::load(world.clone(), semantics)?;
        Ok(Self::new(stores, *semantics, Recorder::default()))
    }

    fn prune(
        &mut self,
        filters: &str,
        now: Now,
        order: &[ImageId],
        cancel: &dyn Cancel,
    ) -> Result<PruneText> {
        self.set_order(Order::Given(order.to_vec()));
        engine::either(engine::prune(self, filters, now, cancel))
    }

    fn delete(&mut self, reference: &str, force: bool, prune: bool) -> Result<Vec<RecordText>> {
        let request = DeleteRequest { reference, force, prune, platforms: &[] };
        // A recorded deletion has no time, which no record of this store needs.
        engine::either(ImageService::delete(self, &request, Now::utc(chrono::DateTime::UNIX_EPOCH)))
    }

    fn take_events(&mut self) -> Vec<ImageEvent> {
        self.events().take()
    }

    fn world(&self) -> World {
        self.stores().to_world()
    }
}

/// Runs every request of `scenario` on a fresh `S`, and tells the outcome of each.
///
/// # Errors
///
/// Where the scenario itself is wrong: unknown semantics, stores that cannot be loaded, a `now` that is
/// no date. What a request answers is an outcome, errors included.
pub fn replay<S: Subject>(scenario: &Scenario) -> Result<Vec<Outcome>> {
    let mut subject = S::load(&scenario.world, &scenario.semantics()?)?;
    scenario.ops.iter().map(|op| step(&mut subject, op, scenario.world.utc_offset_seconds)).collect()
}

/// Runs one request on what the ones before it left. The offset is the daemon's local zone.
///
/// # Errors
///
/// Where `now` is no date.
pub fn step<S: Subject>(subject: &mut S, op: &Op, utc_offset_seconds: i32) -> Result<Outcome> {
    let report = match &op.action {
        Action::Prune { filters, now, cancel_after_polls } => {
            let now = scenario::wall_clock(now, utc_offset_seconds)?;
            let after = cancel_after_polls.map(AfterPolls::new);
            let cancel: &dyn Cancel = after.as_ref().map_or(&Never, |after| after);
            subject.prune(filters, now, &op.order, cancel).map(Report::Prune)
        }
        Action::Delete { reference, force, prune } => {
            subject.delete(reference, *force, *prune).map(Report::Delete)
        }
    };
    Ok(Outcome {
        answer: report.map_or_else(|error| Returned::Error(ErrorText::from(&error)), Returned::Report),
        events: subject.take_events().iter().map(Into::into).collect(),
        after: After::from(&subject.world()),
    })
}
