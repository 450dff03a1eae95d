//! What `clean` shows.

use std::io::{self, BufWriter, Write};

use image_prune::client::agent::View;

use super::Done;
use super::plan::CleanPlan;
use crate::cli::agent::show_plan;
use crate::cli::error::Result;
use crate::cli::render::{self, identifier, table};
use crate::cli::units::human_size;

pub fn plan(view: &View, plan: &CleanPlan) -> Result<()> {
    let mut out = BufWriter::new(anstream::stdout());
    if let Some(containers) = &plan.containers {
        let rows = containers.iter().map(|container| {
            [
                identifier(&container.id, false),
                container.name.clone(),
                container.image.clone(),
                container.status.clone(),
                human_size(container.bytes.into()),
            ]
        });
        let lines = table(["CONTAINER ID", "NAME", "IMAGE", "STATUS", "SIZE"], rows);
        section(&mut out, "Containers to remove", containers.len(), &lines)?;
    }
    if let Some(images) = &plan.images {
        out.flush()?;
        show_plan(view, images)?;
        writeln!(out)?;
    }
    if let Some(logs) = &plan.logs {
        let rows = logs.iter().map(|log| {
            let size = match &log.size {
                Ok(bytes) => human_size((*bytes).into()),
                Err(why) => format!("left: {why}"),
            };
            [identifier(&log.container, false), log.name.clone(), size]
        });
        let lines = table(["CONTAINER ID", "NAME", "LOG SIZE"], rows);
        section(&mut out, "Logs to empty", logs.len(), &lines)?;
    }
    if !plan.volumes.is_empty() {
        let rows = plan.volumes.iter().map(|volume| {
            let size = volume.bytes.map_or_else(|| "N/A".to_owned(), |bytes| human_size(bytes.into()));
            [volume.name.clone(), size]
        });
        let lines = table(["VOLUME NAME", "SIZE"], rows);
        section(&mut out, "Volumes to remove", plan.volumes.len(), &lines)?;
    }
    writeln!(out, "Total: up to {}", human_size(plan.bytes().into()))?;
    Ok(out.flush()?)
}

fn section(out: &mut impl Write, title: &str, count: usize, lines: &[String]) -> io::Result<()> {
    writeln!(out, "{}", render::bold(format_args!("{title} ({count}):")))?;
    for line in lines {
        writeln!(out, "{line}")?;
    }
    writeln!(out)
}

pub fn done(done: &Done) -> Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    let parts = [
        ("container", &done.containers),
        ("untagged", &done.untagged),
        ("deleted", &done.images),
        ("not confirmed", &done.unconfirmed),
        ("log of", &done.logs),
        ("volume", &done.volumes),
    ];
    for (title, names) in parts {
        for name in names {
            writeln!(out, "{title}: {}", render::escape(name))?;
        }
    }
    writeln!(out, "Total reclaimed space: {}", human_size(done.bytes.into()))?;
    Ok(out.flush()?)
}
