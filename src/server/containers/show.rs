//! Containers as JSON: a line of the list, and all there is to know.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::super::answer::{Answer, Refusal};
use super::super::daemon::Daemon;
use super::super::images::{DRIVER, GraphDriver};
use super::super::record::Record;
use super::super::shape::{ENDPOINT, Object};
use crate::Result;
use crate::digest::{ContainerId, ImageId};
use crate::store::ImageStore;

/// The names of networks with their settings: the one that is asked for, never connected.
#[derive(Serialize)]
struct Networks {
    #[serde(serialize_with = "one_network")]
    #[serde(rename = "Networks")]
    name: String,
}

fn one_network<S: serde::Serializer>(name: &str, serializer: S) -> Result<S::Ok, S::Error> {
    let endpoint = RawValue::from_string(ENDPOINT.to_owned()).map_err(serde::ser::Error::custom)?;
    serializer.collect_map([(name, endpoint)])
}

fn network_of(record: &Record) -> String {
    match record.host_config.get("NetworkMode").as_str() {
        None | Some("default" | "") => "bridge".to_owned(),
        Some(name) => name.to_owned(),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct Summary {
    id: ContainerId,
    names: [String; 1],
    image: String,
    #[serde(rename = "ImageID")]
    image_id: ImageId,
    command: String,
    created: i64,
    ports: [(); 0],
    #[serde(skip_serializing_if = "Option::is_none")]
    size_root_fs: Option<i64>,
    labels: Value,
    state: &'static str,
    status: String,
    host_config: Value,
    network_settings: Networks,
    mounts: [(); 0],
}

impl Summary {
    pub fn new(daemon: &Daemon, record: &Record, with_size: bool) -> Self {
        let labels = record.config.get("Labels").clone();
        Self {
            id: record.id,
            names: [record.name.clone()],
            image: current_name(daemon, record),
            image_id: record.image,
            command: record.command(),
            created: record.created.unix_seconds(),
            ports: [],
            size_root_fs: Some(root_size(daemon, record)).filter(|size| with_size && *size != 0),
            labels: if labels.is_null() { json!({}) } else { labels },
            state: record.state.word(),
            status: record.state.status(daemon.now().instant),
            host_config: json!({ "NetworkMode": record.host_config.get("NetworkMode") }),
            network_settings: Networks { name: network_of(record) },
            mounts: [],
        }
    }
}

/// `refreshImage`: the name as long as it still names the image.
fn current_name(daemon: &Daemon, record: &Record) -> String {
    let name = record.image_name();
    match daemon.image(name) {
        Ok((id, _)) if id == record.image => name.to_owned(),
        _ => record.image.to_string(),
    }
}

/// Bytes of the image; a container that never ran has written nothing of its own.
fn root_size(daemon: &Daemon, record: &Record) -> i64 {
    let stores = daemon.stores();
    let chain = stores.images.get(record.image).ok().and_then(|image| image.chain().ok().flatten());
    chain.and_then(|chain| stores.layers.chain_size(chain)).unwrap_or(0)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Details {
    id: ContainerId,
    created: String,
    path: String,
    args: Vec<String>,
    state: Object,
    image: ImageId,
    resolv_conf_path: &'static str,
    hostname_path: &'static str,
    hosts_path: &'static str,
    log_path: &'static str,
    name: String,
    restart_count: u32,
    driver: &'static str,
    platform: &'static str,
    mount_label: &'static str,
    process_label: &'static str,
    app_armor_profile: &'static str,
    #[serde(rename = "ExecIDs")]
    exec_ids: Option<()>,
    host_config: Object,
    graph_driver: GraphDriver,
    mounts: [(); 0],
    config: Object,
    network_settings: Box<RawValue>,
}

pub fn inspect(daemon: &Daemon, name: &str) -> Result<Answer, Refusal> {
    let record = daemon.shelf.find(name)?;
    let state = record.state;
    let network = serde_json::to_string(&network_of(&record)).unwrap_or_default();
    let network_settings = format!(
        "{{\"Bridge\":\"\",\"SandboxID\":\"\",\"HairpinMode\":false,\"LinkLocalIPv6Address\":\"\",\
         \"LinkLocalIPv6PrefixLen\":0,\"Ports\":{{}},\"SandboxKey\":\"\",\"SecondaryIPAddresses\":null,\
         \"SecondaryIPv6Addresses\":null,\"EndpointID\":\"\",\"Gateway\":\"\",\"GlobalIPv6Address\":\"\",\
         \"GlobalIPv6PrefixLen\":0,\"IPAddress\":\"\",\"IPPrefixLen\":0,\"IPv6Gateway\":\"\",\"MacAddress\":\"\",\
         \"Networks\":{{{network}:{ENDPOINT}}}}}"
    );
    let network_settings =
        RawValue::from_string(network_settings).map_err(|error| crate::Error::system(error.to_string()))?;
    Ok(Answer::json(&Details {
        id: record.id,
        created: record.created.rfc3339_nano(0).to_string(),
        path: record.path,
        args: record.args,
        state: Object::of(vec![
            ("Status", state.word().into()),
            ("Running", state.is_running().into()),
            ("Paused", false.into()),
            ("Restarting", false.into()),
            ("OOMKilled", false.into()),
            ("Dead", false.into()),
            // A process that does not exist has no number; a running container has one that is not 0.
            ("Pid", u32::from(state.is_running()).into()),
            ("ExitCode", state.code().into()),
            ("Error", "".into()),
            ("StartedAt", state.started().rfc3339_nano(0).to_string().into()),
            ("FinishedAt", state.finished().rfc3339_nano(0).to_string().into()),
        ]),
        image: record.image,
        resolv_conf_path: "",
        hostname_path: "",
        hosts_path: "",
        log_path: "",
        name: record.name,
        restart_count: 0,
        driver: "vfs",
        platform: "linux",
        mount_label: "",
        process_label: "",
        app_armor_profile: "",
        exec_ids: None,
        host_config: record.host_config,
        graph_driver: DRIVER,
        mounts: [],
        config: record.config,
        network_settings,
    }))
}
