//! Layers on their way into an image.

use super::super::images::unpacked_size;
use super::Store;
use crate::base::digest::{ChainId, DiffId};
use crate::base::error::Result;
use crate::graph::store::LayerHandle;

/// Layers that must not go before their image is there, which holds them itself. Dropped, it lets go those that nobody else
/// holds.
pub(in super::super) struct Held<'a> {
    store: &'a Store,
    handles: Vec<LayerHandle>,
}

impl<'a> Held<'a> {
    pub(super) const fn new(store: &'a Store) -> Self {
        Self { store, handles: Vec::new() }
    }

    /// Holds a layer where it is there; false where it is not.
    pub fn get(&mut self, chain: ChainId) -> bool {
        let handle = self.store.stores().layers.get(chain);
        handle.map(|handle| self.handles.push(handle)).is_ok()
    }

    /// Adds a layer, or holds the one that is there. Its tar is [kept](Self::keep) once it is known to be the right one.
    ///
    /// # Errors
    ///
    /// It is no tar; the parent is not there; there are too many layers below.
    pub fn register(&mut self, diff_id: DiffId, parent: Option<ChainId>, tar: &[u8]) -> Result<ChainId> {
        let handle = self.store.stores().layers.register(diff_id, parent, unpacked_size(tar)?)?;
        self.handles.push(handle);
        Ok(ChainId::on(parent, diff_id))
    }

    /// Keeps the tar of a layer that is held.
    pub fn keep(&self, chain: ChainId, tar: Vec<u8>) {
        self.store.contents.keep(chain, tar);
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        for handle in self.handles.drain(..) {
            // The driver forgets a tar, and never fails.
            let _ = self.store.stores().layers.release(handle);
        }
    }
}
