//! The routes of containers. A container is a record with a state: nothing is executed.

mod change;
mod create;
mod list;
mod prune;
mod show;

pub(super) use change::{kill, remove, start, stop};
pub(super) use create::create;
pub(super) use list::{list, summaries};
pub(super) use prune::{Kind, prune};
pub(super) use show::{Summary, inspect};
