//! Containers that start, end and go.

use std::collections::BTreeMap;

use super::super::answer::{Answer, Refusal};
use super::super::call::Call;
use super::super::daemon::Daemon;
use super::super::record::{Record, State};
use crate::event::Actor;
use crate::{Error, Result};

/// The exit code of a process that a signal ended.
const fn code_of(signal: i32) -> i32 {
    128 + signal
}

const TERMINATE: i32 = 15;
const KILL: i32 = 9;

/// `LogContainerEvent`: the labels, the image's name, the container's name without its slash.
pub(super) fn log(daemon: &Daemon, record: &Record, action: &'static str, more: &[(&str, String)]) {
    let labels = record.labels().into_iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
    let mut attributes: BTreeMap<_, _> = labels.collect();
    attributes.extend(more.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    attributes.insert("image".to_owned(), record.image_name().to_owned());
    attributes.insert("name".to_owned(), record.name.trim_start_matches('/').to_owned());
    daemon.events().log(
        "container",
        action,
        Actor { id: record.id.to_string(), attributes: Some(attributes) },
    );
}

/// `POST /containers/{id}/start`
pub fn start(daemon: &Daemon, name: &str) -> Result<Answer, Refusal> {
    let record = daemon.shelf.find(name)?;
    let now = daemon.now().instant;
    let started = daemon
        .shelf
        .change(record.id, |state| (!state.is_running()).then_some(State::Running { since: now }));
    let Some(record) = started else { return Err(Refusal::NotModified) };
    daemon.stores().containers.set_running(record.id, true);
    log(daemon, &record, "start", &[]);
    Ok(Answer::empty(204))
}

/// `POST /containers/{id}/stop`
pub fn stop(daemon: &Daemon, name: &str) -> Result<Answer, Refusal> {
    let record = daemon.shelf.find(name)?;
    if !end(daemon, &record, TERMINATE) {
        return Err(Refusal::NotModified);
    }
    log(daemon, &record, "stop", &[]);
    Ok(Answer::empty(204))
}

/// `POST /containers/{id}/kill`
pub fn kill(daemon: &Daemon, call: &Call, name: &str) -> Result<Answer, Refusal> {
    let in_kill = |error: Error| Error::new(error.class(), format!("Cannot kill container: {name}: {error}"));
    let record = daemon.shelf.find(name).map_err(in_kill)?;
    let signal = match call.form.get("signal").trim_start_matches("SIG") {
        "" | "KILL" => KILL,
        "TERM" => TERMINATE,
        "INT" => 2,
        "HUP" => 1,
        "QUIT" => 3,
        number => number.parse().ok().filter(|signal| (1..=64).contains(signal)).ok_or_else(|| {
            Error::invalid_parameter(format!("Invalid signal: {}", call.form.get("signal")))
        })?,
    };
    if !end(daemon, &record, signal) {
        return Err(in_kill(Error::conflict(format!("Container {} is not running", record.id))).into());
    }
    Ok(Answer::empty(204))
}

/// False where the container was not running.
fn end(daemon: &Daemon, record: &Record, signal: i32) -> bool {
    let (finished, code) = (daemon.now().instant, code_of(signal));
    let ended = daemon.shelf.change(record.id, |state| match state {
        State::Running { since } => Some(State::Exited { started: since, finished, code }),
        _ => None,
    });
    if ended.is_none() {
        return false;
    }
    daemon.stores().containers.set_running(record.id, false);
    log(daemon, record, "kill", &[("signal", signal.to_string())]);
    log(daemon, record, "die", &[("exitCode", code.to_string())]);
    true
}

/// `DELETE /containers/{id}`
pub fn remove(daemon: &Daemon, call: &Call, name: &str) -> Result<Answer, Refusal> {
    let record = daemon.shelf.find(name)?;
    if call.form.flag("link") {
        return Err(Refusal::not_implemented("removing a link"));
    }
    if call.form.flag("force") {
        end(daemon, &record, KILL);
    }
    if !take_away(daemon, &record)? {
        return Err(Error::conflict(format!(
            "You cannot remove a running container {}. Stop the container before attempting removal or force remove",
            record.id
        ))
        .into());
    }
    Ok(Answer::empty(204))
}

/// Takes a container away that does not run; false for one that does.
pub(super) fn take_away(daemon: &Daemon, record: &Record) -> Result<bool> {
    if daemon.shelf.remove(record.id, |record| !record.state.is_running()).is_none() {
        return Ok(daemon.shelf.find(&record.id.to_string()).is_err());
    }
    // The image is in use as long as its layers are.
    daemon.stores().layers.unmount(&record.id.to_string())?;
    daemon.stores().containers.remove(record.id);
    log(daemon, record, "destroy", &[]);
    Ok(true)
}
