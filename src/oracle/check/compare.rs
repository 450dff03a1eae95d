//! The first thing in an outcome that is not as in a run of the model.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::event::EventText;
use crate::api::record::RecordText;
use crate::api::request::PruneRequest;
use crate::document::world::World;

use super::reason::{Reason, Reasons};
use super::search::{RING, Run};
use super::{Case, Contradiction, Holder, Left, ObservedAnswer, Place, Verdict};

impl Case<'_> {
    /// Where the outcome is not that of `run`; none where it is.
    pub(super) fn first_difference(&self, request: &PruneRequest, run: &Run) -> Option<Contradiction> {
        let reasons = Reasons::new(self, request, &run.left);
        self.different_answer(&reasons, run)
            .or_else(|| self.different_event(&run.events))
            .or_else(|| self.different_state(&run.left, Some(&reasons)))
    }

    /// Nothing was said and nothing changed, as it must be; or it is not.
    pub(super) fn unchanged(&self) -> Verdict {
        let different = self.different_event(&[]).or_else(|| self.different_state(self.before, None));
        different.map_or(Verdict::Explained { order: Vec::new() }, Verdict::Impossible)
    }

    fn different_answer(&self, reasons: &Reasons<'_>, run: &Run) -> Option<Contradiction> {
        match self.observed.answer.as_ref()? {
            ObservedAnswer::Done { records, space_reclaimed } => {
                let records = records.as_ref().and_then(|records| different_record(records, reasons, run));
                records.or_else(|| different_size((*space_reclaimed)?, run.space_reclaimed))
            }
            answer => Some(Contradiction {
                place: Place::Answer,
                observed: Some(answer.to_string()),
                moby: Some("200".to_owned()),
                rule: if self.is_refused_as_busy() { "P-1" } else { "P-2" },
                why: "nothing is wrong with the filters, and what fails for one image is not shown"
                    .to_owned(),
                holder: None,
            }),
        }
    }

    fn different_event(&self, expected: &[EventText]) -> Option<Contradiction> {
        let observed = self.observed.events.as_ref()?;
        // What the ring forgot is not missed.
        let forgotten = if observed.len() == RING { expected.len().saturating_sub(RING) } else { 0 };
        let expected = expected.get(forgotten..).unwrap_or_default();
        let at = first_difference(observed, expected)?;
        let (observed, moby) = (observed.get(at), expected.get(at));
        let (rule, why) = match (observed, moby) {
            (Some(got), Some(wanted)) if (&got.action, &got.id) == (&wanted.action, &wanted.id) => {
                if wanted.action == "prune" {
                    ("P-10", "the event tells the bytes of the report")
                } else {
                    ("D-13", "the attributes are the labels, where the image is readable, and its name")
                }
            }
            (_, Some(wanted)) if wanted.action == "prune" => {
                ("P-10", "a prune that ends normally says so once, at its end")
            }
            (_, None) => ("E-10", "nothing more happens"),
            _ => ("E-10", "each deletion says untag and delete, the child before its parent"),
        };
        Some(Contradiction {
            place: Place::Event(forgotten + at),
            observed: observed.map(in_words),
            moby: moby.map(in_words),
            rule,
            why: why.to_owned(),
            holder: None,
        })
    }

    fn different_state(&self, left: &World, reasons: Option<&Reasons<'_>>) -> Option<Contradiction> {
        let (observed, expected) = (&self.observed.after, Left::of(left, self.semantics));
        let unchanged = || Reason::new("P-2", "a request that is refused changes nothing");
        let contradiction = |place, observed: Option<String>, moby: Option<String>, reason: Reason| {
            let Reason { rule, why, holder } = reason;
            Some(Contradiction { place, observed, moby, rule, why, holder })
        };
        let there = |set: bool| set.then(|| "there".to_owned());

        if let Some(id) = different_member(observed.images.as_ref(), expected.images.as_ref()) {
            let is_left = expected.images.is_some_and(|images| images.contains(&id));
            let reason = reasons.map_or_else(unchanged, |reasons| reasons.of_image(id));
            return contradiction(Place::Image(id), there(!is_left), there(is_left), reason);
        }
        if let Some(name) = different_key(observed.references.as_ref(), expected.references.as_ref()) {
            let of =
                |left: Option<&BTreeMap<_, _>>| left.and_then(|all| all.get(&name)).map(ToString::to_string);
            let (got, wanted) = (of(observed.references.as_ref()), of(expected.references.as_ref()));
            let reason = reasons.map_or_else(unchanged, |reasons| reasons.of_reference(&name));
            return contradiction(Place::Reference(name), got, wanted, reason);
        }
        if let Some(chain) = different_member(observed.layers.as_ref(), expected.layers.as_ref()) {
            let is_left = expected.layers.is_some_and(|layers| layers.contains(&chain));
            let reason = reasons.map_or_else(unchanged, |reasons| reasons.of_layer(chain));
            return contradiction(Place::Layer(chain), there(!is_left), there(is_left), reason);
        }
        let child = different_key(observed.parents.as_ref(), expected.parents.as_ref())?;
        let of =
            |left: Option<&BTreeMap<_, _>>| left.and_then(|all| all.get(&child)).map(ToString::to_string);
        let (got, wanted) = (of(observed.parents.as_ref()), of(expected.parents.as_ref()));
        let reason = Reason::new("I-10", "a link to a parent goes with the parent, and only then");
        let reason = reason.held_by(Holder::Child);
        contradiction(Place::Parent(child), got, wanted, reason)
    }
}

fn different_record(observed: &[RecordText], reasons: &Reasons<'_>, run: &Run) -> Option<Contradiction> {
    let expected: Vec<RecordText> = run.records.iter().map(RecordText::from).collect();
    let at = first_difference(observed, &expected)?;
    let Reason { rule, why, holder } = reasons.of_record(observed, at, run.records.get(at));
    Some(Contradiction {
        place: Place::Record(at),
        observed: observed.get(at).map(ToString::to_string),
        moby: expected.get(at).map(ToString::to_string),
        rule,
        why,
        holder,
    })
}

fn different_size(observed: u64, expected: u64) -> Option<Contradiction> {
    (observed != expected).then(|| Contradiction {
        place: Place::SpaceReclaimed,
        observed: Some(observed.to_string()),
        moby: Some(expected.to_string()),
        rule: "P-9",
        why: "the bytes are the sizes of the layers among the records, as they were before".to_owned(),
        holder: None,
    })
}

pub(super) fn in_words(event: &EventText) -> String {
    let attributes = event.attributes.iter().map(|(key, value)| format!("{key}={value}"));
    let attributes: Vec<String> = attributes.collect();
    format!("{} {} {} ({})", event.kind, event.action, event.id, attributes.join(", "))
}

fn first_difference<T: PartialEq>(observed: &[T], expected: &[T]) -> Option<usize> {
    (0..observed.len().max(expected.len())).find(|at| observed.get(*at) != expected.get(*at))
}

/// The first that only one of them has; none where the observed set is unknown.
fn different_member<T: Ord + Copy>(
    observed: Option<&BTreeSet<T>>,
    expected: Option<&BTreeSet<T>>,
) -> Option<T> {
    observed?.symmetric_difference(expected?).next().copied()
}

/// The first key that they do not have the same of.
fn different_key<K: Ord + Clone, V: PartialEq>(
    observed: Option<&BTreeMap<K, V>>,
    expected: Option<&BTreeMap<K, V>>,
) -> Option<K> {
    let (observed, expected) = (observed?, expected?);
    let keys: BTreeSet<&K> = observed.keys().chain(expected.keys()).collect();
    keys.into_iter().find(|key| observed.get(*key) != expected.get(*key)).cloned()
}
