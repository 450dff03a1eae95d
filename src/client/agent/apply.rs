//! Carries a plan out, and never more than it.

use crate::graph::store::LayerStore;

use super::super::answer::ImagesReport;
use super::super::api::Client;
use super::super::deletion::{Answered, Effects, delete, whole_id};
use super::super::error::ClientError;
use super::super::keep::KeepRules;
use super::super::view::View;
use super::clock::Clock;
use super::plan::{How, RunPlan};

/// Carries out a plan of this view under these rules, and never more. Ends early where `clock` says so. What went, and
/// the failure that ended it: the daemon cannot be asked, or did something that nobody asked for.
pub fn apply(
    client: &Client,
    view: &View,
    filters: &str,
    rules: &KeepRules,
    plan: &RunPlan,
    clock: &dyn Clock,
) -> (Effects, Option<ClientError>) {
    let mut applied = Effects::default();
    let execution = Execution { client, view, filters, rules, plan, clock };
    let failure = execution.run(&mut |_| (), &mut applied).err();
    (applied, failure)
}

/// A plan, with all that it takes to carry it out.
pub(super) struct Execution<'a> {
    pub client: &'a Client,
    pub view: &'a View,
    pub filters: &'a str,
    pub rules: &'a KeepRules,
    pub plan: &'a RunPlan,
    pub clock: &'a dyn Clock,
}

impl Execution<'_> {
    /// [`apply`], added to what went before. `on_answer` hears of each step of a plan that has steps.
    pub fn run(
        &self,
        on_answer: &mut dyn FnMut(&Answered),
        applied: &mut Effects,
    ) -> Result<(), ClientError> {
        let Self { client, view, filters, rules, plan, clock } = *self;
        match &plan.how {
            How::Request => prune(client, view, filters, plan, applied),
            How::Steps(steps) => {
                delete(client, view, rules, steps, &|| clock.is_stopping(), on_answer, applied)
            }
        }
    }
}

fn prune(
    client: &Client,
    view: &View,
    filters: &str,
    plan: &RunPlan,
    applied: &mut Effects,
) -> Result<(), ClientError> {
    let ImagesReport { images_deleted, space_reclaimed } = match client.prune_images(filters) {
        Err(error) if error.may_have_happened() => {
            applied.unconfirmed.extend(plan.delete.iter().map(ToString::to_string));
            return Err(error);
        }
        report => report?,
    };
    // An image that came behind the view is deleted, too, and is none of its layers.
    let is_layer = |id: &String| id.parse().is_ok_and(|chain| view.stores.layers.layer(chain).is_some());
    let is_image = |id: &String| id.parse().is_ok_and(|id| view.stores.images.contains(id));
    let deleted = images_deleted.iter().filter_map(|item| item.deleted.clone()).map(whole_id);
    applied.deleted.extend(deleted.filter(|id| is_image(id) || !is_layer(id)));
    applied.untagged.extend(images_deleted.into_iter().filter_map(|item| item.untagged));
    applied.bytes = applied.bytes.saturating_add(space_reclaimed);
    Ok(())
}
