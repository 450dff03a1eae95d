//! What the property tests share: worlds, requests, and how they are run.

#[cfg(feature = "data-root")]
pub mod bolt;
pub mod config;
#[cfg(feature = "data-root")]
pub mod containerd_root;
#[cfg(feature = "server")]
pub mod dockerd;
pub mod faulty;
pub mod foreign;
#[cfg(feature = "server")]
pub mod http;
#[cfg(feature = "server")]
pub mod image_tar;
#[cfg(all(feature = "client", feature = "server"))]
pub mod podman;
#[cfg(feature = "server")]
pub mod proxy;
pub mod requests;
pub mod worlds;

pub use config::config;
pub use requests::{filters, scenario};
pub use worlds::{Shape, world};

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use image_prune::event::{ImageEvent, Recorder};
use image_prune::graph::Engine;
use image_prune::graph::store::Stores;
use image_prune::replay::EventText;
use image_prune::{Filters, Now, Semantics, Timestamp, World};
use proptest::test_runner::TestCaseError;

/// Every Rust file below a folder, sorted.
pub fn source_files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Waits until this holds; a machine may be busy.
#[cfg(feature = "server")]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "{what}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Asks for everything that is unused.
pub const ALL: &str = r#"{"dangling":["false"]}"#;

/// Filters that every version can read.
pub fn parsed(filters: &str) -> Filters {
    Filters::parse(filters, &Semantics::default()).unwrap()
}

/// The wall clock of all requests.
pub const NOW: &str = "2020-06-01T00:00:00Z";

/// [`NOW`], in UTC.
pub fn now() -> Now {
    Now { instant: Timestamp::new(1_590_969_600, 0), utc_offset_seconds: 0 }
}

/// An engine over in-memory stores that hold `world`.
pub fn engine(world: &World, semantics: Semantics) -> Engine<Recorder> {
    let stores = Stores::load(world.clone(), &semantics).unwrap();
    Engine::new(stores, semantics, Recorder::default())
}

/// The store lists of a world, sorted, without what names the world.
pub fn sorted(mut world: World) -> World {
    world.images.sort_by_key(|image| image.id);
    world.references.sort_by(|a, b| a.name.cmp(&b.name));
    world.layers.sort_by_key(|layer| layer.chain_id);
    world.containers.sort_by_key(|container| container.id);
    World { name: String::new(), profile: String::new(), utc_offset_seconds: 0, ..world }
}

/// How often each of `items` is there.
pub fn multiset<T: Ord>(items: impl IntoIterator<Item = T>) -> BTreeMap<T, usize> {
    let mut counts = BTreeMap::new();
    for item in items {
        *counts.entry(item).or_insert(0) += 1;
    }
    counts
}

/// The profile that a world names.
pub fn semantics_of(world: &World) -> Semantics {
    world.profile.parse().unwrap_or_default()
}

/// What a reader of the events sees of them: no labels and an empty map of labels look the same.
pub fn as_text(events: &[ImageEvent]) -> Vec<EventText> {
    events.iter().map(EventText::from).collect()
}

/// Turns the words of `validate()` into a failed test case.
pub fn valid(stores: &Stores) -> Result<(), TestCaseError> {
    stores.validate().map_err(TestCaseError::fail)
}
