//! The containerd engine against the executable specification, on stores that nobody would make.

pub mod made;
mod plans;

use image_prune::cancel::Never;
use image_prune::containerd::free::Sharing;
use image_prune::containerd::plan::{Reason, Verdict, plan};
use image_prune::containerd::removal::{marginal, remove_images};
use image_prune::containerd::store::{Freed, Stores};
use image_prune::containerd::{Engine, Order, PruneError};
use image_prune::event::Recorder;
use image_prune::oracle::containerd::Model;
use image_prune::replay::containerd::{Op, Subject, differences, step};
use image_prune::world::ContainerdWorld;
use image_prune::{Filters, Now, Semantics, Timestamp};

use made::Random;

/// What two descriptions of one store have in common, whatever their order.
pub fn sorted(mut world: ContainerdWorld) -> ContainerdWorld {
    world.blobs.sort_by_key(|blob| blob.digest);
    world.images.sort_by(|a, b| a.name.cmp(&b.name));
    world.snapshots.sort_by(|a, b| a.key.cmp(&b.key));
    world.leases.sort_by(|a, b| a.id.cmp(&b.id));
    (world.name, world.profile) = (String::new(), String::new());
    world
}

/// Runs requests on the engine, and each on a model of what the engine had; things come in between.
fn agree(seed: u64, oddity: usize) {
    let random = &mut Random::new(seed);
    let semantics = *random.pick(&Semantics::ALL_CONTAINERD);
    let world = made::world(random, semantics.name, oddity);
    let mut engine = <Engine<Recorder> as Subject>::load(&world, &semantics).unwrap();
    assert_eq!(sorted(engine.world()), sorted(world.clone()), "seed {seed}");
    for number in 0..=random.below(5) {
        let before = engine.world();
        let mut model = <Model as Subject>::load(&before, &semantics).unwrap();
        let day = random.below(9) + 1;
        let action = made::action(random, &before);
        let op = Op { action, now: format!("2024-06-{day:02}T12:00:00Z"), expect: None };
        let expected = step(&mut model, &op, 0).unwrap();
        let got = step(&mut engine, &op, 0).unwrap();
        let different = differences(&world, &op.action, &expected, &got);
        assert!(different.is_empty(), "seed {seed} step {number} {op:?}:\n{}", different.join("\n"));
        engine.stores().validate().unwrap_or_else(|broken| panic!("seed {seed} step {number}: {broken}"));
        assert_eq!(sorted(engine.world()), sorted(model.world().clone()), "seed {seed} step {number}");
        let metadata = &engine.stores().metadata;
        for at in 0..random.below(3) {
            metadata.add_lease(made::lease(random, &before, &format!("new{number}.{at}"))).unwrap();
            if !world.blobs.is_empty() {
                metadata.add_blob(random.pick(&world.blobs)).unwrap();
            }
            if !world.images.is_empty() {
                let image = random.pick(&world.images).clone();
                image_prune::containerd::store::ImageStore::create_image(metadata, image.into()).unwrap();
            }
        }
        engine.stores().validate().unwrap_or_else(|broken| panic!("seed {seed} step {number}: {broken}"));
    }
}

#[test]
fn engine_and_model_agree_on_odd_stores() {
    (0..2_000).for_each(|seed| agree(seed, 15));
}

#[test]
fn engine_and_model_agree_on_clean_stores() {
    (0..1_000).for_each(|seed| agree(seed, 0));
}

#[test]
fn engine_and_model_agree_where_nothing_is_right() {
    (0..500).for_each(|seed| agree(seed, 45));
}

/// A plan is a run on a copy: records, bytes, events, error and what is left are those of the prune that follows, and
/// every name has the verdict that comes true.
fn planned(seed: u64, oddity: usize) {
    let random = &mut Random::new(seed ^ 0x9a17);
    let semantics = *random.pick(&Semantics::ALL_CONTAINERD);
    let stores = Stores::load(&made::world(random, semantics.name, oddity), &semantics).unwrap();
    let before = stores.to_world();
    let filters = *random.pick(&made::FILTERS);
    let order = if random.percent(50) { Order::ByName } else { Order::Shuffled(seed) };
    let now = Now { instant: Timestamp::new(1_717_500_000, 0), utc_offset_seconds: 0 };
    let planned = plan(&stores, filters, &semantics, now, &order);
    assert_eq!(sorted(stores.to_world()), sorted(before.clone()), "seed {seed}: a plan changes nothing");
    let size = stores.metadata.sizes();
    let engine = Engine::new(stores, semantics, Recorder::default()).with_order(order);
    let done = Filters::parse(filters, &semantics)
        .map_err(PruneError::from)
        .and_then(|filters| engine.prune(&filters, now, &Never));
    let Ok(planned) = planned else {
        assert!(done.is_err_and(|error| error.report().is_none()), "seed {seed}");
        return;
    };
    let (report, error) = match done {
        Ok(report) => (report, None),
        Err(error) => (error.report().unwrap().clone(), Some(error.error().clone())),
    };
    assert_eq!((&planned.report, &planned.error), (&report, &error), "seed {seed}");
    assert_eq!(planned.events, engine.events().take(), "seed {seed}");
    assert_eq!(planned.freed, size - engine.stores().metadata.sizes(), "seed {seed}");
    let after = engine.stores().to_world();
    let has = |world: &ContainerdWorld, digest| world.blobs.iter().any(|blob| blob.digest == digest);
    let is_named = |name: &str| after.images.iter().any(|image| image.name == name);
    assert_eq!(planned.names.len(), before.images.len(), "seed {seed}");
    for name in &planned.names {
        let context = format!("seed {seed} {name:?}");
        assert_eq!(is_named(&name.name), name.verdict == Verdict::Keep, "{context}");
        let digest = name.id.digest();
        match name.verdict {
            Verdict::Delete => assert!(!has(&after, digest), "{context}"),
            Verdict::Untag => {
                let other = after.images.iter().any(|image| image.target.digest == digest);
                assert!(has(&after, digest) || other, "{context}");
            }
            Verdict::Keep => assert_eq!(name.freed, Freed::default(), "{context}"),
        }
        let unexplained = matches!(&name.reason, Reason::Failed(text) if text.contains("before its turn"));
        assert!(!unexplained, "{context}");
        if let Reason::LastName { id, .. } | Reason::ContainerName { id, .. } = &name.reason {
            assert!(before.containers.iter().any(|container| container.id == *id), "{context}");
        }
    }
}

#[test]
fn plans_come_true() {
    (0..6_000).for_each(|seed| planned(seed, 15));
    (0..1_000).for_each(|seed| planned(seed, 45));
    (0..3_000).for_each(|seed| planned(seed, 0));
}

/// What sets of images free, counted by who reaches what, is what deleting them frees.
fn counted(seed: u64, oddity: usize) {
    let random = &mut Random::new(seed ^ 0xf4ee);
    let semantics = *random.pick(&Semantics::ALL_CONTAINERD);
    let world = made::world(random, semantics.name, oddity);
    let stores = Stores::load(&world, &semantics).unwrap();
    let now = Now { instant: Timestamp::new(1_717_500_000, 0), utc_offset_seconds: 0 };
    let digests: Vec<_> = world.images.iter().map(|image| image.target.digest).collect();
    let sharing = Sharing::new(&stores, &digests, now).unwrap();
    for _ in 0..3 {
        let set: Vec<_> = sharing.images().iter().copied().filter(|_| random.percent(50)).collect();
        let removal = remove_images(&stores, &set, &semantics, now).unwrap();
        // A record that no name leads to, and one that has expired, are another matter.
        if removal.stays.is_empty() && removal.warnings.is_empty() {
            assert_eq!(sharing.freed(&set), removal.freed, "seed {seed} {set:?}");
        }
        let bytes = u64::try_from(sharing.freed(&set).total()).unwrap_or(0);
        let smallest = sharing.smallest(bytes);
        assert!(smallest.is_enough && smallest.images.len() <= set.len(), "seed {seed} {smallest:?}");
        assert_eq!(smallest.freed, sharing.freed(&smallest.images), "seed {seed}");
    }
    for (digest, freed) in marginal(&stores, now).unwrap() {
        let removal = remove_images(&stores, &[digest], &semantics, now).unwrap();
        if removal.stays.is_empty() {
            assert_eq!(freed, removal.freed, "seed {seed} {digest}");
        }
    }
}

#[test]
fn what_sets_free_is_what_deleting_them_frees() {
    (0..600).for_each(|seed| counted(seed, 0));
    (0..600).for_each(|seed| counted(seed, 15));
}
