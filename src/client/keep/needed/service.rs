//! A service of a compose file: what of it names images, and how two descriptions of it are merged.

use std::rc::Rc;

use super::variables::{Variables, substitute};
use super::yaml::{Mapping, Merge, Node, Value};

/// The keys of a service in the Compose Specification that name no image, as of July 2026. Any other key is refused: it
/// may name an image.
const OTHER_KEYS: &[&str] = &[
    "annotations",
    "attach",
    "blkio_config",
    "cap_add",
    "cap_drop",
    "cgroup",
    "cgroup_parent",
    "command",
    "configs",
    "container_name",
    "cpu_count",
    "cpu_percent",
    "cpu_period",
    "cpu_quota",
    "cpu_rt_period",
    "cpu_rt_runtime",
    "cpu_shares",
    "cpus",
    "cpuset",
    "credential_spec",
    "depends_on",
    "deploy",
    "develop",
    "device_cgroup_rules",
    "devices",
    "dns",
    "dns_opt",
    "dns_search",
    "domainname",
    "entrypoint",
    "env_file",
    "environment",
    "expose",
    "external_links",
    "extra_hosts",
    "gpus",
    "group_add",
    "healthcheck",
    "hostname",
    "init",
    "ipc",
    "isolation",
    "label_file",
    "labels",
    "links",
    "logging",
    "mac_address",
    "mem_limit",
    "mem_reservation",
    "mem_swappiness",
    "memswap_limit",
    "models",
    "network_mode",
    "networks",
    "oom_kill_disable",
    "oom_score_adj",
    "pid",
    "pids_limit",
    "platform",
    "ports",
    "post_start",
    "pre_stop",
    "privileged",
    "profiles",
    "pull_policy",
    "pull_refresh_after",
    "read_only",
    "restart",
    "runtime",
    "scale",
    "secrets",
    "security_opt",
    "shm_size",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "storage_opt",
    "sysctls",
    "tmpfs",
    "tty",
    "ulimits",
    "use_api_socket",
    "user",
    "userns_mode",
    "uts",
    "volumes_from",
    "working_dir",
];

/// The part of a service that tells its images, with the variables filled in. `null` stays.
pub fn reduced(name: &str, node: &Rc<Node>, variables: &Variables) -> Result<Rc<Node>, String> {
    let Some(service) = node.mapping() else {
        return if node.is_null() {
            Ok(Rc::clone(node))
        } else {
            Err(format!("service {name} is no mapping"))
        };
    };
    let mut kept = Mapping::new();
    for (key, node) in service {
        let is_known = match key.as_str() {
            "image" | "extends" | "volumes" | "pre_start" => {
                let filled =
                    filled(node, variables).map_err(|problem| format!("service {name}: {problem}"))?;
                kept.insert(key.clone(), Rc::new(filled));
                true
            }
            "build" | "provider" => {
                // Only whether it is there counts.
                let value = if node.is_null() { Value::Null } else { Value::Scalar(String::new()) };
                kept.insert(key.clone(), Rc::new(Node { value, merge: node.merge }));
                true
            }
            _ => OTHER_KEYS.contains(&key.as_str()) || key.starts_with("x-"),
        };
        if !is_known {
            return Err(format!("service {name}: the key `{key}` is not known; it may name an image"));
        }
    }
    Ok(Rc::new(Node { value: Value::Mapping(kept), merge: node.merge }))
}

/// A node with the variables in its texts filled in.
pub fn filled(node: &Node, variables: &Variables) -> Result<Node, String> {
    let value = match &node.value {
        Value::Null => Value::Null,
        Value::Scalar(text) => Value::Scalar(substitute(text, &|name| variables.get(name).cloned())?),
        Value::Sequence(items) => {
            let items = items.iter().map(|item| filled(item, variables).map(Rc::new));
            Value::Sequence(items.collect::<Result<_, _>>()?)
        }
        Value::Mapping(mapping) => {
            let entries =
                mapping.iter().map(|(key, node)| Ok((key.clone(), Rc::new(filled(node, variables)?))));
            Value::Mapping(entries.collect::<Result<_, String>>()?)
        }
    };
    Ok(Node { value, merge: node.merge })
}

/// What `over` makes of `base`, as compose merges files. `None` if it is reset.
pub fn merged(base: Option<&Rc<Node>>, over: &Rc<Node>) -> Result<Option<Rc<Node>>, String> {
    let base = match over.merge {
        Merge::Reset => return Ok(None),
        Merge::Override => None,
        Merge::Usual => base.filter(|base| !base.is_null()),
    };
    let value = match (base.map(|base| &base.value), &over.value) {
        (Some(base), Value::Null) => base.clone(),
        (Some(Value::Sequence(items)), Value::Sequence(more)) => {
            Value::Sequence(items.iter().chain(more).cloned().collect())
        }
        (Some(Value::Mapping(_)) | None, Value::Mapping(entries)) => {
            let mut all = base.and_then(|base| base.mapping()).cloned().unwrap_or_default();
            for (key, node) in entries {
                match merged(all.get(key), node)? {
                    Some(node) => all.insert(key.clone(), node),
                    None => all.remove(key),
                };
            }
            Value::Mapping(all)
        }
        (Some(Value::Scalar(_)), Value::Scalar(_)) | (None, _) => over.value.clone(),
        _ => return Err("a text, a list and a mapping cannot be merged with each other".to_owned()),
    };
    Ok(Some(Rc::new(Node::new(value))))
}

/// The images of a service, each by its possible names. `project` names what is built.
pub fn images(name: &str, service: &Node, project: Option<&str>) -> Result<Vec<Vec<String>>, String> {
    if service.mapping().is_none() {
        return Err(format!("service {name} is empty"));
    }
    let text = |node: &Node, what: &str| {
        let text = node.scalar().filter(|text| !text.is_empty()).map(str::to_owned);
        text.ok_or_else(|| format!("service {name}: {what} is no name of an image"))
    };
    let mut images = Vec::new();
    let is_built = service.get("build").is_some();
    match (service.get("image"), project) {
        (Some(image), _) if !(is_built && image.scalar() == Some("")) => {
            images.push(vec![text(image, "`image`")?]);
        }
        // compose names what it builds after the project; before 2.0 the separator was another.
        (_, Some(project)) if is_built => {
            images.push(vec![format!("{project}-{name}"), format!("{project}_{name}")]);
        }
        (_, None) if is_built => {
            return Err(format!("service {name} is built without an `image`, and the file has no `name`"));
        }
        _ if service.get("provider").is_some() => {}
        _ => return Err(format!("service {name} has neither an `image` nor a `build`")),
    }
    for hook in list(name, service, "pre_start")? {
        if let Some(image) = hook.get("image") {
            images.push(vec![text(image, "`pre_start.image`")?]);
        }
    }
    // The last volume of a target counts.
    let volumes = list(name, service, "volumes")?;
    for (place, volume) in volumes.iter().enumerate() {
        let Some(kind) = volume.get("type") else {
            if volume.scalar().is_none() {
                return Err(format!("service {name}: a volume without a `type`"));
            }
            continue;
        };
        let is_replaced = target(volume)
            .is_some_and(|its| volumes.iter().skip(place + 1).any(|later| target(later) == Some(its)));
        let kind = kind.scalar().unwrap_or_default();
        if !is_replaced && kind.contains(super::variables::UNKNOWN) {
            return Err(format!("service {name}: the `type` of a volume is not known"));
        }
        if !is_replaced && kind == "image" {
            let source = volume.get("source");
            let source =
                source.ok_or_else(|| format!("service {name}: an image to mount without `source`"))?;
            images.push(vec![text(source, "`source`")?]);
        }
    }
    Ok(images)
}

fn list<'a>(name: &str, service: &'a Node, key: &str) -> Result<&'a [Rc<Node>], String> {
    let Some(node) = service.get(key) else { return Ok(&[]) };
    node.sequence().ok_or_else(|| format!("service {name}: `{key}` is no list"))
}

/// Where a volume is mounted; `None` if that is not known.
fn target(volume: &Node) -> Option<&str> {
    let target = match volume.scalar() {
        Some(short) => short.split(':').nth(1).unwrap_or(short),
        None => volume.get("target")?.scalar()?,
    };
    (!target.contains(super::variables::UNKNOWN)).then_some(target)
}
