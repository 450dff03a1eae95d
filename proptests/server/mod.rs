//! The daemon in memory: against dockerd, against real clients, against bad ones.

mod bad_http;
mod clients;
mod equal;
mod faults;
mod life;
mod load;
#[cfg(feature = "cli")]
mod root;
