//! The candidates that moby visited are exactly the model's: what `order` records of every prune.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeSet;

use image_prune::cancel::{Cancel, Never};
use image_prune::event::ImageEvent;
use image_prune::oracle::graph::Model;
use image_prune::replay::{PruneText, RecordText, Scenario, Subject, replay};
use image_prune::{ImageId, Now, PruneRequest, Result, Semantics, World};

use crate::scenarios::lines;

#[test]
fn model_has_the_candidates_that_moby_visited() {
    for version in crate::tables::recorded().map(|semantics| semantics.name) {
        for line in lines(version) {
            let scenario: Scenario = serde_json::from_str(&line).unwrap();
            replay::<Watched>(&scenario).unwrap();
        }
    }
}

/// The model, with its candidates held against `order` at each prune.
struct Watched(Model);

impl Subject for Watched {
    fn load(world: &World, semantics: &Semantics) -> Result<Self> {
        Model::new(world, semantics).map(Self)
    }

    fn prune(
        &mut self,
        filters: &str,
        now: Now,
        order: &[ImageId],
        cancel: &dyn Cancel,
    ) -> Result<PruneText> {
        let request = PruneRequest::parse(filters, self.0.semantics(), now)?;
        let candidates = BTreeSet::from_iter(self.0.candidates(&request, &Never)?);
        let visited: BTreeSet<ImageId> = order.iter().copied().collect();
        let pruned = self.0.prune(&request, order, cancel)?;
        assert!(visited.is_subset(&candidates), "{visited:?} of {candidates:?}");
        if !cancel.is_cancelled() {
            assert_eq!(visited, candidates);
        }
        Ok(PruneText::new(&pruned.records, pruned.space_reclaimed))
    }

    fn delete(&mut self, reference: &str, force: bool, prune: bool) -> Result<Vec<RecordText>> {
        Subject::delete(&mut self.0, reference, force, prune)
    }

    fn take_events(&mut self) -> Vec<ImageEvent> {
        self.0.take_events()
    }

    fn world(&self) -> World {
        self.0.world()
    }
}
