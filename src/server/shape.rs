//! Objects whose keys keep the order of moby's structs, and the defaults of those structs.

use serde::ser::{Error as _, SerializeMap};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::semantics::Semantics;

/// An object with its keys in order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Object(Vec<(&'static str, Field)>);

#[derive(Debug, Clone, PartialEq)]
struct Field {
    value: Value,
    /// A default is written to the letter: its own keys have an order, too.
    text: Option<&'static str>,
}

impl Field {
    const fn given(value: Value) -> Self {
        Self { value, text: None }
    }

    fn default(text: &'static str) -> Option<Self> {
        let value = serde_json::from_str(text).ok()?;
        Some(Self { value, text: Some(text) })
    }
}

impl Object {
    /// The fields of `shape`, those that `given` has taken from it. As in Go a key matches in either case, and the
    /// last of several counts.
    pub fn new(shape: Shape, given: &Map<String, Value>) -> Self {
        let fields = shape.0.iter().filter_map(|(name, default)| {
            let found = find(given, name).filter(|value| !default.is_empty() || !is_empty(value));
            Some((*name, found.cloned().map(Field::given).or_else(|| Field::default(default))?))
        });
        Self(fields.collect())
    }

    /// These fields.
    pub fn of(fields: Vec<(&'static str, Value)>) -> Self {
        Self(fields.into_iter().map(|(name, value)| (name, Field::given(value))).collect())
    }

    pub fn get(&self, name: &str) -> &Value {
        self.0.iter().find(|(key, _)| *key == name).map_or(&Value::Null, |(_, field)| &field.value)
    }

    /// Nobody has given this field.
    pub fn is_default(&self, name: &str) -> bool {
        self.0.iter().any(|(key, field)| *key == name && field.text.is_some())
    }

    /// Takes a field out that Go's `omitempty` would leave out.
    pub fn remove_empty(&mut self, name: &str) {
        self.0.retain(|(key, field)| *key != name || !is_empty(&field.value));
    }

    pub fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        let value = Field::given(value.into());
        match self.0.iter_mut().find(|(key, _)| *key == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, field) in &self.0 {
            match field.text {
                None => map.serialize_entry(key, &field.value)?,
                Some(text) => {
                    let raw: &RawValue = serde_json::from_str(text).map_err(S::Error::custom)?;
                    map.serialize_entry(key, raw)?;
                }
            }
        }
        map.end()
    }
}

/// An object without keys.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Nothing {}

/// A field of a Go struct as its decoder finds it.
pub(super) fn find<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).or_else(|| {
        let mut folded = object.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        folded.next_back().map(|(_, value)| value)
    })
}

/// What Go's `omitempty` leaves out.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

/// The fields of a struct: names, and defaults as JSON. One without a default is left out where it is empty.
#[derive(Clone, Copy)]
pub(super) struct Shape(&'static [(&'static str, &'static str)]);

/// `container.Config`.
pub(super) const CONFIG: Shape = Shape(&[
    ("Hostname", r#""""#),
    ("Domainname", r#""""#),
    ("User", r#""""#),
    ("AttachStdin", "false"),
    ("AttachStdout", "false"),
    ("AttachStderr", "false"),
    ("ExposedPorts", ""),
    ("Tty", "false"),
    ("OpenStdin", "false"),
    ("StdinOnce", "false"),
    ("Env", "null"),
    ("Cmd", "null"),
    ("Healthcheck", ""),
    ("ArgsEscaped", ""),
    ("Image", r#""""#),
    ("Volumes", "null"),
    ("WorkingDir", r#""""#),
    ("Entrypoint", "null"),
    ("NetworkDisabled", ""),
    ("MacAddress", ""),
    ("OnBuild", "null"),
    ("Labels", "null"),
    ("StopSignal", ""),
    ("StopTimeout", ""),
    ("Shell", ""),
]);

/// `image.History`.
pub(super) const HISTORY: Shape = Shape(&[
    ("created", r#""0001-01-01T00:00:00Z""#),
    ("author", ""),
    ("created_by", ""),
    ("comment", ""),
    ("empty_layer", ""),
]);

/// The fields of an image's config since API 1.50.
pub(super) const OCI_CONFIG: Shape = Shape(&[
    ("User", r#""""#),
    ("ExposedPorts", ""),
    ("Env", "null"),
    ("Entrypoint", "null"),
    ("Cmd", "null"),
    ("Volumes", "null"),
    ("WorkingDir", r#""""#),
    ("Labels", "null"),
    ("StopSignal", ""),
    ("ArgsEscaped", ""),
    ("Healthcheck", ""),
    ("OnBuild", "null"),
    ("Shell", ""),
]);

impl Shape {
    /// Whether an object names any field of the struct.
    pub fn is_named_in(self, object: &Map<String, Value>) -> bool {
        self.0.iter().any(|(name, _)| find(object, name).is_some())
    }
}

/// `container.HostConfig`, as a daemon completes it.
pub(super) const HOST_CONFIG: Shape = Shape(&[
    ("Binds", "null"),
    ("ContainerIDFile", r#""""#),
    ("LogConfig", r#"{"Type":"json-file","Config":{}}"#),
    ("NetworkMode", r#""default""#),
    ("PortBindings", "null"),
    ("RestartPolicy", r#"{"Name":"","MaximumRetryCount":0}"#),
    ("AutoRemove", "false"),
    ("VolumeDriver", r#""""#),
    ("VolumesFrom", "null"),
    ("CapAdd", "null"),
    ("CapDrop", "null"),
    ("CgroupnsMode", r#""host""#),
    ("Dns", "null"),
    ("DnsOptions", "null"),
    ("DnsSearch", "null"),
    ("ExtraHosts", "null"),
    ("GroupAdd", "null"),
    ("IpcMode", r#""private""#),
    ("Cgroup", r#""""#),
    ("Links", "null"),
    ("OomScoreAdj", "0"),
    ("PidMode", r#""""#),
    ("Privileged", "false"),
    ("PublishAllPorts", "false"),
    ("ReadonlyRootfs", "false"),
    ("SecurityOpt", "null"),
    ("StorageOpt", ""),
    ("Tmpfs", ""),
    ("UTSMode", r#""""#),
    ("UsernsMode", r#""""#),
    ("ShmSize", "67108864"),
    ("Sysctls", ""),
    ("Runtime", ""),
    ("ConsoleSize", "[0,0]"),
    ("Isolation", r#""""#),
    ("CpuShares", "0"),
    ("Memory", "0"),
    ("NanoCpus", "0"),
    ("CgroupParent", r#""""#),
    ("BlkioWeight", "0"),
    ("BlkioWeightDevice", "null"),
    ("BlkioDeviceReadBps", "null"),
    ("BlkioDeviceWriteBps", "null"),
    ("BlkioDeviceReadIOps", "null"),
    ("BlkioDeviceWriteIOps", "null"),
    ("CpuPeriod", "0"),
    ("CpuQuota", "0"),
    ("CpuRealtimePeriod", "0"),
    ("CpuRealtimeRuntime", "0"),
    ("CpusetCpus", r#""""#),
    ("CpusetMems", r#""""#),
    ("Devices", "null"),
    ("DeviceCgroupRules", "null"),
    ("DeviceRequests", "null"),
    ("KernelMemory", "0"),
    ("KernelMemoryTCP", "0"),
    ("MemoryReservation", "0"),
    ("MemorySwap", "0"),
    ("MemorySwappiness", "null"),
    ("OomKillDisable", "false"),
    ("PidsLimit", "null"),
    ("Ulimits", "null"),
    ("CpuCount", "0"),
    ("CpuPercent", "0"),
    ("IOMaximumIOps", "0"),
    ("IOMaximumBandwidth", "0"),
    ("Mounts", ""),
    (
        "MaskedPaths",
        r#"["/proc/asound","/proc/acpi","/proc/kcore","/proc/keys","/proc/latency_stats","/proc/timer_list","/proc/timer_stats","/proc/sched_debug","/proc/scsi","/sys/firmware"]"#,
    ),
    ("ReadonlyPaths", r#"["/proc/bus","/proc/fs","/proc/irq","/proc/sys","/proc/sysrq-trigger"]"#),
    ("Init", ""),
]);

/// `network.EndpointSettings`: a container's settings on a network, to which it is never connected.
pub(super) const ENDPOINT: Shape = Shape(&[
    ("IPAMConfig", "null"),
    ("Links", "null"),
    ("Aliases", "null"),
    ("NetworkID", r#""""#),
    ("EndpointID", r#""""#),
    ("Gateway", r#""""#),
    ("IPAddress", r#""""#),
    ("IPPrefixLen", "0"),
    ("IPv6Gateway", r#""""#),
    ("GlobalIPv6Address", r#""""#),
    ("GlobalIPv6PrefixLen", "0"),
    ("MacAddress", r#""""#),
    ("DriverOpts", "null"),
]);

/// The same since moby 28, in the order of its struct.
const NEWER_ENDPOINT: Shape = Shape(&[
    ("IPAMConfig", "null"),
    ("Links", "null"),
    ("Aliases", "null"),
    ("MacAddress", r#""""#),
    ("DriverOpts", "null"),
    ("GwPriority", "0"),
    ("NetworkID", r#""""#),
    ("EndpointID", r#""""#),
    ("Gateway", r#""""#),
    ("IPAddress", r#""""#),
    ("IPPrefixLen", "0"),
    ("IPv6Gateway", r#""""#),
    ("GlobalIPv6Address", r#""""#),
    ("GlobalIPv6PrefixLen", "0"),
    ("DNSNames", "null"),
]);

/// The settings of a container on a network, as this version of moby tells them.
pub(super) const fn endpoint_shape(semantics: &Semantics) -> Shape {
    if semantics.container_defaults_are_told { NEWER_ENDPOINT } else { ENDPOINT }
}
