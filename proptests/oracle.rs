//! `oracle::check`: whatever the model does is explained in any order, and so is whatever moby was recorded to
//! do; an outcome with one thing changed is not, unless some other order does just that.

use std::collections::BTreeSet;

use image_prune::cancel::{AfterPolls, Never};
use image_prune::event::Recorder;
use image_prune::graph::Engine;
use image_prune::graph::select::Order;
use image_prune::graph::store::Stores;
use image_prune::oracle::check::{Asked, Left, Observed, ObservedAnswer, Verdict, check};
use image_prune::oracle::graph::Model;
use image_prune::replay::{Action, EventText, Outcome, RecordText, Report, Scenario};
use image_prune::{Error, Now, PruneRequest, Semantics, World};
use proptest::prelude::*;

use crate::scenarios::lines;
use crate::support::faulty::{Fault, Plan, faulty_model};
use crate::support::{ALL, Shape, config, filters, now, parsed, semantics_of, world};

const SEEDS: &str = "proptests/regressions/oracle.txt";

/// Runs the model and writes down all of it. `seed` shuffles the visits.
pub fn observe(model: &mut Model, asked: &Asked, seed: u64, polls: Option<usize>) -> Observed {
    let semantics = *model.semantics();
    let answer = PruneRequest::parse(&asked.filters, &semantics, asked.now).and_then(|request| {
        let mut order = model.candidates(&request, &Never)?;
        order.sort_by_key(|id| image_prune::Digest::of(format!("{seed} {id}").as_bytes()));
        match polls {
            Some(polls) => model.prune(&request, &order, &AfterPolls::new(polls)),
            None => model.prune(&request, &order, &Never),
        }
    });
    let answer = match answer {
        Ok(pruned) => ObservedAnswer::Done {
            records: Some(pruned.records.iter().map(RecordText::from).collect()),
            space_reclaimed: Some(pruned.space_reclaimed),
        },
        Err(error) if error.to_string().starts_with("no until filter") => ObservedAnswer::Closed,
        Err(error) => refused(&error),
    };
    Observed {
        answer: Some(answer),
        events: Some(model.events.iter().map(EventText::from).collect()),
        after: Left::of(&model.world(), &semantics),
    }
}

pub fn refused(error: &Error) -> ObservedAnswer {
    ObservedAnswer::Refused { status: error.class().http_status(), message: Some(error.to_string()) }
}

/// Forgets some of it, as if nobody had looked: one bit a part.
pub fn forget(mut observed: Observed, parts: u8) -> Observed {
    let is_set = |bit: u8| parts & (1 << bit) != 0;
    if is_set(0) {
        observed.events = None;
    }
    match &mut observed.answer {
        _ if is_set(1) => observed.answer = None,
        Some(ObservedAnswer::Done { records, .. }) if is_set(2) => *records = None,
        Some(ObservedAnswer::Done { space_reclaimed, .. }) if is_set(3) => *space_reclaimed = None,
        _ => {}
    }
    if is_set(4) {
        observed.after.images = None;
    }
    if is_set(5) {
        observed.after.references = None;
    }
    if is_set(6) {
        observed.after.layers = None;
    }
    if is_set(7) {
        observed.after.parents = None;
    }
    observed
}

fn explained(world: &World, asked: &Asked, observed: &Observed) -> Result<(), TestCaseError> {
    let verdict = check(world, asked, observed, &semantics_of(world)).unwrap();
    prop_assert!(
        verdict.is_explained(),
        "{verdict}\n{observed:#?}\n{}",
        serde_json::to_string(world).unwrap()
    );
    Ok(())
}

/// Where nobody can tell, the search may give up; it must not say no.
fn not_refuted(world: &World, asked: &Asked, observed: &Observed) -> Result<(), TestCaseError> {
    let verdict = check(world, asked, observed, &semantics_of(world)).unwrap();
    let is_refuted = matches!(verdict, Verdict::Impossible(_));
    prop_assert!(!is_refuted, "{verdict}\n{observed:#?}\n{}", serde_json::to_string(world).unwrap());
    Ok(())
}

proptest! {
    #![proptest_config(config(SEEDS, 400))]

    #[test]
    fn any_run_is_explained(
        world in prop_oneof![world(Shape::small()), world(Shape::broken()), world(Shape::typical())],
        filters in filters(), seed: u64, parts: u8,
    ) {
        let asked = Asked::new(filters, now());
        let mut model = Model::new(&world, &semantics_of(&world)).unwrap();
        let observed = observe(&mut model, &asked, seed, None);
        explained(&world, &asked, &observed)?;
        // In the broken worlds records may be lost, and what is left to look at may not tell which.
        not_refuted(&world, &asked, &forget(observed, parts))?;
    }

    #[test]
    fn any_cancelled_run_is_explained(
        world in prop_oneof![world(Shape::small()), world(Shape::broken())],
        all: bool, seed: u64, polls in 0..14_usize, parts: u8,
    ) {
        let asked = Asked { cancelled: true, ..Asked::new(if all { ALL } else { "" }, now()) };
        let mut model = Model::new(&world, &semantics_of(&world)).unwrap();
        let observed = observe(&mut model, &asked, seed, Some(polls));
        explained(&world, &asked, &observed)?;
        not_refuted(&world, &asked, &forget(observed, parts))?;
    }
}

proptest! {
    #![proptest_config(config(SEEDS, 100))]

    #[test]
    fn any_faulty_run_is_explained(
        world in world(Shape::small()), all: bool, seed: u64, nth in 0..12_usize, parts: u8,
    ) {
        let asked = Asked { faults: 1, ..Asked::new(if all { ALL } else { "" }, now()) };
        let plan = Plan::new(Fault::Nth(nth));
        let mut model = faulty_model(&world, &semantics_of(&world), &plan);
        let observed = observe(&mut model, &asked, seed, None);
        not_refuted(&world, &asked, &observed)?;
        not_refuted(&world, &asked, &forget(observed, parts))?;
    }
}

/// One thing in an outcome that is not as it was; none where there is no such thing.
fn change(observed: &mut Observed, kind: u8, which: usize) -> Option<()> {
    let changed = observed.clone();
    let pick = |length: usize| (length > 0).then(|| which % length);
    match (kind, &mut observed.answer) {
        (0..=4, Some(ObservedAnswer::Done { records: Some(records), space_reclaimed: Some(bytes) })) => {
            match kind {
                0 => drop(records.remove(pick(records.len())?)),
                1 => records.insert(which % (records.len() + 1), RecordText::Untagged("other:1".to_owned())),
                2 => records.push(records[pick(records.len())?].clone()),
                3 => {
                    let at = pick(records.len().saturating_sub(1))?;
                    records.swap(at, at + 1);
                }
                _ => *bytes = bytes.wrapping_add(1),
            }
        }
        (5..=7, _) => {
            let events = observed.events.as_mut()?;
            let at = pick(events.len())?;
            match kind {
                5 => drop(events.remove(at)),
                6 => events.insert(at, events[at].clone()),
                _ => drop(events[at].attributes.insert("other".to_owned(), String::new())),
            }
        }
        (8, _) => {
            let images = observed.after.images.as_mut()?;
            let id = *images.iter().nth(pick(images.len())?)?;
            images.remove(&id);
        }
        (9, _) => {
            let references = observed.after.references.as_mut()?;
            let name = references.keys().nth(pick(references.len())?)?.clone();
            references.remove(&name);
        }
        (10, _) => {
            let layers = observed.after.layers.as_mut()?;
            let chain = *layers.iter().nth(pick(layers.len())?)?;
            layers.remove(&chain);
        }
        (11, answer) => {
            *answer = Some(match answer {
                Some(ObservedAnswer::Done { .. }) => ObservedAnswer::Refused { status: 500, message: None },
                _ => ObservedAnswer::Done { records: None, space_reclaimed: None },
            });
        }
        _ => return None,
    }
    (*observed != changed).then_some(())
}

proptest! {
    #![proptest_config(config(SEEDS, 600))]

    /// With the events there is one order alone, so that nothing can be changed.
    #[test]
    fn a_changed_outcome_is_not_explained(
        world in prop_oneof![world(Shape::small()), world(Shape::typical())],
        filters in filters(), seed: u64, kind in 0..12_u8, which: usize,
    ) {
        let asked = Asked::new(filters, now());
        let mut model = Model::new(&world, &semantics_of(&world)).unwrap();
        let mut observed = observe(&mut model, &asked, seed, None);
        if change(&mut observed, kind, which).is_none() {
            return Ok(());
        }
        let verdict = check(&world, &asked, &observed, &semantics_of(&world)).unwrap();
        // The children of an image that was lost, too, may be gone: that is one more state of moby's.
        prop_assert!(matches!(verdict, Verdict::Impossible(_)), "{kind}: {verdict}\n{observed:#?}");
    }

    /// Of records alone, some can be told in another sequence. Then the engine tells them so, in the order that
    /// the verdict names.
    #[test]
    fn what_is_explained_can_be_done(
        world in world(Shape::small()), seed: u64, kind in 0..5_u8, which: usize,
    ) {
        let semantics = semantics_of(&world);
        let asked = Asked::new(ALL, now());
        let mut model = Model::new(&world, &semantics).unwrap();
        let mut observed = observe(&mut model, &asked, seed, None);
        observed.events = None;
        change(&mut observed, kind, which);
        let Verdict::Explained { order } = check(&world, &asked, &observed, &semantics).unwrap() else {
            return Ok(());
        };
        let stores = Stores::load(world.clone(), &semantics).unwrap();
        let engine = Engine::new(stores, semantics, Recorder::default()).with_order(Order::Given(order));
        let report = engine.prune(&parsed(ALL), now(), &Never).unwrap();
        let records = Some(report.images_deleted.iter().map(RecordText::from).collect());
        let answer = ObservedAnswer::Done { records, space_reclaimed: Some(report.space_reclaimed) };
        prop_assert_eq!(observed.answer, Some(answer));
    }
}

#[test]
fn recorded_scenarios_are_explained() {
    let mut asked = 0;
    for version in crate::tables::recorded().map(|semantics| semantics.name) {
        for line in lines(version) {
            let scenario: Scenario = serde_json::from_str(&line).unwrap();
            asked += prunes_are_explained(&scenario);
        }
    }
    assert!(asked > 5_000, "{asked} prunes");
}

/// Every prune of a scenario, on what the operations before it left; how many they were.
fn prunes_are_explained(scenario: &Scenario) -> usize {
    let semantics = scenario.semantics().unwrap();
    let mut model = Model::new(&scenario.world, &semantics).unwrap();
    let mut prunes = 0;
    for op in &scenario.ops {
        let before = model.world();
        let expected = op.expect.as_ref().unwrap();
        if let Action::Prune { filters, now, cancel_after_polls } = &op.action {
            let instant = chrono::DateTime::parse_from_rfc3339(now).unwrap().into();
            let now = Now { instant, utc_offset_seconds: scenario.world.utc_offset_seconds };
            let cancelled = cancel_after_polls.is_some();
            let asked = Asked { cancelled, ..Asked::new(filters.clone(), now) };
            let verdict = check(&before, &asked, &of_outcome(expected), &semantics).unwrap();
            assert!(verdict.is_explained(), "{}: {verdict}", scenario.world.name);
            prunes += 1;
        }
        image_prune::replay::step(&mut model, op, scenario.world.utc_offset_seconds).unwrap();
    }
    prunes
}

fn of_outcome(outcome: &Outcome) -> Observed {
    use image_prune::replay::Returned;
    let answer = match &outcome.answer {
        Returned::Report(Report::Prune(report)) => ObservedAnswer::Done {
            records: Some(report.images_deleted.clone().unwrap_or_default()),
            space_reclaimed: Some(report.space_reclaimed),
        },
        Returned::Report(Report::Delete(_)) => panic!("a report of a delete"),
        Returned::Error(failure) => ObservedAnswer::Refused {
            status: failure.class.http_status(),
            message: Some(failure.message.clone()),
        },
    };
    let after = Left {
        images: Some(outcome.after.images.iter().copied().collect()),
        parents: Some(outcome.after.parents.clone()),
        references: Some(outcome.after.references.iter().map(|one| (familiar(&one.name), one.id)).collect()),
        layers: Some(outcome.after.layers.iter().copied().collect::<BTreeSet<_>>()),
    };
    Observed { answer: Some(answer), events: Some(outcome.events.clone()), after }
}

fn familiar(name: &str) -> String {
    image_prune::Reference::parse(name, &Semantics::MOBY_28_5).unwrap().familiar().to_owned()
}
