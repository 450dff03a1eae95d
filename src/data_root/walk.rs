//! One reading of a root, from the layers up, in the order of a daemon that starts.

use super::container::{self, Config, Mounts};
use super::open::{Entry, Folder, Listing, OpenError, fatal};
use super::parallel::{Tracker, map};
use super::warning::{FileWarning, Outcome, WarningKind};
use super::{Progress, image, layer, reference};
use crate::base::error::Result;
use crate::document::world::World;
use crate::semantics::Semantics;

/// Reads everything once.
pub(super) fn walk(
    root: &Folder,
    driver: &str,
    semantics: &Semantics,
    progress: Option<&dyn Fn(Progress)>,
) -> Result<(World, Vec<FileWarning>, Vec<Config>)> {
    let below = |name: &str| format!("image/{driver}/{name}");
    let layers = Place::open(root, &below("layerdb/sha256"))?;
    let mounts = Place::open(root, &below("layerdb/mounts"))?;
    let contents = Place::open(root, &below("imagedb/content/sha256"))?;
    let metadata = open(root, &below("imagedb/metadata/sha256"))?;
    let containers = Place::open(root, "containers")?;
    let total = [&layers, &mounts, &contents, &containers].map(|place| place.listing.entries.len());
    let tracker = Tracker::new(total.iter().sum(), progress);

    let mut warnings = Vec::new();
    let chains = layers.names(&mut warnings, layer::chain_of);
    let read = layers.read(&chains, &tracker, &mut warnings, layer::read)?;
    let loaded = keep(layer::load(read, &layers.path), &mut warnings).unwrap_or_default();
    layer::check_sizes(&loaded, &layers.path)?;

    let names = mounts.names(&mut warnings, |entry, _| entry.is_folder.then(|| entry.name.clone().into()));
    let read = mounts.read(&names, &tracker, &mut warnings, |folder, name: &String, buffer| {
        let mount = layer::read_mount(folder, name, &loaded, buffer)?;
        Ok(mount.map(|parent| (name.clone(), parent)))
    })?;
    let rw_layers: Mounts = read.into_iter().collect();

    let ids = contents.names(&mut warnings, image::id_of);
    let read = contents.read(&ids, &tracker, &mut warnings, |content, id, buffer| {
        image::read(content, metadata.as_ref(), *id, semantics, buffer)
    })?;
    let images = image::restore(read, &loaded, &contents.path, &mut warnings);

    let repositories = root.folder(&format!("image/{driver}"));
    let repositories = repositories.map_err(|failure| fatal(failure, &root.path_of(&below(""))))?;
    let references = keep(reference::read(&repositories, semantics)?, &mut warnings).unwrap_or_default();

    let ids = containers.names(&mut warnings, |entry, path| Some(container::id_of(entry, path)));
    let read = containers.read(&ids, &tracker, &mut warnings, |folder, id, buffer| {
        container::read(folder, *id, driver, &rw_layers, semantics, buffer)
    })?;
    let (mut containers, configs): (Vec<_>, _) =
        read.into_iter().map(|read| (read.container, read.config)).unzip();
    containers.extend(container::of_nobody(&rw_layers, &containers, &mounts.path, &mut warnings));

    let mut layers: Vec<_> = loaded.into_values().collect();
    layers.sort_unstable_by_key(|layer| layer.chain_id);
    containers.sort_unstable_by_key(|container| container.id);
    let profile = semantics.name.to_owned();
    let world = World { profile, layers, images, references, containers, ..World::default() };
    Ok((world, warnings, configs))
}

/// A folder and what it holds; a daemon makes it where it is missing, and finds nothing.
struct Place {
    folder: Option<Folder>,
    path: std::path::PathBuf,
    listing: Listing,
}

fn open(root: &Folder, relative: &str) -> Result<Option<Folder>> {
    match root.folder(relative) {
        Ok(folder) => Ok(Some(folder)),
        Err(OpenError::Missing) => Ok(None),
        Err(failure) => Err(fatal(failure, &root.path_of(relative))),
    }
}

impl Place {
    fn open(root: &Folder, relative: &str) -> Result<Self> {
        let (folder, path) = (open(root, relative)?, root.path_of(relative));
        let listing = folder.as_ref().map(Folder::list).transpose();
        let listing = listing.map_err(|failure| fatal(failure, &path))?.unwrap_or_default();
        Ok(Self { folder, path, listing })
    }

    /// The names that mean something, and warnings about the others.
    fn names<T>(
        &self,
        warnings: &mut Vec<FileWarning>,
        name: impl Fn(&Entry, &std::path::Path) -> Option<Outcome<T>>,
    ) -> Vec<T> {
        for path in &self.listing.not_utf8 {
            let message = "the name is not UTF-8, so it is no daemon's; it is passed over";
            warnings.push(FileWarning::new(WarningKind::OddName, path.clone(), message));
        }
        let entries = self.listing.entries.iter();
        entries.filter_map(|entry| name(entry, &self.path)).filter_map(|name| keep(name, warnings)).collect()
    }

    /// Reads what the names name.
    fn read<T: Sync, R: Send>(
        &self,
        names: &[T],
        tracker: &Tracker<'_>,
        warnings: &mut Vec<FileWarning>,
        read: impl Fn(&Folder, &T, &mut Vec<u8>) -> Result<Outcome<R>> + Sync,
    ) -> Result<Vec<R>> {
        let Some(folder) = &self.folder else { return Ok(Vec::new()) };
        let outcomes = map(names, tracker, |name, buffer| read(folder, name, buffer))?;
        Ok(outcomes.into_iter().filter_map(|outcome| keep(outcome, warnings)).collect())
    }
}

fn keep<T>(outcome: Outcome<T>, warnings: &mut Vec<FileWarning>) -> Option<T> {
    warnings.extend(outcome.warnings);
    outcome.value
}
