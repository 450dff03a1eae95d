//! What stands in the way of a deletion (D-5.1, D-7).

use std::fmt;

use super::Deletion;
use crate::base::digest::{ContainerId, ImageId, short};
use crate::base::error::{Error, Kind};
use crate::graph::store::{ContainerStore, ImageStore, ReferenceStore};

/// A deletion that the state does not allow now. `Display` is moby's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The image that stays.
    pub image: ImageId,
    /// What stands in the way.
    pub obstacle: Obstacle,
}

/// What stands in the way of a deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Obstacle {
    /// Another image has it as its parent. Hard: cannot be forced.
    DependentChildren,
    /// A running container was made from it. Hard.
    RunningContainer(ContainerId),
    /// It has references. Soft: must be forced.
    References,
    /// A container that is not running was made from it. Soft.
    StoppedContainer(ContainerId),
    /// The reference, as given, is the image's last one, and a container uses the image (
    /// D-5.1). Soft.
    LastReference(Box<str>, ContainerId),
}

/// The bits of moby's conflict mask that vary; children and running containers always count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mask {
    pub(super) references: bool,
    pub(super) stopped: bool,
}

impl Mask {
    /// Force overrides every soft conflict.
    pub(super) const fn new(force: bool) -> Self {
        Self { references: !force, stopped: !force }
    }
}

impl<I: ImageStore, R: ReferenceStore, L, C: ContainerStore, E> Deletion<'_, I, R, L, C, E> {
    /// D-7: the first obstacle, in moby's order.
    pub(super) fn conflict(&self, image: ImageId, mask: Mask) -> Option<Conflict> {
        self.obstacle(image, mask).map(|obstacle| Conflict { image, obstacle })
    }

    fn obstacle(&self, image: ImageId, mask: Mask) -> Option<Obstacle> {
        let stores = self.stores;
        if stores.images.has_children(image) {
            return Some(Obstacle::DependentChildren);
        }
        let users = stores.containers.users(image);
        if let Some(container) = users.running {
            return Some(Obstacle::RunningContainer(container));
        }
        if mask.references && stores.references.has_references(image) {
            return Some(Obstacle::References);
        }
        users.stopped.filter(|_| mask.stopped).map(Obstacle::StoppedContainer)
    }
}

impl Conflict {
    /// Whether a container uses the image (D-7, the last column).
    #[must_use]
    pub const fn is_used(&self) -> bool {
        self.container().is_some()
    }

    /// Whether force would not help (D-7).
    #[must_use]
    pub const fn is_hard(&self) -> bool {
        matches!(self.obstacle, Obstacle::DependentChildren | Obstacle::RunningContainer(_))
    }

    /// The container that uses the image.
    #[must_use]
    pub const fn container(&self) -> Option<ContainerId> {
        match &self.obstacle {
            Obstacle::RunningContainer(container)
            | Obstacle::StoppedContainer(container)
            | Obstacle::LastReference(_, container) => Some(*container),
            Obstacle::DependentChildren | Obstacle::References => None,
        }
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let image = self.image.to_string();
        let image = short(&image);
        if let Obstacle::LastReference(given, container) = &self.obstacle {
            let given = crate::go::quote::quote(given.as_bytes(), crate::semantics::Unicode::V15);
            let container = container.to_string();
            return write!(
                formatter,
                "conflict: unable to remove repository reference {given} (must force) - container {} \
                 is using its referenced image {image}",
                short(&container)
            );
        }
        let force = if self.is_hard() { "cannot be forced" } else { "must be forced" };
        write!(formatter, "conflict: unable to delete {image} ({force}) - image {}", self.obstacle)
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, container) = match self {
            Self::DependentChildren => return formatter.write_str("has dependent child images"),
            Self::References => return formatter.write_str("is referenced in multiple repositories"),
            Self::RunningContainer(container) => ("is being used by running container", container),
            Self::StoppedContainer(container) => ("is being used by stopped container", container),
            Self::LastReference(_, container) => ("is being used by container", container),
        };
        write!(formatter, "{text} {}", short(&container.to_string()))
    }
}

impl From<Conflict> for Error {
    fn from(conflict: Conflict) -> Self {
        let kind = match conflict.obstacle {
            Obstacle::LastReference(..) => Kind::LastReference,
            _ => Kind::ImageInUse,
        };
        Error::conflict(conflict.to_string()).of_kind(kind)
    }
}
