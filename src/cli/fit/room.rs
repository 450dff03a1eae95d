//! The cheapest prune after which it fits.

use image_prune::client::deletion::{Effects, Step, delete};
use image_prune::client::{KeepRules, View};
use image_prune::fit::{Fit, Source};
use image_prune::graph::free::Sharing;
use image_prune::graph::plan::{ImagePlan, Reason, Verdict, plan};
use image_prune::graph::store::{ImageStore, Stores};
use image_prune::{Error, ImageId, PruneRequest, few};
use serde::Serialize;

use super::State;
use super::args::FitArgs;
use crate::cli::error::Result;
use crate::cli::request::Selection;
use crate::cli::{host, render};

/// Images whose deletion makes room.
#[derive(Debug, Serialize)]
pub struct MakeRoom {
    pub images: Vec<Going>,
    /// Bytes that this frees.
    pub freed: u64,
    /// Bytes that are short.
    pub shortfall: u64,
    /// Whether it fits afterwards.
    #[serde(rename = "enough")]
    pub is_enough: bool,
    /// Whether no smaller set would do.
    #[serde(rename = "exact")]
    pub is_exact: bool,
    /// Whether it was done.
    pub applied: bool,
    /// The effects, once it was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub done: Option<Effects>,
    #[serde(skip)]
    steps: Vec<Step>,
}

/// An image that goes, with all its references.
#[derive(Debug, Serialize)]
pub struct Going {
    pub id: ImageId,
    pub references: Vec<String>,
    pub size: i64,
}

/// The smallest set of images under the keep rules that makes room; `None` where the data root is not what is full, and
/// where no prune can make room for layers of unknown size.
pub fn find(args: &FitArgs, state: &State, answer: &Fit) -> Result<Option<MakeRoom>> {
    let mut selection = args.prune.selection.clone();
    selection.all |= selection.filters.is_none();
    let selection = Selection::new(&selection, &state.semantics, state.utc_offset)?;
    let plan = plan(&state.stores, &selection.filters, &state.semantics, selection.now, &selection.order)?;
    let request = PruneRequest::parse(&selection.filters, &state.semantics, selection.now)?;
    let going = plan
        .images
        .iter()
        .filter(|image| image.verdict == Verdict::Delete && !is_kept_parent(&state.stores, &request, image));
    let candidates: Vec<ImageId> = going.clone().map(|image| image.id).collect();
    let Some((root, others)) = answer.volumes.split_first() else { return Ok(None) };
    let shortfall = root.shortfall;
    let is_helpful = others.iter().all(|room| room.shortfall == 0);
    if shortfall == 0 {
        return Ok(None);
    }
    let found = Sharing::new(&state.stores, &candidates, &answer.reused).smallest(shortfall);
    if !found.is_enough && answer.missing.source == Source::Bound {
        return Ok(None);
    }
    let images = going.filter(|image| found.images.contains(&image.id)).map(|image| Going {
        id: image.id,
        references: image.references.iter().map(|reference| reference.familiar().to_owned()).collect(),
        size: image.size,
    });
    Ok(Some(MakeRoom {
        images: images.collect(),
        freed: found.freed,
        shortfall,
        is_enough: found.is_enough && is_helpful,
        is_exact: found.is_exact,
        applied: false,
        done: None,
        steps: Step::children_first(&state.stores, &found.images),
    }))
}

/// An unnamed parent that a filter keeps. A prune does not ask (L-6); here nothing goes that a filter keeps.
fn is_kept_parent(stores: &Stores, request: &PruneRequest, image: &ImagePlan) -> bool {
    matches!(image.reason, Reason::ParentOfDeleted(_))
        && stores.images.get(image.id).is_ok_and(|image| request.rejection(&image).is_some())
}

/// Deletes them from the daemon. What has changed since the plan, or came into use meanwhile, stays. What went is noted
/// also where a failure ends it.
pub fn make(args: &FitArgs, room: &mut MakeRoom) -> Result<()> {
    let client = host::client(&host::or_standard(args.source.host.as_deref()))?;
    let view = View::read(&client).map_err(Error::from)?;
    let applied = room.done.insert(Effects::default());
    let done = delete(&client, &view, &KeepRules::new(), &room.steps, &|| false, &mut |_| (), applied);
    room.applied = true;
    for text in warnings(applied) {
        render::line_to_stderr("warning", &text);
    }
    Ok(done.map_err(Error::from)?)
}

/// A warning for each deletion that ended otherwise than planned: ten of each kind.
fn warnings(done: &Effects) -> Vec<String> {
    let image = |id: &dyn std::fmt::Display| render::identifier(id, false);
    let left = done
        .skipped
        .iter()
        .map(|skipped| format!("image {} is left: {}", image(&skipped.image), skipped.why));
    let unconfirmed =
        done.unconfirmed.iter().map(|id| format!("image {}: no answer arrived, it may be gone", image(id)));
    let late = done.late_containers.iter().map(ToString::to_string);
    [
        few::first(left, |more| format!("{more} more images are left")),
        few::first(unconfirmed, |more| format!("{more} more images may be gone")),
        few::first(late, |more| format!("{more} more containers came that late")),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use image_prune::Digest;
    use image_prune::client::deletion::SkippedStep;

    use super::*;

    #[test]
    fn many_images_that_are_left_are_counted() {
        let ids = (0..500_u32).map(|number| Digest::of(&number.to_le_bytes()));
        let skipped =
            ids.clone().map(|id| SkippedStep { image: id.into(), why: "it has changed".to_owned() });
        let unconfirmed = ids.map(|id| id.to_string());
        let done =
            Effects { skipped: skipped.collect(), unconfirmed: unconfirmed.collect(), ..Effects::default() };
        let told = warnings(&done);
        assert_eq!(told.len(), 22);
        assert_eq!(told.iter().filter(|text| text.ends_with("is left: it has changed")).count(), 10);
        assert!(told.contains(&"490 more images are left".to_owned()), "{told:?}");
        assert!(told.contains(&"490 more images may be gone".to_owned()), "{told:?}");
    }
}
