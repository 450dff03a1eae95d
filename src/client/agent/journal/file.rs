//! The files of a journal. A name may be a slip: what is no journal is neither cut, nor moved, nor replaced.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};

/// The beginning of a deletion's line.
pub(super) const STEP: &[u8] = br#"{"kind":"step""#;
/// How the first line of an agent's journal begins. Each line is an object whose first key is its kind.
const BEGINNINGS: [&[u8]; 5] =
    [br#"{"kind":"plan""#, STEP, br#"{"kind":"retry""#, br#"{"kind":"result""#, br#"{"kind":"repair""#];

/// Opens a regular file to read and write, and makes it where it is missing. Of what is there nothing is lost.
pub(super) fn open(path: &Path) -> io::Result<File> {
    open_with(path, OpenOptions::new().read(true).write(true).create(true).truncate(false))
}

/// Opens a file of a journal to read it; `None` where there is none.
pub(super) fn open_older(path: &Path) -> io::Result<Option<File>> {
    match open_with(path, OpenOptions::new().read(true)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        file => file.map(Some),
    }
}

/// Opens a file that is new, or left empty by an agent that was killed.
pub(super) fn open_empty(path: &Path) -> io::Result<File> {
    let file = open(path)?;
    if file.metadata()?.len() > 0 {
        return Err(refused(path, "it is in the way: the next file of the journal begins under this name"));
    }
    Ok(file)
}

/// Refuses a file that is there and does not begin as a journal.
pub(super) fn refuse_foreign_at(path: &Path) -> io::Result<()> {
    match open_with(path, OpenOptions::new().read(true)) {
        Ok(mut file) => refuse_foreign(&mut file),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Refuses a file that does not begin as a journal. An empty one is one, and one whose first line is torn.
pub(super) fn refuse_foreign(file: &mut File) -> io::Result<()> {
    if begins_with_one_of(file, &BEGINNINGS)? { Ok(()) } else { Err(foreign()) }
}

/// True where there is a file that a rotation may move, false where there is nothing. Its lines may be of another
/// version of this program, or of another one that uses this library.
///
/// # Errors
///
/// There is something else.
pub(super) fn is_older_file(path: &Path) -> io::Result<bool> {
    match open_with(path, OpenOptions::new().read(true)) {
        Ok(mut file) => {
            let is_ours = begins_with_one_of(&mut file, &[br#"{""#])?;
            if is_ours { Ok(true) } else { Err(refused(path, &foreign().to_string())) }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Also true of a file that is shorter than any of these.
fn begins_with_one_of(file: &mut File, known: &[&[u8]]) -> io::Result<bool> {
    let mut beginning = Vec::new();
    file.rewind()?;
    Read::take(&mut *file, 64).read_to_end(&mut beginning)?;
    let is_begun = |known: &&[u8]| beginning.iter().zip(*known).all(|(found, known)| found == known);
    Ok(known.iter().any(is_begun))
}

fn foreign() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "not a journal of image-prune; it is left as it is")
}

/// One agent a journal: two would prune the same daemon at once.
pub(super) fn lock(path: &Path) -> io::Result<File> {
    let file = open(path)?;
    flock(file.as_fd(), FlockOperation::NonBlockingLockExclusive).map_err(|error| {
        if error == rustix::io::Errno::WOULDBLOCK {
            return io::Error::new(ErrorKind::WouldBlock, "another agent is at work with this journal");
        }
        error.into()
    })?;
    Ok(file)
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// Never through a link, and never waiting for the other end of a pipe.
fn open_with(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let file = options.custom_flags(flags).open(path).map_err(|error| {
        let is_link = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
        if is_link { refused(path, "it is a symbolic link, which is not followed") } else { error }
    })?;
    if !file.metadata()?.is_file() {
        return Err(refused(path, "it is not a regular file"));
    }
    Ok(file)
}

fn refused(path: &Path, problem: &str) -> io::Error {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    io::Error::new(ErrorKind::InvalidData, format!("{name}: {problem}"))
}
