//! Between a [`World`] and the in-memory stores.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;
use std::thread;

use super::{Container, Layers, Stores};
use crate::base::digest::{ChainId, ImageId};
use crate::base::error::Error;
use crate::base::hash::DigestState;
use crate::document::image::{Chains, Image};
use crate::document::reference::Reference;
use crate::document::world::{self, World};
use crate::semantics::Semantics;

/// A world that no daemon can be in. Says what is wrong with which object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError(String);

impl fmt::Display for LoadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for LoadError {}

impl From<LoadError> for Error {
    fn from(error: LoadError) -> Self {
        Error::invalid_parameter(error.0)
    }
}

impl Stores {
    /// The stores that `world` describes, every digest and link checked.
    ///
    /// Parent links of images may name images that do not exist and may form cycles, references and
    /// containers may name images that do not exist: a daemon can be in that state, too.
    ///
    /// # Errors
    ///
    /// A digest that is not that of its content, an object twice, a layer without its parent, an image
    /// without its layers, a config or a reference that cannot be read, sizes that add up to more than
    /// 2^63 − 1 bytes.
    pub fn load(world: World, semantics: &Semantics) -> Result<Self, LoadError> {
        Self::new(semantics).filled(world, semantics)
    }

    /// [`Stores::load`] on a layer store of the caller's, one with a driver
    /// ([`Layers::with_driver`]) for example.
    ///
    /// # Errors
    ///
    /// Those of [`Stores::load`].
    pub fn load_on(layers: Layers, world: World, semantics: &Semantics) -> Result<Self, LoadError> {
        Self::on(layers, semantics).filled(world, semantics)
    }

    /// [`Stores::load`] into stores [without raw configs](super::Images::without_configs): all is checked, less
    /// is kept.
    ///
    /// # Errors
    ///
    /// Those of [`Stores::load`].
    pub fn load_without_configs(world: World, semantics: &Semantics) -> Result<Self, LoadError> {
        Self::without_configs(semantics).filled(world, semantics)
    }

    fn filled(self, world: World, semantics: &Semantics) -> Result<Self, LoadError> {
        let World { layers, images, references, containers, stand_ins, .. } = world;
        self.load_layers(&layers)?;
        drop(layers);
        let parents: Vec<_> = images.iter().filter_map(|image| Some((image.id, image.parent?))).collect();
        self.load_images(images, &stand_ins, semantics)?;
        for (child, parent) in parents {
            self.images.restore_parent(child, parent);
        }
        for reference in &references {
            self.load_reference(reference, semantics)?;
        }
        for container in containers {
            self.load_container(container)?;
        }
        Ok(self)
    }

    fn load_layers(&self, layers: &[world::Layer]) -> Result<(), LoadError> {
        let sizes = layers.iter().try_fold(0_i64, |sum, layer| sum.checked_add(layer.size.max(0)));
        if sizes.is_none() {
            return Err(LoadError("the layers' sizes add up to more than 2^63 - 1 bytes".to_owned()));
        }
        let check = |layer: &world::Layer| layer.chain_id == ChainId::on(layer.parent, layer.diff_id);
        for (layer, is_chain) in on_two_threads(parents_first(layers)?, || |layer| (layer, check(layer))) {
            if !is_chain {
                return Err(LoadError(format!(
                    "layer {}: not the chain of diff {} on its parent",
                    layer.chain_id, layer.diff_id
                )));
            }
            self.layers.restore(layer).map_err(|error| in_object("layer", layer.chain_id, &error))?;
        }
        Ok(())
    }

    fn load_images(
        &self,
        images: Vec<world::Image>,
        stand_ins: &BTreeSet<ImageId>,
        semantics: &Semantics,
    ) -> Result<(), LoadError> {
        let mut images = images.into_iter();
        // In batches, so that a config does not live on beside what was read from it.
        while !images.as_slice().is_empty() {
            let batch = images.by_ref().take(BATCH).collect();
            let reader = || {
                let mut chains = Chains::remembered();
                move |image: world::Image| {
                    let is_stand_in = stand_ins.contains(&image.id);
                    (image.id, read_image(&image, is_stand_in, semantics, &mut chains))
                }
            };
            for (id, image) in on_two_threads(batch, reader) {
                let is_new = self.images.insert(id, image?);
                if !is_new.map_err(|error| in_object("image", id, &error))? {
                    return Err(LoadError(format!("image {id}: there twice")));
                }
            }
        }
        Ok(())
    }

    fn load_reference(&self, described: &world::Reference, semantics: &Semantics) -> Result<(), LoadError> {
        let in_reference = |error: Error| in_object("reference", &described.name, &error);
        let reference = Reference::parse(&described.name, semantics).map_err(in_reference)?;
        let added = if reference.is_canonical() {
            self.references.add_digest(reference, described.id)
        } else {
            self.references.add_tag(reference, described.id)
        };
        added.map_err(in_reference)
    }

    fn load_container(&self, container: world::Container) -> Result<(), LoadError> {
        let world::Container { id, image, running, rw_layer_parent, image_mounts } = container;
        if rw_layer_parent.is_some() {
            let name = id.to_string();
            self.layers
                .mount(&name, rw_layer_parent)
                .map_err(|error| in_object("writable layer of container", id, &error))?;
        }
        self.containers
            .create(Container { id, image, running, image_mounts })
            .map_err(|error| in_object("container", id, &error))
    }

    /// A description of these stores, everything sorted: equal stores have equal descriptions.
    ///
    /// `profile`, `name` and the local zone are for the caller to fill in. Layers that nobody holds,
    /// which only a failing driver leaves behind (Y-6), are described like all others.
    #[must_use]
    pub fn to_world(&self) -> World {
        let mut world = World { layers: self.layers.layers(), ..World::default() };
        world.layers.sort_unstable_by_key(|layer| layer.chain_id);
        world.images = self.images.images().into_iter().map(describe_image).collect();
        world.images.sort_unstable_by_key(|image| image.id);
        world.references = self.references.all().iter().map(describe_reference).collect();
        world.references.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let containers = self.containers.containers().into_iter();
        world.containers = containers.map(|container| self.describe_container(container)).collect();
        world.containers.sort_unstable_by_key(|container| container.id);
        world
    }

    fn describe_container(&self, container: Container) -> world::Container {
        let Container { id, image, running, image_mounts } = container;
        let rw_layer_parent = self.layers.mount_parent(&id.to_string());
        world::Container { id, image, running, rw_layer_parent, image_mounts }
    }
}

/// How many images are read at a time.
const BATCH: usize = 8192;
/// Fewer items than this are not worth a thread.
const WORTH_A_THREAD: usize = 256;

/// Does the work of a worker to each item, with two workers; the answers are in the order of the items.
fn on_two_threads<T: Send, R: Send, W: FnMut(T) -> R>(
    mut items: Vec<T>,
    worker: impl Fn() -> W + Sync,
) -> Vec<R> {
    if items.len() < WORTH_A_THREAD {
        return items.into_iter().map(worker()).collect();
    }
    let theirs = items.split_off(items.len() / 2);
    thread::scope(|scope| {
        let helper = scope.spawn(|| theirs.into_iter().map(worker()).collect::<Vec<_>>());
        let mut answers: Vec<_> = items.into_iter().map(worker()).collect();
        answers.extend(helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        answers
    })
}

fn read_image(
    image: &world::Image,
    is_stand_in: bool,
    semantics: &Semantics,
    chains: &mut Chains,
) -> Result<Image, LoadError> {
    let world::Image { id, config, .. } = image;
    if !is_stand_in && ImageId::of(config) != *id {
        return Err(LoadError(format!("image {id}: not the digest of its config")));
    }
    Image::read(config, semantics, chains).map_err(|error| in_object("image", id, &error))
}

fn describe_image((id, image, parent): (ImageId, Arc<Image>, Option<ImageId>)) -> world::Image {
    world::Image { id, config: image.config().into(), parent }
}

fn describe_reference((reference, id): &(Reference, ImageId)) -> world::Reference {
    world::Reference { name: reference.as_str().to_owned(), id: *id }
}

fn in_object(kind: &str, name: impl fmt::Display, error: &Error) -> LoadError {
    LoadError(format!("{kind} {name}: {error}"))
}

/// The layers in an order in which each comes behind its parent. Linear, and no recursion: chains may be
/// of any depth.
fn parents_first(layers: &[world::Layer]) -> Result<Vec<&world::Layer>, LoadError> {
    let mut places = HashMap::with_capacity_and_hasher(layers.len(), DigestState::default());
    for (place, layer) in layers.iter().enumerate() {
        if places.insert(layer.chain_id, place).is_some() {
            return Err(LoadError(format!("layer {}: there twice", layer.chain_id)));
        }
    }
    let mut sorted = Vec::with_capacity(layers.len());
    let mut is_sorted = vec![false; layers.len()];
    let mut above = Vec::new();
    for place in 0..layers.len() {
        let mut next = Some(place);
        while let Some(place) = next.filter(|place| is_sorted.get(*place) == Some(&false)) {
            let Some(layer) = layers.get(place) else { break };
            if above.len() > layers.len() {
                return Err(LoadError(format!("layer {}: its own ancestor", layer.chain_id)));
            }
            above.push((place, layer));
            next = match layer.parent {
                None => None,
                Some(parent) => Some(*places.get(&parent).ok_or_else(|| {
                    LoadError(format!("layer {}: its parent {parent} does not exist", layer.chain_id))
                })?),
            };
        }
        for (place, layer) in above.drain(..).rev() {
            if let Some(is_sorted) = is_sorted.get_mut(place) {
                *is_sorted = true;
            }
            sorted.push(layer);
        }
    }
    Ok(sorted)
}
