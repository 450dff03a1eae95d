//! In which order the candidates were visited, and the runs of the model that try it.

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::rc::Rc;

use crate::api::event::EventText;
use crate::api::record::{Record, RecordText};
use crate::api::request::PruneRequest;
use crate::base::cancel::{AfterPolls, Never};
use crate::base::digest::ImageId;
use crate::base::error::{Error, Result};
use crate::document::reference::Reference;
use crate::document::world::World;
use crate::oracle::graph::{Model, StoreCall};

use super::{Case, Contradiction, ObservedAnswer, TRIES, Verdict};

/// What the daemon's ring of events remembers (E-3).
pub(super) const RING: usize = 256;

/// What the model did, visiting in some order.
pub(super) struct Run {
    pub records: Vec<Record>,
    pub space_reclaimed: u64,
    pub events: Vec<EventText>,
    pub left: World,
    /// How many calls of the stores could have failed.
    calls: usize,
}

/// Everything that stays the same from run to run, and what came of the runs so far.
struct Search<'a> {
    case: &'a Case<'a>,
    model: &'a Model,
    request: &'a PruneRequest,
    candidates: Vec<ImageId>,
    /// How often moby looks for a cancellation before it deletes.
    polls: usize,
    tried: usize,
    /// The run that agreed for longest.
    nearest: Option<Contradiction>,
    explanation: Option<Vec<ImageId>>,
}

/// A visit of which nothing tells when it was.
struct Unplaced {
    id: ImageId,
    /// It may not have come to it.
    is_optional: bool,
}

impl Case<'_> {
    /// Searches an order in which moby does what was observed.
    pub(super) fn search(&self, model: &Model, request: &PruneRequest) -> Result<Verdict> {
        let polls = Cell::new(0);
        let count = || {
            polls.set(polls.get() + 1);
            false
        };
        let mut candidates = model.candidates(request, &count)?;
        candidates.sort();
        let mut search = Search {
            case: self,
            model,
            request,
            candidates,
            polls: polls.get(),
            tried: 0,
            nearest: None,
            explanation: None,
        };
        let is_whole = search.look().is_continue();
        Ok(match (search.explanation, search.nearest) {
            (Some(order), _) => Verdict::Explained { order },
            (None, Some(nearest)) if is_whole => Verdict::Impossible(nearest),
            (None, Some(nearest)) => Verdict::GaveUp { tried: search.tried, nearest },
            (None, None) => return Err(Error::system("no run was tried")),
        })
    }

    fn records(&self) -> Option<&[RecordText]> {
        match &self.observed.answer {
            Some(ObservedAnswer::Done { records, .. }) => records.as_deref(),
            _ => None,
        }
    }

    /// The images in the order in which the records speak of them.
    fn told_by_records(&self) -> Vec<ImageId> {
        let references = self.before.references.iter().filter_map(|stored| {
            let reference = Reference::parse(&stored.name, self.semantics).ok()?;
            Some((reference.familiar().to_owned(), stored.id))
        });
        let owners: HashMap<_, _> = references.collect();
        let image = |record: &RecordText| match record {
            RecordText::Untagged(name) => owners.get(name).copied(),
            RecordText::Deleted(id) => id.parse().ok().filter(|id| !self.is_layer(*id)),
        };
        self.records().into_iter().flatten().filter_map(image).collect()
    }

    fn told_by_events(&self) -> Vec<ImageId> {
        let events = self.observed.events.iter().flatten();
        events.filter_map(|event| event.id.parse().ok()).collect()
    }

    /// The images that lost something, where that is all that is known of a visit.
    fn told_by_what_is_left(&self) -> Vec<ImageId> {
        let ids = self.before.images.iter().map(|image| image.id);
        ids.filter(|id| self.was_changed(*id) == Some(true)).collect()
    }

    /// Whether an image lost a reference, or is gone; `None` where that cannot be seen. A candidate that did
    /// neither was not visited, or for nothing. One that did was visited: a child takes along what has no
    /// references (D-12), and such a parent is no candidate (P-4).
    fn was_changed(&self, id: ImageId) -> Option<bool> {
        let is_gone = self.observed.after.images.as_ref().map(|images| !images.contains(&id));
        let mut names = self.before.references.iter().filter(|stored| stored.id == id).peekable();
        if is_gone == Some(true) || names.peek().is_none() {
            return is_gone;
        }
        let left = self.observed.after.references.as_ref()?;
        Some(names.any(|stored| {
            let reference = Reference::parse(&stored.name, self.semantics);
            reference.is_ok_and(|reference| left.get(reference.familiar()) != Some(&id))
        }))
    }

    /// O-1, its exceptions: a deletion that fails at a parent loses its records, and which one that is depends
    /// on the order.
    fn may_lose_records(&self) -> bool {
        let is_foreign = |image: &crate::document::world::Image| {
            let parsed = crate::document::image::Image::parse(image.config.clone(), self.semantics);
            self.semantics.os_is_checked_on_delete && parsed.is_ok_and(|image| !image.is_os_supported())
        };
        let find = |id| self.before.images.iter().find(|image| image.id == id);
        let mut parents = self.before.images.iter().filter_map(|image| image.parent);
        parents.any(|parent| find(parent).is_none_or(is_foreign))
    }

    /// Whether a record that names this ID may speak of a layer (P-9).
    fn is_layer(&self, id: ImageId) -> bool {
        self.before.layers.iter().any(|layer| layer.chain_id.digest() == id.digest())
    }
}

impl Search<'_> {
    /// Tries orders until one explains everything; breaks then, and when it gives up.
    fn look(&mut self) -> ControlFlow<()> {
        let case = self.case;
        let (records, events) = (case.told_by_records(), case.told_by_events());
        let left = case.told_by_what_is_left();
        let likely = [self.visits([&records, &events, &left]), self.visits([&events, &records, &left])];
        for order in &likely {
            self.attempt(order, &mut Vec::new(), 0)?;
        }
        if matches!(case.observed.answer, Some(ObservedAnswer::Refused { .. } | ObservedAnswer::Closed)) {
            return ControlFlow::Continue(()); // no run answers so
        }
        if case.asked.faults > 0 {
            // A visit may go wrong without a word, and be spoken of when another one goes by.
            for order in &likely {
                let unplaced = self.unplaced(order);
                self.interleave(&mut order.clone(), &unplaced, true)?;
            }
            let unplaced =
                self.candidates.iter().map(|id| Unplaced { id: *id, is_optional: case.asked.cancelled });
            return self.interleave(&mut Vec::new(), &unplaced.collect::<Vec<_>>(), true);
        }
        let has_all_events = case.observed.events.as_ref().is_some_and(|events| events.len() < RING);
        let loses_records = case.may_lose_records();
        let has_all_records = case.records().is_some()
            && !loses_records
            && !self.candidates.iter().any(|id| case.is_layer(*id));
        if has_all_events || has_all_records {
            return ControlFlow::Continue(());
        }
        // Records that were not lost come in the order of the visits; of events, the first may be forgotten.
        let mut placed = self.visits([&records, &[], &[]]);
        let unplaced = self.unplaced(&placed);
        // O-1: without them the order is nowhere to be seen.
        let has_bytes =
            matches!(case.observed.answer, Some(ObservedAnswer::Done { space_reclaimed: Some(_), .. }));
        let is_order_seen =
            case.records().is_some() || case.observed.events.is_some() || (loses_records && has_bytes);
        self.interleave(&mut placed, &unplaced, is_order_seen)
    }

    /// The candidates among these, each where it is first.
    fn visits(&self, told: [&[ImageId]; 3]) -> Vec<ImageId> {
        let mut seen = BTreeSet::new();
        let told = told.into_iter().flatten().copied();
        told.filter(|id| self.candidates.contains(id) && seen.insert(*id)).collect()
    }

    /// The other candidates, without those that a visit did nothing to.
    fn unplaced(&self, placed: &[ImageId]) -> Vec<Unplaced> {
        let others = self.candidates.iter().filter(|id| !placed.contains(id));
        let unplaced = others.filter_map(|id| {
            let was_changed = self.case.was_changed(*id);
            let is_optional = self.case.asked.cancelled && was_changed.is_none();
            (was_changed != Some(false)).then_some(Unplaced { id: *id, is_optional })
        });
        unplaced.collect()
    }

    /// Every order with `placed` in its order, and `unplaced` anywhere between, or behind them.
    fn interleave(
        &mut self,
        placed: &mut Vec<ImageId>,
        unplaced: &[Unplaced],
        anywhere: bool,
    ) -> ControlFlow<()> {
        let Some((first, rest)) = unplaced.split_first() else {
            return self.attempt(placed, &mut Vec::new(), 0);
        };
        if first.is_optional {
            self.interleave(placed, rest, anywhere)?;
        }
        let lowest = if anywhere { 0 } else { placed.len() };
        for at in (lowest..=placed.len()).rev() {
            placed.insert(at, first.id);
            let found = self.interleave(placed, rest, anywhere);
            placed.remove(at);
            found?;
        }
        ControlFlow::Continue(())
    }

    /// One order, first with the calls `faults` failing, then with more of them.
    fn attempt(&mut self, order: &[ImageId], faults: &mut Vec<usize>, from: usize) -> ControlFlow<()> {
        if self.tried == TRIES {
            return ControlFlow::Break(());
        }
        self.tried += 1;
        let Ok(run) = self.run(order, faults) else { return ControlFlow::Break(()) };
        match self.case.first_difference(self.request, &run) {
            None => {
                self.explanation = Some(order.to_vec());
                return ControlFlow::Break(());
            }
            Some(found) => {
                if self.nearest.as_ref().is_none_or(|nearest| nearest.place < found.place) {
                    self.nearest = Some(found);
                }
            }
        }
        if faults.len() < self.case.asked.faults {
            for fault in from..run.calls {
                faults.push(fault);
                let found = self.attempt(order, faults, fault + 1);
                faults.pop();
                found?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Runs the model. Under cancellation what `order` leaves out is not visited.
    fn run(&self, order: &[ImageId], faults: &[usize]) -> Result<Run> {
        let calls = Rc::new(Cell::new(0));
        let (counter, failing) = (Rc::clone(&calls), faults.to_vec());
        let fault = move |_: &StoreCall| {
            let call = counter.replace(counter.get() + 1);
            failing.contains(&call).then(|| Error::system("injected"))
        };
        let mut model = self.model.copy().with_faults(fault);
        let pruned = if self.case.asked.cancelled {
            model.prune(self.request, order, &AfterPolls::new(self.polls + order.len()))?
        } else {
            model.prune(self.request, order, &Never)?
        };
        Ok(Run {
            records: pruned.records,
            space_reclaimed: pruned.space_reclaimed,
            events: model.events.iter().map(EventText::from).collect(),
            left: model.world(),
            calls: calls.get(),
        })
    }
}
