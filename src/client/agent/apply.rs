//! Carries a plan out, and never more than it.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;

use crate::digest::{ChainId, ImageId};

use super::super::answer::DeletedItem;
use super::super::api::Client;
use super::super::error::{ClientError, FailureKind};
use super::super::state::State;
use super::clock::Clock;
use super::plan::{How, Remove, RunPlan, Step};

/// What a run took away so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Gone {
    pub deleted: Vec<String>,
    pub untagged: Vec<String>,
    pub bytes: u64,
    pub skipped: Vec<Skipped>,
}

/// A planned deletion that was left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// The image.
    pub image: ImageId,
    /// Why.
    pub why: String,
}

/// Carries `plan` out. Ends early where the agent is to stop.
///
/// # Errors
///
/// The daemon cannot be asked, or did something that nobody asked for.
pub(super) fn apply(
    client: &Client,
    state: &State,
    filters: &str,
    plan: &RunPlan,
    clock: &dyn Clock,
    gone: &mut Gone,
) -> Result<(), ClientError> {
    match &plan.how {
        How::Request => {
            let report = client.prune_images(filters)?;
            let images: BTreeSet<String> =
                state.world.images.iter().map(|image| image.id.to_string()).collect();
            let deleted = report.images_deleted.iter().filter_map(|item| item.deleted.clone());
            gone.deleted.extend(deleted.filter(|id| images.contains(id)));
            gone.untagged.extend(report.images_deleted.into_iter().filter_map(|item| item.untagged));
            gone.bytes = gone.bytes.saturating_add(report.space_reclaimed);
            Ok(())
        }
        How::Steps(steps) => {
            Walk { client, layers: layers_of(state), gone, left: BTreeSet::new() }.run(steps, clock)
        }
    }
}

/// The layers of each image, with their sizes.
type LayersOf = HashMap<ImageId, HashMap<String, i64>>;

fn layers_of(state: &State) -> LayersOf {
    let sizes: HashMap<ChainId, i64> =
        state.world.layers.iter().map(|layer| (layer.chain_id, layer.size)).collect();
    let parents: HashMap<ChainId, Option<ChainId>> =
        state.world.layers.iter().map(|layer| (layer.chain_id, layer.parent)).collect();
    let layers = |top: Option<ChainId>| {
        let chain = std::iter::successors(top, |chain| parents.get(chain).copied().flatten());
        chain.map(|chain| (chain.to_string(), sizes.get(&chain).copied().unwrap_or(0))).collect()
    };
    let images = state.stores.images.images();
    images.iter().map(|(id, image, _)| (*id, layers(image.chain().ok().flatten()))).collect()
}

/// One deletion after the other.
struct Walk<'a> {
    client: &'a Client,
    layers: LayersOf,
    gone: &'a mut Gone,
    /// Images that turned out not to be what was planned.
    left: BTreeSet<ImageId>,
}

impl Walk<'_> {
    fn run(mut self, steps: &[Step], clock: &dyn Clock) -> Result<(), ClientError> {
        for step in steps {
            if clock.is_stopping() {
                return Ok(());
            }
            if self.left.contains(&step.image) {
                continue;
            }
            if let Some(why) = self.obstacle(step)? {
                self.skip(step, why);
                continue;
            }
            self.delete(step)?;
        }
        Ok(())
    }

    fn skip(&mut self, step: &Step, why: String) {
        self.left.insert(step.image);
        self.gone.skipped.push(Skipped { image: step.image, why });
    }

    /// What has changed since the plan, if anything.
    fn obstacle(&self, step: &Step) -> Result<Option<String>, ClientError> {
        let details = match self.client.image(&step.image.to_string()) {
            Err(error) if error.status() == Some(404) => return Ok(Some("it is gone already".to_owned())),
            found => found?,
        };
        let names = details.repo_tags.into_iter().chain(details.repo_digests);
        let mut now: Vec<String> = names.filter(|name| !name.starts_with("<none>")).collect();
        now.sort_unstable();
        if now != step.references {
            return Ok(Some(format!("its references have changed to [{}]", now.join(", "))));
        }
        let id = step.image.to_string();
        let user = self.client.containers(false)?.into_iter().find(|container| container.image_id == id);
        Ok(user.map(|container| format!("container {} uses it by now", crate::digest::short(&container.id))))
    }

    fn delete(&mut self, step: &Step) -> Result<(), ClientError> {
        let name = match &step.remove {
            Remove::Reference(reference) => reference.clone(),
            Remove::Image => step.image.to_string(),
        };
        match self.client.remove_image(&name, false, true) {
            Ok(items) => self.note(step, items),
            Err(error) if matches!(error.kind(), FailureKind::Refused(404 | 409)) => {
                self.skip(step, error.to_string());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Notes what the daemon says went, which must be the image and its layers.
    fn note(&mut self, step: &Step, items: Vec<DeletedItem>) -> Result<(), ClientError> {
        let id = step.image.to_string();
        let layers = self.layers.get(&step.image);
        for item in items {
            self.gone.untagged.extend(item.untagged);
            let Some(deleted) = item.deleted else { continue };
            match layers.and_then(|layers| layers.get(&deleted)) {
                _ if deleted == id => self.gone.deleted.push(deleted),
                Some(size) => self.gone.bytes = self.gone.bytes.saturating_add(size.unsigned_abs()),
                None => {
                    let message =
                        format!("the daemon deleted {deleted}, which was not planned, along with {id}");
                    return Err(ClientError::new(FailureKind::Malformed, message));
                }
            }
        }
        Ok(())
    }
}
