//! `--store containerd`: a prune of that store over the floor, at growing sizes.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use image_prune::cancel::Never;
use image_prune::containerd::PruneReport;
use image_prune::containerd::store::{Bytes, MetadataStore};
use image_prune::oracle::containerd::Model;
use image_prune::replay::RecordText;
use image_prune::world::ContainerdWorld;
use serde_json::json;

use crate::support::containerd::{SEMANTICS, engine, stores};
use crate::support::figures::{Settings, median, peak_rss, timed, us_each};
use crate::support::store::{FILTERS, filters, prune_now};

pub fn run(settings: &Settings) {
    let bytes = if settings.has("--lean") { Bytes::None } else { Bytes::Json };
    check_against_model();
    let mut table = settings.table();
    for images in settings.images(&[1_000, 8_000, 64_000, 250_000, 1_000_000]) {
        let runs: Vec<_> = (0..settings.runs).map(|_| Run::measure(images, bytes)).collect();
        let (prune, floor) =
            (median(runs.iter().map(|run| run.prune)), median(runs.iter().map(|run| run.floor)));
        let first = &runs[0];
        table.row([
            ("images", json!(images)),
            ("build_s", json!(median(runs.iter().map(|run| run.build)).as_secs_f64())),
            ("first_collection_s", json!(median(runs.iter().map(|run| run.collection)).as_secs_f64())),
            ("prune_s", json!(prune.as_secs_f64())),
            ("us_per_image", json!(us_each(prune, images))),
            ("records", json!(first.report.images_deleted.len())),
            ("reclaimed", json!(first.report.space_reclaimed)),
            ("keys_gone", json!(first.gone)),
            ("floor_us_per_image", json!(us_each(floor, images))),
            ("ratio_to_floor", json!(prune.as_secs_f64() / floor.as_secs_f64())),
            ("heap_bytes_per_image", json!(first.heap as f64 / images as f64)),
            ("peak_rss_bytes", json!(peak_rss())),
        ]);
    }
}

/// One store, built, collected once and pruned; and the floor for what went.
struct Run {
    build: Duration,
    collection: Duration,
    prune: Duration,
    floor: Duration,
    report: PruneReport,
    gone: usize,
    heap: i64,
}

impl Run {
    fn measure(images: usize, bytes: Bytes) -> Self {
        let mut new = None;
        let (build, memory) = timed(|| allocation_counter::measure(|| new = Some(engine(images, bytes))));
        let engine = new.unwrap();
        let metadata = &engine.stores().metadata;
        let (collection, ()) = timed(|| metadata.collect(prune_now().instant).unwrap());
        let before = Keys::of(&engine.stores().to_world());
        let (prune, report) = timed(|| engine.prune(&filters(), prune_now(), &Never).unwrap());
        let after = Keys::of(&engine.stores().to_world());
        drop(engine);
        let mut floor = Floor::new(&before);
        let gone = before.without(&after);
        let (floor, removed) = timed(|| floor.remove(&gone));
        assert_eq!(removed as usize, gone.len());
        Self { build, collection, prune, floor, report, gone: gone.len(), heap: memory.bytes_current }
    }
}

/// The keys of a store.
struct Keys {
    names: Vec<String>,
    content: Vec<[u8; 32]>,
    snapshots: Vec<[u8; 32]>,
}

impl Keys {
    fn of(world: &ContainerdWorld) -> Self {
        let digest = |key: &String| key.parse::<image_prune::Digest>().ok();
        Self {
            names: world.images.iter().map(|image| image.name.clone()).collect(),
            content: world.blobs.iter().map(|blob| *blob.digest.as_bytes()).collect(),
            snapshots: world
                .snapshots
                .iter()
                .filter_map(|snapshot| digest(&snapshot.key))
                .map(|digest| *digest.as_bytes())
                .collect(),
        }
    }

    fn without(&self, after: &Self) -> Self {
        fn gone<T: Ord + Clone>(before: &[T], after: &[T]) -> Vec<T> {
            let left: BTreeSet<&T> = after.iter().collect();
            before.iter().filter(|key| !left.contains(key)).cloned().collect()
        }
        Self {
            names: gone(&self.names, &after.names),
            content: gone(&self.content, &after.content),
            snapshots: gone(&self.snapshots, &after.snapshots),
        }
    }

    fn len(&self) -> usize {
        self.names.len() + self.content.len() + self.snapshots.len()
    }
}

/// The floor: three hash maps, and nothing but the removal of keys, in the order of the names and of the digests.
struct Floor {
    names: HashMap<String, u32>,
    digests: [HashMap<[u8; 32], u32>; 2],
}

impl Floor {
    fn new(keys: &Keys) -> Self {
        let map = |keys: &[[u8; 32]]| keys.iter().map(|key| (*key, 1)).collect();
        Self {
            names: keys.names.iter().map(|name| (name.clone(), 1)).collect(),
            digests: [map(&keys.content), map(&keys.snapshots)],
        }
    }

    /// Removes the keys; how many were there.
    fn remove(&mut self, keys: &Keys) -> u32 {
        let mut removed = 0;
        for name in &keys.names {
            removed += self.names.remove(name).unwrap_or(0);
        }
        for (map, keys) in self.digests.iter_mut().zip([&keys.content, &keys.snapshots]) {
            for key in keys {
                removed += map.remove(key).unwrap_or(0);
            }
        }
        removed
    }
}

/// Holds the measured prune against the model at a small size: the same records and bytes.
fn check_against_model() {
    let engine = engine(200, Bytes::All);
    let world = stores(200, Bytes::All).to_world();
    let mut model = Model::new(&world, &SEMANTICS, prune_now()).unwrap();
    let expected = model.prune(FILTERS, &[], &Never).report.unwrap();
    let report = engine.prune(&filters(), prune_now(), &Never).unwrap();
    let records: Vec<RecordText> = report.images_deleted.iter().map(RecordText::from).collect();
    assert_eq!(
        (records, report.space_reclaimed),
        (expected.images_deleted.unwrap_or_default(), expected.space_reclaimed)
    );
}
