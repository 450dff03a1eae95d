//! `DELETE /networks/{id}` and `POST /networks/prune`.

use serde_json::{Value, json};

use super::super::answer::{Answer, Refusal};
use super::super::call::Call;
use super::super::daemon::Daemon;
use super::super::shape::Object;
use super::network::Network;
use crate::base::error::Result;
use crate::base::sync::atomic::Ordering;
use crate::document::filters::Filters;

/// A container runs on it.
pub(super) fn is_in_use(daemon: &Daemon, network: &Network) -> bool {
    let records = daemon.shelf.all();
    records.iter().any(|record| record.state.is_running() && record.networks.contains_key(&network.name))
}

pub fn remove(daemon: &Daemon, name: &str) -> Result<Answer, Refusal> {
    let network = daemon.networks.find(name, |term, count, by| {
        format!("network {term} is ambiguous ({count} matches found based on {by})")
    })?;
    if network.is_predefined() {
        let message = format!("{} is a pre-defined network and cannot be removed", network.name);
        return Err(Refusal::Status(403, message));
    }
    if is_in_use(daemon, &network) {
        let message = format!(
            "error while removing network: network {} id {} has active endpoints",
            network.name, network.id
        );
        return Err(Refusal::Status(403, message));
    }
    take_away(daemon, &network);
    Ok(Answer::empty(204))
}

fn take_away(daemon: &Daemon, network: &Network) {
    if daemon.networks.remove(&network.id) {
        network.log(daemon.events(), "destroy", None);
    }
}

/// What is left once the filters are read and the guard is held.
pub fn prune(daemon: &Daemon, call: &Call, filters: &Filters) -> Result<Object> {
    let has_none = filters.contains("until") && filters.get("until").next().is_none();
    let until = if has_none && daemon.semantics().empty_network_until_is_none {
        None
    } else {
        super::super::prune::until_of(daemon, filters)?
    };
    let mut deleted = Vec::new();
    for network in daemon.networks.all() {
        if call.is_cancelled.load(Ordering::Relaxed) {
            break;
        }
        let is_new = until.is_some_and(|until| network.created > until);
        let labels = network.labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let is_kept = network.is_predefined() || is_new || !super::super::prune::has_labels(filters, labels);
        if !is_kept && !is_in_use(daemon, &network) {
            take_away(daemon, &network);
            deleted.push(network.name);
        }
    }
    let deleted = if deleted.is_empty() { Value::Null } else { json!(deleted) };
    Ok(Object::of(vec![("NetworksDeleted", deleted)]))
}
