//! Scenarios: a store, what is asked of it, and what comes of it.

use image_prune::replay::{Outcome, Scenario, Subject, differences, replay, script};
use image_prune::{Error, Result};

use super::{RowResult, containerd, row};
use crate::cli::args::ReplayArgs;

/// Answers a scenario as JSON.
pub fn answer<S: Subject>(text: &[u8], args: &ReplayArgs) -> Result<RowResult> {
    if containerd::is_one(text) {
        return containerd::answer(text, args);
    }
    let expected = || Ok(row::expected(text)?.into_iter().map(Some).collect());
    run::<S>(row::scenario(text)?, expected, args)
}

/// Answers a scenario as a script.
pub fn answer_script<S: Subject>(text: &str, args: &ReplayArgs) -> Result<RowResult> {
    let mut scenario = script::read(text)?;
    let expected: Vec<_> = scenario.ops.iter_mut().map(|op| op.expect.take()).collect();
    let expected = || {
        if expected.iter().all(Option::is_none) {
            return Err(Error::invalid_parameter("no request has lines behind it that say what comes of it"));
        }
        Ok(expected)
    };
    run::<S>(scenario, expected, args)
}

fn run<S: Subject>(
    mut scenario: Scenario,
    expected: impl FnOnce() -> Result<Vec<Option<Outcome>>>,
    args: &ReplayArgs,
) -> Result<RowResult> {
    if let Some(semantics) = args.semantics {
        semantics.name.clone_into(&mut scenario.world.profile);
    }
    let outcomes = replay::<S>(&scenario)?;
    if args.check {
        return Ok(RowResult::Differences(compare(&scenario, &expected()?, &outcomes)));
    }
    row::to_line(&scenario.world.name, &outcomes).map(RowResult::Line)
}

/// The differences of the requests of which something is expected.
fn compare(scenario: &Scenario, expected: &[Option<Outcome>], got: &[Outcome]) -> Vec<String> {
    let mut lines = Vec::new();
    for (step, ((op, expected), got)) in scenario.ops.iter().zip(expected).zip(got).enumerate() {
        let Some(expected) = expected else { continue };
        for difference in differences(&scenario.world, &op.action, expected, got) {
            lines.push(format!("{}: step {step}: {difference}", scenario.world.name));
        }
    }
    lines
}
