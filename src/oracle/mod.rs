//! The executable specification, and the question whether an outcome agrees with it.

pub mod check;
pub mod containerd;
pub mod graph;
