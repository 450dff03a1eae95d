//! `df`: what images take on disk, in docker's tables (U-7, U-8), and what docker does not say.

use std::io::{self, BufWriter, Write};

use chrono::Utc;
use image_prune::client::{self, DiskUsage};
use image_prune::graph::usage::{ImageSummary, Usage, usage};
use image_prune::{Error, Timestamp};

use super::args::Format;
use super::containerd;
use super::error::Result;
use super::host;
use super::json;
use super::render::{identifier, table};
use super::source::{self, EitherSource, Source};
use super::units::{human_duration, human_size};

mod args;
mod daemon;
mod logs;
mod what_if;

pub use args::DfArgs;

pub fn run(args: &DfArgs) -> Result<()> {
    let questions = &args.what_if;
    if questions.logs {
        return logs::run(&host::or_standard(args.source.host.as_deref()), args.format);
    }
    if questions.marginal || questions.free.is_some() || !questions.set.is_empty() {
        return what_if::run(args);
    }
    if let Some(host) = source::daemon(&args.source) {
        return show_daemon(&host, args);
    }
    match EitherSource::read(&args.source)? {
        EitherSource::Classic(source) => show(&computed_usage(source)?, None, args),
        EitherSource::Containerd(source) => containerd::df::run(&source, args),
    }
}

/// A daemon counts for itself, to the byte.
fn show_daemon(host: &str, args: &DfArgs) -> Result<()> {
    let client = host::client(host)?;
    client.graph_driver_info().map_err(Error::from)?;
    let told = client.disk_usage().map_err(Error::from)?;
    show(&images_of(&told)?, Some(&told), args)
}

/// The images, and all else where a daemon tells of it.
fn show(usage: &Usage, told: Option<&DiskUsage>, args: &DfArgs) -> Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    match args.format {
        Format::Json => {
            json::line(&mut out, usage)?;
        }
        Format::Table if args.verbose => {
            let now = args.now.map_or_else(Utc::now, |now| now.to_utc()).timestamp();
            writeln!(out, "Images space usage:\n")?;
            print_lines(&mut out, &images(usage, now))?;
            if let Some(told) = told {
                daemon::print_all(&mut out, told, now)?;
            }
        }
        Format::Table => {
            let rows = told.map(daemon::rows).into_iter().flatten();
            let rows = std::iter::once(images_row(usage)).chain(rows);
            print_lines(&mut out, &table(["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"], rows))?;
        }
    }
    Ok(out.flush()?)
}

fn computed_usage(source: Source) -> Result<Usage> {
    let semantics = source.semantics;
    let (stores, _) = source.into_stores()?;
    Ok(usage(&stores, &semantics)?)
}

fn images_of(told: &DiskUsage) -> Result<Usage> {
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
    let images = told.images.iter().cloned().map(summary).collect::<image_prune::Result<_>>()?;
    Ok(Usage { layers_size: told.layers_size, images })
}

pub fn print_lines(out: &mut impl Write, lines: &[String]) -> Result<()> {
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// U-7. In 128 bits nothing wraps.
fn images_row(usage: &Usage) -> [String; 5] {
    let total = i128::from(usage.layers_size);
    let active = usage.images.iter().filter(|image| image.containers > 0);
    let used: i128 = active.clone().map(unique).sum();
    let reclaimable = total - used;
    [
        "Images".to_owned(),
        usage.images.len().to_string(),
        active.count().to_string(),
        human_size(total),
        share(reclaimable, total),
    ]
}

/// Bytes, and how much of the whole they are.
pub fn share(part: i128, whole: i128) -> String {
    let percent = if whole > 0 { format!(" ({}%)", part * 100 / whole) } else { String::new() };
    format!("{}{percent}", human_size(part))
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

pub fn age(created: i64, now: i64) -> String {
    // docker leaves the cell of an unknown time empty.
    if created == Timestamp::ZERO.unix_seconds() {
        return String::new();
    }
    format!("{} ago", human_duration(now.saturating_sub(created)))
}
