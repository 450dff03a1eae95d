//! The routes of volumes. A volume is a record: nothing is kept in it.

mod routes;
mod volume;

pub(super) use routes::{
    anonymous_labels, check_name, create, inspect, list, make, prune, remove, take_away, usage,
};
pub(super) use volume::{Shown, Volumes, log, mountpoint};
