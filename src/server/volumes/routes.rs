//! `GET /volumes`, `POST /volumes/create`, `DELETE /volumes/{name}` and so on (moby's `volume/service`).

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::super::answer::{Answer, Refusal};
use super::super::call::Call;
use super::super::daemon::Daemon;
use super::super::pattern::Patterns;
use super::super::shape::{Object, find};
use super::volume::{Shown, Usage, Volume, log};
use crate::base::error::{Error, Result};
use crate::document::filters::Filters;

const ACCEPTED: [&str; 4] = ["dangling", "driver", "label", "name"];

/// The label of volumes that nobody has named, where such are told apart.
const ANONYMOUS: &str = "com.docker.volume.anonymous";

/// The labels of a volume that nobody has named.
pub fn anonymous_labels(daemon: &Daemon) -> Option<BTreeMap<String, String>> {
    let is_told = daemon.semantics().volume_prune_takes_all;
    is_told.then(|| BTreeMap::from([(ANONYMOUS.to_owned(), String::new())]))
}

/// Containers that mount it.
fn users(daemon: &Daemon, name: &str) -> Vec<String> {
    let records = daemon.shelf.all().into_iter();
    let using = records.filter(|record| record.mounts.iter().any(|mount| mount.volume() == Some(name)));
    using.map(|record| record.id.to_string()).collect()
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct List {
    volumes: Vec<Shown>,
    warnings: Option<()>,
}

pub fn list(daemon: &Daemon, call: &Call) -> Result<Answer, Refusal> {
    let semantics = daemon.semantics();
    let filters = Filters::parse(call.form.get("filters"), semantics)?;
    filters.validate(&ACCEPTED, semantics)?;
    let values: Vec<_> = filters.get("dangling").collect();
    let dangling = match values.as_slice() {
        [] if !filters.contains("dangling") => None,
        ["true" | "1"] => Some(true),
        ["false" | "0"] => Some(false),
        wrong => {
            let message = format!("{} 'dangling=[{}]'", semantics.invalid_filter_prefix, wrong.join(" "));
            return Err(Error::invalid_parameter(message).into());
        }
    };
    let names = Patterns::new(&filters, "name");
    let is_wanted = |volume: &Volume| {
        names.include(&volume.name)
            && filters.exact_match("driver", "local")
            && filters.match_kv_list("label", labels(volume))
            && dangling.is_none_or(|dangling| dangling == users(daemon, &volume.name).is_empty())
    };
    let volumes = daemon.volumes.all();
    let volumes =
        volumes.iter().filter(|volume| is_wanted(volume)).map(|volume| volume.shown(None)).collect();
    Ok(Answer::json(&List { volumes, warnings: None }))
}

fn labels(volume: &Volume) -> impl Iterator<Item = (&str, &str)> {
    volume.labels.iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()))
}

/// All volumes with what uses them, as the disk usage lists them.
pub fn usage(daemon: &Daemon) -> Vec<Shown> {
    let volumes = daemon.volumes.all();
    let shown =
        |volume: &Volume| volume.shown(Some(Usage { ref_count: users(daemon, &volume.name).len(), size: 0 }));
    volumes.iter().map(shown).collect()
}

pub fn inspect(daemon: &Daemon, name: &str) -> Result<Answer, Refusal> {
    Ok(Answer::json(&daemon.volumes.find(name)?.shown(None)))
}

pub fn create(daemon: &Daemon, call: &mut Call) -> Result<Answer, Refusal> {
    let body = call.document()?;
    let text = |name: &str| find(&body, name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let name = match text("Name") {
        empty if empty.is_empty() => daemon.ids.next("volume"),
        name => name,
    };
    let driver = text("Driver");
    let in_create = |error: Error| Error::new(error.class(), format!("create {name}: {error}"));
    if !matches!(driver.as_str(), "" | "local") {
        return Err(in_create(Error::not_found(format!(
            "error looking up volume plugin {driver}: plugin \"{driver}\" not found"
        )))
        .into());
    }
    check_name(&name).map_err(in_create)?;
    let options = strings(&body, "DriverOpts");
    check_options(options.as_ref()).map_err(in_create)?;
    let mut labels = strings(&body, "Labels");
    if text("Name").is_empty()
        && let Some(anonymous) = anonymous_labels(daemon)
    {
        labels.get_or_insert_default().extend(anonymous);
    }
    let volume = make(daemon, name, labels, options);
    Ok(Answer::json_with_status(201, &volume.shown(None)))
}

/// Makes a volume where there is none of this name, and tells in either case, as a daemon does.
pub fn make(
    daemon: &Daemon,
    name: String,
    labels: Option<BTreeMap<String, String>>,
    options: Option<BTreeMap<String, String>>,
) -> Volume {
    let volume = daemon.volumes.add(Volume { name, created: daemon.now().instant, labels, options });
    log(daemon.events(), &volume.name, "create", &[]);
    volume
}

fn strings(body: &Map<String, Value>, name: &str) -> Option<BTreeMap<String, String>> {
    let pairs = find(body, name).and_then(Value::as_object).filter(|map| !map.is_empty())?;
    let pair = |(key, value): (&String, &Value)| (key.clone(), value.as_str().unwrap_or_default().to_owned());
    Some(pairs.iter().map(pair).collect())
}

/// # Errors
///
/// No name of the driver `local`.
pub fn check_name(name: &str) -> Result<()> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let mut bytes = name.bytes();
    if name.len() == 1 {
        return Err(Error::invalid_parameter(
            "volume name is too short, names should be at least two alphanumeric characters",
        ));
    }
    if bytes.next().is_some_and(|first| first.is_ascii_alphanumeric()) && bytes.all(is_word) {
        return Ok(());
    }
    Err(Error::invalid_parameter(format!(
        "\"{name}\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are \
         allowed. If you intended to pass a host directory, use absolute path"
    )))
}

fn check_options(options: Option<&BTreeMap<String, String>>) -> Result<()> {
    let Some(options) = options else { return Ok(()) };
    if let Some(wrong) = options.keys().find(|key| !matches!(key.as_str(), "type" | "device" | "o")) {
        return Err(Error::invalid_parameter(format!("invalid option: \"{wrong}\"")));
    }
    match ["device", "type"].into_iter().find(|needed| !options.contains_key(*needed)) {
        Some(needed) => Err(Error::invalid_parameter(format!("missing required option: \"{needed}\""))),
        None => Ok(()),
    }
}

pub fn remove(daemon: &Daemon, call: &Call, name: &str) -> Result<Answer, Refusal> {
    match daemon.volumes.find(name) {
        Err(_) if call.form.flag("force") => return Ok(Answer::empty(204)),
        found => found?,
    };
    let users = users(daemon, name);
    if !users.is_empty() {
        let message = format!("remove {name}: volume is in use - [{}]", users.join(", "));
        return Err(Error::conflict(message).into());
    }
    take_away(daemon, name);
    Ok(Answer::empty(204))
}

/// Removes a volume that nothing mounts, and tells.
pub fn take_away(daemon: &Daemon, name: &str) {
    if users(daemon, name).is_empty() && daemon.volumes.remove(name) {
        log(daemon.events(), name, "destroy", &[]);
    }
}

/// What is left once the filters are read and the guard is held.
///
/// # Errors
///
/// A value of `all` that is no truth value.
pub fn prune(daemon: &Daemon, filters: &Filters, takes_all: bool) -> Result<Object> {
    let prefix = daemon.semantics().invalid_filter_prefix;
    let all = match filters.get("all").collect::<Vec<_>>().as_slice() {
        _ if !takes_all => true,
        [] => false,
        [value] => match *value {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => true,
            "0" | "f" | "F" | "FALSE" | "false" | "False" => false,
            value => {
                let cause = format!("strconv.ParseBool: parsing \"{value}\": invalid syntax");
                return Err(Error::invalid_parameter(format!("{prefix} 'all': {cause}")));
            }
        },
        _ => return Err(Error::invalid_parameter(format!("{prefix} 'all': only one value is expected"))),
    };
    let mut deleted = Vec::new();
    for volume in daemon.volumes.all() {
        let is_spared = !all && labels(&volume).all(|(key, _)| key != ANONYMOUS);
        if is_spared {
            continue;
        }
        if super::super::prune::has_labels(filters, labels(&volume)) && users(daemon, &volume.name).is_empty()
        {
            // moby tells of the prune alone.
            daemon.volumes.remove(&volume.name);
            deleted.push(volume.name);
        }
    }
    // DIFFERENCE(empty-volumes): nothing is kept in a volume.
    Ok(Object::of(vec![("VolumesDeleted", json!(deleted)), ("SpaceReclaimed", 0.into())]))
}
