//! The hand-written cases of `testdata/cases`: each row of the rules' examples, moby's own tests, laws that are
//! false, and every find of the random tests. One file a case, a script or in the recorded format, run on engine and model.

mod script;

use std::fs;
use std::path::{Path, PathBuf};

use image_prune::event::Recorder;
use image_prune::graph::Engine;
use image_prune::oracle::graph::Model;
use image_prune::replay::{Scenario, Subject, differences, replay};
use image_prune::{ImageId, Semantics, World, cancel, world};

use crate::support::{ALL, engine, now, parsed};

/// The cases whose names end so.
fn files(end: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir("testdata/cases").unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|found| found == end)).collect();
    files.sort();
    files
}

fn read(path: &Path) -> Scenario {
    let text = fs::read_to_string(path).unwrap();
    let is_script = path.extension().is_some_and(|end| end == "case");
    let case = if is_script {
        image_prune::replay::script::read(&text).map_err(|error| error.to_string())
    } else {
        serde_json::from_str(&text).map_err(|error| error.to_string())
    };
    case.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn engine_answers_as_the_cases_say() {
    check::<Engine<Recorder>>();
}

#[test]
fn model_answers_as_the_cases_say() {
    check::<Model>();
}

fn check<S: Subject>() {
    let mut wrong = Vec::new();
    let files = [files("case"), files("json")];
    assert!(files[0].len() >= 90, "only {} scripts", files[0].len());
    for path in files.into_iter().flatten() {
        let scenario = read(&path);
        let outcomes = replay::<S>(&scenario).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for (number, (op, got)) in scenario.ops.iter().zip(&outcomes).enumerate() {
            let expected = op.expect.as_ref();
            let expected = expected.unwrap_or_else(|| panic!("{}: no `expect`", path.display()));
            for line in differences(&scenario.world, &op.action, expected, got) {
                wrong.push(format!("{} step {number}: {line}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A chain of parents, the first without one, and nothing else.
fn ancestors(depth: usize) -> World {
    let mut described = World::default();
    let mut parent = None;
    for number in 0..depth {
        let config = format!(r#"{{"n":{number},"rootfs":{{}}}}"#).into_bytes();
        let id = ImageId::of(&config);
        described.images.push(world::Image { id, config: config.into(), parent });
        parent = Some(id);
    }
    described
}

/// Too deep for recursion: ten thousand images go with their last child.
#[test]
fn ten_thousand_ancestors_go_along() {
    let depth = 10_000;
    for filters in ["", ALL] {
        let engine = engine(&ancestors(depth), Semantics::MOBY_20_10);
        let report = engine.prune(&parsed(filters), now(), &cancel::Never).unwrap();
        assert_eq!(report.images_deleted.len(), depth);
        assert!(engine.stores().images.is_empty());
        engine.stores().validate().unwrap();
    }
    let mut model = Model::new(&ancestors(500), &Semantics::MOBY_20_10).unwrap();
    assert_eq!(model.delete(&ancestors(500).images[499].id.hex(), false, true).unwrap().len(), 500);
}

/// As deep, in a ring: nothing goes, and nobody walks in circles.
#[test]
fn a_ring_of_ten_thousand_stays() {
    let mut ring = ancestors(10_000);
    ring.images[0].parent = Some(ring.images[9_999].id);
    let engine = engine(&ring, Semantics::MOBY_20_10);
    for filters in ["", ALL] {
        let report = engine.prune(&parsed(filters), now(), &cancel::Never).unwrap();
        assert!(report.images_deleted.is_empty());
    }
    assert_eq!(engine.stores().images.len(), 10_000);
    engine.stores().validate().unwrap();
}
