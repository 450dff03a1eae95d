//! What holds for every prune of a containerd store, whatever the store.

use std::collections::{BTreeMap, BTreeSet};

use image_prune::cancel::Never;
use image_prune::containerd::Engine;
use image_prune::event::Recorder;
use image_prune::oracle::containerd::Model;
use image_prune::replay::PruneText;
use image_prune::replay::containerd::{Returned, Subject};
use image_prune::world::ContainerdWorld;
use image_prune::world::containerd::{Blob, Container, ImageRecord};
use image_prune::{Now, Reference, Semantics};

use crate::containerd_engine::made::{self, Random};

const ALL: &str = r#"{"dangling":["false"]}"#;

fn now() -> Now {
    Now { instant: image_prune::Timestamp::new(1_718_000_000, 0), utc_offset_seconds: 0 }
}

fn prune<S: Subject>(subject: &mut S, filters: &str, order: &[String]) -> Returned<PruneText> {
    subject.prune(filters, now(), order, &Never)
}

/// Worlds of this oddity with their semantics, the same on every run.
fn worlds(count: u64, oddity: usize) -> impl Iterator<Item = (u64, ContainerdWorld, Semantics)> {
    (0..count).map(move |seed| {
        let random = &mut Random::new(seed + 77_000);
        let semantics = *random.pick(&Semantics::ALL_CONTAINERD);
        (seed, made::world(random, semantics.name, oddity), semantics)
    })
}

/// The names in an order that the seed shuffles.
fn shuffled(world: &ContainerdWorld, seed: u64) -> Vec<String> {
    let random = &mut Random::new(seed);
    let mut names: Vec<String> = world.images.iter().map(|image| image.name.clone()).collect();
    names.sort();
    for last in (1..names.len()).rev() {
        names.swap(last, random.below(last + 1));
    }
    names
}

/// K-3 excludes images that reach a blob twice, sizes that are not true and children without a label; and, which it does
/// not say, a config that names no snapshot though another image has unpacked layers of its chain: it counts them if it
/// goes last, and else nobody does. This walks the JSON as it stands, which is right where everything decodes.
fn is_clean(world: &ContainerdWorld) -> bool {
    world.images.iter().all(|image| is_clean_image(world, image))
        && world.blobs.iter().all(|blob| names_chain(world, blob))
}

fn names_chain(world: &ContainerdWorld, blob: &Blob) -> bool {
    let raw = blob.raw.as_deref().unwrap_or_default();
    let document: serde_json::Value = serde_json::from_slice(raw).unwrap_or_default();
    let diff_ids = document["rootfs"]["diff_ids"].as_array().into_iter().flatten();
    let mut below: Option<String> = None;
    let chain: Vec<String> = diff_ids
        .map(|diff_id| {
            let diff_id = diff_id.as_str().unwrap();
            let next = below.as_ref().map_or(diff_id.to_owned(), |below| {
                image_prune::Digest::of(format!("{below} {diff_id}").as_bytes()).to_string()
            });
            below = Some(next.clone());
            next
        })
        .collect();
    let is_unpacked = world.snapshots.iter().any(|snapshot| chain.contains(&snapshot.key));
    !is_unpacked || blob.labels.contains_key("containerd.io/gc.ref.snapshot.overlayfs")
}

fn is_clean_image(world: &ContainerdWorld, image: &ImageRecord) -> bool {
    let blobs: BTreeMap<String, &[u8]> =
        world.blobs.iter().filter_map(|blob| Some((blob.digest.to_string(), blob.raw.as_deref()?))).collect();
    let mut seen = BTreeSet::new();
    let mut next =
        vec![(image.target.digest.to_string(), image.target.media_type.clone(), image.target.size)];
    while let Some((digest, media_type, size)) = next.pop() {
        let Some(raw) = blobs.get(&digest) else { continue };
        if usize::try_from(size) != Ok(raw.len()) || !seen.insert(digest) {
            return false;
        }
        if !media_type.contains("manifest") && !media_type.contains("index") {
            continue;
        }
        let document: serde_json::Value = serde_json::from_slice(raw).unwrap();
        let lists = ["layers", "manifests"]
            .into_iter()
            .flat_map(|key| document[key].as_array().into_iter().flatten());
        for child in lists.chain(document.get("config")) {
            let text = |key: &str| child[key].as_str().unwrap_or_default().to_owned();
            next.push((text("digest"), text("mediaType"), child["size"].as_i64().unwrap()));
        }
    }
    true
}

fn sorted(report: &PruneText) -> Vec<image_prune::replay::RecordText> {
    let mut records = report.images_deleted.clone().unwrap_or_default();
    records.sort();
    records
}

/// What is left, whatever its order.
fn left(world: &ContainerdWorld) -> [BTreeSet<String>; 4] {
    [
        world.images.iter().map(|image| image.name.clone()).collect(),
        world.blobs.iter().map(|blob| blob.digest.to_string()).collect(),
        world.snapshots.iter().map(|snapshot| snapshot.key.clone()).collect(),
        world.leases.iter().map(|lease| lease.id.clone()).collect(),
    ]
}

/// K-3: in a clean store the order does not matter for what is left, for the bytes and for the records as a set.
fn order_does_not_matter<S: Subject>() {
    let (mut seen, mut deleted) = (0, 0);
    for (seed, world, semantics) in worlds(1_500, 0) {
        if !is_clean(&world) {
            continue;
        }
        seen += 1;
        let outcome = |order: &[String]| {
            let mut subject = S::load(&world, &semantics).unwrap();
            let answer = prune(&mut subject, ALL, order);
            assert_eq!(answer.error, None, "seed {seed}: nothing in a clean store fails");
            let report = answer.report.unwrap();
            (sorted(&report), report.space_reclaimed, left(&subject.world()))
        };
        let by_name = outcome(&[]);
        deleted += usize::from(by_name.0.len() > 3);
        for order in 1..4 {
            assert_eq!(outcome(&shuffled(&world, seed * 10 + order)), by_name, "seed {seed}");
        }
    }
    assert!(seen > 300 && deleted > 100, "{seen} stores were clean, {deleted} had a lot to delete");
}

#[test]
fn the_order_does_not_matter_in_a_clean_store_to_the_engine() {
    order_does_not_matter::<Engine<Recorder>>();
}

#[test]
fn the_order_does_not_matter_in_a_clean_store_to_the_model() {
    order_does_not_matter::<Model>();
}

/// Where the garbage of others is gone beforehand, the bytes of the report are those that went.
fn what_is_freed_is_what_is_gone<S: Subject>() {
    let (mut seen, mut freed) = (0, 0);
    for (seed, world, semantics) in worlds(1_500, 0) {
        if !is_clean(&world) {
            continue;
        }
        let mut subject = S::load(&world, &semantics).unwrap();
        // A prune that takes nothing takes leases away, and what they alone held.
        let nothing = r#"{"label":["nobody has this label"]}"#;
        assert_eq!(prune(&mut subject, nothing, &[]).report.unwrap().images_deleted, None);
        subject.collect(now());
        let before = subject.world();
        let report = prune(&mut subject, ALL, &shuffled(&world, seed)).report.unwrap();
        let after = left(&subject.world());
        let blobs = before.blobs.iter().filter(|blob| !after[1].contains(&blob.digest.to_string()));
        let snapshots = before.snapshots.iter().filter(|snapshot| !after[2].contains(&snapshot.key));
        let snapshots: i64 = snapshots.map(|snapshot| snapshot.size).sum();
        let is_counted = semantics.containerd.unwrap().snapshots_are_reclaimed;
        let gone = blobs.map(|blob| blob.size).sum::<i64>() + if is_counted { snapshots } else { 0 };
        assert_eq!(i64::try_from(report.space_reclaimed).unwrap(), gone, "seed {seed}");
        (seen, freed) = (seen + 1, freed + usize::from(gone > 0));
    }
    assert!(seen > 300 && freed > 200, "{seen} stores were clean, in {freed} something was freed");
}

#[test]
fn what_is_freed_is_what_is_gone_in_the_engine() {
    what_is_freed_is_what_is_gone::<Engine<Recorder>>();
}

#[test]
fn what_is_freed_is_what_is_gone_in_the_model() {
    what_is_freed_is_what_is_gone::<Model>();
}

/// The names that a container holds by C-1 and C-3.
fn held_names(container: &Container, semantics: &Semantics) -> Vec<String> {
    let mut names = vec![format!("moby-dangling@{}", container.image_id)];
    if let Ok(reference) = Reference::parse(&container.image, semantics) {
        if let (Some(tag), true) = (reference.tag(), reference.is_canonical()) {
            names.push(format!("{}:{tag}", reference.name()));
        }
        names.push(reference.tag_name_only().as_str().to_owned());
    }
    names
}

fn expires(labels: &BTreeMap<String, String>) -> bool {
    labels.contains_key("containerd.io/gc.expire")
}

/// Nothing goes that a container's name, its ID or a lease holds. Records that expire are nobody's to hold.
fn nothing_that_is_held_is_lost<S: Subject>(oddity: usize) {
    let mut held = [0; 4];
    for (seed, world, semantics) in worlds(1_000, oddity) {
        let mut subject = S::load(&world, &semantics).unwrap();
        let _ = prune(&mut subject, ALL, &shuffled(&world, seed));
        let [names, blobs, snapshots, leases] = left(&subject.world());
        let lasting: Vec<_> = world.images.iter().filter(|image| !expires(&image.labels)).collect();
        for container in &world.containers {
            for name in held_names(container, &semantics) {
                if lasting.iter().any(|image| image.name == name) {
                    assert!(names.contains(&name), "seed {seed}: {name} is held by {container:?}");
                    held[0] += 1;
                }
            }
            // C-2
            let hex = container.image_id.hex();
            let typed = container.image.strip_prefix("sha256:").unwrap_or(&container.image);
            let is_by_id =
                hex.starts_with(typed) || container.image.ends_with(&format!("@{}", container.image_id));
            let of_digest: Vec<_> =
                world.images.iter().filter(|image| image.target.digest == container.image_id).collect();
            // Q-7: the count of names is made beforehand, and one that expires may be the one that is kept.
            if is_by_id && !of_digest.is_empty() && !of_digest.iter().any(|image| expires(&image.labels)) {
                let is_kept = of_digest.iter().any(|image| names.contains(&image.name));
                assert!(is_kept, "seed {seed}: no name of {} is left", container.image_id);
                held[1] += 1;
            }
        }
        for lease in &world.leases {
            if lease.labels.contains_key("moby/prune.images") || expires(&lease.labels) {
                continue;
            }
            assert!(leases.contains(&lease.id), "seed {seed}: the lease {} is gone", lease.id);
            for digest in &lease.content {
                if world.blobs.iter().any(|blob| blob.digest.to_string() == *digest) {
                    assert!(blobs.contains(digest), "seed {seed}: {digest} is leased");
                    held[2] += 1;
                }
            }
            for key in &lease.snapshots {
                if world.snapshots.iter().any(|snapshot| snapshot.key == *key) {
                    assert!(snapshots.contains(key), "seed {seed}: the snapshot {key} is leased");
                    held[3] += 1;
                }
            }
        }
    }
    assert!(held.iter().all(|count| *count > 30), "held: {held:?}");
}

#[test]
fn nothing_that_is_held_is_lost_by_the_engine() {
    nothing_that_is_held_is_lost::<Engine<Recorder>>(0);
    nothing_that_is_held_is_lost::<Engine<Recorder>>(20);
}

#[test]
fn nothing_that_is_held_is_lost_by_the_model() {
    nothing_that_is_held_is_lost::<Model>(0);
    nothing_that_is_held_is_lost::<Model>(20);
}

/// Without containers and filters no name stays in a clean store, and no content but what leases and roots hold.
#[test]
fn everything_goes_where_nobody_uses_anything() {
    for (seed, mut world, semantics) in worlds(500, 0) {
        world.containers.clear();
        world.leases.clear();
        let mut engine = <Engine<Recorder> as Subject>::load(&world, &semantics).unwrap();
        let mut model = <Model as Subject>::load(&world, &semantics).unwrap();
        let _ = prune(&mut engine, ALL, &[]);
        let _ = prune(&mut model, ALL, &[]);
        for world in [engine.world(), Subject::world(&model)] {
            // Where no record was there to be deleted, nothing is collected.
            let is_collected = !world.images.is_empty() || world.blobs.is_empty();
            assert_eq!(world.images, [], "seed {seed}");
            assert!(is_collected || engine.take_events().is_empty(), "seed {seed}: {:?}", world.blobs);
        }
    }
}

/// X-10: a cycle of parent labels is no parents at all, where moby never ends.
#[test]
fn a_cycle_of_parents_ends() {
    let semantics = Semantics::MOBY_29_CONTAINERD;
    let digests: Vec<_> = (0..3_u8).map(|number| image_prune::Digest::of(&[number])).collect();
    let image = |number: usize, parent: usize| {
        serde_json::json!({
            "name": format!("docker.io/library/a:{number}"),
            "target": {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digests[number]},
            "labels": {"org.mobyproject.image.parent": digests[parent]},
            "created_at": "2024-01-01T00:00:00Z",
        })
    };
    for parents in [[0, 1, 2], [1, 0, 2], [1, 2, 0]] {
        let images: Vec<_> =
            parents.iter().enumerate().map(|(number, parent)| image(number, *parent)).collect();
        let world: ContainerdWorld =
            serde_json::from_value(serde_json::json!({ "snapshotter": "overlayfs", "images": images }))
                .unwrap();
        let mut model = <Model as Subject>::load(&world, &semantics).unwrap();
        let mut engine = <Engine<Recorder> as Subject>::load(&world, &semantics).unwrap();
        let request = image_prune::replay::containerd::DeleteRequest {
            reference: "a:0",
            force: true,
            prune: true,
            platforms: &[],
        };
        let model_records = Subject::delete(&mut model, &request, now()).report.unwrap();
        let engine_records = Subject::delete(&mut engine, &request, now()).report.unwrap();
        assert_eq!(model_records.len(), 2, "{model_records:?}");
        assert_eq!(model_records, engine_records);
    }
}
