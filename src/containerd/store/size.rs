//! Sums of sizes.

use std::ops::{Add, Sub};

use serde::Serialize;

use super::Metadata;
use super::node::{Key, Object};
use crate::base::digest::Digest;

/// Bytes of content and of snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
pub struct Freed {
    /// Of content.
    pub content: i64,
    /// Of snapshots.
    pub snapshots: i64,
}

impl Freed {
    /// Both together.
    #[must_use]
    pub const fn total(self) -> i64 {
        self.content.saturating_add(self.snapshots)
    }
}

impl Add for Freed {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            content: self.content.saturating_add(other.content),
            snapshots: self.snapshots.saturating_add(other.snapshots),
        }
    }
}

impl Sub for Freed {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            content: self.content.saturating_sub(other.content),
            snapshots: self.snapshots.saturating_sub(other.snapshots),
        }
    }
}

impl Metadata {
    /// The bytes of everything that is there.
    #[must_use]
    pub fn sizes(&self) -> Freed {
        let mut sum = Freed::default();
        for (_, node) in self.0.read().nodes.iter() {
            match node.object {
                Object::Blob(_) => sum.content = sum.content.saturating_add(node.size),
                Object::Snapshot(..) => sum.snapshots = sum.snapshots.saturating_add(node.size),
                _ => {}
            }
        }
        sum
    }

    /// A lease that lists this blob, the first by ID.
    #[must_use]
    pub fn lease_of(&self, digest: Digest) -> Option<String> {
        let graph = self.0.read();
        let place = graph.nodes.find(Key::blob(digest))?;
        let leases = graph.nodes.iter().filter_map(|(_, node)| match &node.object {
            Object::Lease(lease) => lease.items.contains(&place).then(|| lease.described.id.clone()),
            _ => None,
        });
        leases.min()
    }
}
