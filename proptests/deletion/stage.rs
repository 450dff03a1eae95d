//! A small daemon, and what somebody else may do to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use image_prune::client::{Client, Host};
use image_prune::graph::store::{ImageStore, ReferenceStore};
use image_prune::server::TestDaemon;
use image_prune::{DiffId, Digest, ImageId, Reference, Semantics};
use serde_json::json;

const SEMANTICS: Semantics = Semantics::MOBY_20_10;
/// Bytes of each image's own layer: more than any volume of a machine has.
const LAYER: i64 = 1_000_000_000_000_000;

/// What goes under the rules of the tests; nothing else does.
pub const GOING: [&str; 4] = ["several", "single", "child", "parent"];

/// A daemon with its images.
pub struct Stage {
    pub daemon: TestDaemon,
    has_layers: bool,
    pub images: BTreeMap<&'static str, ImageId>,
}

/// What somebody else does.
#[derive(Clone, Copy)]
pub struct Action {
    pub name: &'static str,
    pub act: fn(&Stage),
}

impl Stage {
    pub fn new(has_layers: bool) -> Arc<Self> {
        let daemon = TestDaemon::builder().start().unwrap();
        let mut stage = Self { daemon, has_layers, images: BTreeMap::new() };
        stage.add("several", 1, false, &["app:1", "other:x"]);
        stage.add("single", 2, false, &["solo:1"]);
        stage.add("parent", 3, false, &[]);
        stage.add("child", 4, false, &[]);
        stage.add("labelled", 5, true, &["new:1"]);
        stage.add("named", 6, false, &["precious:1"]);
        stage.add("newest", 7, false, &["app:2", "other:y", "solo:2"]);
        stage.add("running", 8, false, &["run:1"]);
        let images = &stage.daemon.stores().images;
        images.set_parent(stage.id("child"), stage.id("parent")).unwrap();
        stage.run("running");
        Arc::new(stage)
    }

    pub fn id(&self, name: &str) -> ImageId {
        self.images[name]
    }

    fn add(&mut self, name: &'static str, day: u32, has_label: bool, references: &[&str]) {
        let stores = self.daemon.stores();
        let layer = DiffId::from(Digest::of(name.as_bytes()));
        let layers = if self.has_layers { vec![layer] } else { Vec::new() };
        let handles: Vec<_> =
            layers.iter().map(|layer| stores.layers.register(*layer, None, LAYER).unwrap()).collect();
        let labels = if has_label { json!({ "keep": "1" }) } else { json!({}) };
        let config = json!({
            "created": format!("2020-01-0{day}T00:00:00Z"), "os": "linux", "config": { "Labels": labels },
            "rootfs": { "type": "layers", "diff_ids": layers },
        });
        let id = stores.images.create(config.to_string()).unwrap();
        for handle in handles {
            stores.layers.release(handle).unwrap();
        }
        for reference in references {
            stores.references.add_tag(Reference::parse(reference, &SEMANTICS).unwrap(), id).unwrap();
        }
        self.images.insert(name, id);
    }

    pub fn client(&self) -> Client {
        Client::new(Host::parse(&self.daemon.host()).unwrap()).unwrap()
    }

    /// Somebody moves a tag, or gives one; not where the image is gone already.
    pub fn tag(&self, image: &str, repository: &str, tag: &str) {
        let _ = self.client().tag(&self.id(image).to_string(), repository, tag);
    }

    pub fn untag(&self, name: &str) {
        let _ = self.client().remove_image(name, false, true);
    }

    fn create(&self, image: &str) -> Option<String> {
        let body = json!({ "Image": self.id(image).to_string(), "Cmd": ["x"] });
        self.client().create_container("", &body).ok().map(|created| created.id)
    }

    fn run(&self, image: &str) {
        if let Some(id) = self.create(image) {
            self.client().start_container(&id).unwrap();
        }
    }

    /// Somebody builds an image on this one, if it is there.
    pub fn build_on(&self, image: &str) {
        let images = &self.daemon.stores().images;
        let child =
            images.create(format!(r#"{{"author":"on {image}","rootfs":{{"type":"layers"}}}}"#)).unwrap();
        if let Some(parent) = self.images.get(image).filter(|parent| images.contains(**parent)) {
            images.set_parent(child, *parent).unwrap();
        }
    }

    fn names(&self, image: ImageId) -> Vec<String> {
        let references = self.daemon.stores().references.references(image);
        references.iter().map(|reference| reference.familiar().to_owned()).collect()
    }

    /// The images as they are.
    pub fn now(&self) -> BTreeMap<ImageId, Facts> {
        let images = self.daemon.stores().images.ids(false).into_iter();
        images.map(|id| (id, self.facts(id))).collect()
    }

    fn facts(&self, id: ImageId) -> Facts {
        let stores = self.daemon.stores();
        let names = self.names(id);
        let newest = self.id("newest");
        // With these images a repository's newest is `newest`, or whoever has the only tag.
        let is_newest = |name: &String| {
            let repository = name.split(':').next().unwrap();
            id == newest
                || !self.names(newest).iter().any(|other| other.starts_with(&format!("{repository}:")))
        };
        let containers = stores.containers.containers().into_iter().filter(|container| container.image == id);
        Facts {
            has_label: stores
                .images
                .get(id)
                .unwrap()
                .labels()
                .is_some_and(|labels| labels.get("keep").is_some()),
            has_kept_name: names.iter().any(|name| name.starts_with("precious:")),
            is_newest: names.iter().any(is_newest),
            running: containers.clone().filter(|container| container.running).count(),
            containers: containers.map(|container| container.id.to_string()).collect(),
            has_children: stores.images.has_children(id),
            names,
        }
    }
}

/// What decides over an image.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is one fact")]
pub struct Facts {
    pub names: Vec<String>,
    pub has_label: bool,
    pub has_kept_name: bool,
    /// The newest of one of its repositories.
    pub is_newest: bool,
    pub running: usize,
    pub containers: BTreeSet<String>,
    pub has_children: bool,
}

macro_rules! actions {
    ($($name:ident: $act:expr,)*) => {
        &[$(Action { name: stringify!($name), act: $act },)*]
    };
}

/// Each of these is tried at every point. What happens to one image does not change what becomes of another.
pub const ACTIONS: &[Action] = actions! {
    nothing: |_| {},
    tags_move_to_the_labelled_image: |stage| {
        stage.tag("labelled", "app", "1");
        stage.tag("labelled", "solo", "1");
        stage.untag("new:1");
    },
    kept_names_come: |stage| {
        for (tag, image) in GOING.iter().enumerate() {
            stage.tag(image, "precious", &format!("come-{tag}"));
        }
    },
    a_kept_name_moves: |stage| stage.tag("several", "precious", "1"),
    a_kept_name_takes_the_place_of_the_only_one: |stage| {
        stage.tag("single", "precious", "2");
        stage.untag("solo:1");
    },
    the_newest_loses_a_tag: |stage| stage.untag("app:2"),
    a_tag_leaves: |stage| stage.tag("newest", "other", "x"),
    somebody_deletes_one: |stage| stage.untag("solo:1"),
    containers_are_created: |stage| GOING.iter().for_each(|image| drop(stage.create(image))),
    containers_run: |stage| GOING.iter().for_each(|image| stage.run(image)),
    children_are_built: |stage| GOING.iter().for_each(|image| stage.build_on(image)),
};
