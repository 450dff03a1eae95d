//! `prune --state`: the real thing, on a state file.

use std::io::{self, Write};
use std::path::Path;

use image_prune::Filters;
use image_prune::cancel::Never;
use image_prune::containerd::Engine;
use image_prune::containerd::plan::plan;
use image_prune::event::Recorder;
use serde_json::json;

use super::{Selection, Source};
use crate::cli::args::{Format, PruneArgs};
use crate::cli::error::Result;
use crate::cli::plan::warn_of;
use crate::cli::prune::{is_confirmed, print_table};
use crate::cli::{progress, write};

pub fn run(source: &Source, args: &PruneArgs, output: &Path) -> Result<()> {
    let selection = Selection::new(&args.selection, source)?;
    let stores = source.stores()?;
    let plan = plan(&stores, &selection.filters, &source.semantics, selection.now, &selection.order)?;
    warn_of(&plan.warnings);
    if !args.force && !is_confirmed(args)? {
        return print_table(&[] as &[image_prune::containerd::Record], 0);
    }
    let filters = Filters::parse(&selection.filters, &source.semantics)?;
    let engine = Engine::new(stores, source.semantics, Recorder::default()).with_order(selection.order);
    let stage = progress::of_images(source.world.images.len(), "pruning");
    let done = engine.prune(&filters, selection.now, &Never);
    drop(stage);
    // What failed in the middle has deleted the rest all the same; the plan has warned of it.
    let (report, error) = match done {
        Ok(report) => (report, None),
        Err(error) => {
            let text = error.error().clone();
            (error.into_report().ok_or_else(|| text.clone())?, Some(text.to_string()))
        }
    };
    write::write_state(output, &source.state(engine.stores()))?;
    match args.format {
        Format::Table => print_table(&report.images_deleted, report.space_reclaimed),
        Format::Json => {
            let events = engine.events().take();
            let done =
                json!({ "report": report, "error": error, "events": events, "warnings": plan.warnings });
            Ok(writeln!(io::stdout().lock(), "{done}")?)
        }
    }
}
