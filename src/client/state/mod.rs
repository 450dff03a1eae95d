//! What a daemon holds, read over its API.
//!
//! An API tells what is in an image's config, but not its bytes: a config is a
//! [stand-in](crate::document::world::World::stand_ins), made of what counts, and the ID is the daemon's own. Nor does it tell the
//! sizes of layers, but those of images and of the steps that made them, so that a layer's size is known between
//! [limits](ChainSizes). It does not tell what else holds a layer: a build cache, a container whose image is gone. And
//! it tells familiar names, so that `docker.io/foo.com/x` is taken for `foo.com/x`.

use std::collections::BTreeMap;

use chrono::{DateTime, FixedOffset};
use serde_json::json;

use crate::base::digest::{ChainId, ContainerId, DiffId, ImageId};
use crate::base::few;
use crate::client::{Client, ClientError, ContainerSummary, ImageDetails, ImageSummary, Info};
use crate::document::reference::Reference;
use crate::document::world::{self, World};
use crate::go::time::Now;
use crate::semantics::Semantics;

mod sizes;

pub use sizes::ChainSizes;

/// What a daemon holds.
#[derive(Debug, Clone)]
pub struct DaemonState {
    /// The stores. The layers have the least size that they can have.
    pub world: World,
    /// The daemon's clock and zone when it was asked.
    pub now: Now,
    /// What is known of the sizes.
    pub sizes: ChainSizes,
    /// The name of each container, without its slash; containers without a name are left out.
    pub container_names: BTreeMap<ContainerId, String>,
    /// Why what a prune gives back may be less than the sizes say; empty where nothing is in doubt.
    pub doubts: Vec<String>,
}

impl DaemonState {
    /// Reads everything: a request for the images and the containers each, and two for each image.
    ///
    /// # Errors
    ///
    /// The daemon cannot be asked, answers with identifiers that are none, or has the containerd image store.
    pub fn read(client: &Client, semantics: &Semantics) -> Result<Self, ClientError> {
        let mut reading = Reading::default();
        let now = Now::local(time_of(&client.graph_driver_info()?)?);
        for summary in client.images(true)? {
            let added = client
                .image(&summary.id)
                .and_then(|details| reading.add_image(client, &summary, &details, semantics));
            match added {
                // It went meanwhile.
                Err(error) if error.status() == Some(404) => {}
                added => added?,
            }
        }
        for container in client.containers(false)? {
            reading.add_container(&container)?;
        }
        if client.disk_usage()?.build_cache.iter().any(|record| record.shared || record.in_use) {
            reading.doubts.push("the build cache may hold layers of images that go".to_owned());
        }
        Ok(reading.finish(now, semantics))
    }
}

/// What is known so far.
#[derive(Default)]
struct Reading {
    world: World,
    layers: BTreeMap<ChainId, (DiffId, Option<ChainId>)>,
    tops: BTreeMap<ImageId, Option<ChainId>>,
    sizes: ChainSizes,
    container_names: BTreeMap<ContainerId, String>,
    doubts: Vec<String>,
    /// Of containers whose image is gone, what that means.
    without_image: Vec<String>,
}

impl Reading {
    fn add_image(
        &mut self,
        client: &Client,
        summary: &ImageSummary,
        details: &ImageDetails,
        semantics: &Semantics,
    ) -> Result<(), ClientError> {
        let id = image_id(&summary.id)?;
        let (mut chains, mut layers): (Vec<ChainId>, Vec<_>) = (Vec::new(), Vec::new());
        for diff in &details.root_fs.layers {
            let diff_id: DiffId = diff.parse().map_err(|_| malformed(diff, "diff ID"))?;
            let parent = chains.last().copied();
            let chain = ChainId::on(parent, diff_id);
            layers.push((chain, (diff_id, parent)));
            chains.push(chain);
        }
        // One step a layer, or more; oldest first.
        let steps: Vec<i64> = if self.sizes.are_known(&chains) {
            Vec::new()
        } else {
            client.history(&summary.id)?.iter().rev().map(|step| step.size).collect()
        };
        // Nothing is noted of an image that went before all was asked.
        self.layers.extend(layers);
        self.sizes.add(&chains, details.size, &steps);
        let parent = if details.parent.is_empty() { None } else { Some(image_id(&details.parent)?) };
        self.world.images.push(world::Image { id, config: stand_in(details).into(), parent });
        self.world.stand_ins.insert(id);
        self.tops.insert(id, chains.last().copied());
        for name in names_of(summary) {
            let reference = Reference::parse(name, semantics).map_err(|_| malformed(name, "reference"))?;
            self.world.references.push(world::Reference { name: reference.as_str().to_owned(), id });
        }
        Ok(())
    }

    fn add_container(&mut self, container: &ContainerSummary) -> Result<(), ClientError> {
        let id = container.id.parse().map_err(|_| malformed(&container.id, "container ID"))?;
        // A link has a name with the other container's in front of it.
        if let Some(name) = container.names.iter().min_by_key(|name| name.len()) {
            self.container_names.insert(id, name.trim_start_matches('/').to_owned());
        }
        let image = image_id(&container.image_id)?;
        let top = self.tops.get(&image);
        if top.is_none() {
            let short = crate::base::digest::short(&container.id);
            self.without_image.push(format!("container {short} holds layers of an image that is gone"));
        }
        // D-7: paused and restarting containers run.
        let running = matches!(container.state.as_str(), "running" | "paused" | "restarting");
        self.world.containers.push(world::Container {
            id,
            image,
            running,
            rw_layer_parent: top.copied().flatten(),
            image_mounts: Vec::new(),
        });
        Ok(())
    }

    fn finish(self, now: Now, semantics: &Semantics) -> DaemonState {
        let Self { mut world, layers, mut sizes, container_names, mut doubts, without_image, .. } = self;
        let more = |more| format!("{more} more containers hold layers of images that are gone");
        doubts.extend(few::first(without_image, more));
        sizes.settle(layers.iter().map(|(chain, (_, parent))| (*chain, *parent)));
        world.layers = layers
            .into_iter()
            .map(|(chain_id, (diff_id, parent))| {
                let size = sizes.least(chain_id, parent);
                world::Layer { chain_id, diff_id, parent, size }
            })
            .collect();
        semantics.name.clone_into(&mut world.profile);
        world.utc_offset_seconds = now.utc_offset_seconds;
        DaemonState { world, now, sizes, container_names, doubts }
    }
}

/// A config with everything that a prune looks at.
fn stand_in(details: &ImageDetails) -> Vec<u8> {
    let mut config = json!({
        "architecture": details.architecture,
        "os": details.os,
        "rootfs": { "type": "layers", "diff_ids": details.root_fs.layers },
    });
    if let Some(fields) = config.as_object_mut() {
        if !details.created.is_empty() {
            fields.insert("created".to_owned(), details.created.clone().into());
        }
        if let Some(config) = &details.config {
            fields.insert("config".to_owned(), json!({ "Labels": config.labels }));
        }
    }
    config.to_string().into_bytes()
}

/// Some daemons leave the algorithm out.
pub(super) fn image_id(text: &str) -> Result<ImageId, ClientError> {
    let whole = if text.contains(':') { text.to_owned() } else { format!("sha256:{text}") };
    whole.parse().map_err(|_| malformed(text, "image ID"))
}

fn malformed(text: &str, what: &str) -> ClientError {
    ClientError::malformed(format!("the daemon's answer has `{text}`, which is no {what}"))
}

/// The daemon's clock, with the offset of its zone.
pub(super) fn system_time(client: &Client) -> Result<DateTime<FixedOffset>, ClientError> {
    time_of(&client.info()?)
}

fn time_of(info: &Info) -> Result<DateTime<FixedOffset>, ClientError> {
    let text = &info.system_time;
    DateTime::parse_from_rfc3339(text).map_err(|_| malformed(text, "time"))
}

/// Without the placeholders of an image that has none (U-3).
pub(super) fn names_of(image: &ImageSummary) -> impl Iterator<Item = &String> {
    let names = image.repo_tags.iter().chain(&image.repo_digests);
    names.filter(|name| *name != "<none>:<none>" && *name != "<none>@<none>")
}
