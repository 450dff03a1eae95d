//! `POST /networks/{id}/connect` and `/disconnect`: which networks a container names (moby's
//! `daemon/container_operations.go`).

use serde_json::{Map, Value};

use super::super::answer::{Answer, Refusal};
use super::super::call::Call;
use super::super::daemon::Daemon;
use super::super::record::Record;
use super::super::shape::{ENDPOINT, Object, find};
use super::network::{Network, is_predefined};
use crate::base::error::{Error, Result};

fn named(daemon: &Daemon, name: &str) -> Result<Network> {
    daemon.networks.find(name, |term, count, by| {
        format!("network {term} is ambiguous ({count} matches found based on {by})")
    })
}

fn container(daemon: &Daemon, body: &Map<String, Value>) -> Result<Record> {
    daemon.shelf.find(find(body, "Container").and_then(Value::as_str).unwrap_or_default())
}

pub fn connect(daemon: &Daemon, call: &mut Call, name: &str) -> Result<Answer, Refusal> {
    let body = call.document()?;
    let record = container(daemon, &body)?;
    let network = named(daemon, name)?;
    let given = find(&body, "EndpointConfig").and_then(Value::as_object).cloned().unwrap_or_default();
    let changed = daemon.shelf.update(record.id, |record| {
        if record.state.is_running() && record.networks.contains_key(&network.name) {
            return Err(Refusal::Status(
                403,
                format!(
                    "endpoint with name {} already exists in network {}",
                    record.name.trim_start_matches('/'),
                    network.name
                ),
            ));
        }
        record.networks.insert(network.name.clone(), Object::new(ENDPOINT, &given));
        Ok(record.state.is_running())
    });
    if changed.transpose()? == Some(true) {
        network.log(daemon.events(), "connect", Some(&record.id.to_string()));
    }
    Ok(Answer::empty(200))
}

pub fn disconnect(daemon: &Daemon, call: &mut Call, name: &str) -> Result<Answer, Refusal> {
    let body = call.document()?;
    let record = container(daemon, &body)?;
    let network = match named(daemon, name) {
        Err(error) if record.state.is_running() => return Err(error.into()),
        network => network.ok(),
    };
    let name = network.as_ref().map_or(name, |network| &network.name);
    let changed = daemon.shelf.update(record.id, |record| {
        let was_there = record.networks.remove(name).is_some();
        let what = if record.state.is_running() { "network" } else { "the network" };
        let absent = || Error::system(format!("container {} is not connected to {what} {name}", record.id));
        was_there.then(|| record.state.is_running()).ok_or_else(absent)
    });
    if let (Some(true), Some(network)) = (changed.transpose()?, network) {
        network.log(daemon.events(), "disconnect", Some(&record.id.to_string()));
    }
    Ok(Answer::empty(200))
}

/// Tells of each network of a container that starts or ends.
pub fn log_of(daemon: &Daemon, record: &Record, action: &'static str) {
    for name in record.networks.keys() {
        if let Ok(network) = named(daemon, name) {
            network.log(daemon.events(), action, Some(&record.id.to_string()));
        }
    }
}

/// # Errors
///
/// A network that a container names and that is not there.
pub fn require(daemon: &Daemon, record: &Record) -> Result<()> {
    let mut names = record.networks.keys().filter(|name| !is_predefined(name));
    names.try_for_each(|name| named(daemon, name).map(drop))
}
