//! Bytes as a function of sets: the counted answer against the engine's, and the chosen set against every other.

use image_prune::free::{EXACT_LIMIT, Holders, Search, free};
use image_prune::store::Stores;
use image_prune::{DiffId, Digest, ImageId, Semantics};
use proptest::prelude::*;

use crate::support::{Shape, config, engine, semantics_of, world};

const SEEDS: &str = "proptests/regressions/free.txt";

/// The images whose bit is set.
fn subset(ids: &[ImageId], bits: u64) -> Vec<ImageId> {
    ids.iter().zip(0..64).filter(|(_, bit)| bits >> bit & 1 == 1).map(|(id, _)| *id).collect()
}

fn agree(world: &image_prune::World, bits: u64) -> Result<(), TestCaseError> {
    let semantics = semantics_of(world);
    let engine = engine(world, semantics);
    let ids: Vec<_> = engine.stores().to_world().images.iter().map(|image| image.id).collect();
    let set = subset(&ids, bits);
    let holders = Holders::new(engine.stores(), &semantics);
    let freed = free(engine.stores(), &set, &semantics);
    prop_assert_eq!(holders.freed(&set), freed.bytes);
    for (id, alone) in holders.marginal(&ids) {
        prop_assert_eq!(alone, free(engine.stores(), &[id], &semantics).bytes);
    }
    prop_assert_eq!(engine.stores().to_world().images.len(), ids.len(), "only a copy changes");
    Ok(())
}

proptest! {
    #![proptest_config(config(SEEDS, 600))]

    #[test]
    fn counting_equals_deleting(world in world(Shape::typical()), bits: u64) {
        agree(&world, bits)?;
    }

    #[test]
    fn counting_equals_deleting_in_small_worlds(world in world(Shape::small()), bits: u64) {
        agree(&world, bits)?;
    }

    /// Against every subset, and against the set that frees most.
    #[test]
    fn no_smaller_set_frees_as_much(world in world(Shape::small()), wanted in 0_u64..300) {
        let semantics = semantics_of(&world);
        let engine = engine(&world, semantics);
        let ids: Vec<_> = engine.stores().to_world().images.iter().map(|image| image.id).collect();
        let holders = Holders::new(engine.stores(), &semantics);
        let choice = holders.smallest(&ids, wanted);
        prop_assert_eq!(choice.search, Search::Exact);
        prop_assert_eq!(choice.bytes, free(engine.stores(), &choice.images, &semantics).bytes);
        prop_assert_eq!(choice.is_enough, holders.freed(&ids) >= wanted);
        for bits in 0..1 << ids.len() {
            let set = subset(&ids, bits);
            let bytes = free(engine.stores(), &set, &semantics).bytes;
            let does = bytes >= wanted;
            let is_smaller = (set.len(), bytes) < (choice.images.len(), choice.bytes);
            prop_assert!(!choice.is_enough || !does || !is_smaller, "{set:?} frees {bytes}, {choice:?}");
        }
    }
}

/// `images` images, each with a layer of its own on one that all share.
fn family(images: u64) -> (Stores, Vec<ImageId>) {
    let stores = Stores::default();
    let diff = |text: String| DiffId::from(Digest::of(text.as_bytes()));
    let base = stores.layers.register(diff("base".into()), None, 1000).unwrap();
    let ids = (0..images).map(|number| {
        let own = diff(format!("own {number}"));
        let size = i64::try_from(10 + number).unwrap();
        let layer = stores.layers.register(own, Some(base.chain_id()), size).unwrap();
        let config = format!(
            r#"{{"author":"{number}","rootfs":{{"type":"layers","diff_ids":["{}","{own}"]}}}}"#,
            diff("base".into())
        );
        let id = stores.images.create(config).unwrap();
        stores.layers.release(layer).unwrap();
        id
    });
    let ids = ids.collect();
    stores.layers.release(base).unwrap();
    (stores, ids)
}

#[test]
fn beyond_the_limit_the_search_is_greedy_and_says_so() {
    let (stores, ids) = family(60);
    let holders = Holders::new(&stores, &Semantics::MOBY_20_10);
    let choice = holders.smallest(&ids, 130);
    // The two largest: 69 + 68.
    assert_eq!((choice.search, choice.images.len(), choice.bytes), (Search::Greedy, 2, 137));
    let everything = holders.smallest(&ids, u64::MAX);
    assert!(!everything.is_enough);
    assert_eq!((everything.images.len(), everything.bytes), (60, 1000 + (10..70).sum::<u64>()));
    let shared = holders.smallest(&ids, everything.bytes);
    assert!(shared.is_enough, "the base comes back with the last");
    assert_eq!(shared.images.len(), 60);
}

#[test]
fn twenty_candidates_are_searched_in_full() {
    let (stores, ids) = family(EXACT_LIMIT as u64);
    let holders = Holders::new(&stores, &Semantics::MOBY_20_10);
    let choice = holders.smallest(&ids, 250);
    let bytes = free(&stores, &choice.images, &Semantics::MOBY_20_10).bytes;
    // The ten largest free 245: eleven it is, the least that is enough.
    assert_eq!((choice.search, choice.images.len(), choice.bytes), (Search::Exact, 11, bytes));
    assert_eq!(bytes, 250);
    assert!(holders.smallest(&[], 0).is_enough);
    assert!(!holders.smallest(&[], 1).is_enough);
}
