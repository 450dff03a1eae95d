//! A daemon that cases are tried on: fills it, prunes it, looks at it, and takes everything away again.

use serde_json::{Value, json};

use crate::base::digest::{ContainerId, ImageId};
use crate::client::state::DaemonState;
use crate::client::{Client, ClientError, FailureKind, Method, Observation, Observer};
use crate::document::world::{self, Container, World};
use crate::semantics::Semantics;

use super::archive::Contents;
use super::group::{Difference, Group};
use super::made::{Made, normalized};
use super::sketch::Sketch;

pub(super) struct Lab<'a> {
    client: &'a Client,
    semantics: Semantics,
    contents: Contents,
    observer: Observer<'a>,
    /// Whether images and containers of others may be there.
    has_others: bool,
}

/// What came of a prune.
pub(super) struct Pruned {
    pub observation: Observation,
    /// `GET /images/json?all=1`.
    pub after: Option<Value>,
    /// `GET /system/df`, before and after.
    pub usage: [Option<Value>; 2],
    /// What the daemon did not say when it was asked.
    pub differences: Vec<Difference>,
}

impl<'a> Lab<'a> {
    /// The daemon of `client`.
    pub fn new(client: &'a Client, semantics: Semantics, has_others: bool) -> Result<Self, ClientError> {
        let observer = Observer::new(client)?;
        Ok(Self { client, semantics, contents: Contents::new()?, observer, has_others })
    }

    /// Puts the images and containers of `sketch` into the daemon.
    pub fn make(&self, sketch: &Sketch) -> Result<Made, ClientError> {
        let others = self.others()?;
        let mut expected = self.contents.world(sketch);
        if !sketch.images.is_empty() {
            self.client.load(&mut self.contents.archive(sketch)?.as_slice())?;
        }
        for (sketch, image) in sketch.images.iter().zip(&expected.images) {
            for name in &sketch.tags {
                let (repository, tag) = name.rsplit_once(':').unwrap_or((name, ""));
                self.client.tag(&image.id.to_string(), repository, tag)?;
                expected
                    .references
                    .push(world::Reference { name: normalized(name, &self.semantics)?, id: image.id });
            }
        }
        for container in &sketch.containers {
            let image = sketch.images.iter().zip(&expected.images);
            let image = image.into_iter().find(|(sketch, _)| sketch.number == container.image);
            if let Some((_, image)) = image {
                expected.containers.push(self.make_container(image.id, container.running, &expected)?);
            }
        }
        Made::compare(&expected, others, &self.client.images(true)?, &self.semantics)
    }

    /// What is there already. It has to be known to the byte.
    fn others(&self) -> Result<World, ClientError> {
        if !self.has_others {
            return Ok(World::default());
        }
        let state = DaemonState::read(self.client, &self.semantics)?;
        if !state.sizes.is_exact() || !state.doubts.is_empty() {
            let message = "the sizes of the layers that are there already cannot be told from this API";
            return Err(ClientError::invalid(message));
        }
        Ok(state.world)
    }

    /// A container that runs, where that is wanted and possible: on a daemon that executes nothing it is, on a
    /// real one there is nothing to execute.
    fn make_container(&self, image: ImageId, start: bool, world: &World) -> Result<Container, ClientError> {
        let body = json!({
            "Image": image.to_string(), "Cmd": ["/file-0"],
            "HostConfig": { "NetworkMode": "none" }, "NetworkDisabled": true,
        });
        let id = self.client.create_container("", &body)?.id;
        if start
            && let Err(error) = self.client.start_container(&id)
            && error.status().is_none()
        {
            return Err(error);
        }
        let running = self.client.container(&id)?.state.running;
        let id: ContainerId =
            id.parse().map_err(|_| ClientError::malformed(format!("`{id}` is no container ID")))?;
        let config = world.images.iter().find(|described| described.id == image);
        let top = config.and_then(|described| {
            crate::document::image::Image::parse(described.config.clone(), &self.semantics)
                .ok()?
                .chain()
                .ok()?
        });
        Ok(Container { id, image, running, rw_layer_parent: top, image_mounts: Vec::new() })
    }

    /// Prunes with these raw filters.
    pub fn prune(&self, filters: &str) -> Result<Pruned, ClientError> {
        let mut missed = Missed::default();
        let before = missed.unless(Group::DiskUsage, "U-6", self.json("/system/df"))?;
        let mut observation = self.observer.prune(filters)?;
        let events = std::mem::replace(&mut observation.events, Ok(Vec::new()));
        match missed.unless(Group::Events, "E-7", events)? {
            Some(events) => observation.events = Ok(events),
            None => observation.events = Err(ClientError::malformed("no events")),
        }
        let after = missed.unless(Group::Stores, "U-3", self.json("/images/json?all=1"))?;
        let usage = [before, missed.unless(Group::DiskUsage, "U-6", self.json("/system/df"))?];
        Ok(Pruned { observation, after, usage, differences: missed.0 })
    }

    fn json(&self, path: &str) -> Result<Value, ClientError> {
        let answer = self.client.call(Method::GET, path, None)?;
        if answer.status != 200 {
            let body = String::from_utf8_lossy(&answer.body).into_owned();
            return Err(ClientError::malformed(format!("GET {path}: {} {}", answer.status, body.trim())));
        }
        serde_json::from_slice(&answer.body).map_err(|error| {
            ClientError::malformed(format!("GET {path}: the answer cannot be read: {error}"))
        })
    }

    /// Removes what was made and is still there, children before parents.
    pub fn clear(&self, made: &World, others: &World) -> Result<(), ClientError> {
        for container in &made.containers {
            if !others.containers.contains(container) {
                ignore_missing(self.client.remove_container(&container.id.to_string(), true))?;
            }
        }
        let mut left: Vec<ImageId> = made.images.iter().rev().map(|image| image.id).collect();
        left.retain(|id| !others.images.iter().any(|other| other.id == *id));
        // A pass removes at least the images without children.
        for _ in 0..left.len() {
            let there = self.client.images(true)?;
            left.retain(|id| there.iter().any(|image| image.id == id.to_string()));
            for id in &left {
                match self.client.remove_image(&id.to_string(), true, false) {
                    Err(error) if !matches!(error.status(), Some(404 | 409)) => return Err(error),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Removes containers of images that this makes, for a case that was given up half-way.
    pub fn clear_after_failure(&self, sketch: &Sketch) -> Result<(), ClientError> {
        let mut made = self.contents.world(sketch);
        for container in self.client.containers(false)? {
            let Ok(id) = container.id.parse() else { continue };
            let Ok(image) = container.image_id.parse() else { continue };
            if made.images.iter().any(|one| one.id == image) {
                let container =
                    Container { id, image, running: false, rw_layer_parent: None, image_mounts: Vec::new() };
                made.containers.push(container);
            }
        }
        self.clear(&made, &World::default())
    }
}

/// Answers that a daemon owes.
#[derive(Default)]
struct Missed(Vec<Difference>);

impl Missed {
    /// Goes on without the answer, and takes it down.
    fn unless<T>(
        &mut self,
        group: Group,
        rule: &'static str,
        asked: Result<T, ClientError>,
    ) -> Result<Option<T>, ClientError> {
        match asked {
            Ok(value) => Ok(Some(value)),
            Err(error) => {
                self.0.push(Difference::unanswered(group, rule, error)?);
                Ok(None)
            }
        }
    }
}

fn ignore_missing(result: Result<(), ClientError>) -> Result<(), ClientError> {
    match result {
        Err(error) if error.status() == Some(404) => Ok(()),
        other => other,
    }
}

impl Difference {
    /// A request that has to work, and did not; the failure itself where nobody can be asked any more.
    pub(super) fn unanswered(
        group: Group,
        rule: &'static str,
        error: ClientError,
    ) -> Result<Self, ClientError> {
        if matches!(error.kind(), FailureKind::Unreachable | FailureKind::TimedOut | FailureKind::Invalid) {
            return Err(error);
        }
        Ok(Self {
            group,
            place: "answer to another request".to_owned(),
            observed: Some(error.to_string()),
            moby: None,
            rule,
            why: "moby answers".to_owned(),
        })
    }
}
