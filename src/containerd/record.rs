//! What a deletion tells its caller.

use std::fmt;
use std::sync::Arc;

use serde::ser::SerializeMap;

use crate::api::record::RecordText;
use crate::base::digest::Digest;

/// One line of the answer to a prune or a deletion.
///
/// As JSON it is moby's: `{"Untagged":"a:1"}` or `{"Deleted":"sha256:…"}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Record {
    /// A name that is gone, as moby shows it: the bare digest for a dangling record.
    Untagged(Arc<str>),
    /// A manifest or an index that is gone, or the image that was asked for.
    Deleted(Digest),
}

impl From<&Record> for RecordText {
    fn from(record: &Record) -> Self {
        match record {
            Record::Untagged(name) => Self::Untagged(name.to_string()),
            Record::Deleted(digest) => Self::Deleted(digest.to_string()),
        }
    }
}

impl fmt::Display for Record {
    /// docker's words: `untagged: a:1`, `deleted: sha256:…`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untagged(name) => write!(formatter, "untagged: {name}"),
            Self::Deleted(digest) => write!(formatter, "deleted: {digest}"),
        }
    }
}

impl serde::Serialize for Record {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(1))?;
        match self {
            Self::Untagged(name) => object.serialize_entry("Untagged", &**name)?,
            Self::Deleted(digest) => object.serialize_entry("Deleted", digest)?,
        }
        object.end()
    }
}
