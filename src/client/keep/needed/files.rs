//! The files that a project is made of.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

use super::at;
use super::variables::Variables;
use crate::base::error::{Error, ErrorClass, Result};

/// The limit of the files of a project: each may include others twice.
const MOST: usize = 256;
/// A file of any use is smaller, in bytes.
const LARGEST: usize = 1 << 20;

/// Reads a file; refuses one that is too long.
pub type Read<'a> = &'a dyn Fn(&Path) -> Result<String>;

/// Files with the environment that they are read in.
pub struct Files<'a> {
    pub environment: &'a Variables,
    /// `None` where a text is all there is.
    read: Option<Read<'a>>,
    /// The folder that no file may lie outside of, without links.
    root: Option<PathBuf>,
    left: Cell<usize>,
}

impl<'a> Files<'a> {
    pub const fn new(environment: &'a Variables, read: Option<Read<'a>>, root: Option<PathBuf>) -> Self {
        Self { environment, read, root, left: Cell::new(MOST) }
    }

    pub fn read(&self, path: &Path) -> Result<String> {
        let read = self.read.ok_or_else(|| refers(path))?;
        let left = self.left.get().checked_sub(1);
        self.left.set(left.ok_or_else(|| at(path, &format!("it and others make more than {MOST} files")))?);
        let text = read(path)?;
        check_length(path, &text)?;
        Ok(text)
    }

    /// The path, if a file is there. One that cannot be looked at is an error.
    pub fn if_there(&self, path: PathBuf) -> Result<Option<PathBuf>> {
        if self.read.is_none() {
            return Ok(None);
        }
        match fs::metadata(&path) {
            Ok(metadata) => Ok((!metadata.is_dir()).then_some(path)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(system(&path, &error)),
        }
    }

    /// A file that the file `by` refers to, seen from the folder `base`. One outside the project's folder is refused.
    pub fn within(&self, base: &Path, file: &str, by: &Path) -> Result<PathBuf> {
        let shown = super::variables::shown(file);
        let (Some(root), Some(_)) = (&self.root, self.read) else { return Err(refers(by)) };
        if shown != file {
            return Err(at(by, &format!("it refers to the file `{shown}`, and a variable in it is not set")));
        }
        if file.contains("://") || file.starts_with("git@") {
            return Err(at(by, &format!("it refers to `{file}`, which is not on this machine; {INSTEAD}")));
        }
        let path = base.join(file);
        let real =
            fs::canonicalize(&path).map_err(|error| at(by, &format!("it refers to `{file}`: {error}")))?;
        if !real.starts_with(root) {
            let root = root.display();
            return Err(at(
                by,
                &format!("it refers to `{file}`, outside of the project's folder {root}; {INSTEAD}"),
            ));
        }
        Ok(path)
    }
}

const INSTEAD: &str = "name the output of `docker compose config` instead";

pub fn check_length(path: &Path, text: &str) -> Result<()> {
    if text.len() > LARGEST { Err(at(path, &format!("longer than {LARGEST} bytes"))) } else { Ok(()) }
}

pub fn system(path: &Path, error: &std::io::Error) -> Error {
    let is_missing = error.kind() == std::io::ErrorKind::NotFound;
    let class = if is_missing { ErrorClass::NotFound } else { ErrorClass::System };
    Error::new(class, format!("{}: {error}", path.display()))
}

fn refers(by: &Path) -> Error {
    at(by, &format!("it refers to another file, which cannot be found from here; {INSTEAD}"))
}
