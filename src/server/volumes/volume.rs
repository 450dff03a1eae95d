//! Volumes as the API shows them, and all there are.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::api::event::{Actor, EventLog};
use crate::base::error::{Error, Result};
use crate::base::sync::Mutex;
use crate::go::time::Timestamp;

/// One volume, made by the driver `local`.
#[derive(Debug, Clone)]
pub struct Volume {
    pub name: String,
    pub created: Timestamp,
    pub labels: Option<BTreeMap<String, String>>,
    pub options: Option<BTreeMap<String, String>>,
}

/// A volume as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Shown {
    created_at: String,
    driver: &'static str,
    labels: Option<BTreeMap<String, String>>,
    mountpoint: String,
    name: String,
    options: Option<BTreeMap<String, String>>,
    scope: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_data: Option<Usage>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Usage {
    pub ref_count: usize,
    pub size: u64,
}

impl Shown {
    /// A container mounts it, as far as that was counted.
    pub fn is_used(&self) -> bool {
        self.usage_data.as_ref().is_some_and(|usage| usage.ref_count > 0)
    }
}

/// Where a volume's files would be.
pub fn mountpoint(name: &str) -> String {
    format!("/var/lib/docker/volumes/{name}/_data")
}

impl Volume {
    pub fn shown(&self, usage_data: Option<Usage>) -> Shown {
        // To the second.
        let created = Timestamp::new(self.created.unix_seconds(), 0);
        Shown {
            created_at: created.rfc3339_nano(0).to_string(),
            driver: "local",
            labels: self.labels.clone(),
            mountpoint: mountpoint(&self.name),
            name: self.name.clone(),
            options: self.options.clone(),
            scope: "local",
            usage_data,
        }
    }
}

pub fn log(events: &EventLog, name: &str, action: &'static str, more: &[(&str, String)]) {
    let mut attributes: BTreeMap<_, _> = [("driver".to_owned(), "local".to_owned())].into();
    attributes.extend(more.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    events.log("volume", action, Actor { id: name.to_owned(), attributes: Some(attributes) });
}

/// All volumes, by name.
#[derive(Default)]
pub struct Volumes(Mutex<BTreeMap<String, Volume>>);

impl Volumes {
    pub fn all(&self) -> Vec<Volume> {
        self.0.lock().values().cloned().collect()
    }

    /// # Errors
    ///
    /// There is none of this name.
    pub fn find(&self, name: &str) -> Result<Volume> {
        let missing = || Error::not_found(format!("get {name}: no such volume"));
        self.0.lock().get(name).cloned().ok_or_else(missing)
    }

    /// The volume of this name: the one that is there, or else this one.
    pub fn add(&self, volume: Volume) -> Volume {
        self.0.lock().entry(volume.name.clone()).or_insert(volume).clone()
    }

    /// True where it was there.
    pub fn remove(&self, name: &str) -> bool {
        self.0.lock().remove(name).is_some()
    }
}
