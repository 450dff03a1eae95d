//! The routes of networks. A network is a record: nothing is attached to it, and a container that runs on it keeps it
//! from going.

mod connect;
mod create;
mod list;
mod network;
mod remove;

pub(super) use connect::{connect, disconnect, log_of, require};
pub(super) use create::create;
pub(super) use list::{inspect, list};
pub(super) use network::Networks;
pub(super) use remove::{prune, remove};
