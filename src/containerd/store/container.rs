//! The daemon's containers.

use std::collections::HashMap;
use std::sync::Arc;

use super::{ContainerStore, uses};
use crate::base::digest::Digest;
use crate::base::sync::RwLock;
use crate::document::world::containerd::Container;

/// The daemon's containers, in memory.
#[derive(Debug, Default)]
pub struct Containers(RwLock<Inner>);

#[derive(Debug, Default, Clone)]
struct Inner {
    /// In order of creation; those that were removed leave a hole.
    all: Vec<Option<Arc<Container>>>,
    by_id: HashMap<String, usize>,
    by_image: HashMap<Digest, Vec<usize>>,
}

impl Containers {
    /// No containers yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a container. One with its ID, if there is one, goes.
    pub fn add(&self, container: Container) {
        let mut inner = self.0.write();
        inner.remove(&container.id);
        inner.add(container);
    }

    /// Removes a container. Its lease is containerd's, and stays.
    pub fn remove(&self, id: &str) -> Option<Arc<Container>> {
        self.0.write().remove(id)
    }

    /// A copy that shares nothing that can change.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self(RwLock::new(self.0.read().clone()))
    }

    fn find(&self, image: Digest, is_it: impl Fn(&Container) -> bool) -> Option<Arc<Container>> {
        let inner = self.0.read();
        let places = inner.by_image.get(&image).into_iter().flatten();
        let mut containers = places.filter_map(|place| inner.all.get(*place)?.clone());
        containers.find(|container| is_it(container))
    }
}

impl Inner {
    fn add(&mut self, container: Container) {
        let place = self.all.len();
        self.by_id.insert(container.id.clone(), place);
        self.by_image.entry(container.image_id).or_default().push(place);
        self.all.push(Some(Arc::new(container)));
    }

    fn remove(&mut self, id: &str) -> Option<Arc<Container>> {
        let place = self.by_id.remove(id)?;
        let container = self.all.get_mut(place)?.take()?;
        if let Some(places) = self.by_image.get_mut(&container.image_id) {
            places.retain(|other| *other != place);
        }
        Some(container)
    }
}

impl FromIterator<Container> for Containers {
    fn from_iter<I: IntoIterator<Item = Container>>(containers: I) -> Self {
        let mut inner = Inner::default();
        containers.into_iter().for_each(|container| inner.add(container));
        Self(RwLock::new(inner))
    }
}

impl ContainerStore for Containers {
    fn containers(&self) -> Vec<Arc<Container>> {
        self.0.read().all.iter().flatten().cloned().collect()
    }

    fn first(&self, image: Digest, running: bool) -> Option<Arc<Container>> {
        self.find(image, |container| container.running == running)
    }

    fn first_using(&self, image: Digest) -> Option<Arc<Container>> {
        let made = self.find(image, |_| true);
        made.or_else(|| self.containers().into_iter().find(|container| uses(container, image)))
    }
}
