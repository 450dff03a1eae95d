//! Filters.
/// x
#[derive(Debug)]
pub struct EventFilter;
