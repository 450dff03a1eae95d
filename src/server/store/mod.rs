//! The classic image store behind the routes, for what a daemon does to it besides what its image service says: images that
//! come and are written out, what is told of one image, and the layers and images that containers use.
//!
//! The two image stores of moby do these in ways of their own, layers here, content and snapshots there, so that no trait has
//! them: another store takes the place of this file. It is the only one that reaches into the stores.

use std::sync::Arc;

use super::contents::Contents;
use super::settings::Settings;
use crate::api::event::EventLog;
use crate::api::service::ImageService;
use crate::base::digest::{ChainId, ContainerId, ImageId};
use crate::base::error::Result;
use crate::document::image::Image;
use crate::document::reference::Reference;
use crate::document::world::World;
use crate::graph::Engine;
use crate::graph::store::{Container, ImageStore, LayerStore, Layers, ReferenceStore, Stores};

mod held;

pub(super) use held::Held;

/// An image service that tells a daemon's events.
pub(super) type Service = dyn ImageService<Events = Arc<EventLog>>;

/// The engine, and the tars that a storage driver would keep.
pub(super) struct Store {
    engine: Engine<Arc<EventLog>>,
    contents: Arc<Contents>,
}

impl Store {
    /// # Errors
    ///
    /// Stores cannot hold what `world` describes.
    pub fn new(world: World, settings: &Settings, events: Arc<EventLog>) -> Result<Self> {
        let contents = Arc::new(Contents::default());
        let layers = {
            let contents = Arc::clone(&contents);
            Layers::with_driver(move |chain| {
                contents.forget(chain);
                Ok(())
            })
        };
        let stores = Stores::load_on(layers, world, &settings.semantics)?;
        let engine = Engine::new(stores, settings.semantics, events).with_order(settings.order.clone());
        Ok(Self { engine, contents })
    }

    pub const fn service(&self) -> &Service {
        &self.engine
    }

    pub const fn stores(&self) -> &Stores {
        self.engine.stores()
    }

    /// Everything, as a state file describes it; without the version and the zone.
    pub fn world(&self) -> World {
        self.stores().to_world()
    }
}

/// What is told of an image.
impl Store {
    /// The image that a reference, an ID or the beginning of one names.
    ///
    /// # Errors
    ///
    /// No such image; no reference at all.
    pub fn find(&self, name: &str) -> Result<(ImageId, Arc<Image>)> {
        loop {
            let id = self.service().find(name)?;
            // Where it was deleted meanwhile, the name is another image's, or nobody's.
            if let Ok(image) = self.image(id) {
                return Ok((id, image));
            }
        }
    }

    /// # Errors
    ///
    /// No such image.
    pub fn image(&self, id: ImageId) -> Result<Arc<Image>> {
        self.stores().images.get(id)
    }

    /// The one image whose ID begins so (I-12).
    ///
    /// # Errors
    ///
    /// There is none, or more than one.
    pub fn search(&self, term: &str) -> Result<ImageId> {
        self.stores().images.search(term)
    }

    pub fn contains(&self, id: ImageId) -> bool {
        self.stores().images.contains(id)
    }

    pub fn count(&self) -> usize {
        self.stores().images.len()
    }

    pub fn parent(&self, id: ImageId) -> Option<ImageId> {
        self.stores().images.parent(id)
    }

    pub fn children(&self, id: ImageId) -> Vec<ImageId> {
        self.stores().images.children(id)
    }

    /// The bytes of all its layers; `None` where one is not there.
    pub fn size(&self, image: &Image) -> Option<i64> {
        self.stores().image_size(image)
    }

    /// The bytes of one layer.
    pub fn layer_size(&self, chain: ChainId) -> Option<i64> {
        self.stores().layers.layer(chain).map(|layer| layer.diff_size)
    }

    /// A layer's own tar. A layer of a state has none.
    pub fn tar(&self, chain: ChainId) -> Option<Arc<[u8]>> {
        self.contents.get(chain)
    }
}

/// Names.
impl Store {
    /// Those of an image, sorted.
    pub fn references(&self, id: ImageId) -> Vec<Reference> {
        self.stores().references.references(id)
    }

    ///
    pub fn named(&self, reference: &Reference) -> Option<ImageId> {
        self.stores().references.get(reference)
    }

    /// All names of a repository, which is given in its familiar form.
    pub fn of_repository(&self, name: &str) -> Vec<(Reference, ImageId)> {
        self.stores().references.references_by_name(name)
    }

    /// Moves a tag, and tells nobody: a load or a pull has events of its own.
    ///
    /// # Errors
    ///
    ///
    pub fn move_tag(&self, reference: Reference, id: ImageId) -> Result<()> {
        self.stores().references.retag(reference, id).map(drop)
    }

    /// Moves a digest. An index is of several images: the one that was pulled last has its digest.
    ///
    /// # Errors
    ///
    ///
    pub fn move_digest(&self, canonical: Reference, id: ImageId) -> Result<()> {
        let references = &self.stores().references;
        if references.get(&canonical).is_some_and(|previous| previous != id) {
            references.delete(&canonical)?;
        }
        references.add_digest(canonical, id)
    }
}

/// Images that come.
impl Store {
    /// Layers that stay until their image is there.
    pub const fn hold(&self) -> Held<'_> {
        Held::new(self)
    }

    /// Adds an image whose layers are there.
    ///
    /// # Errors
    ///
    /// It is no config; a layer is not there.
    pub fn create(&self, config: impl Into<Vec<u8>>) -> Result<ImageId> {
        self.stores().images.create(config)
    }

    /// # Errors
    ///
    /// One of the two is not there.
    pub fn set_parent(&self, child: ImageId, parent: ImageId) -> Result<()> {
        self.stores().images.set_parent(child, parent)
    }
}

/// Containers, as far as images are concerned.
impl Store {
    /// A writable layer on that of the image, and the container where it has an image: without one it keeps none.
    ///
    /// # Errors
    ///
    /// There is a container of this ID; the layer is not there.
    pub fn add_container(
        &self,
        id: ContainerId,
        image: Option<(ImageId, &Image)>,
        image_mounts: Vec<ImageId>,
    ) -> Result<()> {
        let chain = image.and_then(|(_, image)| image.top_layer());
        self.stores().layers.mount(&id.to_string(), chain)?;
        match image {
            Some((image, _)) => {
                self.stores().containers.create(Container { id, image, running: false, image_mounts })
            }
            None => Ok(()),
        }
    }

    pub fn set_running(&self, id: ContainerId, running: bool) {
        self.stores().containers.set_running(id, running);
    }

    /// The image is in use as long as its layers are.
    ///
    /// # Errors
    ///
    /// It has no writable layer.
    pub fn remove_container(&self, id: ContainerId) -> Result<()> {
        self.stores().layers.unmount(&id.to_string())?;
        self.stores().containers.remove(id);
        Ok(())
    }
}
