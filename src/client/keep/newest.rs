//! The newest images of each repository, as far as dates say.

use std::collections::{BTreeMap, BTreeSet};

use super::KeepReason;
use crate::base::digest::ImageId;
use crate::document::image::Image;
use crate::document::reference::Reference;
use crate::go::time::Timestamp;

/// 1980-01-02, in unix seconds. A date before it is no date: tools that build reproducibly write none, year 1, 1970
/// (jib, ko, Bazel) or the first second that a ZIP archive can hold (Cloud Native Buildpacks: 1980-01-01T00:00:01Z).
const FIRST_DATE: i64 = 315_619_200;

/// When an image was created, where its date says so.
pub(super) fn date(image: &Image) -> Option<Timestamp> {
    image.created().filter(|created| created.unix_seconds() >= FIRST_DATE)
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
