//! The recorded format: a store, what was asked of it, and what moby answered
//! (`testdata/vectors/README.md`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::digest::{ChainId, ImageId};
use crate::base::error::{Error, Result};
use crate::document::world::{self, World};
use crate::go::time::Now;
use crate::semantics::Semantics;

pub use crate::api::event::EventText;
pub use crate::api::record::{PruneText, RecordText};

/// One row of `scenarios.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scenario {
    /// The store at the beginning; its `profile` names the semantics.
    #[serde(flatten)]
    pub world: World,
    /// What is asked of it; each runs on what the ones before it left.
    pub ops: Vec<Op>,
}

impl Scenario {
    /// The semantics that the profile names, the default where it names none.
    ///
    /// # Errors
    ///
    /// Where the name is unknown, or that of a version of the containerd image store.
    pub fn semantics(&self) -> Result<Semantics> {
        let semantics: Semantics = match self.world.profile.as_str() {
            "" => Semantics::default(),
            name => name.parse()?,
        };
        if semantics.containerd.is_some() {
            let text = format!("`{semantics}` has the containerd image store, the scenario the classic one");
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
    /// The candidates that moby visited, in its order; fewer under cancellation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<ImageId>,
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
        /// The wall clock, RFC 3339.
        now: String,
        /// Cancelled after that many polls.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cancel_after_polls: Option<usize>,
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
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

/// What was answered, what was said meanwhile, and what is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The answer.
    #[serde(flatten)]
    pub answer: Returned,
    /// The events, oldest first.
    pub events: Vec<EventText>,
    /// The stores behind it.
    pub after: After,
}

/// A report or an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Returned {
    /// It was done.
    Report(Report),
    /// It failed.
    Error(ErrorText),
}

/// The body of a success: its form tells the two requests apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Report {
    /// Of a prune.
    Prune(PruneText),
    /// Of a delete.
    Delete(Vec<RecordText>),
}

/// An [`Error`] as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorText {
    /// The class.
    pub class: crate::base::error::ErrorClass,
    /// The text.
    pub message: String,
}

impl From<&Error> for ErrorText {
    fn from(error: &Error) -> Self {
        Self { class: error.class(), message: error.to_string() }
    }
}

/// What is left in the stores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct After {
    /// The images, sorted.
    pub images: Vec<ImageId>,
    /// The parent links that exist, by child.
    pub parents: BTreeMap<ImageId, ImageId>,
    /// The references, sorted by normalized name.
    pub references: Vec<world::Reference>,
    /// The layers, sorted.
    pub layers: Vec<ChainId>,
}

impl From<&World> for After {
    fn from(world: &World) -> Self {
        let mut images: Vec<ImageId> = world.images.iter().map(|image| image.id).collect();
        let mut references = world.references.clone();
        let mut layers: Vec<ChainId> = world.layers.iter().map(|layer| layer.chain_id).collect();
        images.sort();
        references.sort_by(|a, b| a.name.cmp(&b.name));
        layers.sort();
        let parents = world.images.iter().filter_map(|image| Some((image.id, image.parent?))).collect();
        Self { images, parents, references, layers }
    }
}

/// The wall clock that a row names: an instant in RFC 3339, in the daemon's zone.
pub(super) fn wall_clock(now: &str, utc_offset_seconds: i32) -> Result<Now> {
    let instant = chrono::DateTime::parse_from_rfc3339(now)
        .map_err(|error| Error::invalid_parameter(format!("`now` is `{now}`: {error}")))?;
    Ok(Now { instant: instant.into(), utc_offset_seconds })
}
