//! `POST /networks/create` (moby's `daemon/network.go`).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::answer::{Answer, Refusal};
use super::super::call::Call;
use super::super::daemon::Daemon;
use super::super::shape::{Object, find};
use super::network::{Ipam, Network, Pool, is_predefined};
use crate::base::error::{Error, Result};

/// Drivers that a daemon has by itself and a network can be made of.
const DRIVERS: [&str; 3] = ["bridge", "ipvlan", "macvlan"];

pub fn create(daemon: &Daemon, call: &mut Call) -> Result<Answer, Refusal> {
    let body = call.document()?;
    let network = read(daemon, &body)?;
    if is_predefined(&network.name) {
        return Err(Refusal::Status(
            403,
            format!("operation is not permitted on predefined {} network ", network.name),
        ));
    }
    let checks_duplicate = flag(&body, "CheckDuplicate");
    let (id, name) = (network.id.clone(), network.name.clone());
    let warning = daemon.networks.add(network.clone(), |others| {
        let Some(other) = others.iter().find(|other| other.name == name) else {
            check_driver(&network)?;
            return Ok(String::new());
        };
        if checks_duplicate {
            return Err(Error::conflict(format!("network with name {name} already exists")).into());
        }
        check_driver(&network)?;
        Ok(format!("Network with name {name} (id : {}) already exists", other.id))
    })?;
    network.log(daemon.events(), "create", None);
    Ok(Answer::json_with_status(201, &Object::of(vec![("Id", id.into()), ("Warning", warning.into())])))
}

fn text(object: &Map<String, Value>, name: &str) -> String {
    find(object, name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn flag(object: &Map<String, Value>, name: &str) -> bool {
    find(object, name).and_then(Value::as_bool).unwrap_or_default()
}

fn read(daemon: &Daemon, body: &Map<String, Value>) -> Result<Network, Refusal> {
    let driver = match text(body, "Driver") {
        empty if empty.is_empty() => "bridge".to_owned(),
        driver => driver,
    };
    let nothing = Map::new();
    let ipam = find(body, "IPAM").and_then(Value::as_object).unwrap_or(&nothing);
    let config = match find(ipam, "Config") {
        None | Some(Value::Null) => Vec::new(),
        Some(config) => Vec::<Pool>::deserialize(config)
            .map_err(|error| super::super::answer::invalid(format!("IPAM.Config: {error}")))?,
    };
    for Pool { subnet, .. } in config.iter().filter(|pool| !pool.subnet.is_empty()) {
        let is_subnet = subnet.split_once('/').is_some_and(|(address, bits)| {
            address.parse::<std::net::IpAddr>().is_ok() && bits.parse::<u8>().is_ok_and(|bits| bits <= 128)
        });
        if !is_subnet {
            return Err(
                Error::system(format!("Invalid subnet {subnet} : invalid CIDR address: {subnet}")).into()
            );
        }
    }
    let strings = |name: &str| -> BTreeMap<String, String> {
        let pairs = find(body, name).and_then(Value::as_object).into_iter().flatten();
        pairs.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
    };
    Ok(Network {
        id: daemon.ids.next("network"),
        name: text(body, "Name"),
        created: daemon.now().instant,
        driver,
        enable_ipv6: flag(body, "EnableIPv6"),
        ipam: Ipam {
            driver: Some(text(ipam, "Driver"))
                .filter(|driver| !driver.is_empty())
                .unwrap_or("default".into()),
            options: find(ipam, "Options").cloned().unwrap_or_default(),
            config,
        },
        internal: flag(body, "Internal"),
        attachable: flag(body, "Attachable"),
        ingress: flag(body, "Ingress"),
        config_from: find(body, "ConfigFrom")
            .and_then(Value::as_object)
            .map(|from| text(from, "Network"))
            .unwrap_or_default(),
        config_only: flag(body, "ConfigOnly"),
        options: json!(strings("Options")),
        labels: strings("Labels"),
    })
}

fn check_driver(network: &Network) -> Result<(), Refusal> {
    let missing = |plugin: &str| Err(Error::not_found(format!("plugin \"{plugin}\" not found")).into());
    match network.driver.as_str() {
        "overlay" => return Err(Error::system(super::super::swarm::NO_MANAGER).into()),
        driver @ ("null" | "host") => {
            let message = format!("only one instance of \"{driver}\" network is allowed");
            return Err(Refusal::Status(403, message));
        }
        driver if !DRIVERS.contains(&driver) => return missing(driver),
        _ => {}
    }
    if network.name.trim().is_empty() {
        return Err(Error::system(format!("invalid name: {}", network.name)).into());
    }
    match network.ipam.driver.as_str() {
        "default" | "null" => Ok(()),
        driver => missing(driver),
    }
}
