//! What stands on nothing of ours.

#[cfg(any(feature = "client", feature = "registry"))]
pub(crate) mod address;
#[cfg(any(feature = "server", feature = "fit"))]
pub(crate) mod archive;
pub(crate) mod arena;
pub mod cancel;
#[cfg(any(feature = "client", feature = "registry"))]
pub(crate) mod created;
pub(crate) mod digest;
pub(crate) mod error;
pub mod few;
#[cfg(any(feature = "client", feature = "registry"))]
pub(crate) mod glob;
pub(crate) mod guard;
pub(crate) mod hash;
#[cfg(any(feature = "client", feature = "registry", feature = "server"))]
pub(crate) mod pattern;
pub(crate) mod shuffle;
pub(crate) mod sync;
pub(crate) mod tag;
pub mod terminal;
pub mod units;
