//! `prune`: the real thing, on a state file or a running daemon.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

use image_prune::cancel::Never;
use image_prune::event::Recorder;
use image_prune::graph::Engine;
use image_prune::graph::plan::plan;
use image_prune::{Filters, Record, World};
use serde_json::json;

use super::args::{Format, PruneArgs};
use super::confirm::confirm;
use super::error::{Failure, Result};
use super::json;
use super::plan::warn;
use super::read::named;
use super::render::escape;
use super::request::Selection;
use super::source::EitherSource;
use super::{containerd, progress, units, write};

mod live;
mod unseen;

pub fn run(args: &PruneArgs) -> Result<()> {
    let Some(file) = &args.state else { return live::run(args) };
    let output = args.output.as_deref().unwrap_or(file);
    refuse_bad_usage(args, output)?;
    let source = match EitherSource::read_state(file, args.semantics)? {
        EitherSource::Classic(source) => source,
        EitherSource::Containerd(source) => return containerd::prune(&source, args, output),
    };
    if source.is_script && args.output.is_none() {
        let problem =
            format!("{} is a case: name a file for the new state with --output", named(file).display());
        return Err(Failure::Usage(problem));
    }
    let semantics = source.semantics;
    let selection = Selection::new(&args.selection, &semantics, source.utc_offset)?;
    let (name, profile) = (source.world.name.clone(), source.world.profile.clone());
    let utc_offset_seconds = source.world.utc_offset_seconds;
    let mut stand_ins = source.world.stand_ins.clone();
    let (stores, _) = source.into_stores()?;
    let plan = plan(&stores, &selection.filters, &semantics, selection.now, &selection.order)?;
    warn(&plan);
    if !args.force && !is_confirmed(args)? {
        return print_table(&[] as &[Record], 0);
    }

    let filters = Filters::parse(&selection.filters, &semantics)?;
    let engine = Engine::new(stores, semantics, Recorder::default()).with_order(selection.order);
    let stage = progress::of_images(engine.stores().images.len(), "pruning");
    let report = engine.prune(&filters, selection.now, &Never)?;
    drop(stage);
    let left = engine.stores().to_world();
    stand_ins.retain(|id| left.images.iter().any(|image| image.id == *id));
    let world = World { name, profile, utc_offset_seconds, stand_ins, ..left };
    write::write_state(output, &world)?;
    match args.format {
        Format::Table => print_table(&report.images_deleted, report.space_reclaimed),
        Format::Json => {
            let events = engine.events().take();
            let done = json!({ "report": report, "events": events, "warnings": plan.warnings });
            Ok(json::line(io::stdout().lock(), &done)?)
        }
    }
}

fn refuse_bad_usage(args: &PruneArgs, output: &Path) -> Result<()> {
    let problem = if output == Path::new("-") && args.state.is_some() {
        "--output: stdout is for the report; name a file"
    } else if !args.force && !io::stdin().is_terminal() {
        "there is no terminal to ask for confirmation; -f goes ahead without"
    } else {
        return Ok(());
    };
    Err(Failure::Usage(problem.to_owned()))
}

/// docker's question.
pub fn is_confirmed(args: &PruneArgs) -> Result<bool> {
    let what = if args.selection.all {
        "all images without at least one container associated to them"
    } else {
        "all dangling images"
    };
    confirm(&format!("WARNING! This will remove {what}."))
}

/// docker's report. Names in containerd's store may be any text.
pub fn print_table(deleted: &[impl std::fmt::Display], reclaimed: u64) -> Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    write_table(&mut out, deleted, reclaimed)?;
    Ok(out.flush()?)
}

/// What a daemon says may be anything, so that it is escaped.
fn write_table(out: &mut impl Write, deleted: &[impl std::fmt::Display], reclaimed: u64) -> io::Result<()> {
    if !deleted.is_empty() {
        writeln!(out, "Deleted Images:")?;
        for record in deleted {
            writeln!(out, "{}", escape(&record.to_string()))?;
        }
        writeln!(out)?;
    }
    // U-9: without records the bytes are not asked.
    let reclaimed = if deleted.is_empty() { 0 } else { reclaimed };
    writeln!(out, "Total reclaimed space: {}", units::human_size(reclaimed.into()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use image_prune::replay::RecordText;

    use super::*;

    #[test]
    fn what_a_daemon_says_went_is_escaped() {
        let mut out = Vec::new();
        write_table(&mut out, &[RecordText::Untagged("a\u{9b}2J\x1b[31m\u{202e}:1".to_owned())], 0).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains(r"a\u{9b}2J\u{1b}[31m\u{202e}:1"), "{text}");
    }
}
