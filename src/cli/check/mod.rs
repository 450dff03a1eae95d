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
use super::source::{EitherSource, Source};

mod args;
mod containerd;

pub use args::CheckArgs;

pub fn run(args: &CheckArgs) -> Result<()> {
    match EitherSource::read_state(&args.before, args.semantics)? {
        EitherSource::Classic(source) => classic(args, &source),
        EitherSource::Containerd(source) => containerd::run(args, &source),
    }
}

fn classic(args: &CheckArgs, source: &Source) -> Result<()> {
    let asked = read_request(&args.request, source.utc_offset)?;
    let observed: Observed = read_json(&args.observed)?;
    let verdict = check(&source.world, &asked, &observed, &source.semantics)
        .map_err(|error| no_such_store(&args.before, &error))?;
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

fn no_such_store(file: &Path, error: &Error) -> Failure {
    Failure::at(named(file), error.class(), format_args!("no store is like this: {error}"))
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
            print_explained(&mut out, order.iter().map(|id| identifier(id, false)))?;
        }
        Verdict::Impossible(contradiction) => {
            print_impossible(&mut out)?;
            print_contradiction(&mut out, contradiction)?;
        }
        Verdict::GaveUp { tried, nearest } => {
            print_given_up(&mut out, *tried)?;
            print_contradiction(&mut out, nearest)?;
        }
    }
    Ok(())
}

fn print_explained(out: &mut impl Write, order: impl Iterator<Item = String>) -> io::Result<()> {
    writeln!(out, "{}: moby can have done this.", bold("Explained"))?;
    let order: Vec<String> = order.collect();
    if order.is_empty() { Ok(()) } else { writeln!(out, "Order of visits: {}", order.join(" ")) }
}

fn print_impossible(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}: moby does this in no order.", bold("Impossible"))
}

fn print_given_up(out: &mut impl Write, tried: usize) -> io::Result<()> {
    writeln!(out, "{} after {tried} runs. The nearest is wrong here:", bold("Gave up"))
}

/// In five lines. Also what `conform` and `prune --host` say of a difference.
pub fn print_contradiction(out: &mut impl Write, contradiction: &Contradiction) -> io::Result<()> {
    let Contradiction { place, observed, moby, rule, why, .. } = contradiction;
    print_place(out, &place.to_string(), observed.as_deref(), moby.as_deref())?;
    writeln!(out, "  why:      {}", escape(why))?;
    writeln!(out, "  rule:     {}", rules::cite(rule))
}

fn print_place(
    out: &mut impl Write,
    place: &str,
    observed: Option<&str>,
    moby: Option<&str>,
) -> io::Result<()> {
    let text = |side: Option<&str>| escape(side.unwrap_or("nothing")).into_owned();
    writeln!(out, "  where:    {}", escape(place))?;
    writeln!(out, "  observed: {}", text(observed))?;
    writeln!(out, "  moby:     {}", text(moby))
}
