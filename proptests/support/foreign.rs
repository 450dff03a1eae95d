//! Stores that are not ours: four thin handles on ordered maps, written from the traits' documentation
//! alone. An engine over them must answer as over the in-memory ones.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use image_prune::event::Recorder;
use image_prune::graph::Engine;
use image_prune::graph::store::{
    ContainerState, ContainerStore, FreedLayer, ImageStore, Layer, LayerStore, ReferenceStore, Stores,
};
use image_prune::{ChainId, ContainerId, Error, Image, ImageId, Reference, Result, Semantics, World, world};

/// All that the four stores hold.
#[derive(Debug, Default)]
struct State {
    images: BTreeMap<ImageId, (Arc<Image>, Option<ImageId>)>,
    references: BTreeMap<String, (Reference, ImageId)>,
    layers: BTreeMap<ChainId, Layer>,
    containers: BTreeMap<ContainerId, world::Container>,
    os_is_checked: bool,
}

/// Each of the four stores: a handle on the same state.
#[derive(Debug, Clone, Default)]
pub struct Shelf(Rc<RefCell<State>>);

/// An engine over shelves.
pub type ForeignEngine = Engine<Recorder, Shelf, Shelf, Shelf, Shelf>;

/// An engine over stores that hold `world`.
pub fn foreign_engine(world: &World, semantics: Semantics) -> ForeignEngine {
    let shelf = Shelf::new(semantics);
    shelf.add(world, semantics);
    let stores =
        Stores { images: shelf.clone(), references: shelf.clone(), layers: shelf.clone(), containers: shelf };
    Engine::new(stores, semantics, Recorder::default())
}

fn key(reference: &Reference) -> Reference {
    reference.clone().favor_digest().tag_name_only()
}

impl Shelf {
    /// An empty one.
    pub fn new(semantics: Semantics) -> Self {
        let state = State { os_is_checked: semantics.os_is_checked_on_delete, ..State::default() };
        Self(Rc::new(RefCell::new(state)))
    }

    /// Puts `world` beside what is there.
    pub fn add(&self, world: &World, semantics: Semantics) {
        let mut state = self.0.borrow_mut();
        for layer in &world.layers {
            // How many hold it is counted when somebody asks.
            let (diff_id, parent, diff_size) = (layer.diff_id, layer.parent, layer.size);
            let described = Layer { diff_id, parent, diff_size, holders: 0 };
            state.layers.insert(layer.chain_id, described);
        }
        for image in &world.images {
            let parsed = Image::parse(image.config.clone(), &semantics).unwrap();
            state.images.insert(image.id, (Arc::new(parsed), image.parent));
        }
        for reference in &world.references {
            let parsed = key(&Reference::parse(&reference.name, &semantics).unwrap());
            state.references.insert(parsed.familiar().to_owned(), (parsed, reference.id));
        }
        for container in &world.containers {
            state.containers.insert(container.id, container.clone());
        }
    }

    /// What is on it, sorted.
    pub fn world(&self) -> World {
        let state = self.0.borrow();
        let mut world = World::default();
        for (chain_id, layer) in &state.layers {
            let Layer { diff_id, parent, diff_size: size, .. } = *layer;
            world.layers.push(world::Layer { chain_id: *chain_id, diff_id, parent, size });
        }
        for (id, (image, parent)) in &state.images {
            world.images.push(world::Image { id: *id, config: image.config().into(), parent: *parent });
        }
        for (reference, id) in state.references.values() {
            world.references.push(world::Reference { name: reference.as_str().to_owned(), id: *id });
        }
        world.containers.extend(state.containers.values().cloned());
        super::sorted(world)
    }
}

impl State {
    fn holders(&self, chain: ChainId) -> usize {
        let tops = self.images.values().map(|(image, _)| image.top_layer());
        let above = self.layers.values().map(|layer| layer.parent);
        let writable = self.containers.values().map(|container| container.rw_layer_parent);
        tops.chain(above).chain(writable).filter(|held| *held == Some(chain)).count()
    }
}

impl ImageStore for Shelf {
    fn ids(&self, heads_only: bool) -> Vec<ImageId> {
        let state = self.0.borrow();
        let is_parent = |id: &ImageId| state.images.values().any(|(_, parent)| *parent == Some(*id));
        state.images.keys().filter(|id| !(heads_only && is_parent(id))).copied().collect()
    }

    fn get(&self, id: ImageId) -> Result<Arc<Image>> {
        let state = self.0.borrow();
        state.images.get(&id).map(|(image, _)| Arc::clone(image)).ok_or_else(|| Error::not_found("none"))
    }

    fn search(&self, term: &str) -> Result<ImageId> {
        let state = self.0.borrow();
        let is_meant = |id: &&ImageId| {
            let with_algorithm = term.len() > "sha256:".len() && id.to_string().starts_with(term);
            with_algorithm || id.hex().starts_with(term)
        };
        let mut found = state.images.keys().filter(is_meant);
        match (found.next(), found.next()) {
            (Some(id), None) => Ok(*id),
            _ => Err(Error::not_found("none, or several")),
        }
    }

    fn has_children(&self, id: ImageId) -> bool {
        let state = self.0.borrow();
        state.images.contains_key(&id) && state.images.values().any(|(_, parent)| *parent == Some(id))
    }

    fn parent(&self, id: ImageId) -> Option<ImageId> {
        self.0.borrow().images.get(&id)?.1
    }

    fn check_delete(&self, id: ImageId) -> Result<()> {
        let state = self.0.borrow();
        let Some((image, _)) = state.images.get(&id) else {
            return Err(Error::system(format!("unrecognized image ID {id}")));
        };
        if state.os_is_checked && !image.is_os_supported() {
            return Err(Error::system(format!("unsupported image operating system {:?}", image.os())));
        }
        Ok(())
    }

    fn delete(&self, id: ImageId) -> Result<Vec<FreedLayer>> {
        self.check_delete(id)?;
        let mut state = self.0.borrow_mut();
        let (image, _) = state.images.remove(&id).unwrap();
        for (_, parent) in state.images.values_mut() {
            *parent = parent.filter(|parent| *parent != id);
        }
        let mut freed = Vec::new();
        let mut next = image.chain().unwrap_or_default();
        while let Some(chain_id) = next.filter(|chain| state.holders(*chain) == 0) {
            let Some(Layer { diff_id, parent, diff_size, .. }) = state.layers.remove(&chain_id) else {
                break;
            };
            freed.push(FreedLayer { chain_id, diff_id, diff_size });
            next = parent;
        }
        Ok(freed)
    }
}

impl ReferenceStore for Shelf {
    fn references(&self, id: ImageId) -> Vec<Reference> {
        let state = self.0.borrow();
        let of_image = state.references.values().filter(|(_, image)| *image == id);
        let mut references: Vec<_> = of_image.map(|(reference, _)| reference.clone()).collect();
        references.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        references
    }

    fn get(&self, reference: &Reference) -> Option<ImageId> {
        self.0.borrow().references.get(key(reference).familiar()).map(|(_, id)| *id)
    }

    fn delete(&self, reference: &Reference) -> Result<()> {
        let removed = self.0.borrow_mut().references.remove(key(reference).familiar());
        removed.map(drop).ok_or_else(|| Error::not_found("reference does not exist"))
    }
}

impl LayerStore for Shelf {
    type Sizes = HashMap<ChainId, i64>;

    fn sizes(&self) -> Self::Sizes {
        self.0.borrow().layers.iter().map(|(chain, layer)| (*chain, layer.diff_size)).collect()
    }

    fn layer(&self, chain: ChainId) -> Option<Layer> {
        let state = self.0.borrow();
        state.layers.get(&chain).map(|layer| Layer { holders: state.holders(chain), ..*layer })
    }
}

fn is_in(container: &world::Container, state: ContainerState) -> bool {
    match state {
        ContainerState::Running => container.running,
        ContainerState::Stopped => !container.running,
        ContainerState::Any => true,
    }
}

impl ContainerStore for Shelf {
    fn first(&self, image: ImageId, state: ContainerState) -> Option<ContainerId> {
        let is_meant = |container: &&world::Container| container.image == image && is_in(container, state);
        self.0.borrow().containers.values().find(is_meant).map(|container| container.id)
    }

    fn count(&self, image: ImageId) -> usize {
        self.0.borrow().containers.values().filter(|container| container.image == image).count()
    }

    fn first_mounting(&self, image: ImageId, state: ContainerState) -> Option<ContainerId> {
        let all = self.0.borrow();
        let mut mounting = all.containers.values().filter(|one| one.image_mounts.contains(&image));
        mounting.find(|container| is_in(container, state)).map(|container| container.id)
    }
}
