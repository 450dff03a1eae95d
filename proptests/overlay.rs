//! An overlay answers as a copy does, over our stores and over those of others, and changes nothing below.

use std::collections::{BTreeSet, HashSet};

use image_prune::event::Recorder;
use image_prune::graph::Engine;
use image_prune::graph::delete::Extent;
use image_prune::graph::free::Sharing;
use image_prune::graph::plan::plan;
use image_prune::graph::removal::{marginal, remove};
use image_prune::graph::select::Order;
use image_prune::graph::store::{
    ContainerStore, ImageStore, Layer, LayerSizes, LayerStore, ReferenceStore, Stores,
};
use image_prune::replay::{Action, Op};
use image_prune::{
    ChainId, Error, Filters, Image, ImageId, PruneRequest, Reference, Semantics, World, cancel,
};
use proptest::prelude::*;
use serde_json::json;

use crate::support::foreign::foreign_engine;
use crate::support::{Shape, config, filters, now, scenario, semantics_of, sorted, valid, world};

const SEEDS: &str = "proptests/regressions/overlay.txt";

/// All that stores say of what once was in a world.
#[derive(Debug, PartialEq)]
struct Said {
    ids: [BTreeSet<ImageId>; 2],
    images: Vec<(Option<Image>, Option<ImageId>)>,
    children: Vec<(BTreeSet<ImageId>, bool)>,
    may_go: Vec<bool>,
    references: Vec<(Vec<Reference>, bool, bool)>,
    named: Vec<Option<ImageId>>,
    layers: Vec<(Option<Layer>, Vec<ChainId>)>,
    bases: Vec<Option<i64>>,
    found: Vec<Result<ImageId, String>>,
}

impl Said {
    fn new<I: ImageStore, R: ReferenceStore, L: LayerStore, C: ContainerStore>(
        stores: &Stores<I, R, L, C>,
        world: &World,
        semantics: &Semantics,
    ) -> Self {
        let ids = || world.images.iter().map(|image| image.id);
        let Stores { images, references, layers, .. } = stores;
        let of_image = |id| {
            let image = images.get(id).ok().map(|image| (*image).clone());
            (image, images.parent(id))
        };
        let of_references = |id| {
            (references.references(id), references.has_references(id), references.has_single_reference(id))
        };
        let named = |name: &str| references.get(&Reference::parse(name, semantics).unwrap());
        let of_layer = |chain| {
            let mut chains = Vec::new();
            layers.walk(chain, &mut |chain, _| {
                chains.push(chain);
                true
            });
            (layers.layer(chain), chains)
        };
        let bases = world.layers.iter().filter(|layer| layer.parent.is_none());
        let sizes = layers.sizes();
        let prefixes = ids().flat_map(|id| [1, 2, 64].map(|length| id.hex()[..length].to_owned()));
        Self {
            ids: [false, true].map(|heads_only| images.ids(heads_only).into_iter().collect()),
            images: ids().map(of_image).collect(),
            children: ids()
                .map(|id| (images.children(id).into_iter().collect(), images.has_children(id)))
                .collect(),
            may_go: ids().map(|id| images.check_delete(id).is_ok()).collect(),
            references: ids().map(of_references).collect(),
            named: world.references.iter().map(|reference| named(&reference.name)).collect(),
            layers: world.layers.iter().map(|layer| of_layer(layer.chain_id)).collect(),
            bases: bases.map(|layer| sizes.diff_size(layer.chain_id)).collect(),
            found: prefixes.map(|prefix| images.search(&prefix).map_err(|error| error.to_string())).collect(),
        }
    }
}

/// The records and bytes, or the error.
fn act<I: ImageStore, R: ReferenceStore, L: LayerStore, C: ContainerStore>(
    engine: &Engine<Recorder, I, R, L, C>,
    op: &Op,
) -> String {
    match &op.action {
        Action::Prune { filters, .. } => {
            let request = PruneRequest::parse(filters, engine.semantics(), now());
            let order = Order::Given(op.order.clone());
            format!(
                "{:?}",
                request.and_then(|request| engine.prune_request(&request, &order, &cancel::Never))
            )
        }
        Action::Delete { reference, force, prune } => {
            format!(
                "{:?}",
                engine.delete(reference, Extent { force: *force, prune: *prune }).map_err(Error::from)
            )
        }
    }
}

proptest! {
    #![proptest_config(config(SEEDS, 300))]

    #[test]
    fn an_overlay_answers_as_a_copy(scenario in scenario(Shape::broken(), 6)) {
        let semantics = scenario.semantics().unwrap();
        let world = &scenario.world;
        let stores = Stores::load(world.clone(), &semantics).unwrap();
        let before = stores.to_world();
        let copy = Engine::new(stores.copy(), semantics, Recorder::default());
        let lower = stores.overlay();
        let over = Engine::new(stores.overlay(), semantics, Recorder::default());
        let twice = Engine::new(lower.overlay(), semantics, Recorder::default());
        for op in &scenario.ops {
            let expected = act(&copy, op);
            prop_assert_eq!(&act(&over, op), &expected);
            prop_assert_eq!(&act(&twice, op), &expected);
            let said = Said::new(copy.stores(), world, &semantics);
            prop_assert_eq!(&Said::new(over.stores(), world, &semantics), &said);
            prop_assert_eq!(&Said::new(twice.stores(), world, &semantics), &said);
            prop_assert_eq!(over.events().take(), copy.events().take());
        }
        prop_assert_eq!(stores.to_world(), before);
        valid(&stores)?;
    }

    #[test]
    fn a_plan_is_a_prune_of_a_copy(world in world(Shape::broken()), filters in filters(), seed: u64) {
        let semantics = semantics_of(&world);
        let stores = Stores::load(world, &semantics).unwrap();
        let before = stores.to_world();
        let order = Order::Shuffled(seed);
        let copy = Engine::new(stores.copy(), semantics, Recorder::default()).with_order(order.clone());
        let planned = plan(&stores, &filters, &semantics, now(), &order);
        let pruned = Filters::parse(&filters, &semantics)
            .and_then(|filters| copy.prune(&filters, now(), &cancel::Never));
        let events = copy.events().take();
        prop_assert_eq!(planned.map(|plan| (plan.report, plan.events)), pruned.map(|report| (report, events)));
        prop_assert_eq!(stores.to_world(), before);
        valid(&stores)?;
    }

    #[test]
    fn a_stranger_gets_the_same_plan(world in world(Shape::broken()), filters in filters(), seed: u64) {
        let semantics = semantics_of(&world);
        let ours = Stores::load(world.clone(), &semantics).unwrap();
        let theirs = foreign_engine(&world, semantics);
        let order = Order::Shuffled(seed);
        let expected = plan(&ours, &filters, &semantics, now(), &order);
        let got = plan(theirs.stores(), &filters, &semantics, now(), &order);
        prop_assert_eq!(got.as_ref().map(|plan| json!(plan)), expected.as_ref().map(|plan| json!(plan)));
        prop_assert_eq!(theirs.stores().images.world(), sorted(ours.to_world()));
        if let Ok(plan) = got {
            let request = PruneRequest::parse(&filters, &semantics, now()).unwrap();
            prop_assert_eq!(theirs.prune_request(&request, &order, &cancel::Never).unwrap(), plan.report);
        }
    }

    #[test]
    fn a_stranger_is_told_the_same_of_sets(world in world(Shape::typical()), bits: u64, share in 0..=110_u64) {
        let semantics = semantics_of(&world);
        let ours = Stores::load(world.clone(), &semantics).unwrap();
        let theirs = foreign_engine(&world, semantics);
        let theirs = theirs.stores();
        let set: Vec<ImageId> =
            world.images.iter().zip(0..64).filter(|(_, bit)| bits >> bit & 1 == 1).map(|(image, _)| image.id).collect();
        prop_assert_eq!(remove(theirs, &set, &semantics), remove(&ours, &set, &semantics));
        prop_assert_eq!(marginal(theirs, &semantics), marginal(&ours, &semantics));
        let sharing = [Sharing::new(&ours, &set, &HashSet::new()), Sharing::new(theirs, &set, &HashSet::new())];
        let [expected, got] = sharing.each_ref().map(|sharing| sharing.smallest(sharing.freed(&set) * share / 100));
        prop_assert_eq!(got, expected);
        prop_assert_eq!(theirs.images.world(), sorted(ours.to_world()));
    }
}
