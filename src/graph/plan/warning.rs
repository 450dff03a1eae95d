//! What a plan warns about: outcomes that few expect.

use super::{ImagePlan, Reason, Verdict};
use crate::api::request::PruneRequest;
use crate::api::warning::{Warning, WarningKind};
use crate::document::reference::Reference;
use crate::graph::store::{ImageStore, Stores};

/// Whether what a warning about the filters says comes true here: two are about every request with a filter.
pub(super) fn comes_true<I: ImageStore, R, L, C>(
    kind: WarningKind,
    stores: &Stores<I, R, L, C>,
    images: &[ImagePlan],
) -> bool {
    let mut deleted = images.iter().filter(|image| image.verdict == Verdict::Delete);
    match kind {
        WarningKind::ImagesWithoutConfig => {
            deleted.any(|image| stores.images.get(image.id).is_ok_and(|image| !image.has_config()))
        }
        WarningKind::UnfilteredParents => {
            deleted.any(|image| matches!(image.reason, Reason::ParentOfDeleted(_)))
        }
        _ => true,
    }
}

/// Warnings about images, not about filters.
pub(super) fn of_images(request: &PruneRequest, images: &[ImagePlan]) -> Vec<Warning> {
    images.iter().filter_map(|image| of_image(request, image)).collect()
}

fn of_image(request: &PruneRequest, image: &ImagePlan) -> Option<Warning> {
    let id = image.id;
    let is_digest_only = !image.references.is_empty() && image.references.iter().all(Reference::is_canonical);
    let (kind, message) = match (image.verdict, &image.reason) {
        (Verdict::Untag, Reason::Container { id: container, .. }) => (
            WarningKind::InUseIsUntagged,
            format!("{id} is used by container {container}, yet loses all references but its last"),
        ),
        (Verdict::Untag, Reason::HasChild(child)) => (
            WarningKind::ParentIsUntagged,
            format!("{id} has the child {child}: it loses its references and stays without a name"),
        ),
        (Verdict::Delete, _) if request.dangling_only() && is_digest_only => (
            WarningKind::DigestOnlyIsDangling,
            format!("{id} was pulled by digest: without a tag it counts as dangling and goes"),
        ),
        (Verdict::Keep, Reason::Referenced(reference)) if request.dangling_only() => (
            WarningKind::NeedsAnotherRun,
            format!("{id} has only digest references ({}): it goes in the next run", reference.familiar()),
        ),
        _ => return None,
    };
    Some(Warning { kind, message })
}
