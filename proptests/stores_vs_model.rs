//! Each store against a list and a loop: random operations, the same answers and the same errors, and the
//! invariants after every step.

use std::collections::BTreeSet;

use image_prune::graph::store::{
    Container, ContainerState, ContainerStore, FreedLayer, ImageStore, LayerHandle, LayerSizes, LayerStore,
    ReferenceStore, Stores,
};
use image_prune::{ChainId, ContainerId, DiffId, Digest, Error, ImageId, Reference, Semantics};
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::{config, valid};

const SEEDS: &str = "proptests/regressions/stores_vs_model.txt";

type Told<T> = Result<T, String>;

fn told<T>(result: Result<T, Error>) -> Told<T> {
    result.map_err(|error| error.to_string())
}

/// One of a few images.
fn image(number: u8) -> ImageId {
    ImageId::of(&[number % 4])
}

const NAMES: [&str; 12] = [
    "a",
    "a:1",
    "a:2",
    "a-b:1",
    "b:1",
    "docker.io/foo.com/x:1",
    "foo.com/x:1",
    "sha256:1",
    "a@sha256:46d37521711864b786dac868b587acf9b2d7afcc417b6c7febb8ba05af6e1fdd",
    "b@sha256:46d37521711864b786dac868b587acf9b2d7afcc417b6c7febb8ba05af6e1fdd",
    "a:1@sha256:46d37521711864b786dac868b587acf9b2d7afcc417b6c7febb8ba05af6e1fdd",
    "sha256@sha256:46d37521711864b786dac868b587acf9b2d7afcc417b6c7febb8ba05af6e1fdd",
];

/// What a reference store is: a list (R-6 to R-11).
#[derive(Default)]
struct NaiveReferences(Vec<(Reference, ImageId)>);

impl NaiveReferences {
    fn key(reference: &Reference) -> Reference {
        reference.clone().favor_digest().tag_name_only()
    }

    fn position(&self, reference: &Reference) -> Option<usize> {
        let key = Self::key(reference);
        self.0.iter().position(|(other, _)| other.familiar() == key.familiar())
    }

    fn add(&mut self, reference: &Reference, id: ImageId, kind: u8, new_texts: bool) -> Told<()> {
        let is_digest = kind == 2;
        if !is_digest && reference.is_canonical() {
            return Err("refusing to create a tag with a digest reference".to_owned());
        }
        if is_digest && !reference.is_canonical() {
            return Err("a digest reference needs a digest".to_owned());
        }
        let key = Self::key(reference);
        if key.familiar_name() == "sha256" {
            return Err("refusing to create an ambiguous tag using digest algorithm as name".to_owned());
        }
        match self.position(&key) {
            Some(at) if self.0[at].1 == id => Ok(()),
            Some(_) if is_digest => {
                let cannot = if new_texts { "cannot" } else { "Cannot" };
                Err(format!("{cannot} overwrite digest {}", key.digest().unwrap()))
            }
            Some(at) if kind == 1 => {
                self.0[at] = (key, id);
                Ok(())
            }
            Some(at) => {
                let (tag, other) = (key.familiar(), self.0[at].1);
                Err(if new_texts {
                    format!("tag {tag} is already set to image {other}, use the force option to replace it")
                } else {
                    format!(
                        "Conflict: Tag {tag} is already set to image {other}, if you want to replace it, \
                         please use the force option"
                    )
                })
            }
            None => {
                self.0.push((key, id));
                Ok(())
            }
        }
    }

    fn sorted(&self, is_meant: impl Fn(&(Reference, ImageId)) -> bool) -> Vec<(Reference, ImageId)> {
        let mut found: Vec<_> = self.0.iter().filter(|item| is_meant(item)).cloned().collect();
        found.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
        found
    }
}

proptest! {
    #![proptest_config(config(SEEDS, 300))]

    #[test]
    fn references(
        operations in prop::collection::vec((0..4_u8, select(&NAMES[..]), any::<u8>()), 0..40),
        semantics in select(&Semantics::ALL[..]),
    ) {
        let stores = Stores::new(&semantics);
        let references = &stores.references;
        let mut naive = NaiveReferences::default();
        let parse = |name| Reference::parse(name, &semantics).unwrap();
        for (kind, name, number) in operations {
            let (reference, id) = (parse(name), image(number));
            match kind {
                0 => {
                    let expected = naive.add(&reference, id, kind, semantics.new_tag_conflict_texts);
                    prop_assert_eq!(told(references.add_tag(reference, id)), expected);
                }
                1 => {
                    let other = naive.position(&reference).map(|at| naive.0[at].1).filter(|old| *old != id);
                    let expected = naive.add(&reference, id, kind, semantics.new_tag_conflict_texts);
                    prop_assert_eq!(told(references.retag(reference, id)), expected.map(|()| other));
                }
                2 => {
                    let expected = naive.add(&reference, id, kind, semantics.new_tag_conflict_texts);
                    prop_assert_eq!(told(references.add_digest(reference, id)), expected);
                }
                _ => {
                    let at = naive.position(&reference);
                    let expected = at.map(|at| drop(naive.0.remove(at)));
                    let expected = expected.ok_or("reference does not exist".to_owned());
                    prop_assert_eq!(told(references.delete(&reference)), expected);
                }
            }
            valid(&stores)?;
            prop_assert_eq!(references.len(), naive.0.len());
            for name in NAMES {
                let reference = parse(name);
                let expected = naive.position(&reference).map(|at| naive.0[at].1);
                prop_assert_eq!(references.get(&reference), expected);
                let bucket = naive.sorted(|(other, _)| other.familiar_name() == reference.familiar_name());
                prop_assert_eq!(references.references_by_name(reference.familiar_name()), bucket);
            }
            for number in 0..4 {
                let of_image = naive.sorted(|(_, id)| *id == image(number));
                let of_image: Vec<_> = of_image.into_iter().map(|(reference, _)| reference).collect();
                prop_assert_eq!(references.has_references(image(number)), !of_image.is_empty());
                prop_assert_eq!(references.references(image(number)), of_image);
            }
        }
    }
}

/// What a layer store is: lists of layers, handles and mounts; counts are counted (rules Y).
#[derive(Default)]
struct NaiveLayers {
    layers: Vec<(ChainId, DiffId, Option<ChainId>, i64)>,
    handles: Vec<LayerHandle>,
    mounts: Vec<(String, Option<ChainId>, usize)>,
}

impl NaiveLayers {
    fn has(&self, chain: ChainId) -> bool {
        self.layers.iter().any(|layer| layer.0 == chain)
    }

    fn count(&self, chain: ChainId) -> usize {
        self.layers.iter().filter(|layer| layer.2 == Some(chain)).count()
            + self.handles.iter().filter(|handle| handle.chain_id() == chain).count()
            + self.mounts.iter().filter(|mount| mount.1 == Some(chain)).count()
    }

    /// Y-5: what goes, top to base.
    fn cascade(&mut self, top: Option<ChainId>) -> Vec<(ChainId, i64)> {
        let mut freed = Vec::new();
        let mut next = top;
        while let Some(chain) = next.filter(|chain| self.count(*chain) == 0) {
            let Some(at) = self.layers.iter().position(|layer| layer.0 == chain) else { break };
            let (_, _, parent, size) = self.layers.remove(at);
            freed.push((chain, size));
            next = parent;
        }
        freed
    }

    fn chain_size(&self, chain: ChainId) -> Option<i64> {
        let (_, _, parent, size) = self.layers.iter().find(|layer| layer.0 == chain)?;
        Some(size + parent.and_then(|parent| self.chain_size(parent)).unwrap_or(0))
    }
}

fn freed(layers: Vec<FreedLayer>) -> Vec<(ChainId, i64)> {
    layers.into_iter().map(|layer| (layer.chain_id, layer.diff_size)).collect()
}

proptest! {
    #![proptest_config(config(SEEDS, 300))]

    #[test]
    fn layers(operations in prop::collection::vec((0..8_u8, any::<u8>(), any::<u8>()), 0..50)) {
        let stores = Stores::default();
        let layers = &stores.layers;
        let mut naive = NaiveLayers::default();
        let mut given_back: Vec<LayerHandle> = Vec::new();
        // Chains that were ever there, and one that never was.
        let mut chains = vec![ChainId::from(Digest::of(b"never"))];
        for (kind, first, second) in operations {
            let chain = chains[usize::from(first) % chains.len()];
            let name = format!("mount {}", second % 3);
            match kind {
                0 | 1 => {
                    let parent = (first % 3 > 0).then_some(chain);
                    let diff = DiffId::from(Digest::of(&[second % 3]));
                    let size = i64::from(second) + 1;
                    let got = layers.register(diff, parent, size);
                    if parent.is_some_and(|parent| !naive.has(parent)) {
                        prop_assert_eq!(told(got), Err("layer does not exist".to_owned()));
                    } else {
                        let handle = got.unwrap();
                        let chain = ChainId::on(parent, diff);
                        prop_assert_eq!(handle.chain_id(), chain);
                        if !naive.has(chain) {
                            naive.layers.push((chain, diff, parent, size));
                        }
                        naive.handles.push(handle);
                        chains.push(chain);
                    }
                }
                2 => match layers.get(chain) {
                    Ok(handle) => {
                        prop_assert!(naive.has(chain) && !naive.handles.contains(&handle));
                        naive.handles.push(handle);
                    }
                    Err(error) => {
                        prop_assert!(!naive.has(chain));
                        prop_assert_eq!(error.to_string(), "layer does not exist");
                    }
                },
                3 | 4 if !naive.handles.is_empty() => {
                    let at = usize::from(first) % naive.handles.len();
                    let handle = naive.handles.remove(at);
                    given_back.push(handle);
                    let expected = naive.cascade(Some(handle.chain_id()));
                    prop_assert_eq!(layers.release(handle).map(freed), Ok(expected));
                }
                3..=5 if !given_back.is_empty() => {
                    // Y-4: given back twice.
                    let handle = given_back[usize::from(first) % given_back.len()];
                    let expected = if naive.has(handle.chain_id()) {
                        Err("layer not retained".to_owned())
                    } else {
                        Ok(Vec::new())
                    };
                    prop_assert_eq!(told(layers.release(handle).map(freed)), expected);
                }
                6 => {
                    let parent = (first % 3 > 0).then_some(chain);
                    let known = naive.mounts.iter_mut().find(|mount| mount.0 == name);
                    if first % 2 == 0 && let Some(known) = known {
                        known.2 += 1;
                        prop_assert_eq!(layers.get_mount(&name).map(|mount| mount.parent), Ok(known.1));
                    } else {
                        let expected = if known.is_some() {
                            Err("mount already exists with name".to_owned())
                        } else if parent.is_some_and(|parent| !naive.has(parent)) {
                            Err("layer does not exist".to_owned())
                        } else {
                            naive.mounts.push((name.clone(), parent, 1));
                            Ok(())
                        };
                        prop_assert_eq!(told(layers.mount(&name, parent)), expected);
                    }
                }
                _ => {
                    let mut expected = Vec::new();
                    if let Some(at) = naive.mounts.iter().position(|mount| mount.0 == name) {
                        naive.mounts[at].2 -= 1;
                        if naive.mounts[at].2 == 0 {
                            let (_, parent, _) = naive.mounts.remove(at);
                            expected = naive.cascade(parent);
                        }
                    }
                    prop_assert_eq!(layers.unmount(&name).map(freed), Ok(expected));
                }
            }
            valid(&stores)?;
            let sizes = layers.sizes();
            prop_assert_eq!(layers.len(), naive.layers.len());
            for chain in &chains {
                // A snapshot may leave out layers above others: they have no image's ID (P-9).
                let known = naive.layers.iter().find(|layer| layer.0 == *chain);
                let size = sizes.diff_size(*chain);
                let is_left_out = size.is_none() && known.is_some_and(|layer| layer.2.is_some());
                prop_assert!(is_left_out || size == known.map(|layer| layer.3));
                prop_assert_eq!(layers.chain_size(*chain), naive.chain_size(*chain));
                let found = layers.layer(*chain).map(|layer| (*chain, layer.diff_id, layer.parent, layer.diff_size));
                prop_assert_eq!(found, naive.layers.iter().find(|layer| layer.0 == *chain).copied());
            }
        }
    }

    #[test]
    fn containers(
        operations in prop::collection::vec((0..4_u8, 0..5_u8, any::<u8>(), any::<bool>()), 0..40)
    ) {
        let stores = Stores::default();
        let containers = &stores.containers;
        let mut naive: Vec<Container> = Vec::new();
        for (kind, number, which, running) in operations {
            let id = ContainerId::from(Digest::of(&[number]));
            let at = naive.iter().position(|container| container.id == id);
            match kind {
                0 | 1 => {
                    let mounts = [image(which / 4), image(which / 16)];
                    let image_mounts = mounts[..usize::from(which / 64) % 3].to_vec();
                    let container = Container { id, image: image(which), running, image_mounts };
                    let expected =
                        if at.is_some() { Err(format!("container {id} exists already")) } else { Ok(()) };
                    if at.is_none() {
                        naive.push(container.clone());
                    }
                    prop_assert_eq!(told(containers.create(container)), expected);
                }
                2 => {
                    prop_assert_eq!(containers.set_running(id, running), at.is_some());
                    if let Some(at) = at {
                        naive[at].running = running;
                    }
                }
                _ => prop_assert_eq!(containers.remove(id), at.map(|at| naive.remove(at))),
            }
            valid(&stores)?;
            prop_assert_eq!(containers.len(), naive.len());
            for number in 0..5 {
                let id = ContainerId::from(Digest::of(&[number]));
                prop_assert_eq!(containers.get(id), naive.iter().find(|one| one.id == id).cloned());
            }
            for number in 0..4 {
                let id = image(number);
                let of_image = || naive.iter().filter(|container| container.image == id);
                let with = |running| of_image().filter(|one| one.running == running).map(|one| one.id).min();
                prop_assert_eq!(containers.count(id), of_image().count());
                let any = of_image().map(|container| container.id).min();
                prop_assert_eq!(containers.first(id, ContainerState::Any), any);
                prop_assert_eq!(containers.first(id, ContainerState::Running), with(true));
                prop_assert_eq!(containers.first(id, ContainerState::Stopped), with(false));
                let mounting = naive.iter().filter(|container| container.image_mounts.contains(&id));
                prop_assert_eq!(containers.first_mounting(id, ContainerState::Any), mounting.map(|one| one.id).min());
            }
        }
    }
}

/// What an image store is: what is known, what is only readable, links from either end (rules I).
#[derive(Default)]
struct NaiveImages {
    known: Vec<ImageId>,
    ghosts: Vec<ImageId>,
    parents: Vec<(ImageId, ImageId)>,
    /// Parent and child: moby keeps them apart from the links (I-7).
    children: BTreeSet<(ImageId, ImageId)>,
}

impl NaiveImages {
    fn parent(&self, child: ImageId) -> Option<ImageId> {
        self.parents.iter().find(|link| link.0 == child).map(|link| link.1)
    }

    fn leave_parent(&mut self, child: ImageId) {
        if let Some(parent) = self.parent(child) {
            self.children.remove(&(parent, child));
        }
    }

    fn children(&self, id: ImageId) -> BTreeSet<ImageId> {
        self.children.iter().filter(|link| link.0 == id).map(|link| link.1).collect()
    }

    fn set_parent(&mut self, child: ImageId, parent: ImageId) -> Told<()> {
        if !self.known.contains(&parent) {
            return Err(format!("unknown parent image ID {parent}"));
        }
        self.leave_parent(child);
        self.children.insert((parent, child));
        if !self.known.contains(&child) && !self.ghosts.contains(&child) {
            return Err(format!("failed to get digest {child}: no such image"));
        }
        self.parents.retain(|link| link.0 != child);
        self.parents.push((child, parent));
        Ok(())
    }

    fn delete(&mut self, id: ImageId) -> Told<()> {
        if !self.known.contains(&id) {
            return Err(format!("unrecognized image ID {id}"));
        }
        let children = self.children(id);
        self.parents.retain(|link| !children.contains(&link.0));
        self.leave_parent(id);
        self.children.retain(|link| link.0 != id);
        self.parents.retain(|link| link.0 != id);
        self.known.retain(|known| *known != id);
        Ok(())
    }
}

/// One of six configs: two without layers, two on a layer that is there, one on a layer that is not, one
/// with too much history.
fn image_config(number: u8, diff: DiffId) -> String {
    let rest = match number % 6 {
        0 | 1 => r#""rootfs":{}"#.to_owned(),
        2 | 3 => format!(r#""rootfs":{{"diff_ids":["{diff}"]}}"#),
        4 => format!(r#""rootfs":{{"diff_ids":["{}"]}}"#, Digest::of(b"missing")),
        _ => r#""history":[{}],"rootfs":{}"#.to_owned(),
    };
    format!(r#"{{"n":{},{rest}}}"#, number % 6)
}

proptest! {
    #![proptest_config(config(SEEDS, 300))]

    #[test]
    fn images(operations in prop::collection::vec((0..4_u8, any::<u8>(), any::<u8>()), 0..40)) {
        let stores = Stores::default();
        let images = &stores.images;
        let diff = DiffId::from(Digest::of(b"layer"));
        let base = stores.layers.register(diff, None, 7).unwrap();
        let id_of = |number: u8| ImageId::of(image_config(number, diff).as_bytes());
        let mut naive = NaiveImages::default();
        for (kind, first, second) in operations {
            let (one, other) = (id_of(first), id_of(second));
            match kind {
                0 | 1 => {
                    let missing = ChainId::from(Digest::of(b"missing"));
                    let expected = match first % 6 {
                        4 => Err(format!("failed to get layer {missing}: layer does not exist")),
                        5 => Err("too many non-empty layers in History section".to_owned()),
                        _ => Ok(one),
                    };
                    let list = if first % 6 == 4 { &mut naive.ghosts } else { &mut naive.known };
                    if first % 6 < 5 && !list.contains(&one) {
                        list.push(one);
                    }
                    prop_assert_eq!(told(images.create(image_config(first, diff).as_bytes())), expected);
                }
                2 => prop_assert_eq!(told(images.set_parent(one, other)), naive.set_parent(one, other)),
                _ => prop_assert_eq!(told(images.delete(one).map(drop)), naive.delete(one)),
            }
            valid(&stores)?;
            let known: BTreeSet<_> = naive.known.iter().copied().collect();
            prop_assert_eq!(images.ids(false).into_iter().collect::<BTreeSet<_>>(), known.clone());
            let heads = known.iter().copied().filter(|id| naive.children(*id).is_empty());
            prop_assert_eq!(images.ids(true).into_iter().collect::<BTreeSet<_>>(), heads.collect());
            for number in 0..6 {
                let id = id_of(number);
                let children = naive.children(id);
                prop_assert_eq!(images.has_children(id), !children.is_empty());
                prop_assert_eq!(images.children(id).into_iter().collect::<BTreeSet<_>>(), children);
                prop_assert_eq!(images.parent(id), naive.parent(id));
                prop_assert_eq!(images.contains(id), known.contains(&id));
                let readable = known.contains(&id) || naive.ghosts.contains(&id);
                prop_assert_eq!(images.get(id).is_ok(), readable);
                for digits in [0, 1, 64] {
                    let with_prefix: Vec<_> =
                        known.iter().filter(|known| known.hex().starts_with(&id.hex()[..digits])).collect();
                    let expected = match with_prefix[..] {
                        [only] => Ok(*only),
                        [] => Err(format!("No such image: {}", &id.hex()[..digits])),
                        _ => Err("ambiguous digest string".to_owned()),
                    };
                    prop_assert_eq!(told(images.search(&id.hex()[..digits])), expected);
                }
            }
        }
        // Y-10: each image held the layer once.
        for id in images.ids(false) {
            prop_assert_eq!(images.delete(id), Ok(Vec::new()));
        }
        prop_assert_eq!(stores.layers.release(base).map(|freed| freed.len()), Ok(1));
    }
}
