//! Where the state comes from: a data root, a state file, or a running daemon.

use std::collections::BTreeMap;
use std::path::Path;

use image_prune::client::Client;
use image_prune::client::state::DaemonState;
use image_prune::data_root::{self, Options, Progress, Reading, containerd as root};
use image_prune::graph::store::Stores;
use image_prune::replay::script;
use image_prune::world::{self, State};
use image_prune::{ContainerId, Error, ErrorClass, Semantics, World, few};
use serde::Deserialize;

use super::args::SourceArgs;
use super::error::{Failure, Result};
use super::estimate::Estimate;
use super::read::{self, named};
use super::{containerd, host, progress, render};

/// A state, read.
pub struct Source {
    pub world: World,
    pub semantics: Semantics,
    /// What the state file says about the daemon's zone; a data root says nothing.
    pub utc_offset: Option<i32>,
    /// What was wrong with the data root.
    pub warnings: Vec<data_root::FileWarning>,
    /// The storage driver of a data root; a state file does not say.
    pub driver: Option<String>,
    /// How well the sizes are known; none where they are exact.
    pub estimate: Option<Estimate>,
    /// The names of containers, where a daemon told them.
    pub containers: BTreeMap<ContainerId, String>,
    /// The state is a case that somebody wrote as a script.
    pub is_script: bool,
    /// What to call it in an error.
    label: String,
}

impl Source {
    /// Reads what the flags name, and warns on stderr. A state of the containerd image store is refused.
    pub fn read(args: &SourceArgs) -> Result<Self> {
        EitherSource::read(args)?.classic()
    }

    /// Asks a running daemon.
    pub fn read_host(client: &Client, semantics: Option<Semantics>) -> Result<Self> {
        let semantics = host::semantics(client, semantics)?;
        let state = DaemonState::read(client, &semantics).map_err(Error::from)?;
        let label = format!("daemon {}", client.host());
        let utc_offset = Some(state.world.utc_offset_seconds);
        let estimate = Some(Estimate { sizes: state.sizes, doubts: state.doubts });
        let (world, warnings, containers) = (state.world, Vec::new(), state.container_names);
        let (driver, is_script) = (None, false);
        Ok(Self { world, semantics, utc_offset, warnings, driver, estimate, containers, is_script, label })
    }

    fn read_root(root: &Path, args: &SourceArgs) -> Result<Self> {
        let semantics = fitting(args.semantics, "", Semantics::default(), root)?;
        let bar = progress::of_root();
        let show = |Progress { done, total }: Progress| {
            bar.set_length(total.try_into().unwrap_or(u64::MAX));
            bar.set_position(done.try_into().unwrap_or(u64::MAX));
        };
        let options = Options { driver: args.driver.as_deref(), progress: Some(&show) };
        let reading = data_root::read(root, &semantics, options);
        bar.finish_and_clear();
        let reading = reading?;
        let Reading { world, warnings, driver } = reading;
        let warnings = first_of_each_kind(warnings, root);
        for warning in &warnings {
            render::line_to_stderr("warning", &warning.to_string());
        }
        let label = format!("data root {}", root.display());
        let (driver, utc_offset, estimate) = (Some(driver), None, None);
        let (containers, is_script) = (BTreeMap::new(), false);
        Ok(Self { world, semantics, utc_offset, warnings, driver, estimate, containers, is_script, label })
    }

    /// The stores that it describes.
    pub fn stores(&self) -> Result<Stores> {
        let _stage = progress::of_images(self.world.images.len(), "loading");
        Stores::load(self.world.clone(), &self.semantics).map_err(|error| in_source(&self.label, &error))
    }

    /// The stores that it describes; the description is dropped.
    pub fn into_stores(self) -> Result<(Stores, Vec<data_root::FileWarning>)> {
        let Self { world, semantics, warnings, label, .. } = self;
        let _stage = progress::of_images(world.images.len(), "loading");
        let stores = Stores::load(world, &semantics).map_err(|error| in_source(&label, &error))?;
        Ok((stores, warnings))
    }
}

/// The first few warnings of each kind, and how many more there are: a damaged root may give one for each file.
pub fn first_of_each_kind(warnings: Vec<data_root::FileWarning>, root: &Path) -> Vec<data_root::FileWarning> {
    let rest = |kind, more| {
        let message = format!("{more} more of the kind {kind}");
        data_root::FileWarning { kind, path: root.to_owned(), message }
    };
    few::first_of_each(warnings, |warning| warning.kind, rest)
}

/// A state of either image store.
pub enum EitherSource {
    Classic(Source),
    Containerd(containerd::Source),
}

impl EitherSource {
    /// Reads what the flags name, and warns on stderr.
    pub fn read(args: &SourceArgs) -> Result<Self> {
        if let Some(file) = &args.state {
            return Self::read_state(file, args.semantics);
        }
        match (&args.data_root, daemon(args)) {
            (Some(root), _) => Self::read_root(root, args),
            (None, Some(host)) if args.containerd_root.is_none() && args.namespace.is_none() => {
                Source::read_host(&host::client(&host)?, args.semantics).map(Self::Classic)
            }
            (None, _) => Self::read_root(Path::new("/var/lib/docker"), args),
        }
    }

    /// Reads a data root: of containerd's store where a flag says so, or where the classic store was never there.
    fn read_root(root: &Path, args: &SourceArgs) -> Result<Self> {
        let asked = args.semantics.map(|semantics| semantics.containerd.is_some());
        let is_containerd = args.containerd_root.is_some()
            || args.namespace.is_some()
            || asked
                .unwrap_or_else(|| !data_root::has_graph_driver(root) && root::find(root, None).is_some());
        if is_containerd {
            containerd::Source::read_root(root, args).map(Self::Containerd)
        } else {
            Source::read_root(root, args).map(Self::Classic)
        }
    }

    /// Reads a state file; `-` is stdin. Without `semantics` the file chooses.
    pub fn read_state(file: &Path, semantics: Option<Semantics>) -> Result<Self> {
        let bytes = read::bytes(file, read::STATE).map_err(|error| {
            let failure = Failure::from(error);
            if file.is_dir() { failure.with_hint("a data root is named with --data-root") } else { failure }
        })?;
        let label = format!("state file {}", named(file).display());
        let is_script = read::is_script(file, &bytes);
        let state = if is_script { parse_script(file, bytes)? } else { parse_state(named(file), &bytes)? };
        Ok(match state {
            State::Classic(world) => {
                let semantics = fitting(semantics, &world.profile, Semantics::default(), file)?;
                let (utc_offset, warnings) = (Some(world.utc_offset_seconds), Vec::new());
                let (driver, estimate, containers) = (None, None, BTreeMap::new());
                Self::Classic(Source {
                    world,
                    semantics,
                    utc_offset,
                    warnings,
                    driver,
                    estimate,
                    containers,
                    is_script,
                    label,
                })
            }
            State::Containerd(world) => {
                let semantics = fitting(semantics, &world.profile, Semantics::MOBY_29_CONTAINERD, file)?;
                let utc_offset = Some(world.utc_offset_seconds);
                Self::Containerd(containerd::Source { world, semantics, utc_offset, label })
            }
        })
    }

    fn classic(self) -> Result<Source> {
        match self {
            Self::Classic(source) => Ok(source),
            Self::Containerd(containerd::Source { label, .. }) => {
                let problem =
                    format!("{label}: is of the containerd image store, which this command does not read");
                let failure = Failure::from(Error::invalid_parameter(problem));
                Err(failure.with_hint(
                    "plan, df, prune, check, export and replay take a state of either image store",
                ))
            }
        }
    }
}

/// The version to behave like: what was asked for, else what a state file names, else `default`. Its image store has to
/// be that of `default`.
pub fn fitting(
    asked: Option<Semantics>,
    profile: &str,
    default: Semantics,
    file: &Path,
) -> Result<Semantics> {
    let semantics = match asked {
        Some(semantics) => semantics,
        None if profile.is_empty() => default,
        None => profile.parse().map_err(|error: Error| {
            let problem = format!("`profile`: {error}");
            Failure::at(named(file), error.class(), problem).with_hint("choose a version with --semantics")
        })?,
    };
    if semantics.containerd.is_some() == default.containerd.is_some() {
        return Ok(semantics);
    }
    let (own, other) = if default.containerd.is_some() {
        ("containerd's", "the classic one")
    } else {
        ("the classic one", "containerd's")
    };
    let problem = format!("its image store is {own}, that of {semantics} is {other}");
    let failure = Failure::at(named(file), ErrorClass::InvalidParameter, problem);
    Err(failure.with_hint(
        "choose a version with --semantics: names that end in -containerd are of containerd's store",
    ))
}

/// The daemon to ask, where that is what the flags mean.
pub fn daemon(args: &SourceArgs) -> Option<String> {
    let is_elsewhere = args.state.is_some() || args.data_root.is_some();
    if is_elsewhere { None } else { host::of(args.host.as_deref()) }
}

fn in_source(label: &str, error: &impl std::fmt::Display) -> Failure {
    Error::invalid_parameter(format!("{label}: {error}")).into()
}

/// The stores of a case that is a script.
fn parse_script(file: &Path, bytes: Vec<u8>) -> Result<State> {
    let case = script::read(&read::text_of(file, bytes)?);
    let case = case.map_err(|error| Failure::at(named(file), error.class(), error))?;
    Ok(State::Classic(case.world))
}

fn parse_state(file: &Path, bytes: &[u8]) -> Result<State> {
    let _stage = progress::of_text(bytes.len());
    State::from_json(bytes).map_err(|error| {
        if let Some(format) = newer_format(bytes) {
            let known = world::CONTAINERD_FORMAT;
            let problem = format!("format {format} is newer than this version reads (up to {known})");
            let failure = Failure::at(file, ErrorClass::InvalidParameter, problem);
            return failure.with_hint("use a newer image-prune, or export the state again with this one");
        }
        let what = if error.is_eof() { "cut off, or not a state file" } else { "not a state file" };
        let failure = Failure::at(file, ErrorClass::InvalidParameter, format!("{what}: {error}"));
        failure.with_hint("`image-prune export -o FILE` writes a state file")
    })
}

/// A newer format may have another shape, which is then the first thing to be noticed.
fn newer_format(bytes: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Probe {
        format: u64,
    }
    let probe: Probe = serde_json::from_slice(bytes).ok()?;
    (probe.format > u64::from(world::CONTAINERD_FORMAT)).then_some(probe.format)
}
