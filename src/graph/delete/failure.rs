//! How a deletion fails, its text not yet written: a prune swallows most failures (P-6).

use std::fmt;

use super::Conflict;
use crate::api::record::Record;
use crate::base::error::{Error, Kind};
use crate::document::reference::Reference;

/// Why a deletion did not go through. `Display` is moby's text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeleteErrorKind {
    /// The state does not allow it; a prune passes over it in silence.
    Conflict(Conflict),
    /// The reference names no image, any more (G-1, P-7).
    NoSuchImage(Reference),
    /// Anything else.
    Error(Error),
    /// The digest references behind a removed tag could not all be removed (D-5.4, D-14): the
    /// one failure with which records are returned.
    CleanUp(Error),
}

impl fmt::Display for DeleteErrorKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict(conflict) => conflict.fmt(formatter),
            Self::NoSuchImage(reference) => {
                let reference = reference.clone().tag_name_only();
                write!(formatter, "No such image: {}", reference.familiar())
            }
            Self::Error(error) | Self::CleanUp(error) => error.fmt(formatter),
        }
    }
}

impl From<Conflict> for DeleteErrorKind {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict(conflict)
    }
}

impl From<Error> for DeleteErrorKind {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<DeleteErrorKind> for Error {
    fn from(failure: DeleteErrorKind) -> Self {
        match failure {
            DeleteErrorKind::Conflict(conflict) => conflict.into(),
            DeleteErrorKind::NoSuchImage(_) => {
                Error::not_found(failure.to_string()).of_kind(Kind::NoSuchImage)
            }
            DeleteErrorKind::Error(error) | DeleteErrorKind::CleanUp(error) => error,
        }
    }
}

/// A deletion that failed, with the records that moby returns all the same (D-14).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteError {
    failure: DeleteErrorKind,
    records: Vec<Record>,
}

impl DeleteError {
    pub(super) fn new(failure: DeleteErrorKind, mut records: Vec<Record>) -> Self {
        if !matches!(failure, DeleteErrorKind::CleanUp(_)) {
            records.clear();
        }
        Self { failure, records }
    }

    /// Why it failed.
    #[must_use]
    pub const fn kind(&self) -> &DeleteErrorKind {
        &self.failure
    }

    /// The records that moby returns in spite of the failure. What else is gone, D-14 says.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }
}

impl fmt::Display for DeleteError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failure.fmt(formatter)
    }
}

impl std::error::Error for DeleteError {}

impl From<DeleteError> for Error {
    fn from(error: DeleteError) -> Self {
        error.failure.into()
    }
}
