//! Carries a plan out, and never more than it.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::digest::{ChainId, ImageId};
use crate::store::{ImageStore, LayerStore};

use super::super::answer::DeletedItem;
use super::super::api::Client;
use super::super::error::{ClientError, FailureKind};
use super::clock::Clock;
use super::plan::{How, Remove, RunPlan, Step};
use super::view::View;

/// What a plan took away so far.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Applied {
    /// The images that went, in order.
    pub deleted: Vec<String>,
    /// The references that went.
    pub untagged: Vec<String>,
    /// Bytes that came back, as the daemon says; of single deletions the layers that it says went.
    pub bytes: u64,
    /// What was planned and left.
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

/// Carries out a plan of this view, and never more. Ends early where `clock` says so. What went, and the failure that
/// ended it: the daemon cannot be asked, or did something that nobody asked for.
pub fn apply(
    client: &Client,
    view: &View,
    filters: &str,
    plan: &RunPlan,
    clock: &dyn Clock,
) -> (Applied, Option<ClientError>) {
    let mut applied = Applied::default();
    let failure = continue_with(client, view, filters, plan, clock, &mut applied).err();
    (applied, failure)
}

/// [`apply`], added to what went before.
pub(super) fn continue_with(
    client: &Client,
    view: &View,
    filters: &str,
    plan: &RunPlan,
    clock: &dyn Clock,
    gone: &mut Applied,
) -> Result<(), ClientError> {
    match &plan.how {
        How::Request => {
            let report = client.prune_images(filters)?;
            let is_image = |id: &String| id.parse().is_ok_and(|id| view.stores.images.contains(id));
            let deleted = report.images_deleted.iter().filter_map(|item| item.deleted.clone());
            gone.deleted.extend(deleted.filter(is_image));
            gone.untagged.extend(report.images_deleted.into_iter().filter_map(|item| item.untagged));
            gone.bytes = gone.bytes.saturating_add(report.space_reclaimed);
            Ok(())
        }
        How::Steps(steps) => Walk { client, view, gone, left: BTreeSet::new() }.run(steps, clock),
    }
}

/// One deletion after the other.
struct Walk<'a> {
    client: &'a Client,
    view: &'a View,
    gone: &'a mut Applied,
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
        let own = self.layers(step.image);
        let mut freed = BTreeSet::new();
        for item in items {
            self.gone.untagged.extend(item.untagged);
            let Some(deleted) = item.deleted else { continue };
            match deleted.parse().ok().filter(|chain| own.contains(chain)) {
                _ if deleted == id => self.gone.deleted.push(deleted),
                Some(chain) => drop(freed.insert(chain)),
                None => {
                    let message =
                        format!("the daemon deleted {deleted}, which was not planned, along with {id}");
                    return Err(ClientError::malformed(message));
                }
            }
        }
        self.gone.bytes = self.gone.bytes.saturating_add(self.view.bytes_of_layers(&freed));
        Ok(())
    }

    fn layers(&self, image: ImageId) -> BTreeSet<ChainId> {
        let mut layers = BTreeSet::new();
        let top = self.view.stores.images.get(image).ok().and_then(|image| image.chain().ok().flatten());
        if let Some(top) = top {
            self.view.stores.layers.walk(top, &mut |chain, _| layers.insert(chain));
        }
        layers
    }
}
