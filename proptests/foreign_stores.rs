//! The engine over stores that are not ours answers as over the in-memory ones.

use std::collections::HashMap;

use image_prune::event::Recorder;
use image_prune::graph::Engine;
use image_prune::graph::delete::Extent;
use image_prune::graph::select::Order;
use image_prune::graph::store::{Layer, LayerStore, Stores};
use image_prune::graph::usage::usage;
use image_prune::replay::Action;
use image_prune::{ChainId, Digest, Error, Filters, ImageId, Semantics, World, cancel, world};
use proptest::prelude::*;

use crate::support::foreign::{Shelf, foreign_engine};
use crate::support::{ALL, Shape, config, engine, now, parsed, scenario, sorted};

const SEEDS: &str = "proptests/regressions/foreign_stores.txt";

proptest! {
    #![proptest_config(config(SEEDS, 300))]

    #[test]
    fn answer_as_the_in_memory_ones(scenario in scenario(Shape::broken(), 5)) {
        let semantics = scenario.semantics().unwrap();
        let mut ours = engine(&scenario.world, semantics);
        let mut theirs = foreign_engine(&scenario.world, semantics);
        for op in &scenario.ops {
            match &op.action {
                Action::Prune { filters, cancel_after_polls, .. } => {
                    ours.set_order(Order::Given(op.order.clone()));
                    theirs.set_order(Order::Given(op.order.clone()));
                    let Ok(filters) = Filters::parse(filters, &semantics) else { continue };
                    let polls = cancel_after_polls.unwrap_or(usize::MAX);
                    let ours = ours.prune(&filters, now(), &cancel::AfterPolls::new(polls));
                    let theirs = theirs.prune(&filters, now(), &cancel::AfterPolls::new(polls));
                    prop_assert_eq!(ours, theirs);
                }
                Action::Delete { reference, force, prune } => {
                    let extent = Extent { force: *force, prune: *prune };
                    let ours = ours.delete(reference, extent).map_err(Error::from);
                    let theirs = theirs.delete(reference, extent).map_err(Error::from);
                    prop_assert_eq!(ours, theirs);
                }
            }
            prop_assert_eq!(ours.events().take(), theirs.events().take());
            prop_assert_eq!(sorted(ours.stores().to_world()), theirs.stores().images.world());
            prop_assert_eq!(usage(ours.stores(), &semantics), usage(theirs.stores(), &semantics));
        }
    }
}

/// Layers of a daemon that loads an image as soon as somebody has looked at them.
struct Loading {
    shelf: Shelf,
    loaded: World,
}

impl LayerStore for Loading {
    type Sizes = HashMap<ChainId, i64>;

    fn sizes(&self) -> Self::Sizes {
        let sizes = self.shelf.sizes();
        self.shelf.add(&self.loaded, Semantics::MOBY_28_5);
        sizes
    }

    fn layer(&self, chain: ChainId) -> Option<Layer> {
        self.shelf.layer(chain)
    }
}

/// One image of one layer.
fn one_image(name: &str) -> World {
    let diff_id = Digest::of(name.as_bytes()).into();
    let layer = world::Layer { chain_id: ChainId::on(None, diff_id), diff_id, parent: None, size: 10 };
    let config = format!(r#"{{"rootfs":{{"type":"layers","diff_ids":["{diff_id}"]}}}}"#).into_bytes();
    let image = world::Image { id: ImageId::of(&config), config: config.into(), parent: None };
    World { layers: vec![layer], images: vec![image], ..World::default() }
}

/// P-3: the images are listed before the layers are measured, so that nothing goes whose bytes would not count.
#[test]
fn an_image_loaded_behind_the_sizes_is_no_candidate() {
    let semantics = Semantics::MOBY_28_5;
    for filters in ["", ALL] {
        let shelf = Shelf::new(semantics);
        shelf.add(&one_image("old"), semantics);
        let layers = Loading { shelf: shelf.clone(), loaded: one_image("new") };
        let stores =
            Stores { images: shelf.clone(), references: shelf.clone(), layers, containers: shelf.clone() };
        let report = Engine::new(stores, semantics, Recorder::default()).prune(
            &parsed(filters),
            now(),
            &cancel::Never,
        );
        assert_eq!(report.unwrap().space_reclaimed, 10);
        assert_eq!(shelf.world(), sorted(one_image("new")));
    }
}
