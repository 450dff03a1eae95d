//! What deleting a set frees: the engine's answer against the one that is counted, and the chosen set against every
//! other.

use std::collections::HashSet;

use image_prune::graph::free::Sharing;
use image_prune::graph::removal::remove;
use image_prune::graph::store::{ContainerStore, Stores};
use image_prune::{ImageId, Record, World};
use proptest::prelude::*;

use crate::support::{Shape, config, engine, semantics_of, world};

const SEEDS: &str = "proptests/regressions/removal.txt";

/// The images whose bit is set.
fn subset(ids: &[ImageId], bits: u64) -> Vec<ImageId> {
    ids.iter().zip(0..64).filter(|(_, bit)| bits >> bit & 1 == 1).map(|(id, _)| *id).collect()
}

/// Images that no container uses.
fn unused(stores: &Stores) -> Vec<ImageId> {
    let ids = stores.to_world().images.into_iter().map(|image| image.id);
    ids.filter(|id| stores.containers.count(*id) == 0).collect()
}

/// What docker before 28.0 does not know.
fn without_mounts(mut world: World) -> World {
    world.containers.iter_mut().for_each(|container| container.image_mounts.clear());
    world
}

proptest! {
    #![proptest_config(config(SEEDS, 400))]

    #[test]
    fn a_copy_changes_and_what_stays_has_a_reason(world in world(Shape::typical()), bits: u64) {
        let semantics = semantics_of(&world);
        let engine = engine(&world, semantics);
        let before = engine.stores().to_world();
        let ids: Vec<_> = before.images.iter().map(|image| image.id).collect();
        let set = subset(&ids, bits);
        let removal = remove(engine.stores(), &set, &semantics);
        prop_assert_eq!(engine.stores().to_world(), before);
        for id in set {
            let goes = removal.records.contains(&Record::Image(id));
            let stays = removal.stays.iter().any(|(stays, _)| *stays == id);
            prop_assert!(goes != stays, "{id}: {removal:?}");
        }
    }

    #[test]
    fn the_chosen_set_frees_what_it_says_and_no_smaller_one_does(
        world in world(Shape::small()),
        wanted in 0_u64..300,
    ) {
        let semantics = semantics_of(&world);
        let engine = engine(&without_mounts(world), semantics);
        let ids = unused(engine.stores());
        let sharing = Sharing::new(engine.stores(), &ids, &HashSet::new());
        let choice = sharing.smallest(wanted);
        prop_assert!(choice.is_exact);
        prop_assert_eq!(choice.freed, remove(engine.stores(), &choice.images, &semantics).bytes);
        for bits in 0..1 << ids.len() {
            let set = subset(&ids, bits);
            let removal = remove(engine.stores(), &set, &semantics);
            let gone = removal.records.iter().filter(|record| matches!(record, Record::Image(_)));
            let is_smaller = (gone.count(), removal.bytes) < (choice.images.len(), choice.freed);
            let does = removal.bytes >= wanted;
            prop_assert!(!does || choice.is_enough, "{set:?} frees {}", removal.bytes);
            prop_assert!(!choice.is_enough || !does || !is_smaller, "{set:?} frees {}, {choice:?}", removal.bytes);
        }
    }

    #[test]
    fn each_alone_is_counted_as_it_is_deleted(world in world(Shape::typical())) {
        let semantics = semantics_of(&world);
        let engine = engine(&world, semantics);
        for (id, bytes) in image_prune::graph::removal::marginal(engine.stores(), &semantics) {
            prop_assert_eq!(bytes, remove(engine.stores(), &[id], &semantics).bytes, "{}", id);
        }
    }
}
