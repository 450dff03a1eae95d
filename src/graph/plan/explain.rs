//! Why each image goes or stays: the stores before a prune compared with those after it.

use std::collections::HashMap;

use super::{ImagePlan, Reason, Verdict};
use crate::api::request::{PruneRequest, Rejection};
use crate::base::digest::{ContainerId, ImageId};
use crate::document::reference::Reference;
use crate::graph::delete::Failure;
use crate::graph::report::PruneReport;
use crate::graph::select::{Exclusion, exclusion};
use crate::graph::store::{ContainerState, ContainerStore, ImageStore, ReferenceStore, Stores};

/// What became of every image, by ID.
pub(super) fn explain(
    before: &Stores,
    after: &Stores,
    request: &PruneRequest,
    report: &PruneReport,
) -> Vec<ImagePlan> {
    let mut deleted_children = HashMap::new();
    for (id, _, parent) in before.images.images() {
        if let Some(parent) = parent.filter(|_| !after.images.contains(id)) {
            deleted_children.entry(parent).and_modify(|child| *child = id.min(*child)).or_insert(id);
        }
    }
    // The last failure counts: the references before it went.
    let failures = report.skipped.iter().map(|skipped| (skipped.image, &skipped.failure)).collect();
    let explanation = Explanation { before, after, request, deleted_children, failures };
    let mut ids = before.images.ids(false);
    ids.sort_unstable();
    ids.into_iter().map(|id| explanation.image(id)).collect()
}

struct Explanation<'a> {
    before: &'a Stores,
    after: &'a Stores,
    request: &'a PruneRequest,
    /// By parent, the first of its children that went.
    deleted_children: HashMap<ImageId, ImageId>,
    failures: HashMap<ImageId, &'a Failure>,
}

impl Explanation<'_> {
    fn image(&self, id: ImageId) -> ImagePlan {
        let references = self.before.references.references(id);
        let (verdict, reason) = if !self.after.images.contains(id) {
            (Verdict::Delete, self.why_deleted(id))
        } else if self.after.references.references(id).len() < references.len() {
            (Verdict::Untag, self.why_blocked(id))
        } else {
            (Verdict::Keep, self.why_kept(id))
        };
        ImagePlan { id, size: self.size(id), references, verdict, reason }
    }

    fn size(&self, id: ImageId) -> i64 {
        let top = self.before.images.get(id).ok().and_then(|image| image.top_layer());
        top.and_then(|top| self.before.layers.chain_size(top)).unwrap_or(0)
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
            None | Some(Failure::NoSuchImage(_)) => {}
            Some(failure) => {
                let conflict =
                    if let Failure::Conflict(conflict) = failure { conflict.container() } else { None };
                return match conflict {
                    Some(id) => Reason::Container { id, running: self.is_running(id) },
                    None => Reason::Failed(failure.to_string()),
                };
            }
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

    fn is_running(&self, id: ContainerId) -> bool {
        self.after.containers.get(id).is_some_and(|container| container.running)
    }
}
