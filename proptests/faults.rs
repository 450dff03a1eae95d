//! A store call fails, at every position (D-14, Y-6, O-4): the engine does what the model does with
//! the same fault, releases its guard, and can go on.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use image_prune::event::{ImageEvent, Recorder};
use image_prune::graph::Engine;
use image_prune::graph::delete::Extent;
use image_prune::graph::select::Order;
use image_prune::graph::store::{Images, Layers, References, Stores};
use image_prune::oracle::graph::Model;
use image_prune::replay::Subject;
use image_prune::{Digest, Error, Filters, ImageId, PruneRequest, World, cancel};
use proptest::prelude::*;

use crate::support::faulty::{Fault, FaultyEngine, Plan, faulty_engine, faulty_model, into_plain};
use crate::support::requests::visits;
use crate::support::{ALL, Shape, as_text, config, filters, now, parsed, semantics_of, sorted, world};

const SEEDS: &str = "proptests/regressions/faults.txt";

proptest! {
    #![proptest_config(config(SEEDS, 100))]

    #[test]
    fn at_every_call_of_a_prune(world in world(Shape::broken()), filters in filters(), seed: u64) {
        at_every_call(&world, &filters, seed)?;
    }

    #[test]
    fn at_every_call_of_a_prune_of_all(world in world(Shape::small()), seed: u64) {
        at_every_call(&world, ALL, seed)?;
    }

    #[test]
    fn at_every_call_of_a_delete(
        mut world in world(Shape::small()), which: u8, force: bool, prune: bool
    ) {
        // Which of several users a conflict names is free (O-5): by ID, and no mounts among them.
        world.containers.sort_by_key(|container| container.id);
        world.containers.iter_mut().for_each(|container| container.image_mounts.clear());
        let names = world.references.iter().map(|reference| reference.name.clone());
        let names: Vec<_> = names.chain(world.images.iter().map(|image| image.id.hex())).collect();
        if names.is_empty() {
            return Ok(());
        }
        let name = &names[usize::from(which) % names.len()];
        let semantics = semantics_of(&world);
        for nth in 0.. {
            let (plan, model_plan) = (Plan::new(Fault::Nth(nth)), Plan::new(Fault::Nth(nth)));
            let engine = faulty_engine(&world, semantics, &plan);
            let mut model = faulty_model(&world, &semantics, &model_plan);
            let got = engine.delete(name, Extent { force, prune });
            let got = got.map_err(|error| (error.records().to_vec(), Error::from(error)));
            let expected = Model::delete(&mut model, name, force, prune);
            prop_assert_eq!(got, expected.map_err(|failed| (failed.records, failed.error)));
            same_world(&engine, &mut model)?;
            check_stores(engine)?;
            if plan.calls() <= nth {
                break;
            }
        }
    }

    /// P-1: the guard is released, a panic included; the stores stay sound.
    #[test]
    fn a_panic_in_the_event_sink(world in world(Shape::small()), at in 0..6_usize) {
        let semantics = semantics_of(&world);
        let calls = Cell::new(0);
        let sink = |_: ImageEvent| {
            calls.set(calls.get() + 1);
            if calls.get() == at + 1 {
                std::panic::resume_unwind(Box::new("injected"));
            }
        };
        let engine = Engine::new(Stores::load(world, &semantics).unwrap(), semantics, sink);
        let run = || engine.prune(&parsed(ALL), now(), &cancel::Never).map(drop);
        let panicked = catch_unwind(AssertUnwindSafe(run)).is_err();
        prop_assert_eq!(panicked, calls.get() > at);
        prop_assert_eq!(engine.stores().validate(), Ok(()));
        calls.set(at + 1);
        prop_assert_eq!(run(), Ok(()));
    }
}

/// Lets each call fail in its turn, until there is no such call any more.
fn at_every_call(world: &World, filters: &str, seed: u64) -> Result<(), TestCaseError> {
    let semantics = semantics_of(world);
    let Ok(request) = PruneRequest::parse(filters, &semantics, now()) else { return Ok(()) };
    let order = visits(world, seed);
    for nth in 0.. {
        let (plan, model_plan) = (Plan::new(Fault::Nth(nth)), Plan::new(Fault::Nth(nth)));
        let engine = faulty_engine(world, semantics, &plan);
        let mut model = faulty_model(world, &semantics, &model_plan);
        // The second prune runs on what the fault has left: the guard is released, leaks stay.
        for order in [order.clone(), Vec::new()] {
            let expected = model.prune(&request, &order, &cancel::Never).unwrap();
            let got = engine.prune_request(&request, &Order::Given(order), &cancel::Never).unwrap();
            prop_assert_eq!(got.images_deleted, expected.records);
            prop_assert_eq!(got.space_reclaimed, expected.space_reclaimed);
            prop_assert_eq!(plan.calls(), model_plan.calls());
            same_world(&engine, &mut model)?;
        }
        check_stores(engine)?;
        if plan.calls() <= nth {
            break;
        }
    }
    Ok(())
}

fn same_world(engine: &FaultyEngine, model: &mut Model) -> Result<(), TestCaseError> {
    prop_assert_eq!(as_text(&engine.events().take()), as_text(&model.take_events()));
    let stores = engine.stores();
    let after = sorted(model.world());
    let images: Vec<_> = after.images.iter().map(|image| (image.id, image.parent)).collect();
    let mut got: Vec<_> = stores.images.0.images().into_iter().map(|(id, _, parent)| (id, parent)).collect();
    got.sort_unstable();
    prop_assert_eq!(got, images);
    let references: Vec<_> =
        after.references.iter().map(|reference| (reference.name.clone(), reference.id)).collect();
    let mut got: Vec<_> = stores
        .references
        .0
        .all()
        .into_iter()
        .map(|(reference, id)| (reference.as_str().to_owned(), id))
        .collect();
    got.sort_unstable();
    prop_assert_eq!(got, references);
    let mut got = stores.layers.layers();
    got.sort_by_key(|layer| layer.chain_id);
    prop_assert_eq!(got, after.layers);
    Ok(())
}

fn check_stores(engine: FaultyEngine) -> Result<(), TestCaseError> {
    into_plain(engine).validate().map_err(TestCaseError::fail)
}

/// A world by names: layers by their path, images by a letter.
#[derive(Default)]
struct Drawing(World);

impl Drawing {
    fn layer(mut self, path: &str, size: i64) -> Self {
        let parent = path.rsplit_once('/').map(|(below, _)| chain(below));
        let diff_id = diff(path);
        let chain_id = chain(path);
        self.0.layers.push(image_prune::world::Layer { chain_id, diff_id, parent, size });
        self
    }

    fn image(mut self, name: &str, top: &str, parent: Option<&str>) -> Self {
        let parent = parent.map(|parent| self.id(parent));
        let paths = top.match_indices('/').map(|(at, _)| &top[..at]).chain([top]);
        let diffs: Vec<_> = paths.map(|path| format!("\"{}\"", diff(path))).collect();
        let config = format!(r#"{{"name":"{name}","rootfs":{{"diff_ids":[{}]}}}}"#, diffs.join(","));
        let config = config.into_bytes();
        let id = ImageId::of(&config);
        self.0.images.push(image_prune::world::Image { id, config: config.into(), parent });
        self
    }

    fn reference(mut self, name: &str, image: &str) -> Self {
        let (name, id) = (format!("docker.io/library/{name}"), self.id(image));
        self.0.references.push(image_prune::world::Reference { name, id });
        self
    }

    fn id(&self, name: &str) -> ImageId {
        let start = format!(r#"{{"name":"{name}","#);
        let image = self.0.images.iter().find(|image| image.config.starts_with(start.as_bytes()));
        image.unwrap().id
    }

    /// The names in a list of records.
    fn name(&self, text: &str) -> String {
        let mut paths: Vec<&str> = LAYERS.to_vec();
        paths.retain(|path| chain(path).to_string() == text);
        let names = ["A", "B", "P", "C", "D"];
        let drawn = names.iter().filter(|name| {
            self.0
                .images
                .iter()
                .any(|image| image.config.starts_with(format!(r#"{{"name":"{name}","#).as_bytes()))
        });
        let name = drawn.copied().find(|name| self.id(name).to_string() == text);
        paths.first().copied().or(name).unwrap_or(text).to_owned()
    }
}

const LAYERS: [&str; 9] = ["base", "base/a", "base/b", "base/p", "base/p/c", "base/p/d", "a0", "a0/a1", "b0"];

fn diff(path: &str) -> image_prune::DiffId {
    Digest::of(path.as_bytes()).into()
}

fn chain(path: &str) -> image_prune::ChainId {
    let below = path.rsplit_once('/').map(|(below, _)| chain(below));
    image_prune::ChainId::on(below, diff(path))
}

/// What a prune with this fault and order says, how many bytes, what is left; engine and model agree.
fn with_fault(drawing: &Drawing, fault: &Fault, filters: &str, order: &[&str]) -> (String, u64, String) {
    let semantics = semantics_of(&drawing.0);
    let engine = faulty_engine(&drawing.0, semantics, &Plan::new(fault.clone()));
    let mut model = faulty_model(&drawing.0, &semantics, &Plan::new(fault.clone()));
    let order: Vec<_> = order.iter().map(|name| drawing.id(name)).collect();
    let request = PruneRequest::parse(filters, &semantics, now()).unwrap();
    let expected = model.prune(&request, &order, &cancel::Never).unwrap();
    let got = engine.prune_request(&request, &Order::Given(order), &cancel::Never).unwrap();
    assert_eq!(got.images_deleted, expected.records);
    assert_eq!(got.space_reclaimed, expected.space_reclaimed);
    same_world(&engine, &mut model).unwrap();
    let records = got.images_deleted.iter().map(|record| {
        let text = record.to_string();
        let (kind, what) = text.split_once(": ").unwrap();
        format!("{}:{}", if kind == "untagged" { "U" } else { "D" }, drawing.name(what))
    });
    let records = records.collect::<Vec<_>>().join(" ");
    let after = into_plain(engine).to_world();
    let mut left: Vec<_> = after.images.iter().map(|image| drawing.name(&image.id.to_string())).collect();
    left.extend(after.layers.iter().map(|layer| drawing.name(&layer.chain_id.to_string())));
    left.sort_unstable();
    (records, got.space_reclaimed, left.join(" "))
}

/// The rows of O-4.
#[test]
fn outcomes_by_order() {
    let check =
        |drawing: &Drawing, fault: Fault, filters: &str, order: &[&str], expected: (&str, u64, &str)| {
            let got = with_fault(drawing, &fault, filters, order);
            assert_eq!((got.0.as_str(), got.1, got.2.as_str()), expected, "{fault:?} in order {order:?}");
        };
    let family = || {
        let layers = Drawing::default().layer("base", 1).layer("base/p", 2);
        layers.layer("base/p/c", 30).layer("base/p/d", 40).image("P", "base/p", None)
    };
    let two = family().image("C", "base/p/c", Some("P")).image("D", "base/p/d", Some("P"));
    let p = || Fault::Layer(chain("base/p"));
    check(&two, p(), "", &["C", "D"], ("D:C D:base/p/c", 30, "base"));
    check(&two, p(), "", &["D", "C"], ("D:D D:base/p/d", 40, "base"));

    let shared = Drawing::default().layer("base", 1).layer("base/a", 20).layer("base/b", 30);
    let shared = shared.image("A", "base/a", None).image("B", "base/b", None);
    let shared = shared.reference("a:1", "A").reference("b:1", "B");
    let base = || Fault::Layer(chain("base"));
    check(&shared, base(), ALL, &["A", "B"], ("U:a:1 D:A D:base/a", 20, ""));
    check(&shared, base(), ALL, &["B", "A"], ("U:b:1 D:B D:base/b", 30, ""));

    let one = || {
        let layers = Drawing::default().layer("base", 1).layer("base/p", 2).layer("base/p/c", 30);
        layers.image("P", "base/p", None).image("C", "base/p/c", Some("P"))
    };
    let tagged = one().reference("p:1", "P").reference("c:1", "C");
    check(&tagged, p(), ALL, &["C", "P"], ("U:c:1 D:C D:base/p/c", 30, "base"));
    check(&tagged, p(), ALL, &["P", "C"], ("U:p:1", 0, "base"));
    let lease = || Fault::Lease(tagged.id("P"));
    check(&tagged, lease(), ALL, &["C", "P"], ("U:c:1 D:C D:base/p/c", 30, "P base base/p"));
    check(&tagged, lease(), ALL, &["P", "C"], ("U:p:1", 0, "P base base/p"));

    let strangers = || {
        let layers = Drawing::default().layer("a0", 1).layer("a0/a1", 20).layer("b0", 32);
        layers.image("A", "a0/a1", None).image("B", "b0", None)
    };
    let untagged = strangers();
    check(&untagged, Fault::FirstLayer, "", &["A", "B"], ("D:B D:b0", 32, "a0"));
    check(&untagged, Fault::FirstLayer, "", &["B", "A"], ("D:A D:a0/a1 D:a0", 21, ""));
    check(&untagged, Fault::FirstLease, "", &["A", "B"], ("D:B D:b0", 32, "A a0 a0/a1"));
    check(&untagged, Fault::FirstLease, "", &["B", "A"], ("D:A D:a0/a1 D:a0", 21, "B b0"));
    let tagged = strangers().reference("a:1", "A").reference("b:1", "B");
    check(&tagged, Fault::FirstSave, ALL, &["A", "B"], ("U:b:1 D:B D:b0", 32, "A a0 a0/a1"));
    check(&tagged, Fault::FirstSave, ALL, &["B", "A"], ("U:a:1 D:A D:a0/a1 D:a0", 21, "B b0"));
}

const D1: &str = "sha256:46d37521711864b786dac868b587acf9b2d7afcc417b6c7febb8ba05af6e1fdd";

/// The rows of D-14 that need a fault: which records come back, which events were said, whether the
/// reference and the image are still there.
#[test]
fn state_when_an_error_is_returned() {
    let drawing = || {
        let layers = Drawing::default().layer("base", 1).layer("base/p", 2).layer("base/p/c", 30);
        let images = layers.image("P", "base/p", None).image("C", "base/p/c", Some("P"));
        images.reference("c:1", "C").reference(&format!("c@{D1}"), "C")
    };
    let world = drawing();
    let layer = |path| Fault::Layer(chain(path));
    for (fault, text, records, events, references, left) in [
        (Fault::FirstSave, "injected", 0, "", 1, "C P base base/p base/p/c"),
        (Fault::SecondSave, "injected", 1, "untag", 0, "C P base base/p base/p/c"),
        (Fault::FirstLease, "error deleting lease: injected", 0, "untag", 0, "C P base base/p base/p/c"),
        (layer("base/p/c"), "injected", 0, "untag", 0, "P base base/p"),
        (layer("base/p"), "injected", 0, "untag delete", 0, "base"),
        (
            Fault::Lease(world.id("P")),
            "error deleting lease: injected",
            0,
            "untag delete",
            0,
            "P base base/p",
        ),
    ] {
        let engine = faulty_engine(&world.0, semantics_of(&world.0), &Plan::new(fault.clone()));
        let error = engine.delete("c:1", Extent { force: false, prune: true }).unwrap_err();
        assert_eq!(error.to_string(), text, "{fault:?}");
        assert_eq!(error.records().len(), records, "{fault:?}");
        let said: Vec<_> = engine.events().take().iter().map(ImageEvent::action).collect();
        assert_eq!(said.join(" "), events, "{fault:?}");
        let after = into_plain(engine).to_world();
        assert_eq!(after.references.len(), references, "{fault:?}");
        let mut names: Vec<_> = after.images.iter().map(|image| world.name(&image.id.to_string())).collect();
        names.extend(after.layers.iter().map(|layer| world.name(&layer.chain_id.to_string())));
        names.sort_unstable();
        assert_eq!(names.join(" "), left, "{fault:?}");
    }
}

/// Y-6, its example: z, y, x with y failing leaves x, which nobody will ever free.
#[test]
fn a_failing_driver_leaks_the_layer_below() {
    let y = chain("x/y");
    let driver = move |chain| if chain == y { Err(Error::system("injected")) } else { Ok(()) };
    let layers = Arc::new(Layers::with_driver(driver));
    let x = layers.register(diff("x"), None, 1).unwrap();
    let below = layers.register(diff("x/y"), Some(x.chain_id()), 2).unwrap();
    let top = layers.register(diff("x/y/z"), Some(below.chain_id()), 3).unwrap();
    assert_eq!(layers.release(x), Ok(Vec::new()));
    assert_eq!(layers.release(below), Ok(Vec::new()));
    assert_eq!(layers.release(top).unwrap_err().to_string(), "injected");
    assert_eq!(layers.layers().iter().map(|layer| layer.chain_id).collect::<Vec<_>>(), [chain("x")]);
    let held = layers.get(chain("x")).unwrap();
    assert_eq!(layers.release(held), Ok(Vec::new()));
    assert_eq!(layers.len(), 1);
}

/// P-1: asked while it runs, from within.
#[test]
fn a_second_prune_at_once_is_refused() {
    let semantics = image_prune::Semantics::MOBY_20_10;
    let engine: Engine<Recorder, Images, References> =
        Engine::new(Stores::new(&semantics), semantics, Recorder::default());
    engine.stores().images.create(r#"{"rootfs":{}}"#.as_bytes()).unwrap();
    let unknown = parsed(r#"{"nonsense":["1"]}"#);
    let refused = Cell::new(0);
    let nested = || {
        // Whatever is wrong with the filters: the guard comes first (P-2).
        let error = engine.prune(&unknown, now(), &cancel::Never).unwrap_err();
        assert!(error.is_conflict());
        assert_eq!(error.to_string(), "a prune operation is already running");
        assert_eq!(error.rule(), Some("P-1"));
        refused.set(refused.get() + 1);
        false
    };
    let report = engine.prune(&Filters::default(), now(), &nested).unwrap();
    assert_eq!(report.images_deleted.len(), 1);
    assert_eq!(refused.get(), 2);
    assert!(engine.prune(&Filters::default(), now(), &cancel::Never).is_ok());
    // Refused filters release it, too.
    assert!(engine.prune(&unknown, now(), &cancel::Never).unwrap_err().is_invalid_parameter());
    assert!(engine.prune(&Filters::default(), now(), &cancel::Never).is_ok());
}
