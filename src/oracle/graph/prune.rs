//! `ImagesPrune` (rules P): `daemon/images/image_prune.go`.

use crate::api::event::ImageEvent;
use crate::api::record::Record;
use crate::api::request::PruneRequest;
use crate::base::cancel::Cancel;
use crate::base::digest::ImageId;
use crate::base::error::{Error, Result};
use crate::document::world::Layer;

use super::{Model, filter};

/// What a prune answers (P-11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pruned {
    /// moby's `ImagesDeleted`; written as `null` where empty (H-5).
    pub records: Vec<Record>,
    /// Bytes, by P-9.
    pub space_reclaimed: u64,
}

impl Model {
    /// Prunes. Candidates are visited as `order` has them, those that it leaves out behind it by ID;
    /// IDs in it that are no candidates are ignored. Go walks a map there: by O-1 the order
    /// changes the sequence of records only.
    ///
    /// # Errors
    ///
    /// Only where `cancel` says so while candidates are chosen, with nothing changed (P-4). Errors
    /// of single deletions are swallowed (P-6).
    pub fn prune(
        &mut self,
        request: &PruneRequest,
        order: &[ImageId],
        cancel: &dyn Cancel,
    ) -> Result<Pruned> {
        let candidates = self.candidates(request, cancel)?; // P-3, snapshot 1
        let layers = self.layers.clone(); // P-3, snapshot 2
        let mut records = Vec::new();
        for id in in_order(candidates, order) {
            if cancel.is_cancelled() {
                break; // P-5, P-11: invisible in the answer
            }
            records.extend(self.prune_candidate(id, filter::dangling_only(request.filters()))); // P-8
        }
        let space_reclaimed = reclaimed(&records, &layers);
        self.events.push(ImageEvent::Prune(space_reclaimed)); // P-10
        Ok(Pruned { records, space_reclaimed })
    }

    /// Phase 1 (P-3, P-4): who may go, in no particular order.
    ///
    /// # Errors
    ///
    /// Where `cancel` says so.
    pub fn candidates(&self, request: &PruneRequest, cancel: &dyn Cancel) -> Result<Vec<ImageId>> {
        let mut candidates = Vec::new();
        for stored in &self.images {
            let is_head = !self.has_children(stored.id);
            if filter::dangling_only(request.filters()) && !is_head {
                continue; // P-3, snapshot 1: not looked at, hence not polled
            }
            if cancel.is_cancelled() {
                return Err(Error::cancelled(cancel.reason()));
            }
            let is_intermediate = self.references_of(stored.id).is_empty() && !is_head;
            if !is_intermediate && filter::accepts(request, &stored.image, &self.semantics) {
                candidates.push(stored.id);
            }
        }
        Ok(candidates)
    }

    /// Phase 2 for one candidate (P-5), by the references that it has now.
    fn prune_candidate(&mut self, id: ImageId, dangling_only: bool) -> Vec<Record> {
        let references = self.references_of(id);
        let names: Vec<String> = if references.is_empty() {
            vec![id.hex()]
        } else if dangling_only && references.iter().any(|reference| reference.tag().is_some()) {
            Vec::new()
        } else {
            references.iter().map(|reference| reference.as_str().to_owned()).collect()
        };
        let mut records = Vec::new();
        for name in names {
            // P-6: a call that fails leaves no records. P-7: nor is one missed that finds nothing.
            if let Ok(deleted) = self.delete(&name, false, true) {
                records.extend(deleted);
            }
        }
        records
    }
}

/// P-9: what the records name, by the sizes of before. An image ID that equals a chain ID counts, too.
fn reclaimed(records: &[Record], layers: &[Layer]) -> u64 {
    let mut sum: u64 = 0;
    for record in records {
        let digest = match record {
            Record::Untagged(_) => continue,
            Record::Image(id) => id.digest(),
            Record::Layer(chain) => chain.digest(),
        };
        if let Some(layer) = layers.iter().find(|layer| layer.chain_id.digest() == digest) {
            sum = sum.wrapping_add(layer.size.cast_unsigned());
        }
    }
    sum
}

fn in_order(mut candidates: Vec<ImageId>, order: &[ImageId]) -> Vec<ImageId> {
    candidates.sort();
    candidates.sort_by_key(|id| order.iter().position(|given| given == id).unwrap_or(order.len()));
    candidates
}
