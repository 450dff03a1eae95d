//! What deleting names or images would free: a set, each image alone, or the fewest that free enough.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};

use chrono::Utc;
use image_prune::containerd::Options;
use image_prune::containerd::free::Sharing;
use image_prune::containerd::removal::{Removal, marginal, remove};
use image_prune::containerd::store::{ImageStore, Stores};
use image_prune::{Digest, Now};
use serde_json::json;

use super::Source;
use crate::cli::args::Format;
use crate::cli::df::{DfArgs, print_lines};
use crate::cli::error::{Failure, Result};
use crate::cli::json;
use crate::cli::plan::warn_of;
use crate::cli::render::{self, identifier, table};
use crate::cli::units::human_size;

pub fn run(source: &Source, args: &DfArgs) -> Result<()> {
    let stores = source.stores()?;
    let instant = args.now.map_or_else(Utc::now, |now| now.to_utc());
    let now = Now { instant: instant.into(), utc_offset_seconds: source.world.utc_offset_seconds };
    if args.what_if.marginal {
        return alone(&stores, now, args.format);
    }
    match args.what_if.free {
        Some(bytes) if args.keep.rules()?.is_empty() => smallest(&stores, bytes, now, args.format),
        Some(_) => {
            let problem =
                "--free: rules of what to keep are not read for a state of the containerd image store";
            Err(Failure::Usage(problem.to_owned()))
        }
        None => {
            let texts: Vec<String> = args.what_if.set.iter().map(|text| text.trim().to_owned()).collect();
            set(&remove(&stores, &texts, &Options::default(), &source.semantics, now)?, args.format)
        }
    }
}

fn set(removal: &Removal, format: Format) -> Result<()> {
    let stays = removal.stays.iter().map(|(text, why)| format!("{text} stays: {why}"));
    render::first_to_stderr("warning", stays, |more| format!("{more} more stay"));
    warn_of(&removal.warnings);
    let mut out = io::stdout().lock();
    match format {
        Format::Json => {
            let stays: BTreeMap<_, _> = removal.stays.iter().cloned().collect();
            let Removal { freed, records, warnings, .. } = removal;
            let told = json!({
                "bytes": freed.total(), "content": freed.content, "snapshots": freed.snapshots,
                "records": records, "stays": stays, "warnings": warnings,
            });
            Ok(json::line(&mut out, &told)?)
        }
        Format::Table => Ok(writeln!(out, "{}", human_size(removal.freed.total().into()))?),
    }
}

fn alone(stores: &Stores, now: Now, format: Format) -> Result<()> {
    let mut alone = marginal(stores, now)?;
    alone.sort_by_key(|(id, freed)| (std::cmp::Reverse(freed.total()), *id));
    let names = names(stores)?;
    let names = |id: &Digest| names.get(id).cloned().unwrap_or_default();
    let mut out = BufWriter::new(io::stdout().lock());
    if format == Format::Json {
        let lines = alone.iter().map(|(id, freed)| {
            json!({
                "id": id, "names": names(id), "bytes": freed.total(),
                "content": freed.content, "snapshots": freed.snapshots,
            })
        });
        json::line(&mut out, &json!(lines.collect::<Vec<_>>()))?;
        return Ok(out.flush()?);
    }
    let rows = alone
        .iter()
        .map(|(id, freed)| [names(id).join(", "), identifier(id, false), human_size(freed.total().into())]);
    print_lines(&mut out, &table(["IMAGE", "ID", "FREED ALONE"], rows))?;
    Ok(out.flush()?)
}

/// Of the images that no container uses.
fn smallest(stores: &Stores, bytes: u64, now: Now, format: Format) -> Result<()> {
    let names = names(stores)?;
    let candidates: Vec<Digest> = names.keys().copied().collect();
    let choice = Sharing::new(stores, &candidates, now)?.smallest(bytes);
    let mut out = BufWriter::new(io::stdout().lock());
    if format == Format::Json {
        json::line(&mut out, &json!(choice))?;
        return Ok(out.flush()?);
    }
    if !choice.is_enough {
        let least = human_size(bytes.into());
        render::line_to_stderr("warning", &format!("all that may go together does not free {least}"));
    }
    let name = |id: &Digest| names.get(id).map(|names| names.join(", ")).unwrap_or_default();
    let rows = choice.images.iter().map(|id| [name(id), identifier(id, false)]);
    print_lines(&mut out, &table(["IMAGE", "ID"], rows))?;
    let how = if choice.is_exact { "no fewer images free as much" } else { "greedy: fewer images may do" };
    writeln!(out, "\nTotal reclaimable space: {} ({how})", human_size(choice.freed.total().into()))?;
    Ok(out.flush()?)
}

/// The names of each image.
fn names(stores: &Stores) -> Result<BTreeMap<Digest, Vec<String>>> {
    let mut names: BTreeMap<Digest, Vec<String>> = BTreeMap::new();
    for image in stores.metadata.images()? {
        names.entry(image.digest()).or_default().push(image.name().to_owned());
    }
    Ok(names)
}
