//! `GET /containers/json` (moby's `daemon/list.go`).

use std::collections::{HashMap, HashSet};

use super::super::answer::{Answer, Refusal};
use super::super::call::Call;
use super::super::daemon::Daemon;
use super::super::pattern::Patterns;
use super::super::record::Record;
use super::super::state::State;
use super::show::Summary;
use crate::base::digest::{ContainerId, ImageId};
use crate::base::error::{Error, Result};
use crate::document::filters::Filters;
use crate::semantics::Semantics;

const ACCEPTED: [&str; 15] = [
    "ancestor",
    "before",
    "exited",
    "id",
    "isolation",
    "label",
    "name",
    "status",
    "health",
    "since",
    "volume",
    "network",
    "is-task",
    "publish",
    "expose",
];
const STATES: [&str; 7] = ["paused", "restarting", "removing", "running", "dead", "created", "exited"];
const HEALTHS: [&str; 4] = ["starting", "healthy", "unhealthy", "none"];

pub fn list(daemon: &Daemon, call: &Call) -> Result<Answer, Refusal> {
    let filters = Filters::parse(call.form.get("filters"), daemon.semantics())?;
    let limit = match call.form.get("limit") {
        "" => 0,
        text => text
            .parse::<i64>()
            .map_err(|_| Error::system(format!("strconv.Atoi: parsing \"{text}\": invalid syntax")))?,
    };
    let list = List::new(daemon, filters, call.form.flag("all"), usize::try_from(limit).unwrap_or(0))?;
    let with_size = call.form.flag("size");
    let chosen = list.choose(daemon.shelf.all());
    Ok(Answer::json(
        &chosen
            .iter()
            .map(|record| Summary::new(daemon, record, with_size, call.version))
            .collect::<Vec<_>>(),
    ))
}

/// All containers with their sizes, as the disk usage lists them.
pub(in super::super) fn summaries(daemon: &Daemon, version: u16) -> Vec<Summary> {
    daemon.shelf.all().iter().map(|record| Summary::new(daemon, record, true, version)).collect()
}

struct List {
    filters: Filters,
    names: Patterns,
    ids: Patterns,
    statuses: Patterns,
    all: bool,
    limit: usize,
    exit_codes: Vec<i32>,
    before: Option<ContainerId>,
    since: Option<ContainerId>,
    ancestors: Option<HashSet<ImageId>>,
    /// The IDs of networks by their names.
    networks: HashMap<String, String>,
}

impl List {
    fn new(daemon: &Daemon, filters: Filters, all: bool, limit: usize) -> Result<Self> {
        let semantics = daemon.semantics();
        filters.validate(&ACCEPTED, semantics)?;
        let is_named = semantics.container_filter_errors_are_named;
        let exit_codes = filters.get("exited").map(|code| {
            code.parse().map_err(|_| {
                let cause = format!("strconv.Atoi: parsing \"{code}\": invalid syntax");
                if is_named { because(semantics, "exited", code, &cause) } else { Error::system(cause) }
            })
        });
        let exit_codes = exit_codes.collect::<Result<_>>()?;
        if let Some(wrong) = filters.get("status").find(|status| !STATES.contains(status)) {
            if is_named {
                let states = "created, running, paused, restarting, removing, exited, dead";
                let cause = format!("invalid value for state ({wrong}): must be one of {states}");
                return Err(because(semantics, "status", wrong, &cause));
            }
            return Err(invalid_filter(semantics, "status", wrong));
        }
        if let Some(wrong) = filters.get("health").find(|health| !HEALTHS.contains(health)) {
            return Err(Error::invalid_parameter(format!("Unrecognised filter value for health: {wrong}")));
        }
        let tasks: Vec<_> = filters.get("is-task").collect();
        if !matches!(tasks.as_slice(), [] | ["true" | "1" | "false" | "0"]) {
            let values = format!("[{}]", tasks.join(" "));
            return Err(invalid_filter(semantics, "is-task", &values));
        }
        for key in ["publish", "expose"] {
            filters.get(key).try_for_each(|port| check_port(key, port))?;
        }
        let named = |key: &str| {
            let missing = |name: &str| Error::system(format!("no such container {name}"));
            let find = |name: &str| {
                let found = daemon.shelf.find(name).map(|record| record.id);
                found.map_err(|error| if is_named { error } else { missing(name) })
            };
            filters.get(key).map(find).last().transpose()
        };
        let (before, since) = (named("before")?, named("since")?);
        let all = all || filters.contains("status");
        let ancestors = filters.contains("ancestor").then(|| descendants(daemon, filters.get("ancestor")));
        Ok(Self {
            names: Patterns::new(&filters, "name"),
            ids: Patterns::new(&filters, "id"),
            statuses: Patterns::new(&filters, "status"),
            filters,
            all,
            limit,
            exit_codes,
            before,
            since,
            ancestors,
            networks: daemon.networks.all().into_iter().map(|network| (network.name, network.id)).collect(),
        })
    }

    /// Newest first: `before` leaves out those up to that container, `since` that one and those behind it.
    fn choose(&self, records: Vec<Record>) -> Vec<Record> {
        let mut chosen = Vec::new();
        let mut is_behind = self.before.is_none();
        for record in records {
            if !is_behind {
                is_behind = self.before == Some(record.id);
                continue;
            }
            if self.since == Some(record.id) || (self.limit > 0 && chosen.len() == self.limit) {
                break;
            }
            if self.includes(&record) {
                chosen.push(record);
            }
        }
        chosen
    }

    fn includes(&self, record: &Record) -> bool {
        let labels = record.labels();
        let labels = labels.iter().map(|(key, value)| (*key, *value));
        let is_shown = record.state.is_running() || self.all || self.limit > 0;
        let has_code = || match record.state {
            State::Exited { code, .. } => self.exit_codes.contains(&code),
            _ => false,
        };
        is_shown
            && (self.names.include(&record.name) || self.names.include(record.name.trim_start_matches('/')))
            && self.ids.include(&record.id.to_string())
            && self.filters.match_kv_list("label", labels)
            && (self.exit_codes.is_empty() || has_code())
            && self.statuses.include(record.state.word())
            && self.filters.exact_match("health", "none")
            && self.ancestors.as_ref().is_none_or(|images| record.image.is_some_and(|image| images.contains(&image)))
            // Nothing here has a port.
            && !["publish", "expose"].iter().any(|key| self.filters.contains(key))
            && self.is_on_network(record)
            && self.mounts(record)
            && !["true", "1"].iter().any(|yes| self.filters.get("is-task").any(|value| value == *yes))
    }
}

impl List {
    fn is_on_network(&self, record: &Record) -> bool {
        let is_one = |wanted: &str| {
            let named =
                |name: &String| name == wanted || self.networks.get(name).is_some_and(|id| id == wanted);
            record.networks.keys().any(named)
        };
        !self.filters.contains("network") || self.filters.get("network").any(is_one)
    }

    fn mounts(&self, record: &Record) -> bool {
        let is_one = |wanted: &str| {
            record.mounts.iter().any(|mount| mount.volume() == Some(wanted) || mount.destination() == wanted)
        };
        !self.filters.contains("volume") || self.filters.get("volume").any(is_one)
    }
}

/// `80`, `80/tcp`, `80-90/udp`.
fn check_port(key: &str, text: &str) -> Result<()> {
    let (ports, _) = text.split_once('/').unwrap_or((text, "tcp"));
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    for number in [first, last] {
        if number.parse::<u16>().is_err() {
            let cause = format!("strconv.ParseUint: parsing \"{number}\": invalid syntax");
            return Err(Error::system(format!("error while looking up for {key} {text}: {cause}")));
        }
    }
    Ok(())
}

fn because(semantics: &Semantics, key: &str, value: &str, cause: &str) -> Error {
    Error::invalid_parameter(format!("{}: {cause}", invalid_filter(semantics, key, value)))
}

fn invalid_filter(semantics: &Semantics, key: &str, value: &str) -> Error {
    Error::invalid_parameter(format!("{} '{key}={value}'", semantics.invalid_filter_prefix))
}

/// The images that are named, and all that have one of them above them. Names of no image are passed over.
fn descendants<'a>(daemon: &Daemon, names: impl Iterator<Item = &'a str>) -> HashSet<ImageId> {
    let mut waiting: Vec<_> = names.filter_map(|name| daemon.find(name).ok()).collect();
    let mut found = HashSet::new();
    while let Some(id) = waiting.pop() {
        if found.insert(id) {
            waiting.extend(daemon.store.children(id));
        }
    }
    found
}
