//! Texts and documents, read by Go's rules.

pub(crate) mod filters;
pub mod image;
#[cfg(any(feature = "registry", feature = "fit", feature = "server"))]
pub mod manifest;
pub(crate) mod oci;
pub mod reference;
pub mod world;
