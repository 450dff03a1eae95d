//! `GET /images/{name}/json` and `/history` (moby's `daemon/images/image_inspect.go`, `image_history.go`).

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::super::answer::{Answer, Refusal};
use super::super::call::Call;
use super::super::daemon::Daemon;
use super::super::shape::{CONFIG, OCI_CONFIG, Object, find, is_empty};
use super::of_platform;
use crate::base::digest::{ChainId, DiffId, ImageId};
use crate::base::error::{Error, Result};
use crate::document::image::Image;
use crate::document::reference::Reference;
use crate::go::layout::parse_rfc3339;
use crate::go::time::Timestamp;
use crate::semantics::GoTime;

/// A config as JSON. It was read by Go's rules before; what those forgive is left out.
pub(in super::super) fn config(image: &Image) -> Map<String, Value> {
    serde_json::from_str(&String::from_utf8_lossy(&image.config())).unwrap_or_default()
}

fn text(object: &Map<String, Value>, name: &str) -> String {
    find(object, name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn object<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Map<String, Value>> {
    find(object, name).and_then(Value::as_object)
}

fn created(text: &str) -> Timestamp {
    parse_rfc3339(text.as_bytes(), GoTime::Go1_19).unwrap_or(Timestamp::ZERO)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Details {
    id: ImageId,
    repo_tags: Vec<String>,
    repo_digests: Vec<String>,
    parent: String,
    comment: String,
    created: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container_config: Option<Object>,
    docker_version: String,
    author: String,
    config: Option<Object>,
    architecture: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    variant: String,
    os: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    os_version: String,
    size: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    virtual_size: Option<i64>,
    graph_driver: GraphDriver,
    #[serde(rename = "RootFS")]
    root_fs: RootFs,
    metadata: Metadata,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct GraphDriver {
    data: Option<BTreeMap<&'static str, String>>,
    name: &'static str,
}

impl GraphDriver {
    /// The driver of a container that says by what ID it mounts it.
    pub fn with_id(id: String) -> Self {
        Self { data: Some([("ID", id)].into()), ..DRIVER }
    }
}

/// A driver that keeps no data of its own for an image or a container.
pub(in super::super) const DRIVER: GraphDriver = GraphDriver { data: None, name: "vfs" };

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RootFs {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    layers: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    last_tag_time: String,
}

pub fn inspect(daemon: &Daemon, call: &Call, name: &str) -> Result<Answer, Refusal> {
    let in_lookup = |error: Error| {
        if !daemon.semantics().inspect_errors_are_prefixed {
            return error;
        }
        Error::new(error.class(), format!("no such image: {name}: {error}"))
    };
    let platform = of_platform::asked(call, "platform", of_platform::INSPECT_SINCE)?;
    let (id, image) = daemon.store.find(name).map_err(in_lookup)?;
    let raw = config(&image);
    of_platform::check(name, &raw, platform.as_ref())?;
    let references = daemon.store.references(id);
    let (repo_digests, repo_tags) = references.iter().partition::<Vec<_>, _>(|one| one.is_canonical());
    let familiar = |references: Vec<&Reference>| {
        references.into_iter().map(|reference| reference.familiar().to_owned()).collect()
    };
    let size = daemon.store.size(&image).ok_or_else(|| Error::system("layer does not exist"))?;
    let empty = Map::new();
    let os = if image.os().is_empty() { "linux" } else { image.os() };
    let root_fs = object(&raw, "rootfs").unwrap_or(&empty);
    let of_container = call.version < NO_CONTAINER_SINCE;
    let shape = if call.version < OCI_CONFIG_SINCE { CONFIG } else { OCI_CONFIG };
    let details = Details {
        id,
        repo_tags: familiar(repo_tags),
        repo_digests: familiar(repo_digests),
        parent: daemon.store.parent(id).map(|parent| parent.to_string()).unwrap_or_default(),
        comment: comment(&raw),
        created: image.created().unwrap_or(Timestamp::ZERO).rfc3339_nano(0).to_string(),
        container: of_container.then(|| text(&raw, "container")),
        container_config: of_container
            .then(|| Object::new(CONFIG, object(&raw, "container_config").unwrap_or(&empty))),
        docker_version: text(&raw, "docker_version"),
        author: text(&raw, "author"),
        config: object(&raw, "config").map(|config| Object::new(shape, config)),
        architecture: text(&raw, "architecture"),
        variant: text(&raw, "variant"),
        os: os.to_owned(),
        os_version: text(&raw, "os.version"),
        size,
        virtual_size: (call.version < 44).then_some(size),
        graph_driver: DRIVER,
        root_fs: RootFs { kind: text(root_fs, "type"), layers: image.diff_ids() },
        metadata: Metadata { last_tag_time: daemon.last_tagged(id).rfc3339_nano(0).to_string() },
    };
    if !daemon.semantics().inspect_keys_are_sorted {
        return Ok(Answer::json(&details));
    }
    // A map of `serde_json` has its keys sorted.
    let mut sorted = serde_json::to_value(&details).map_err(|error| Error::system(error.to_string()))?;
    if daemon.semantics().inspect_omits_empty_since.is_some_and(|since| call.version >= since) {
        omit_empty(&mut sorted);
    }
    Ok(Answer::json(&sorted))
}

/// The API versions since which nothing is told of the container that an image was made from, and a config has the fields of
/// OCI alone.
const NO_CONTAINER_SINCE: u16 = 45;
const OCI_CONFIG_SINCE: u16 = 50;

fn omit_empty(details: &mut Value) {
    let Value::Object(fields) = details else { return };
    for name in ["Author", "Parent", "Comment", "DockerVersion"] {
        if fields.get(name).is_some_and(is_empty) {
            fields.remove(name);
        }
    }
    if let Some(Value::Object(config)) = fields.get_mut("Config") {
        config.retain(|_, value| !is_empty(value));
    }
}

/// That of the image, or else of the last step of its history.
fn comment(raw: &Map<String, Value>) -> String {
    let own = text(raw, "comment");
    let last = || history_of(raw).last().map(|step| text(step, "comment")).unwrap_or_default();
    if own.is_empty() { last() } else { own }
}

/// The steps of a config's history, oldest first.
pub(in super::super) fn history_of(raw: &Map<String, Value>) -> Vec<&Map<String, Value>> {
    find(raw, "history")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .collect()
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Step {
    comment: String,
    created: i64,
    created_by: String,
    id: String,
    size: i64,
    tags: Option<Vec<String>>,
}

pub fn history(daemon: &Daemon, call: &Call, name: &str) -> Result<Answer, Refusal> {
    let platform = of_platform::asked(call, "platform", of_platform::HISTORY_SINCE)?;
    let (id, image) = daemon.store.find(name)?;
    let raw = config(&image);
    of_platform::check(name, &raw, platform.as_ref())?;
    let mut steps = steps(daemon, &image, &raw)?;
    steps.reverse();
    let mut next = Some(id);
    for step in &mut steps {
        let Some(id) = next.filter(|id| daemon.store.contains(*id)) else { break };
        step.id = id.to_string();
        let references = daemon.store.references(id);
        let tags: Vec<_> = references
            .iter()
            .filter(|reference| !reference.is_canonical())
            .map(|reference| reference.familiar().to_owned())
            .collect();
        step.tags = (!tags.is_empty()).then_some(tags);
        next = daemon.store.parent(id);
    }
    Ok(Answer::json(&steps))
}

/// Oldest first, with the sizes of their layers.
fn steps(daemon: &Daemon, image: &Image, raw: &Map<String, Value>) -> Result<Vec<Step>> {
    let mut diff_ids = image.diff_ids().into_iter();
    let mut chain = None;
    let mut steps = Vec::new();
    for entry in history_of(raw) {
        let mut size = 0;
        if find(entry, "empty_layer") != Some(&Value::Bool(true)) {
            let diff_id = diff_ids
                .next()
                .ok_or_else(|| Error::system("too many non-empty layers in History section"))?;
            if !image.is_os_supported() {
                return Err(Error::system("operating system is not supported"));
            }
            chain = diff_id.parse::<DiffId>().ok().map(|diff_id| ChainId::on(chain, diff_id));
            let own = chain.and_then(|chain| daemon.store.layer_size(chain));
            size = own.ok_or_else(|| Error::system("layer does not exist"))?;
        }
        steps.push(Step {
            comment: text(entry, "comment"),
            created: created(&text(entry, "created")).unix_seconds(),
            created_by: text(entry, "created_by"),
            id: "<missing>".to_owned(),
            size,
            tags: None,
        });
    }
    Ok(steps)
}
