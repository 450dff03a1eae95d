//! `plan --tree`: bases and what stands on them, with a bar of the bytes that each shares and has alone.

use std::io::{BufWriter, Write};

use image_prune::graph::plan::Verdict;
use unicode_width::UnicodeWidthStr;

use super::super::error::Result;
use super::super::render::{bold, escape};
use super::super::units::short_size;
use super::bases::{in_order, standings};
use super::rows::{Row, Scene};
use super::view::cut;

/// The cells of the longest bar.
const BAR: usize = 20;
const GAP: usize = 2;
/// A name is cut in the middle rather than wider than this.
const WIDEST_NAME: usize = 60;

pub fn print(scene: &Scene) -> Result<()> {
    let mut out = BufWriter::new(anstream::stdout().lock());
    for line in lines(scene) {
        writeln!(out, "{line}")?;
    }
    Ok(out.flush()?)
}

fn lines(scene: &Scene) -> Vec<String> {
    let rows = scene.rows().rows;
    let standings = standings(&rows, scene.stores);
    let largest = rows.iter().map(|row| row.image.size).max().unwrap_or(0).max(1);
    let drawn: Vec<Line> = in_order(&rows, &standings)
        .into_iter()
        .filter_map(|(at, branch)| {
            let (row, standing) = (rows.get(at)?, standings.get(at)?);
            let before = branches(&branch);
            let room = WIDEST_NAME.saturating_sub(before.width()).max(12);
            Some(Line {
                row,
                name: format!("{before}{}", cut(&escape(&row.name), room)),
                own: short_size(standing.own_size().into()),
                size: short_size(row.image.size.into()),
                bar: bar(standing.shared, standing.own_size(), largest),
            })
        })
        .collect();
    let widest =
        |cell: &dyn Fn(&Line) -> usize, title: usize| drawn.iter().map(cell).max().unwrap_or(0).max(title);
    let name = widest(&|line| line.name.width(), "IMAGE".len());
    let own = widest(&|line| line.own.width(), "OWN".len());
    let size = widest(&|line| line.size.width(), "SIZE".len());
    let gap = " ".repeat(GAP);
    let mut lines = Vec::with_capacity(drawn.len() + 1);
    if !drawn.is_empty() {
        lines.push(bold(format_args!("{:name$}{gap}{:>own$}{gap}{:>size$}", "IMAGE", "OWN", "SIZE")));
    }
    for line in &drawn {
        let (colour, fate) = match line.row.image.verdict {
            Verdict::Delete => ("31;9", "would go"),
            Verdict::Untag => ("33", "would lose a name"),
            Verdict::Keep => ("32", ""),
        };
        let blanks = " ".repeat(name.saturating_sub(line.name.width()));
        let (own, size) = (format!("{:>own$}", line.own), format!("{:>size$}", line.size));
        let text = format!(
            "\x1b[{colour}m{}\x1b[0m{blanks}{gap}{own}{gap}{size}{gap}{}{gap}{fate}",
            line.name, line.bar
        );
        lines.push(text.trim_end().to_owned());
    }
    lines
}

struct Line<'r, 'a> {
    row: &'r Row<'a>,
    name: String,
    own: String,
    size: String,
    bar: String,
}

/// `│  └─ ` for the way from a base to an image; the last says whether it is the last on its base.
fn branches(branch: &[bool]) -> String {
    let Some((is_last, way)) = branch.get(1..).and_then(<[bool]>::split_last) else { return String::new() };
    let mut text: String = way.iter().map(|is_last| if *is_last { "   " } else { "│  " }).collect();
    text.push_str(if *is_last { "└─ " } else { "├─ " });
    text
}

/// Shared bytes light, own bytes full; what is there takes a cell at least.
fn bar(shared: i64, own: i64, largest: i64) -> String {
    let cells = |bytes: i64| match u128::try_from(bytes) {
        Ok(0) | Err(_) => 0,
        Ok(bytes) => {
            let scaled = bytes * BAR as u128 / u128::try_from(largest).unwrap_or(1).max(1);
            usize::try_from(scaled).unwrap_or(BAR).clamp(1, BAR)
        }
    };
    let text = format!("{}{}", "░".repeat(cells(shared)), "█".repeat(cells(own)));
    format!("{text}{}", " ".repeat(BAR.saturating_sub(text.chars().count())))
}
