//! `export`: a state as a file.

use std::io::{self, Write};
use std::path::Path;

use chrono::Utc;
use serde::Serialize;

use super::args::ExportArgs;
use super::error::Result;
use super::request::local_offset;
use super::source::EitherSource;
use super::{containerd, write};

pub fn run(args: &ExportArgs) -> Result<()> {
    let mut source = match EitherSource::read(&args.source)? {
        EitherSource::Classic(source) => source,
        EitherSource::Containerd(source) => return export_containerd(source, args),
    };
    // What cannot be loaded is not worth a file.
    source.stores()?;
    let local = || local_offset(Utc::now());
    source.world.utc_offset_seconds = args.utc_offset.or(source.utc_offset).unwrap_or_else(local);
    source.semantics.name.clone_into(&mut source.world.profile);
    write_to(&args.output, &source.world)
}

fn export_containerd(mut source: containerd::Source, args: &ExportArgs) -> Result<()> {
    source.world.utc_offset_seconds = args.utc_offset.unwrap_or(source.world.utc_offset_seconds);
    source.semantics.name.clone_into(&mut source.world.profile);
    let stores = source.stores()?;
    write_to(&args.output, &source.state(&stores))
}

fn write_to(output: &Path, state: &impl Serialize) -> Result<()> {
    if output == Path::new("-") {
        return Ok(write::write(io::stdout().lock(), state)?.flush()?);
    }
    write::write_state(output, state)
}
