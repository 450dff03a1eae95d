//! The daemon itself: ping, version, info.

use serde_json::{Value, json};

use super::answer::{Answer, Body};
use super::daemon::Daemon;
use super::images::ARCHITECTURE;
use super::shape::Object;

/// `GET` and `HEAD /_ping`
pub(super) fn ping(is_head: bool) -> Answer {
    let mut answer = Answer::text("OK");
    if is_head {
        answer.body = Body::Whole(Vec::new());
    }
    answer.headers.push(("Cache-Control", "no-cache, no-store, must-revalidate".to_owned()));
    answer.headers.push(("Pragma", "no-cache".to_owned()));
    answer
}

/// `GET /version`
pub(super) fn version(daemon: &Daemon) -> Answer {
    let (oldest, _) = daemon.semantics().api_versions;
    let (newest, oldest) = (format!("1.{}", daemon.api_version()), format!("1.{oldest}"));
    let details = json!({
        "ApiVersion": newest,
        "Arch": ARCHITECTURE,
        "Experimental": "false",
        "MinAPIVersion": oldest,
        "Os": "linux",
    });
    Answer::json(&Object::of(vec![
        ("Platform", json!({ "Name": "image-prune" })),
        ("Components", json!([{ "Name": "Engine", "Version": daemon.version(), "Details": details }])),
        ("Version", daemon.version().into()),
        ("ApiVersion", newest.into()),
        ("MinAPIVersion", oldest.into()),
        ("GitCommit", "".into()),
        ("GoVersion", "".into()),
        ("Os", "linux".into()),
        ("Arch", ARCHITECTURE.into()),
        ("KernelVersion", "".into()),
        ("BuildTime", "".into()),
    ]))
}

/// The API version since which nothing is told of a driver that ran containers.
const DRIVER_UNTIL: u16 = 25;

/// The API version since which nothing is told of a bridge's packets.
const BRIDGE_UNTIL: u16 = 50;
/// The newest API versions of the daemons since which the folders of devices and containerd are told.
const DEVICES_SINCE: u16 = 44;
const CONTAINERD_SINCE: u16 = 46;
/// The memory that clients are told of, in bytes; some refuse a machine without any.
const MEMORY: i64 = 1 << 30;

/// `GET /info`. What this daemon does not have is said to be off, absent or empty.
pub(super) fn info(daemon: &Daemon, version: u16) -> Answer {
    let records = daemon.shelf.all();
    let paused = records.iter().filter(|record| record.state.is_paused()).count();
    let running = records.iter().filter(|record| record.state.is_running()).count() - paused;
    let registry = json!({
        "AllowNondistributableArtifactsCIDRs": [],
        "AllowNondistributableArtifactsHostnames": [],
        "InsecureRegistryCIDRs": ["127.0.0.0/8"],
        "IndexConfigs": { "docker.io": { "Name": "docker.io", "Mirrors": [], "Secure": true, "Official": true } },
        "Mirrors": [],
    });
    let swarm = json!({
        "NodeID": "", "NodeAddr": "", "LocalNodeState": "inactive", "ControlAvailable": false, "Error": "",
        "RemoteManagers": null,
    });
    let now = daemon.now();
    let mut pairs = vec![
        ("ID", "IMAGE:PRUNE".into()),
        ("Containers", records.len().into()),
        ("ContainersRunning", running.into()),
        ("ContainersPaused", paused.into()),
        ("ContainersStopped", (records.len() - running - paused).into()),
        ("Images", daemon.store.count().into()),
        ("Driver", "vfs".into()),
        ("DriverStatus", Value::Null),
        (
            "Plugins",
            json!({
                "Volume": ["local"], "Network": ["bridge", "host", "ipvlan", "macvlan", "null"], "Authorization": null,
                "Log": [],
            }),
        ),
    ];
    let flags = [
        "MemoryLimit",
        "SwapLimit",
        "KernelMemory",
        "KernelMemoryTCP",
        "CpuCfsPeriod",
        "CpuCfsQuota",
        "CPUShares",
        "CPUSet",
        "PidsLimit",
        "IPv4Forwarding",
        "BridgeNfIptables",
        "BridgeNfIp6tables",
        "Debug",
    ];
    let is_told = |flag: &&str| version < BRIDGE_UNTIL || !flag.starts_with("BridgeNf");
    pairs.extend(flags.into_iter().filter(is_told).map(|flag| (flag, false.into())));
    pairs.extend([
        ("NFd", 0.into()),
        ("OomKillDisable", false.into()),
        ("NGoroutines", 0.into()),
        ("SystemTime", now.instant.rfc3339_nano(now.utc_offset_seconds).to_string().into()),
        ("LoggingDriver", "json-file".into()),
        ("CgroupDriver", "none".into()),
        ("CgroupVersion", "1".into()),
        ("NEventsListener", daemon.events().subscribers().into()),
        ("KernelVersion", "".into()),
        ("OperatingSystem", "image-prune".into()),
        ("OSVersion", "".into()),
        ("OSType", "linux".into()),
        ("Architecture", "x86_64".into()),
        ("IndexServerAddress", "https://index.docker.io/v1/".into()),
        ("RegistryConfig", registry),
        ("NCPU", 1.into()),
        ("MemTotal", MEMORY.into()),
        ("GenericResources", Value::Null),
        ("DockerRootDir", "/var/lib/docker".into()),
        ("HttpProxy", "".into()),
        ("HttpsProxy", "".into()),
        ("NoProxy", "".into()),
        ("Name", "image-prune".into()),
        ("Labels", json!([])),
        ("ExperimentalBuild", false.into()),
        ("ServerVersion", daemon.version().into()),
        ("Runtimes", json!({})),
        ("DefaultRuntime", "".into()),
        ("Swarm", swarm),
        ("LiveRestoreEnabled", false.into()),
        ("Isolation", "".into()),
        ("InitBinary", "".into()),
        ("ContainerdCommit", json!({ "ID": "", "Expected": "" })),
        ("RuncCommit", json!({ "ID": "", "Expected": "" })),
        ("InitCommit", json!({ "ID": "", "Expected": "" })),
        ("SecurityOptions", json!([])),
        ("Warnings", json!(["nothing is executed: this is a daemon in memory, for tests"])),
    ]);
    let (_, newest) = daemon.semantics().api_versions;
    if newest >= DEVICES_SINCE {
        pairs.push(("CDISpecDirs", json!([])));
    }
    if newest >= CONTAINERD_SINCE {
        let namespaces = json!({ "Containers": "moby", "Plugins": "plugins.moby" });
        pairs.push(("Containerd", json!({ "Address": "", "Namespaces": namespaces })));
    }
    if version < DRIVER_UNTIL {
        pairs.push(("ExecutionDriver", "<not supported>".into()));
    }
    Answer::json(&Object::of(pairs))
}
