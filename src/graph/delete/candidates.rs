//! The delete loop of a prune (P-5 to P-8).

use super::{DeleteErrorKind, Deleted, Deletion, Extent, Gone};
use crate::api::event::EventSink;
use crate::base::cancel::Cancel;
use crate::base::digest::ImageId;
use crate::base::error::{Error, Kind};
use crate::document::reference::Reference;
use crate::graph::select::Candidates;
use crate::graph::store::{ContainerStore, ImageStore, ReferenceStore};

/// What the delete loop did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeleteLog {
    /// What went, in order.
    pub deleted: Vec<Deleted>,
    /// What a deletion was tried of in vain. moby logs all but the conflicts, and returns none (P-6).
    pub skipped: Vec<FailedDeletion>,
    /// Whether the caller gave up, so that candidates were left (P-5).
    pub cancelled: bool,
}

/// A deletion of a prune that did not go through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedDeletion {
    /// The candidate.
    pub image: ImageId,
    /// The reference that was to go; none where the image was asked for by its ID.
    pub reference: Option<Reference>,
    /// Why it stayed.
    pub failure: DeleteErrorKind,
}

/// A prune never forces, and always takes parents along (P-5).
const EXTENT: Extent = Extent { force: false, prune: true };

/// How many candidates are announced to the stores at once.
const AHEAD: usize = 64;

/// Deletes the candidates one by one, in their order. Failures are passed over (P-6).
pub fn delete_candidates<I, R, L, C, E>(
    deletion: &Deletion<'_, I, R, L, C, E>,
    candidates: &Candidates,
    cancel: &(impl Cancel + ?Sized),
) -> DeleteLog
where
    I: ImageStore,
    R: ReferenceStore,
    C: ContainerStore,
    E: EventSink,
{
    let mut gone = Gone::with_capacity(candidates.ids().len());
    let mut log = DeleteLog::default();
    let mut references = Vec::new();
    for (place, &id) in candidates.ids().iter().enumerate() {
        if place % AHEAD == 0 {
            let next = candidates.ids().get(place..).unwrap_or_default();
            let next = next.get(..AHEAD).unwrap_or(next);
            deletion.stores.images.announce(next);
            deletion.stores.references.announce(next);
        }
        if cancel.is_cancelled() {
            log.cancelled = true;
            break;
        }
        references.clear();
        deletion.stores.references.references_into(id, &mut references);
        if references.is_empty() {
            log.attempt(id, None, &mut gone, |gone| deletion.delete_unreferenced(id, gone));
            continue;
        }
        if candidates.dangling_only() && references.iter().any(|reference| reference.tag().is_some()) {
            continue;
        }
        for reference in &references {
            log.attempt(id, Some(reference), &mut gone, |gone| deletion.delete_named(reference, gone));
        }
    }
    DeleteLog { deleted: gone.deleted, ..log }
}

impl DeleteLog {
    /// P-6: a deletion that fails leaves no records, even if it changed something.
    fn attempt(
        &mut self,
        image: ImageId,
        reference: Option<&Reference>,
        gone: &mut Gone,
        delete: impl FnOnce(&mut Gone) -> Result<(), DeleteErrorKind>,
    ) {
        let before = gone.deleted.len();
        if let Err(failure) = delete(gone) {
            gone.deleted.truncate(before);
            self.skipped.push(FailedDeletion { image, reference: reference.cloned(), failure });
        }
    }
}

impl<I, R, L, C, E> Deletion<'_, I, R, L, C, E>
where
    I: ImageStore,
    R: ReferenceStore,
    C: ContainerStore,
    E: EventSink,
{
    /// [`Deletion::delete`] by the ID in full: no text that could mean anything else.
    fn delete_unreferenced(&self, id: ImageId, gone: &mut Gone) -> Result<(), DeleteErrorKind> {
        let Some((id, image)) = self.read(id) else {
            return Err(Error::not_found(format!("No such image: {id}")).of_kind(Kind::NoSuchImage).into());
        };
        self.check_os(&image)?;
        self.delete_id(id, &image, EXTENT, gone)
    }

    /// [`Deletion::delete`] by a normalized reference: it is no prefix of an ID, nor an ID (D-3).
    /// The image is the one that it names now, not the candidate (P-15).
    fn delete_named(&self, reference: &Reference, gone: &mut Gone) -> Result<(), DeleteErrorKind> {
        let Some((id, image)) = self.named(reference) else {
            return Err(DeleteErrorKind::NoSuchImage(reference.clone()));
        };
        self.check_os(&image)?;
        self.delete_reference((id, &image), reference.as_str(), reference.clone(), EXTENT, gone)
    }
}
