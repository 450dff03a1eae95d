//! The routes of containers. A container is a record with a state: nothing is executed.

mod alter;
mod change;
mod commit;
mod create;
mod exec;
mod list;
mod mounts;
mod remove;
mod show;
mod signal;
mod validate;
mod watch;

pub(super) use alter::{rename, update};
pub(super) use change::{kill, pause, restart, start, stop, unpause};
pub(super) use commit::commit;
pub(super) use create::create;
pub(super) use exec::{Execs, create as create_exec, inspect as inspect_exec, start as start_exec};
pub(super) use list::{list, summaries};
pub(super) use mounts::Mount;
pub(super) use remove::{prune, remove};
pub(super) use show::{Summary, inspect};
pub(super) use watch::{attach, changes, logs, resize, stats, top, wait};

use super::daemon::Daemon;
use crate::base::error::Result;

/// Ends a container's process with this code; false where none runs.
///
/// # Errors
///
/// There is no such container.
pub(super) fn exit(daemon: &Daemon, name: &str, code: i32) -> Result<bool> {
    let record = daemon.shelf.find(name)?;
    let ended = change::exit(daemon, &record, code);
    if let Some(record) = &ended {
        change::remove_if_asked(daemon, record);
    }
    Ok(ended.is_some())
}
