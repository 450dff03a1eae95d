//! A daemon's state at one moment, for plans.

use std::collections::BTreeSet;

use crate::api::record::Record;
use crate::base::digest::ChainId;
use crate::base::error::Error;
use crate::go::time::Now;
use crate::graph::store::Stores;
use crate::semantics::Semantics;

use super::api::Client;
use super::error::ClientError;
use super::state::{ChainSizes, DaemonState};

/// A daemon at one moment, more or less: the API has no snapshot.
#[derive(Debug)]
pub struct View {
    /// Its stores, as far as the API tells.
    pub stores: Stores,
    /// Its clock and zone, by which it reads `until`.
    pub now: Now,
    /// The version of moby that is nearest to it.
    pub semantics: Semantics,
    /// Its ID.
    pub daemon: String,
    /// What is known of the sizes of layers.
    pub sizes: ChainSizes,
    /// Why less may come back than the sizes say.
    pub doubts: Vec<String>,
}

impl View {
    /// Asks the daemon for everything.
    ///
    /// # Errors
    ///
    /// The daemon cannot be asked, or makes no sense; it has the containerd image store.
    pub fn read(client: &Client) -> Result<Self, ClientError> {
        let info = client.graph_driver_info()?;
        let semantics = client.semantics()?;
        let DaemonState { world, now, sizes, doubts, .. } = DaemonState::read(client, &semantics)?;
        let stores = Stores::load(world, &semantics).map_err(|error| {
            ClientError::invalid(format!(
                "what the daemon tells of its images makes no sense: {}",
                Error::from(error)
            ))
        })?;
        Ok(Self { stores, now, semantics, daemon: info.id, sizes, doubts })
    }

    /// Between what the bytes lie that these records give back.
    pub(super) fn bytes(&self, records: &[Record]) -> (u64, u64) {
        let (least, most) = self.sizes.freed(records).into_inner();
        (if self.doubts.is_empty() { least } else { 0 }, most)
    }

    /// The most that these layers can be.
    pub(super) fn bytes_of_layers(&self, layers: &BTreeSet<ChainId>) -> u64 {
        *self.sizes.range(layers).end()
    }
}
