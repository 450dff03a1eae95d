//! The executable specification, and the question whether an outcome agrees with it.
//!
//! ```
//! use image_prune::oracle::containerd::Model;
//! use image_prune::{Now, Semantics, cancel::Never, world::ContainerdWorld};
//!
//! let now = Now::utc(chrono::DateTime::UNIX_EPOCH);
//! let mut model = Model::new(&ContainerdWorld::default(), &Semantics::MOBY_29_CONTAINERD, now)?;
//! let pruned = model.prune(r#"{"dangling":["false"]}"#, &[], &Never);
//! assert_eq!((pruned.report.unwrap().images_deleted, pruned.error), (None, None));
//! # Ok::<(), image_prune::Error>(())
//! ```

pub mod check;
pub mod containerd;
pub mod graph;
