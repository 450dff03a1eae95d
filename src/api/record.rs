//! What a deletion tells its caller, one thing that went at a time.

use std::fmt;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize};

use crate::base::digest::{ChainId, ImageId};
use crate::document::reference::Reference;
use crate::document::world::containerd::{Labels, Target};

/// One line of `docker image prune`'s answer (D-11, H-5).
///
/// As JSON it is moby's `ImageDeleteResponseItem`: `{"Untagged":"a:1"}` or `{"Deleted":"sha256:…"}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Record {
    /// A reference that is gone; written in its familiar form.
    Untagged(Reference),
    /// An image that is gone.
    Image(ImageId),
    /// A layer that is gone.
    Layer(ChainId),
}

impl fmt::Display for Record {
    /// docker's words: `untagged: a:1`, `deleted: sha256:…`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untagged(reference) => write!(formatter, "untagged: {}", reference.familiar()),
            Self::Image(id) => write!(formatter, "deleted: {id}"),
            Self::Layer(chain) => write!(formatter, "deleted: {chain}"),
        }
    }
}

impl serde::Serialize for Record {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(1))?;
        match self {
            Self::Untagged(reference) => object.serialize_entry("Untagged", reference.familiar())?,
            Self::Image(id) => object.serialize_entry("Deleted", id)?,
            Self::Layer(chain) => object.serialize_entry("Deleted", chain)?,
        }
        object.end()
    }
}

/// A row of `GET /images/json`, as moby writes it (U-3, W-2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ListRow {
    /// How many containers were made from it; −1 where nobody asked, or where none can be made of it.
    pub containers: i64,
    /// When the image was built, in seconds since 1970. Where that is not known, 0, or the year 1 in versions that write it
    /// so (U-3).
    pub created: i64,
    /// The image ID: in the containerd store the digest of the target.
    pub id: String,
    /// The labels of its config.
    pub labels: Option<Labels>,
    /// The parent, empty without one: in the containerd store that of the classic builder's label.
    pub parent_id: String,
    /// The target; the classic store has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub descriptor: Option<Target>,
    /// Its digest references: in the containerd store the digest in the repository of its last name.
    pub repo_digests: Option<Vec<String>>,
    /// Its names, as moby shows them.
    pub repo_tags: Option<Vec<String>>,
    /// Bytes that it shares with others; −1 where nobody asked.
    pub shared_size: i64,
    /// Bytes of its layers, or of its content and snapshots; shared ones included.
    pub size: i64,
}

/// A [`Record`] as a client reads it: which of the IDs are layers, only the stores know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum RecordText {
    /// A familiar reference.
    Untagged(String),
    /// An image ID or a chain ID.
    Deleted(String),
}

impl From<&Record> for RecordText {
    fn from(record: &Record) -> Self {
        match record {
            Record::Untagged(reference) => Self::Untagged(reference.familiar().to_owned()),
            Record::Image(id) => Self::Deleted(id.to_string()),
            Record::Layer(chain) => Self::Deleted(chain.to_string()),
        }
    }
}

impl fmt::Display for RecordText {
    /// docker's words, as those of a [`Record`].
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untagged(reference) => write!(formatter, "untagged: {reference}"),
            Self::Deleted(id) => write!(formatter, "deleted: {id}"),
        }
    }
}

/// The report of a prune, as moby writes it (H-5, Q-11).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct PruneText {
    /// `null` instead of empty.
    pub images_deleted: Option<Vec<RecordText>>,
    /// Bytes.
    pub space_reclaimed: u64,
}

impl PruneText {
    /// The report with these records, which either engine made.
    #[must_use]
    pub fn new<'a, R>(records: &'a [R], space_reclaimed: u64) -> Self
    where
        RecordText: From<&'a R>,
    {
        let records: Vec<_> = records.iter().map(RecordText::from).collect();
        Self { images_deleted: Some(records).filter(|records| !records.is_empty()), space_reclaimed }
    }
}
