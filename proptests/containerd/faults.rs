//! A call of the store fails, at every position (Q-12, X-8): what was done is told, what is told was done, the store
//! stays sound, and the engine can go on. Where the call changes something, engine and model agree on all of it.
#![allow(
    clippy::unreachable,
    clippy::maybe_infinite_iter,
    reason = "test code; a fault behind the last call ends it"
)]

use std::collections::BTreeSet;

use image_prune::cancel::{AfterPolls, Never};
use image_prune::containerd::{Engine, Image, Options, Order, PruneReport, Record, Request};
use image_prune::event::{ImageEvent, Recorder};
use image_prune::oracle::containerd::Model;
use image_prune::replay::containerd::{Action, DeleteRequest, Subject};
use image_prune::replay::{EventText, PruneText, RecordText};
use image_prune::world::ContainerdWorld;
use image_prune::world::containerd::{ImageRecord, Platform};
use image_prune::{Digest, Error, Now, Semantics, Timestamp};

use super::faulty::{FAILED, Fault, FaultyEngine, faulty_engine, world_of};
use crate::containerd_engine::made::{self, Random};
use crate::containerd_engine::sorted;

const ALL: &str = r#"{"dangling":["false"]}"#;

fn now() -> Now {
    Now { instant: Timestamp::new(1_718_000_000, 0), utc_offset_seconds: 0 }
}

/// The two parts of an answer, as texts.
type Told<T> = (Option<T>, Option<Error>);

fn texts(records: &[Record]) -> Vec<RecordText> {
    records.iter().map(RecordText::from).collect()
}

fn events_of(engine: &FaultyEngine) -> Vec<EventText> {
    engine.events().take().iter().map(EventText::from).collect()
}

fn run_prune(
    engine: &FaultyEngine,
    filters: &str,
    order: &[String],
) -> Result<PruneReport, (Option<PruneReport>, Error)> {
    let request = Request::parse(filters, engine.semantics(), now()).unwrap();
    engine.prune_request(&request, &Order::Given(order.to_vec()), &Never).map_err(|error| {
        let text = error.error().clone();
        (error.into_report(), text)
    })
}

fn told(answer: Result<PruneReport, (Option<PruneReport>, Error)>) -> Told<PruneText> {
    let text = |report: PruneReport| PruneText {
        images_deleted: Some(texts(&report.images_deleted)).filter(|records| !records.is_empty()),
        space_reclaimed: report.space_reclaimed,
    };
    match answer {
        Ok(report) => (Some(text(report)), None),
        Err((report, error)) => (report.map(text), Some(error)),
    }
}

fn model_prune(model: &mut Model, filters: &str, order: &[String]) -> Told<PruneText> {
    let answer = Subject::prune(model, filters, now(), order, &Never);
    (answer.report, answer.error)
}

/// What a prune is to do, the same for a seed on every run.
struct Case {
    name: String,
    world: ContainerdWorld,
    semantics: Semantics,
    filters: &'static str,
    order: Vec<String>,
}

fn cases(count: u64, oddity: usize) -> impl Iterator<Item = Case> {
    (0..count).filter_map(move |seed| {
        let random = &mut Random::new(seed + 31_000);
        let semantics = *random.pick(&Semantics::ALL_CONTAINERD);
        let world = made::world(random, semantics.name, oddity);
        let filters = *random.pick(&made::FILTERS);
        Request::parse(filters, &semantics, now()).ok()?;
        let mut order: Vec<String> = world.images.iter().map(|image| image.name.clone()).collect();
        order.sort_by_key(|name| Digest::of(format!("{seed} {name}").as_bytes()));
        Some(Case { name: format!("seed {seed} oddity {oddity}"), world, semantics, filters, order })
    })
}

/// The engine does what the model does, and what is left is the same.
fn same_state(context: &str, engine: &FaultyEngine, model: &mut Model) {
    assert_eq!(events_of(engine), std::mem::take(&mut model.events), "{context}");
    assert_eq!(sorted(world_of(engine)), sorted(model.world().clone()), "{context}");
    let metadata = &engine.stores().metadata.inner;
    metadata.validate().unwrap_or_else(|broken| panic!("{context}: {broken}"));
}

fn prune_with_a_failing_change(case: &Case) -> usize {
    for nth in 0.. {
        let engine = faulty_engine(&case.world, &case.semantics, Fault::Change(nth));
        let mut model = Model::new(&case.world, &case.semantics, now()).unwrap();
        model.changes_before_fault = Some(nth);
        // The second prune works on what the fault has left: the guard is free.
        for order in [&case.order[..], &[]] {
            let context = format!("{} change {nth} {} in order {order:?}", case.name, case.filters);
            let expected = model_prune(&mut model, case.filters, order);
            assert_eq!(told(run_prune(&engine, case.filters, order)), expected, "{context}");
            same_state(&context, &engine, &mut model);
        }
        if !engine.stores().metadata.has_failed() {
            return nth;
        }
    }
    unreachable!()
}

#[test]
fn a_prune_of_which_a_change_fails_answers_as_the_model() {
    let changes: usize =
        cases(250, 15).chain(cases(150, 0)).map(|case| prune_with_a_failing_change(&case)).sum();
    assert!(changes > 600, "{changes} changes failed");
}

fn model_delete(model: &mut Model, request: &DeleteRequest<'_>) -> Told<Vec<RecordText>> {
    let answer = Subject::delete(model, request, now());
    (answer.report, answer.error)
}

fn run_delete(engine: &FaultyEngine, request: &DeleteRequest<'_>) -> Told<Vec<RecordText>> {
    let DeleteRequest { reference, force, prune, platforms } = *request;
    let options = Options { force, prune, platforms: platforms.to_vec() };
    let some = |records: &[Record]| Some(texts(records)).filter(|records| !records.is_empty());
    match engine.delete(reference, &options, now()) {
        Ok(records) => (some(&records), None),
        Err(error) => (some(error.records()), Some(error.error().clone())),
    }
}

type Deletion = (String, bool, bool, Vec<Platform>);

/// Deletions of made stores.
fn deletions(
    count: u64,
    oddity: usize,
) -> impl Iterator<Item = (String, ContainerdWorld, Semantics, Deletion)> {
    (0..count).filter_map(move |seed| {
        let random = &mut Random::new(seed + 32_000);
        let semantics = *random.pick(&Semantics::ALL_CONTAINERD);
        let world = made::world(random, semantics.name, oddity);
        let Action::Delete { reference, force, prune, platforms } = made::action(random, &world) else {
            return None;
        };
        Some((format!("seed {seed} {reference}"), world, semantics, (reference, force, prune, platforms)))
    })
}

#[test]
fn a_deletion_of_which_a_change_fails_answers_as_the_model() {
    let mut changes = 0;
    for (name, world, semantics, (reference, force, prune, platforms)) in
        deletions(1_500, 15).chain(deletions(500, 0))
    {
        let request = DeleteRequest { reference: &reference, force, prune, platforms: &platforms };
        for nth in 0.. {
            let context = format!("{name} change {nth}");
            let engine = faulty_engine(&world, &semantics, Fault::Change(nth));
            let mut model = Model::new(&world, &semantics, now()).unwrap();
            model.changes_before_fault = Some(nth);
            for _ in 0..2 {
                let expected = model_delete(&mut model, &request);
                assert_eq!(run_delete(&engine, &request), expected, "{context}");
                same_state(&context, &engine, &mut model);
            }
            if !engine.stores().metadata.has_failed() {
                changes += nth;
                break;
            }
        }
    }
    assert!(changes > 400, "{changes} changes failed");
}

/// What the events of a prune have to be after these records: V-2.
fn events_after(records: &[Record]) -> Vec<(&'static str, String)> {
    let mut events: Vec<(&str, String)> = Vec::new();
    for record in records {
        match (record, events.last()) {
            (Record::Untagged(name), _) => events.push(("untag", name.to_string())),
            (Record::Deleted(_), Some(("untag", name))) => events.push(("delete", name.clone())),
            (Record::Deleted(_), _) => {}
        }
    }
    events
}

/// How moby shows a name (N-6), and the digest of its target.
fn shown(image: &ImageRecord, semantics: &Semantics) -> (String, String) {
    let image = Image::from(image.clone());
    (image.familiar(semantics).to_string(), image.digest().to_string())
}

fn expires(image: &ImageRecord) -> bool {
    image.labels.contains_key("containerd.io/gc.expire")
}

/// Lets one call fail and looks at everything that was said of it.
fn prune_with_a_failing_call(case: &Case, fault: Fault) -> bool {
    let context = format!("{} {} {fault:?}", case.name, case.filters);
    let engine = faulty_engine(&case.world, &case.semantics, fault);
    let answer = run_prune(&engine, case.filters, &case.order);
    let has_failed = engine.stores().metadata.has_failed();
    engine.stores().metadata.mend();
    let events = engine.events().take();
    let after = world_of(&engine);
    let left: BTreeSet<&str> = after.images.iter().map(|image| image.name.as_str()).collect();
    engine.stores().metadata.inner.validate().unwrap_or_else(|broken| panic!("{context}: {broken}"));
    let (report, error) = match answer {
        Ok(report) => (Some(report), None),
        Err((report, error)) => (report, Some(error)),
    };
    let untagged: BTreeSet<(String, String)> = events
        .iter()
        .filter_map(|event| match event {
            ImageEvent::UntagName(id, name) => Some((name.to_string(), id.to_string())),
            _ => None,
        })
        .collect();
    let mut unknown = untagged.clone();
    let kept = report.iter().flat_map(|report| &report.kept);
    let lost: BTreeSet<&str> =
        kept.filter(|(_, error)| error.to_string() == FAILED).map(|(image, _)| image.name()).collect();
    for image in &case.world.images {
        let is_told = untagged.contains(&shown(image, &case.semantics));
        if left.contains(image.name.as_str()) {
            continue;
        }
        unknown.remove(&shown(image, &case.semantics));
        // Q-14: the store has deleted it, and its answer never came.
        let is_lost = matches!(fault, Fault::Answer(_)) && lost.contains(image.name.as_str());
        assert!(
            is_told || is_lost || expires(image),
            "{context}: {} is gone, and nobody says so",
            image.name
        );
    }
    assert!(unknown.is_empty(), "{context}: {unknown:?} are said to be gone");
    let Some(report) = report else {
        let error = error.unwrap();
        assert_eq!((error.to_string().as_str(), events.len()), (FAILED, 0), "{context}");
        return has_failed;
    };
    let said: Vec<_> =
        events.iter().map(|event| (event.action(), event.attributes()["name"].clone())).collect();
    assert_eq!(said, events_after(&report.images_deleted), "{context}");
    for record in &report.images_deleted {
        if let Record::Deleted(digest) = record {
            assert!(after.blobs.iter().all(|blob| blob.digest != *digest), "{context}: {digest} is there");
        }
    }
    assert_eq!(error.is_some(), !report.kept.is_empty(), "{context}");
    let causes: Vec<String> = report.kept.iter().map(|(_, error)| error.to_string()).collect();
    assert!(
        error.is_none_or(|error| causes.iter().all(|cause| error.to_string().contains(cause))),
        "{context}"
    );
    assert!(causes.iter().filter(|cause| *cause == FAILED).count() <= 1, "{context}: {causes:?}");
    // One lookup that fails hides one record, not those behind it.
    let mut plain = Model::new(&case.world, &case.semantics, now()).unwrap();
    let whole = model_prune(&mut plain, case.filters, &case.order).0.unwrap();
    if report.kept.is_empty() && !case.filters.contains("label") {
        let whole = whole.images_deleted.map_or(0, |records| records.len());
        assert!(report.images_deleted.len() + 1 >= whole, "{context}: {:?}", report.images_deleted);
    }
    // The guard is free, and the next prune is that of what is left.
    let mut model = Model::new(&after, &case.semantics, now()).unwrap();
    let expected = model_prune(&mut model, case.filters, &[]);
    assert_eq!(told(run_prune(&engine, case.filters, &[])), expected, "{context}");
    same_state(&context, &engine, &mut model);
    has_failed
}

#[test]
fn a_prune_of_which_any_call_fails_tells_what_it_did() {
    let mut failed = 0;
    for case in cases(60, 15).chain(cases(60, 0)) {
        for fault in [Fault::Call, Fault::Answer] {
            failed += (0..).take_while(|nth| prune_with_a_failing_call(&case, fault(*nth))).count();
        }
    }
    assert!(failed > 4_000, "{failed} calls failed");
}

/// X-8: the records so far come with the error, an event belongs to each, and what went has one.
#[test]
fn a_deletion_of_which_any_call_fails_tells_what_it_did() {
    let mut failed = 0;
    for (name, world, semantics, (reference, force, prune, platforms)) in
        deletions(700, 15).chain(deletions(300, 0))
    {
        let request = DeleteRequest { reference: &reference, force, prune, platforms: &platforms };
        for nth in 0.. {
            let context = format!("{name} call {nth}");
            let engine = faulty_engine(&world, &semantics, Fault::Call(nth));
            let (records, error) = run_delete(&engine, &request);
            let records = records.unwrap_or_default();
            let has_failed = engine.stores().metadata.has_failed();
            engine.stores().metadata.mend();
            engine.stores().metadata.inner.validate().unwrap_or_else(|broken| panic!("{context}: {broken}"));
            let after = world_of(&engine);
            let events = events_of(&engine);
            if platforms.is_empty() {
                let said =
                    events.iter().map(|event| (event.action.as_str(), event.attributes["name"].clone()));
                let expected = records.iter().map(|record| match record {
                    RecordText::Untagged(name) => ("untag", name.clone()),
                    RecordText::Deleted(digest) => ("delete", digest.clone()),
                });
                assert_eq!(said.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{context}");
            } else {
                assert!(events.is_empty(), "{context}");
            }
            for image in &world.images {
                let is_there = after.images.iter().any(|left| left.name == image.name);
                let (shown, digest) = shown(image, &semantics);
                let is_odd = shown == image.name || shown == digest;
                let is_told = records.contains(&RecordText::Untagged(shown));
                assert!(is_there || is_told || is_odd || expires(image), "{context}: {} is gone", image.name);
            }
            // The next deletion is that of what is left.
            let mut model = Model::new(&after, &semantics, now()).unwrap();
            let expected = model_delete(&mut model, &request);
            assert_eq!(run_delete(&engine, &request), expected, "{context} after {error:?}");
            same_state(&context, &engine, &mut model);
            if !has_failed {
                break;
            }
            failed += 1;
        }
    }
    assert!(failed > 1_000, "{failed} calls failed");
}

/// Where the parents cannot be read there are none, and the image goes all the same (X-10).
#[test]
fn parents_that_cannot_be_read_keep_no_image() {
    let semantics = Semantics::MOBY_29_CONTAINERD;
    let (child, parent) = (Digest::of(b"child"), Digest::of(b"parent"));
    let image = |name: String, digest: Digest, labels: serde_json::Value| {
        serde_json::json!({
            "name": name, "labels": labels, "created_at": "2024-01-01T00:00:00Z",
            "target": {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest},
        })
    };
    let labels = serde_json::json!({ "org.mobyproject.image.parent": parent });
    let images = [
        image("docker.io/library/a:1".to_owned(), child, labels),
        image(format!("moby-dangling@{parent}"), parent, serde_json::json!({})),
    ];
    let world = serde_json::json!({ "snapshotter": "overlayfs", "images": images });
    let world: ContainerdWorld = serde_json::from_value(world).unwrap();
    let request = DeleteRequest { reference: "a:1", force: false, prune: true, platforms: &[] };
    let outcomes: BTreeSet<_> = (0..20)
        .map(|nth| {
            let engine = faulty_engine(&world, &semantics, Fault::Call(nth));
            let (records, error) = run_delete(&engine, &request);
            (records.map_or(0, |records| records.len()), error.map(|error| error.to_string()))
        })
        .collect();
    let with_parent = (3, None);
    let without = (2, None);
    let failed = (0, Some(FAILED.to_owned()));
    assert_eq!(outcomes, BTreeSet::from([with_parent, without, failed]));
}

/// Q-14: however often the client is asked for before it is gone, engine and model stop at the same place.
#[test]
fn a_prune_that_is_given_up_at_any_poll_answers_as_the_model() {
    let mut cancelled = 0;
    for case in cases(250, 15).chain(cases(150, 0)) {
        let request = Request::parse(case.filters, &case.semantics, now()).unwrap();
        let model = Model::new(&case.world, &case.semantics, now()).unwrap();
        let considered = Subject::considered(&model, case.filters, now()).unwrap();
        let engine = <Engine<Recorder> as Subject>::load(&case.world, &case.semantics).unwrap();
        assert_eq!(Subject::considered(&engine, case.filters, now()).unwrap(), considered, "{}", case.name);
        for polls in 0.. {
            let context = format!("{} {} after {polls} polls", case.name, case.filters);
            let mut engine = <Engine<Recorder> as Subject>::load(&case.world, &case.semantics).unwrap();
            let mut model = Model::new(&case.world, &case.semantics, now()).unwrap();
            let answer =
                engine.prune_request(&request, &Order::Given(case.order.clone()), &AfterPolls::new(polls));
            let answer = answer.map_err(|error| {
                let text = error.error().clone();
                (error.into_report(), text)
            });
            let is_cancelled = answer.as_ref().is_err_and(|(_, error)| error.is_cancelled());
            let expected = model.prune(case.filters, &case.order, &AfterPolls::new(polls));
            assert_eq!(told(answer), (expected.report, expected.error), "{context}");
            assert_eq!(engine.take_events(), model.events, "{context}");
            assert_eq!(sorted(engine.world()), sorted(model.world().clone()), "{context}");
            engine.stores().validate().unwrap_or_else(|broken| panic!("{context}: {broken}"));
            cancelled += usize::from(is_cancelled);
            if polls > considered && !is_cancelled {
                break;
            }
        }
    }
    assert!(cancelled > 1_000, "{cancelled} prunes were given up");
}

/// Every name goes where the store works, so that the tests above have something to miss.
#[test]
fn a_store_that_works_fails_nothing() {
    for case in cases(100, 0) {
        let engine = faulty_engine(&case.world, &case.semantics, Fault::Call(usize::MAX));
        let mut model = Model::new(&case.world, &case.semantics, now()).unwrap();
        assert_eq!(told(run_prune(&engine, ALL, &[])), model_prune(&mut model, ALL, &[]), "{}", case.name);
        same_state(&case.name, &engine, &mut model);
    }
}
