//! `POST /containers/create` (moby's `daemon/create.go`, `runconfig`).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::super::answer::{Answer, Refusal, invalid};
use super::super::call::Call;
use super::super::daemon::Daemon;
use super::super::images::{other_platform, raw_config};
use super::super::platform::Platform;
use super::super::record::{Record, default_name, strings};
use super::super::shape::{CONFIG, HOST_CONFIG, Object, endpoint_shape, find, is_empty};
use super::super::state::State;
use super::change::log;
use super::{mounts, validate};
use crate::base::digest::{ContainerId, ImageId};
use crate::base::error::{Error, Result};
use crate::semantics::Semantics;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Created {
    id: ContainerId,
    warnings: [(); 0],
}

pub fn create(daemon: &Daemon, call: &mut Call) -> Result<Answer, Refusal> {
    let body = call.json()?;
    validate::check_types(&body)?;
    if !CONFIG.is_named_in(&body) {
        return Err(invalid(daemon.semantics().empty_config_error));
    }
    let mut config = Object::new(CONFIG, &body);
    // A list may be written as its only item (moby's `strslice`).
    for field in ["Entrypoint", "Cmd"] {
        if let Some(only) = config.get(field).as_str().map(str::to_owned) {
            config.set(field, vec![only]);
        }
    }
    let image_name = config.get("Image").as_str().unwrap_or_default().to_owned();
    let mut host_config = host_config(&body, daemon.semantics());
    complete(&mut host_config);
    let own_mounts = mounts::of_host_config(daemon, &host_config)?;
    validate::check(&body, &config, &host_config)?;
    let platform = Platform::parse(call.form.get("platform"))?;
    let mut image_id = None;
    if !image_name.is_empty() {
        let (id, image) = daemon.store.find(&image_name)?;
        image_id = Some(id);
        let raw = raw_config(&image);
        check_platform(&image_name, &raw, platform.as_ref())?;
        if let Some(of_image) = find(&raw, "config").and_then(Value::as_object) {
            merge(&mut config, &Object::new(CONFIG, of_image));
        }
    }
    // `docker create --entrypoint=`: none, also not that of the image.
    if strings(config.get("Entrypoint")) == [""] {
        config.set("Entrypoint", Value::Null);
    }
    let command: Vec<_> =
        ["Entrypoint", "Cmd"].into_iter().flat_map(|field| strings(config.get(field))).collect();
    let Some((path, args)) = command.split_first() else {
        return Err(invalid("No command specified"));
    };
    let id = daemon.shelf.new_id();
    if config.get("Hostname").as_str().is_none_or(str::is_empty) {
        config.set("Hostname", crate::base::digest::short(&id.to_string()));
    }
    let mut record = Record {
        id,
        name: name(call.form.get("name"), id)?,
        mounts: Vec::new(),
        networks: networks(daemon.semantics(), &body, &config, &host_config),
        logs: Arc::default(),
        exits: 0,
        image: image_id,
        created: daemon.now().instant,
        state: State::Created,
        path: path.clone(),
        args: args.to_vec(),
        config,
        host_config,
    };
    record.mounts = mounts::of_request(daemon, &record, own_mounts).inspect_err(|_| {
        // moby has made the container by then.
        log(daemon, &record, "destroy", &[]);
    })?;
    add(daemon, &record)?;
    Ok(Answer::json_with_status(201, &Created { id, warnings: [] }))
}

/// Settings that count beside a `HostConfig`, too, where it has none.
const BESIDE: [&str; 5] = ["Memory", "MemorySwap", "CpuShares", "CpusetCpus", "VolumeDriver"];

/// The settings of the host (`ContainerConfigWrapper.getHostConfig`), with the daemon's defaults.
fn host_config(body: &Map<String, Value>, semantics: &Semantics) -> Object {
    let own = find(body, "HostConfig").and_then(Value::as_object);
    let is_beside = semantics.host_settings_beside_config && HOST_CONFIG.is_named_in(body);
    let mut given = match own {
        Some(own) => own.clone(),
        None if is_beside => body.clone(),
        None => Map::new(),
    };
    if is_beside {
        for name in BESIDE {
            if let Some(value) = find(body, name).filter(|_| find(&given, name).is_none_or(is_empty)) {
                given.insert(name.to_owned(), value.clone());
            }
        }
    }
    if semantics.host_settings_beside_config
        && let Some(cpus) = find(body, "Cpuset").filter(|_| find(&given, "CpusetCpus").is_none_or(is_empty))
        && !given.is_empty()
    {
        given.insert("CpusetCpus".to_owned(), cpus.clone());
    }
    // The daemon completes what the client has begun.
    let is_begun = own.is_some() || is_beside || semantics.container_defaults_are_told;
    if is_begun && find(&given, "Runtime").is_none_or(is_unset) {
        given.insert("Runtime".to_owned(), "runc".into());
    }
    let mut settings = Object::new(HOST_CONFIG, &given);
    if semantics.container_defaults_are_told {
        tell_defaults(&mut settings);
    }
    settings
}

/// The paths that a container does not see since moby 28.
const MASKED: [&str; 12] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];

fn tell_defaults(settings: &mut Object) {
    if matches!(settings.get("NetworkMode").as_str(), None | Some("" | "default")) {
        settings.set("NetworkMode", "bridge");
    }
    let policy = settings.get("RestartPolicy").as_object();
    if policy.and_then(|policy| find(policy, "Name")?.as_str()).is_none_or(str::is_empty) {
        settings.set("RestartPolicy", json!({ "Name": "no", "MaximumRetryCount": 0 }));
    }
    if settings.is_default("MaskedPaths") {
        settings.set("MaskedPaths", MASKED.to_vec());
    }
    for name in ["KernelMemory", "KernelMemoryTCP"] {
        settings.remove_empty(name);
    }
}

/// What a daemon adds to settings that were begun.
fn complete(host_config: &mut Object) {
    let memory = host_config.get("Memory").as_i64().unwrap_or(0);
    if memory > 0 && host_config.get("MemorySwap").as_i64() == Some(0) {
        host_config.set("MemorySwap", memory.saturating_mul(2));
    }
    if let Some(log) = host_config.get("LogConfig").as_object() {
        let kind = find(log, "Type").and_then(Value::as_str).filter(|kind| !kind.is_empty());
        let options = find(log, "Config").filter(|options| options.is_object()).cloned();
        let log =
            json!({ "Type": kind.unwrap_or("json-file"), "Config": options.unwrap_or_else(|| json!({})) });
        host_config.set("LogConfig", log);
    }
    if let Value::Object(mut bindings) = host_config.get("PortBindings").clone() {
        for binding in bindings.values_mut().filter_map(Value::as_array_mut).flatten() {
            let text = |name: &str| {
                let given = binding.as_object().and_then(|binding| find(binding, name)?.as_str());
                given.unwrap_or_default().to_owned()
            };
            *binding = json!({ "HostIp": text("HostIp"), "HostPort": text("HostPort") });
        }
        host_config.set("PortBindings", bindings);
    }
}

/// Puts the container into both stores, or into none.
fn add(daemon: &Daemon, record: &Record) -> Result<()> {
    let image_mounts = image_mounts(daemon, &record.host_config)?;
    let of_image = |id: ImageId| daemon.store.image(id).map(|image| (id, image));
    let image = record.image.map(of_image).transpose()?;
    let image = image.as_ref().map(|(id, image)| (*id, &**image));
    daemon.shelf.add(record.clone())?;
    if let Err(error) = daemon.store.add_container(record.id, image, image_mounts) {
        daemon.shelf.remove(record.id, |_| true);
        return Err(error);
    }
    mounts::make_volumes(daemon, record);
    log(daemon, record, "create", &[]);
    Ok(())
}

/// Images that are mounted, where this version of moby knows such mounts (D-5.1).
fn image_mounts(daemon: &Daemon, host_config: &Object) -> Result<Vec<ImageId>> {
    let mounts = host_config.get("Mounts").as_array().into_iter().flatten().filter_map(Value::as_object);
    let of_images = mounts.filter(|mount| find(mount, "Type").and_then(Value::as_str) == Some("image"));
    let sources = of_images.filter_map(|mount| find(mount, "Source").and_then(Value::as_str));
    if !daemon.semantics().image_mounts_are_use {
        return Ok(Vec::new());
    }
    sources.map(|source| daemon.find(source)).collect()
}

/// The networks that a container is to be on: those with settings, or else that of its mode.
fn networks(
    semantics: &Semantics,
    body: &Map<String, Value>,
    config: &Object,
    host_config: &Object,
) -> BTreeMap<String, Object> {
    let shape = endpoint_shape(semantics);
    let mode = host_config.get("NetworkMode").as_str().unwrap_or_default();
    if *config.get("NetworkDisabled") == true || mode.starts_with("container:") {
        return BTreeMap::new();
    }
    let name =
        |given: &str| if matches!(given, "" | "default") { "bridge".to_owned() } else { given.to_owned() };
    let endpoints = find(body, "NetworkingConfig").and_then(Value::as_object);
    let endpoints = endpoints.and_then(|networking| find(networking, "EndpointsConfig")?.as_object());
    let nothing = Map::new();
    let settings = |given: &Value| Object::new(shape, given.as_object().unwrap_or(&nothing));
    match endpoints.filter(|endpoints| !endpoints.is_empty()) {
        Some(endpoints) => endpoints.iter().map(|(key, given)| (name(key), settings(given))).collect(),
        None => [(name(mode), Object::new(shape, &nothing))].into(),
    }
}

/// # Errors
///
/// The image is for another platform than the one that was asked for.
fn check_platform(name: &str, raw: &Map<String, Value>, wanted: Option<&Platform>) -> Result<()> {
    let Some(wanted) = wanted else { return Ok(()) };
    other_platform(raw, wanted).map_or(Ok(()), |actual| {
        Err(Error::not_found(format!(
            "image with reference {name} was found but does not match the specified platform: wanted {wanted}, actual: {actual}"
        )))
    })
}

fn is_unset(value: &Value) -> bool {
    value.is_null() || *value == ""
}

/// `runconfig.Merge`: what the image says where the request says nothing.
pub(super) fn merge(config: &mut Object, image: &Object) {
    for field in ["User", "WorkingDir", "Volumes", "Healthcheck", "StopSignal"] {
        if is_unset(config.get(field)) && !is_unset(image.get(field)) {
            config.set(field, image.get(field).clone());
        }
    }
    let (is_entrypoint_unset, has_command) =
        (strings(config.get("Entrypoint")).is_empty(), !strings(config.get("Cmd")).is_empty());
    if is_entrypoint_unset {
        if !has_command {
            config.set("Cmd", image.get("Cmd").clone());
        }
        if config.get("Entrypoint").is_null() {
            config.set("Entrypoint", image.get("Entrypoint").clone());
        }
    }
    merge_environment(config, image);
    for field in ["Labels", "ExposedPorts"] {
        merge_map(config, image, field);
    }
}

/// The image's variables come behind those of the request, which win.
fn merge_environment(config: &mut Object, image: &Object) {
    let mut variables = strings(config.get("Env"));
    let key = |variable: &str| variable.split('=').next().unwrap_or_default().to_owned();
    let known: Vec<_> = variables.iter().map(|variable| key(variable)).collect();
    variables
        .extend(strings(image.get("Env")).into_iter().filter(|variable| !known.contains(&key(variable))));
    if !variables.is_empty() || !config.get("Env").is_null() {
        config.set("Env", variables);
    }
}

fn merge_map(config: &mut Object, image: &Object, field: &'static str) {
    let mut merged = image.get(field).as_object().cloned().unwrap_or_default();
    merged.extend(config.get(field).as_object().cloned().unwrap_or_default());
    // A request's labels are a map even where they are none.
    if !merged.is_empty() || field == "Labels" {
        config.set(field, merged);
    }
}

/// The container's name, with the slash in front.
pub(super) fn name(given: &str, id: ContainerId) -> Result<String> {
    if given.is_empty() {
        return Ok(default_name(id));
    }
    let plain = given.strip_prefix('/').unwrap_or(given);
    let is_name = match plain.as_bytes() {
        [first, rest @ ..] if first.is_ascii_alphanumeric() && !rest.is_empty() => {
            rest.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(byte))
        }
        _ => false,
    };
    if !is_name {
        return Err(Error::invalid_parameter(format!(
            "Invalid container name ({given}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
        )));
    }
    Ok(format!("/{plain}"))
}
