//! In which order the candidates were visited, and the runs of the model that try it.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::rc::Rc;

use crate::cancel::{AfterPolls, Never};
use crate::digest::ImageId;
use crate::event::EventText;
use crate::oracle::model::{Model, StoreCall};
use crate::record::{Record, RecordText};
use crate::request::PruneRequest;
use crate::{Error, Reference, Result, World};

use super::{Answer, Case, Contradiction, TRIES, Verdict};

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
    request: &'a PruneRequest,
    candidates: Vec<ImageId>,
    /// How often moby looks for a cancellation before it deletes.
    polls: usize,
    tried: usize,
    /// The run that agreed for longest.
    nearest: Option<Contradiction>,
    explanation: Option<Vec<ImageId>>,
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

    /// The images in the order in which the records speak of them.
    fn told_by_records(&self) -> Vec<ImageId> {
        let Some(Answer::Done { records: Some(records), .. }) = &self.observed.answer else {
            return Vec::new();
        };
        let references = self.before.references.iter().filter_map(|stored| {
            let reference = Reference::parse(&stored.name, self.semantics).ok()?;
            Some((reference.familiar().to_owned(), stored.id))
        });
        let owners: std::collections::HashMap<_, _> = references.collect();
        let image = |record: &RecordText| match record {
            RecordText::Untagged(name) => owners.get(name).copied(),
            RecordText::Deleted(id) => id.parse().ok(),
        };
        records.iter().filter_map(image).collect()
    }

    fn told_by_events(&self) -> Vec<ImageId> {
        let events = self.observed.events.iter().flatten();
        events.filter_map(|event| event.id.parse().ok()).collect()
    }

    /// The images that lost something, where that is all that is known of a visit.
    fn told_by_what_is_left(&self) -> Vec<ImageId> {
        let mut lost = Vec::new();
        if let Some(references) = &self.observed.after.references {
            let before = super::Left::of(self.before, self.semantics).references.unwrap_or_default();
            lost.extend(
                before.into_iter().filter(|(name, _)| !references.contains_key(name)).map(|(_, id)| id),
            );
        }
        if let Some(images) = &self.observed.after.images {
            let before = self.before.images.iter().map(|image| image.id);
            lost.extend(before.filter(|id| !images.contains(id)));
        }
        lost
    }

    /// O-1, its exceptions: a deletion that fails at a parent loses its records, and which one that is depends
    /// on the order.
    fn may_lose_records(&self) -> bool {
        let is_foreign = |image: &crate::world::Image| {
            let parsed = crate::Image::parse(image.config.clone(), self.semantics);
            self.semantics.os_is_checked_on_delete && parsed.is_ok_and(|image| !image.is_os_supported())
        };
        let find = |id| self.before.images.iter().find(|image| image.id == id);
        let mut parents = self.before.images.iter().filter_map(|image| image.parent);
        parents.any(|parent| find(parent).is_none_or(is_foreign))
    }

    fn is_silent(&self) -> bool {
        let is_told = matches!(self.observed.answer, Some(Answer::Done { records: Some(_), .. }));
        let after = &self.observed.after;
        !is_told && self.observed.events.is_none() && (after.images.is_none() || after.references.is_none())
    }
}

impl Search<'_> {
    /// Tries orders until one explains everything; breaks then, and when it gives up.
    fn look(&mut self) -> ControlFlow<()> {
        let case = self.case;
        let (records, events) = (case.told_by_records(), case.told_by_events());
        let left = case.told_by_what_is_left();
        let spoken = [self.visits([&records, &events, &left]), self.visits([&events, &records, &left])];
        for order in &spoken {
            self.attempt(order, &mut Vec::new(), 0)?;
        }
        let is_cut_in_silence = case.asked.cancelled && case.is_silent();
        let has_faults = case.asked.faults > 0;
        if is_cut_in_silence || has_faults || case.may_lose_records() {
            for order in &spoken {
                let is_free = |id: &ImageId| !order.contains(id);
                let free: Vec<_> = self.candidates.iter().copied().filter(is_free).collect();
                self.interleave(&mut order.clone(), &free)?;
            }
        }
        // A visit may go wrong without a word, and be spoken of when another one goes by.
        if has_faults {
            let free = self.candidates.clone();
            self.interleave(&mut Vec::new(), &free)?;
        }
        ControlFlow::Continue(())
    }

    /// The candidates among these, each where it is first.
    fn visits(&self, told: [&[ImageId]; 3]) -> Vec<ImageId> {
        let mut seen = BTreeSet::new();
        let told = told.into_iter().flatten().copied();
        told.filter(|id| self.candidates.contains(id) && seen.insert(*id)).collect()
    }

    /// Every order with `fixed` in its order, and `free` anywhere between; under cancellation, some of `free`.
    fn interleave(&mut self, fixed: &mut Vec<ImageId>, free: &[ImageId]) -> ControlFlow<()> {
        let Some((first, rest)) = free.split_first() else {
            return self.attempt(fixed, &mut Vec::new(), 0);
        };
        if self.case.asked.cancelled {
            self.interleave(fixed, rest)?;
        }
        for at in (0..=fixed.len()).rev() {
            fixed.insert(at, *first);
            let found = self.interleave(fixed, rest);
            fixed.remove(at);
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
        let mut model = Model::new(self.case.before, self.case.semantics)?.with_faults(fault);
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
