//! The state of a live daemon, as far as its API tells: four stores for a plan.
//!
//! The API tells no configs and no sizes of layers. What a prune looks at in a config it does tell; the sizes follow
//! from the history of each image, and where they do not, [`State::estimated`] names the images.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Display;

use serde_json::json;

use super::answer::{ContainerSummary, HistoryItem, ImageConfig, ImageDetails, ImageSummary, Info};
use super::api::Client;
use super::error::{ClientError, FailureKind};
use crate::digest::{ChainId, ContainerId, DiffId, ImageId};
use crate::go::time::Now;
use crate::store::Stores;
use crate::{Reference, Semantics, World, world};

mod sizes;

use sizes::{Chain, Sizes};

/// A daemon's state at one moment, more or less: the API has no snapshot.
#[derive(Debug)]
pub struct State {
    /// Its stores. Configs hold what the API tells; see [`Stores::load_observed`].
    pub stores: Stores,
    /// The same as a description.
    pub world: World,
    /// The daemon's clock and zone, by which it reads `until`.
    pub now: Now,
    /// The version of moby that is nearest to it.
    pub semantics: Semantics,
    /// Its ID.
    pub daemon: String,
    /// Images whose layers' sizes cannot be told apart: their sum is right, each may be wrong.
    pub estimated: BTreeSet<ImageId>,
    /// Containers whose image is gone. They hold layers that nobody tells of.
    pub orphans: usize,
}

/// Reads states, and remembers what never changes: what an image consists of.
#[derive(Debug, Default)]
pub struct StateReader {
    known: HashMap<ImageId, Known>,
}

/// What an image consists of.
#[derive(Debug, Clone)]
struct Known {
    config: Vec<u8>,
    diffs: Vec<DiffId>,
    /// Bytes of each step of its history, oldest first.
    history: Vec<i64>,
}

impl StateReader {
    /// Reads the state of a daemon, with two requests for each image that was not there before.
    ///
    /// # Errors
    ///
    /// The daemon cannot be asked; it changes faster than it can be read; it keeps its images in containerd, which
    /// prunes by other rules.
    pub fn read(&mut self, client: &Client) -> Result<State, ClientError> {
        const ATTEMPTS: usize = 3;
        let mut attempt = 1;
        loop {
            match self.read_once(client) {
                // Something went between the list and the question.
                Err(error) if error.status() == Some(404) && attempt < ATTEMPTS => attempt += 1,
                read => return read,
            }
        }
    }

    fn read_once(&mut self, client: &Client) -> Result<State, ClientError> {
        let info = client.info()?;
        refuse_containerd(&info)?;
        let semantics = semantics_of(client)?;
        let listed = client.images(true)?;
        let containers = client.containers(false)?;
        let mut images = Vec::with_capacity(listed.len());
        for summary in listed {
            let id: ImageId = identifier("image", &summary.id)?;
            images.push((id, self.known(client, id)?, summary));
        }
        let is_there: BTreeSet<ImageId> = images.iter().map(|(id, ..)| *id).collect();
        self.known.retain(|id, _| is_there.contains(id));
        let (world, estimated) = describe(images, &containers, &semantics)?;
        let orphans =
            world.containers.iter().filter(|container| !is_there.contains(&container.image)).count();
        let now = clock(&info)?;
        let world = World { utc_offset_seconds: now.utc_offset_seconds, ..world };
        let stores = Stores::load_observed(world.clone(), &semantics).map_err(|error| malformed(&error))?;
        Ok(State { stores, world, now, semantics, daemon: info.id, estimated, orphans })
    }

    fn known(&mut self, client: &Client, id: ImageId) -> Result<Known, ClientError> {
        if let Some(known) = self.known.get(&id) {
            return Ok(known.clone());
        }
        let name = id.to_string();
        let details = client.image(&name)?;
        let diffs = details.root_fs.layers.iter().map(|diff| identifier("layer", diff));
        let known = Known {
            config: config(&details),
            diffs: diffs.collect::<Result<_, _>>()?,
            history: sizes_of(client.history(&name)?),
        };
        self.known.insert(id, known.clone());
        Ok(known)
    }
}

/// The version of moby that is nearest to a daemon's, by its API.
///
/// # Errors
///
/// The daemon cannot be asked.
pub fn semantics_of(client: &Client) -> Result<Semantics, ClientError> {
    let version = client.version()?.api_version;
    let minor = version.split_once('.').and_then(|(_, minor)| minor.parse::<u32>().ok());
    Ok(match minor {
        // 28.0 came with 1.48, 24.0 with 1.43.
        Some(48..) => Semantics::MOBY_28_5,
        Some(43..) => Semantics::MOBY_26_1,
        _ => Semantics::MOBY_20_10,
    })
}

fn refuse_containerd(info: &Info) -> Result<(), ClientError> {
    if info.driver_status.iter().flatten().any(|text| text.starts_with("io.containerd.snapshotter")) {
        let message =
            "this daemon keeps its images in containerd, which prunes by other rules: no plan is possible";
        return Err(ClientError::invalid(message));
    }
    Ok(())
}

fn malformed(problem: &impl Display) -> ClientError {
    ClientError::new(FailureKind::Malformed, format!("the daemon's state makes no sense: {problem}"))
}

fn identifier<T: std::str::FromStr>(kind: &str, text: &str) -> Result<T, ClientError> {
    text.parse().map_err(|_| malformed(&format_args!("{kind} `{text}` is no digest")))
}

/// The daemon's clock; RFC 3339 with the offset of its zone.
fn clock(info: &Info) -> Result<Now, ClientError> {
    chrono::DateTime::parse_from_rfc3339(&info.system_time)
        .map(Now::local)
        .map_err(|error| malformed(&format_args!("its time `{}`: {error}", info.system_time)))
}

/// What a prune looks at in a config.
fn config(details: &ImageDetails) -> Vec<u8> {
    let labels = |given: &ImageConfig| match &given.labels {
        Some(labels) => json!({ "Labels": labels }),
        None => json!({}),
    };
    let mut config = json!({
        "architecture": details.architecture,
        "os": details.os,
        "rootfs": { "type": "layers", "diff_ids": details.root_fs.layers },
    });
    if let Some(fields) = config.as_object_mut() {
        if !details.created.is_empty() {
            fields.insert("created".to_owned(), json!(details.created));
        }
        if let Some(given) = &details.config {
            fields.insert("config".to_owned(), labels(given));
        }
    }
    config.to_string().into_bytes()
}

fn sizes_of(newest_first: Vec<HistoryItem>) -> Vec<i64> {
    newest_first.into_iter().rev().map(|step| step.size).collect()
}

fn describe(
    images: Vec<(ImageId, Known, ImageSummary)>,
    containers: &[ContainerSummary],
    semantics: &Semantics,
) -> Result<(World, BTreeSet<ImageId>), ClientError> {
    let chains = images.iter().map(|(id, known, summary)| Chain {
        image: *id,
        diffs: &known.diffs,
        history: &known.history,
        size: summary.size,
    });
    let (layers, estimated) = Sizes::of(chains.collect()).into_layers();
    let mut world = World { layers, profile: semantics.name.to_owned(), ..World::default() };
    let mut tops: HashMap<ImageId, Option<ChainId>> = HashMap::new();
    for (id, known, summary) in images {
        let parent = match summary.parent_id.as_str() {
            "" => None,
            parent => Some(identifier("parent", parent)?),
        };
        tops.insert(id, known.diffs.iter().fold(None, |below, diff| Some(ChainId::on(below, *diff))));
        let names =
            summary.repo_tags.iter().chain(&summary.repo_digests).filter(|name| !name.starts_with("<none>"));
        for name in names {
            let reference = Reference::parse(name, semantics).map_err(|error| malformed(&error))?;
            world.references.push(world::Reference { name: reference.as_str().to_owned(), id });
        }
        world.images.push(world::Image { id, config: known.config.into(), parent });
    }
    for container in containers {
        let image = identifier("image", &container.image_id)?;
        world.containers.push(world::Container {
            id: identifier::<ContainerId>("container", &container.id)?,
            image,
            running: matches!(container.state.as_str(), "running" | "paused" | "restarting"),
            rw_layer_parent: tops.get(&image).copied().flatten(),
            image_mounts: Vec::new(),
        });
    }
    Ok((world, estimated))
}
