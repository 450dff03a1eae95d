//! What of a container's settings a daemon refuses before it makes one (moby's `daemon/container.go`,
//! `verifyContainerSettings`).

use serde_json::{Map, Value};

use super::super::record::strings;
use super::super::shape::{Object, find};
use crate::base::error::{Error, Result};

/// The least memory that a container is given.
pub const LEAST_MEMORY: i64 = 6 << 20;

/// # Errors
///
/// moby's, the first that it would find.
pub fn check(body: &Map<String, Value>, config: &Object, host_config: &Object) -> Result<()> {
    check_networks(body)?;
    check_config(config)?;
    check_host_config(config, host_config)
}

/// The fields of the config whose type Go's decoder checks.
const TYPES: [(&str, &str); 20] = [
    ("Hostname", "string"),
    ("Domainname", "string"),
    ("User", "string"),
    ("Image", "string"),
    ("WorkingDir", "string"),
    ("MacAddress", "string"),
    ("StopSignal", "string"),
    ("AttachStdin", "bool"),
    ("AttachStdout", "bool"),
    ("AttachStderr", "bool"),
    ("Tty", "bool"),
    ("OpenStdin", "bool"),
    ("StdinOnce", "bool"),
    ("ArgsEscaped", "bool"),
    ("NetworkDisabled", "bool"),
    ("StopTimeout", "int"),
    ("Env", "[]string"),
    ("OnBuild", "[]string"),
    ("Labels", "map[string]string"),
    ("HostConfig", "container.HostConfig"),
];

/// # Errors
///
/// Go's, about a field of another type.
pub fn check_types(body: &Map<String, Value>) -> Result<()> {
    for (field, kind) in TYPES {
        let Some(value) = find(body, field) else { continue };
        let (is_kind, found) = match value {
            Value::Null => (true, "null"),
            Value::Bool(_) => (kind == "bool", "bool"),
            Value::Number(_) => (kind == "int", "number"),
            Value::String(_) => (kind == "string", "string"),
            Value::Array(_) => (kind.starts_with('['), "array"),
            Value::Object(_) => (kind.contains('.') || kind.starts_with("map"), "object"),
        };
        if !is_kind {
            return Err(Error::system(format!(
                "json: cannot unmarshal {found} into Go struct field ContainerConfigWrapper.{field} of type {kind}"
            )));
        }
    }
    Ok(())
}

fn invalid<T>(message: impl Into<String>) -> Result<T> {
    Err(Error::invalid_parameter(message.into()))
}

fn check_networks(body: &Map<String, Value>) -> Result<()> {
    let networking = find(body, "NetworkingConfig").and_then(Value::as_object);
    let endpoints = networking.and_then(|networking| find(networking, "EndpointsConfig")?.as_object());
    match endpoints {
        Some(endpoints) if endpoints.len() > 1 => {
            let names: Vec<_> = endpoints.keys().map(String::as_str).collect();
            invalid(format!("Container cannot be connected to network endpoints: {}", names.join(", ")))
        }
        _ => Ok(()),
    }
}

fn check_config(config: &Object) -> Result<()> {
    let folder = config.get("WorkingDir").as_str().unwrap_or_default();
    if !folder.is_empty() && !folder.starts_with('/') {
        return invalid(format!(
            "the working directory '{folder}' is invalid, it needs to be an absolute path"
        ));
    }
    for variable in strings(config.get("Env")) {
        if variable.is_empty() || variable.starts_with('=') {
            return invalid(format!("invalid environment variable: {variable}"));
        }
    }
    let Some(health) = config.get("Healthcheck").as_object() else { return Ok(()) };
    let number = |name: &str| find(health, name).and_then(Value::as_i64).unwrap_or(0);
    for name in ["Interval", "Timeout"] {
        if number(name) != 0 && number(name) < 1_000_000 {
            return invalid(format!("{name} in Healthcheck cannot be less than 1ms"));
        }
    }
    if number("Retries") < 0 {
        return invalid("Retries in Healthcheck cannot be negative");
    }
    if number("StartPeriod") != 0 && number("StartPeriod") < 1_000_000 {
        return invalid("StartPeriod in Healthcheck cannot be less than 1ms");
    }
    Ok(())
}

fn check_host_config(config: &Object, host_config: &Object) -> Result<()> {
    let number = |name: &str| host_config.get(name).as_i64().unwrap_or(0);
    let mode = host_config.get("NetworkMode").as_str().unwrap_or_default();
    let hostname = config.get("Hostname").as_str().unwrap_or_default();
    if mode.starts_with("container:") && !hostname.is_empty() {
        return invalid("conflicting options: hostname and the network mode");
    }
    let removes = *host_config.get("AutoRemove") == true;
    let policy = host_config.get("RestartPolicy").as_object();
    let policy_name = policy.and_then(|policy| find(policy, "Name")?.as_str()).unwrap_or_default();
    if removes && !matches!(policy_name, "" | "no") {
        return invalid("can't create 'AutoRemove' container with restart policy");
    }
    let retries = policy.and_then(|policy| find(policy, "MaximumRetryCount")?.as_i64()).unwrap_or(0);
    match policy_name {
        "always" | "unless-stopped" | "no" if retries != 0 => {
            return invalid(format!(
                "maximum retry count cannot be used with restart policy '{policy_name}'"
            ));
        }
        "on-failure" if retries < 0 => return invalid("maximum retry count cannot be negative"),
        "" | "always" | "unless-stopped" | "no" | "on-failure" => {}
        other => return invalid(format!("invalid restart policy '{other}'")),
    }
    if number("ShmSize") < 0 {
        return invalid("SHM size can not be less than 0");
    }
    let memory = number("Memory");
    if memory != 0 && memory < LEAST_MEMORY {
        return invalid("Minimum memory limit allowed is 6MB");
    }
    Ok(())
}
