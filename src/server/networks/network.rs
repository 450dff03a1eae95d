//! Networks as the API shows them, and all there are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::answer::Refusal;
use super::super::ids::Ids;
use super::super::shape::Nothing;
use crate::api::event::{Actor, EventLog};
use crate::base::error::{Error, Result};
use crate::base::sync::Mutex;
use crate::go::time::Timestamp;

/// One network.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "as moby's struct has them")]
pub struct Network {
    pub id: String,
    pub name: String,
    pub created: Timestamp,
    pub driver: String,
    pub enable_ipv6: bool,
    pub ipam: Ipam,
    pub internal: bool,
    pub attachable: bool,
    pub ingress: bool,
    pub config_from: String,
    pub config_only: bool,
    pub options: Value,
    pub labels: BTreeMap<String, String>,
}

/// Where a network's addresses come from.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Ipam {
    pub driver: String,
    pub options: Value,
    pub config: Vec<Pool>,
}

/// Addresses that a network gives away. What is not set is not written.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Pool {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subnet: String,
    #[serde(rename = "IPRange", skip_serializing_if = "String::is_empty")]
    pub ip_range: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub gateway: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub auxiliary_addresses: BTreeMap<String, String>,
}

/// A network as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
#[expect(clippy::struct_excessive_bools, reason = "as moby's struct has them")]
pub struct Shown<'a> {
    name: &'a str,
    id: &'a str,
    created: String,
    scope: &'static str,
    driver: &'a str,
    #[serde(rename = "EnableIPv6")]
    enable_ipv6: bool,
    #[serde(rename = "IPAM")]
    ipam: &'a Ipam,
    internal: bool,
    attachable: bool,
    ingress: bool,
    config_from: BTreeMap<&'static str, &'a str>,
    config_only: bool,
    /// Nothing is attached.
    containers: Nothing,
    options: &'a Value,
    labels: &'a BTreeMap<String, String>,
}

impl Network {
    /// A network that every daemon has.
    pub fn is_predefined(&self) -> bool {
        is_predefined(&self.name)
    }

    /// DIFFERENCE(nothing-attached): the containers that run on it are not listed.
    pub fn shown(&self) -> Shown<'_> {
        Shown {
            name: &self.name,
            id: &self.id,
            created: self.created.rfc3339_nano(0).to_string(),
            scope: "local",
            driver: &self.driver,
            enable_ipv6: self.enable_ipv6,
            ipam: &self.ipam,
            internal: self.internal,
            attachable: self.attachable,
            ingress: self.ingress,
            config_from: BTreeMap::from([("Network", &*self.config_from)]),
            config_only: self.config_only,
            containers: Nothing {},
            options: &self.options,
            labels: &self.labels,
        }
    }

    pub fn log(&self, events: &EventLog, action: &'static str, container: Option<&str>) {
        let mut attributes: BTreeMap<_, _> =
            [("name".to_owned(), self.name.clone()), ("type".to_owned(), self.driver.clone())].into();
        attributes.extend(container.map(|id| ("container".to_owned(), id.to_owned())));
        events.log("network", action, Actor { id: self.id.clone(), attributes: Some(attributes) });
    }
}

pub fn is_predefined(name: &str) -> bool {
    matches!(name, "bridge" | "host" | "none" | "default")
}

/// The options of `docker0`.
const BRIDGE: [(&str, &str); 6] = [
    ("com.docker.network.bridge.default_bridge", "true"),
    ("com.docker.network.bridge.enable_icc", "true"),
    ("com.docker.network.bridge.enable_ip_masquerade", "true"),
    ("com.docker.network.bridge.host_binding_ipv4", "0.0.0.0"),
    ("com.docker.network.bridge.name", "docker0"),
    ("com.docker.network.driver.mtu", "1500"),
];

/// All networks, oldest first.
pub struct Networks(Mutex<Vec<Network>>);

impl Networks {
    /// The three that every daemon has.
    pub fn new(ids: &Ids, now: Timestamp) -> Self {
        let network = |name: &str, driver: &str, config: Vec<Pool>, options: Value| Network {
            id: ids.next("network"),
            name: name.to_owned(),
            created: now,
            driver: driver.to_owned(),
            enable_ipv6: false,
            ipam: Ipam { driver: "default".to_owned(), options: Value::Null, config },
            internal: false,
            attachable: false,
            ingress: false,
            config_from: String::new(),
            config_only: false,
            options,
            labels: BTreeMap::new(),
        };
        let options = json!(BTreeMap::from(BRIDGE));
        Self(Mutex::new(vec![
            network("bridge", "bridge", vec![pool(0)], options),
            network("host", "host", Vec::new(), json!({})),
            network("none", "null", Vec::new(), json!({})),
        ]))
    }

    pub fn all(&self) -> Vec<Network> {
        self.0.lock().clone()
    }

    /// By ID, name or the beginning of an ID, in this order; `ambiguous` says what is wrong where several have it.
    ///
    /// # Errors
    ///
    /// None, or several.
    pub fn find(&self, term: &str, ambiguous: fn(&str, usize, &str) -> String) -> Result<Network> {
        let networks = self.0.lock();
        if let Some(network) = networks.iter().find(|network| network.id == term) {
            return Ok(network.clone());
        }
        let named: Vec<_> = networks.iter().filter(|network| network.name == term).collect();
        let begun: Vec<_> =
            networks.iter().filter(|network| !term.is_empty() && network.id.starts_with(term)).collect();
        for (found, by) in [(named, "name"), (begun, "ID prefix")] {
            match found.as_slice() {
                [] => {}
                [network] => return Ok((*network).clone()),
                several => return Err(Error::invalid_parameter(ambiguous(term, several.len(), by))),
            }
        }
        Err(Error::not_found(format!("network {term} not found")))
    }

    /// Adds a network, with addresses of its own where it asks for none.
    ///
    /// # Errors
    ///
    /// `check` refuses, given the networks there are; all addresses are given away.
    pub fn add<T>(
        &self,
        mut network: Network,
        check: impl FnOnce(&[Network]) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut networks = self.0.lock();
        let checked = check(&networks)?;
        if network.ipam.config.is_empty() && network.driver == "bridge" && !network.config_only {
            let is_free = |number: &u8| {
                let subnet = pool(*number).subnet;
                networks.iter().flat_map(|network| &network.ipam.config).all(|used| used.subnet != subnet)
            };
            let free = (0..POOLS).find(is_free).ok_or_else(|| {
                Error::not_found(
                    "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to \
                     the network",
                )
            })?;
            network.ipam.config.push(pool(free));
        }
        networks.push(network);
        Ok(checked)
    }

    /// True where it was there.
    pub fn remove(&self, id: &str) -> bool {
        let mut networks = self.0.lock();
        let count = networks.len();
        networks.retain(|network| network.id != id);
        networks.len() < count
    }
}

/// Address pools that docker has by default.
const POOLS: u8 = 31;

/// `172.17.0.0/16` to `172.31.0.0/16`, then `192.168.0.0/20` and so on.
fn pool(number: u8) -> Pool {
    let (subnet, gateway) = if number < 15 {
        (format!("172.{}.0.0/16", 17 + number), format!("172.{}.0.1", 17 + number))
    } else {
        let third = (number - 15) * 16;
        (format!("192.168.{third}.0/20"), format!("192.168.{third}.1"))
    };
    Pool { subnet, gateway, ..Pool::default() }
}
