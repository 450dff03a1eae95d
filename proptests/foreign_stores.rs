//! The engine over stores that are not ours answers as over the in-memory ones.

use image_prune::delete::Extent;
use image_prune::replay::Action;
use image_prune::select::Order;
use image_prune::usage::usage;
use image_prune::{Error, cancel};
use proptest::prelude::*;

use crate::support::foreign::foreign_engine;
use crate::support::{Shape, config, engine, now, scenario, sorted};

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
                    let polls = cancel_after_polls.unwrap_or(usize::MAX);
                    let ours = ours.prune(filters, now(), &cancel::AfterPolls::new(polls));
                    let theirs = theirs.prune(filters, now(), &cancel::AfterPolls::new(polls));
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
