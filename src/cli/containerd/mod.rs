//! `plan`, `df`, `prune` and `export` of a containerd image store.

use std::path::Path;

use image_prune::containerd::store::Stores;
use image_prune::containerd::{Order, Request};
use image_prune::world::{ContainerdWorld, State};
use image_prune::{Error, Now, Semantics};

use super::args::SelectionArgs;
use super::error::{Failure, Result};
use super::progress;
use super::read;
use super::request::{clock, raw_filters, refuse};

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
    /// What to call it in an error.
    pub label: String,
}

impl Source {
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
        let now = clock(args, Some(source.world.utc_offset_seconds))?;
        refuse(&filters, semantics, |filters| Request::from_filters(filters, semantics, now).map(drop))?;
        let order = args.order_file.as_deref().map_or(Ok(Order::ByName), read_order)?;
        Ok(Self { filters, now, order })
    }
}

/// Names, one a line: any text may be one.
fn read_order(file: &Path) -> Result<Order> {
    let text = String::from_utf8_lossy(&read::bytes(file, read::LIST)?).into_owned();
    Ok(Order::Given(text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()))
}
