//! The routes of images.

mod archive;
mod change;
mod changes;
mod details;
mod import;
mod legacy;
mod list;
mod load;
mod of_platform;
mod pull;
mod save;
mod source;

pub(super) use archive::unpacked_size;
pub(super) use change::{add_tag, named, prune, remove, tag};
pub(super) use changes::apply as apply_changes;
pub(super) use details::{DRIVER, GraphDriver, config as raw_config, history, history_of, inspect};
pub(super) use import::{ARCHITECTURE, import};
pub(super) use list::{Line, list};
pub(super) use load::load;
pub(super) use of_platform::other as other_platform;
pub(super) use save::save;
