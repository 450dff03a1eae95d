//! `plan`, `df`, `prune` and `export` of a containerd image store.

use std::collections::HashMap;
use std::path::Path;

use image_prune::containerd::store::Stores;
use image_prune::containerd::{Image, Order, Request};
use image_prune::data_root::containerd::{Options, Reading};
use image_prune::world::containerd::ImageRecord;
use image_prune::world::{ContainerdWorld, State};
use image_prune::{Error, Now, Semantics, data_root};

use super::args::{SelectionArgs, SourceArgs};
use super::error::{Failure, Result};
use super::request::{clock, raw_filters, refuse};
use super::source::{first_of_each_kind, fitting};
use super::{progress, read, render};

pub mod df;
mod plan;
mod prune;
mod what_if;

pub use plan::run as plan;
pub use prune::run as prune;

/// A state, read.
pub struct Source {
    pub world: ContainerdWorld,
    pub semantics: Semantics,
    /// The daemon's zone, in seconds east of UTC; `None` is this machine's.
    pub utc_offset: Option<i32>,
    /// What to call it in an error.
    pub label: String,
}

impl Source {
    /// Reads containerd's files and the containers of a data root, and warns on stderr.
    pub fn read_root(root: &Path, args: &SourceArgs) -> Result<Self> {
        let semantics = fitting(args.semantics, "", Semantics::MOBY_29_CONTAINERD, root)?;
        let options = Options {
            containerd_root: args.containerd_root.clone(),
            namespace: args.namespace.clone(),
            snapshotter: args.driver.clone(),
            ..Options::default()
        };
        let stage = progress::of_root();
        let reading = data_root::containerd::read(root, &options);
        stage.finish_and_clear();
        let Reading { mut world, warnings, containerd_root, .. } = reading?;
        for warning in first_of_each_kind(warnings, root) {
            render::line_to_stderr("warning", &warning.to_string());
        }
        semantics.name.clone_into(&mut world.profile);
        let label = format!("data root {} with {}", root.display(), containerd_root.display());
        Ok(Self { world, semantics, utc_offset: None, label })
    }

    /// The stores that it describes.
    pub fn stores(&self) -> Result<Stores> {
        let _stage = progress::of_images(self.world.images.len(), "loading");
        let refused = |error| Failure::from(Error::invalid_parameter(format!("{}: {error}", self.label)));
        Stores::load(&self.world, &self.semantics).map_err(refused)
    }

    /// The state file of what `stores` have by now.
    pub fn state(&self, stores: &Stores) -> State {
        let Self { world, .. } = self;
        State::Containerd(ContainerdWorld {
            name: world.name.clone(),
            profile: world.profile.clone(),
            utc_offset_seconds: world.utc_offset_seconds,
            ..stores.to_world()
        })
    }
}

/// A prune as a daemon gets it, known to be right.
pub struct Selection {
    /// The raw query value.
    pub filters: String,
    pub now: Now,
    pub order: Order,
}

impl Selection {
    pub fn new(args: &SelectionArgs, source: &Source) -> Result<Self> {
        let semantics = &source.semantics;
        let filters = raw_filters(args)?;
        let now = clock(args, source.utc_offset)?;
        refuse(&filters, semantics, |filters| Request::from_filters(filters, semantics, now).map(drop))?;
        let order = match &args.order_file {
            Some(file) => read_order(file, source)?,
            None => Order::ByName,
        };
        Ok(Self { filters, now, order })
    }
}

/// Names, one a line: whole, as docker shows them, or the digest of a dangling one. Any text may be a name.
fn read_order(file: &Path, source: &Source) -> Result<Order> {
    let text = String::from_utf8_lossy(&read::bytes(file, read::LIST)?).into_owned();
    let images = source.world.images.iter();
    let shown = |image: &ImageRecord| Image::from(image.clone()).familiar(&source.semantics).to_string();
    let mut by_shown: HashMap<String, &str> =
        images.map(|image| (shown(image), image.name.as_str())).collect();
    // A whole name counts more than another's familiar one.
    by_shown.extend(source.world.images.iter().map(|image| (image.name.clone(), image.name.as_str())));
    let lines = text.lines().filter(|line| !line.is_empty());
    Ok(Order::Given(lines.map(|line| by_shown.get(line).map_or(line, |name| name).to_owned()).collect()))
}
