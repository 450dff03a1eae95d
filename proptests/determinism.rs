//! The same input gives the same output, byte for byte, on every run and every machine.

use image_prune::graph::select::{Order, list, select};
use image_prune::{Filters, PruneRequest, Semantics, World, cancel, world};
use proptest::prelude::*;

use crate::support::{ALL, Shape, config, engine, filters, now, semantics_of, world};

const SEEDS: &str = "proptests/regressions/determinism.txt";

proptest! {
    #![proptest_config(config(SEEDS, 200))]

    #[test]
    fn twice_the_same(world in world(Shape::typical()), filters in filters(), seed: u64) {
        let semantics = semantics_of(&world);
        for order in [Order::ById, Order::Shuffled(seed)] {
            let run = || {
                let engine = engine(&world, semantics).with_order(order.clone());
                let filters = Filters::parse(&filters, &semantics);
                let report = filters.and_then(|filters| engine.prune(&filters, now(), &cancel::Never));
                let report = report.map(|report| serde_json::to_string(&report).unwrap());
                let events = serde_json::to_string(&engine.events().take()).unwrap();
                (report, events, serde_json::to_string(&engine.stores().to_world()).unwrap())
            };
            prop_assert_eq!(run(), run());
        }
    }
}

/// Reports that name a seed must mean the same order for ever.
#[test]
fn shuffled_orders_are_pinned() {
    let mut described = World::default();
    for number in 0..8 {
        let config = format!(r#"{{"n":{number},"rootfs":{{}}}}"#).into_bytes();
        let id = image_prune::ImageId::of(&config);
        described.images.push(world::Image { id, config: config.into(), parent: None });
    }
    let semantics = Semantics::MOBY_20_10;
    let engine = engine(&described, semantics);
    let request = PruneRequest::parse(ALL, &semantics, now()).unwrap();
    let visits = |seed| {
        let order = Order::Shuffled(seed);
        let candidates =
            select(engine.stores(), list(engine.stores(), &request), &request, &order, &cancel::Never)
                .unwrap();
        let short = |id: &image_prune::ImageId| id.hex()[..2].to_owned();
        candidates.ids().iter().map(short).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(visits(0), "35 99 03 6f 7c 9d 24 cf");
    assert_eq!(visits(1), "7c 6f 35 cf 99 9d 03 24");
}
