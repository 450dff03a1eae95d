//! `DELETE /containers/{id}` and `POST /containers/prune` (moby's `daemon/delete.go`).

use serde_json::json;

use super::super::answer::{Answer, Refusal};
use super::super::call::Call;
use super::super::daemon::Daemon;
use super::super::record::Record;
use super::super::shape::Object;
use super::change::{end, log};
use super::{mounts, signal};
use crate::base::digest::ContainerId;
use crate::base::error::{Error, Result};
use crate::base::sync::atomic::Ordering;
use crate::document::filters::Filters;

pub fn remove(daemon: &Daemon, call: &Call, name: &str) -> Result<Answer, Refusal> {
    if name.is_empty() {
        return Err(Error::invalid_parameter("invalid name or ID supplied: \"\"").into());
    }
    let record = daemon.shelf.find(name)?;
    if call.form.flag("link") {
        return Err(Refusal::not_implemented("removing a link"));
    }
    if call.form.flag("force") {
        end(daemon, &record, signal::KILL);
    }
    if !take_away(daemon, &record, call.form.flag("v"))? {
        let (kind, hint) =
            if record.state.is_paused() { ("paused", "Unpause and then stop") } else { ("running", "Stop") };
        return Err(Error::conflict(format!(
            "You cannot remove a {kind} container {}. {hint} the container before attempting removal or force remove",
            record.id
        ))
        .into());
    }
    Ok(Answer::empty(204))
}

/// Takes a container away that does not run, and its own volumes where that is asked for; false for one that runs.
pub(super) fn take_away(daemon: &Daemon, record: &Record, with_volumes: bool) -> Result<bool> {
    if daemon.shelf.remove(record.id, |record| !record.state.is_running()).is_none() {
        return Ok(daemon.shelf.find(&record.id.to_string()).is_err());
    }
    daemon.store.remove_container(record.id)?;
    daemon.execs.forget(record.id);
    if with_volumes {
        mounts::remove_anonymous(daemon, record);
    }
    log(daemon, record, "destroy", &[]);
    Ok(true)
}

/// What is left once the filters are read and the guard is held.
pub fn prune(daemon: &Daemon, call: &Call, filters: &Filters) -> Result<Object> {
    let until = super::super::prune::until_of(daemon, filters)?;
    let mut deleted: Vec<ContainerId> = Vec::new();
    for record in daemon.shelf.all() {
        if call.is_cancelled.load(Ordering::Relaxed) {
            break;
        }
        let is_new = until.is_some_and(|until| record.created > until);
        let labels = record.labels();
        let labels = labels.iter().map(|(key, value)| (*key, *value));
        let is_wanted =
            !record.state.is_running() && !is_new && super::super::prune::has_labels(filters, labels);
        if is_wanted && take_away(daemon, &record, false)? {
            deleted.push(record.id);
        }
    }
    let deleted = (!deleted.is_empty()).then_some(deleted);
    Ok(Object::of(vec![("ContainersDeleted", json!(deleted)), ("SpaceReclaimed", json!(0))]))
}
