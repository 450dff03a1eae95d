//! `--keep-last` where dates do not decide: nothing goes that may be among the newest of its repository.

use std::collections::BTreeSet;

use image_prune::client::{KeepReason, KeepRules, Keeping};
use image_prune::graph::store::Stores;
use image_prune::{Digest, ImageId, Reference, Semantics, Timestamp};
use proptest::prelude::*;

use crate::support::config;

const SEEDS: &str = "proptests/regressions/keep.txt";
const SEMANTICS: Semantics = Semantics::MOBY_20_10;

/// Dates that say nothing: as tools that build reproducibly write them, or a machine whose clock was wrong.
const NO_DATES: [Option<&str>; 8] = [
    None,
    Some("0001-01-01T00:00:00Z"),
    Some("1970-01-01T00:00:00Z"),
    Some("1970-01-01T00:00:01Z"),
    Some("1980-01-01T00:00:01Z"),
    // Yet to come.
    Some("2024-06-02T00:00:01Z"),
    Some("2099-01-01T00:00:00Z"),
    Some("9999-12-31T23:59:59Z"),
];
/// 2024-06-01, the daemon's clock.
const NOW: Timestamp = Timestamp::new(1_717_200_000, 0);

/// An image: when it was created, and the repositories that it is in, by tag or by digest.
#[derive(Debug, Clone)]
struct Made {
    created: Option<String>,
    repositories: BTreeSet<(&'static str, bool)>,
}

fn stores(images: &[Made]) -> (Stores, Vec<ImageId>) {
    let stores = Stores::new(&SEMANTICS);
    let mut ids = Vec::new();
    for (number, image) in images.iter().enumerate() {
        let created = image.created.as_ref().map(|created| format!(r#""created":"{created}","#));
        let config = format!(
            r#"{{{}"author":"{number}","os":"linux","rootfs":{{"type":"layers"}}}}"#,
            created.unwrap_or_default()
        );
        let id = stores.images.create(config).unwrap();
        for (repository, is_digest) in &image.repositories {
            if *is_digest {
                let digest = Digest::of(format!("manifest {number}").as_bytes());
                let name = Reference::parse(&format!("{repository}@{digest}"), &SEMANTICS).unwrap();
                stores.references.add_digest(name, id).unwrap();
            } else {
                let name = Reference::parse(&format!("{repository}:{number}"), &SEMANTICS).unwrap();
                stores.references.add_tag(name, id).unwrap();
            }
        }
        ids.push(id);
    }
    (stores, ids)
}

fn keep_last(count: usize, images: &[Made]) -> (Keeping, Vec<ImageId>) {
    let (stores, ids) = stores(images);
    (KeepRules::new().last(count).apply(&stores, NOW), ids)
}

fn made() -> impl Strategy<Value = Made> {
    let real = (1_u32..5).prop_map(|day| Some(format!("2020-01-{day:02}T00:00:00Z")));
    let none = (0..NO_DATES.len()).prop_map(|which| NO_DATES[which].map(str::to_owned));
    let repository = prop_oneof![Just("app"), Just("reg.io:5000/team/app"), Just("web")];
    let repositories = prop::collection::btree_set((repository, any::<bool>()), 0..3);
    (prop_oneof![3 => real, 1 => none], repositories)
        .prop_map(|(created, repositories)| Made { created, repositories })
}

/// The date of an image, where it has one: RFC 3339 in UTC sorts as text.
fn date(image: &Made) -> Option<&str> {
    image.created.as_deref().filter(|created| ("1980-01-02"..="2024-06-02T00:00:00Z").contains(created))
}

proptest! {
    #![proptest_config(config(SEEDS, 200))]

    /// An image stays unless enough others of each of its repositories are known to be newer.
    #[test]
    fn an_image_goes_only_where_enough_others_are_newer(
        images in prop::collection::vec(made(), 0..9),
        count in 0_usize..4,
    ) {
        let (keeping, ids) = keep_last(count, &images);
        for (image, id) in images.iter().zip(&ids) {
            let is_in = |other: &Made, name: &str| other.repositories.iter().any(|(found, _)| *found == name);
            let mut names: Vec<&str> = image.repositories.iter().map(|(name, _)| *name).collect();
            names.dedup();
            let stays = names.iter().any(|name| {
                let newer = |other: &&Made| {
                    is_in(other, name) && matches!((date(image), date(other)), (Some(a), Some(b)) if b > a)
                };
                images.iter().filter(newer).count() < count
            });
            prop_assert_eq!(keeping.images.contains_key(id), stays, "{:?}", image);
            match keeping.images.get(id) {
                Some(KeepReason::KeepLast { repository, place }) => {
                    // A place is told only where each other image is known to be newer or older.
                    let others = || images.iter().zip(&ids).filter(|(other, found)| *found != id && is_in(other, repository));
                    prop_assert!(others().all(|(other, _)| date(other).is_some() && date(other) != date(image)));
                    prop_assert_eq!(others().filter(|(other, _)| date(other) > date(image)).count() + 1, *place);
                }
                Some(KeepReason::MayBeNewest { repository, others }) => {
                    let alike = images.iter().zip(&ids).filter(|(other, found)| {
                        *found != id
                            && is_in(other, repository)
                            && (date(image).is_none() || date(other).is_none() || date(other) == date(image))
                    });
                    prop_assert_eq!(alike.count(), *others);
                }
                None => {}
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }
}

fn five(created: Option<&str>, is_digest: bool) -> Vec<Made> {
    let image = Made { created: created.map(str::to_owned), repositories: [("app", is_digest)].into() };
    vec![image; 5]
}

#[test]
fn of_images_without_a_date_all_stay_and_the_reason_says_so() {
    let same = [Some("2024-05-05T05:05:05Z")];
    for created in NO_DATES.into_iter().chain(same) {
        for is_digest in [false, true] {
            let (keeping, ids) = keep_last(2, &five(created, is_digest));
            assert_eq!(keeping.images.len(), 5, "{created:?}");
            for id in ids {
                let reason = keeping.images[&id].to_string();
                assert_eq!(reason, "dates do not say whether it is newer than 4 other images of app");
            }
            assert!(keep_last(0, &five(created, is_digest)).0.images.is_empty());
        }
    }
}

/// Whoever moves from real dates to reproducible builds has the new images without a date.
#[test]
fn a_date_is_not_newer_than_none() {
    let mut images = five(Some("1980-01-01T00:00:01Z"), false);
    images[0].created = Some("2024-05-05T05:05:05Z".to_owned());
    images[1].created = Some("2024-05-04T05:05:05Z".to_owned());
    let (keeping, ids) = keep_last(1, &images);
    let stay: Vec<bool> = ids.iter().map(|id| keeping.images.contains_key(id)).collect();
    assert_eq!(stay, [true, false, true, true, true]);
}

#[test]
fn images_pulled_by_digest_belong_to_their_repository() {
    let mut images = five(None, true);
    for (image, day) in images.iter_mut().zip(1..) {
        image.created = Some(format!("2024-05-0{day}T00:00:00Z"));
    }
    let (keeping, ids) = keep_last(1, &images);
    assert_eq!(keeping.images.keys().collect::<Vec<_>>(), [&ids[4]]);
    assert_eq!(keeping.images[&ids[4]].to_string(), "it is the newest of app");
}
