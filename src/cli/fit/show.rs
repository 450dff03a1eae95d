//! The answer, for people and for programs.

use std::io::{BufWriter, Write};

use image_prune::ImageId;
use image_prune::fit::{Fit, Source};
use serde::Serialize;

use super::room::MakeRoom;
use crate::cli::args::Format;
use crate::cli::error::Result;
use crate::cli::json;
use crate::cli::render::{self, bold, identifier, table};
use crate::cli::units::{human_size, short_size};

pub fn print(format: Format, answer: &Fit, room: Option<&MakeRoom>) -> Result<()> {
    #[derive(Serialize)]
    struct Whole<'a> {
        #[serde(flatten)]
        answer: &'a Fit,
        prune: Option<&'a MakeRoom>,
    }
    let mut out = BufWriter::new(anstream::stdout().lock());
    match format {
        Format::Json => {
            json::line(&mut out, &Whole { answer, prune: room })?;
        }
        Format::Table => {
            for note in &answer.notes {
                render::line_to_stderr("note", note);
            }
            for line in lines(answer, room) {
                writeln!(out, "{line}")?;
            }
        }
    }
    Ok(out.flush()?)
}

fn lines(answer: &Fit, room: Option<&MakeRoom>) -> Vec<String> {
    let title = match (answer.fits, answer.may_fit()) {
        (true, _) if answer.missing.source == Source::Ratio => {
            "It fits if no layer is larger than you assume."
        }
        (true, _) => "It fits.",
        (_, true) => "It may not fit.",
        _ => "It does not fit.",
    };
    let missing = &answer.missing;
    let source = match missing.source {
        Source::Exact => "counted",
        Source::Metadata => "written down",
        Source::Ratio => "assumed",
        Source::Bound => "unknown",
    };
    let row = [
        missing.layers.to_string(),
        short_size(missing.compressed.into()),
        range(missing.unpacked_low, missing.unpacked_high),
        source.to_owned(),
    ];
    let mut lines = vec![bold(title), String::new()];
    lines.extend(table(["MISSING LAYERS", "DOWNLOAD", "UNPACKED", "UNPACKED SIZE IS"], [row]));
    lines.push(String::new());
    let volumes = answer.volumes.iter().map(|volume| {
        [
            volume.path.display().to_string(),
            short_size(volume.capacity.into()),
            short_size(volume.available.into()),
            short_size(volume.allowed.into()),
            range(volume.needed_low, volume.needed_high),
        ]
    });
    lines.extend(table(["VOLUME", "SIZE", "AVAILABLE", "ALLOWED", "NEEDED"], volumes));
    if let Some(room) = room {
        lines.push(String::new());
        lines.extend(room_lines(room, answer.may_fit()));
    }
    lines
}

fn room_lines(room: &MakeRoom, may_fit: bool) -> Vec<String> {
    let most = if may_fit { "up to " } else { "" };
    let shortfall = format!("{most}{}", human_size(room.shortfall.into()));
    let freed = human_size(room.freed.into());
    let has_gone = |id: ImageId| room.done.as_ref().is_none_or(|done| done.deleted.contains(&id.to_string()));
    let gone: Vec<_> = room.images.iter().filter(|image| has_gone(image.id)).collect();
    let title = match (room.applied, room.is_enough, gone.is_empty()) {
        (true, _, true) => "Nothing was deleted.".to_owned(),
        (true, ..) => format!("Deleted, to free {freed}:"),
        (_, true, _) => {
            let smallest = if room.is_exact { "the smallest prune" } else { "a small prune" };
            format!("{shortfall} short; {smallest} that makes room frees {freed}:")
        }
        (_, _, true) => format!("{shortfall} short, and nothing may go."),
        _ => format!("{shortfall} short; all that may go frees {freed}, which is not enough:"),
    };
    let rows = gone.iter().map(|image| {
        let names =
            if image.references.is_empty() { "<none>".to_owned() } else { image.references.join(", ") };
        [identifier(image.id, false), names, short_size(image.size.into())]
    });
    let mut lines = vec![bold(title)];
    if !gone.is_empty() {
        lines.extend(table(["IMAGE ID", "REFERENCES", "SIZE"], rows));
    }
    lines
}

fn range(low: u64, high: u64) -> String {
    if low == high {
        return short_size(low.into());
    }
    if high == u64::MAX {
        return if low == 0 { "unknown".to_owned() } else { format!("at least {}", short_size(low.into())) };
    }
    format!("{} to {}", short_size(low.into()), short_size(high.into()))
}
