//! Reads a Docker daemon's data root (`/var/lib/docker`) into a [`World`], and never writes to it.
//!
//! What the daemon would restore from these files is what the world holds (I-2b): what the
//! daemon passes over is left out, with a [`FileWarning`] that says why. A root is not trusted: links are
//! not followed, pipes and devices are not read, every file has a limit, and no content makes the
//! reading panic. A daemon may write at the same time; a reading that sees it starts over.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use image_prune::Semantics;
//! use image_prune::data_root::{self, Options};
//!
//! let root = Path::new("/var/lib/docker");
//! let reading = data_root::read(root, &Semantics::MOBY_20_10, Options::default())?;
//! for warning in &reading.warnings {
//!     eprintln!("{warning}");
//! }
//! println!("{}: {} images", reading.driver, reading.world.images.len());
//! # Ok::<(), image_prune::Error>(())
//! ```
//!
//! # What the files do not say
//!
//! A running daemon's build cache and its pulls in progress hold layers, too, in memory alone. Layers
//! that only they hold are in the world, as layers that nothing holds; a prune does not free those.

use std::path::Path;

use crate::base::error::{Error, Result};
use crate::document::world::World;
use crate::semantics::Semantics;

mod beside;
mod container;
pub mod containerd;
mod driver;
mod image;
mod json;
mod layer;
mod open;
mod parallel;
mod reference;
mod walk;
mod warning;

#[cfg(test)]
mod tests;

use open::fatal;
use open::{Folder, OpenError, Stamp};
pub use warning::{FileWarning, WarningKind};

/// The limit of an image's and of a container's config, in bytes.
pub const CONFIG_FILE: usize = 8 << 20;
/// The limit of `repositories.json`, in bytes.
pub const REPOSITORIES_FILE: usize = 64 << 20;
/// The limit of every other file, in bytes; each holds a digest or a number.
pub const SMALL_FILE: usize = 4 << 10;

/// How often a root that changes under the reading is read.
const ATTEMPTS: usize = 3;

/// How to read a root.
#[derive(Clone, Copy, Default)]
pub struct Options<'a> {
    /// The storage driver to read, where the root has several.
    pub driver: Option<&'a str>,
    /// Called now and then, from the calling thread. Starts over when the reading does.
    pub progress: Option<&'a dyn Fn(Progress)>,
}

impl std::fmt::Debug for Options<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Options").field("driver", &self.driver).finish_non_exhaustive()
    }
}

/// How far a reading is, in images, layers, writable layers and containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// How many have been read.
    pub done: usize,
    /// How many there are.
    pub total: usize,
}

/// A data root, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// What a daemon would restore. Everything is in order; the zone is UTC.
    pub world: World,
    /// What was left out or is in doubt, in order of the files.
    pub warnings: Vec<FileWarning>,
    /// The storage driver whose stores these are.
    pub driver: String,
}

/// Reads the data root at `root`, which may be a link. Which references are valid, and which images
/// restore, is up to `semantics`.
///
/// # Errors
///
/// * [not found](Error::is_not_found): there is no such root, it is of another kind (Podman,
///   containerd), it has the containerd image store alone, or it does not have the driver asked for;
/// * [invalid parameter](Error::is_invalid_parameter): several drivers, and none asked for;
/// * [system](Error::is_system): no permission, no more open files, or a `repositories.json` that no
///   daemon starts with.
///
/// Each says what to do.
pub fn read(root: &Path, semantics: &Semantics, options: Options<'_>) -> Result<Reading> {
    let folder = Folder::root(root).map_err(|failure| match failure {
        OpenError::Missing => Error::not_found(format!(
            "{} does not exist; a Docker daemon's data root is usually /var/lib/docker (`docker info` names it)",
            root.display()
        )),
        failure => fatal(failure, root),
    })?;
    let driver = driver::choose(&folder, options.driver)?;
    let mut attempt = 1;
    loop {
        let before = stamps(&folder, &driver)?;
        let (world, mut warnings, configs) = walk::walk(&folder, &driver, semantics, options.progress)?;
        let is_stable = before == stamps(&folder, &driver)? && are_unchanged(&folder, &configs)?;
        if !is_stable && attempt < ATTEMPTS {
            attempt += 1;
            continue;
        }
        warnings.extend(beside::beside(&folder, &driver)?);
        warnings.sort_unstable_by(|a, b| (&a.path, a.kind, &a.message).cmp(&(&b.path, b.kind, &b.message)));
        if !is_stable {
            let message = format!(
                "a daemon wrote to it during each of {ATTEMPTS} readings; the images, references and containers may \
                 not be of one moment"
            );
            warnings.insert(0, FileWarning::new(WarningKind::ChangedWhileRead, root.to_owned(), message));
        }
        return Ok(Reading { world, warnings, driver });
    }
}

/// Whether the data root at `root` has images of a graph driver; a daemon that always used containerd's store has none.
#[must_use]
pub fn has_graph_driver(root: &Path) -> bool {
    Folder::root(root).is_ok_and(|root| driver::has_any(&root))
}

/// What changes whenever an image, a layer, a reference or a container comes or goes.
fn stamps(root: &Folder, driver: &str) -> Result<Vec<Option<Stamp>>> {
    let image = format!("image/{driver}");
    let names = [
        format!("{image}/repositories.json"),
        format!("{image}/imagedb/content/sha256"),
        format!("{image}/imagedb/metadata/sha256"),
        format!("{image}/layerdb/sha256"),
        format!("{image}/layerdb/mounts"),
        "containers".to_owned(),
    ];
    let stamp = |name: &String| root.stamp_of(name).map_err(|failure| fatal(failure, &root.path_of(name)));
    names.iter().map(stamp).collect()
}

fn are_unchanged(root: &Folder, configs: &[container::Config]) -> Result<bool> {
    for (name, stamp) in configs {
        let now = root.stamp_of(name).map_err(|failure| fatal(failure, &root.path_of(name)))?;
        if now != Some(*stamp) {
            return Ok(false);
        }
    }
    Ok(true)
}
