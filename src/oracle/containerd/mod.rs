//! The rules as a program: prune, delete, list, disk usage and the collector, rule by rule, in moby's order.
//!
//! Each rule cites its id. Everything is a list and a loop, every walk reads the documents anew, every collection
//! marks the whole store: slow **on purpose**, since clarity is all that this code is for. It knows nothing of the
//! engine. `&mut self` stands for moby's guard: a second prune cannot even be written down.

use crate::api::event::EventText;
use crate::api::record::RecordText;
use crate::base::digest::Digest;
use crate::base::error::{Error, Result};
use crate::document::reference::Reference;
use crate::document::world::containerd::{ContainerdWorld, ImageRecord, Labels};
use crate::go::time::Now;
use crate::semantics::{Containerd, Semantics};

mod content;
mod delete;
mod prune;
mod usage;

/// The classic builder's link to the image below.
const PARENT: &str = "org.mobyproject.image.parent";

/// A store as lists, and what may be done to it.
#[derive(Debug, Clone)]
pub struct Model {
    semantics: Semantics,
    versions: Containerd,
    /// Images and leases are in the order of the bytes of their names and IDs, as in every list of moby's (N-3).
    world: ContainerdWorld,
    /// The time of the calls to come, and the daemon's zone.
    pub now: Now,
    /// What was said so far, oldest first (V-1 to V-3). The caller may take them away.
    pub events: Vec<EventText>,
    /// How many changes of the store succeed before one fails, and nothing of it is done; `None` where all succeed.
    pub changes_before_fault: Option<usize>,
    /// Those of the call that runs, in order.
    records: Vec<RecordText>,
}

impl Model {
    /// The store that `world` describes, with the behaviour of `semantics`.
    ///
    /// # Errors
    ///
    /// Where `semantics` are those of the classic store.
    pub fn new(world: &ContainerdWorld, semantics: &Semantics, now: Now) -> Result<Self> {
        let versions = semantics.containerd.ok_or_else(|| {
            Error::invalid_parameter(format!("`{semantics}` has the classic store, not the containerd store"))
        })?;
        let mut world = world.clone();
        world.images.sort_by_key(|image| image.name.clone());
        world.leases.sort_by_key(|lease| lease.id.clone());
        world.labels_mut().for_each(|labels| labels.retain(|_, value| !value.is_empty())); // N-1
        let (events, records, changes_before_fault) = (Vec::new(), Vec::new(), None);
        Ok(Self { semantics: *semantics, versions, world, now, events, changes_before_fault, records })
    }

    /// The store as it is now.
    #[must_use]
    pub const fn world(&self) -> &ContainerdWorld {
        &self.world
    }

    fn images_of(&self, digest: &str) -> Vec<ImageRecord> {
        self.world.images.iter().filter(|image| image.target.digest.to_string() == digest).cloned().collect()
    }

    /// N-5. R-2 succeeds, and its result is the name byte for byte.
    fn strict(&self, name: &str) -> Option<Reference> {
        Reference::parse(name, &self.semantics).ok().filter(|reference| reference.as_str() == name)
    }

    /// N-2, N-6
    pub(in crate::oracle) fn familiar(&self, image: &ImageRecord) -> String {
        match self.strict(&image.name) {
            _ if image.is_dangling() => image.target.digest.to_string(),
            Some(reference) => reference.familiar().to_owned(),
            None => image.name.clone(),
        }
    }

    /// N-8. `labels` are those that go along.
    fn ensure_dangling(&mut self, image: &ImageRecord, labels: Labels) -> Result<()> {
        self.change()?;
        let (name, target) = (ImageRecord::dangling_name(image.target.digest), image.target.clone());
        if self.world.image(&name).is_none() {
            let (created_at, updated_at) = (self.now.instant, self.now.instant);
            self.world.images.push(ImageRecord { name, target, labels, created_at, updated_at });
            self.world.images.sort_by_key(|image| image.name.clone());
        }
        Ok(())
    }

    /// Deletes a record, and says whether there was one. No collection follows (B-7, B-8).
    fn remove(&mut self, name: &str) -> Result<bool> {
        self.change()?;
        let before = self.world.images.len();
        self.world.images.retain(|image| image.name != name);
        Ok(self.world.images.len() < before)
    }

    /// Asked before each change of the store.
    fn change(&mut self) -> Result<()> {
        let left = self.changes_before_fault.take();
        self.changes_before_fault = left.and_then(|left| left.checked_sub(1));
        if left == Some(0) { Err(Error::system("the store failed")) } else { Ok(()) }
    }

    /// V-1
    fn untagged(&mut self, image: &ImageRecord, familiar: &str) {
        self.say("untag", image.target.digest, familiar, Labels::new());
        self.records.push(RecordText::Untagged(familiar.to_owned()));
    }

    fn say(&mut self, action: &str, id: Digest, name: &str, mut attributes: Labels) {
        attributes.insert("name".to_owned(), name.to_owned());
        let (kind, action, id) = ("image".to_owned(), action.to_owned(), id.to_string());
        self.events.push(EventText { kind, action, id, attributes });
    }
}
