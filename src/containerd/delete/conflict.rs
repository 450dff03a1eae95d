//! What stands in the way of a deletion (X-7c, X-9).

use super::super::store::{ContainerStore, MetadataStore};
use super::Deletion;
use crate::api::event::EventSink;
use crate::base::digest::{Digest, short};
use crate::base::error::{Error, Kind, Result};
use crate::document::world::containerd::Container;

/// The checks that vary; running containers always count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checks {
    /// Containers that do not run.
    pub stopped: bool,
    /// More than one name.
    pub names: bool,
}

impl Checks {
    /// Force overrides every soft conflict.
    pub(super) const fn new(force: bool) -> Self {
        Self { stopped: !force, names: !force }
    }
}

impl<S: MetadataStore, C: ContainerStore, E: EventSink> Deletion<'_, S, C, E> {
    ///
    pub(super) fn check(&self, id: Digest, names: usize, checks: Checks) -> Result<()> {
        let containers = &self.stores.containers;
        let used = |state: &str, container: &Container| {
            format!("image is being used by {state} container {}", short(&container.id))
        };
        if let Some(container) = containers.first(id, true) {
            return Err(unable(id, "cannot be forced", &used("running", &container)));
        }
        if checks.stopped
            && let Some(container) = containers.first(id, false)
        {
            return Err(unable(id, "must be forced", &used("stopped", &container)));
        }
        if checks.names && names > 1 {
            return Err(unable(id, "must be forced", "image is referenced in multiple repositories"));
        }
        Ok(())
    }
}

fn unable(id: Digest, force: &str, why: &str) -> Error {
    let id = id.text();
    Error::conflict(format!("conflict: unable to delete {} ({force}) - {why}", short(id.as_str())))
        .of_kind(Kind::ContainerdImageInUse)
}

/// X-7c.
pub(super) fn used(name: &str, id: Digest, container: &Container) -> Error {
    let id = id.text();
    Error::conflict(format!(
        "conflict: unable to delete {name} (must be forced) - container {} is using its referenced image {}",
        short(&container.id),
        short(id.as_str())
    ))
    .of_kind(Kind::ContainerdLastReference)
}
