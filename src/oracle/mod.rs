//! The executable specification.

pub mod model;
