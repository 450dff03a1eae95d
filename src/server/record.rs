//! Containers as the API shows them, and the shelf that holds them. What a prune asks of a container stands in the container store.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::containers::Mount;
use super::shape::{CONFIG, ENDPOINT, HOST_CONFIG, Object};
use super::state::State;
use crate::base::digest::{ContainerId, Digest, ImageId};
use crate::base::error::{Error, Result};
use crate::base::sync::Mutex;
use crate::document::world::World;
use crate::go::time::Timestamp;

/// One container.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub id: ContainerId,
    /// With the slash in front.
    pub name: String,
    /// `None` for one that was made without.
    pub image: Option<ImageId>,
    pub created: Timestamp,
    pub state: State,
    pub path: String,
    pub args: Vec<String>,
    pub config: Object,
    pub host_config: Object,
    pub mounts: Vec<Mount>,
    /// The networks that it names, with its settings there.
    pub networks: BTreeMap<String, Object>,
    /// What it is to have printed.
    pub logs: Arc<[u8]>,
    /// How often it has ended.
    pub exits: u32,
}

impl Record {
    /// The name of its image as it was given.
    pub fn image_name(&self) -> &str {
        self.config.get("Image").as_str().unwrap_or_default()
    }

    /// The ID of its image, as it is shown.
    pub fn image_id(&self) -> String {
        self.image.map(|image| image.to_string()).unwrap_or_default()
    }

    pub fn labels(&self) -> BTreeMap<&str, &str> {
        let labels = self.config.get("Labels").as_object().into_iter().flatten();
        labels.map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default())).collect()
    }

    /// What it runs, as `docker ps` prints it.
    pub fn command(&self) -> String {
        let quoted = |arg: &String| if arg.contains(' ') { format!("'{arg}'") } else { arg.clone() };
        std::iter::once(self.path.clone()).chain(self.args.iter().map(quoted)).collect::<Vec<_>>().join(" ")
    }
}

/// All containers, and the IDs of those to come.
pub(super) struct Shelf(Mutex<Inner>);

struct Inner {
    records: BTreeMap<ContainerId, Record>,
    seed: u64,
    made: u64,
}

impl Inner {
    fn check_name(&self, name: &str) -> Result<()> {
        match self.records.values().find(|other| other.name == name) {
            None => Ok(()),
            Some(other) => Err(Error::conflict(format!(
                "Conflict. The container name \"{name}\" is already in use by container \"{}\". You have to remove (or \
                 rename) that container to be able to reuse that name.",
                other.id
            ))),
        }
    }
}

impl Shelf {
    /// The containers of a state, which says no more of them than their image and whether they run.
    pub fn of(world: &World, now: Timestamp, seed: u64) -> Self {
        let nothing = Map::new();
        let records = world.containers.iter().map(|container| {
            let state = if container.running {
                State::Running { since: now }
            } else {
                State::Exited { started: now, finished: now, code: 0 }
            };
            let mut config = Object::new(CONFIG, &nothing);
            config.set("Image", container.image.to_string());
            let record = Record {
                id: container.id,
                // DIFFERENCE(containers-of-a-state): a state tells neither names nor commands nor labels.
                name: default_name(container.id),
                image: Some(container.image),
                created: now,
                state,
                path: String::new(),
                args: Vec::new(),
                config,
                host_config: Object::new(HOST_CONFIG, &nothing),
                mounts: Vec::new(),
                networks: [("bridge".to_owned(), Object::new(ENDPOINT, &nothing))].into(),
                logs: Arc::default(),
                exits: 0,
            };
            (container.id, record)
        });
        Self(Mutex::new(Inner { records: records.collect(), seed, made: 0 }))
    }

    /// An ID that no container has had.
    pub fn new_id(&self) -> ContainerId {
        let mut inner = self.0.lock();
        loop {
            inner.made += 1;
            let text = format!("container {} {}", inner.seed, inner.made);
            let id = ContainerId::from(Digest::of(text.as_bytes()));
            if !inner.records.contains_key(&id) {
                return id;
            }
        }
    }

    /// Newest first; by ID where two are of the same moment.
    pub fn all(&self) -> Vec<Record> {
        let mut records: Vec<_> = self.0.lock().records.values().cloned().collect();
        records.sort_by_key(|record| (std::cmp::Reverse(record.created), record.id));
        records
    }

    /// By ID, name or the beginning of an ID, in this order, as moby's `GetContainer`.
    ///
    /// # Errors
    ///
    /// None, or several of which the text is the beginning.
    pub fn find(&self, text: &str) -> Result<Record> {
        let inner = self.0.lock();
        if let Some(record) = text.parse().ok().and_then(|id: ContainerId| inner.records.get(&id)) {
            return Ok(record.clone());
        }
        let name = text.strip_prefix('/').unwrap_or(text);
        if let Some(record) =
            inner.records.values().find(|record| record.name.strip_prefix('/') == Some(name))
        {
            return Ok(record.clone());
        }
        let mut begin = inner.records.values().filter(|record| record.id.to_string().starts_with(text));
        match (begin.next().filter(|_| !text.is_empty()), begin.next()) {
            (Some(record), None) => Ok(record.clone()),
            (Some(_), Some(_)) => {
                Err(Error::system(format!("multiple IDs found with provided prefix: {text}")))
            }
            (None, _) => Err(Error::not_found(format!("No such container: {text}"))),
        }
    }

    /// Adds a container under a name that nobody has.
    ///
    /// # Errors
    ///
    /// moby's conflict.
    pub fn add(&self, record: Record) -> Result<()> {
        let mut inner = self.0.lock();
        inner.check_name(&record.name)?;
        inner.records.insert(record.id, record);
        Ok(())
    }

    /// Gives a container a name that nobody has.
    ///
    /// # Errors
    ///
    /// moby's conflict; the container is gone.
    pub fn rename(&self, id: ContainerId, name: &str) -> Result<Record> {
        let mut inner = self.0.lock();
        inner.check_name(name)?;
        let missing = || Error::not_found(format!("No such container: {id}"));
        let record = inner.records.get_mut(&id).ok_or_else(missing)?;
        name.clone_into(&mut record.name);
        Ok(record.clone())
    }

    /// Changes what there is to know of a container; none where it is gone.
    pub fn update<T>(&self, id: ContainerId, change: impl FnOnce(&mut Record) -> T) -> Option<T> {
        self.0.lock().records.get_mut(&id).map(change)
    }

    /// Changes a container's state where `change` has one for it; the container as it is then.
    pub fn change(&self, id: ContainerId, change: impl FnOnce(State) -> Option<State>) -> Option<Record> {
        let mut inner = self.0.lock();
        let record = inner.records.get_mut(&id)?;
        let state = change(record.state)?;
        record.exits += u32::from(record.state.is_running() && !state.is_running());
        record.state = state;
        Some(record.clone())
    }

    /// Takes a container out, where `may_go` says so.
    pub fn remove(&self, id: ContainerId, may_go: impl FnOnce(&Record) -> bool) -> Option<Record> {
        let mut inner = self.0.lock();
        inner.records.get(&id).filter(|record| may_go(record))?;
        inner.records.remove(&id)
    }
}

/// The name of a container that nobody named.
pub(super) fn default_name(id: ContainerId) -> String {
    format!("/container-{}", crate::base::digest::short(&id.to_string()))
}

/// The strings of a JSON list.
pub(super) fn strings(value: &Value) -> Vec<String> {
    let items = value.as_array().into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}
