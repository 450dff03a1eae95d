//! Sizes and ages as docker prints them.

pub use image_prune::units::{human_duration, human_size, short_size};
