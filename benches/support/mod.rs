//! What the benches share.
#![allow(dead_code, reason = "each bench uses a part")]

pub mod containerd;
pub mod figures;
pub mod floor;
pub mod store;
