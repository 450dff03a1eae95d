//! The answer to a prune.

use serde::ser::SerializeStruct;

use crate::api::record::Record;
use crate::graph::delete::{DeleteLog, FailedDeletion};

/// What a prune deleted. As JSON it is the body of `POST /images/prune` (H-5): `ImagesDeleted` is
/// `null` where nothing was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PruneReport {
    /// What went, in order (D-11, P-8).
    pub images_deleted: Vec<Record>,
    /// Bytes given back (P-9).
    pub space_reclaimed: u64,
    /// What was tried in vain; not part of moby's answer (P-6, P-16).
    pub skipped: Vec<FailedDeletion>,
    /// Whether the caller gave up before the end; invisible in moby's answer (P-11).
    pub cancelled: bool,
}

impl PruneReport {
    pub(crate) fn new(log: DeleteLog, space_reclaimed: u64) -> Self {
        let DeleteLog { deleted, skipped, cancelled } = log;
        let images_deleted = deleted.into_iter().map(Record::from).collect();
        Self { images_deleted, space_reclaimed, skipped, cancelled }
    }
}

impl serde::Serialize for PruneReport {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let deleted = (!self.images_deleted.is_empty()).then_some(&self.images_deleted);
        let mut report = serializer.serialize_struct("PruneReport", 2)?;
        report.serialize_field("ImagesDeleted", &deleted)?;
        report.serialize_field("SpaceReclaimed", &self.space_reclaimed)?;
        report.end()
    }
}
