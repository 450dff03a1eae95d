//! Writing a state file: all of it or nothing.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde::Serialize;

use super::error::{Failure, Result};
use super::json;

/// Writes `world` to `file`. A regular file is replaced in one step, and holds the old or the new state
/// whenever the machine stops.
pub fn write_state(file: &Path, world: &impl Serialize) -> Result<()> {
    write_with(file, |out| write(out, world).map(drop))
}

fn write_with(file: &Path, content: impl Fn(&File) -> io::Result<()>) -> Result<()> {
    // A link is kept; what it points to is replaced.
    let target = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let written = match fs::metadata(&target) {
        Ok(metadata) if metadata.is_file() => replace(&target, metadata.permissions(), &content),
        // A device or a pipe cannot be replaced.
        Ok(_) => OpenOptions::new().write(true).open(&target).and_then(|device| content(&device)),
        Err(_) => replace(&target, Permissions::from_mode(0o666), &content),
    };
    written.map_err(|error| {
        Failure::io(file, &io::Error::new(error.kind(), format!("cannot be written: {error}")))
    })
}

/// Writes a file, all of it or nothing.
pub fn write_bytes(file: &Path, bytes: &[u8]) -> Result<()> {
    write_with(file, |mut out| out.write_all(bytes))
}

/// As text, with a line end.
pub fn write<W: Write>(out: W, world: &impl Serialize) -> io::Result<W> {
    let mut out = BufWriter::with_capacity(1 << 16, out);
    json::line(&mut out, world)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)
}

/// The permissions of a file that is there are kept; those of a new one are up to the umask.
fn replace(
    target: &Path,
    permissions: Permissions,
    content: &dyn Fn(&File) -> io::Result<()>,
) -> io::Result<()> {
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let is_there = target.exists();
    let temporary = tempfile::Builder::new()
        .prefix(".image-prune-")
        .permissions(permissions.clone())
        .tempfile_in(folder)?;
    if is_there {
        temporary.as_file().set_permissions(permissions)?;
    }
    content(temporary.as_file())?;
    temporary.as_file().sync_all()?;
    temporary.persist(target)?;
    File::open(folder)?.sync_all()
}
