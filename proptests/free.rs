//! What sets of images free together, held against an engine that really deletes them.

use std::collections::{BTreeSet, HashSet};

use image_prune::graph::delete::Extent;
use image_prune::graph::free::Sharing;
use image_prune::graph::plan::{Verdict, plan};
use image_prune::graph::select::Order;
use image_prune::graph::store::{ImageStore, ReferenceStore, Stores};
use image_prune::{ImageId, Semantics, World};
use proptest::prelude::*;

use crate::support::{ALL, Shape, config, engine, now, semantics_of, world};

const SEEDS: &str = "proptests/regressions/free.txt";
const EXTENT: Extent = Extent { force: false, prune: true };

fn semantics(world: &World) -> Semantics {
    semantics_of(world)
}

/// The images that a prune of all unused ones deletes.
fn candidates(world: &World) -> Vec<ImageId> {
    let stores = Stores::load(world.clone(), &semantics(world)).unwrap();
    let plan = plan(&stores, ALL, &semantics(world), now(), &Order::ById).unwrap();
    plan.images.iter().filter(|image| image.verdict == Verdict::Delete).map(|image| image.id).collect()
}

/// Deletes the images of a set as a client does, reference by reference; which are gone, and the bytes.
fn delete(world: &World, set: &BTreeSet<ImageId>) -> (BTreeSet<ImageId>, u64) {
    let (gone, freed, _) = delete_and_look(world, set);
    (gone, freed)
}

fn delete_and_look(world: &World, set: &BTreeSet<ImageId>) -> (BTreeSet<ImageId>, u64, Stores) {
    let engine = engine(world, semantics(world));
    let stores = engine.stores();
    let bytes = |stores: &Stores| stores.layers.layers().iter().map(|layer| layer.size.max(0)).sum::<i64>();
    let before = bytes(stores);
    // Children go before their parents; as often as there may be generations.
    for _ in 0..=set.len() {
        for id in
            set.iter().filter(|id| stores.images.contains(**id) && stores.images.children(**id).is_empty())
        {
            let references = stores.references.references(*id);
            for reference in &references {
                let _ = engine.delete(&reference.to_string(), EXTENT);
            }
            let _ = engine.delete(&id.to_string(), EXTENT);
        }
    }
    let left: BTreeSet<ImageId> = stores.images.images().into_iter().map(|(id, ..)| id).collect();
    let gone = world.images.iter().map(|image| image.id).filter(|id| !left.contains(id)).collect();
    let freed = u64::try_from(before - bytes(stores)).unwrap();
    (gone, freed, engine.into_stores())
}

fn subsets(all: &[ImageId]) -> impl Iterator<Item = BTreeSet<ImageId>> + '_ {
    (0..1_u32 << all.len()).map(move |mask| {
        all.iter().enumerate().filter(|(at, _)| mask & 1 << at != 0).map(|(_, id)| *id).collect()
    })
}

proptest! {
    #![proptest_config(config(SEEDS, 200))]

    #[test]
    fn a_set_frees_what_its_deletion_frees(world in world(Shape::small())) {
        let stores = Stores::load(world.clone(), &semantics(&world)).unwrap();
        let candidates = candidates(&world);
        let sharing = Sharing::new(&stores, &candidates, &HashSet::new());
        prop_assert_eq!(sharing.images(), candidates.as_slice());
        for set in subsets(&candidates) {
            let (gone, freed) = delete(&world, &set);
            if gone == set {
                let set: Vec<ImageId> = set.into_iter().collect();
                prop_assert_eq!(sharing.freed(&set), freed);
            }
        }
    }

    #[test]
    fn no_smaller_set_frees_enough(world in world(Shape::small()), share in 0..=110_u64) {
        let stores = Stores::load(world.clone(), &semantics(&world)).unwrap();
        let candidates = candidates(&world);
        let sharing = Sharing::new(&stores, &candidates, &HashSet::new());
        let bytes = sharing.freed(&candidates) * share / 100;
        let found = sharing.smallest(bytes);
        prop_assert!(found.is_exact);
        let (gone, freed) = delete(&world, &found.images.iter().copied().collect());
        prop_assert_eq!(gone.into_iter().collect::<Vec<_>>(), found.images.clone());
        prop_assert_eq!(freed, found.freed);
        let sets = subsets(&candidates).map(|set| (delete(&world, &set), set));
        let enough = sets.filter(|((gone, freed), set)| gone == set && *freed >= bytes);
        let best = enough.map(|((_, freed), set)| (set.len(), freed)).min();
        prop_assert_eq!(best.is_some(), found.is_enough);
        if let Some(best) = best {
            prop_assert_eq!((found.images.len(), found.freed), best);
        }
    }

    #[test]
    fn what_is_needed_stays(world in world(Shape::typical()), pick in any::<prop::sample::Index>(), share in 0..=100_u64) {
        let stores = Stores::load(world.clone(), &semantics(&world)).unwrap();
        let candidates = candidates(&world);
        let layers = stores.layers.layers();
        prop_assume!(!layers.is_empty());
        let needed = pick.get(&layers).chain_id;
        let sharing = Sharing::new(&stores, &candidates, &HashSet::from([needed]));
        let found = sharing.smallest(sharing.freed(&candidates) * share / 100);
        let (gone, freed, after) = delete_and_look(&world, &found.images.iter().copied().collect());
        prop_assert_eq!(gone.into_iter().collect::<Vec<_>>(), found.images.clone());
        prop_assert_eq!(freed, found.freed);
        let left = after.layers.layers();
        prop_assert!(left.iter().any(|layer| layer.chain_id == needed));
    }
}

/// Beyond twenty candidates a set is put together; it frees enough, and has nothing in it that could stay.
#[test]
fn many_images() {
    let stores = Stores::default();
    let mut ids = Vec::new();
    let base = stores.layers.register(image_prune::Digest::of(b"base").into(), None, 1_000).unwrap();
    let base_chain = stores.layers.layers()[0].chain_id;
    for number in 0..400_i64 {
        let diff = image_prune::Digest::of(number.to_string().as_bytes());
        let top = stores.layers.register(diff.into(), Some(base_chain), number).unwrap();
        let base_diff = image_prune::Digest::of(b"base");
        let config =
            format!(r#"{{"rootfs":{{"type":"layers","diff_ids":["{base_diff}","{diff}"]}},"n":{number}}}"#);
        ids.push(stores.images.create(config).unwrap());
        stores.layers.release(top).unwrap();
    }
    stores.layers.release(base).unwrap();
    let all: i64 = (0..400).sum();
    let all = u64::try_from(all).unwrap();
    let sharing = Sharing::new(&stores, &ids, &HashSet::new());
    assert_eq!(sharing.freed(&ids), all + 1_000);
    let found = sharing.smallest(1_000);
    assert!(!found.is_exact && found.is_enough && found.freed >= 1_000);
    assert_eq!(found.images.len(), 3, "the largest are 399, 398 and 397");
    let found = sharing.smallest(all + 1);
    assert_eq!(found.images.len(), 400, "only with all of them the base goes");
    let found = sharing.smallest(u64::MAX);
    assert!(!found.is_enough);
    let keeping = Sharing::new(&stores, &ids, &HashSet::from([base_chain]));
    let found = keeping.smallest(all + 1);
    assert_eq!((found.images.len(), found.is_enough), (399, false));
}

/// More candidates than all sets of which are looked at.
const CROWD: Shape = Shape { max_images: 48, max_layers: 24, max_references: 12, ..Shape::small() };

proptest! {
    #![proptest_config(config(SEEDS, 60))]

    #[test]
    fn a_set_put_together_frees_what_its_deletion_frees(
        world in world(CROWD), pick in any::<prop::sample::Index>(), share in 0..=110_u64,
    ) {
        let stores = Stores::load(world.clone(), &semantics(&world)).unwrap();
        let candidates = candidates(&world);
        let layers = stores.layers.layers();
        prop_assume!(!layers.is_empty());
        let needed = pick.get(&layers).chain_id;
        for needed in [HashSet::new(), HashSet::from([needed])] {
            let sharing = Sharing::new(&stores, &candidates, &needed);
            let bytes = sharing.freed(&candidates) * share / 100;
            let found = sharing.smallest(bytes);
            prop_assert_eq!(found.is_enough, found.freed >= bytes);
            prop_assert!(found.is_enough || share > 100 || !needed.is_empty(), "{:?} of {}", found, bytes);
            let (gone, freed, after) = delete_and_look(&world, &found.images.iter().copied().collect());
            prop_assert_eq!(gone.into_iter().collect::<Vec<_>>(), found.images.clone());
            prop_assert_eq!(freed, found.freed);
            let left: HashSet<_> = after.layers.layers().iter().map(|layer| layer.chain_id).collect();
            prop_assert!(needed.is_subset(&left));
        }
    }
}
