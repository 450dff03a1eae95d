//! What no recorded scenario reaches: faults, disk usage, mounts, and stores that Docker itself could
//! not have made. Layers are named by their path from the base, images by a capital letter.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use std::collections::BTreeMap;

use super::*;
use crate::api::record::Record;
use crate::api::request::PruneRequest;
use crate::base::cancel;
use crate::base::digest::{ContainerId, DiffId, Digest};
use crate::go::time::Now;

const D1: &str = "sha256:46d37521711864b786dac868b587acf9b2d7afcc417b6c7febb8ba05af6e1fdd";

/// A world under construction, and the names of what is in it.
#[derive(Default)]
struct Sketch {
    world: World,
    names: BTreeMap<String, String>,
    semantics: Semantics,
}

impl Sketch {
    fn layer(&mut self, path: &str, size: i64) -> ChainId {
        let diff_id = DiffId::from(Digest::of(path.as_bytes()));
        self.layer_of(path, diff_id, size)
    }

    fn layer_of(&mut self, path: &str, diff_id: DiffId, size: i64) -> ChainId {
        let parent = path.rsplit_once('/').map(|(parent, _)| self.layer_named(parent).chain_id);
        let chain_id = ChainId::on(parent, diff_id);
        self.names.insert(chain_id.to_string(), path.to_owned());
        self.world.layers.push(world::Layer { chain_id, diff_id, parent, size });
        chain_id
    }

    fn layer_named(&self, path: &str) -> &world::Layer {
        self.world.layers.iter().find(|layer| self.names[&layer.chain_id.to_string()] == path).unwrap()
    }

    /// An image on the layer with this path, created later than those before it.
    fn image(&mut self, name: &str, path: &str, parent: Option<ImageId>) -> ImageId {
        let mut diffs = Vec::new();
        let mut below = Some(path).filter(|path| !path.is_empty());
        while let Some(path) = below {
            diffs.insert(0, format!("\"{}\"", self.layer_named(path).diff_id));
            below = path.rsplit_once('/').map(|(parent, _)| parent);
        }
        self.image_of(
            name,
            &format!(r#""rootfs":{{"type":"layers","diff_ids":[{}]}}"#, diffs.join(",")),
            parent,
        )
    }

    fn image_of(&mut self, name: &str, fields: &str, parent: Option<ImageId>) -> ImageId {
        let created = format!("2020-01-01T00:00:{:02}Z", self.world.images.len());
        let config = format!(r#"{{"name":"{name}","created":"{created}",{fields}}}"#).into_bytes();
        let id = ImageId::of(&config);
        self.names.insert(id.to_string(), name.to_owned());
        self.world.images.push(world::Image { id, config: config.into(), parent });
        id
    }

    fn reference(&mut self, name: &str, id: ImageId) {
        self.world.references.push(world::Reference { name: name.to_owned(), id });
    }

    fn container(&mut self, image: ImageId) -> &mut world::Container {
        let id = ContainerId::from(Digest::of(&[u8::try_from(self.world.containers.len()).unwrap()]));
        let container =
            world::Container { id, image, running: false, rw_layer_parent: None, image_mounts: Vec::new() };
        self.world.containers.push(container);
        self.world.containers.last_mut().unwrap()
    }

    fn model(&self) -> Model {
        Model::new(&self.world, &self.semantics).unwrap()
    }

    /// `U:a:1 D:A D:base/a`
    fn records(&self, records: &[Record]) -> String {
        let show = |record: &Record| match record {
            Record::Untagged(reference) => format!("U:{}", reference.familiar()),
            Record::Image(id) => format!("D:{}", self.names[&id.to_string()]),
            Record::Layer(chain) => format!("D:{}", self.names[&chain.to_string()]),
        };
        records.iter().map(show).collect::<Vec<_>>().join(" ")
    }

    /// The records and the bytes of a prune in this order.
    fn prune(&self, model: &mut Model, filters: &str, order: &[ImageId]) -> (String, u64) {
        let request = PruneRequest::parse(filters, &self.semantics, now()).unwrap();
        let pruned = model.prune(&request, order, &cancel::Never).unwrap();
        (self.records(&pruned.records), pruned.space_reclaimed)
    }

    /// Images, then layers.
    fn left(&self, model: &Model) -> String {
        let world = model.world();
        let images = world.images.iter().map(|image| image.id.to_string());
        let layers = world.layers.iter().map(|layer| layer.chain_id.to_string());
        images.chain(layers).map(|id| self.names[&id].clone()).collect::<Vec<_>>().join(" ")
    }
}

fn now() -> Now {
    Now::utc(chrono::DateTime::UNIX_EPOCH)
}

const ALL: &str = r#"{"dangling":["false"]}"#;

/// The nth call (from 0) of those that `matches` picks fails.
fn nth(nth: usize, matches: impl Fn(&StoreCall) -> bool + 'static) -> impl Faults + 'static {
    let mut seen = 0;
    move |call: &StoreCall| {
        let matching = matches(call);
        seen += usize::from(matching);
        (matching && seen == nth + 1).then(|| Error::system("injected"))
    }
}

fn layer_fails(chain: ChainId) -> impl Faults + 'static {
    move |call: &StoreCall| (*call == StoreCall::RemoveLayer(chain)).then(|| Error::system("injected"))
}

#[test]
fn driver_fault_in_a_parent_loses_the_second_childs_records() {
    // O-4, row 1
    let mut sketch = Sketch::default();
    sketch.layer("base", 1);
    let p_layer = sketch.layer("base/p", 2);
    sketch.layer("base/p/c", 30);
    sketch.layer("base/p/d", 40);
    let p = sketch.image("P", "base/p", None);
    let c = sketch.image("C", "base/p/c", Some(p));
    let d = sketch.image("D", "base/p/d", Some(p));
    for (order, records, bytes) in [([c, d], "D:C D:base/p/c", 30), ([d, c], "D:D D:base/p/d", 40)] {
        let mut model = sketch.model().with_faults(layer_fails(p_layer));
        assert_eq!(sketch.prune(&mut model, "", &order), (records.to_owned(), bytes));
        assert_eq!(sketch.left(&model), "base");
        // D-14: no `delete` of the image whose layer failed, though it is gone.
        let deleted = |event: &ImageEvent| matches!(event, ImageEvent::Delete(_));
        assert_eq!(model.events.iter().filter(|event| deleted(event)).count(), 2);
    }
}

#[test]
fn nothing_frees_a_leaked_layer() {
    // Y-6: the count of the layer that failed stays on base, and nobody owns it.
    let mut sketch = Sketch::default();
    sketch.layer("base", 1);
    let failing = sketch.layer("base/a", 20);
    sketch.layer("base/b", 30);
    let a = sketch.image("A", "base/a", None);
    let b = sketch.image("B", "base/b", None);
    let mut model = sketch.model().with_faults(layer_fails(failing));
    assert_eq!(sketch.prune(&mut model, "", &[a, b]), ("D:B D:base/b".to_owned(), 30));
    assert_eq!(sketch.left(&model), "base");
}

#[test]
fn driver_fault_in_a_shared_layer() {
    // O-4, row 2
    let mut sketch = Sketch::default();
    let base = sketch.layer("base", 1);
    sketch.layer("base/a", 20);
    sketch.layer("base/b", 30);
    let a = sketch.image("A", "base/a", None);
    let b = sketch.image("B", "base/b", None);
    sketch.reference("docker.io/library/a:1", a);
    sketch.reference("docker.io/library/b:1", b);
    for (order, records, bytes) in [([a, b], "U:a:1 D:A D:base/a", 20), ([b, a], "U:b:1 D:B D:base/b", 30)] {
        let mut model = sketch.model().with_faults(layer_fails(base));
        assert_eq!(sketch.prune(&mut model, ALL, &order), (records.to_owned(), bytes));
        assert_eq!(sketch.left(&model), "");
    }
}

/// P(p:1) ← C(c:1)
fn tagged_parent_and_child() -> (Sketch, ImageId, ImageId, ChainId) {
    let mut sketch = Sketch::default();
    sketch.layer("base", 1);
    let p_layer = sketch.layer("base/p", 2);
    sketch.layer("base/p/c", 30);
    let p = sketch.image("P", "base/p", None);
    let c = sketch.image("C", "base/p/c", Some(p));
    sketch.reference("docker.io/library/p:1", p);
    sketch.reference("docker.io/library/c:1", c);
    (sketch, p, c, p_layer)
}

#[test]
fn driver_fault_under_a_tagged_parent() {
    // O-4, row 3
    let (sketch, p, c, p_layer) = tagged_parent_and_child();
    for (order, records, bytes) in [([c, p], "U:c:1 D:C D:base/p/c", 30), ([p, c], "U:p:1", 0)] {
        let mut model = sketch.model().with_faults(layer_fails(p_layer));
        assert_eq!(sketch.prune(&mut model, ALL, &order), (records.to_owned(), bytes));
        assert_eq!(sketch.left(&model), "base");
    }
}

#[test]
fn lease_fault_keeps_an_untagged_parent() {
    // O-4, row 4
    let (sketch, p, c, _) = tagged_parent_and_child();
    for (order, records, bytes) in [([c, p], "U:c:1 D:C D:base/p/c", 30), ([p, c], "U:p:1", 0)] {
        let lease_fails =
            move |call: &StoreCall| (*call == StoreCall::DeleteLease(p)).then(|| Error::system("injected"));
        let mut model = sketch.model().with_faults(lease_fails);
        assert_eq!(sketch.prune(&mut model, ALL, &order), (records.to_owned(), bytes));
        assert_eq!(sketch.left(&model), "P base base/p");
        assert!(model.world().references.is_empty());
        let error = model.delete(&p.hex(), false, false).unwrap_err().error;
        assert_eq!(error.to_string(), "error deleting lease: injected");
        assert!(error.is_system());
    }
}

#[test]
fn first_fault_takes_its_victims_records() {
    // O-4, rows 5 to 7
    let mut sketch = Sketch::default();
    sketch.layer("a0", 1);
    sketch.layer("a0/a1", 20);
    sketch.layer("b0", 2);
    sketch.layer("b0/b1", 30);
    let a = sketch.image("A", "a0/a1", None);
    let b = sketch.image("B", "b0/b1", None);
    let driver = || nth(0, |call| matches!(call, StoreCall::RemoveLayer(_)));
    let lease = || nth(0, |call| matches!(call, StoreCall::DeleteLease(_)));
    let save = || nth(0, |call| matches!(call, StoreCall::SaveReferences(_)));

    let mut model = sketch.model().with_faults(driver());
    assert_eq!(sketch.prune(&mut model, "", &[a, b]), ("D:B D:b0/b1 D:b0".to_owned(), 32));
    assert_eq!(sketch.left(&model), "a0");
    let mut model = sketch.model().with_faults(driver());
    assert_eq!(sketch.prune(&mut model, "", &[b, a]), ("D:A D:a0/a1 D:a0".to_owned(), 21));
    assert_eq!(sketch.left(&model), "b0");

    let mut model = sketch.model().with_faults(lease());
    assert_eq!(sketch.prune(&mut model, "", &[a, b]), ("D:B D:b0/b1 D:b0".to_owned(), 32));
    assert_eq!(sketch.left(&model), "A a0 a0/a1");

    sketch.reference("docker.io/library/a:1", a);
    sketch.reference("docker.io/library/b:1", b);
    let mut model = sketch.model().with_faults(save());
    assert_eq!(sketch.prune(&mut model, ALL, &[a, b]), ("U:b:1 D:B D:b0/b1 D:b0".to_owned(), 32));
    assert_eq!(sketch.left(&model), "A a0 a0/a1");
    assert!(model.world().references.is_empty());
    assert!(!model.events.contains(&ImageEvent::Untag(a, None)));
}

#[test]
fn save_fault_in_the_clean_up_hands_the_records_back() {
    // D-14, row 5: the only failure with records.
    let mut sketch = Sketch::default();
    let a = sketch.image("A", "", None);
    sketch.reference("docker.io/library/a:1", a);
    sketch.reference(&format!("docker.io/library/a@{D1}"), a);
    let mut model = sketch.model().with_faults(nth(1, |call| matches!(call, StoreCall::SaveReferences(_))));
    let failed = model.delete("a:1", false, true).unwrap_err();
    assert_eq!(failed.error.to_string(), "injected");
    assert_eq!(sketch.records(&failed.records), "U:a:1");
    assert!(model.world().references.is_empty());
    assert_eq!(sketch.left(&model), "A");
    assert_eq!(model.events, [ImageEvent::Untag(a, None)]);
}

#[test]
fn missing_parent_fails_the_call_unless_it_is_named() {
    // D-10
    let mut sketch = Sketch::default();
    let gone = ImageId::of(b"gone");
    let c = sketch.image("C", "", Some(gone));
    let error = sketch.model().delete(&c.hex(), false, true).unwrap_err().error;
    assert_eq!(error.to_string(), format!("unrecognized image ID {gone}"));
    assert_eq!(sketch.records(&sketch.model().delete(&c.hex(), false, false).unwrap()), "D:C");
    // I-9: an image that is not there has no children, so another child changes nothing.
    sketch.image("D", "", Some(gone));
    assert!(sketch.model().delete(&c.hex(), false, true).is_err());
    sketch.reference("docker.io/library/a:1", gone);
    assert_eq!(sketch.records(&sketch.model().delete(&c.hex(), false, true).unwrap()), "D:C");
    sketch.world.references.clear();
    sketch.container(gone);
    assert_eq!(sketch.records(&sketch.model().delete(&c.hex(), false, true).unwrap()), "D:C");
}

#[test]
fn its_own_parent_is_never_deleted() {
    // I-7. No config names its own digest, so two images stand in for one: a cycle.
    let mut sketch = Sketch::default();
    let a = sketch.image("A", "", None);
    let b = sketch.image("B", "", Some(a));
    sketch.world.images[0].parent = Some(b);
    let mut model = sketch.model();
    assert_eq!(sketch.prune(&mut model, "", &[]), (String::new(), 0));
    assert_eq!(sketch.prune(&mut model, ALL, &[]), (String::new(), 0));
    assert!(model.delete(&a.hex(), true, true).unwrap_err().error.is_conflict());
}

#[test]
fn image_mounts_guard_the_last_reference_only() {
    // D-5.1 since 28.0
    let mut sketch = Sketch::default();
    let a = sketch.image("A", "", None);
    sketch.reference("docker.io/library/a:1", a);
    sketch.container(ImageId::of(b"other")).image_mounts.push(a);
    for (semantics, records) in [(Semantics::MOBY_26_1, "U:a:1 D:A"), (Semantics::MOBY_28_5, "")] {
        sketch.semantics = semantics;
        assert_eq!(sketch.prune(&mut sketch.model(), ALL, &[]).0, records);
    }
    sketch.world.references.clear();
    assert_eq!(sketch.prune(&mut sketch.model(), "", &[]).0, "D:A");
}

#[test]
fn image_id_equal_to_a_chain_counts_its_size() {
    // P-9
    let mut sketch = Sketch::default();
    let a = sketch.image("A", "", None);
    let chain = sketch.layer_of("base", DiffId::from(a.digest()), 777);
    sketch.image("B", "base", None);
    sketch.reference("docker.io/library/b:1", sketch.world.images[1].id);
    sketch.names.insert(a.to_string(), "A".to_owned());
    let mut model = sketch.model();
    assert_eq!(sketch.prune(&mut model, "", &[]), ("D:A".to_owned(), 777));
    assert_eq!(model.world().layers[0].chain_id, chain);
}

#[test]
fn finds_images_as_moby_does() {
    // G-1, I-12
    let mut sketch = Sketch::default();
    let a = sketch.image("A", "", None);
    let model = sketch.model();
    let hex = a.hex();
    for found in [&hex, &a.to_string(), &hex[..3], &format!("sha256:{}", &hex[..1])] {
        assert_eq!(model.get_image(found), Ok(a), "{found}");
    }
    let other = Digest::of(b"other").hex();
    for (text, shown) in [
        ("sha256", "sha256:latest".to_owned()),
        ("xyz", "xyz:latest".to_owned()),
        (&other, format!("sha256:{other}")),
        (&format!("sha512:{hex}{hex}"), format!("sha512:{hex}{hex}")),
        (&format!("sha512:{}", &hex[..5]), format!("sha512:{}", &hex[..5])),
    ] {
        let error = model.get_image(text).unwrap_err();
        assert!(error.is_not_found());
        assert_eq!(error.to_string(), format!("No such image: {shown}"));
    }
    // A digest is never looked up as a reference, though `sha512:<digits>` would be one.
    let text = format!("sha512:{hex}{hex}");
    sketch.reference(&format!("docker.io/library/{text}"), a);
    assert!(sketch.model().get_image(&text).unwrap_err().is_not_found());
    // Two images with one prefix: ambiguity is "not found".
    let mut two = Sketch::default();
    let first = two.image("A", "", None).hex();
    let twin = (0..1_000).map(|n| format!("T{n}")).find(|name| {
        let mut sketch = Sketch::default();
        sketch.image("A", "", None);
        sketch.image(name, "", None).hex()[..1] == first[..1]
    });
    two.image(&twin.unwrap(), "", None);
    assert_eq!(
        two.model().get_image(&first[..1]).unwrap_err().to_string(),
        format!("No such image: {}:latest", &first[..1])
    );
}

#[test]
fn usage_of_the_specifications_example() {
    // U-6
    let mut sketch = Sketch::default();
    for (path, size) in [("base", 10), ("base/a", 20), ("base/b", 30), ("base/p", 40), ("base/p/c", 50)] {
        sketch.layer(path, size);
    }
    sketch.image("Z", "", None);
    let a = sketch.image("A", "base/a", None);
    let b = sketch.image("B", "base/b", None);
    let p = sketch.image("P", "base/p", None);
    sketch.image("C", "base/p/c", Some(p));
    sketch.reference("docker.io/library/a:latest", a);
    sketch.reference("docker.io/library/b:latest", b);
    sketch.reference(&format!("docker.io/library/b@{D1}"), b);
    sketch.container(a).running = true;
    sketch.container(a);
    let table = |sketch: &Sketch| {
        let usage = sketch.model().usage().unwrap();
        assert_eq!(usage.layers_size, 150);
        let row = |image: &ImageUsage| {
            let name = &sketch.names[&image.id.to_string()];
            format!("{name} {}/{} {}", image.size, image.shared_size, image.containers)
        };
        usage.images.iter().map(row).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(table(&sketch), "C 100/10 0, B 40/10 0, A 30/10 2, Z 0/0 0");
    sketch.semantics = Semantics::MOBY_26_1;
    assert_eq!(table(&sketch), "C 100/50 0, B 40/10 0, A 30/10 2, Z 0/0 0");
    let none = |sketch: &Sketch| sketch.model().usage().unwrap().images[0].repo_tags.clone();
    assert_eq!(none(&sketch), None);
    sketch.semantics = Semantics::MOBY_20_10;
    assert_eq!(none(&sketch), Some(vec!["<none>:<none>".to_owned()]));
    let b = sketch.model().usage().unwrap().images[1].clone();
    assert_eq!(b.repo_digests, Some(vec![format!("b@{D1}")]));
    assert_eq!(b.repo_tags, Some(vec!["b:latest".to_owned()]));
}

#[test]
fn layers_of_intermediates_alone_do_not_count() {
    // U-5; and P-4: it is no candidate, even where its child goes without taking it along.
    let mut sketch = Sketch::default();
    sketch.layer("p", 1);
    let failing = sketch.layer("c", 20);
    let p = sketch.image("P", "p", None);
    let c = sketch.image("C", "c", Some(p));
    assert_eq!(sketch.model().usage().unwrap().layers_size, 20);
    let mut model = sketch.model().with_faults(layer_fails(failing));
    assert_eq!(sketch.prune(&mut model, ALL, &[c, p]), (String::new(), 0));
    assert_eq!(sketch.left(&model), "P p");
}

#[test]
fn empty_diff_id_breaks_disk_usage() {
    // I-5, U-4: such an image has no layer, and its layer is looked for all the same.
    let mut sketch = Sketch::default();
    sketch.image_of("A", r#""rootfs":{"diff_ids":[""]}"#, None);
    let usage = sketch.model().usage();
    assert_eq!(usage.unwrap_err().to_string(), "layer  was not found (corruption?)");
    sketch.semantics = Semantics::MOBY_26_1;
    assert_eq!(sketch.model().usage().unwrap().images.len(), 1);
    sketch.image_of("B", r#""rootfs":{"diff_ids":[""]}"#, None);
    assert!(sketch.model().usage().is_err());
}

#[test]
fn refuses_what_no_store_could_hold() {
    let refused = |change: &dyn Fn(&mut Sketch)| {
        let mut sketch = Sketch::default();
        sketch.layer("base", 1);
        let a = sketch.image("A", "base", None);
        sketch.reference("docker.io/library/a:1", a);
        change(&mut sketch);
        Model::new(&sketch.world, &sketch.semantics).unwrap_err().to_string()
    };
    let other = ImageId::of(b"other");
    assert!(refused(&|sketch| sketch.world.images[0].id = other).starts_with("failed to verify: "));
    assert!(refused(&|sketch| sketch.world.layers.clear()).ends_with(": layer does not exist"));
    assert!(refused(&|sketch| sketch.world.images.push(sketch.world.images[0].clone())).ends_with("twice"));
    assert!(refused(&|sketch| sketch.world.layers.push(sketch.world.layers[0].clone())).ends_with("twice"));
    let tag = refused(&|sketch| sketch.reference("docker.io/library/a:1", other));
    assert!(tag.starts_with("Conflict: Tag a:1 is already set to image sha256:"), "{tag}");
    let windows = r#""os":"windows","rootfs":{"diff_ids":["DIFF"]}"#;
    let foreign = refused(&|sketch| {
        let fields = windows.replace("DIFF", &sketch.world.layers[0].diff_id.to_string());
        sketch.image_of("W", &fields, None);
    });
    assert_eq!(foreign, "operating system is not supported");
}
