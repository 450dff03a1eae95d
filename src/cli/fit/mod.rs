//! `fit`: whether an update fits on the disk, and what to prune if not.

use std::io::Write;
use std::path::PathBuf;

use image_prune::fit::{
    BlobStore, Counting, Fit, INDEX_BLOCK, Place, Policy, Pulled, Volume, Wanted, fit, layer_index,
};
use image_prune::graph::store::Stores;
use image_prune::manifest::Platform;
use image_prune::{Digest, Error, Semantics, World};

use super::error::{Failure, Result};
use super::json;
use super::source::{self, Source};
use super::write::write_bytes;
use super::{host, render};

pub mod args;
mod inputs;
mod room;
mod show;

use args::{FitArgs, FitCommand, IndexArgs};

pub fn run(args: &FitArgs) -> Result<()> {
    if let Some(FitCommand::Index(args)) = &args.command {
        return index(args);
    }
    let platform = args.wanted.platform.clone().unwrap_or_else(this_platform);
    let home = Home::of(args)?;
    let volume = home.volume(args)?;
    let wanted = inputs::wanted(&args.wanted.images, &platform, &args.login, volume.block)?;
    let (state, mut answer) = check(args, &home, &wanted)?;
    let mut room = if answer.fits { None } else { room::find(args, &state, &answer)? };
    drop(state);
    let mut made = Ok(());
    if let Some(room) = room.as_mut().filter(|room| args.prune.prune && room.is_enough) {
        made = room::make(args, room);
        answer = check(args, &home, &wanted)?.1;
    }
    show::print(args.format, &answer, room.as_ref())?;
    made?;
    if answer.fits { Ok(()) } else { Err(Failure::Differences) }
}

/// Where the daemon keeps its state.
struct Home {
    root: PathBuf,
    /// The storage driver, where the daemon was asked.
    driver: Option<String>,
}

impl Home {
    fn of(args: &FitArgs) -> Result<Self> {
        let standard = || args.source.data_root.clone().unwrap_or_else(|| PathBuf::from("/var/lib/docker"));
        let Some(host) = source::daemon(&args.source) else {
            return Ok(Self { root: standard(), driver: None });
        };
        let info = host::client(&host)?.graph_driver_info().map_err(Error::from)?;
        Ok(Self { root: info.docker_root_dir.into(), driver: Some(info.driver) })
    }

    fn volume(&self, args: &FitArgs) -> Result<Volume> {
        Ok(override_size(Volume::of(&self.root)?, args.room.capacity, args.room.available))
    }
}

/// What the daemon has.
pub struct State {
    pub stores: Stores,
    pub semantics: Semantics,
    pub utc_offset: Option<i32>,
}

/// Reads the state, and holds what is wanted against it.
fn check(args: &FitArgs, home: &Home, wanted: &Wanted) -> Result<(State, Fit)> {
    let root = &home.root;
    let is_missing = args.source.state.is_none() && home.driver.is_none() && !root.exists();
    let (mut driver, mut notes) = (home.driver.clone(), Vec::new());
    let state = if is_missing {
        notes.push(format!("{} does not exist yet; all layers count as missing", root.display()));
        let semantics = args.source.semantics.unwrap_or_default();
        let stores = Stores::load(World::default(), &semantics).map_err(image_prune::Error::from)?;
        State { stores, semantics, utc_offset: None }
    } else {
        let source = Source::read(&args.source)?;
        let (semantics, utc_offset) = (source.semantics, source.utc_offset);
        driver = driver.or_else(|| source.driver.clone());
        State { stores: source.into_stores()?.0, semantics, utc_offset }
    };
    let pulled = driver.as_deref().map(|driver| Pulled::of(root, driver));
    let diff_ids = |digest: Digest| pulled.as_ref().and_then(|pulled| pulled.diff_id(digest));
    let blob_store = match &args.room.blob_store {
        Some(folder) => {
            let volume =
                override_size(Volume::of(folder)?, args.room.blob_capacity, args.room.blob_available);
            Some(BlobStore { folder: folder.clone(), volume })
        }
        None => None,
    };
    let place = Place {
        stores: &state.stores,
        diff_ids: &diff_ids,
        volume: home.volume(args)?,
        blob_store,
        copies: driver.as_deref() == Some("vfs"),
    };
    let policy = Policy { watermark: args.room.watermark, min_free: args.room.min_free };
    let mut answer = fit(wanted, &place, Counting { policy, assume_ratio: args.room.assume_ratio });
    answer.notes.extend(notes);
    Ok((state, answer))
}

fn override_size(volume: Volume, capacity: Option<u64>, available: Option<u64>) -> Volume {
    // Of another volume than the one at hand, nobody knows the inodes.
    let inodes = volume.inodes.filter(|_| capacity.is_none() && available.is_none());
    let capacity = capacity.unwrap_or(volume.capacity);
    let available = available.unwrap_or(volume.available).min(capacity);
    Volume { capacity, available, inodes, ..volume }
}

fn index(args: &IndexArgs) -> Result<()> {
    let own = [this_platform()];
    let platforms = if args.platform.is_empty() { own.as_slice() } else { &args.platform };
    let mut text = Vec::new();
    for platform in platforms {
        let wanted = inputs::wanted(&args.images, platform, &args.login, INDEX_BLOCK)?;
        for note in &wanted.notes {
            render::line_to_stderr("note", note);
        }
        json::line(&mut text, &layer_index(&wanted, platform))?;
    }
    if args.output == std::path::Path::new("-") {
        return Ok(std::io::stdout().lock().write_all(&text)?);
    }
    write_bytes(&args.output, &text)
}

/// The platform that this program was built for.
fn this_platform() -> Platform {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        "powerpc64" => "ppc64le",
        "loongarch64" => "loong64",
        other => other,
    };
    Platform { os: "linux".to_owned(), architecture: architecture.to_owned(), variant: String::new() }
}
