//! `layerdb`: the layers, and the writable layers on top of them (moby `layer/filestore.go`).

use std::collections::HashMap;
use std::path::Path;

use super::open::{Entry, Folder, OpenError};
use super::warning::{FileWarning, Outcome, WarningKind};
use super::{SMALL_FILE, json};
use crate::base::digest::{ChainId, DiffId, Digest};
use crate::base::error::{Error, Result};
use crate::document::world;

/// What one layer's folder says.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) chain_id: ChainId,
    pub(super) diff_id: DiffId,
    pub(super) size: i64,
    pub(super) parent: Option<ChainId>,
}

/// The chain that a folder of `layerdb/sha256` is named after. `-removing` marks what a deletion
/// left behind, which the daemon passes over silently.
pub(super) fn chain_of(entry: &Entry, folder: &Path) -> Option<Outcome<ChainId>> {
    if entry.name.ends_with("-removing") {
        return None;
    }
    let path = || folder.join(&entry.name);
    Some(match Digest::from_hex(&entry.name) {
        Some(digest) if entry.is_folder => ChainId::from(digest).into(),
        Some(_) => Outcome::left_out(FileWarning::new(
            WarningKind::RefusedFile,
            path(),
            "it is not a folder; the daemon passes it over",
        )),
        None => Outcome::left_out(FileWarning::new(
            WarningKind::OddName,
            path(),
            "the name is not 64 lower-case hexadecimal digits; the daemon passes it over",
        )),
    })
}

/// Reads one layer's folder, as `loadLayer` does: one bad file, and the layer is not loaded.
pub(super) fn read(layers: &Folder, &chain_id: &ChainId, buffer: &mut Vec<u8>) -> Result<Outcome<Read>> {
    let kind = WarningKind::BadLayer;
    let mut files = Files { folder: layers, prefix: chain_id.digest().hex(), kind, buffer };
    let read = (|| {
        let diff_id = DiffId::from(files.digest("diff")?.ok_or((OpenError::Missing, "diff"))?);
        let size = files.size()?;
        files.cache_id()?;
        let parent = files.digest("parent")?.map(ChainId::from);
        files.descriptor()?;
        Ok(Read { chain_id, diff_id, size, parent })
    })();
    match read {
        // DIFFERENCE(layer-of-another-name): the daemon does not check and loads such a layer.
        Ok(Read { diff_id, parent, .. }) if ChainId::on(parent, diff_id) != chain_id => {
            let message = "it and `parent` do not make the digest that the folder is named after; the layer is \
                           left out with what stands on it, though the daemon loads it";
            Ok(Outcome::left_out(FileWarning::new(kind, files.path("diff"), message)))
        }
        Ok(read) => Ok(read.into()),
        Err((failure, name)) => failure.warning(kind, files.path(name), LEFT_OUT).map(Outcome::left_out),
    }
}

const LEFT_OUT: &str = "the daemon does not load this layer, nor what stands on it";

/// The small files of one folder of `layerdb`.
struct Files<'a> {
    folder: &'a Folder,
    prefix: String,
    /// What bad content is called.
    kind: WarningKind,
    buffer: &'a mut Vec<u8>,
}

type Problem = (OpenError, &'static str);

impl Files<'_> {
    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path_of(&self.prefix).join(name)
    }

    /// The text of a file, none where there is no such file.
    fn text(&mut self, name: &'static str) -> Result<Option<&str>, Problem> {
        let relative = format!("{}/{name}", self.prefix);
        let kind = self.kind;
        match self.folder.read(&relative, SMALL_FILE, self.buffer) {
            Ok(_) => match std::str::from_utf8(self.buffer) {
                Ok(text) => Ok(Some(text)),
                Err(_) => Err(bad(kind, name, "it is not text")),
            },
            Err(OpenError::Missing) => Ok(None),
            Err(failure) => Err((failure, name)),
        }
    }

    /// A digest, with white space around it.
    fn digest(&mut self, name: &'static str) -> Result<Option<Digest>, Problem> {
        let kind = self.kind;
        let Some(text) = self.text(name)? else { return Ok(None) };
        // DIFFERENCE(other-digests): moby reads SHA-384 and SHA-512 here, too, and writes neither.
        text.trim().parse().map(Some).map_err(|error| bad(kind, name, format!("its content is {error}")))
    }

    /// A decimal number without anything around it, negative ones included (`strconv.ParseInt`).
    fn size(&mut self) -> Result<i64, Problem> {
        let kind = self.kind;
        let text = self.text("size")?.ok_or((OpenError::Missing, "size"))?;
        text.parse().map_err(|_| bad(kind, "size", "its content is not a decimal number of 64 bits"))
    }

    fn cache_id(&mut self) -> Result<(), Problem> {
        let kind = self.kind;
        match self.text("cache-id")? {
            Some(text) if !text.trim().is_empty() => Ok(()),
            Some(_) => Err(bad(kind, "cache-id", "it is empty")),
            None => Err((OpenError::Missing, "cache-id")),
        }
    }

    /// Written on Windows alone; read everywhere.
    fn descriptor(&mut self) -> Result<(), Problem> {
        let (name, kind) = ("descriptor.json", self.kind);
        match self.text(name)? {
            Some(text) if !json::is_object(text.as_bytes()) => Err(bad(kind, name, "it is not JSON")),
            _ => Ok(()),
        }
    }

    /// `mount-id` or `init-id`: 64 hexadecimal digits, perhaps `-init`.
    fn mount_id(&mut self, name: &'static str) -> Result<bool, Problem> {
        let kind = self.kind;
        let Some(text) = self.text(name)? else { return Ok(false) };
        let id = text.trim();
        match Digest::from_hex(id.strip_suffix("-init").unwrap_or(id)) {
            Some(_) => Ok(true),
            None => Err(bad(kind, name, "its content is not 64 lower-case hexadecimal digits")),
        }
    }
}

fn bad(kind: WarningKind, name: &'static str, reason: impl Into<String>) -> Problem {
    (OpenError::Refused(kind, reason.into()), name)
}

/// The layers that load: those whose whole chain was read and ends. The daemon sets no limit to the
/// depth of what it finds (Y-2 limits what it makes).
pub(super) fn load(read: Vec<Read>, layers: &Path) -> Outcome<HashMap<ChainId, world::Layer>> {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        Unknown,
        OnTheWay,
        Loads,
        Fails,
    }
    let places: HashMap<ChainId, usize> =
        read.iter().enumerate().map(|(place, layer)| (layer.chain_id, place)).collect();
    let mut states = vec![State::Unknown; read.len()];
    let mut warnings = Vec::new();
    let mut way = Vec::new();
    for start in 0..read.len() {
        let mut next = Some(start);
        let mut orphan = None;
        let outcome = loop {
            let Some(place) = next else { break State::Loads };
            match (states.get(place).copied(), read.get(place)) {
                (Some(State::Unknown), Some(layer)) => {
                    if let Some(state) = states.get_mut(place) {
                        *state = State::OnTheWay;
                    }
                    way.push(place);
                    let Some(parent) = layer.parent else { break State::Loads };
                    next = places.get(&parent).copied();
                    if next.is_none() {
                        orphan = Some(layer);
                        break State::Fails;
                    }
                }
                (Some(known @ (State::Loads | State::Fails)), _) => break known,
                // DIFFERENCE(cycle-of-layers): the daemon overflows its stack. Digests form none unless SHA-256 is broken.
                _ => break State::Fails,
            }
        };
        if let Some(layer) = orphan {
            let path = layers.join(layer.chain_id.digest().hex()).join("parent");
            let message = format!("the layer below did not load; {LEFT_OUT}");
            warnings.push(FileWarning::new(WarningKind::BadLayer, path, message));
        }
        for place in way.drain(..) {
            if let Some(state) = states.get_mut(place) {
                *state = outcome;
            }
        }
    }
    let loaded = read.into_iter().zip(states).filter(|(_, state)| *state == State::Loads);
    let value = loaded.map(|(Read { chain_id, diff_id, size, parent }, _)| {
        (chain_id, world::Layer { chain_id, diff_id, parent, size })
    });
    Outcome { value: Some(value.collect()), warnings }
}

/// Refuses sizes that no disk has: sums of them would not fit anywhere.
///
/// # Errors
///
/// More than 2^63 − 1 bytes altogether.
pub(super) fn check_sizes(loaded: &HashMap<ChainId, world::Layer>, layers: &Path) -> Result<()> {
    if loaded.values().try_fold(0_i64, |sum, layer| sum.checked_add(layer.size.max(0))).is_some() {
        return Ok(());
    }
    let largest = loaded.values().max_by_key(|layer| (layer.size, layer.chain_id));
    let folder = largest.map_or_else(String::new, |layer| layer.chain_id.digest().hex());
    Err(Error::system(format!(
        "{}: with this size the layers add up to more than 2^63 - 1 bytes; the file is damaged",
        layers.join(folder).join("size").display()
    )))
}

/// Reads one writable layer as `loadMount` does: the chain below it, none for none.
pub(super) fn read_mount(
    mounts: &Folder,
    name: &str,
    loaded: &HashMap<ChainId, world::Layer>,
    buffer: &mut Vec<u8>,
) -> Result<Outcome<Option<ChainId>>> {
    let kind = WarningKind::BadMount;
    let mut files = Files { folder: mounts, prefix: name.to_owned(), kind, buffer };
    let read = (|| {
        if !files.mount_id("mount-id")? {
            return Err((OpenError::Missing, "mount-id"));
        }
        files.mount_id("init-id")?;
        match files.digest("parent")?.map(ChainId::from) {
            Some(parent) if !loaded.contains_key(&parent) => {
                Err(bad(kind, "parent", "the layer below did not load"))
            }
            parent => Ok(parent),
        }
    })();
    match read {
        Ok(parent) => Ok(parent.into()),
        Err((failure, file)) => {
            let consequence = "the daemon does not load this writable layer, nor its container";
            failure.warning(kind, files.path(file), consequence).map(Outcome::left_out)
        }
    }
}
