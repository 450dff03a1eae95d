//! The caller gives up at every poll of both loops (P-4, P-5, P-11, O-3, O-6).

use std::cell::Cell;

use image_prune::cancel::{AfterPolls, Cancel, Never};
use image_prune::event::ImageEvent;
use image_prune::graph::select::Order;
use image_prune::graph::store::ImageStore;
use image_prune::oracle::graph::Model;
use image_prune::replay::Subject;
use image_prune::{Filters, PruneRequest, World};
use proptest::prelude::*;

use crate::support::requests::visits;
use crate::support::{ALL, Shape, as_text, config, engine, filters, now, semantics_of, sorted, valid, world};

const SEEDS: &str = "proptests/regressions/cancel.txt";

proptest! {
    #![proptest_config(config(SEEDS, 150))]

    #[test]
    fn at_every_poll(world in world(Shape::broken()), filters in filters(), seed: u64) {
        at_every_poll_of(&world, &filters, seed)?;
    }

    #[test]
    fn at_every_poll_of_all_mode(world in world(Shape::small()), seed: u64) {
        at_every_poll_of(&world, ALL, seed)?;
    }
}

fn at_every_poll_of(world: &World, filters: &str, seed: u64) -> Result<(), TestCaseError> {
    let semantics = semantics_of(world);
    let Ok(request) = PruneRequest::parse(filters, &semantics, now()) else { return Ok(()) };
    let order = visits(world, seed);
    let whole = engine(world, semantics);
    let phase_1 = whole.stores().images.ids(request.dangling_only()).len();
    let polls = Cell::new(0);
    let count = || {
        polls.set(polls.get() + 1);
        false
    };
    let report = whole.prune_request(&request, &Order::Given(order.clone()), &count).unwrap();
    prop_assert!(!report.cancelled);

    for at in 0..=polls.get() {
        let mut model = Model::new(world, &semantics).unwrap();
        let expected = model.prune(&request, &order, &AfterPolls::new(at));
        let engine = engine(world, semantics);
        let got = engine.prune_request(&request, &Order::Given(order.clone()), &AfterPolls::new(at));
        let events = engine.events().take();
        prop_assert_eq!(as_text(&events), as_text(&Subject::take_events(&mut model)));
        prop_assert_eq!(sorted(engine.stores().to_world()), sorted(model.world()));
        valid(engine.stores())?;
        match got {
            Err(error) => {
                prop_assert!(at < phase_1, "cancelled at {at} of {phase_1}");
                prop_assert!(error.is_cancelled());
                prop_assert_eq!(error.to_string(), "context canceled");
                prop_assert_eq!(Err(error), expected);
                prop_assert_eq!(events, []);
                let untouched = image_prune::graph::store::Stores::load(world.clone(), &semantics).unwrap();
                prop_assert_eq!(engine.stores().to_world(), untouched.to_world());
            }
            Ok(got) => {
                prop_assert!(at >= phase_1, "not cancelled at {at} of {phase_1}");
                prop_assert_eq!(got.cancelled, at < polls.get());
                prop_assert!(report.images_deleted.starts_with(&got.images_deleted));
                prop_assert_eq!(events.last(), Some(&ImageEvent::Prune(got.space_reclaimed)));
                let expected = expected.unwrap();
                prop_assert_eq!(got.images_deleted, expected.records);
                prop_assert_eq!(got.space_reclaimed, expected.space_reclaimed);
            }
        }
        // P-1: the guard is released, and what was left goes now.
        let rest = engine.prune_request(&request, &Order::ById, &Never);
        prop_assert!(rest.is_ok());
    }
    Ok(())
}

#[test]
fn an_empty_store_never_notices() {
    // P-4
    let engine = engine(&World::default(), image_prune::Semantics::MOBY_20_10);
    let report = engine.prune(&Filters::default(), now(), &AfterPolls::new(0)).unwrap();
    assert!(report.images_deleted.is_empty() && !report.cancelled);
    assert_eq!(engine.events().take(), [ImageEvent::Prune(0)]);
}

#[test]
fn time_that_ran_out_has_a_text_of_its_own() {
    // H-8
    struct Late;
    impl Cancel for Late {
        fn is_cancelled(&self) -> bool {
            true
        }
        fn reason(&self) -> &'static str {
            "context deadline exceeded"
        }
    }
    let engine = engine(&World::default(), image_prune::Semantics::MOBY_20_10);
    engine.stores().images.create(r#"{"rootfs":{}}"#.as_bytes()).unwrap();
    let error = engine.prune(&Filters::default(), now(), &Late).unwrap_err();
    assert_eq!(error.to_string(), "context deadline exceeded");
    assert!(error.is_cancelled());
}
