//! Deletes images of a live daemon, one after the other: the only place that sends a `DELETE` for an image of
//! somebody's.
//!
//! A request never has a name in it, since a name may move to another image before the daemon reads it. An image goes
//! by its ID, with `noprune`, so that its parents stay. One with several references goes with `force`, as a daemon
//! refuses it otherwise (D-6); the daemon then takes the references that the image has at that moment. Nothing
//! can be forced against a running container or a child (D-7). Right before each request the daemon is looked at again:
//! an image whose references have changed stays, and so does one that a container uses or a rule keeps by then.
//!
//! Podman, which speaks the same API, removes the containers of an image that it is forced to delete: there nothing is
//! forced, and nothing asked for that would take something else along.
//!
//! What the API gives no way to avoid: a reference that comes to the image between the last look and the request goes
//! along, and a container that is created from an image with several references at that moment loses its image. It
//! keeps its layers, can be started and runs on, also when the daemon was restarted (seen on dockerd 20.10.24), and is
//! [reported](LateContainer).

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::answer::{ContainerSummary, DeletedItem};
use super::api::Client;
use super::error::{ClientError, FailureKind};
use super::keep::KeepRules;
use super::podman::Podman;
use super::state::image_id;
use super::view::View;
use crate::base::digest::{ChainId, ImageId, short};
use crate::graph::removal::children_first;
use crate::graph::store::{ImageStore, LayerStore, ReferenceStore, Stores};

mod look;

use look::{Look, Watch};

/// The deletion of an image with all its references.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The image.
    pub image: ImageId,
    /// Its references, familiar and sorted. With others it is not the image that was planned, and stays.
    pub references: Vec<String>,
    /// True where the image has several references: unforced, a daemon refuses to take them with it (D-6).
    pub force: bool,
}

impl Step {
    /// The deletion of an image as these stores have it.
    #[must_use]
    pub fn new(stores: &Stores, image: ImageId) -> Self {
        let references = stores.references.references(image).into_iter();
        let mut references: Vec<String> =
            references.map(|reference| reference.familiar().to_owned()).collect();
        references.sort_unstable();
        let force = !references.is_empty() && !stores.references.has_single_reference(image);
        Self { image, references, force }
    }

    /// The deletions of a set of images, children before their parents.
    #[must_use]
    pub fn children_first(stores: &Stores, images: &[ImageId]) -> Vec<Self> {
        children_first(&stores.images, images).into_iter().map(|image| Self::new(stores, image)).collect()
    }
}

/// A daemon's answer to the deletion of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answered {
    /// The image.
    pub image: ImageId,
    /// The image, where the daemon says that it went, and whatever else it says it deleted that is no known layer.
    pub deleted: Vec<String>,
    /// The references that went.
    pub untagged: Vec<String>,
    /// Bytes of the layers that went.
    pub bytes: u64,
}

/// The effects of deletions so far.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Effects {
    /// The images that went, in order, and whatever else the daemon says it deleted that is no known layer.
    pub deleted: Vec<String>,
    /// Images that were asked for without an answer that says they went: they may be gone.
    pub unconfirmed: Vec<String>,
    /// The references that went.
    pub untagged: Vec<String>,
    /// Bytes that came back, as the daemon says; of single deletions the layers that it says went.
    pub bytes: u64,
    /// Planned deletions that were left.
    pub skipped: Vec<SkippedStep>,
    /// Containers that were created from an image while it was deleted.
    pub late_containers: Vec<LateContainer>,
}

impl Effects {
    fn add(&mut self, answered: Answered) {
        self.deleted.extend(answered.deleted);
        self.untagged.extend(answered.untagged);
        self.bytes = self.bytes.saturating_add(answered.bytes);
    }
}

/// A planned deletion that was left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkippedStep {
    /// The image.
    pub image: ImageId,
    /// The reason, for people.
    pub why: String,
}

/// A container that was created from an image between the last look and the image's deletion. It keeps its layers, can
/// be started and runs on; nothing new can be made of its image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct LateContainer {
    /// The container.
    pub container: String,
    /// The image that is gone.
    pub image: ImageId,
}

impl fmt::Display for LateContainer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "container {} was created from {} while that image was deleted: it keeps its layers and runs on, and its \
             image is gone",
            short(&self.container),
            self.image
        )
    }
}

/// Carries out `steps`, planned on `view`, and never more. An image that `rules` keep by then stays. Ends early where
/// `is_stopping` returns true. All that went is added to `applied`, also where a failure ends it; `on_answer` hears of
/// each deletion before anything else is asked.
///
/// # Errors
///
/// The daemon cannot be asked, or did something that nobody asked for.
pub fn delete(
    client: &Client,
    view: &View,
    rules: &KeepRules,
    steps: &[Step],
    is_stopping: &dyn Fn() -> bool,
    on_answer: &mut dyn FnMut(&Answered),
    applied: &mut Effects,
) -> Result<(), ClientError> {
    if steps.is_empty() {
        return Ok(());
    }
    let podman = client.podman()?;
    let watch = Watch::new(client, view);
    let mut walk = Walk { client, view, rules, podman, watch, gone: BTreeSet::new(), on_answer, applied };
    for step in steps {
        if is_stopping() {
            break;
        }
        walk.take(step)?;
    }
    Ok(())
}

struct Walk<'a> {
    client: &'a Client,
    view: &'a View,
    rules: &'a KeepRules,
    /// The daemon, if it is one.
    podman: Option<Podman>,
    watch: Watch<'a>,
    /// Images that were deleted here.
    gone: BTreeSet<ImageId>,
    on_answer: &'a mut dyn FnMut(&Answered),
    applied: &'a mut Effects,
}

impl Walk<'_> {
    fn take(&mut self, step: &Step) -> Result<(), ClientError> {
        let look = self.watch.look()?;
        self.note_late_containers(&look.containers);
        match self.obstacle(step, &look) {
            Some(why) => self.skip(step, why),
            None => self.delete(step)?,
        }
        Ok(())
    }

    fn skip(&mut self, step: &Step, why: String) {
        self.applied.skipped.push(SkippedStep { image: step.image, why });
    }

    /// What has changed since the plan, if anything.
    fn obstacle(&self, step: &Step, look: &Look) -> Option<String> {
        let stores = match &look.stores {
            Ok(stores) => stores,
            Err(problem) => return Some(problem.clone()),
        };
        if !stores.images.contains(step.image) {
            return Some("it is gone already".to_owned());
        }
        let now = Step::new(stores, step.image);
        if now != *step {
            return Some(format!("its references have changed to [{}]", now.references.join(", ")));
        }
        if let Some(reason) = self.rules.apply(stores, self.view.now.instant).images.get(&step.image) {
            return Some(format!("it is to be kept by now: {reason}"));
        }
        let user = look.containers.iter().find(|container| image_of(container) == Some(step.image));
        if let Some(container) = user {
            return Some(format!("container {} uses it by now", short(&container.id)));
        }
        self.podman.as_ref()?.obstacle(step.image, step.force, stores)
    }

    fn delete(&mut self, step: &Step) -> Result<(), ClientError> {
        let id = step.image.to_string();
        let items = match self.client.remove_image(&id, step.force, true) {
            Ok(items) => items,
            Err(error) if matches!(error.kind(), FailureKind::Refused(404 | 409)) => {
                self.skip(step, error.to_string());
                return Ok(());
            }
            Err(error) => {
                if error.may_have_happened() {
                    self.applied.unconfirmed.push(id);
                }
                return Err(error);
            }
        };
        self.gone.insert(step.image);
        let noted = self.note(step.image, items);
        let containers = self.client.containers(false)?;
        self.note_late_containers(&containers);
        noted
    }

    /// Notes what the daemon says went, which must be the image and its layers.
    fn note(&mut self, image: ImageId, items: Vec<DeletedItem>) -> Result<(), ClientError> {
        let id = image.to_string();
        let own = self.layers(image);
        let mut freed = BTreeSet::new();
        let mut answered = Answered { image, deleted: Vec::new(), untagged: Vec::new(), bytes: 0 };
        for item in items {
            answered.untagged.extend(item.untagged);
            let Some(deleted) = item.deleted.map(whole_id) else { continue };
            match deleted.parse().ok().filter(|chain| own.contains(chain)) {
                Some(chain) if deleted != id => drop(freed.insert(chain)),
                _ => answered.deleted.push(deleted),
            }
        }
        answered.bytes = self.view.bytes_of_layers(&freed);
        (self.on_answer)(&answered);
        let unplanned = answered.deleted.iter().find(|deleted| **deleted != id).cloned();
        if !answered.deleted.contains(&id) {
            self.applied.unconfirmed.push(id.clone());
        }
        self.applied.add(answered);
        let refused = |deleted| {
            ClientError::malformed(format!(
                "the daemon deleted {deleted}, which was not planned, along with {id}"
            ))
        };
        unplanned.map_or(Ok(()), |deleted| Err(refused(deleted)))
    }

    fn layers(&self, image: ImageId) -> BTreeSet<ChainId> {
        let mut layers = BTreeSet::new();
        let top = self.view.stores.images.get(image).ok().and_then(|image| image.top_layer());
        if let Some(top) = top {
            self.view.stores.layers.walk(top, &mut |chain, _| layers.insert(chain));
        }
        layers
    }

    /// A container is listed a moment after its layers are held, so that later looks are searched for it, too.
    fn note_late_containers(&mut self, containers: &[ContainerSummary]) {
        for container in containers {
            let Some(image) = image_of(container).filter(|image| self.gone.contains(image)) else { continue };
            let late = LateContainer { container: container.id.clone(), image };
            if !self.applied.late_containers.contains(&late) {
                self.applied.late_containers.push(late);
            }
        }
    }
}

/// An identifier with its algorithm, which Podman leaves out.
pub(super) fn whole_id(text: String) -> String {
    image_id(&text).map_or(text, |id| id.to_string())
}

fn image_of(container: &ContainerSummary) -> Option<ImageId> {
    image_id(&container.image_id).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;
    use crate::document::reference::Reference;

    #[test]
    fn force_is_for_several_references() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let (canonical, foreign) = (format!("a@{digest}"), format!("b@{digest}"));
        for (references, force) in [
            (&[][..], false),
            (&["a:1"], false),
            (&[&canonical], false),
            (&["a:1", &canonical], false),
            (&["a:1", &foreign], true),
            (&["a:1", "a:2"], true),
            (&["a:1", "b:1"], true),
        ] {
            let stores = Stores::default();
            let id = stores.images.create(r#"{"rootfs":{"type":"layers"}}"#).unwrap();
            for name in references {
                let reference = Reference::parse(name, &crate::semantics::Semantics::default()).unwrap();
                if reference.is_canonical() {
                    stores.references.add_digest(reference, id).unwrap();
                } else {
                    stores.references.add_tag(reference, id).unwrap();
                }
            }
            let step = Step::new(&stores, id);
            assert_eq!(step.force, force, "{references:?}");
            assert_eq!(step.references, references);
        }
    }
}
