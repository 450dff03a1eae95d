//! `conform`: whether a daemon prunes as moby does.

use std::io::{self, BufWriter, Write};

use image_prune::client::conform::{Failing, Options, Report, conform};
use image_prune::{Error, Evidence, Semantics, rules};

use super::args::Format;
use super::error::{Failure, Result};
use super::json;
use super::render::{self, bold, escape, table};
use super::{host, progress};

mod args;

pub use args::ConformArgs;

pub fn run(args: &ConformArgs) -> Result<()> {
    let client = host::client(&host::or_standard(args.host.as_deref()))?;
    let semantics = host::semantics(&client, args.semantics)?;
    tell_what_was_read(semantics);
    let options = Options { cases: args.cases, seed: args.seed, semantics, others: args.allow_other_images };
    let bar = progress::of_cases(args.cases);
    let report =
        conform(&client, &options, &mut |done| bar.set_position(done.try_into().unwrap_or(u64::MAX)));
    bar.finish_and_clear();
    let report = report.map_err(|error| {
        let is_refused = error.kind() == image_prune::client::FailureKind::Invalid;
        let failure = Failure::from(Error::from(error));
        if is_refused {
            failure.with_hint(
                "use an empty daemon; --allow-other-images goes on where nobody needs what is unused",
            )
        } else {
            failure
        }
    })?;
    match args.format {
        Format::Table => print_table(&report)?,
        Format::Json => {
            let mut out = BufWriter::new(io::stdout().lock());
            json::line(&mut out, &report)?;
            out.flush()?;
        }
    }
    if report.explained == report.cases { Ok(()) } else { Err(Failure::Differences) }
}

/// Where a version was not run, a difference may be ours.
fn tell_what_was_read(semantics: Semantics) {
    let line = Semantics::RELEASES.into_iter().find(|release| release.semantics == semantics);
    if line.is_some_and(|release| release.evidence == Evidence::Read) {
        let Semantics { name, version, .. } = semantics;
        render::line_to_stderr(
            "note",
            &format!(
                "{name} was read in the source of {version} and not run: a difference may be a mistake of ours"
            ),
        );
    }
}

fn print_table(report: &Report) -> Result<()> {
    let mut out = BufWriter::new(anstream::stdout().lock());
    let rows = report.groups.iter().map(|group| {
        let rules = group.rules.iter().map(|(rule, count)| format!("{rule} ({count})"));
        let verdict = if group.differ == 0 { "as moby" } else { "differs" };
        [
            group.group.to_string(),
            group.cases.to_string(),
            group.differ.to_string(),
            verdict.to_owned(),
            rules.collect::<Vec<_>>().join(", "),
        ]
    });
    for line in table(["RULES", "CASES", "DIFFER", "VERDICT", "BROKEN"], rows) {
        writeln!(out, "{line}")?;
    }
    for group in &report.groups {
        if let Some(failing) = &group.shortest {
            writeln!(
                out,
                "\n{}",
                bold(format_args!("{}, shortest case (from {}):", group.group, failing.case))
            )?;
            print_failing(&mut out, failing)?;
        }
    }
    let Report { explained, cases, semantics, seed, .. } = report;
    writeln!(out, "\n{explained} of {cases} cases are as {semantics} has them (seed {seed}).")?;
    if explained < cases {
        writeln!(out, "--format json has the whole cases, for `image-prune check`.")?;
    }
    Ok(out.flush()?)
}

fn print_failing(out: &mut impl Write, failing: &Failing) -> io::Result<()> {
    let Failing { difference, before, request, .. } = failing;
    let text = |side: &Option<String>| match side {
        Some(text) => escape(text).into_owned(),
        None => "nothing".to_owned(),
    };
    let (images, containers) = (before.images.len(), before.containers.len());
    let names = before.references.len();
    writeln!(out, "  store:    images {images}, references {names}, containers {containers}")?;
    writeln!(out, "  filters:  {}", escape(&request["filters"].to_string()))?;
    writeln!(out, "  where:    {}", escape(&difference.place))?;
    writeln!(out, "  observed: {}", text(&difference.observed))?;
    writeln!(out, "  moby:     {}", text(&difference.moby))?;
    writeln!(out, "  why:      {}", escape(&difference.why))?;
    writeln!(out, "  rule:     {}", rules::cite(difference.rule))
}
