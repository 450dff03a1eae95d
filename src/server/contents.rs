//! The layers' own tars, as they were loaded: what a storage driver keeps.

use std::collections::HashMap;
use std::sync::Arc;

use crate::base::digest::ChainId;
use crate::base::sync::Mutex;

/// Tars by layer. A layer of a state file or a data root has none.
#[derive(Default)]
pub(super) struct Contents(Mutex<HashMap<ChainId, Arc<[u8]>>>);

impl Contents {
    pub fn keep(&self, chain: ChainId, tar: Vec<u8>) {
        self.0.lock().entry(chain).or_insert_with(|| tar.into());
    }

    pub fn get(&self, chain: ChainId) -> Option<Arc<[u8]>> {
        self.0.lock().get(&chain).cloned()
    }

    pub fn forget(&self, chain: ChainId) {
        self.0.lock().remove(&chain);
    }
}
