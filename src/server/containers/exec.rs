//! `POST /containers/{id}/exec` and `GET /exec/{id}/json`: what is to be run in a container, and never is.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::super::answer::{Answer, Refusal, invalid};
use super::super::call::Call;
use super::super::daemon::Daemon;
use super::super::record::strings;
use super::super::shape::{Object, find};
use super::change::log;
use crate::base::digest::ContainerId;
use crate::base::error::{Error, Result};
use crate::base::sync::Mutex;

/// All that is to be run, by its ID.
#[derive(Default)]
pub(in super::super) struct Execs(Mutex<BTreeMap<String, Exec>>);

#[derive(Debug, Clone)]
struct Exec {
    container: ContainerId,
    config: Map<String, Value>,
}

impl Execs {
    /// Those of a container that is gone.
    pub fn forget(&self, container: ContainerId) {
        self.0.lock().retain(|_, exec| exec.container != container);
    }

    /// The IDs of a container's, if it has any.
    pub fn ids_of(&self, container: ContainerId) -> Option<Vec<String>> {
        let execs = self.0.lock();
        let own = execs.iter().filter(|(_, exec)| exec.container == container).map(|(id, _)| id.clone());
        Some(own.collect::<Vec<_>>()).filter(|ids| !ids.is_empty())
    }
}

pub fn create(daemon: &Daemon, call: &mut Call, name: &str) -> Result<Answer, Refusal> {
    let config = call.json()?;
    let command = strings(find(&config, "Cmd").unwrap_or(&Value::Null));
    if command.is_empty() {
        return Err(invalid("No exec command specified"));
    }
    let record = daemon.shelf.find(name)?;
    if record.state.is_paused() {
        let message = format!("Container {name} is paused, unpause the container before exec");
        return Err(Error::conflict(message).into());
    }
    if !record.state.is_running() {
        return Err(Error::conflict(format!("Container {} is not running", record.id)).into());
    }
    let id = daemon.ids.next("exec");
    daemon.execs.0.lock().insert(id.clone(), Exec { container: record.id, config });
    let (entrypoint, arguments) = command.split_first().map_or(("", &[][..]), |(first, rest)| (first, rest));
    let action = format!("exec_create: {entrypoint} {}", arguments.join(" "));
    log(daemon, &record, action, &[("execID", id.clone())]);
    Ok(Answer::json_with_status(201, &Object::of(vec![("Id", id.into())])))
}

/// # Errors
///
/// There is none of this ID.
fn find_exec(daemon: &Daemon, id: &str) -> Result<Exec> {
    let missing = || Error::not_found(format!("No such exec instance: {id}"));
    daemon.execs.0.lock().get(id).cloned().ok_or_else(missing)
}

pub fn inspect(daemon: &Daemon, id: &str) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    #[expect(clippy::struct_excessive_bools, reason = "as moby's struct has them")]
    struct Details {
        #[serde(rename = "ID")]
        id: String,
        running: bool,
        exit_code: Option<i32>,
        process_config: Process,
        open_stdin: bool,
        open_stderr: bool,
        open_stdout: bool,
        can_remove: bool,
        #[serde(rename = "ContainerID")]
        container_id: ContainerId,
        detach_keys: String,
        pid: u32,
    }
    #[derive(Serialize)]
    struct Process {
        tty: bool,
        entrypoint: String,
        arguments: Vec<String>,
        privileged: bool,
        #[serde(skip_serializing_if = "String::is_empty")]
        user: String,
    }
    let exec = find_exec(daemon, id)?;
    let flag = |name: &str| find(&exec.config, name).and_then(Value::as_bool).unwrap_or_default();
    let text = |name: &str| find(&exec.config, name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut command = strings(find(&exec.config, "Cmd").unwrap_or(&Value::Null)).into_iter();
    Ok(Answer::json(&Details {
        id: id.to_owned(),
        running: false,
        exit_code: None,
        process_config: Process {
            tty: flag("Tty"),
            entrypoint: command.next().unwrap_or_default(),
            arguments: command.collect(),
            privileged: flag("Privileged"),
            user: text("User"),
        },
        open_stdin: flag("AttachStdin"),
        open_stderr: flag("AttachStderr"),
        open_stdout: flag("AttachStdout"),
        can_remove: false,
        container_id: exec.container,
        detach_keys: text("DetachKeys"),
        pid: 0,
    }))
}

/// `POST /exec/{id}/start`, which would need a process.
pub fn start(daemon: &Daemon, id: &str) -> Result<Answer, Refusal> {
    find_exec(daemon, id)?;
    Err(Refusal::not_implemented("running a command in a container"))
}
