//! What a plan warns about: outcomes that few expect.

use super::{ImagePlan, Reason, Verdict};
use crate::request::{PruneRequest, Warning};


/// Warnings about images, not about filters.
pub(super) fn of_images(request: &PruneRequest, images: &[ImagePlan]) -> Vec<Warning> {
    images.iter().filter_map(|image| of_image(request, image)).collect()
}

fn of_image(request: &PruneRequest, image: &ImagePlan) -> Option<Warning> {
    let id = image.id;
    let is_digest_only = || image.references.iter().all(|reference| reference.is_canonical());
    match (image.verdict, &image.reason) {
        (Verdict::Untag, Reason::Container { id: container, .. }) => Some(Warning::new(
            "in-use-image-is-untagged",
            format!("{id} is used by container {container}, yet loses all references but its last ones"),
        )),
        (Verdict::Untag, Reason::HasChild(child)) => Some(Warning::new(
            "parent-is-untagged",
            format!("{id} has the child {child}: it loses its references and stays without a name"),
        )),
        (Verdict::Delete, _) if request.dangling_only() && !image.references.is_empty() && is_digest_only() => {
            Some(Warning::new(
                "digest-only-is-dangling",
                format!("{id} was pulled by digest; without a tag it counts as dangling and goes"),
            ))
        }
        (Verdict::Keep, Reason::Referenced(reference)) if request.dangling_only() => Some(Warning::new(
            "needs-another-run",
            format!("{id} has only digest references ({}): it goes in the next run", reference.familiar()),
        )),
        _ => None,
    }
}
