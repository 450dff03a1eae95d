//! `--instructions`: what the stages of a prune cost in instructions, which are the same on a busy machine.
//!
//! The figures in `testdata/instructions.json` are those of one compiler; with another one the difference is only
//! reported. Record them anew, after a change that is meant to matter, with
//! `cargo bench --features cli --bench scale -- --instructions --record`.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use image_prune::cancel::Never;
use image_prune::event::EventLog;
use image_prune::graph::delete::{DeleteLog, Deletion, delete_candidates};
use image_prune::graph::select::{Candidates, Order, list, select};
use image_prune::graph::{Engine, PruneReport};
use image_prune::{PruneRequest, Record};
use serde_json::{Map, Value, json};

use super::prune;
use crate::support::figures::Settings;
use crate::support::store::{FILTERS, SEMANTICS, Shape, engine, prune_now};

/// How the executable is told that callgrind watches it.
pub const COUNTED: &str = "--counted";

const IMAGES: usize = 2_000;
/// How often each is counted: the seeds of hashes are new in each process, so that a count varies by a few instructions
/// an image.
const RUNS: u64 = 5;
/// How far a figure may be from the recorded one.
const TOLERANCE: f64 = 0.05;

pub fn run(settings: &Settings) {
    let counts = ["counted_select", "counted_delete", "counted_prune"].map(mean);
    let [Some(select), Some(delete), Some(whole)] = counts else {
        return eprintln!("instructions: valgrind is not installed, nothing was counted");
    };
    // To account cannot be called alone. The difference of the three would be small beside what the C library's choice of
    // `memcpy` for a processor changes in each, so that it differs by a fifth between machines.
    let stages = [("select", select), ("delete", delete), ("prune", whole)];
    let per_image = |count: u64| json!((count as f64 / IMAGES as f64).round());
    let stages: Map<_, _> =
        stages.map(|(stage, count)| (stage.to_owned(), per_image(count))).into_iter().collect();
    let found = json!({
        "images": IMAGES,
        "instructions_per_image": stages,
        "rustc": rustc(),
        "target": env::consts::ARCH,
    });
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/instructions.json");
    if settings.has("--record") {
        fs::write(&file, format!("{found:#}\n")).unwrap();
    }
    let recorded: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let is_comparable = recorded["rustc"] == found["rustc"] && recorded["target"] == found["target"];
    let mut table = settings.table();
    let mut largest = 0.0_f64;
    for (stage, count) in &stages {
        let before = &recorded["instructions_per_image"][stage];
        let change = count.as_f64().unwrap() / before.as_f64().unwrap() - 1.0;
        largest = largest.max(change.abs());
        table.row([
            ("stage", json!(stage)),
            ("instructions_per_image", count.clone()),
            ("recorded", before.clone()),
            ("change", json!(change)),
            ("recorded_with", recorded["rustc"].clone()),
        ]);
    }
    if !is_comparable {
        return eprintln!(
            "instructions: not held against the recorded figures, which are of another compiler"
        );
    }
    assert!(
        largest <= TOLERANCE,
        "a stage is {:.1} % off; if that is meant, run \
         `cargo bench --features cli --bench scale -- --instructions --record`",
        largest * 100.0
    );
}

/// What callgrind watches: the stages one by one, then a prune of the same store as a whole.
pub fn be_counted() {
    let in_stages = engine(Shape::plain(IMAGES));
    let log = counted_delete(&in_stages, &counted_select(&in_stages));
    let report = counted_prune(&engine(Shape::plain(IMAGES)));
    assert!(!log.deleted.is_empty());
    assert!(log.deleted.into_iter().map(Record::from).eq(report.images_deleted));
}

#[inline(never)]
fn counted_select(engine: &Engine<EventLog>) -> Candidates {
    let request = PruneRequest::parse(FILTERS, &SEMANTICS, prune_now()).unwrap();
    let listed = list(engine.stores(), &request);
    select(engine.stores(), listed, &request, &Order::ById, &Never).unwrap()
}

#[inline(never)]
fn counted_delete(engine: &Engine<EventLog>, candidates: &Candidates) -> DeleteLog {
    let deletion = Deletion { stores: engine.stores(), events: engine.events(), semantics: &SEMANTICS };
    delete_candidates(&deletion, candidates, &Never)
}

#[inline(never)]
fn counted_prune(engine: &Engine<EventLog>) -> PruneReport {
    prune(engine)
}

/// The mean over the runs.
fn mean(function: &str) -> Option<u64> {
    let counts: Option<Vec<u64>> = (0..RUNS).map(|_| count(function)).collect();
    Some(counts?.into_iter().sum::<u64>() / RUNS)
}

/// The instructions of one of the functions above; none where there is no valgrind.
fn count(function: &str) -> Option<u64> {
    let valgrind = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(format!("--toggle-collect=*{function}*"))
        .arg(env::current_exe().unwrap())
        .arg(COUNTED)
        .output()
        .ok()?;
    let said = String::from_utf8_lossy(&valgrind.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
    assert!(valgrind.status.success() && collected > Some(0), "valgrind failed: {said}");
    collected
}

/// The version of the compiler that this directory's cargo uses.
fn rustc() -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().unwrap();
    String::from_utf8_lossy(&version.stdout).trim().to_owned()
}
