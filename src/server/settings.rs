//! How a daemon in memory is set up.

use super::access::Access;
use super::fault::Fault;
use super::limits::Limits;
use super::pull::Pull;
use super::visit::Observer;
use crate::go::time::Timestamp;
use crate::graph::select::Order;
use crate::semantics::Semantics;

/// What a daemon is to be like.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub semantics: Semantics,
    /// The minor number of the newest API version.
    pub api_version: u16,
    pub order: Order,
    /// None for the system's clock.
    pub now: Option<Timestamp>,
    pub utc_offset_seconds: i32,
    /// Chooses the IDs of containers.
    pub seed: u64,
    pub limits: Limits,
    /// Where images come from that are not there.
    pub pull: Pull,
    pub access: Access,
    pub faults: Vec<Fault>,
    pub observer: Option<Observer>,
    /// Whether `/_control` is there.
    pub has_control: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let semantics = Semantics::default();
        Self {
            semantics,
            api_version: semantics.api_versions.1,
            order: Order::ById,
            now: None,
            utc_offset_seconds: 0,
            seed: 0,
            limits: Limits::default(),
            pull: Pull::default(),
            access: Access::default(),
            faults: Vec::new(),
            observer: None,
            has_control: false,
        }
    }
}
