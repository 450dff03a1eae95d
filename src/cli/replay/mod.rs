//! `replay`: cases and recorded rows in, answers out, a line each.
//!
//! A row that cannot be answered has a line on stderr with its number, and a line with `error` among the
//! answers; the others are answered all the same, and the exit code is 1. A file that is no case and whose first row is
//! none is one error.

use std::io::{self, BufWriter, Write};

use image_prune::Error;
use image_prune::event::Recorder;
use image_prune::graph::Engine;
use image_prune::oracle::graph::Model;
use serde_json::{Value, json};

use super::args::{ReplayArgs, Rows, Subject};
use super::error::{Failure, Result};
use super::json;
use super::read::{Lines, named};
use super::render;
use input::Input;

mod containerd;
mod input;
mod row;
mod scenario;
mod table;

/// The answer to one row: a line of JSON; with `--check`, the differences.
enum RowResult {
    Line(String),
    Differences(Vec<String>),
}

pub fn run(args: &ReplayArgs) -> Result<()> {
    let (json, script) = match args.subject {
        Subject::Engine => (
            scenario::answer::<Engine<Recorder>> as fn(&[u8], &ReplayArgs) -> _,
            scenario::answer_script::<Engine<Recorder>> as fn(&str, &ReplayArgs) -> _,
        ),
        Subject::Model => (
            scenario::answer::<Model> as fn(&[u8], &ReplayArgs) -> _,
            scenario::answer_script::<Model> as fn(&str, &ReplayArgs) -> _,
        ),
    };
    match Input::open(args)? {
        Input::Case(text) => case(args, json(&text, args)),
        Input::Script(text) => case(args, script(&text, args)),
        Input::Rows(lines) => match args.rows {
            Rows::Scenarios => rows(args, lines, json),
            Rows::Until => rows(args, lines, table::until),
            Rows::Reference => rows(args, lines, table::reference),
            Rows::Filters => rows(args, lines, table::filters),
        },
    }
}

fn case(args: &ReplayArgs, result: image_prune::Result<RowResult>) -> Result<()> {
    let result = result.map_err(|error| Failure::at(named(&args.file), error.class(), error))?;
    let mut out = io::stdout().lock();
    let mut count = Count { rows: 1, ..Count::default() };
    match result {
        RowResult::Line(answer) => writeln!(out, "{answer}")?,
        RowResult::Differences(differences) => {
            count.different += usize::from(!differences.is_empty());
            for difference in differences {
                writeln!(out, "{}", render::escape(&difference))?;
            }
        }
    }
    count.end(args.check, "case")
}

fn rows(
    args: &ReplayArgs,
    mut lines: Lines<'_>,
    answer: impl Fn(&[u8], &ReplayArgs) -> image_prune::Result<RowResult>,
) -> Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let mut count = Count::default();
    while let Some((number, line)) = lines.next()? {
        count.rows += 1;
        match answer(line, args) {
            Ok(RowResult::Line(answer)) => writeln!(out, "{answer}")?,
            Ok(RowResult::Differences(differences)) => {
                count.different += usize::from(!differences.is_empty());
                for difference in differences {
                    writeln!(out, "line {number}: {}", render::escape(&difference))?;
                }
            }
            Err(error) => {
                count.bad += 1;
                render::line_to_stderr(
                    "error",
                    &format!("{}: line {number}: {error}", named(&args.file).display()),
                );
                if !args.check {
                    json::line(&mut out, &bad_row(number, &error))?;
                }
            }
        }
    }
    out.flush()?;
    count.end(args.check, "row")
}

fn bad_row(number: usize, error: &Error) -> Value {
    json!({ "line": number, "error": { "class": error.class().as_str(), "message": error.to_string() } })
}

#[derive(Default)]
struct Count {
    rows: usize,
    bad: usize,
    different: usize,
}

impl Count {
    fn end(&self, is_check: bool, what: &str) -> Result<()> {
        let Self { rows, bad, different } = self;
        if is_check {
            let bad = if *bad > 0 { format!(", {bad} cannot be answered") } else { String::new() };
            let end = if *rows == 1 { "" } else { "s" };
            // Where stderr is closed there is nobody to tell.
            let _ = writeln!(io::stderr(), "{rows} {what}{end}: {different} differ{bad}");
        }
        match (bad, different) {
            (0, 0) => Ok(()),
            (0, _) => Err(Failure::Differences),
            _ => Err(Failure::Reported),
        }
    }
}
