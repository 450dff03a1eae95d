//! The rules as a program: what prune and delete do, rule by rule, in moby's order.
//!
//! Read it beside moby's `image_delete.go`, `image_prune.go` and the three stores; each rule cites its
//! id in [`_docs::rules`](crate::_docs::rules). Everything is a list and a loop, and each count is a fresh recount: linear or worse
//! **on purpose**, since clarity is all that this code is for. It knows nothing of the engine; the two
//! share what has no rule of prune in it (identifiers, references, configs, Go's library, the parsed
//! request), and tests hold them against each other and against what moby answered.
//!
//! `&mut self` stands for moby's guard (P-1): a second prune cannot even be written down.
//!
//! ```
//! use image_prune::oracle::graph::Model;
//! use image_prune::{PruneRequest, Semantics, World, cancel};
//!
//! let mut model = Model::new(&World::default(), &Semantics::MOBY_20_10)?;
//! let now = image_prune::Now::utc(chrono::DateTime::UNIX_EPOCH);
//! let request = PruneRequest::parse(r#"{"dangling":["false"]}"#, &Semantics::MOBY_20_10, now)?;
//! let pruned = model.prune(&request, &[], &cancel::Never)?;
//! assert!(pruned.records.is_empty());
//! # Ok::<(), image_prune::Error>(())
//! ```

use std::fmt;

use crate::api::event::ImageEvent;
use crate::base::digest::{ChainId, ImageId};
use crate::base::error::{Error, Result};
use crate::document::image::Image;
use crate::document::reference::Reference;
use crate::document::world::{self, World};
use crate::semantics::Semantics;

mod delete;
mod filter;
mod prune;
mod state;
mod usage;

#[cfg(test)]
mod tests;

pub use delete::Failed;
pub use prune::Pruned;
pub use usage::{ImageUsage, Usage};

/// The four stores as lists, and what may be done to them.
pub struct Model {
    semantics: Semantics,
    /// The description it was made from, without its stores.
    header: World,
    images: Vec<StoredImage>,
    references: Vec<StoredReference>,
    layers: Vec<world::Layer>,
    /// Counts that nobody owns (Y-6): one entry each, naming the layer that keeps it.
    leaks: Vec<ChainId>,
    containers: Vec<world::Container>,
    /// What was said so far, oldest first (D-13, P-10). The caller may take them away.
    pub events: Vec<ImageEvent>,
    faults: Box<dyn Faults>,
}

/// An image of the image store, with the parent link of its metadata.
#[derive(Clone)]
struct StoredImage {
    id: ImageId,
    image: Image,
    /// The chain of its top layer, which it holds (Y-3).
    top: Option<ChainId>,
    parent: Option<ImageId>,
}

/// A reference of the reference store. Its key is its familiar text (R-6).
#[derive(Clone)]
struct StoredReference {
    reference: Reference,
    image: ImageId,
}

/// A call that a store may fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreCall {
    /// The save after this reference was deleted (R-8).
    SaveReferences(Reference),
    /// The deletion of this image's content lease (I-11).
    DeleteLease(ImageId),
    /// The graph driver's removal of this layer (Y-6).
    RemoveLayer(ChainId),
}

/// Decides which store calls fail. A closure is one, too.
pub trait Faults {
    /// Asked once per call, in moby's order; an error makes the call fail with it.
    fn fault(&mut self, call: &StoreCall) -> Option<Error>;
}

impl<F: FnMut(&StoreCall) -> Option<Error>> Faults for F {
    fn fault(&mut self, call: &StoreCall) -> Option<Error> {
        self(call)
    }
}

impl Model {
    /// The stores that `world` describes, with the behaviour of `semantics`.
    ///
    /// # Errors
    ///
    /// Where moby's stores could not have come to hold it: an ID that is not the digest of its
    /// content, an unreadable config (I-2), a missing layer (I-3, Y-9), something twice, a
    /// name that is no reference (R-2) or a tag with two images (R-7).
    pub fn new(world: &World, semantics: &Semantics) -> Result<Self> {
        let header = World {
            layers: Vec::new(),
            images: Vec::new(),
            references: Vec::new(),
            containers: Vec::new(),
            ..world.clone()
        };
        let mut model = Self {
            semantics: *semantics,
            header,
            images: Vec::new(),
            references: Vec::new(),
            layers: Vec::new(),
            leaks: Vec::new(),
            containers: Vec::new(),
            events: Vec::new(),
            faults: Box::new(|_: &StoreCall| None),
        };
        model.load_layers(&world.layers)?;
        world.images.iter().try_for_each(|image| model.add_image(image))?;
        world.references.iter().try_for_each(|one| model.add_reference(&one.name, one.id))?;
        world.containers.iter().try_for_each(|container| model.add_container(container))?;
        Ok(model)
    }

    /// The same stores, on which no call fails. Costs less than reading and checking a description once more.
    pub(in crate::oracle) fn copy(&self) -> Self {
        Self {
            semantics: self.semantics,
            header: self.header.clone(),
            images: self.images.clone(),
            references: self.references.clone(),
            layers: self.layers.clone(),
            leaks: self.leaks.clone(),
            containers: self.containers.clone(),
            events: self.events.clone(),
            faults: Box::new(|_: &StoreCall| None),
        }
    }

    /// The model with store calls that fail.
    #[must_use]
    pub fn with_faults(mut self, faults: impl Faults + 'static) -> Self {
        self.faults = Box::new(faults);
        self
    }

    /// The behaviour that it follows.
    #[must_use]
    pub const fn semantics(&self) -> &Semantics {
        &self.semantics
    }

    /// The stores as they are now. Leaked counts (Y-6) have no place in a description: their
    /// layers are listed, the counts are not.
    #[must_use]
    pub fn world(&self) -> World {
        let image = |stored: &StoredImage| world::Image {
            id: stored.id,
            config: stored.image.config().into(),
            parent: stored.parent,
        };
        let reference = |stored: &StoredReference| world::Reference {
            name: stored.reference.as_str().to_owned(),
            id: stored.image,
        };
        World {
            layers: self.layers.clone(),
            images: self.images.iter().map(image).collect(),
            references: self.references.iter().map(reference).collect(),
            containers: self.containers.clone(),
            ..self.header.clone()
        }
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Model").field("world", &self.world()).finish_non_exhaustive()
    }
}
