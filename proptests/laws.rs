//! Laws of a prune (O-1, P-9, P-12) on random worlds. Three that are false, though anybody would
//! write them down first, are cases in `testdata/cases/false-law-*.case`.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use image_prune::event::Recorder;
use image_prune::graph::delete::DeleteErrorKind;
use image_prune::graph::select::{Candidates, Order, list, select};
use image_prune::graph::store::Stores;
use image_prune::graph::{Engine, PruneReport};
use image_prune::{
    ChainId, DiffId, Digest, Filters, ImageId, PruneRequest, Record, Reference, Semantics, World, cancel,
};
use proptest::prelude::*;

use crate::support::{
    ALL, Shape, config, engine, filters, multiset, now, parsed, semantics_of, sorted, valid, world,
};

const SEEDS: &str = "proptests/regressions/laws.txt";

/// A prune that was done.
struct Done {
    before: World,
    after: World,
    report: PruneReport,
}

impl Done {
    /// None where the filters are refused.
    fn new(world: &World, filters: &str) -> Option<Self> {
        let engine = engine(world, semantics_of(world));
        let before = engine.stores().to_world();
        let filters = Filters::parse(filters, &semantics_of(world)).ok()?;
        let report = engine.prune(&filters, now(), &cancel::Never).ok()?;
        Some(Self { before, after: engine.stores().to_world(), report })
    }

    fn deleted(&self) -> BTreeSet<ImageId> {
        &images(&self.before) - &images(&self.after)
    }

    /// Whether a call failed that had changed something (D-14), so that records were lost.
    fn lost_records(&self) -> bool {
        let is_harmless = |failure: &DeleteErrorKind| {
            matches!(failure, DeleteErrorKind::Conflict(_) | DeleteErrorKind::NoSuchImage(_))
                || failure.to_string().starts_with("unable to delete image")
        };
        !self.report.skipped.iter().all(|skipped| is_harmless(&skipped.failure))
    }
}

fn images(world: &World) -> BTreeSet<ImageId> {
    world.images.iter().map(|image| image.id).collect()
}

fn references(world: &World) -> BTreeSet<(String, ImageId)> {
    world.references.iter().map(|reference| (reference.name.clone(), reference.id)).collect()
}

fn layers(world: &World) -> BTreeMap<ChainId, i64> {
    world.layers.iter().map(|layer| (layer.chain_id, layer.size)).collect()
}

/// Each order of up to five, a sample of orders of more.
fn orders(ids: &[ImageId], seed: u64) -> Vec<Vec<ImageId>> {
    if ids.len() <= 5 {
        return permutations(ids);
    }
    let shuffled = |shuffle: u64| {
        let mut order = ids.to_vec();
        order.sort_by_key(|id| image_prune::Digest::of(format!("{seed} {shuffle} {id}").as_bytes()));
        order
    };
    (0..6).map(shuffled).collect()
}

fn permutations(ids: &[ImageId]) -> Vec<Vec<ImageId>> {
    if ids.is_empty() {
        return vec![Vec::new()];
    }
    let with_first = |first: &ImageId| {
        let first = *first;
        let rest: Vec<_> = ids.iter().copied().filter(|id| *id != first).collect();
        permutations(&rest).into_iter().map(move |rest| [vec![first], rest].concat())
    };
    ids.iter().flat_map(with_first).collect()
}

/// O-1, the exceptions: a deletion that fails at the parent loses its records (D-14), with them those of layers
/// that others had, too, and which deletion that is depends on the order. It fails at a parent of a foreign
/// operating system, where that is checked, and at one that does not exist (D-10).
fn may_lose_records(world: &World, semantics: &Semantics) -> bool {
    let is_foreign = |image: &image_prune::world::Image| {
        let parsed = image_prune::Image::parse(image.config.clone(), semantics).unwrap();
        semantics.os_is_checked_on_delete && !parsed.is_os_supported()
    };
    let find = |id| world.images.iter().find(|image| image.id == id);
    let mut parents = world.images.iter().filter_map(|image| image.parent);
    parents.any(|parent| find(parent).is_none_or(is_foreign))
}

/// O-1: any order gives the same stores, the same bytes and the same multiset of records.
fn any_order_is_as_good(world: &World, filters: &str, seed: u64) -> Result<(), TestCaseError> {
    let semantics = semantics_of(world);
    let Ok(request) = PruneRequest::parse(filters, &semantics, now()) else { return Ok(()) };
    let stores = Stores::load(world.clone(), &semantics).unwrap();
    let candidates: Candidates =
        select(&stores, list(&stores, &request), &request, &Order::ById, &cancel::Never).unwrap();
    let only_stores = may_lose_records(world, &semantics);
    let mut first = None;
    for order in orders(candidates.ids(), seed) {
        let engine = Engine::new(stores.copy(), semantics, Recorder::default());
        let report = engine.prune_request(&request, &Order::Given(order), &cancel::Never).unwrap();
        valid(engine.stores())?;
        let records = multiset(report.images_deleted);
        let events = multiset(engine.events().take().iter().map(|event| format!("{event:?}")));
        let told = (!only_stores).then_some((records, report.space_reclaimed, events));
        let outcome = (engine.stores().to_world(), told);
        prop_assert_eq!(first.get_or_insert_with(|| outcome.clone()), &outcome);
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(SEEDS, 100))]

    #[test]
    fn any_order_is_as_good_in_small_worlds(world in world(Shape::small()), filters in filters()) {
        any_order_is_as_good(&world, &filters, 0)?;
    }

    #[test]
    fn any_order_is_as_good_in_broken_worlds(
        world in world(Shape::broken()), filters in filters(), seed: u64
    ) {
        any_order_is_as_good(&world, &filters, seed)?;
    }

    #[test]
    fn any_order_is_as_good_in_typical_worlds(
        world in world(Shape::typical()), filters in filters(), seed: u64
    ) {
        any_order_is_as_good(&world, &filters, seed)?;
    }
}

proptest! {
    #![proptest_config(config(SEEDS, 300))]

    #[test]
    fn an_image_in_use_stays_with_a_reference(world in world(Shape::broken()), filters in filters()) {
        let Some(done) = Done::new(&world, &filters) else { return Ok(()) };
        let deleted = done.deleted();
        let has_reference = |world: &World, id| world.references.iter().any(|one| one.id == id);
        for container in &world.containers {
            prop_assert!(!deleted.contains(&container.image));
            if has_reference(&done.before, container.image) {
                prop_assert!(has_reference(&done.after, container.image));
            }
        }
    }

    #[test]
    fn dangling_mode_takes_no_tag(world in world(Shape::broken())) {
        let done = Done::new(&world, "").unwrap();
        let gone = &references(&done.before) - &references(&done.after);
        prop_assert!(gone.iter().all(|(name, _)| name.contains('@')), "{gone:?}");
    }

    #[test]
    fn all_mode_takes_what_dangling_mode_takes(world in world(Shape::broken())) {
        let dangling = Done::new(&world, "").unwrap().deleted();
        let all = Done::new(&world, ALL).unwrap().deleted();
        prop_assert!(dangling.is_subset(&all), "{:?}", &dangling - &all);
    }

    #[test]
    fn what_the_report_says_is_what_went(world in world(Shape::broken()), filters in filters()) {
        let Some(done) = Done::new(&world, &filters) else { return Ok(()) };
        report_is_exact(&done)?;
    }

    #[test]
    fn what_the_report_says_is_what_went_in_typical_worlds(
        world in world(Shape::typical()), filters in filters()
    ) {
        let Some(done) = Done::new(&world, &filters) else { return Ok(()) };
        prop_assert!(!done.lost_records());
        report_is_exact(&done)?;
    }

    #[test]
    fn all_mode_leaves_nothing_to_a_second_prune(world in world(Shape::broken())) {
        let engine = engine(&world, semantics_of(&world));
        engine.prune(&parsed(ALL), now(), &cancel::Never).unwrap();
        let once = engine.stores().to_world();
        let again = engine.prune(&parsed(ALL), now(), &cancel::Never).unwrap();
        prop_assert_eq!(again.images_deleted, []);
        prop_assert_eq!(again.space_reclaimed, 0);
        prop_assert_eq!(engine.stores().to_world(), once);
    }

    #[test]
    fn containers_never_change(world in world(Shape::broken()), filters in filters()) {
        let Some(done) = Done::new(&world, &filters) else { return Ok(()) };
        prop_assert_eq!(sorted(done.before).containers, sorted(done.after).containers);
    }

    /// What a plan foretells is what a prune does.
    #[test]
    fn a_plan_is_a_prune_that_did_not_happen(world in world(Shape::broken()), filters in filters()) {
        let semantics = semantics_of(&world);
        let engine = engine(&world, semantics);
        let before = engine.stores().to_world();
        let plan = image_prune::graph::plan::plan(engine.stores(), &filters, &semantics, now(), &Order::ById);
        prop_assert_eq!(engine.stores().to_world(), before);
        let filters = Filters::parse(&filters, &semantics);
        match (plan, filters.and_then(|filters| engine.prune(&filters, now(), &cancel::Never))) {
            (Ok(plan), Ok(report)) => {
                prop_assert_eq!(plan.report, report);
                prop_assert_eq!(plan.events, engine.events().take());
                let gone = |image: &&image_prune::graph::plan::ImagePlan| {
                    image.verdict == image_prune::graph::plan::Verdict::Delete
                };
                let foretold: BTreeSet<_> = plan.images.iter().filter(gone).map(|image| image.id).collect();
                prop_assert_eq!(foretold, &images(&world) - &images(&engine.stores().to_world()));
            }
            (Err(plan), Err(prune)) => prop_assert_eq!(plan, prune),
            (plan, prune) => prop_assert!(false, "{plan:?}, {prune:?}"),
        }
    }
}

/// Bytes are those of the layers that went, each once; each record is something that went. What went
/// with a call that failed half-way has no record.
fn report_is_exact(done: &Done) -> Result<(), TestCaseError> {
    let semantics = semantics_of(&done.before);
    let before = layers(&done.before);
    let after = layers(&done.after);
    let mut untagged = Vec::new();
    let mut deleted = Vec::new();
    let mut freed = Vec::new();
    for record in &done.report.images_deleted {
        match record {
            Record::Untagged(reference) => untagged.push(reference.familiar().to_owned()),
            Record::Image(id) => deleted.push(*id),
            Record::Layer(chain) => freed.push(*chain),
        }
    }
    let bytes = freed.iter().fold(0_u64, |sum, chain| sum.wrapping_add(before[chain].cast_unsigned()));
    prop_assert_eq!(done.report.space_reclaimed, bytes);
    let familiar =
        |(name, _): &(String, ImageId)| Reference::parse(name, &semantics).unwrap().familiar().to_owned();
    let gone = (
        (&references(&done.before) - &references(&done.after)).iter().map(familiar).collect::<BTreeSet<_>>(),
        done.deleted(),
        before.keys().copied().filter(|chain| !after.contains_key(chain)).collect::<BTreeSet<_>>(),
    );
    let counts = (untagged.len(), deleted.len(), freed.len());
    let told = (
        untagged.into_iter().collect::<BTreeSet<_>>(),
        deleted.into_iter().collect::<BTreeSet<_>>(),
        freed.into_iter().collect::<BTreeSet<_>>(),
    );
    prop_assert_eq!(counts, (told.0.len(), told.1.len(), told.2.len()), "something went twice");
    if done.lost_records() {
        prop_assert!(told.0.is_subset(&gone.0) && told.1.is_subset(&gone.1) && told.2.is_subset(&gone.2));
    } else {
        prop_assert_eq!(told, gone);
    }
    Ok(())
}

/// An image without history or labels, on these layers; `author` tells it from others.
fn image_on(diffs: &[DiffId], author: &str) -> String {
    let diffs: Vec<_> = diffs.iter().map(|diff| format!("\"{diff}\"")).collect();
    format!(r#"{{"author":"{author}","rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#, diffs.join(","))
}

/// P-9: only layers that were there when the prune began count. Here an image on a new layer becomes, behind the
/// choice of candidates, the parent of the one candidate, and goes along.
#[test]
fn a_layer_registered_during_a_prune_counts_nothing() {
    let [old, new] = ["old", "new"].map(|name| DiffId::from(Digest::of(name.as_bytes())));
    for semantics in Semantics::ALL {
        let engine = Engine::new(Stores::new(&semantics), semantics, Recorder::default());
        let stores = engine.stores();
        let handle = stores.layers.register(old, None, 1000).unwrap();
        let child = stores.images.create(image_on(&[old], "child")).unwrap();
        stores.layers.release(handle).unwrap();

        let polls = Cell::new(0);
        let at_second_poll = || {
            polls.set(polls.get() + 1);
            if polls.get() == 2 {
                let handle = stores.layers.register(new, None, 70).unwrap();
                let parent = stores.images.create(image_on(&[new], "parent")).unwrap();
                stores.layers.release(handle).unwrap();
                stores.images.set_parent(child, parent).unwrap();
            }
            false
        };
        let report = engine.prune(&Filters::default(), now(), &at_second_poll).unwrap();
        assert_eq!(polls.get(), 2);
        assert_eq!(report.images_deleted.len(), 4, "both images, both layers");
        let layer = Record::Layer(ChainId::on(None, new));
        assert!(report.images_deleted.contains(&layer));
        assert_eq!(report.space_reclaimed, 1000);
        assert!(stores.layers.is_empty() && stores.images.is_empty());
        stores.validate().unwrap();

        // The snapshot of that prune is gone: to the next one the same layer is an old one.
        let handle = stores.layers.register(new, None, 70).unwrap();
        stores.images.create(image_on(&[new], "parent")).unwrap();
        stores.layers.release(handle).unwrap();
        assert_eq!(engine.prune(&Filters::default(), now(), &cancel::Never).unwrap().space_reclaimed, 70);
    }
}
