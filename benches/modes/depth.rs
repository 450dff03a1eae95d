//! `--depth`: one long chain of parents, and one of layers.

use image_prune::event::EventLog;
use image_prune::graph::Engine;
use image_prune::graph::store::Stores;
use image_prune::{ChainId, DiffId, ImageId, Timestamp, World, world};
use serde_json::json;

use super::prune;
use crate::support::figures::{Settings, median, timed, us_each};
use crate::support::store::{SEMANTICS, config_of, diff};

pub fn run(settings: &Settings) {
    let depths: &[usize] = if settings.is_test() { &[1_000] } else { &[10_000, 100_000] };
    let mut table = settings.table();
    // A pull stops at 125 layers, a daemon's start and a state file do not.
    let layers = [125].iter().chain(depths).map(|depth| ("layers", *depth, layers as fn(usize) -> Stores));
    let parents = depths.iter().map(|depth| ("parents", *depth, parents as fn(usize) -> Stores));
    for (chain, depth, stores) in layers.chain(parents) {
        let mut times = Vec::new();
        for _ in 0..settings.runs {
            let engine = Engine::new(stores(depth), SEMANTICS, EventLog::new(|| Timestamp::new(0, 0)));
            let (time, report) = timed(|| prune(&engine));
            assert_eq!(report.images_deleted.len(), depth + usize::from(chain == "layers"));
            times.push(time);
        }
        let time = median(times);
        table.row([
            ("chain_of", json!(chain)),
            ("depth", json!(depth)),
            ("prune_s", json!(time.as_secs_f64())),
            ("us_each", json!(us_each(time, depth))),
        ]);
    }
}

/// Images without layers, each the parent of the next.
fn parents(depth: usize) -> Stores {
    let stores = Stores::new(&SEMANTICS);
    let ids = (0..depth).map(|number| stores.images.create(config_of(number, "test", 48, &[])).unwrap());
    ids.reduce(|parent, child| stores.images.set_parent(child, parent).map(|()| child).unwrap());
    stores
}

/// An image whose layers stand on each other.
fn layers(depth: usize) -> Stores {
    let mut world = World::default();
    let mut parent = None;
    let diffs: Vec<DiffId> = (0..depth).map(|number| diff(&format!("layer {number}"))).collect();
    for diff_id in &diffs {
        let chain_id = ChainId::on(parent, *diff_id);
        world.layers.push(world::Layer { chain_id, diff_id: *diff_id, parent, size: 1 });
        parent = Some(chain_id);
    }
    let config = config_of(0, "test", 48, &diffs);
    let id = ImageId::of(config.as_bytes());
    world.images.push(world::Image { id, config: config.into_bytes().into(), parent: None });
    Stores::load(world, &SEMANTICS).unwrap()
}
