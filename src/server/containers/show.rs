//! Containers as JSON: a line of the list, and all there is to know.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::super::answer::{Answer, Refusal};
use super::super::daemon::Daemon;
use super::super::images::{DRIVER, GraphDriver};
use super::super::record::Record;
use super::super::shape::{Nothing, Object, endpoint_shape};
use super::mounts::Mount;
use crate::base::digest::ContainerId;
use crate::base::error::Result;

/// The networks of a line of the list, which tells nothing of their settings.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Networks {
    networks: BTreeMap<String, Object>,
}

impl Networks {
    fn of(daemon: &Daemon, record: &Record) -> Self {
        let shape = endpoint_shape(daemon.semantics());
        let bare = |name: &String| (name.clone(), Object::new(shape, &Map::new()));
        Self { networks: record.networks.keys().map(bare).collect() }
    }
}

/// The API version since which a list tells of health, which nothing here has.
const HEALTH_SINCE: u16 = 52;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Health {
    status: &'static str,
    failing_streak: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct Summary {
    id: ContainerId,
    names: [String; 1],
    image: String,
    #[serde(rename = "ImageID")]
    image_id: String,
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
    mounts: Vec<Mount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<Health>,
}

impl Summary {
    pub fn new(daemon: &Daemon, record: &Record, with_size: bool, version: u16) -> Self {
        let labels = record.config.get("Labels").clone();
        Self {
            id: record.id,
            names: [record.name.clone()],
            image: current_name(daemon, record),
            image_id: record.image_id(),
            command: record.command(),
            created: record.created.unix_seconds(),
            ports: [],
            size_root_fs: Some(root_size(daemon, record)).filter(|size| with_size && *size != 0),
            labels,
            state: record.state.word(),
            status: record.state.status(daemon.now().instant),
            host_config: json!({ "NetworkMode": record.host_config.get("NetworkMode") }),
            network_settings: Networks::of(daemon, record),
            mounts: record.mounts.iter().map(Mount::in_list).collect(),
            health: (version >= HEALTH_SINCE).then_some(Health { status: "none", failing_streak: 0 }),
        }
    }
}

/// `refreshImage`: the name as long as it still names the image.
fn current_name(daemon: &Daemon, record: &Record) -> String {
    let name = record.image_name();
    match daemon.find(name) {
        Ok(id) if Some(id) == record.image => name.to_owned(),
        _ => record.image_id(),
    }
}

/// Bytes of the image; a container that never ran has written nothing of its own.
fn root_size(daemon: &Daemon, record: &Record) -> i64 {
    let image = record.image.and_then(|image| daemon.store.image(image).ok());
    image.and_then(|image| daemon.store.size(&image)).unwrap_or(0)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Details {
    id: ContainerId,
    created: String,
    path: String,
    args: Vec<String>,
    state: Object,
    image: String,
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
    exec_ids: Option<Vec<String>>,
    host_config: Object,
    graph_driver: GraphDriver,
    mounts: Vec<Mount>,
    config: Object,
    network_settings: NetworkSettings,
}

/// `types.NetworkSettings`, of a container that is never connected.
#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkSettings {
    bridge: &'static str,
    #[serde(rename = "SandboxID")]
    sandbox_id: &'static str,
    hairpin_mode: bool,
    #[serde(rename = "LinkLocalIPv6Address")]
    link_local_ipv6_address: &'static str,
    #[serde(rename = "LinkLocalIPv6PrefixLen")]
    link_local_ipv6_prefix_len: u8,
    ports: Nothing,
    sandbox_key: &'static str,
    #[serde(rename = "SecondaryIPAddresses")]
    secondary_ip_addresses: Option<()>,
    #[serde(rename = "SecondaryIPv6Addresses")]
    secondary_ipv6_addresses: Option<()>,
    #[serde(rename = "EndpointID")]
    endpoint_id: &'static str,
    gateway: &'static str,
    #[serde(rename = "GlobalIPv6Address")]
    global_ipv6_address: &'static str,
    #[serde(rename = "GlobalIPv6PrefixLen")]
    global_ipv6_prefix_len: u8,
    #[serde(rename = "IPAddress")]
    ip_address: &'static str,
    #[serde(rename = "IPPrefixLen")]
    ip_prefix_len: u8,
    #[serde(rename = "IPv6Gateway")]
    ipv6_gateway: &'static str,
    mac_address: &'static str,
    networks: BTreeMap<String, Object>,
}

impl NetworkSettings {
    fn of(networks: BTreeMap<String, Object>) -> Self {
        Self { networks, ..Self::default() }
    }
}

pub fn inspect(daemon: &Daemon, name: &str) -> Result<Answer, Refusal> {
    let record = daemon.shelf.find(name)?;
    let (state, image) = (record.state, record.image_id());
    Ok(Answer::json(&Details {
        id: record.id,
        created: record.created.rfc3339_nano(0).to_string(),
        path: record.path,
        args: record.args,
        state: Object::of(vec![
            ("Status", state.word().into()),
            ("Running", state.is_running().into()),
            ("Paused", state.is_paused().into()),
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
        image,
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
        exec_ids: daemon.execs.ids_of(record.id),
        host_config: record.host_config,
        graph_driver: if daemon.semantics().container_defaults_are_told {
            GraphDriver::with_id(record.id.to_string())
        } else {
            DRIVER
        },
        mounts: record.mounts,
        config: record.config,
        network_settings: NetworkSettings::of(record.networks),
    }))
}
