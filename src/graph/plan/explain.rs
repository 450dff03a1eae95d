//! Why each image goes or stays: the stores before a prune compared with those after it.

use std::collections::{HashMap, HashSet};

use super::{ImagePlan, Reason, Verdict};
use crate::api::request::{PruneRequest, Rejection};
use crate::base::digest::ImageId;
use crate::document::reference::Reference;
use crate::graph::delete::{Conflict, DeleteErrorKind, Obstacle};
use crate::graph::report::PruneReport;
use crate::graph::select::{Exclusion, exclusion};
use crate::graph::store::{
    ContainerState, ContainerStore, ImageStore, LayerStore, Overlay, ReferenceStore, Stores,
};

/// What became of every image, by ID.
pub(super) fn explain<I: ImageStore, R: ReferenceStore, L: LayerStore, C: ContainerStore>(
    before: &Stores<I, R, L, C>,
    after: &Overlay<'_, I, R, L, C>,
    request: &PruneRequest,
    report: &PruneReport,
) -> Vec<ImagePlan> {
    let mut ids = before.images.ids(false);
    let left: HashSet<ImageId> = after.images.ids(false).into_iter().collect();
    let mut deleted_children = HashMap::new();
    for &id in ids.iter().filter(|id| !left.contains(id)) {
        if let Some(parent) = before.images.parent(id) {
            deleted_children.entry(parent).and_modify(|child| *child = id.min(*child)).or_insert(id);
        }
    }
    // The last failure counts: the references before it went.
    let failures = report.skipped.iter().map(|skipped| (skipped.image, &skipped.failure)).collect();
    let explanation = Explanation { before, after, request, left, deleted_children, failures };
    ids.sort_unstable();
    ids.into_iter().map(|id| explanation.image(id)).collect()
}

struct Explanation<'a, I, R, L, C> {
    before: &'a Stores<I, R, L, C>,
    after: &'a Overlay<'a, I, R, L, C>,
    request: &'a PruneRequest,
    /// The images that stay.
    left: HashSet<ImageId>,
    /// By parent, the first of its children that went.
    deleted_children: HashMap<ImageId, ImageId>,
    failures: HashMap<ImageId, &'a DeleteErrorKind>,
}

impl<I: ImageStore, R: ReferenceStore, L: LayerStore, C: ContainerStore> Explanation<'_, I, R, L, C> {
    fn image(&self, id: ImageId) -> ImagePlan {
        let references = self.before.references.references(id);
        let (verdict, reason) = if !self.left.contains(&id) {
            (Verdict::Delete, self.why_deleted(id))
        } else if self.after.references.references(id).len() < references.len() {
            (Verdict::Untag, self.why_blocked(id))
        } else {
            (Verdict::Keep, self.why_kept(id))
        };
        ImagePlan { id, size: self.size(id), references, verdict, reason }
    }

    fn size(&self, id: ImageId) -> i64 {
        let mut size = 0_i64;
        if let Some(top) = self.before.images.get(id).ok().and_then(|image| image.top_layer()) {
            self.before.layers.walk(top, &mut |_, layer| {
                size = size.wrapping_add(layer.diff_size);
                true
            });
        }
        size
    }

    fn why_deleted(&self, id: ImageId) -> Reason {
        match self.deleted_children.get(&id) {
            Some(child) if exclusion(self.before, self.request, id).is_some() => {
                Reason::ParentOfDeleted(*child)
            }
            _ => Reason::Unused,
        }
    }

    fn why_kept(&self, id: ImageId) -> Reason {
        match exclusion(self.before, self.request, id) {
            Some(Exclusion::Filtered(Rejection::Label)) => Reason::Label,
            Some(Exclusion::Filtered(Rejection::NegatedLabel)) => Reason::NegatedLabel,
            Some(Exclusion::Filtered(Rejection::NewerThanUntil { created, until })) => {
                Reason::NewerThanUntil { created, until }
            }
            Some(Exclusion::Unreadable) => Reason::Failed("its config cannot be read".to_owned()),
            Some(Exclusion::NotAHead | Exclusion::Intermediate) => self.why_blocked(id),
            None => self.first_tag(id).map_or_else(|| self.why_blocked(id), Reason::Tagged),
        }
    }

    /// The tag that keeps a head where only dangling images were asked for (P-5).
    fn first_tag(&self, id: ImageId) -> Option<Reference> {
        let mut references = self.before.references.references(id).into_iter();
        references.find(|reference| self.request.dangling_only() && !reference.is_canonical())
    }

    /// What stands in the way after the prune, in the order of D-7; else what failed.
    fn why_blocked(&self, id: ImageId) -> Reason {
        if let Some(child) = self.after.images.children(id).into_iter().min() {
            return Reason::HasChild(child);
        }
        if let Some(container) = self.container(id, ContainerState::Running) {
            return container;
        }
        if let Some(container) = self.container(id, ContainerState::Stopped) {
            return container;
        }
        match self.failures.get(&id) {
            None | Some(DeleteErrorKind::NoSuchImage(_)) => {}
            Some(DeleteErrorKind::Conflict(conflict)) => return self.obstacle(conflict),
            Some(failure) => return Reason::Failed(failure.to_string()),
        }
        match self.after.references.references(id).into_iter().next() {
            Some(reference) if reference.is_canonical() => Reason::Referenced(reference),
            Some(reference) => Reason::Tagged(reference),
            None => Reason::Failed("its child's deletion failed before its own turn".to_owned()),
        }
    }

    fn container(&self, id: ImageId, state: ContainerState) -> Option<Reason> {
        let container = self.after.containers.first(id, state)?;
        Some(Reason::Container { id: container, running: state == ContainerState::Running })
    }

    /// What was in the way of a deletion, and is not to be seen any more.
    fn obstacle(&self, conflict: &Conflict) -> Reason {
        let (id, running) = match &conflict.obstacle {
            Obstacle::RunningContainer(id) => (*id, true),
            Obstacle::StoppedContainer(id) => (*id, false),
            // Containers made from the image are seen, so that this one mounts it.
            Obstacle::LastReference(_, id) => {
                let running = self.after.containers.first_mounting(conflict.image, ContainerState::Running);
                (*id, running == Some(*id))
            }
            Obstacle::DependentChildren | Obstacle::References => {
                return Reason::Failed(conflict.to_string());
            }
        };
        Reason::Container { id, running }
    }
}
