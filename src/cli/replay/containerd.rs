//! Scenarios of a containerd image store.

use image_prune::Result;
use image_prune::containerd::Engine;
use image_prune::event::Recorder;
use image_prune::oracle::containerd::Model;
use image_prune::replay::containerd::{Action, FORMAT, Op, Outcome, Scenario, differences, replay};
use image_prune::world::ContainerdWorld;
use image_prune::world::containerd::Platform;
use serde::Deserialize;

use super::{RowResult, row};
use crate::cli::args::{self, ReplayArgs};

/// Whether a row is a scenario of a containerd image store: its format says so.
pub fn is_one(line: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Row {
        format: serde_json::Value,
    }
    row::parse::<Row>(line).is_ok_and(|row| row.format == FORMAT)
}

pub fn answer(line: &[u8], args: &ReplayArgs) -> Result<RowResult> {
    let mut scenario = read(line)?;
    if let Some(semantics) = args.semantics {
        semantics.name.clone_into(&mut scenario.world.profile);
    }
    let outcomes = match args.subject {
        args::Subject::Engine => replay::<Engine<Recorder>>(&scenario)?,
        args::Subject::Model => replay::<Model>(&scenario)?,
    };
    if !args.check {
        return row::to_line(&scenario.world.name, &outcomes).map(RowResult::Line);
    }
    let expected: Vec<Outcome> = row::expected(line)?;
    let mut lines = Vec::new();
    for (step, ((op, expected), got)) in scenario.ops.iter().zip(&expected).zip(&outcomes).enumerate() {
        for difference in differences(&scenario.world, &op.action, expected, got) {
            lines.push(format!("{}: step {step}: {difference}", scenario.world.name));
        }
    }
    Ok(RowResult::Differences(lines))
}

/// The store and what was asked of it; `expect` is passed over unread.
fn read(line: &[u8]) -> Result<Scenario> {
    #[derive(Deserialize)]
    struct Row {
        format: String,
        ops: Vec<Asked>,
    }
    let world: ContainerdWorld = row::parse(line)?;
    let Row { format, ops } = row::parse(line)?;
    Ok(Scenario { format, world, ops: ops.into_iter().map(Asked::into_op).collect() })
}

/// One request, flat: a tagged enumeration would have serde keep `expect` in memory first.
#[derive(Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the flags of all requests")]
struct Asked {
    op: Kind,
    now: String,
    #[serde(default)]
    filters: String,
    #[serde(default)]
    order: Vec<String>,
    #[serde(default)]
    cancelled: bool,
    cancel_after_considered: Option<usize>,
    cancel_after_visited: Option<usize>,
    #[serde(default, rename = "ref")]
    reference: String,
    #[serde(default)]
    force: bool,
    #[serde(default)]
    prune: bool,
    #[serde(default)]
    platforms: Vec<Platform>,
    #[serde(default)]
    all: bool,
    #[serde(default)]
    shared_size: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Prune,
    Delete,
    List,
    DiskUsage,
    Gc,
}

impl Asked {
    fn into_op(self) -> Op {
        let Self {
            op, now, filters, order, cancelled, cancel_after_considered, cancel_after_visited, ..
        } = self;
        let Self { reference, force, prune, platforms, all, shared_size, .. } = self;
        let action = match op {
            Kind::Prune => {
                Action::Prune { filters, order, cancelled, cancel_after_considered, cancel_after_visited }
            }
            Kind::Delete => Action::Delete { reference, force, prune, platforms },
            Kind::List => Action::List { all, shared_size },
            Kind::DiskUsage => Action::DiskUsage {},
            Kind::Gc => Action::Gc {},
        };
        Op { action, now, expect: None }
    }
}
