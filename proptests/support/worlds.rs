//! Random worlds: mostly what a daemon can be in, sometimes odd. Links are numbers until the world is
//! built, so that a failing world shrinks; IDs are digests of content, so that configs hash right.

use std::collections::BTreeSet;

use image_prune::world::{Container, Image, Layer, Reference};
use image_prune::{ChainId, ContainerId, DiffId, Digest, ImageId, Semantics, World};
use proptest::prelude::*;
use proptest::sample::select;

/// How large and how odd worlds are.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Five are enough for grandparent, parent, two children and a stranger.
    pub max_images: usize,
    /// Layers are drawn from six diffs, so that images share chains and diffs repeat in chains.
    pub max_layers: usize,
    /// Drawn from seven repositories, five tags and two digests, so that they crowd on few images.
    pub max_references: usize,
    /// Each may mount up to two images.
    pub max_containers: usize,
    /// Parts in ten of the references' and containers' links that name an image that exists.
    pub known_in_ten: u8,
    /// Whether images may be what no build makes: of a foreign operating system, their own ancestor, on a
    /// missing parent, without `created`, with odd labels, on layers of zero or negative size.
    pub odd: bool,
}

impl Shape {
    /// Small enough for every order of visits.
    pub const fn small() -> Self {
        Self {
            max_images: 5,
            max_layers: 6,
            max_references: 7,
            max_containers: 3,
            known_in_ten: 10,
            odd: false,
        }
    }

    /// A little of everything, and deeper families.
    pub const fn typical() -> Self {
        Self {
            max_images: 14,
            max_layers: 16,
            max_references: 18,
            max_containers: 5,
            known_in_ten: 9,
            odd: false,
        }
    }

    /// What a daemon should not be in, and can.
    pub const fn broken() -> Self {
        Self {
            max_images: 6,
            max_layers: 6,
            max_references: 7,
            max_containers: 4,
            known_in_ten: 7,
            odd: true,
        }
    }
}

/// The limit that the requests' `until` is set to, and its neighbours; the odd ones come last.
const CREATED: [&str; 8] = [
    r#","created":"2020-01-01T00:00:00Z""#,
    r#","created":"2019-12-31T23:59:59.999999999Z""#,
    r#","created":"2020-01-01T00:00:00.5Z""#,
    r#","created":"2021-02-03T04:05:06+07:00""#,
    "",
    r#","created":null"#,
    r#","created":"0001-01-01T00:00:00Z""#,
    r#","created":"2999-01-01T00:00:00Z""#,
];

const CONFIG: [&str; 10] = [
    r#","config":{"Labels":{"k":"v"}}"#,
    r#","config":{"Labels":{"k":"v","j":"1"}}"#,
    r#","config":{"Labels":{"k":"w"}}"#,
    r#","config":{}"#,
    "",
    r#","config":{"Labels":{}}"#,
    r#","config":{"Labels":{"name":"x"}}"#,
    r#","config":{"Labels":{"":"e","j":"1"}}"#,
    r#","config":null"#,
    r#","config":{"Labels":null}"#,
];

/// Those behind the first can only be without layers (I-3).
const OS: [&str; 5] = ["linux", "linux", "linux", "windows", "LINUX"];

/// Two spellings of one familiar name among them (R-9), and one that begins every ID (D-3).
const REPOSITORIES: [&str; 7] = [
    "docker.io/library/a",
    "docker.io/library/a",
    "docker.io/library/a-b",
    "docker.io/foo.com/x",
    "foo.com/x",
    "localhost:5000/c",
    "docker.io/library/sha",
];

const TAGS: [&str; 7] = [
    ":1",
    ":2",
    ":latest",
    ":10",
    ":Z",
    "@sha256:46d37521711864b786dac868b587acf9b2d7afcc417b6c7febb8ba05af6e1fdd",
    "@sha256:0cc175b9c0f1b6a831c399e269772661aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

/// A link to an image: a number below ten, held against what the shape allows, and which one.
type Link = (u8, u8);

#[derive(Debug, Clone)]
struct ImageSketch {
    /// 0 for no layers, else the layer before that number.
    top: u8,
    /// Below 5: none; 9: missing, in odd worlds; else there.
    parent: Link,
    created: &'static str,
    config: &'static str,
    os: &'static str,
}

#[derive(Debug, Clone)]
struct ContainerSketch {
    image: Link,
    running: bool,
    /// As an image's top.
    rw_layer: u8,
    mounts: Vec<Link>,
}

/// A random world of this shape, in the profile of some version.
pub fn world(shape: Shape) -> impl Strategy<Value = World> {
    let layers = prop::collection::vec((any::<u8>(), 0..6_u8, size(shape)), 0..=shape.max_layers);
    let images = prop::collection::vec(image(shape), 0..=shape.max_images);
    let reference = (select(&REPOSITORIES[..]), select(&TAGS[..]), link());
    let references = prop::collection::vec(reference, 0..=shape.max_references);
    let containers = prop::collection::vec(container(), 0..=shape.max_containers);
    // A third is 20.10, the only one that refuses images of a foreign operating system, which few worlds have.
    let semantics = prop_oneof![1 => Just(Semantics::MOBY_20_10), 2 => select(&Semantics::ALL[..])];
    (layers, images, references, containers, semantics).prop_map(
        move |(layers, images, references, containers, semantics)| {
            let mut world = World { profile: semantics.name.to_owned(), ..World::default() };
            add_layers(&mut world, &layers);
            add_images(&mut world, shape, &images);
            add_references(&mut world, shape, &references, &semantics);
            add_containers(&mut world, shape, &containers);
            world
        },
    )
}

fn link() -> impl Strategy<Value = Link> {
    (0..10_u8, any::<u8>())
}

fn size(shape: Shape) -> impl Strategy<Value = i64> {
    let odd = u32::from(shape.odd);
    prop_oneof![8 => 1..1000_i64, 1 => Just(1 << 40), odd => Just(0), odd => Just(-5)]
}

fn image(shape: Shape) -> impl Strategy<Value = ImageSketch> {
    let end = |odd: usize, usual: usize| if shape.odd { odd } else { usual };
    let created = select(&CREATED[..end(CREATED.len(), 4)]);
    let config = select(&CONFIG[..end(CONFIG.len(), 6)]);
    let os = select(&OS[..end(OS.len(), 1)]);
    (any::<u8>(), link(), created, config, os).prop_map(|(top, parent, created, config, os)| ImageSketch {
        top,
        parent,
        created,
        config,
        os,
    })
}

fn container() -> impl Strategy<Value = ContainerSketch> {
    let mounts = prop::collection::vec(link(), 0..=2);
    (link(), any::<bool>(), any::<u8>(), mounts)
        .prop_map(|(image, running, rw_layer, mounts)| ContainerSketch { image, running, rw_layer, mounts })
}

/// One of `items`, or none for 0.
fn pick<T>(items: &[T], number: u8) -> Option<&T> {
    items.get((usize::from(number) % (items.len() + 1)).checked_sub(1)?)
}

fn add_layers(world: &mut World, sketches: &[(u8, u8, i64)]) {
    for (below, diff, size) in sketches {
        let parent = pick(&world.layers, *below).map(|layer| layer.chain_id);
        let diff_id = DiffId::from(Digest::of(&[b'd', *diff]));
        let chain_id = ChainId::on(parent, diff_id);
        if world.layers.iter().all(|layer| layer.chain_id != chain_id) {
            world.layers.push(Layer { chain_id, diff_id, parent, size: *size });
        }
    }
}

fn diff_ids(world: &World, top: &Layer) -> Vec<String> {
    let below = |layer: &&Layer| world.layers.iter().find(|other| Some(other.chain_id) == layer.parent);
    let mut ids: Vec<_> =
        std::iter::successors(Some(top), below).map(|layer| format!("\"{}\"", layer.diff_id)).collect();
    ids.reverse();
    ids
}

fn add_images(world: &mut World, shape: Shape, sketches: &[ImageSketch]) {
    for (number, sketch) in sketches.iter().enumerate() {
        let ImageSketch { created, config, os, .. } = sketch;
        let top = pick(&world.layers, sketch.top).filter(|_| *os == "linux");
        let diffs = top.map(|top| diff_ids(world, top).join(",")).unwrap_or_default();
        let empty = shape.odd && top.is_none() && sketch.top % 4 == 3; // I-5
        let diffs = if empty { "\"\"".to_owned() } else { diffs };
        let config = format!(
            r#"{{"n":{number},"os":"{os}"{created}{config},"rootfs":{{"type":"layers","diff_ids":[{diffs}]}}}}"#
        );
        let id = ImageId::of(config.as_bytes());
        world.images.push(Image { id, config: config.into_bytes().into(), parent: None });
    }
    let ids: Vec<_> = world.images.iter().map(|image| image.id).collect();
    for (number, (image, sketch)) in world.images.iter_mut().zip(sketches).enumerate() {
        let (kind, which) = sketch.parent;
        image.parent = match kind {
            ..5 => None,
            9 if shape.odd => Some(missing(which)),
            // Any image in odd worlds, itself included (I-7); an older one in others.
            _ if shape.odd => Some(ids[usize::from(which) % ids.len()]),
            _ => pick(&ids[..number], which).copied(),
        };
    }
}

/// One of three images that are never there.
fn missing(which: u8) -> ImageId {
    ImageId::of(&[b'?', which % 3])
}

fn resolve(world: &World, shape: Shape, (kind, which): Link) -> ImageId {
    if kind >= shape.known_in_ten || world.images.is_empty() {
        return missing(which);
    }
    world.images[usize::from(which) % world.images.len()].id
}

fn add_references(
    world: &mut World,
    shape: Shape,
    sketches: &[(&'static str, &'static str, Link)],
    semantics: &Semantics,
) {
    let mut keys = BTreeSet::new();
    for (repository, tag, link) in sketches {
        let name = format!("{repository}{tag}");
        let reference = image_prune::Reference::parse(&name, semantics).unwrap();
        if keys.insert(reference.familiar().to_owned()) {
            let id = resolve(world, shape, *link);
            world.references.push(Reference { name, id });
        }
    }
}

fn add_containers(world: &mut World, shape: Shape, sketches: &[ContainerSketch]) {
    for (number, sketch) in sketches.iter().enumerate() {
        let id = ContainerId::from(Digest::of(format!("container {number}").as_bytes()));
        let image = resolve(world, shape, sketch.image);
        let rw_layer_parent = pick(&world.layers, sketch.rw_layer).map(|layer| layer.chain_id);
        let image_mounts = sketch.mounts.iter().map(|mount| resolve(world, shape, *mount)).collect();
        let running = sketch.running;
        world.containers.push(Container { id, image, running, rw_layer_parent, image_mounts });
    }
}
