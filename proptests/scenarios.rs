//! Every recorded scenario of every version, on the model: what moby answered, said and left.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::io::{BufRead, BufReader};
use std::path::Path;

use flate2::read::GzDecoder;
use image_prune::event::Recorder;
use image_prune::graph::Engine;
use image_prune::oracle::graph::Model;
use image_prune::replay::{Scenario, Subject, differences, replay};

#[test]
fn model_answers_as_moby_20_10() {
    check::<Model>("moby-20.10", 3_850);
}

#[test]
fn model_answers_as_moby_26_1() {
    check::<Model>("moby-26.1", 1_290);
}

#[test]
fn model_answers_as_moby_28_5() {
    check::<Model>("moby-28.5", 1_290);
}

#[test]
fn model_answers_as_moby_29() {
    check::<Model>("moby-29", 1_290);
}

#[test]
fn engine_answers_as_moby_20_10() {
    check::<Engine<Recorder>>("moby-20.10", 3_850);
}

#[test]
fn engine_answers_as_moby_26_1() {
    check::<Engine<Recorder>>("moby-26.1", 1_290);
}

#[test]
fn engine_answers_as_moby_28_5() {
    check::<Engine<Recorder>>("moby-28.5", 1_290);
}

#[test]
fn engine_answers_as_moby_29() {
    check::<Engine<Recorder>>("moby-29", 1_290);
}

/// Replays every row that was recorded from `version` on `S`.
fn check<S: Subject>(version: &str, rows: usize) {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for line in lines(version) {
        let scenario: Scenario = serde_json::from_str(&line).unwrap();
        seen += 1;
        let found = wrong_steps::<S>(&scenario);
        if !found.is_empty() {
            wrong.push(format!("{}\n{}", scenario.world.name, found.join("\n")));
        }
    }
    assert_eq!(seen, rows, "rows of {version}");
    let shown = wrong.iter().take(10).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} of {rows} rows of {version} differ:\n{shown}", wrong.len());
}

fn wrong_steps<S: Subject>(scenario: &Scenario) -> Vec<String> {
    let outcomes = match replay::<S>(scenario) {
        Ok(outcomes) => outcomes,
        Err(error) => return vec![format!("  cannot be replayed: {error}")],
    };
    assert_eq!(outcomes.len(), scenario.ops.len());
    let mut wrong = Vec::new();
    for (step, (op, got)) in scenario.ops.iter().zip(&outcomes).enumerate() {
        let expected = op.expect.as_ref().unwrap_or_else(|| panic!("{}: no `expect`", scenario.world.name));
        for line in differences(&scenario.world, &op.action, expected, got) {
            wrong.push(format!("  step {step}: {line}"));
        }
    }
    wrong
}

/// The recorded rows of `version`, as text.
pub fn lines(version: &str) -> impl Iterator<Item = String> {
    let path = format!("testdata/vectors/{version}/scenarios.jsonl.gz");
    let file = std::fs::File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    BufReader::new(GzDecoder::new(file)).lines().map(Result::unwrap)
}
