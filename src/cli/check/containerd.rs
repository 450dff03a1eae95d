//! Outcomes of a containerd image store.

use std::io::{self, Write};

use image_prune::oracle::check::containerd::{Contradiction, Observed, Verdict, check};
use image_prune::{ErrorClass, rules};

use super::{
    CheckArgs, no_such_store, print_explained, print_given_up, print_impossible, print_place, read_json,
    read_request,
};
use crate::cli::args::Format;
use crate::cli::containerd::Source;
use crate::cli::error::{Failure, Result};
use crate::cli::read::named;
use crate::cli::render::escape;

pub fn run(args: &CheckArgs, source: &Source) -> Result<()> {
    let asked = read_request(&args.request, source.utc_offset)?;
    if asked.faults > 0 {
        let problem = "`faults`: failing calls are judged for the classic image store alone";
        let failure = Failure::at(named(&args.request), ErrorClass::InvalidParameter, problem);
        return Err(failure.with_hint("leave `faults` out"));
    }
    let observed: Observed = read_json(&args.observed)?;
    let verdict = check(&source.world, &asked, &observed, &source.semantics)
        .map_err(|error| no_such_store(&args.before, &error))?;
    match args.format {
        Format::Table => print_words(&verdict)?,
        Format::Json => {
            crate::cli::json::line(io::stdout().lock(), &verdict)?;
        }
    }
    match verdict {
        Verdict::Explained { .. } => Ok(()),
        Verdict::Impossible(_) => Err(Failure::Differences),
        Verdict::GaveUp { .. } => Err(Failure::Reported),
    }
}

fn print_words(verdict: &Verdict) -> Result<()> {
    let mut out = anstream::stdout().lock();
    match verdict {
        Verdict::Explained { order } => {
            print_explained(&mut out, order.iter().map(|name| escape(name).into_owned()))?;
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

fn print_contradiction(out: &mut impl Write, contradiction: &Contradiction) -> io::Result<()> {
    let Contradiction { place, observed, moby, rule, .. } = contradiction;
    print_place(out, place, observed.as_deref(), moby.as_deref())?;
    writeln!(out, "  rule:     {}", rules::cite(rule))
}
