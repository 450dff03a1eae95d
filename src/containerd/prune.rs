//! The delete loop of a prune, and its answer.

use std::fmt;
use std::sync::Arc;

use serde::ser::SerializeStruct;

use super::image::Image;
use super::record::Record;
use super::request::Request;
use super::select::{Order, cancelled, select};
use super::store::walk::Walk;
use super::store::{Collection, ContainerStore, MetadataStore, Stores};
use crate::api::event::{EventSink, ImageEvent};
use crate::base::cancel::Cancel;
use crate::base::error::{Error, Result};
use crate::semantics::{Containerd, Semantics};

/// The label of the leases that moby takes itself, and a prune away.
pub(super) const PRUNED_LEASE: &str = "moby/prune.images";

/// How many candidates are announced to the store at once.
const AHEAD: usize = 64;

/// What a prune deleted. As JSON it is the body of `POST /images/prune`: `ImagesDeleted` is `null` where
/// nothing was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PruneReport {
    /// What went, in order.
    pub images_deleted: Vec<Record>,
    /// Bytes given back, as moby counts them.
    pub space_reclaimed: u64,
    /// The records that were to go and stayed, and why; not part of moby's answer.
    pub kept: Vec<(Arc<Image>, Error)>,
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

/// A prune that failed, with what it deleted all the same. Over HTTP the error hides the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PruneError {
    error: Error,
    report: Option<Box<PruneReport>>,
}

impl PruneError {
    /// All that failed, as one error.
    #[must_use]
    pub const fn error(&self) -> &Error {
        &self.error
    }

    /// What was deleted; `None` where the prune failed before it deleted anything.
    #[must_use]
    pub fn report(&self) -> Option<&PruneReport> {
        self.report.as_deref()
    }

    /// The report, given away.
    #[must_use]
    pub fn into_report(self) -> Option<PruneReport> {
        self.report.map(|report| *report)
    }
}

impl fmt::Display for PruneError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(formatter)
    }
}

impl std::error::Error for PruneError {}

impl From<Error> for PruneError {
    fn from(error: Error) -> Self {
        Self { error, report: None }
    }
}

impl From<PruneError> for Error {
    fn from(error: PruneError) -> Self {
        error.error
    }
}

/// A prune behind its guard. `cancel` is asked before the leases, once for each record that the filters are held
/// against, and once before each record that is to go. `observe` sees each walk whose record is gone.
pub(super) fn prune<S: MetadataStore, C: ContainerStore>(
    stores: &Stores<S, C>,
    events: &impl EventSink,
    semantics: &Semantics,
    request: &Request,
    order: &Order,
    cancel: &(impl Cancel + ?Sized),
    observe: &mut dyn FnMut(&Image, &Walk),
) -> Result<PruneReport, PruneError> {
    if cancel.is_cancelled() {
        return Err(cancelled(cancel).into());
    }
    let metadata = &stores.metadata;
    let collection = Collection::Now(request.now().instant);
    delete_leases(metadata, collection)?;
    let candidates = select(stores, request, semantics, order, cancel)?;
    let containerd = semantics.containerd.unwrap_or(Containerd::MOBY_29);
    let mut log = Log { report: PruneReport::default(), walk: Walk::default(), semantics, containerd };
    for (place, image) in candidates.iter().enumerate() {
        if place % AHEAD == 0 {
            let next = candidates.get(place..).unwrap_or_default();
            metadata.announce(next.get(..AHEAD).unwrap_or(next));
        }
        let done = if cancel.is_cancelled() {
            Err(cancelled(cancel))
        } else {
            log.delete(metadata, events, image, collection, observe)
        };
        if let Err(error) = done {
            let is_end = error.is_cancelled();
            log.report.kept.push((Arc::clone(image), error));
            if is_end {
                break;
            }
        }
    }
    let report = log.report;
    match containerd.join(report.kept.iter().map(|(_, error)| error)) {
        None => Ok(report),
        Some(error) => Err(PruneError { error, report: Some(Box::new(report)) }),
    }
}

/// in the order of their IDs, the last one with a collection.
pub(crate) fn delete_leases<S: MetadataStore>(metadata: &S, collection: Collection) -> Result<()> {
    let leases = metadata.leases_with_label(PRUNED_LEASE)?;
    for (place, id) in leases.iter().enumerate() {
        let is_last = place + 1 == leases.len();
        metadata.delete_lease(id, if is_last { collection } else { Collection::Later })?;
    }
    Ok(())
}

struct Log<'a> {
    report: PruneReport,
    walk: Walk,
    semantics: &'a Semantics,
    containerd: Containerd,
}

impl Log<'_> {
    ///
    fn delete<S: MetadataStore>(
        &mut self,
        metadata: &S,
        events: &impl EventSink,
        image: &Arc<Image>,
        collection: Collection,
        observe: &mut dyn FnMut(&Image, &Walk),
    ) -> Result<()> {
        let with_configs = self.containerd.prune_decodes_configs || self.containerd.snapshots_are_reclaimed;
        metadata.walk(image, with_configs, &mut self.walk)?;
        // A record that is gone already counts as deleted: it may have expired, and an earlier collection took it.
        metadata.delete_record(image, collection)?;
        let name = image.familiar(self.semantics);
        self.report.images_deleted.push(Record::Untagged(Arc::clone(&name)));
        events.publish(ImageEvent::UntagName(image.id(), Arc::clone(&name)));
        metadata.gone(&mut self.walk);
        observe(image, &self.walk);
        let before = self.report.images_deleted.len();
        let mut freed = self.report.space_reclaimed;
        for blob in self.walk.blobs.iter().filter(|blob| blob.is_gone) {
            if blob.kind.is_recorded() {
                self.report.images_deleted.push(Record::Deleted(blob.digest));
            }
            freed = freed.wrapping_add(blob.size.cast_unsigned());
        }
        if self.containerd.snapshots_are_reclaimed {
            let gone = self.walk.snapshots.iter().filter(|snapshot| snapshot.is_gone);
            freed = gone.fold(freed, |freed, snapshot| freed.wrapping_add(snapshot.size.cast_unsigned()));
        }
        self.report.space_reclaimed = freed;
        if self.report.images_deleted.len() > before {
            events.publish(ImageEvent::DeleteName(image.id(), name));
        }
        Ok(())
    }
}
