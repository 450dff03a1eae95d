//! The newest images of each repository, as far as dates say.

use std::collections::{BTreeMap, BTreeSet};

use super::KeepReason;
use crate::base::created::says_when;
use crate::base::digest::ImageId;
use crate::document::image::Image;
use crate::document::reference::Reference;
use crate::go::time::Timestamp;

/// When an image was created, where its date can be real `now`.
pub(super) fn date(image: &Image, now: Timestamp) -> Option<Timestamp> {
    image.created().filter(|created| says_when(created.unix_seconds(), now.unix_seconds()))
}

/// The images that may be among the `count` newest of a repository: all those than which fewer than `count` others are
/// known to be newer.
pub(super) fn of_each_repository(
    references: &[(Reference, ImageId)],
    dates: &BTreeMap<ImageId, Option<Timestamp>>,
    count: usize,
) -> Vec<(ImageId, KeepReason)> {
    let mut repositories: BTreeMap<&str, BTreeSet<ImageId>> = BTreeMap::new();
    for (reference, id) in references {
        repositories.entry(reference.familiar_name()).or_default().insert(*id);
    }
    let mut kept = Vec::new();
    for (repository, images) in repositories {
        let known: BTreeMap<ImageId, Timestamp> =
            images.iter().filter_map(|id| Some((*id, dates.get(id).copied().flatten()?))).collect();
        let mut newest_first: Vec<Timestamp> = known.values().copied().collect();
        newest_first.sort_unstable_by(|a, b| b.cmp(a));
        for id in &images {
            let (newer, others) = match known.get(id) {
                None => (0, images.len().saturating_sub(1)),
                Some(date) => {
                    let newer = newest_first.partition_point(|other| other > date);
                    let not_older = newest_first.partition_point(|other| other >= date);
                    let undated = images.len().saturating_sub(known.len());
                    (newer, not_older.saturating_sub(newer + 1).saturating_add(undated))
                }
            };
            if newer >= count {
                continue;
            }
            let repository = repository.to_owned();
            let reason = if others == 0 {
                KeepReason::KeepLast { repository, place: newer + 1 }
            } else {
                KeepReason::MayBeNewest { repository, others }
            };
            kept.push((*id, reason));
        }
    }
    kept
}
