//! `--instructions`: what a prune costs in instructions, which is the same on a busy machine.
//!
//! The figure in `testdata/instructions.json` is that of one compiler; with another one the difference is only
//! reported. Record it anew, after a change that is meant to matter, with
//! `cargo bench --bench scale -- --instructions --record`.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use image_prune::event::EventLog;
use image_prune::{Engine, PruneReport};
use serde_json::{Value, json};

use super::prune;
use crate::support::figures::Settings;
use crate::support::store::{Shape, engine};

/// How the executable is told that callgrind watches it.
pub const COUNTED: &str = "--counted";

const IMAGES: usize = 2_000;
/// How far a figure may be from the recorded one.
const TOLERANCE: f64 = 0.05;

pub fn run(settings: &Settings) {
    let Some(instructions) = count() else {
        return eprintln!("instructions: valgrind is not installed, nothing was counted");
    };
    let per_image = instructions as f64 / IMAGES as f64;
    let found = json!({
        "images": IMAGES,
        "instructions_per_image": per_image.round(),
        "rustc": rustc(),
        "target": env::consts::ARCH,
    });
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/instructions.json");
    if settings.has("--record") {
        fs::write(&file, format!("{found:#}\n")).unwrap();
    }
    let recorded: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let change = per_image / recorded["instructions_per_image"].as_f64().unwrap() - 1.0;
    let is_comparable = recorded["rustc"] == found["rustc"] && recorded["target"] == found["target"];
    settings.table().row([
        ("images", json!(IMAGES)),
        ("instructions_per_image", json!(per_image.round())),
        ("recorded", json!(recorded["instructions_per_image"])),
        ("change", json!(change)),
        ("recorded_with", json!(recorded["rustc"])),
    ]);
    if !is_comparable {
        return eprintln!("instructions: not held against the recorded figure, which is of another compiler");
    }
    assert!(
        change.abs() <= TOLERANCE,
        "{:+.1} % instructions an image; if that is meant, run \
         `cargo bench --bench scale -- --instructions --record`",
        change * 100.0
    );
}

/// What callgrind watches.
pub fn be_counted() {
    let engine = engine(Shape::plain(IMAGES));
    assert!(!counted_prune(&engine).images_deleted.is_empty());
}

#[inline(never)]
fn counted_prune(engine: &Engine<EventLog>) -> PruneReport {
    prune(engine)
}

/// The instructions of one prune; none where there is no valgrind.
fn count() -> Option<u64> {
    let valgrind = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*counted_prune*"])
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
