//! `check`: whether an outcome can be moby's.

use std::io::{self, Write};
use std::path::Path;

use image_prune::oracle::check::{Asked, Contradiction, Observed, Verdict, check};
use image_prune::{Error, ErrorClass, Now, rules};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::args::Format;
use super::error::{Failure, Result};
use super::json;
use super::read::{self, named};
use super::render::{bold, escape, identifier};
use super::source::Source;

mod args;

pub use args::CheckArgs;

pub fn run(args: &CheckArgs) -> Result<()> {
    let source = Source::read_state(&args.before, args.semantics)?;
    let asked = read_request(&args.request, source.utc_offset)?;
    let observed: Observed = read_json(&args.observed)?;
    let verdict = check(&source.world, &asked, &observed, &source.semantics).map_err(|error: Error| {
        Failure::at(named(&args.before), error.class(), format_args!("no store is like this: {error}"))
    })?;
    match args.format {
        Format::Table => print_words(&verdict)?,
        Format::Json => {
            json::line(io::stdout().lock(), &verdict)?;
        }
    }
    match verdict {
        Verdict::Explained { .. } => Ok(()),
        Verdict::Impossible(_) => Err(Failure::Differences),
        Verdict::GaveUp { .. } => Err(Failure::Reported),
    }
}

fn read_request(file: &Path, utc_offset: Option<i32>) -> Result<Asked> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Request {
        #[serde(default)]
        filters: Value,
        now: String,
        utc_offset_seconds: Option<i32>,
        #[serde(default)]
        busy: bool,
        #[serde(default)]
        cancelled: bool,
        #[serde(default)]
        faults: usize,
    }
    let request: Request = read_json(file)?;
    let filters = match request.filters {
        Value::Null => String::new(),
        Value::String(text) => text,
        object => object.to_string(),
    };
    let instant = chrono::DateTime::parse_from_rfc3339(&request.now).map_err(|error| {
        let problem = format!("`now` is `{}`: {error}", request.now);
        let failure = Failure::at(named(file), ErrorClass::InvalidParameter, problem);
        failure.with_hint("write it like 2024-03-10T12:00:00Z")
    })?;
    let utc_offset_seconds = request.utc_offset_seconds.or(utc_offset).unwrap_or_default();
    let Request { busy, cancelled, faults, .. } = request;
    Ok(Asked { filters, now: Now { instant: instant.into(), utc_offset_seconds }, busy, cancelled, faults })
}

fn read_json<T: DeserializeOwned>(file: &Path) -> Result<T> {
    serde_json::from_slice(&read::bytes(file, read::LIST)?).map_err(|error| {
        Failure::at(named(file), ErrorClass::InvalidParameter, error)
            .with_hint("`image-prune check --help` has the formats")
    })
}

fn print_words(verdict: &Verdict) -> Result<()> {
    let mut out = anstream::stdout().lock();
    match verdict {
        Verdict::Explained { order } => {
            writeln!(out, "{}: moby can have done this.", bold("Explained"))?;
            if !order.is_empty() {
                let order: Vec<String> = order.iter().map(|id| identifier(id, false)).collect();
                writeln!(out, "Order of visits: {}", order.join(" "))?;
            }
        }
        Verdict::Impossible(contradiction) => {
            writeln!(out, "{}: moby does this in no order.", bold("Impossible"))?;
            print_contradiction(&mut out, contradiction)?;
        }
        Verdict::GaveUp { tried, nearest } => {
            writeln!(out, "{} after {tried} runs. The nearest is wrong here:", bold("Gave up"))?;
            print_contradiction(&mut out, nearest)?;
        }
    }
    Ok(())
}

/// In five lines. Also what `conform` and `prune --host` say of a difference.
pub fn print_contradiction(out: &mut impl Write, contradiction: &Contradiction) -> io::Result<()> {
    let Contradiction { place, observed, moby, rule, why } = contradiction;
    let text = |side: &Option<String>| match side {
        Some(text) => escape(text).into_owned(),
        None => "nothing".to_owned(),
    };
    writeln!(out, "  where:    {}", escape(&place.to_string()))?;
    writeln!(out, "  observed: {}", text(observed))?;
    writeln!(out, "  moby:     {}", text(moby))?;
    writeln!(out, "  why:      {}", escape(why))?;
    writeln!(out, "  rule:     {}", rules::cite(rule))
}
