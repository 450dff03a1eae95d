//! What the benches are held against.

use std::collections::HashMap;

use image_prune::ImageId;

/// The floor: four hash maps of 32-byte keys, and nothing but the removal of keys.
pub struct Floor {
    maps: [HashMap<[u8; 32], u32>; 4],
}

impl Floor {
    pub fn new(ids: &[ImageId]) -> Self {
        let key = |id: &ImageId| *id.digest().as_bytes();
        Self { maps: std::array::from_fn(|_| ids.iter().map(|id| (key(id), 1)).collect()) }
    }

    /// Removes the keys; how many were there.
    pub fn remove(&mut self, ids: &[ImageId]) -> u32 {
        let mut removed = 0;
        for id in ids {
            for map in &mut self.maps {
                removed += map.remove(id.digest().as_bytes()).unwrap_or(0);
            }
        }
        removed
    }
}
