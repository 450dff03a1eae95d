//! `POST /containers/create` (moby's `daemon/create.go`, `runconfig`).

use serde::Serialize;
use serde_json::{Map, Value};

use super::super::answer::{Answer, Refusal, invalid};
use super::super::call::Call;
use super::super::daemon::Daemon;
use super::super::images::raw_config;
use super::super::record::{Record, State, default_name, strings};
use super::super::shape::{CONFIG, HOST_CONFIG, Object, find};
use super::change::log;
use crate::digest::{ContainerId, ImageId};
use crate::store::{Container, ImageStore};
use crate::{Error, Result};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Created {
    id: ContainerId,
    warnings: [(); 0],
}

pub fn create(daemon: &Daemon, call: &mut Call) -> Result<Answer, Refusal> {
    let body = call.json()?;
    if !CONFIG.is_named_in(&body) {
        return Err(invalid("Config cannot be empty in order to create a container"));
    }
    let mut config = Object::new(CONFIG, &body);
    let image_name = config.get("Image").as_str().unwrap_or_default().to_owned();
    if image_name.is_empty() {
        return Err(Refusal::not_implemented("a container without an image"));
    }
    let (image_id, image) = daemon.image(&image_name)?;
    merge(&mut config, &Object::new(CONFIG, &image_config(&raw_config(&image))));
    let command: Vec<_> =
        ["Entrypoint", "Cmd"].into_iter().flat_map(|field| strings(config.get(field))).collect();
    let Some((path, args)) = command.split_first() else {
        return Err(invalid("No command specified"));
    };
    let id = daemon.shelf.new_id();
    if config.get("Hostname").as_str().is_none_or(str::is_empty) {
        config.set("Hostname", crate::digest::short(&id.to_string()));
    }
    let mut host_config = Map::new();
    if let Some(given) = find(&body, "HostConfig").and_then(Value::as_object) {
        host_config.clone_from(given);
        // The daemon completes what the client has begun.
        if find(given, "Runtime").is_none_or(is_unset) {
            host_config.insert("Runtime".to_owned(), "runc".into());
        }
    }
    let record = Record {
        id,
        name: name(call.form.get("name"), id)?,
        image: image_id,
        created: daemon.now().instant,
        state: State::Created,
        path: path.clone(),
        args: args.to_vec(),
        config,
        host_config: Object::new(HOST_CONFIG, &host_config),
    };
    add(daemon, &record)?;
    Ok(Answer::json_with_status(201, &Created { id, warnings: [] }))
}

/// Puts the container into both stores, or into none.
fn add(daemon: &Daemon, record: &Record) -> Result<()> {
    let stores = daemon.stores();
    let (id, image) = (record.id, record.image);
    let image_mounts = image_mounts(daemon, &record.host_config)?;
    let chain = stores.images.get(image)?.chain().ok().flatten();
    daemon.shelf.add(record.clone())?;
    let undo = |error: Error| {
        daemon.shelf.remove(id, |_| true);
        error
    };
    stores.layers.mount(&id.to_string(), chain).map_err(undo)?;
    stores.containers.create(Container { id, image, running: false, image_mounts }).map_err(undo)?;
    log(daemon, record, "create", &[]);
    Ok(())
}

/// Images that are mounted, where this version of moby knows such mounts (SPEC.md D-5.1).
fn image_mounts(daemon: &Daemon, host_config: &Object) -> Result<Vec<ImageId>> {
    let mounts = host_config.get("Mounts").as_array().into_iter().flatten().filter_map(Value::as_object);
    let of_images = mounts.filter(|mount| find(mount, "Type").and_then(Value::as_str) == Some("image"));
    let sources = of_images.filter_map(|mount| find(mount, "Source").and_then(Value::as_str));
    if !daemon.semantics().image_mounts_are_use {
        return Ok(Vec::new());
    }
    sources.map(|source| daemon.image(source).map(|(id, _)| id)).collect()
}

fn image_config(raw: &Map<String, Value>) -> Map<String, Value> {
    find(raw, "config").and_then(Value::as_object).cloned().unwrap_or_default()
}

fn is_unset(value: &Value) -> bool {
    value.is_null() || *value == ""
}

/// `runconfig.Merge`: what the image says where the request says nothing.
fn merge(config: &mut Object, image: &Object) {
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
fn name(given: &str, id: ContainerId) -> Result<String> {
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
