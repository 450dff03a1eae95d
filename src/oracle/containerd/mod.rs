//! The rules as a program: prune, delete, list, disk usage and the collector, rule by rule, in moby's order.
//!
//! Each rule cites its id. Everything is a list and a loop, every walk reads the documents anew, every collection
//! marks the whole store: slow **on purpose**, since clarity is all that this code is for. It knows nothing of the
//! engine. `&mut self` stands for moby's guard (Q-1): a second prune cannot even be written down.
//!
//! ```
//! use image_prune::oracle::containerd::{Cancellation, Model};
//! use image_prune::{Now, Semantics, world::ContainerdWorld};
//!
//! let mut model = Model::new(&ContainerdWorld::default(), &Semantics::MOBY_29_CONTAINERD)?;
//! let now = Now::utc(chrono::DateTime::UNIX_EPOCH);
//! let pruned = model.prune(r#"{"dangling":["false"]}"#, now, &[], Cancellation::Never);
//! assert_eq!((pruned.report.unwrap().records, pruned.error), (vec![], None));
//! # Ok::<(), image_prune::Error>(())
//! ```

use std::collections::BTreeMap;

use crate::api::event::EventText;
use crate::api::record::RecordText;
use crate::base::digest::Digest;
use crate::base::error::{Error, Result};
use crate::document::reference::Reference;
use crate::document::world::containerd::{ContainerdWorld, ImageRecord, Labels};
use crate::go::time::Now;
use crate::semantics::{Containerd, Semantics};

mod collect;
mod content;
mod delete;
mod prune;
mod usage;

pub use prune::{Cancellation, Pruned};

/// A store as lists, and what may be done to it.
#[derive(Debug, Clone)]
pub struct Model {
    semantics: Semantics,
    versions: Containerd,
    /// The images are in the order of their names' bytes, as in every list of moby's (N-3).
    world: ContainerdWorld,
    /// What was said so far, oldest first (V-1 to V-3). The caller may take them away.
    pub events: Vec<EventText>,
    /// Those of the call that runs, in order.
    records: Vec<RecordText>,
    /// How many changes of the store succeed before one fails, and nothing of it is done; `None` where all succeed.
    pub changes_before_fault: Option<usize>,
}

/// The classic builder's link to the image below (X-10).
const PARENT: &str = "org.mobyproject.image.parent";

impl Model {
    /// The store that `world` describes, with the behaviour of `semantics`.
    ///
    /// # Errors
    ///
    /// Where `semantics` are those of the classic store.
    pub fn new(world: &ContainerdWorld, semantics: &Semantics) -> Result<Self> {
        let versions = semantics.containerd.ok_or_else(|| {
            Error::invalid_parameter(format!("`{semantics}` has the classic store, not the containerd store"))
        })?;
        let mut world = world.clone();
        world.images.sort_by(|one, other| one.name.cmp(&other.name));
        let labels = world.images.iter_mut().map(|image| &mut image.labels);
        let labels = labels.chain(world.blobs.iter_mut().map(|blob| &mut blob.labels));
        let labels = labels.chain(world.snapshots.iter_mut().map(|snapshot| &mut snapshot.labels));
        let labels = labels.chain(world.leases.iter_mut().map(|lease| &mut lease.labels));
        labels.for_each(|labels| labels.retain(|_, value| !value.is_empty())); // N-1
        let (events, records) = (Vec::new(), Vec::new());
        Ok(Self { semantics: *semantics, versions, world, events, records, changes_before_fault: None })
    }

    /// The store as it is now.
    #[must_use]
    pub const fn world(&self) -> &ContainerdWorld {
        &self.world
    }

    /// How moby shows a name (N-6), and the digest of its target.
    #[must_use]
    pub fn shown(&self, name: &str) -> Option<(String, String)> {
        self.image(name).map(|image| (self.familiar(image), image.target.digest.to_string()))
    }

    fn image(&self, name: &str) -> Option<&ImageRecord> {
        self.world.images.iter().find(|image| image.name == name)
    }

    fn images_of(&self, digest: &str) -> Vec<ImageRecord> {
        let digest: Option<Digest> = digest.parse().ok();
        self.world.images.iter().filter(|image| Some(image.target.digest) == digest).cloned().collect()
    }

    /// N-5. R-2 succeeds, and its result is the name byte for byte.
    fn strict(&self, name: &str) -> Option<Reference> {
        Reference::parse(name, &self.semantics).ok().filter(|reference| reference.as_str() == name)
    }

    /// N-6
    fn familiar(&self, image: &ImageRecord) -> String {
        match self.strict(&image.name) {
            _ if is_dangling(image) => image.target.digest.to_string(),
            Some(reference) => reference.familiar().to_owned(),
            None => image.name.clone(),
        }
    }

    /// N-8. `labels` are those that go along.
    fn ensure_dangling(&mut self, image: &ImageRecord, labels: Labels, now: Now) -> Result<()> {
        self.change()?;
        let (name, target) = (dangling_name(image.target.digest), image.target.clone());
        if self.image(&name).is_none() {
            let (created_at, updated_at) = (now.instant, now.instant);
            self.world.images.push(ImageRecord { name, target, labels, created_at, updated_at });
            self.world.images.sort_by(|one, other| one.name.cmp(&other.name));
        }
        Ok(())
    }

    /// Asked before each change of the store.
    fn change(&mut self) -> Result<()> {
        let left = self.changes_before_fault.take();
        self.changes_before_fault = left.and_then(|left| left.checked_sub(1));
        if left == Some(0) { Err(Error::system("the store failed")) } else { Ok(()) }
    }

    /// Deletes a record; false where there is none. A collection follows where it is asked for, and where there was one
    /// (B-7, B-8).
    fn remove(&mut self, name: &str, collection: Option<Now>) -> Result<bool> {
        self.change()?;
        let before = self.world.images.len();
        self.world.images.retain(|image| image.name != name);
        let is_gone = self.world.images.len() < before;
        if let Some(now) = collection.filter(|_| is_gone) {
            self.collect(now);
        }
        Ok(is_gone)
    }

    /// V-1
    fn untagged(&mut self, image: &ImageRecord, familiar: &str) {
        self.say("untag", image.target.digest, familiar, Labels::new());
        self.records.push(RecordText::Untagged(familiar.to_owned()));
    }

    fn say(&mut self, action: &str, id: Digest, name: &str, labels: Labels) {
        let name = BTreeMap::from([("name".to_owned(), name.to_owned())]);
        let attributes = labels.into_iter().chain(name).collect();
        let (kind, action, id) = ("image".to_owned(), action.to_owned(), id.to_string());
        self.events.push(EventText { kind, action, id, attributes });
    }
}

/// N-2
fn dangling_name(digest: Digest) -> String {
    format!("moby-dangling@{digest}")
}

/// N-2: who bears the name of its own target.
fn is_dangling(image: &ImageRecord) -> bool {
    image.name == dangling_name(image.target.digest)
}
