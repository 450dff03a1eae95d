//! `POST /containers/prune`, and the prunes of networks, volumes and build cache, of which there are none here
//! (moby's `daemon/prune.go`).

use serde_json::{Value, json};

use super::super::answer::{Answer, Refusal};
use super::super::call::Call;
use super::super::daemon::Daemon;
use super::super::shape::Object;
use super::change::take_away;
use crate::digest::ContainerId;
use crate::event::Actor;
use crate::filters::Filters;
use crate::go::time::Timestamp;
use crate::prune::Guard;
use crate::request::until_limit;
use crate::sync::atomic::Ordering;
use crate::{Error, Result};

/// What is pruned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Kind {
    Containers,
    Networks,
    Volumes,
    BuildCache,
}

impl Kind {
    const fn accepted(self) -> &'static [&'static str] {
        match self {
            Self::Containers | Self::Networks => &["label", "label!", "until"],
            Self::Volumes => &["label", "label!"],
            Self::BuildCache => {
                &["until", "id", "parent", "type", "description", "inuse", "shared", "private"]
            }
        }
    }

    const fn event(self) -> &'static str {
        match self {
            Self::Containers => "container",
            Self::Networks => "network",
            Self::Volumes => "volume",
            Self::BuildCache => "builder",
        }
    }
}

pub fn prune(daemon: &Daemon, call: &Call, kind: Kind) -> Result<Answer, Refusal> {
    let semantics = daemon.semantics();
    let filters = Filters::parse(call.form.get("filters"), semantics)?;
    let _guard = Guard::of_prune(daemon.is_pruning())?;
    filters.validate(kind.accepted(), semantics)?;
    let space = ("SpaceReclaimed", json!(0));
    let report = match kind {
        Kind::Containers => {
            let deleted = prune_containers(daemon, call, &filters)?;
            let deleted = (!deleted.is_empty()).then_some(deleted);
            vec![("ContainersDeleted", json!(deleted)), space]
        }
        Kind::Networks => {
            until_of(daemon, &filters)?;
            vec![("NetworksDeleted", Value::Null)]
        }
        Kind::Volumes => vec![("VolumesDeleted", json!([])), space],
        Kind::BuildCache => vec![("CachesDeleted", Value::Null), space],
    };
    let attributes = [("reclaimed".to_owned(), "0".to_owned())].into();
    daemon.events().log(kind.event(), "prune", Actor { id: String::new(), attributes: Some(attributes) });
    Ok(Answer::json(&Object::of(report)))
}

/// Without the prefix that prunes of images have, and with a class of its own (H-9).
fn until_of(daemon: &Daemon, filters: &Filters) -> Result<Option<Timestamp>> {
    let semantics = daemon.semantics();
    until_limit(filters, semantics, daemon.now(), "")
        .map_err(|error| Error::new(semantics.container_until_error_class, error.to_string()))
}

fn prune_containers(daemon: &Daemon, call: &Call, filters: &Filters) -> Result<Vec<ContainerId>> {
    let until = until_of(daemon, filters)?;
    let mut deleted = Vec::new();
    for record in daemon.shelf.all() {
        if call.is_cancelled.load(Ordering::Relaxed) {
            break;
        }
        let is_new = until.is_some_and(|until| record.created > until);
        let labels = record.labels();
        let matches =
            |key: &str| filters.match_kv_list(key, labels.iter().map(|(key, value)| (*key, *value)));
        let is_kept = !matches("label") || (filters.contains("label!") && matches("label!"));
        if !record.state.is_running() && !is_new && !is_kept && take_away(daemon, &record)? {
            deleted.push(record.id);
        }
    }
    Ok(deleted)
}
