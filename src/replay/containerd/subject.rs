//! Who is replayed.

use std::cell::Cell;

use crate::api::record::{PruneText, RecordText};
use crate::api::service::{DeleteRequest, Returned};
use crate::base::cancel::Cancel;
use crate::base::error::{Error, Result};
use crate::document::world::containerd::ContainerdWorld;
use crate::go::time::Now;
use crate::oracle::containerd::Model;
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
    /// them by name. `cancel` is asked once before anything is done, once before each record is held against the
    /// filters, and once before each visit.
    fn prune(
        &mut self,
        filters: &str,
        now: Now,
        order: &[String],
        cancel: &dyn Cancel,
    ) -> Returned<PruneText>;

    /// The number of records that such a prune would hold against the filters.
    ///
    /// # Errors
    ///
    /// The filters are wrong.
    fn considered(&self, filters: &str, now: Now) -> Result<usize>;

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
        // Every request has a time of its own.
        Self::new(world, semantics, Now::utc(chrono::DateTime::UNIX_EPOCH))
    }

    fn prune(
        &mut self,
        filters: &str,
        now: Now,
        order: &[String],
        cancel: &dyn Cancel,
    ) -> Returned<PruneText> {
        self.now = now;
        Self::prune(self, filters, order, cancel)
    }

    fn considered(&self, filters: &str, now: Now) -> Result<usize> {
        // The client is asked for each record, once before them, and once for each candidate behind them.
        let polls = Cell::new(0_usize);
        let count = || {
            polls.set(polls.get() + 1);
            false
        };
        let mut copy = self.clone();
        copy.now = now;
        let candidates = copy.candidates(filters)?.len();
        let _ = copy.prune(filters, &[], &count);
        Ok(polls.get().saturating_sub(1 + candidates))
    }

    fn delete(&mut self, request: &DeleteRequest<'_>, now: Now) -> Returned<Vec<RecordText>> {
        self.now = now;
        Self::delete(self, request)
    }

    fn list(&mut self, all: bool, shared_size: bool) -> Result<Vec<ListRow>> {
        Self::list(self, all, shared_size)
    }

    fn disk_usage(&mut self) -> Result<i64> {
        Self::disk_usage(self)
    }

    fn collect(&mut self, now: Now) {
        self.now = now;
        Self::collect(self);
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
            // A prune says itself what is wrong with the filters.
            let considered = || Ok(subject.considered(filters, now).unwrap_or(0));
            let cancel = op.action.cancellation().polls(considered)?;
            let Returned { report, error } = subject.prune(filters, now, order, &cancel);
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
