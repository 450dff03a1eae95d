//! A daemon that cases are tried on: fills it, prunes it, looks at it, and takes everything away again.

use serde_json::{Value, json};

use crate::client::{Client, ClientError, FailureKind, ImageSummary, Method, Observation, Observer};
use crate::digest::{ContainerId, ImageId};
use crate::world::{self, Container, World};
use crate::{Reference, Semantics};

use super::archive::Contents;
use super::group::{Difference, Group};
use super::sketch::Sketch;

pub(super) struct Lab<'a> {
    client: &'a Client,
    semantics: Semantics,
    contents: Contents,
    observer: Observer<'a>,
    /// What was there before, and is nobody's to judge or to remove.
    others: World,
}

/// A store, made.
pub(super) struct Made {
    /// What the daemon says that it holds.
    pub before: World,
    /// Where that is not what it was given.
    pub differences: Vec<Difference>,
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
    /// The daemon of `client`. `others` is what it holds already.
    pub fn new(client: &'a Client, semantics: Semantics, others: World) -> Result<Self, ClientError> {
        let observer = Observer::new(client)?;
        Ok(Self { client, semantics, contents: Contents::new()?, observer, others })
    }

    /// Puts the images and containers of `sketch` into the daemon.
    pub fn make(&self, sketch: &Sketch) -> Result<Made, ClientError> {
        let mut expected = self.contents.world(sketch);
        if !sketch.images.is_empty() {
            self.client.load(&mut self.contents.archive(sketch)?.as_slice())?;
        }
        for (sketch, image) in sketch.images.iter().zip(&expected.images) {
            for name in &sketch.tags {
                let (repository, tag) = name.rsplit_once(':').unwrap_or((name, ""));
                self.client.tag(&image.id.to_string(), repository, tag)?;
                expected.references.push(world::Reference { name: self.normalized(name)?, id: image.id });
            }
        }
        for container in &sketch.containers {
            let image = sketch.images.iter().zip(&expected.images);
            let image = image.into_iter().find(|(sketch, _)| sketch.number == container.image);
            if let Some((_, image)) = image {
                expected.containers.push(self.make_container(image.id, container.running, &expected)?);
            }
        }
        self.compare(expected)
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
        let id: ContainerId = id.parse().map_err(|_| malformed(format!("`{id}` is no container ID")))?;
        let config = world.images.iter().find(|described| described.id == image);
        let top = config.and_then(|described| {
            crate::Image::parse(described.config.clone(), &self.semantics).ok()?.chain().ok()?
        });
        Ok(Container { id, image, running, rw_layer_parent: top, image_mounts: Vec::new() })
    }

    fn normalized(&self, name: &str) -> Result<String, ClientError> {
        let reference = Reference::parse(name, &self.semantics);
        let reference = reference.map_err(|error| malformed(format!("`{name}` is no reference: {error}")))?;
        Ok(reference.as_str().to_owned())
    }

    /// Holds what is listed against what was made. What is listed counts from then on.
    fn compare(&self, expected: World) -> Result<Made, ClientError> {
        let listed = self.client.images(true)?;
        let mut differences = Vec::new();
        let mut before = World { references: self.others.references.clone(), ..expected.clone() };
        before.images.retain_mut(|image| {
            let Some(found) = listed.iter().find(|found| found.id == image.id.to_string()) else {
                differences.push(Difference::store(image.id, "an image that was loaded", "missing"));
                return false;
            };
            let parent = image.parent.map(|parent| parent.to_string()).unwrap_or_default();
            if found.parent_id != parent {
                differences.push(Difference::store(
                    image.id,
                    format!("the parent `{parent}`"),
                    &found.parent_id,
                ));
                image.parent = found.parent_id.parse().ok();
            }
            true
        });
        for image in &before.images {
            let Some(found) = listed.iter().find(|found| found.id == image.id.to_string()) else { continue };
            let size = size_of(image, &expected, &self.semantics);
            if found.size != size {
                differences.push(Difference::store(image.id, format!("{size} bytes"), found.size));
            }
            let mut names =
                names_of(found).map(|name| self.normalized(name)).collect::<Result<Vec<_>, _>>()?;
            let given = expected.references.iter().filter(|reference| reference.id == image.id);
            let mut given: Vec<_> = given.map(|reference| reference.name.clone()).collect();
            names.sort();
            given.sort();
            if names != given {
                let (given, names) = (given.join(" "), names.join(" "));
                differences.push(Difference::store(image.id, format!("the names {given}"), &names));
            }
            before.references.extend(names.into_iter().map(|name| world::Reference { name, id: image.id }));
        }
        let is_left = |id: &ImageId| before.images.iter().any(|image| image.id == *id);
        before.containers.retain(|container| is_left(&container.image));
        before.images.extend(self.others.images.iter().cloned());
        before.containers.extend(self.others.containers.iter().cloned());
        let is_new = |layer: &&world::Layer| !before.layers.iter().any(|had| had.chain_id == layer.chain_id);
        let others: Vec<_> = self.others.layers.iter().filter(is_new).cloned().collect();
        before.layers.extend(others);
        Ok(Made { before, differences })
    }

    /// Prunes with these raw filters.
    pub fn prune(&self, filters: &str) -> Result<Pruned, ClientError> {
        let mut missed = Missed::default();
        let before = missed.unless(Group::DiskUsage, "U-6", self.json("/system/df"))?;
        let mut observation = self.observer.prune(filters)?;
        let events = std::mem::replace(&mut observation.events, Ok(Vec::new()));
        match missed.unless(Group::Events, "E-7", events)? {
            Some(events) => observation.events = Ok(events),
            None => observation.events = Err(malformed("no events".to_owned())),
        }
        let after = missed.unless(Group::Stores, "U-3", self.json("/images/json?all=1"))?;
        let usage = [before, missed.unless(Group::DiskUsage, "U-6", self.json("/system/df"))?];
        Ok(Pruned { observation, after, usage, differences: missed.0 })
    }

    fn json(&self, path: &str) -> Result<Value, ClientError> {
        let answer = self.client.call(Method::GET, path, None)?;
        if answer.status != 200 {
            let body = String::from_utf8_lossy(&answer.body).into_owned();
            return Err(malformed(format!("GET {path}: {} {}", answer.status, body.trim())));
        }
        serde_json::from_slice(&answer.body)
            .map_err(|error| malformed(format!("GET {path}: the answer cannot be read: {error}")))
    }

    /// Removes what was made and is still there, children before parents.
    pub fn clear(&self, made: &World) -> Result<(), ClientError> {
        for container in &made.containers {
            if !self.others.containers.contains(container) {
                ignore_missing(self.client.remove_container(&container.id.to_string(), true))?;
            }
        }
        let mut left: Vec<ImageId> = made.images.iter().rev().map(|image| image.id).collect();
        left.retain(|id| !self.others.images.iter().any(|other| other.id == *id));
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
        self.clear(&made)
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

fn malformed(message: String) -> ClientError {
    ClientError::new(FailureKind::Malformed, message)
}

/// Without the placeholders of an image that has none (SPEC.md U-3).
pub(in super::super) fn names_of(image: &ImageSummary) -> impl Iterator<Item = &String> {
    let names = image.repo_tags.iter().chain(&image.repo_digests);
    names.filter(|name| *name != "<none>:<none>" && *name != "<none>@<none>")
}

fn size_of(image: &world::Image, world: &World, semantics: &Semantics) -> i64 {
    let parsed = crate::Image::parse(image.config.clone(), semantics).ok();
    let mut next = parsed.and_then(|image| image.chain().ok().flatten());
    let mut size = 0;
    while let Some(layer) = next.and_then(|chain| world.layers.iter().find(|layer| layer.chain_id == chain)) {
        size += layer.size;
        next = layer.parent;
    }
    size
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

    fn store(id: ImageId, made: impl ToString, found: impl ToString) -> Self {
        Self {
            group: Group::Stores,
            place: format!("image {id} as made"),
            observed: Some(found.to_string()),
            moby: Some(made.to_string()),
            rule: "I-7",
            why: "moby keeps what it loads".to_owned(),
        }
    }
}
