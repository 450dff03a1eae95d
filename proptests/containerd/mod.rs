//! The containerd image store: what moby recorded, engine and model against each other, laws.

#[cfg(feature = "cli")]
mod command;
mod recorded;
