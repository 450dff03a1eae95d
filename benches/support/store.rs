//! The stores that the benches prune.

use std::time::SystemTime;

use chrono::{DateTime, TimeDelta, Utc};
use image_prune::event::EventLog;
use image_prune::graph::Engine;
use image_prune::graph::store::{Container, LayerHandle, Stores};
use image_prune::{
    ChainId, ContainerId, DiffId, Digest, Filters, ImageId, Now, Reference, Semantics, Timestamp,
};

/// What is asked of the store: all images older than a day that are not for production.
pub const FILTERS: &str = r#"{"dangling":["false"],"until":["24h"],"label!":["env=prod"]}"#;

/// [`FILTERS`], read.
pub fn filters() -> Filters {
    Filters::parse(FILTERS, &SEMANTICS).unwrap()
}

pub const SEMANTICS: Semantics = Semantics::MOBY_20_10;

/// Base chains, and layers in each.
const BASES: usize = 16;
const BASE_DEPTH: usize = 5;

/// How a store differs from the plain one.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub images: usize,
    /// Every so many images, one is used by a stopped container.
    pub images_a_container: usize,
    /// Every so many images, one is tagged.
    pub images_a_tagged: usize,
    /// Tags of each tagged image.
    pub tags: usize,
    /// Layers that each image has above its base.
    pub own_layers: usize,
    /// Whether the raw configs are kept.
    pub configs: bool,
}

impl Shape {
    pub const fn plain(images: usize) -> Self {
        Self { images, images_a_container: 20, images_a_tagged: 2, tags: 1, own_layers: 2, configs: true }
    }
}

pub fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).unwrap()
}

pub fn engine(shape: Shape) -> Engine<EventLog> {
    let clock = || {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Timestamp::new(since.as_secs().cast_signed(), since.subsec_nanos())
    };
    Engine::new(stores(shape), SEMANTICS, EventLog::new(clock))
}

pub fn prune_now() -> Now {
    Now::utc(now())
}

/// N images, each with its own layers above one of 16 base chains of 5 layers.
pub fn stores(shape: Shape) -> Stores {
    let stores = if shape.configs { Stores::new(&SEMANTICS) } else { Stores::without_configs(&SEMANTICS) };
    for number in 0..shape.images {
        let id = build_image(&stores, described(number, shape.own_layers));
        if number % shape.images_a_tagged == 0 {
            for tag in 1..=shape.tags {
                let name = format!("registry.example.com/team{}/app{number}:v{tag}", number % 50);
                stores.references.add_tag(Reference::parse(&name, &SEMANTICS).unwrap(), id).unwrap();
            }
        }
        if number % shape.images_a_container == 0 {
            let container = ContainerId::from(Digest::of(format!("container {number}").as_bytes()));
            let container = Container { id: container, image: id, running: false, image_mounts: Vec::new() };
            stores.containers.create(container).unwrap();
        }
    }
    stores
}

/// The layers and the config of an image.
pub fn described(number: usize, own_layers: usize) -> (Vec<DiffId>, Vec<u8>) {
    let base = number % BASES;
    let base = (0..BASE_DEPTH).map(|depth| diff(&format!("base {base} {depth}")));
    let own = (0..own_layers).map(|depth| diff(&format!("layer {number} {depth}")));
    let diffs: Vec<_> = base.chain(own).collect();
    let config = config(number, &diffs).into_bytes();
    (diffs, config)
}

/// Registers the layers of an image, and adds it.
pub fn build_image(stores: &Stores, (diffs, config): (Vec<DiffId>, Vec<u8>)) -> ImageId {
    let top = register(stores, &diffs);
    let id = stores.images.create(config).unwrap();
    stores.layers.release(top).unwrap();
    id
}

pub fn diff(name: &str) -> DiffId {
    Digest::of(name.as_bytes()).into()
}

/// Registers a chain, and holds its top.
pub fn register(stores: &Stores, diffs: &[DiffId]) -> LayerHandle {
    let mut below: Option<(ChainId, LayerHandle)> = None;
    for (depth, diff) in diffs.iter().enumerate() {
        let size = 1000 + i64::try_from(depth).unwrap();
        let handle = stores.layers.register(*diff, below.map(|(chain, _)| chain), size).unwrap();
        if let Some((_, handle)) = below.replace((handle.chain_id(), handle)) {
            stores.layers.release(handle).unwrap();
        }
    }
    below.unwrap().1
}

/// The config of image `number`: `env` cycles through five values, the age through 2000 hours.
pub fn config(number: usize, diffs: &[DiffId]) -> String {
    let env = ["prod", "test", "dev", "stage", "qa"][number % 5];
    config_of(number, env, i64::try_from(number % 2000).unwrap(), diffs)
}

pub fn config_of(number: usize, env: &str, age_in_hours: i64, diffs: &[DiffId]) -> String {
    let created = (now() - TimeDelta::hours(age_in_hours)).format("%Y-%m-%dT%H:%M:%SZ");
    let diffs: Vec<_> = diffs.iter().map(|diff| format!("\"{diff}\"")).collect();
    format!(
        r#"{{"architecture":"amd64","config":{{"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"Cmd":["/bin/sh"],"Labels":{{"env":"{env}","n":"{number}"}}}},"created":"{created}","os":"linux","rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
        diffs.join(",")
    )
}
