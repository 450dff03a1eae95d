//! `POST /containers/{id}/rename` and `/update`.

use serde_json::{Value, json};

use super::super::answer::{Answer, Refusal, invalid};
use super::super::call::Call;
use super::super::daemon::Daemon;
use super::super::shape::find;
use super::change::log;
use super::create::name as checked_name;
use super::validate::LEAST_MEMORY;
use crate::base::error::{Error, Result};

pub fn rename(daemon: &Daemon, call: &Call, name: &str) -> Result<Answer, Refusal> {
    let given = call.form.get("name");
    if given.is_empty() {
        return Err(invalid("Neither old nor new names may be empty"));
    }
    let record = daemon.shelf.find(name)?;
    let plain = given.strip_prefix('/').unwrap_or(given);
    if record.name.strip_prefix('/') == Some(plain) && !plain.is_empty() {
        return Err(invalid("Renaming a container with the same name as its current name"));
    }
    let in_rename =
        |error: Error| Error::new(error.class(), format!("Error when allocating new name: {error}"));
    let new = checked_name(given, record.id).map_err(in_rename)?;
    let renamed = daemon.shelf.rename(record.id, &new).map_err(in_rename)?;
    log(daemon, &renamed, "rename", &[("oldName", record.name)]);
    Ok(Answer::empty(204))
}

/// What can be changed of a container: numbers, texts and the policy.
const CHANGEABLE: [&str; 16] = [
    "BlkioWeight",
    "CpuShares",
    "CpuPeriod",
    "CpuQuota",
    "CpuRealtimePeriod",
    "CpuRealtimeRuntime",
    "CpusetCpus",
    "CpusetMems",
    "NanoCpus",
    "Memory",
    "MemorySwap",
    "MemoryReservation",
    "KernelMemory",
    "PidsLimit",
    "RestartPolicy",
    "Devices",
];

pub fn update(daemon: &Daemon, call: &mut Call, name: &str) -> Result<Answer, Refusal> {
    let body = call.json()?;
    let record = daemon.shelf.find(name)?;
    let policy =
        find(&body, "RestartPolicy").and_then(Value::as_object).and_then(|policy| find(policy, "Name"));
    let restarts = !matches!(policy.and_then(Value::as_str), None | Some("" | "no"));
    if restarts && *record.host_config.get("AutoRemove") == true {
        let message = format!(
            "Cannot update container {}: Restart policy cannot be updated because AutoRemove is enabled for the container",
            record.id
        );
        return Err(Error::conflict(message).into());
    }
    if find(&body, "Memory")
        .and_then(Value::as_i64)
        .is_some_and(|memory| memory != 0 && memory < LEAST_MEMORY)
    {
        return Err(invalid("Minimum memory limit allowed is 6MB"));
    }
    let updated = daemon.shelf.update(record.id, |record| {
        for field in CHANGEABLE {
            let given = find(&body, field).filter(|value| !super::super::shape::is_empty(value));
            // A policy without a name is none.
            if let Some(value) =
                given.filter(|_| field != "RestartPolicy" || policy.is_some_and(|name| *name != ""))
            {
                record.host_config.set(field, value.clone());
            }
        }
        record.clone()
    });
    if let Some(record) = updated {
        log(daemon, &record, "update", &[]);
    }
    Ok(Answer::json(&json!({ "Warnings": null })))
}
