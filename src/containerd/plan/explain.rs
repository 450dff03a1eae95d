//! Why each name goes or stays: the stores before a prune compared with those after it.

use std::collections::HashMap;
use std::sync::Arc;

use super::{NamePlan, Reason, Step, Verdict};
use crate::base::digest::Digest;
use crate::base::error::{Error, Result};
use crate::containerd::image::Image;
use crate::containerd::prune::PruneReport;
use crate::containerd::request::Request;
use crate::containerd::select::{Protections, Rejection, rejection};
use crate::containerd::store::{ContentStore as _, ImageStore as _, Stores};
use crate::containerd::usage::Sizes;
use crate::semantics::Semantics;

/// What a plan is made of.
pub(super) struct Explanation<'a> {
    pub before: &'a Stores,
    /// As it was when the prune listed the records: without the leases that it takes away.
    pub listed: &'a Stores,
    pub after: &'a Stores,
    pub request: &'a Request,
    pub report: &'a PruneReport,
    /// By name, what the prune visited and deleted.
    pub steps: &'a HashMap<Arc<str>, Step>,
    pub sizes: &'a HashMap<Digest, Sizes>,
    pub semantics: &'a Semantics,
}

impl Explanation<'_> {
    pub(super) fn names(&self) -> Result<Vec<NamePlan>> {
        let protections = Protections::of(self.before, self.semantics);
        let kept: HashMap<&str, &Error> =
            self.report.kept.iter().map(|(image, error)| (image.name(), error)).collect();
        let images = self.before.metadata.images()?;
        images.iter().map(|image| self.name(image, &protections, &kept)).collect()
    }

    fn name(
        &self,
        image: &Image,
        protections: &Protections,
        kept: &HashMap<&str, &Error>,
    ) -> Result<NamePlan> {
        let step = self.steps.get(image.name());
        let (verdict, reason) = if self.after.metadata.image(image.name())?.is_some() {
            (Verdict::Keep, self.why_kept(image, protections, kept))
        } else {
            self.why_gone(image, step.is_some())?
        };
        let sizes = self.sizes.get(&image.digest());
        Ok(NamePlan {
            name: image.name().to_owned(),
            shown: image.familiar(self.semantics).to_string(),
            id: image.id(),
            disk_usage: sizes.map(|sizes| sizes.total),
            content_size: sizes.map(|sizes| sizes.content),
            verdict,
            reason,
            freed: step.copied().unwrap_or_default().freed,
        })
    }

    fn why_gone(&self, image: &Image, is_visited: bool) -> Result<(Verdict, Reason)> {
        let digest = image.digest();
        let after = &self.after.metadata;
        let stays = if self.before.metadata.contains(digest)? {
            after.contains(digest)?
        } else {
            !after.images_of(digest)?.is_empty()
        };
        let verdict = if stays { Verdict::Untag } else { Verdict::Delete };
        if !is_visited {
            return Ok((verdict, Reason::Expired));
        }
        if verdict == Verdict::Delete {
            return Ok((verdict, Reason::Unused));
        }
        let other = self.after.metadata.images_of(digest)?.into_iter().next();
        let lease = || self.after.metadata.lease_of(digest);
        Ok((
            verdict,
            match (other, lease()) {
                (Some(other), _) => Reason::OtherName(other.name().to_owned()),
                (None, Some(lease)) => Reason::Lease(lease),
                (None, None) => Reason::Referenced,
            },
        ))
    }

    fn why_kept(&self, image: &Image, protections: &Protections, kept: &HashMap<&str, &Error>) -> Reason {
        match rejection(&self.listed.metadata, self.request, image) {
            Some(Rejection::NotDangling) => return Reason::NotDangling,
            Some(Rejection::NewerThanUntil(until)) => {
                return Reason::NewerThanUntil { created: image.created_at(), until };
            }
            Some(Rejection::Labels) => return Reason::Labels,
            None => {}
        }
        if let Some(container) = protections.names.get(image.name()) {
            return Reason::ContainerName { id: container.id.clone(), running: container.running };
        }
        match kept.get(image.name()) {
            Some(error) if error.is_system() => return Reason::Undecodable(error.to_string()),
            Some(error) => return Reason::Failed(error.to_string()),
            None => {}
        }
        match protections.ids.get(&image.digest()) {
            Some(container) => Reason::LastName { id: container.id.clone(), running: container.running },
            None => Reason::Failed("the prune ended before its turn".to_owned()),
        }
    }
}
