//! `plan`: what a prune would do to every name, and why.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, Write};

use image_prune::containerd::plan::{NamePlan, Plan, Reason, Verdict, plan};
use image_prune::{Error, Reference, Semantics};

use super::{Selection, Source};
use crate::cli::args::{Format, PlanArgs};
use crate::cli::error::{Failure, Result};
use crate::cli::plan::warn_of;
use crate::cli::render::{self, escape, identifier};
use crate::cli::units::human_size;
use crate::cli::{json, progress};

pub fn run(source: &Source, args: &PlanArgs) -> Result<()> {
    let selection = Selection::new(&args.selection, source)?;
    let stores = source.stores()?;
    let stage = progress::of_images(source.world.images.len(), "planning");
    let plan = plan(&stores, &selection.filters, &source.semantics, selection.now, &selection.order)?;
    drop(stage);
    if let Some(text) = &args.why {
        return why(&plan, text, &source.semantics, args.format);
    }
    warn_of(&plan.warnings);
    match args.format {
        _ if args.quiet => print_ids(&plan, args.no_trunc),
        Format::Json => {
            let mut out = BufWriter::new(io::stdout().lock());
            json::line(&mut out, &plan)?;
            Ok(out.flush()?)
        }
        Format::Table => print_table(&plan, args.no_trunc),
    }
}

fn print_ids(plan: &Plan, is_whole: bool) -> Result<()> {
    let gone = plan.names.iter().filter(|name| name.verdict == Verdict::Delete);
    let mut out = BufWriter::new(io::stdout().lock());
    for id in gone.map(|name| name.id).collect::<BTreeSet<_>>() {
        writeln!(out, "{}", identifier(id, is_whole))?;
    }
    Ok(out.flush()?)
}

/// In the words of `docker image ls`.
fn print_table(plan: &Plan, is_whole: bool) -> Result<()> {
    let mut names: Vec<&NamePlan> = plan.names.iter().collect();
    names.sort_by_key(|name| name.verdict);
    let rows = names.iter().map(|name| {
        let id = identifier(name.id, is_whole);
        [shown(name, is_whole), id, size(name.disk_usage), size(name.content_size), words(&name.reason)]
    });
    let header = ["IMAGE", "ID", "DISK USAGE", "CONTENT SIZE", "WHY"];
    let mut lines = render::table(header, rows).into_iter();
    let mut out = BufWriter::new(anstream::stdout().lock());
    if !names.is_empty() {
        writeln!(out, "{}\n", lines.next().unwrap_or_default())?;
    }
    for (verdict, title) in
        [(Verdict::Delete, "Deleted"), (Verdict::Untag, "Untagged only"), (Verdict::Keep, "Kept")]
    {
        let count = names.iter().filter(|name| name.verdict == verdict).count();
        if count > 0 {
            writeln!(out, "{}", render::bold(format_args!("{title} ({count}):")))?;
            for line in lines.by_ref().take(count) {
                writeln!(out, "{line}")?;
            }
            writeln!(out)?;
        }
    }
    let (content, snapshots) = (plan.freed.content.into(), plan.freed.snapshots.into());
    writeln!(
        out,
        "Freed on the disk: {} of content, {} of snapshots",
        human_size(content),
        human_size(snapshots)
    )?;
    if let Some(error) = &plan.error {
        writeln!(out, "The daemon answers an error: {}", escape(&error.to_string()))?;
    }
    writeln!(out, "Total reclaimable space: {}", human_size(plan.report.space_reclaimed.into()))?;
    Ok(out.flush()?)
}

fn shown(name: &NamePlan, is_whole: bool) -> String {
    match name.shown.split_once("@sha256:") {
        Some((repository, _)) if !is_whole => format!("{repository}@sha256:{}…", identifier(name.id, false)),
        _ if name.shown == name.id.to_string() => "<untagged>".to_owned(),
        _ => name.shown.clone(),
    }
}

fn size(bytes: Option<i64>) -> String {
    bytes.map_or_else(|| "unknown".to_owned(), |bytes| human_size(bytes.into()))
}

fn state(running: bool) -> &'static str {
    if running { "running" } else { "stopped" }
}

/// A few words for the table.
fn words(reason: &Reason) -> String {
    match reason {
        Reason::Unused => "unused".to_owned(),
        Reason::OtherName(name) => format!("unused; its image is also {name}"),
        Reason::Lease(lease) => format!("unused; the lease {} holds its content", identifier(lease, false)),
        Reason::Referenced => "unused; its content is part of something else".to_owned(),
        Reason::Expired => "expired".to_owned(),
        Reason::NotDangling => "has a name".to_owned(),
        Reason::NewerThanUntil { created, until } => format!("newer than until ({created} >= {until})"),
        Reason::Labels => "labels do not match".to_owned(),
        Reason::ContainerName { id, running } => {
            format!("container {} was made under it ({})", identifier(id, false), state(*running))
        }
        Reason::LastName { id, running } => {
            format!("last name of what container {} uses ({})", identifier(id, false), state(*running))
        }
        Reason::Undecodable(message) | Reason::Failed(message) => render::shorten(message),
        other => other.kind().to_owned(),
    }
}

/// All that is known of the names that `text` means: one, or all of an image.
fn why(plan: &Plan, text: &str, semantics: &Semantics, format: Format) -> Result<()> {
    let tagged = Reference::parse(text, semantics).map(Reference::tag_name_only);
    let is_named = |name: &&NamePlan| {
        name.name == text
            || name.shown == text
            || tagged.as_ref().is_ok_and(|tagged| tagged.as_str() == name.name)
    };
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    let is_its_id = |name: &&NamePlan| digits.len() >= 4 && name.id.hex().starts_with(digits);
    let mut found: Vec<&NamePlan> = plan.names.iter().filter(is_named).collect();
    if found.is_empty() {
        found = plan.names.iter().filter(is_its_id).collect();
    }
    if found.is_empty() {
        let failure = Failure::from(Error::not_found(format!("No such image: {text}")));
        return Err(failure.with_hint("--why takes a name, an ID or at least four digits of one"));
    }
    let mut out = BufWriter::new(io::stdout().lock());
    if format == Format::Json {
        for name in found {
            json::line(&mut out, name)?;
        }
        return Ok(out.flush()?);
    }
    for (place, name) in found.into_iter().enumerate() {
        if place > 0 {
            writeln!(out)?;
        }
        let verdict = match name.verdict {
            Verdict::Delete => "deleted",
            Verdict::Untag => "untagged only",
            Verdict::Keep => "kept",
        };
        writeln!(out, "Name:         {}", escape(&name.name))?;
        writeln!(out, "Image:        {}", name.id)?;
        writeln!(out, "Disk usage:   {}", size(name.disk_usage))?;
        writeln!(out, "Content size: {}", size(name.content_size))?;
        writeln!(out, "Verdict:      {verdict}")?;
        writeln!(out, "Frees:        {}", human_size(name.freed.total().into()))?;
        writeln!(out, "Why:          {} ({})", escape(&sentence(&name.reason)), name.reason.rule())?;
    }
    Ok(out.flush()?)
}

fn sentence(reason: &Reason) -> String {
    match reason {
        Reason::Unused => "no container was made under this name, and no filter keeps it".to_owned(),
        Reason::OtherName(name) => {
            format!("no container was made under this name; the image stays, as `{name}` names it, too")
        }
        Reason::Lease(lease) => {
            format!("no container was made under this name; its content stays, as the lease {lease} holds it")
        }
        Reason::Referenced => {
            "no container was made under this name; its content stays, as something else refers to it"
                .to_owned()
        }
        Reason::Expired => "its record has expired, and any collection takes it".to_owned(),
        Reason::NotDangling => "it has a name, and only dangling images go (-a is for all)".to_owned(),
        Reason::NewerThanUntil { created, until } => {
            format!("the name was made here at {created}, not before until ({until})")
        }
        Reason::Labels => "none of its configs has the labels that were asked for".to_owned(),
        Reason::ContainerName { id, running } => {
            let (id, state) = (identifier(id, false), state(*running));
            format!("the {state} container {id} was made under this name")
        }
        Reason::LastName { id, running } => {
            let (id, state) = (identifier(id, false), state(*running));
            format!("the {state} container {id} was made by the image's ID, and this is its last name")
        }
        Reason::Undecodable(message) => {
            format!("no prune takes it, as something in it cannot be read: {message}")
        }
        Reason::Failed(message) => message.clone(),
        other => other.kind().to_owned(),
    }
}
