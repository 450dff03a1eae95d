//! image-prune
pub mod cancel;
#[cfg(feature = "data-root")]
pub mod data_root;
pub mod digest;
mod error;
pub mod event;
pub mod go;
pub mod image;
pub mod oracle;
pub mod record;
pub mod reference;
pub mod replay;
pub mod request;
mod semantics;
pub mod world;

pub use digest::{ChainId, ContainerId, DiffId, Digest, ImageId};
pub use error::{Error, ErrorClass, Result};
pub use go::time::{Now, Timestamp};
pub use image::Image;
pub use record::Record;
pub use reference::Reference;
pub use request::PruneRequest;
pub use semantics::{GoTime, Semantics, Unicode};
pub use world::World;
