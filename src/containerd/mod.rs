//! Prunes and deletions of a daemon that keeps its images in containerd, moby 29's default.
//!
//! Here an image is a name that points to content, a prune takes names away, and containerd's garbage collector frees
//! what no name reaches any more. The rules and their IDs are those of [`_docs::rules`](crate::_docs::rules).

mod decode;
mod delete;
mod engine;
pub mod free;
mod image;
mod manifests;
pub mod plan;
mod prune;
mod record;
pub mod removal;
mod request;
mod select;
mod service;
pub mod store;
mod tag;
mod usage;

pub use decode::Kind;
pub use delete::{DeleteError, Options};
pub use engine::Engine;
pub use image::{DANGLING, Image, PARENT};
pub(crate) use prune::delete_leases;
pub use prune::{PruneError, PruneReport};
pub use record::Record;
pub use request::{LabelCheck, Request};
pub use select::{Order, Rejection, select};
pub use usage::ImageRow;
