//! Containers in memory, found by their image.

use smallvec::SmallVec;

use super::{ContainerState, ContainerStore, Users};
use crate::base::digest::{ContainerId, ImageId};
use crate::base::error::{Error, Result};
#[cfg(not(shuttle))]
use crate::base::hash::DigestState;
use crate::base::sync::atomic::{AtomicUsize, Ordering};
use crate::base::sync::{DashMap, MapEntry};

/// A container, as far as images are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its ID.
    pub id: ContainerId,
    /// The image it was made from; it need not exist.
    pub image: ImageId,
    /// Its running flag (D-7).
    pub running: bool,
    /// The images that it mounts.
    pub image_mounts: Vec<ImageId>,
}

/// The containers of a daemon, in memory.
///
/// Which of several containers a conflict names is the one with the smallest ID.
#[derive(Debug, Default)]
pub struct Containers {
    by_id: Map<ContainerId, Container>,
    // INVARIANT: sorted by ID; never an empty list.
    by_image: UserLists,
    by_mount: UserLists,
    mounting: AtomicUsize,
}

type UserLists = Map<ImageId, SmallVec<[User; 1]>>;

#[cfg(not(shuttle))]
type Map<K, V> = DashMap<K, V, DigestState>;

/// The model checker's map takes no hasher.
#[cfg(shuttle)]
type Map<K, V> = DashMap<K, V>;

/// A container that uses an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct User {
    id: ContainerId,
    running: bool,
}

impl Clone for Containers {
    fn clone(&self) -> Self {
        let copy = Self::new();
        for container in self.containers() {
            copy.index(&container);
            copy.by_id.insert(container.id, container);
        }
        copy
    }
}

impl Containers {
    /// No containers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a container.
    ///
    /// # Errors
    ///
    /// A conflict where there is one with this ID.
    pub fn create(&self, container: Container) -> Result<()> {
        let taken = || Error::conflict(format!("container {} exists already", container.id));
        match self.by_id.entry(container.id) {
            MapEntry::Occupied(_) => Err(taken()),
            MapEntry::Vacant(vacant) => {
                self.index(&container);
                vacant.insert(container);
                Ok(())
            }
        }
    }

    fn index(&self, container: &Container) {
        let user = User { id: container.id, running: container.running };
        add_user(&self.by_image, container.image, user);
        for image in &container.image_mounts {
            add_user(&self.by_mount, *image, user);
            self.mounting.fetch_add(1, Ordering::Release);
        }
    }

    /// Sets a container's running flag; false where there is no such container.
    pub fn set_running(&self, id: ContainerId, running: bool) -> bool {
        let Some(mut container) = self.by_id.get_mut(&id) else { return false };
        container.running = running;
        for (users, image) in self.uses(&container) {
            if let Some(mut users) = users.get_mut(&image)
                && let Some(user) = users.iter_mut().find(|user| user.id == id)
            {
                user.running = running;
            }
        }
        true
    }

    /// Takes a container out.
    pub fn remove(&self, id: ContainerId) -> Option<Container> {
        let MapEntry::Occupied(occupied) = self.by_id.entry(id) else { return None };
        for (users, image) in self.uses(occupied.get()) {
            if let MapEntry::Occupied(mut list) = users.entry(image) {
                list.get_mut().retain(|user| user.id != id);
                if list.get().is_empty() {
                    list.remove();
                }
            }
        }
        self.mounting.fetch_sub(occupied.get().image_mounts.len(), Ordering::Release);
        Some(occupied.remove())
    }

    /// One container.
    #[must_use]
    pub fn get(&self, id: ContainerId) -> Option<Container> {
        self.by_id.get(&id).map(|container| container.clone())
    }

    /// All containers, in no particular order. Not a snapshot: one that comes or goes meanwhile may
    /// be seen or not.
    #[must_use]
    pub fn containers(&self) -> Vec<Container> {
        self.by_id.iter().map(|container| container.clone()).collect()
    }

    /// The number of containers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Returns true where there is no container.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    // One lock order in this file: the container's entry, then the images' entries, one at a time.
    fn uses<'a>(&'a self, container: &'a Container) -> impl Iterator<Item = (&'a UserLists, ImageId)> {
        let mounts = container.image_mounts.iter().map(|image| (&self.by_mount, *image));
        std::iter::once((&self.by_image, container.image)).chain(mounts)
    }

    pub(super) fn validate(&self) -> Result<(), String> {
        let containers = self.containers();
        let expected = |users: usize, map: &UserLists| {
            let listed: usize = map.iter().map(|list| list.len()).sum();
            if listed == users { Ok(()) } else { Err(format!("{listed} uses listed, {users} expected")) }
        };
        for container in &containers {
            let users = self.by_image.get(&container.image);
            let user = User { id: container.id, running: container.running };
            if !users.is_some_and(|users| users.contains(&user) && users.is_sorted_by_key(|user| user.id)) {
                return Err(format!("container {} is not listed under its image", container.id));
            }
        }
        expected(containers.len(), &self.by_image)?;
        expected(containers.iter().map(|container| container.image_mounts.len()).sum(), &self.by_mount)
    }
}

fn first_of(users: &[User], state: ContainerState) -> Option<ContainerId> {
    let is_meant = |user: &&User| match state {
        ContainerState::Any => true,
        ContainerState::Running => user.running,
        ContainerState::Stopped => !user.running,
    };
    users.iter().find(is_meant).map(|user| user.id)
}

fn add_user(map: &UserLists, image: ImageId, user: User) {
    let mut users = map.entry(image).or_default();
    let place = users.partition_point(|other| other.id < user.id);
    users.insert(place, user);
}

impl ContainerStore for Containers {
    fn first(&self, image: ImageId, state: ContainerState) -> Option<ContainerId> {
        first_of(&self.by_image.get(&image)?, state)
    }

    fn users(&self, image: ImageId) -> Users {
        let Some(users) = self.by_image.get(&image) else { return Users::default() };
        let first = |running: bool| users.iter().find(|user| user.running == running).map(|user| user.id);
        Users { running: first(true), stopped: first(false) }
    }

    fn count(&self, image: ImageId) -> usize {
        self.by_image.get(&image).map_or(0, |users| users.len())
    }

    fn first_mounting(&self, image: ImageId, state: ContainerState) -> Option<ContainerId> {
        if self.mounting.load(Ordering::Acquire) == 0 {
            return None;
        }
        first_of(&self.by_mount.get(&image)?, state)
    }
}
