//! Locks, maps with locks in them, and atomics that order other memory: the one place that names their crates.
//!
//! Built with `--cfg shuttle` they are those of a model checker, which runs a test under one interleaving after
//! the other (`proptests/interleavings.rs`).

#[cfg(not(shuttle))]
pub(crate) use {
    dashmap::{DashMap, Entry as MapEntry},
    parking_lot::{Condvar, Mutex, RwLock},
    std::sync::atomic,
};

#[cfg(shuttle)]
pub(crate) use {
    condvar::Condvar,
    shuttle::sync::atomic,
    shuttle_dashmap::{DashMap, mapref::entry::Entry as MapEntry},
    shuttle_parking_lot::{Mutex, RwLock},
};

#[cfg(shuttle)]
mod condvar;

/// A buffer's length; under the model checker one that a test can fill.
pub(crate) const fn capacity(length: usize) -> usize {
    if cfg!(shuttle) { 3 } else { length }
}
