//! Between a [`World`] and the in-memory stores.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use super::{Container, Layers, Stores};
use crate::digest::{ChainId, ImageId};
use crate::image::Image;
use crate::reference::Reference;
use crate::{Error, Semantics, World, world};

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
        Self::load_on(Layers::new(), world, semantics)
    }

    /// [`Stores::load`] on a layer store of the caller's, one with a driver
    /// ([`Layers::with_driver`]) for example.
    ///
    /// # Errors
    ///
    /// Those of [`Stores::load`].
    pub fn load_on(layers: Layers, world: World, semantics: &Semantics) -> Result<Self, LoadError> {
        let stores = Self::on(layers, semantics);
        stores.load_layers(&world.layers)?;
        let parents: Vec<_> =
            world.images.iter().filter_map(|image| Some((image.id, image.parent?))).collect();
        for image in world.images {
            stores.load_image(image, semantics)?;
        }
        for (child, parent) in parents {
            stores.images.restore_parent(child, parent);
        }
        for reference in &world.references {
            stores.load_reference(reference, semantics)?;
        }
        for container in world.containers {
            stores.load_container(container)?;
        }
        Ok(stores)
    }

    fn load_layers(&self, layers: &[world::Layer]) -> Result<(), LoadError> {
        let sizes = layers.iter().try_fold(0_i64, |sum, layer| sum.checked_add(layer.size.max(0)));
        if sizes.is_none() {
            return Err(LoadError("the layers' sizes add up to more than 2^63 - 1 bytes".to_owned()));
        }
        for layer in parents_first(layers)? {
            if layer.chain_id != ChainId::on(layer.parent, layer.diff_id) {
                return Err(LoadError(format!(
                    "layer {}: not the chain of diff {} on its parent",
                    layer.chain_id, layer.diff_id
                )));
            }
            self.layers.restore(layer).map_err(|error| in_object("layer", layer.chain_id, &error))?;
        }
        Ok(())
    }

    fn load_image(&self, image: world::Image, semantics: &Semantics) -> Result<(), LoadError> {
        let world::Image { id, config, .. } = image;
        if ImageId::of(&config) != id {
            return Err(LoadError(format!("image {id}: not the digest of its config")));
        }
        if self.images.contains(id) {
            return Err(LoadError(format!("image {id}: there twice")));
        }
        Image::parse(config, semantics)
            .and_then(|image| self.images.insert(id, Arc::new(image)))
            .map_err(|error| in_object("image", id, &error))
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
    /// which only a failing driver leaves behind (SPEC.md Y-6), are described like all others.
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
    let mut by_chain = HashMap::with_capacity(layers.len());
    for layer in layers {
        if by_chain.insert(layer.chain_id, layer).is_some() {
            return Err(LoadError(format!("layer {}: there twice", layer.chain_id)));
        }
    }
    let mut sorted = Vec::with_capacity(layers.len());
    let mut done = HashSet::with_capacity(layers.len());
    for layer in layers {
        let mut above = Vec::new();
        let mut next = Some(layer);
        while let Some(layer) = next.filter(|layer| !done.contains(&layer.chain_id)) {
            if above.len() > layers.len() {
                return Err(LoadError(format!("layer {}: its own ancestor", layer.chain_id)));
            }
            above.push(layer);
            next = match layer.parent {
                None => None,
                Some(parent) => Some(*by_chain.get(&parent).ok_or_else(|| {
                    LoadError(format!("layer {}: its parent {parent} does not exist", layer.chain_id))
                })?),
            };
        }
        done.extend(above.iter().map(|layer| layer.chain_id));
        sorted.extend(above.into_iter().rev());
    }
    Ok(sorted)
}
