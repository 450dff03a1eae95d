//! The logs of containers, which docker does not count.

use std::io::{self, BufWriter, Write};

use super::print_lines;
use crate::cli::args::Format;
use crate::cli::error::Result;
use crate::cli::logs::{self, Log};
use crate::cli::render::{identifier, table};
use crate::cli::units::human_size;
use crate::cli::{host, json};

pub fn run(host: &str, format: Format) -> Result<()> {
    let client = host::client(host)?;
    let logs = logs::all(&client)?;
    let mut out = BufWriter::new(io::stdout().lock());
    if format == Format::Json {
        json::line(&mut out, &logs)?;
        return Ok(out.flush()?);
    }
    let rows = logs.iter().map(|log| {
        let size = match &log.size {
            Ok(bytes) => human_size((*bytes).into()),
            Err(why) => format!("unknown: {why}"),
        };
        [identifier(&log.container, false), log.name.clone(), size]
    });
    print_lines(&mut out, &table(["CONTAINER ID", "NAME", "LOG SIZE"], rows))?;
    let total: i128 = logs.iter().filter_map(Log::bytes).map(i128::from).sum();
    writeln!(out, "\nTotal: {}", human_size(total))?;
    Ok(out.flush()?)
}
