//! `df`: what images take on disk, in docker's tables (SPEC.md U-7, U-8).

use std::io::{self, BufWriter, Write};

use chrono::Utc;
use image_prune::usage::{ImageSummary, Usage, usage};
use image_prune::{Error, Timestamp, client};

use super::args::{DfArgs, Format};
use super::error::Result;
use super::host;
use super::render::{identifier, table};
use super::source::{self, Source};
use super::units::{human_duration, human_size};

pub fn run(args: &DfArgs) -> Result<()> {
    let usage = match source::daemon(&args.source) {
        Some(host) => told_usage(&host)?,
        None => computed_usage(args)?,
    };
    let mut out = BufWriter::new(io::stdout().lock());
    match args.format {
        Format::Json => {
            serde_json::to_writer(&mut out, &usage)?;
            writeln!(out)?;
        }
        Format::Table if args.verbose => {
            let now = args.now.map_or_else(Utc::now, |now| now.to_utc()).timestamp();
            writeln!(out, "Images space usage:\n")?;
            print_lines(&mut out, &images(&usage, now))?;
        }
        Format::Table => print_lines(&mut out, &summary(&usage))?,
    }
    Ok(out.flush()?)
}

fn computed_usage(args: &DfArgs) -> Result<Usage> {
    let source = Source::read(&args.source)?;
    let semantics = source.semantics;
    let (stores, _) = source.into_stores()?;
    Ok(usage(&stores, &semantics)?)
}

/// A daemon counts for itself, to the byte.
fn told_usage(host: &str) -> Result<Usage> {
    let told = host::client(host)?.disk_usage().map_err(Error::from)?;
    let summary = |image: client::ImageSummary| {
        let id = image.id.parse();
        let id = id.map_err(|_| Error::system(format!("the daemon tells of `{}`, no image ID", image.id)))?;
        Ok(ImageSummary {
            containers: image.containers,
            created: image.created,
            id,
            labels: Some(image.labels),
            parent_id: image.parent_id,
            repo_digests: Some(image.repo_digests).filter(|names| !names.is_empty()),
            repo_tags: Some(image.repo_tags).filter(|names| !names.is_empty()),
            shared_size: image.shared_size,
            size: image.size,
            virtual_size: image.size,
        })
    };
    let images = told.images.into_iter().map(summary).collect::<image_prune::Result<_>>()?;
    Ok(Usage { layers_size: told.layers_size, images })
}

fn print_lines(out: &mut impl Write, lines: &[String]) -> Result<()> {
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// U-7. In 128 bits nothing wraps.
fn summary(usage: &Usage) -> Vec<String> {
    let total = i128::from(usage.layers_size);
    let active = usage.images.iter().filter(|image| image.containers > 0);
    let used: i128 = active.clone().map(unique).sum();
    let reclaimable = total - used;
    let share = if total > 0 { format!(" ({}%)", reclaimable * 100 / total) } else { String::new() };
    let row = [
        "Images".to_owned(),
        usage.images.len().to_string(),
        active.count().to_string(),
        human_size(total),
        format!("{}{share}", human_size(reclaimable)),
    ];
    table(["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"], [row])
}

fn unique(image: &ImageSummary) -> i128 {
    i128::from(image.virtual_size) - i128::from(image.shared_size)
}

/// U-8.
fn images(usage: &Usage, now: i64) -> Vec<String> {
    let rows = usage.images.iter().map(|image| {
        let (repository, tag) = name(image);
        [
            repository.to_owned(),
            tag.to_owned(),
            identifier(image.id, false),
            age(image.created, now),
            human_size(image.virtual_size.into()),
            human_size(image.shared_size.into()),
            human_size(unique(image)),
            image.containers.to_string(),
        ]
    });
    let header =
        ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", "SHARED SIZE", "UNIQUE SIZE", "CONTAINERS"];
    table(header, rows)
}

/// The first tag, as docker does it: an image with digests alone has no name here.
fn name(image: &ImageSummary) -> (&str, &str) {
    let first = image.repo_tags.as_ref().and_then(|tags| tags.first());
    first.and_then(|tag| tag.rsplit_once(':')).unwrap_or(("<none>", "<none>"))
}

fn age(created: i64, now: i64) -> String {
    // docker leaves the cell of an unknown time empty.
    if created == Timestamp::ZERO.unix_seconds() {
        return String::new();
    }
    format!("{} ago", human_duration(now.saturating_sub(created)))
}
