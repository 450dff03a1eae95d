//! The executable specification, and what is checked against it.

pub mod model;
