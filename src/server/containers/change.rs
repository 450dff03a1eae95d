//! Containers that start, pause and end.

use std::collections::BTreeMap;

use super::super::answer::{Answer, Refusal};
use super::super::call::Call;
use super::super::daemon::Daemon;
use super::super::networks;
use super::super::record::Record;
use super::super::state::State;
use super::remove::take_away;
use super::{mounts, signal};
use crate::api::event::Actor;
use crate::base::error::{Error, Result};

/// The exit code of a process that a signal ended. DIFFERENCE(stops-at-once): a process may ignore the signal, and end with a
/// code of its own.
const fn code_of(signal: i32) -> i32 {
    128 + signal
}

/// `LogContainerEvent`: the labels, the image's name, the container's name without its slash.
pub(super) fn log(
    daemon: &Daemon,
    record: &Record,
    action: impl Into<std::borrow::Cow<'static, str>>,
    more: &[(&str, String)],
) {
    let labels = record.labels().into_iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
    let mut attributes: BTreeMap<_, _> = labels.collect();
    attributes.extend(more.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    if !record.image_name().is_empty() {
        attributes.insert("image".to_owned(), record.image_name().to_owned());
    }
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
    if record.state.is_paused() {
        return Err(Error::conflict("cannot start a paused container, try unpause instead").into());
    }
    if !begin(daemon, &record)? {
        return Err(Refusal::NotModified);
    }
    Ok(Answer::empty(204))
}

/// False where the container runs already.
///
/// # Errors
///
/// A network that is not there.
fn begin(daemon: &Daemon, record: &Record) -> Result<bool> {
    if record.state.is_running() {
        return Ok(false);
    }
    networks::require(daemon, record)?;
    // DIFFERENCE(nothing-runs): the container is running, and no process is.
    let now = daemon.now().instant;
    let started = daemon
        .shelf
        .change(record.id, |state| (!state.is_running()).then_some(State::Running { since: now }));
    let Some(record) = started else { return Ok(false) };
    daemon.store.set_running(record.id, true);
    networks::log_of(daemon, &record, "connect");
    mounts::log_mounted(daemon, &record);
    log(daemon, &record, "start", &[]);
    Ok(true)
}

/// `POST /containers/{id}/stop`
pub fn stop(daemon: &Daemon, name: &str) -> Result<Answer, Refusal> {
    let record = daemon.shelf.find(name)?;
    if !halt(daemon, &record) {
        return Err(Refusal::NotModified);
    }
    Ok(Answer::empty(204))
}

/// Ends a container by its own signal; false where it was not running.
fn halt(daemon: &Daemon, record: &Record) -> bool {
    let own = record.config.get("StopSignal").as_str().and_then(signal::parse);
    let Some(record) = end(daemon, record, own.unwrap_or(signal::TERMINATE)) else { return false };
    log(daemon, &record, "stop", &[]);
    remove_if_asked(daemon, &record);
    true
}

/// `POST /containers/{id}/restart`
pub fn restart(daemon: &Daemon, name: &str) -> Result<Answer, Refusal> {
    let record = daemon.shelf.find(name)?;
    if let Some(record) = end(daemon, &record, signal::TERMINATE) {
        log(daemon, &record, "stop", &[]);
    }
    let record = daemon.shelf.find(&record.id.to_string())?;
    begin(daemon, &record)?;
    log(daemon, &record, "restart", &[]);
    Ok(Answer::empty(204))
}

/// `POST /containers/{id}/kill`
pub fn kill(daemon: &Daemon, call: &Call, name: &str) -> Result<Answer, Refusal> {
    let in_kill = |error: Error| Error::new(error.class(), format!("Cannot kill container: {name}: {error}"));
    let wanted = match call.form.get("signal") {
        "" => signal::KILL,
        text => {
            signal::parse(text).ok_or_else(|| Error::invalid_parameter(format!("Invalid signal: {text}")))?
        }
    };
    let record = daemon.shelf.find(name).map_err(in_kill)?;
    if !record.state.is_running() {
        return Err(in_kill(Error::conflict(format!("Container {} is not running", record.id))).into());
    }
    if !signal::is_known(wanted) {
        let message = format!("The linux daemon does not support signal {wanted}");
        return Err(in_kill(Error::system(message)).into());
    }
    if !signal::ends(wanted) {
        log(daemon, &record, "kill", &[("signal", wanted.to_string())]);
    } else if let Some(record) = end(daemon, &record, wanted) {
        remove_if_asked(daemon, &record);
    }
    Ok(Answer::empty(204))
}

/// `POST /containers/{id}/pause`
pub fn pause(daemon: &Daemon, name: &str) -> Result<Answer, Refusal> {
    let record = daemon.shelf.find(name)?;
    let paused = daemon.shelf.change(record.id, |state| match state {
        State::Running { since } => Some(State::Paused { since }),
        _ => None,
    });
    let Some(paused) = paused else {
        let problem = if record.state.is_paused() { "already paused" } else { "not running" };
        return Err(Error::conflict(format!("Container {} is {problem}", record.id)).into());
    };
    log(daemon, &paused, "pause", &[]);
    Ok(Answer::empty(204))
}

/// `POST /containers/{id}/unpause`
pub fn unpause(daemon: &Daemon, name: &str) -> Result<Answer, Refusal> {
    let record = daemon.shelf.find(name)?;
    if !resume(daemon, &record) {
        return Err(Error::system(format!("Container {} is not paused", record.id)).into());
    }
    Ok(Answer::empty(204))
}

fn resume(daemon: &Daemon, record: &Record) -> bool {
    let resumed = daemon.shelf.change(record.id, |state| match state {
        State::Paused { since } => Some(State::Running { since }),
        _ => None,
    });
    resumed.is_some_and(|record| {
        log(daemon, &record, "unpause", &[]);
        true
    })
}

/// The container as it is then; none where it was not running.
pub(super) fn end(daemon: &Daemon, record: &Record, number: i32) -> Option<Record> {
    if daemon.shelf.find(&record.id.to_string()).is_ok_and(|record| record.state.is_running()) {
        log(daemon, record, "kill", &[("signal", number.to_string())]);
        // Killed it is gone before it could go on.
        if number != signal::KILL {
            resume(daemon, record);
        }
    }
    exit(daemon, record, code_of(number))
}

/// The process ends with this code; none where it was not running.
pub(super) fn exit(daemon: &Daemon, record: &Record, code: i32) -> Option<Record> {
    let finished = daemon.now().instant;
    let ended = daemon.shelf.change(record.id, |state| match state {
        State::Running { since } | State::Paused { since } => {
            Some(State::Exited { started: since, finished, code })
        }
        _ => None,
    })?;
    daemon.store.set_running(record.id, false);
    log(daemon, &ended, "die", &[("exitCode", code.to_string())]);
    networks::log_of(daemon, &ended, "disconnect");
    mounts::log_unmounted(daemon, &ended);
    Some(ended)
}

/// `docker run --rm`.
pub(super) fn remove_if_asked(daemon: &Daemon, record: &Record) {
    if *record.host_config.get("AutoRemove") == true {
        // It has ended, and nobody is left to be told.
        let _ = take_away(daemon, record, true);
    }
}
