//! `keep-last` of a registry where a date is yet to come: it was written by a machine whose clock was wrong.

use image_prune::Digest;
use image_prune::manifest::Manifest;
use image_prune::registry::{Entry, Inventory, Pointer, Repository, Rules, Schemes, plan};

/// 2026-06-01.
const NOW: i64 = 1_780_272_000;
const DAY: i64 = 86_400;

/// The tags that go of these, each with the date of its image.
fn gone(tags: &[(&str, i64)]) -> Vec<String> {
    let mut repository = Repository { name: "app".to_owned(), ..Repository::default() };
    for (tag, created) in tags {
        let digest = Digest::of(tag.as_bytes());
        let manifest = Box::new(Manifest::default());
        repository.manifests.insert(digest, Entry::Read { size: 1, manifest, created: Some(*created) });
        repository.tags.insert((*tag).to_owned(), Pointer::To(digest));
    }
    let inventory = Inventory { repositories: vec![repository], is_whole: true, notes: Vec::new() };
    let rules = Rules::parse("app keep-last 1", Schemes::default()).unwrap();
    plan(&inventory, &rules, NOW).delete.into_iter().map(|deletion| deletion.tag).collect()
}

#[test]
fn an_image_of_the_future_is_not_the_newest() {
    // 2099-01-01.
    assert!(gone(&[("old", 4_070_908_800), ("new", NOW - DAY)]).is_empty());
    assert!(gone(&[("old", NOW + DAY + 1), ("new", NOW - DAY)]).is_empty());
    assert_eq!(gone(&[("old", NOW + DAY), ("new", NOW - DAY)]), ["new"], "clocks may differ by a day");
    assert_eq!(gone(&[("old", i64::MAX), ("new", NOW), ("older", NOW - DAY)]), ["older"]);
}
