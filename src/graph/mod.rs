//! The classic image store, which a graph driver keeps: images by ID, layers by chain ID, and the engine over them.

mod account;
pub mod delete;
pub(crate) mod engine;
pub mod free;
mod image_list;
pub mod plan;
pub mod removal;
pub(crate) mod report;
pub mod select;
mod service;
pub mod store;
pub mod usage;

pub use engine::Engine;
pub use report::PruneReport;
