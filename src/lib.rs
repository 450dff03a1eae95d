//! image-prune
mod account;
pub mod cancel;
#[cfg(feature = "data-root")]
pub mod data_root;
pub mod delete;
pub mod digest;
mod error;
pub mod event;
mod filters;
pub mod go;
pub mod image;
pub mod oracle;
pub mod plan;
mod prune;
pub mod record;
pub mod reference;
pub mod replay;
mod report;
pub mod request;
pub mod select;
mod semantics;
pub mod store;
pub mod usage;
pub mod warning;
pub mod world;

pub use digest::{ChainId, ContainerId, DiffId, Digest, ImageId};
pub use error::{Error, ErrorClass, Result};
pub use filters::Filters;
pub use go::time::{Now, Timestamp};
pub use image::Image;
pub use prune::Engine;
pub use record::Record;
pub use reference::Reference;
pub use report::PruneReport;
pub use request::PruneRequest;
pub use semantics::{GoTime, Semantics, Unicode};
pub use world::World;
