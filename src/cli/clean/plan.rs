//! What `clean` is going to do.

use image_prune::client::agent::{RunPlan, View};
use image_prune::client::{Client, ContainerSummary, KeepRules};
use image_prune::{ContainerId, Error, Image, PruneRequest};
use serde::Serialize;
use serde_json::json;

use super::CleanArgs;
use crate::cli::error::{Failure, Result};
use crate::cli::logs::{self, Log};

/// What goes; none where a part was not asked for.
#[derive(Debug, Serialize)]
pub struct CleanPlan {
    pub containers: Option<Vec<Container>>,
    pub images: Option<RunPlan>,
    pub logs: Option<Vec<Log>>,
    pub volumes: Vec<Volume>,
    /// The rules that keep images, asked again before each deletion.
    #[serde(skip)]
    pub rules: KeepRules,
}

#[derive(Debug, Serialize)]
pub struct Container {
    pub id: String,
    pub name: String,
    pub image: String,
    pub status: String,
    pub bytes: u64,
}

#[derive(Debug, Serialize)]
pub struct Volume {
    pub name: String,
    /// None where the daemon does not say.
    pub bytes: Option<u64>,
}

impl CleanPlan {
    /// Takes the containers that go out of `view`, so that what only they use counts as unused.
    pub fn new(args: &CleanArgs, client: &Client, view: &View, filters: &str) -> Result<Self> {
        // Containers know no `dangling`; both refuse the same otherwise.
        let request = PruneRequest::parse(filters, &view.semantics, view.now)?;
        let containers = args.containers.then(|| containers(client, view, &request)).transpose()?;
        for container in containers.iter().flatten() {
            forget(view, &container.id)?;
        }
        // A rule that keeps nothing makes steps of it: nothing goes that was not shown.
        let rules = args.keep.rules()?;
        let rules = if rules.is_empty() { rules.last(0) } else { rules };
        let images = args.images.then(|| RunPlan::new(view, filters, &rules)).transpose()?;
        let goes = |log: &Log| containers.iter().flatten().any(|container| container.id == log.container);
        let logs = args.logs.then(|| logs::all(client)).transpose()?;
        let logs = logs.map(|logs| logs.into_iter().filter(|log| !goes(log)).collect());
        let volumes = volumes(args, client)?;
        Ok(Self { containers, images, logs, volumes, rules })
    }

    /// Takes images that went out of those that are said to be kept.
    pub fn forget_kept(&mut self, deleted: &[String], unconfirmed: &[String]) {
        if let Some(images) = &mut self.images {
            images.kept.retain(|kept| {
                let id = kept.id.to_string();
                !deleted.contains(&id) && !unconfirmed.contains(&id)
            });
        }
    }

    /// The most that comes back.
    pub fn bytes(&self) -> u64 {
        let containers = self.containers.iter().flatten().map(|container| container.bytes);
        let images = self.images.iter().map(|images| images.bytes_foretold);
        let logs = self.logs.iter().flatten().filter_map(Log::bytes);
        let volumes = self.volumes.iter().filter_map(|volume| volume.bytes);
        containers.chain(images).chain(logs).chain(volumes).fold(0, u64::saturating_add)
    }
}

/// Those that do not run and that the filters do not keep: what `POST /containers/prune` would remove.
fn containers(client: &Client, view: &View, request: &PruneRequest) -> Result<Vec<Container>> {
    let mut found = Vec::new();
    for container in client.containers(true).map_err(Error::from)? {
        let is_idle = matches!(container.state.as_str(), "created" | "exited" | "dead");
        if is_idle && !is_kept(client, view, request, &container)? {
            found.push(Container {
                name: container
                    .names
                    .first()
                    .map(|name| name.trim_start_matches('/'))
                    .unwrap_or_default()
                    .to_owned(),
                image: container.image,
                status: container.status,
                bytes: u64::try_from(container.size_rw).unwrap_or(0),
                id: container.id,
            });
        }
    }
    Ok(found)
}

/// The filters of containers are read as those of images: by labels, and by when it was created.
fn is_kept(
    client: &Client,
    view: &View,
    request: &PruneRequest,
    container: &ContainerSummary,
) -> Result<bool> {
    let details = match client.container(&container.id) {
        Err(error) if error.status() == Some(404) => return Ok(true),
        details => details.map_err(Error::from)?,
    };
    let alike = json!({ "created": details.created, "config": { "Labels": container.labels }, "rootfs": { "type": "layers" } });
    Ok(request.rejection(&Image::parse(alike.to_string(), &view.semantics)?).is_some())
}

fn forget(view: &View, id: &str) -> Result<()> {
    let id: ContainerId =
        id.parse().map_err(|_| Error::system(format!("the daemon tells of `{id}`, no container ID")))?;
    view.stores.containers.remove(id);
    // One whose image is gone has no writable layer here.
    let _ = view.stores.layers.unmount(&id.to_string());
    Ok(())
}

/// Those that were named, and are there.
fn volumes(args: &CleanArgs, client: &Client) -> Result<Vec<Volume>> {
    if args.volume.is_empty() {
        return Ok(Vec::new());
    }
    let known = client.disk_usage().map_err(Error::from)?.volumes;
    let volume = |name: &String| {
        let found = known.iter().find(|volume| volume.name == *name);
        let found =
            found.ok_or_else(|| Failure::from(Error::not_found(format!("No such volume: {name}"))))?;
        let bytes = found.usage_data.as_ref().and_then(|usage| u64::try_from(usage.size).ok());
        Ok(Volume { name: name.clone(), bytes })
    };
    args.volume.iter().map(volume).collect()
}
