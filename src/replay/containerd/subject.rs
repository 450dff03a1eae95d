//! Who is replayed.

use crate::api::record::{PruneText, RecordText};
use crate::api::service::{DeleteRequest, Returned};
use crate::base::error::{Error, Result};
use crate::document::world::containerd::ContainerdWorld;
use crate::go::time::Now;
use crate::oracle::containerd::{self as oracle, Cancellation, Model};
use crate::replay::scenario::wall_clock;
use crate::semantics::Semantics;

use super::scenario::{Action, After, ErrorText, EventText, ListRow, Op, Outcome, Report, Scenario};

/// What claims to do what moby's containerd image service does, on a store of its own.
pub trait Subject: Sized {
    /// A store as `world` describes it.
    ///
    /// # Errors
    ///
    /// Where a store cannot hold what it describes.
    fn load(world: &ContainerdWorld, semantics: &Semantics) -> Result<Self>;

    /// `POST /images/prune` with the raw `filters`, visiting the candidates as `order` has them, the others behind
    /// them by name.
    fn prune(
        &mut self,
        filters: &str,
        now: Now,
        order: &[String],
        cancellation: Cancellation,
    ) -> Returned<PruneText>;

    /// `DELETE /images/{reference}`. Where there is no error, no report is `null`.
    fn delete(&mut self, request: &DeleteRequest<'_>, now: Now) -> Returned<Vec<RecordText>>;

    /// `GET /images/json` without filters.
    ///
    /// # Errors
    ///
    /// moby's.
    fn list(&mut self, all: bool, shared_size: bool) -> Result<Vec<ListRow>>;

    /// The size of all images of `GET /system/df`, in bytes.
    ///
    /// # Errors
    ///
    /// moby's.
    fn disk_usage(&mut self) -> Result<i64>;

    /// One run of the collector.
    fn collect(&mut self, now: Now);

    /// The events since it was asked last, oldest first.
    fn take_events(&mut self) -> Vec<EventText>;

    /// The store as it is now.
    fn world(&self) -> ContainerdWorld;
}

impl Subject for Model {
    fn load(world: &ContainerdWorld, semantics: &Semantics) -> Result<Self> {
        Self::new(world, semantics)
    }

    fn prune(
        &mut self,
        filters: &str,
        now: Now,
        order: &[String],
        cancellation: Cancellation,
    ) -> Returned<PruneText> {
        let Returned { report, error } = Self::prune(self, filters, now, order, cancellation);
        let text = |oracle::Pruned { records, space_reclaimed }| PruneText {
            images_deleted: Some(records).filter(|records| !records.is_empty()),
            space_reclaimed,
        };
        Returned { report: report.map(text), error }
    }

    fn delete(&mut self, request: &DeleteRequest<'_>, now: Now) -> Returned<Vec<RecordText>> {
        let DeleteRequest { reference, force, prune, platforms } = *request;
        Self::delete(self, reference, (force, prune), platforms, now)
    }

    fn list(&mut self, all: bool, shared_size: bool) -> Result<Vec<ListRow>> {
        Self::list(self, all, shared_size)
    }

    fn disk_usage(&mut self) -> Result<i64> {
        Self::disk_usage(self)
    }

    fn collect(&mut self, now: Now) {
        Self::collect(self, now);
    }

    fn take_events(&mut self) -> Vec<EventText> {
        std::mem::take(&mut self.events)
    }

    fn world(&self) -> ContainerdWorld {
        Self::world(self).clone()
    }
}

/// Runs every request of `scenario` on a fresh `S`, and tells the outcome of each.
///
/// # Errors
///
/// Where the scenario itself is wrong: another format, unknown semantics, a store that cannot be loaded, a `now`
/// that is no date. What a request answers is an outcome, errors included.
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
    let now = wall_clock(&op.now, utc_offset_seconds)?;
    let before = subject.world();
    let (report, error) = match &op.action {
        Action::Prune { filters, order, .. } => {
            let Returned { report, error } = subject.prune(filters, now, order, op.action.cancellation());
            (report.map(|report| Some(Report::Prune(report))), error)
        }
        Action::Delete { reference, force, prune, platforms } => {
            let (force, prune) = (*force, *prune);
            let request = DeleteRequest { reference, force, prune, platforms };
            let Returned { report, error } = subject.delete(&request, now);
            let report = report.map(Report::Delete);
            (if report.is_none() && error.is_some() { None } else { Some(report) }, error)
        }
        Action::List { all, shared_size } => told(subject.list(*all, *shared_size).map(Report::List)),
        Action::DiskUsage {} => told(subject.disk_usage().map(Report::DiskUsage)),
        Action::Gc {} => {
            subject.collect(now);
            (None, None)
        }
    };
    let error = error.as_ref().map(ErrorText::from);
    let events = subject.take_events();
    Ok(Outcome { report, error, events, after: After::between(&before, &subject.world()) })
}

#[expect(clippy::option_option, reason = "what `Outcome` has")]
fn told(answer: Result<Report>) -> (Option<Option<Report>>, Option<Error>) {
    match answer {
        Ok(report) => (Some(Some(report)), None),
        Err(error) => (None, Some(error)),
    }
}
