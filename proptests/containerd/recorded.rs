//! Every recorded scenario of every version: what moby answered, said, left and took away.

use image_prune::containerd::Engine;
use image_prune::event::Recorder;
use image_prune::oracle::containerd::Model;
use image_prune::replay::containerd::{Action, Outcome, Report, Scenario, Subject, differences, replay};

use crate::scenarios::lines;

#[test]
fn model_answers_as_moby_29() {
    check::<Model>("moby-29-containerd", 3_000, 5_418);
}

#[test]
fn model_answers_as_moby_29_5() {
    check::<Model>("moby-29.5-containerd", 900, 1_592);
}

#[test]
fn model_answers_as_moby_29_3() {
    check::<Model>("moby-29.3-containerd", 900, 1_623);
}

#[test]
fn model_answers_as_moby_28_5() {
    check::<Model>("moby-28.5-containerd", 900, 1_615);
}

#[test]
fn engine_answers_as_moby_29() {
    check::<Engine<Recorder>>("moby-29-containerd", 3_000, 5_418);
}

#[test]
fn engine_answers_as_moby_29_5() {
    check::<Engine<Recorder>>("moby-29.5-containerd", 900, 1_592);
}

#[test]
fn engine_answers_as_moby_29_3() {
    check::<Engine<Recorder>>("moby-29.3-containerd", 900, 1_623);
}

#[test]
fn engine_answers_as_moby_28_5() {
    check::<Engine<Recorder>>("moby-28.5-containerd", 900, 1_615);
}

/// The recorded scenarios of `version`.
pub fn scenarios(version: &str) -> impl Iterator<Item = Scenario> {
    lines(version).map(|line| serde_json::from_str(&line).unwrap())
}

/// Replays every row that was recorded from `version` on `S`.
fn check<S: Subject>(version: &str, rows: usize, operations: usize) {
    let mut wrong = Vec::new();
    let mut seen = (0, 0);
    for scenario in scenarios(version) {
        assert_eq!(scenario.world.profile, version);
        seen = (seen.0 + 1, seen.1 + scenario.ops.len());
        let found = wrong_steps::<S>(&scenario);
        if !found.is_empty() {
            wrong.push(format!("{}\n{}", scenario.world.name, found.join("\n")));
        }
    }
    assert_eq!(seen, (rows, operations), "rows and operations of {version}");
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

/// What a row says comes back to the letter, so that an answer has the form of `expect`.
#[test]
fn outcomes_are_written_as_they_are_recorded() {
    for line in lines("moby-29-containerd").step_by(3) {
        let row: serde_json::Value = serde_json::from_str(&line).unwrap();
        let scenario: Scenario = serde_json::from_str(&line).unwrap();
        for (op, text) in scenario.ops.iter().zip(row["ops"].as_array().unwrap()) {
            let outcome: &Outcome = op.expect.as_ref().unwrap();
            assert_eq!(serde_json::to_value(outcome).unwrap(), text["expect"], "{}", scenario.world.name);
        }
    }
}

/// A comparison that excuses too much would pass all of the above.
#[test]
fn every_recorded_field_counts() {
    let mut broken = 0;
    for scenario in scenarios("moby-29-containerd").step_by(3) {
        for op in &scenario.ops {
            let expected = op.expect.as_ref().unwrap();
            let is_different =
                |got: &Outcome| !differences(&scenario.world, &op.action, expected, got).is_empty();
            assert!(!is_different(expected));
            for got in wrong_outcomes(&op.action, expected) {
                assert!(is_different(&got), "{}: {got:?} passes for {expected:?}", scenario.world.name);
                broken += 1;
            }
        }
    }
    assert!(broken > 10_000, "only {broken} outcomes were broken");
}

/// Outcomes that differ from this one in one thing each.
fn wrong_outcomes(action: &Action, expected: &Outcome) -> Vec<Outcome> {
    let mut wrong = Vec::new();
    let mut with = |change: &dyn Fn(&mut Outcome)| {
        let mut got = expected.clone();
        change(&mut got);
        if got != *expected {
            wrong.push(got);
        }
    };
    with(&|got| got.events.truncate(got.events.len().saturating_sub(1)));
    with(&|got| got.events.iter_mut().for_each(|event| event.action.push('x')));
    with(&|got| {
        got.events.iter_mut().for_each(|event| drop(event.attributes.insert("x".into(), "y".into())));
    });
    with(&|got| got.after.images.truncate(got.after.images.len().saturating_sub(1)));
    with(&|got| got.after.new_images.clear());
    with(&|got| got.after.blobs_removed.truncate(got.after.blobs_removed.len().saturating_sub(1)));
    with(&|got| got.after.snapshots_removed.push("sha256:x".into()));
    with(&|got| got.after.leases_removed.push("x".into()));
    with(&|got| got.error.iter_mut().for_each(|error| error.status += 1));
    with(&|got| got.report = None);
    with(&|got| got.error = None);
    if !matches!(action, Action::List { .. }) {
        with(&|got| got.error.iter_mut().for_each(|error| error.message.insert(0, 'x')));
    }
    with(&|got| match &mut got.report {
        Some(Some(Report::Prune(report))) => report.space_reclaimed ^= 1,
        Some(Some(Report::Delete(records))) => records.truncate(records.len().saturating_sub(1)),
        Some(Some(Report::List(rows))) => rows.iter_mut().for_each(|row| row.size += 1),
        Some(Some(Report::DiskUsage(size))) => *size += 1,
        Some(None) | None => {}
    });
    wrong
}
