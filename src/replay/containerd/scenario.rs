//! The recorded format: a store, what was asked of it, and what moby answered.

use serde::{Deserialize, Deserializer, Serialize};

use crate::api::record::{PruneText, RecordText};
use crate::base::error::{Error, Result};
use crate::document::world::containerd::{ContainerdWorld, ImageRecord, Labels, Platform, Target};
use crate::semantics::Semantics;

pub use crate::api::event::EventText;
pub use crate::api::record::ListRow;

use super::cancellation::Cancellation;

/// The name of the format, as the rows write it.
pub const FORMAT: &str = "c8d-scenario-1";

/// One row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scenario {
    /// [`FORMAT`].
    pub format: String,
    /// The store at the beginning; its `profile` names the semantics.
    #[serde(flatten)]
    pub world: ContainerdWorld,
    /// What is asked of it; each runs on what the ones before it left.
    pub ops: Vec<Op>,
}

impl Scenario {
    /// The semantics that the profile names.
    ///
    /// # Errors
    ///
    /// Where the format is another one, or the name is unknown or that of a version of the classic store.
    pub fn semantics(&self) -> Result<Semantics> {
        if self.format != FORMAT {
            let text = format!("the format is `{}`; this reads `{FORMAT}`", self.format);
            return Err(Error::invalid_parameter(text));
        }
        let semantics: Semantics = self.world.profile.parse()?;
        if semantics.containerd.is_none() {
            let text = format!("`{semantics}` has the classic store, not the containerd store");
            return Err(Error::invalid_parameter(text));
        }
        Ok(semantics)
    }
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Op {
    /// The request.
    #[serde(flatten)]
    pub action: Action,
    /// The clock of `until`, and the time of creation of new records: RFC 3339.
    pub now: String,
    /// What moby answered. A replay never reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Outcome>,
}

/// The request itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Action {
    /// `POST /images/prune`.
    Prune {
        /// The raw query value.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        filters: String,
        /// The names that moby's loop visited, in its order; fewer than the candidates under cancellation.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        order: Vec<String>,
        /// The client has gone before anything is done.
        #[serde(default, skip_serializing_if = "is_false")]
        cancelled: bool,
        /// The client goes when that many records have been considered, in name order.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cancel_after_considered: Option<usize>,
        /// The client goes when the loop has visited that many records.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cancel_after_visited: Option<usize>,
    },
    /// `DELETE /images/{ref}`.
    Delete {
        /// What to delete.
        #[serde(default, rename = "ref", skip_serializing_if = "String::is_empty")]
        reference: String,
        /// Soft conflicts do not count.
        #[serde(default, skip_serializing_if = "is_false")]
        force: bool,
        /// Parents go along.
        #[serde(default, skip_serializing_if = "is_false")]
        prune: bool,
        /// Only these platforms' content goes.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        platforms: Vec<Platform>,
    },
    /// `GET /images/json` without filters.
    List {
        /// Intermediate images, too.
        #[serde(default, skip_serializing_if = "is_false")]
        all: bool,
        /// Computes the shared sizes.
        #[serde(default, skip_serializing_if = "is_false")]
        shared_size: bool,
    },
    /// The image part of `GET /system/df`.
    DiskUsage {},
    /// One run of the collector.
    Gc {},
}

impl Action {
    /// When the client goes away; [`Cancellation::Never`] for anything but a prune.
    #[must_use]
    pub fn cancellation(&self) -> Cancellation {
        match *self {
            Self::Prune { cancelled: true, .. } => Cancellation::AtOnce,
            Self::Prune { cancel_after_considered: Some(limit), .. } => Cancellation::AfterConsidered(limit),
            Self::Prune { cancel_after_visited: Some(limit), .. } => Cancellation::AfterVisited(limit),
            _ => Cancellation::Never,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

/// What was answered, what was said meanwhile, and what the request took away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// What the service returned, with an error or without one. An outer `None` means that it returned
    /// nothing to speak of, an inner one that it returned Go's nil, `null` in JSON.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub report: Option<Option<Report>>,
    /// The error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorText>,
    /// The events, oldest first.
    pub events: Vec<EventText>,
    /// What is left, what came and what went.
    pub after: After,
}

/// Tells `null` from a key that is not there.
#[expect(clippy::option_option, reason = "a key that is not there is not null")]
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Report>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// The body of an answer: its form tells the requests apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Report {
    /// Of a prune.
    Prune(PruneText),
    /// Of a delete.
    Delete(Vec<RecordText>),
    /// Of a list.
    List(Vec<ListRow>),
    /// Of a disk usage.
    DiskUsage(i64),
}

/// An [`Error`] as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorText {
    /// The HTTP status of the class.
    pub status: u16,
    /// The class.
    pub class: crate::base::error::ErrorClass,
    /// The text.
    pub message: String,
}

impl From<&Error> for ErrorText {
    fn from(error: &Error) -> Self {
        let class = error.class();
        Self { status: class.http_status(), class, message: error.to_string() }
    }
}

/// A record that a request made; unlike in a store, both times are always there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewImage {
    /// Its name.
    pub name: String,
    /// What it points to.
    pub target: Target,
    /// Its labels.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// The time of creation, RFC 3339.
    pub created_at: String,
    /// The time of the last change, RFC 3339.
    pub updated_at: String,
}

impl From<&ImageRecord> for NewImage {
    fn from(image: &ImageRecord) -> Self {
        let ImageRecord { name, target, labels, created_at, updated_at } = image.clone();
        let (created_at, updated_at) = (created_at.to_string(), updated_at.to_string());
        Self { name, target, labels, created_at, updated_at }
    }
}

/// What a request left and what it changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct After {
    /// All names, sorted by their bytes.
    pub images: Vec<String>,
    /// The records that did not exist before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub new_images: Vec<NewImage>,
    /// The content that is gone.
    pub blobs_removed: Vec<String>,
    /// The snapshots that are gone.
    pub snapshots_removed: Vec<String>,
    /// The leases that are gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leases_removed: Vec<String>,
}

impl After {
    /// What is different between two descriptions of one store.
    #[must_use]
    pub fn between(before: &ContainerdWorld, after: &ContainerdWorld) -> Self {
        let names = |world: &ContainerdWorld| sorted(world.images.iter().map(|image| image.name.clone()));
        let blobs = |world: &ContainerdWorld| sorted(world.blobs.iter().map(|blob| blob.digest.to_string()));
        let snapshots = |world: &ContainerdWorld| sorted(world.snapshots.iter().map(|one| one.key.clone()));
        let leases = |world: &ContainerdWorld| sorted(world.leases.iter().map(|lease| lease.id.clone()));
        let known = names(before);
        let is_new = |image: &&ImageRecord| known.binary_search(&image.name).is_err();
        let mut new_images: Vec<NewImage> = after.images.iter().filter(is_new).map(Into::into).collect();
        new_images.sort_by(|one, other| one.name.cmp(&other.name));
        Self {
            images: names(after),
            new_images,
            blobs_removed: missing(blobs(before), &blobs(after)),
            snapshots_removed: missing(snapshots(before), &snapshots(after)),
            leases_removed: missing(leases(before), &leases(after)),
        }
    }
}

fn sorted(keys: impl Iterator<Item = String>) -> Vec<String> {
    let mut keys: Vec<String> = keys.collect();
    keys.sort();
    keys
}

fn missing(mut before: Vec<String>, after: &[String]) -> Vec<String> {
    before.retain(|key| after.binary_search(key).is_err());
    before
}
