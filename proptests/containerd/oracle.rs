//! `oracle::check` for the containerd store: what moby did is explained, and what it cannot have done is not.

use image_prune::cancel::Never;
use image_prune::containerd::Engine;
use image_prune::event::Recorder;
use image_prune::oracle::check::Asked;
use image_prune::oracle::check::containerd::{Observed, TRIES, Verdict, check};
use image_prune::replay::PruneText;
use image_prune::replay::containerd::{Action, Cancellation, Op, Outcome, Report, Scenario, Subject, step};
use image_prune::world::ContainerdWorld;
use image_prune::{Now, Semantics};

use crate::containerd_engine::made::{self, Random};

fn now_of(op: &Op, scenario: &Scenario) -> Now {
    let instant = chrono::DateTime::parse_from_rfc3339(&op.now).unwrap();
    Now { instant: instant.into(), utc_offset_seconds: scenario.world.utc_offset_seconds }
}

/// What a client sees of an outcome: an error hides the report.
fn seen(outcome: &Outcome, after: &ContainerdWorld) -> Observed {
    let mut observed = Observed { events: Some(outcome.events.clone()), ..Observed::default() };
    observed.status = Some(match &outcome.error {
        Some(error) => (error.status, error.message.clone()),
        None => (200, String::new()),
    });
    if let (Some(Some(Report::Prune(PruneText { images_deleted, space_reclaimed }))), None) =
        (&outcome.report, &outcome.error)
    {
        observed.records = Some(images_deleted.clone().unwrap_or_default());
        observed.space_reclaimed = Some(*space_reclaimed);
    }
    observed.left(after)
}

/// The prunes of recorded rows, each with the store before it, and what was seen of it.
fn recorded(mut judge: impl FnMut(&str, &ContainerdWorld, &Asked, &Observed, &Semantics)) {
    for scenario in super::recorded::scenarios("moby-29-containerd").step_by(5) {
        let semantics = scenario.semantics().unwrap();
        let mut engine = <Engine<Recorder> as Subject>::load(&scenario.world, &semantics).unwrap();
        for op in &scenario.ops {
            let before = engine.world();
            step(&mut engine, op, scenario.world.utc_offset_seconds).unwrap();
            if let Action::Prune { filters, .. } = &op.action {
                let mut asked = Asked::new(filters.clone(), now_of(op, &scenario));
                asked.cancelled = op.action.cancellation() != Cancellation::Never;
                let observed = seen(op.expect.as_ref().unwrap(), &engine.world());
                judge(&scenario.world.name, &before, &asked, &observed, &semantics);
            }
        }
    }
}

#[test]
fn what_moby_did_is_explained() {
    let (mut explained, mut given_up) = (0, Vec::new());
    recorded(|name, before, asked, observed, semantics| {
        match check(before, asked, observed, semantics).unwrap() {
            Verdict::Explained { .. } => explained += 1,
            Verdict::GaveUp { .. } => given_up.push(name.to_owned()),
            Verdict::Impossible(contradiction) => panic!("{name}: {contradiction:?}"),
        }
    });
    assert!(explained > 500, "{explained} are explained");
    assert!(given_up.len() * 100 < explained, "gave up on {given_up:?}");
}

#[test]
fn what_moby_cannot_have_done_is_not_explained() {
    let mut wrong = 0;
    recorded(|name, before, asked, observed, semantics| {
        // Every order of what is not told takes a run.
        if asked.cancelled || before.images.len() > 12 {
            return;
        }
        let mut others = Vec::new();
        let mut with = |change: &dyn Fn(&mut Observed)| {
            let mut other = observed.clone();
            change(&mut other);
            if other != *observed {
                others.push(other);
            }
        };
        with(&|other| other.space_reclaimed = other.space_reclaimed.map(|bytes| bytes + 1));
        with(&|other| drop(other.records.as_mut().and_then(Vec::pop)));
        with(&|other| drop(other.events.as_mut().and_then(Vec::pop)));
        with(&|other| drop(other.names.as_mut().and_then(std::collections::BTreeSet::pop_first)));
        with(&|other| other.blobs.iter_mut().for_each(|blobs| assert!(blobs.insert("sha256:x".to_owned()))));
        with(&|other| drop(other.snapshots.as_mut().and_then(std::collections::BTreeSet::pop_first)));
        with(&|other| other.leases.iter_mut().for_each(|leases| assert!(leases.insert("x".to_owned()))));
        with(&|other| other.status = Some((409, "a prune operation is already running".to_owned())));
        for other in others {
            let verdict = check(before, asked, &other, semantics).unwrap();
            assert!(
                !matches!(verdict, Verdict::Explained { .. }),
                "{name}: {other:?} is explained: {verdict:?}"
            );
            wrong += 1;
        }
    });
    assert!(wrong > 2_000, "{wrong} wrong outcomes were judged");
}

/// The order that the engine took is found again, from events or from records alone.
#[test]
fn any_order_of_the_engine_is_explained() {
    let (mut explained, mut given_up) = (0, 0);
    for seed in 0..400 {
        let random = &mut Random::new(seed + 5_000);
        let semantics = *random.pick(&Semantics::ALL_CONTAINERD);
        let before = made::world(random, semantics.name, if seed % 2 == 0 { 0 } else { 10 });
        let mut engine = <Engine<Recorder> as Subject>::load(&before, &semantics).unwrap();
        let mut order: Vec<String> = before.images.iter().map(|image| image.name.clone()).collect();
        order.sort_by_key(|name| image_prune::Digest::of(format!("{seed} {name}").as_bytes()));
        let (cancelled, cancel_after_considered, cancel_after_visited) = (false, None, None);
        let filters = r#"{"dangling":["false"]}"#.to_owned();
        let asked = Asked::new(
            filters.clone(),
            Now::utc(chrono::DateTime::from_timestamp(1_718_000_000, 0).unwrap()),
        );
        let action =
            Action::Prune { filters, order, cancelled, cancel_after_considered, cancel_after_visited };
        let op = Op { action, now: "2024-06-10T06:13:20Z".to_owned(), expect: None };
        let outcome = step(&mut engine, &op, 0).unwrap();
        let whole = seen(&outcome, &engine.world());
        let mut by_records = whole.clone();
        by_records.events = None;
        for observed in [whole, by_records] {
            match check(&before, &asked, &observed, &semantics).unwrap() {
                Verdict::Explained { .. } => explained += 1,
                Verdict::GaveUp { .. } => given_up += 1,
                Verdict::Impossible(contradiction) => panic!("seed {seed}: {contradiction:?}"),
            }
        }
    }
    assert!(explained > 700, "{explained} are explained, gave up on {given_up}");
}

/// Leaves out the parts whose bit is set.
fn forget(observed: Observed, parts: usize) -> Observed {
    let is_known = |bit: usize| parts & (1 << bit) == 0;
    let Observed { status, records, space_reclaimed, events, names, blobs, snapshots, leases, listed } =
        observed;
    Observed {
        status: status.filter(|_| is_known(0)),
        records: records.filter(|_| is_known(1)),
        space_reclaimed: space_reclaimed.filter(|_| is_known(2)),
        events: events.filter(|_| is_known(3)),
        names: names.filter(|_| is_known(4)),
        blobs: blobs.filter(|_| is_known(5)),
        snapshots: snapshots.filter(|_| is_known(6)),
        leases: leases.filter(|_| is_known(7)),
        listed,
    }
}

/// No outcome of the engine is refuted, cancelled or not, however little of it is known.
///
/// `PROPTEST_CASES=100000 cargo test --test proptests containerd::oracle::no_part -- --nocapture` tells how often nobody
/// can decide.
#[test]
fn no_part_of_what_the_engine_does_is_refuted() {
    let cases = std::env::var("PROPTEST_CASES").map_or(600, |cases| cases.parse().unwrap());
    let (mut explained, mut given_up) = (0_u64, 0_u64);
    for seed in 0..cases {
        let random = &mut Random::new(seed ^ 0x9a47);
        let semantics = *random.pick(&Semantics::ALL_CONTAINERD);
        let oddity = if random.percent(50) { 0 } else { 10 };
        let before = made::world(random, semantics.name, oddity);
        let mut engine = <Engine<Recorder> as Subject>::load(&before, &semantics).unwrap();
        let mut order: Vec<String> = before.images.iter().map(|image| image.name.clone()).collect();
        order.sort_by_key(|name| image_prune::Digest::of(format!("{seed} {name}").as_bytes()));
        let filters = random.pick(&["", r#"{"dangling":["false"]}"#, r#"{"dangling":["true"]}"#]).to_string();
        let polls = random.below(24);
        let (cancelled, cancel_after_considered, cancel_after_visited) = match random.below(4) {
            0 => (true, None, None),
            1 => (false, Some(polls), None),
            2 => (false, None, Some(polls)),
            _ => (false, None, None),
        };
        let mut asked = Asked::new(
            filters.clone(),
            Now::utc(chrono::DateTime::from_timestamp(1_718_000_000, 0).unwrap()),
        );
        let action =
            Action::Prune { filters, order, cancelled, cancel_after_considered, cancel_after_visited };
        asked.cancelled = action.cancellation() != Cancellation::Never;
        let op = Op { action, now: "2024-06-10T06:13:20Z".to_owned(), expect: None };
        let outcome = step(&mut engine, &op, 0).unwrap();
        let observed = forget(seen(&outcome, &engine.world()), random.below(256));
        match check(&before, &asked, &observed, &semantics).unwrap() {
            Verdict::Explained { .. } => explained += 1,
            Verdict::GaveUp { .. } => given_up += 1,
            Verdict::Impossible(contradiction) => panic!("seed {seed}: {contradiction:?} {observed:?}"),
        }
    }
    println!("explained {explained}, undecided {given_up}");
    assert!(given_up * 10 <= explained, "explained {explained}, undecided {given_up}");
}

/// Where nothing tells the order and there are too many, it says so instead of judging.
#[test]
fn it_gives_up_where_there_are_too_many_orders() {
    let semantics = Semantics::MOBY_29_CONTAINERD;
    let images: Vec<_> = (0..9)
        .map(|number| {
            serde_json::json!({
                "name": format!("docker.io/library/a:{number}"),
                "target": {
                    "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "digest": image_prune::Digest::of(&[number]),
                },
                "created_at": "2024-01-01T00:00:00Z",
            })
        })
        .collect();
    let before: ContainerdWorld =
        serde_json::from_value(serde_json::json!({ "snapshotter": "overlayfs", "images": images })).unwrap();
    let asked = Asked::new(r#"{"dangling":["false"]}"#, Now::utc(chrono::DateTime::UNIX_EPOCH));
    let observed = Observed { space_reclaimed: Some(1), ..Observed::default() };
    let verdict = check(&before, &asked, &observed, &semantics).unwrap();
    let Verdict::GaveUp { tried, nearest } = verdict else { panic!("{verdict:?}") };
    assert_eq!((tried, nearest.rule), (TRIES, "Q-10"));
    // With the events there is but one.
    let mut model = image_prune::oracle::containerd::Model::new(&before, &semantics, asked.now).unwrap();
    let _ = model.prune(&asked.filters, &[], &Never);
    let observed = Observed { events: Some(model.events.clone()), ..observed };
    let verdict = check(&before, &asked, &observed, &semantics).unwrap();
    assert!(matches!(verdict, Verdict::Impossible(_)), "{verdict:?}");
}
