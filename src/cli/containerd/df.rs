//! `df`: what images take on disk, in docker's tables (rules W).

use std::io::{self, BufWriter, Write};

use chrono::Utc;
use image_prune::Error;
use image_prune::containerd::{Engine, ImageRow};
use image_prune::event::Recorder;
use serde::Serialize;

use super::{Source, what_if};
use crate::cli::args::Format;
use crate::cli::df::{DfArgs, age, print_lines, share};
use crate::cli::error::{Failure, Result};
use crate::cli::json;
use crate::cli::render::{identifier, table};
use crate::cli::units::human_size;

/// The image part of `GET /system/df`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Usage {
    layers_size: i64,
    images: Vec<ImageRow>,
}

pub fn run(source: &Source, args: &DfArgs) -> Result<()> {
    let questions = &args.what_if;
    if questions.marginal || questions.free.is_some() || !questions.set.is_empty() {
        return what_if::run(source, args);
    }
    let engine = Engine::new(source.stores()?, source.semantics, Recorder::default());
    let undecodable = |error: Error| {
        Failure::from(error)
            .with_hint("as in moby, one image that does not decode hides all; `plan -a` names it")
    };
    let layers_size = engine.disk_usage().map_err(undecodable)?;
    let usage = Usage { layers_size, images: engine.list(false, true).map_err(undecodable)? };
    let mut out = BufWriter::new(io::stdout().lock());
    match args.format {
        Format::Json => json::line(&mut out, &usage)?,
        Format::Table if args.verbose => {
            let now = args.now.map_or_else(Utc::now, |now| now.to_utc()).timestamp();
            writeln!(out, "Images space usage:\n")?;
            print_lines(&mut out, &images(&usage, now))?;
        }
        Format::Table => {
            let header = ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"];
            print_lines(&mut out, &table(header, [summary(&usage)]))?;
        }
    }
    Ok(out.flush()?)
}

/// W-5. In 128 bits nothing wraps.
fn summary(usage: &Usage) -> [String; 5] {
    let total = i128::from(usage.layers_size);
    let active = usage.images.iter().filter(|row| row.containers > 0).count();
    let reclaimable = usage.images.iter().filter(|row| row.containers == 0).map(unique).sum();
    [
        "Images".to_owned(),
        usage.images.len().to_string(),
        active.to_string(),
        human_size(total),
        share(reclaimable, total),
    ]
}

fn unique(row: &ImageRow) -> i128 {
    i128::from(row.size) - i128::from(row.shared_size)
}

fn images(usage: &Usage, now: i64) -> Vec<String> {
    let rows = usage.images.iter().map(|row| {
        let first = row.repo_tags.as_ref().and_then(|tags| tags.first());
        let (repository, tag) = first.and_then(|tag| tag.rsplit_once(':')).unwrap_or(("<none>", "<none>"));
        [
            repository.to_owned(),
            tag.to_owned(),
            identifier(row.id, false),
            age(row.created, now),
            human_size(row.size.into()),
            human_size(row.shared_size.into()),
            human_size(unique(row)),
            row.containers.to_string(),
        ]
    });
    let header =
        ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", "SHARED SIZE", "UNIQUE SIZE", "CONTAINERS"];
    table(header, rows)
}
