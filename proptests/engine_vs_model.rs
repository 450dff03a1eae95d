//! The engine against the executable specification: random worlds, random requests, one after another.
//! Same answer, same events, same stores, same disk usage; and the stores' invariants after every step.

use image_prune::event::Recorder;
use image_prune::graph::Engine;
use image_prune::graph::select::{Order, list, select};
use image_prune::graph::usage::usage;
use image_prune::oracle::graph::Model;
use image_prune::replay::{Scenario, Subject, differences, step};
use image_prune::{Error, PruneRequest, cancel};
use proptest::prelude::*;

use crate::support::{Shape, config, engine, filters, now, scenario, semantics_of, sorted, valid, world};

const SEEDS: &str = "proptests/regressions/engine_vs_model.txt";

proptest! {
    #![proptest_config(config(SEEDS, 600))]

    #[test]
    fn agree_on_small_worlds(scenario in scenario(Shape::small(), 6)) {
        agree(&scenario)?;
    }

    #[test]
    fn agree_on_broken_worlds(scenario in scenario(Shape::broken(), 6)) {
        agree(&scenario)?;
    }
}

proptest! {
    #![proptest_config(config(SEEDS, 200))]

    #[test]
    fn agree_on_typical_worlds(scenario in scenario(Shape::typical(), 8)) {
        agree(&scenario)?;
    }

    /// The order that the engine shuffles, given to the model.
    #[test]
    fn agree_on_shuffled_orders(world in world(Shape::broken()), filters in filters(), seed: u64) {
        let semantics = semantics_of(&world);
        let Ok(request) = PruneRequest::parse(&filters, &semantics, now()) else { return Ok(()) };
        let engine = engine(&world, semantics);
        let order = Order::Shuffled(seed);
        let candidates = select(engine.stores(), list(engine.stores(), &request), &request, &order, &cancel::Never).unwrap();
        let mut model = Model::new(&world, &semantics).unwrap();
        let expected = model.prune(&request, candidates.ids(), &cancel::Never).unwrap();
        let report = engine.prune_request(&request, &order, &cancel::Never).unwrap();
        prop_assert_eq!(report.images_deleted, expected.records);
        prop_assert_eq!(report.space_reclaimed, expected.space_reclaimed);
        prop_assert_eq!(sorted(engine.stores().to_world()), sorted(model.world()));
    }
}

fn agree(scenario: &Scenario) -> Result<(), TestCaseError> {
    let semantics = scenario.semantics().unwrap();
    let mut model = <Model as Subject>::load(&scenario.world, &semantics).unwrap();
    let mut engine = <Engine<Recorder> as Subject>::load(&scenario.world, &semantics).unwrap();
    for (number, op) in scenario.ops.iter().enumerate() {
        let expected = step(&mut model, op, 0).unwrap();
        let got = step(&mut engine, op, 0).unwrap();
        let lines = differences(&scenario.world, &op.action, &expected, &got);
        prop_assert!(lines.is_empty(), "step {number}: {lines:#?}\n{}", as_case(scenario));
        prop_assert_eq!(sorted(engine.stores().to_world()), sorted(model.world()));
        valid(engine.stores())?;
        // A copy is as good as the original.
        let copy = engine.stores().copy();
        valid(&copy)?;
        prop_assert_eq!(copy.to_world(), engine.stores().to_world());
        agree_on_usage(&engine, &model, number, scenario)?;
    }
    Ok(())
}

fn agree_on_usage(
    engine: &Engine<Recorder>,
    model: &Model,
    number: usize,
    scenario: &Scenario,
) -> Result<(), TestCaseError> {
    let text = |error: Error| error.to_string();
    let got = usage(engine.stores(), engine.semantics());
    let got = got.map(|usage| serde_json::to_value(usage).unwrap()).map_err(text);
    let expected = model.usage().map(|usage| serde_json::to_value(usage).unwrap()).map_err(text);
    prop_assert!(
        expected == got,
        "usage after step {number}: {expected:?}, got {got:?}\n{}",
        as_case(scenario)
    );
    Ok(())
}

/// A find in the form of `testdata/cases`, ready to become one.
fn as_case(scenario: &Scenario) -> String {
    serde_json::to_string(scenario).unwrap()
}
