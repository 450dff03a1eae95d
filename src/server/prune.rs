//! The prunes of containers, networks, volumes and of the build cache, which is empty (moby's `daemon/prune.go`).

use serde_json::{Value, json};

use super::answer::{Answer, Refusal};
use super::call::Call;
use super::daemon::Daemon;
use super::shape::Object;
use super::{containers, networks, volumes};
use crate::api::event::Actor;
use crate::api::request::until_limit;
use crate::base::error::{Error, Result};
use crate::base::guard::Guard;
use crate::document::filters::Filters;
use crate::go::time::Timestamp;

/// What is pruned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Containers,
    Networks,
    Volumes,
    BuildCache,
}

/// The API version since which a prune of volumes leaves those with a name, unless `all` are asked for.
const ALL_SINCE: u16 = 42;

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

pub(super) fn prune(daemon: &Daemon, call: &Call, kind: Kind) -> Result<Answer, Refusal> {
    let semantics = daemon.semantics();
    let filters = Filters::parse(call.form.get("filters"), semantics)?;
    let _guard = Guard::of_prune(daemon.is_pruning())?;
    let in_build = |error: Error| match kind {
        Kind::BuildCache => {
            Error::new(error.class(), format!("{}{error}", semantics.build_prune_error_prefix))
        }
        _ => error,
    };
    let takes_all = kind == Kind::Volumes && semantics.volume_prune_takes_all && call.version >= ALL_SINCE;
    let accepted: Vec<_> = kind.accepted().iter().copied().chain(takes_all.then_some("all")).collect();
    filters.validate(&accepted, semantics).map_err(in_build)?;
    let report = match kind {
        Kind::Containers => containers::prune(daemon, call, &filters)?,
        Kind::Networks => networks::prune(daemon, call, &filters)?,
        Kind::Volumes => volumes::prune(daemon, &filters, takes_all)?,
        Kind::BuildCache => Object::of(vec![("CachesDeleted", Value::Null), ("SpaceReclaimed", json!(0))]),
    };
    let attributes = [("reclaimed".to_owned(), "0".to_owned())].into();
    daemon.events().log(kind.event(), "prune", Actor { id: String::new(), attributes: Some(attributes) });
    Ok(Answer::json(&report))
}

/// Without the prefix that prunes of images have, and with a class of its own (H-9).
pub(super) fn until_of(daemon: &Daemon, filters: &Filters) -> Result<Option<Timestamp>> {
    let semantics = daemon.semantics();
    until_limit(filters, semantics, daemon.now(), "")
        .map_err(|error| Error::new(semantics.container_until_error_class, error.to_string()))
}

/// `label` and `label!` include what has these labels.
pub(super) fn has_labels<'a>(filters: &Filters, labels: impl Iterator<Item = (&'a str, &'a str)>) -> bool {
    let labels: Vec<_> = labels.collect();
    let matches = |key: &str| filters.match_kv_list(key, labels.iter().copied());
    matches("label") && !(filters.contains("label!") && matches("label!"))
}
