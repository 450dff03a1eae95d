//! `export`: a state as a file.

use std::io::{self, Write};
use std::path::Path;

use chrono::Utc;

use super::args::ExportArgs;
use super::error::Result;
use super::request::local_offset;
use super::source::Source;
use super::write;

pub fn run(args: &ExportArgs) -> Result<()> {
    let mut source = Source::read(&args.source)?;
    // What cannot be loaded is not worth a file.
    source.stores()?;
    let local = || local_offset(Utc::now());
    source.world.utc_offset_seconds = args.utc_offset.or(source.utc_offset).unwrap_or_else(local);
    source.semantics.name.clone_into(&mut source.world.profile);
    if args.output == Path::new("-") {
        return Ok(write::write(io::stdout().lock(), &source.world)?.flush()?);
    }
    write::write_state(&args.output, &source.world)
}
