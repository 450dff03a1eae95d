//! How the cost of a prune grows with the store, against a floor measured in the same process: a bare loop
//! that removes the keys of the same images from four hash maps of 32-byte keys.
//!
//! `cargo bench --bench scale -- [MODE] [--images N,N,…] [--runs N] [--json]`; `--data-root` needs
//! `--features data-root` in front of the `--`. The modes:
//!
//! * none: prune over floor, memory. `--lean`: the same without raw configs.
//! * `--store containerd`: the same for the containerd image store; its floor has the keys of all that went.
//! * `--plan`: plan over prune, and the prune of an overlay beside that of a copy.
//! * `--containers`: many containers over few.
//! * `--tags`: many tags over one.
//! * `--depth`: long chains of parents and of layers.
//! * `--data-root DIR|generated`: the reading of a data root.
//! * `--state-file`: export, load and plan.
//! * `--contend`: what a writer and a reader wait for while a prune runs.
//! * `--instructions [--record]`: instructions an image under callgrind, against `testdata/instructions.json`.
#![allow(missing_docs, reason = "a bench")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "bench code")]
#![allow(clippy::indexing_slicing, reason = "bench code")]
#![allow(clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "figures for people")]

mod modes;
mod support;

use modes::{containerd, contend, data_root, depth, growth, instructions, plan, shapes, state_file};
use support::figures::Settings;

/// Measures something, and prints it.
type Mode = fn(&Settings);

/// The modes by their flags.
const MODES: [(&str, Mode); 8] = [
    ("--plan", plan::run),
    ("--containers", shapes::containers),
    ("--tags", shapes::tags),
    ("--depth", depth::run),
    ("--data-root", data_root::run),
    ("--state-file", state_file::run),
    ("--instructions", instructions::run),
    ("--contend", contend::run),
];

fn main() {
    let settings = Settings::from_command_line();
    if settings.has(instructions::COUNTED) {
        return instructions::be_counted();
    }
    let chosen = |flag: &str| settings.has(flag);
    if settings.value("--store") == Some("containerd") {
        return containerd::run(&settings);
    }
    if settings.is_test() {
        containerd::run(&settings);
    }
    if !MODES.iter().any(|(flag, _)| chosen(flag)) {
        growth::run(&settings);
    }
    for (flag, run) in MODES {
        // `cargo bench -- --test` asks whether it runs at all.
        if chosen(flag) || settings.is_test() {
            run(&settings);
        }
    }
}
