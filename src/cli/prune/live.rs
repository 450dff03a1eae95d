//! A prune of a running daemon: the plan first, then the request, then whether it came as foretold.

use std::io::{self, Write};
use std::path::Path;

use image_prune::client::Observer;
use image_prune::graph::plan::plan;
use image_prune::graph::store::Stores;
use image_prune::oracle::check::{Asked, Observed, ObservedAnswer, Verdict, check};
use image_prune::replay::RecordText;
use image_prune::{Error, Record};
use serde_json::{Value, json};

use crate::cli::args::{Format, PruneArgs};
use crate::cli::check::print_contradiction;
use crate::cli::error::{Failure, Result};
use crate::cli::estimate::Bytes;
use crate::cli::plan::{Scene, print_view, warn};
use crate::cli::request::Selection;
use crate::cli::source::Source;
use crate::cli::{host, json, render};

use super::unseen;

pub fn run(args: &PruneArgs) -> Result<()> {
    refuse_bad_usage(args)?;
    let client = host::client(&host::or_standard(args.host.as_deref()))?;
    let mut source = Source::read_host(&client, args.semantics)?;
    let semantics = source.semantics;
    let selection = Selection::new(&args.selection, &semantics, source.utc_offset)?;
    let estimate = source.estimate.take();
    let containers = std::mem::take(&mut source.containers);
    let mut before = source.world.clone();
    let (stores, _) = source.into_stores()?;
    let foretell =
        |stores: &Stores, filters: &str| plan(stores, filters, &semantics, selection.now, &selection.order);
    let plan = foretell(&stores, &selection.filters)?;
    warn(&plan);
    let bytes = Bytes::of(estimate.as_ref(), &plan.report);
    for doubt in &bytes.why {
        render::line_to_stderr("estimated", doubt);
    }
    if args.format == Format::Table {
        let (semantics, now, filters) = (&semantics, selection.now, &*selection.filters);
        let (plan, stores, containers) = (&plan, &stores, &containers);
        let scene = Scene { plan, stores, semantics, now, filters, containers, is_whole: false };
        print_view(&scene, &bytes)?;
        writeln!(io::stdout().lock())?;
    }
    if !args.force && !super::is_confirmed(args)? {
        return super::print_table(&[] as &[Record], 0);
    }

    let watch = Observer::new(&client).map_err(Error::from)?;
    let done = watch.prune(&selection.filters).map_err(Error::from)?;
    if let Err(error) = &done.events {
        render::line_to_stderr("warning", &format!("the events are not judged: {error}"));
    }
    let told = Value::Object(done.to_json());
    let observed: Observed = serde_json::from_value(told.clone())
        .map_err(|error| Error::system(format!("the daemon's answer cannot be read: {error}")))?;
    let asked = Asked::new(selection.filters, done.now);
    let mut foretold = plan.report;
    let mut held = 0;
    let is_doubted = estimate.is_some_and(|estimate| !estimate.doubts.is_empty());
    if is_doubted && let Some(ObservedAnswer::Done { .. }) = observed.answer {
        held = unseen::hold(&mut before, &foretold.images_deleted, records(&observed));
        let stores = Stores::load(before.clone(), &semantics).map_err(Error::from)?;
        foretold = foretell(&stores, &asked.filters)?.report;
    }
    let mut judged = observed.clone();
    accept_estimate(&mut judged, &bytes, foretold.space_reclaimed);
    let verdict = check(&before, &asked, &judged, &semantics)?;
    report(args.format, &observed, &told, &verdict, held)
}

fn records(observed: &Observed) -> &[RecordText] {
    match &observed.answer {
        Some(ObservedAnswer::Done { records, .. }) => records.as_deref().unwrap_or_default(),
        _ => &[],
    }
}

fn refuse_bad_usage(args: &PruneArgs) -> Result<()> {
    let selection = &args.selection;
    if selection.now.is_some() || selection.later.is_some() || selection.order_file.is_some() {
        let problem =
            "--now, --in and --order-file are for plans: a daemon has its own clock and its own order";
        return Err(Failure::Usage(problem.to_owned()));
    }
    super::refuse_bad_usage(args, Path::new("-"))
}

/// A number between the limits of an estimate counts as what was foretold, in the answer and in the last event.
fn accept_estimate(observed: &mut Observed, bytes: &Bytes, foretold: u64) {
    let Some(ObservedAnswer::Done { space_reclaimed: Some(told), .. }) = &mut observed.answer else { return };
    if bytes.is_exact() || !(bytes.low..=bytes.high).contains(told) {
        return;
    }
    let text = told.to_string();
    *told = foretold;
    let last = observed.events.as_mut().and_then(|events| events.last_mut());
    if let Some(reclaimed) = last.and_then(|event| event.attributes.get_mut("reclaimed"))
        && *reclaimed == text
    {
        *reclaimed = foretold.to_string();
    }
}

fn report(format: Format, observed: &Observed, told: &Value, verdict: &Verdict, held: usize) -> Result<()> {
    match (format, &observed.answer) {
        (Format::Json, _) => {
            let foretold = verdict.is_explained();
            let done = json!({ "foretold": foretold, "held": held, "verdict": verdict, "daemon": told });
            json::line(io::stdout().lock(), &done)?;
        }
        (Format::Table, Some(ObservedAnswer::Done { space_reclaimed, .. })) => {
            super::print_table(records(observed), space_reclaimed.unwrap_or_default())?;
        }
        (Format::Table, answer) => {
            let answer = answer.as_ref().map(ToString::to_string).unwrap_or_default();
            render::line_to_stderr("error", &format!("the daemon answered: {answer}"));
        }
    }
    match (verdict, &observed.answer) {
        (Verdict::Explained { .. }, Some(ObservedAnswer::Done { .. })) => {
            if format == Format::Table {
                let less = match held {
                    0 => String::new(),
                    layers => format!(", less layers that something unseen holds: {layers}"),
                };
                writeln!(io::stdout().lock(), "This is what was foretold{less}.")?;
            }
            Ok(())
        }
        (Verdict::Explained { .. }, _) => Err(Failure::Reported),
        (Verdict::Impossible(found) | Verdict::GaveUp { nearest: found, .. }, _) => {
            if format == Format::Table {
                let mut out = io::stdout().lock();
                writeln!(out, "This is not what was foretold; something may have changed meanwhile.")?;
                print_contradiction(&mut out, found)?;
            }
            Err(Failure::Differences)
        }
    }
}
