//! Scenarios: a store, what is asked of it, and what comes of it.

use image_prune::replay::{Outcome, Scenario, Subject, differences, replay};
use image_prune::{Error, Result};
use serde::Serialize;

use super::{Answer, row};
use crate::cli::args::ReplayArgs;
use crate::cli::json;

pub fn answer<S: Subject>(line: &[u8], args: &ReplayArgs) -> Result<Answer> {
    let mut scenario = row::scenario(line)?;
    if let Some(semantics) = args.semantics {
        semantics.name.clone_into(&mut scenario.world.profile);
    }
    let outcomes = replay::<S>(&scenario)?;
    if args.check {
        return Ok(Answer::Differences(compare(&scenario, &row::expected(line)?, &outcomes)));
    }
    Ok(Answer::Line(to_line(&scenario.world.name, &outcomes)?))
}

fn to_line(name: &str, outcomes: &[Outcome]) -> Result<String> {
    #[derive(Serialize)]
    struct Line<'a> {
        name: &'a str,
        ops: &'a [Outcome],
    }
    json::text(&Line { name, ops: outcomes }).map_err(|error| Error::system(error.to_string()))
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
