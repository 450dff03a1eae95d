//! Scenarios: a store, what is asked of it, and what comes of it.

use image_prune::Result;
use image_prune::replay::{Outcome, Scenario, Subject, differences, replay};

use super::{RowResult, containerd, row};
use crate::cli::args::ReplayArgs;

pub fn answer<S: Subject>(line: &[u8], args: &ReplayArgs) -> Result<RowResult> {
    if containerd::is_one(line) {
        return containerd::answer(line, args);
    }
    let mut scenario = row::scenario(line)?;
    if let Some(semantics) = args.semantics {
        semantics.name.clone_into(&mut scenario.world.profile);
    }
    let outcomes = replay::<S>(&scenario)?;
    if args.check {
        return Ok(RowResult::Differences(compare(&scenario, &row::expected(line)?, &outcomes)));
    }
    row::to_line(&scenario.world.name, &outcomes).map(RowResult::Line)
}

fn compare(scenario: &Scenario, expected: &[Outcome], got: &[Outcome]) -> Vec<String> {
    let mut lines = Vec::new();
    for (step, ((op, expected), got)) in scenario.ops.iter().zip(expected).zip(got).enumerate() {
        for difference in differences(&scenario.world, &op.action, expected, got) {
            lines.push(format!("{}: step {step}: {difference}", scenario.world.name));
        }
    }
    lines
}
