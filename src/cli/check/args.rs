//! The flags of `check`, and what its files hold.

use std::path::PathBuf;

use clap::Args;
use image_prune::Semantics;

use crate::cli::args::{Format, semantics};

/// Shown below the flags.
pub const FILES: &str = r#"Exit codes: 0 explained, 3 impossible, 1 where the search gave up, or an error.

The files, each may be `-` for stdin:

REQUEST   {"filters":"{\"dangling\":[\"false\"]}", "now":"2024-03-10T12:00:00Z"}
          `filters` is the raw query value, or that as an object; empty for none. Optional:
          "utc_offset_seconds" (the daemon's zone; default: that of the state),
          "busy":true (another prune may have been running), "cancelled":true (the client may have
          gone away), "faults":1 (so many calls of the stores may have failed).

OBSERVED  {"status":200, "body":{"ImagesDeleted":[{"Untagged":"a:1"}],"SpaceReclaimed":0},
           "events":[{"Type":"image","Action":"untag","Actor":{"ID":"sha256:…","Attributes":{}}}],
           "after":[…]}
          Each is optional; what is absent is not judged. `body` may be an error, {"message":"…"}.
          "closed":true stands for a connection that was cut instead of an answer. `events` are
          those of /events from the request on. `after` is a state file, parts of one, lists of IDs
          in the place of its `images` and `layers`, or what /images/json?all=1&digests=1 answers.
          For the containerd image store it is a state file of that, parts of one, lists in the
          place of its `images` (names), `blobs`, `snapshots` and `leases`, or what
          /images/json?all=1 answers; `faults` are not judged there."#;

#[derive(Debug, Args)]
#[command(after_long_help = FILES)]
pub struct CheckArgs {
    /// The state before, as `export` writes it
    #[arg(long, value_name = "FILE")]
    pub before: PathBuf,
    /// What was asked; --help has the format
    #[arg(long, value_name = "FILE")]
    pub request: PathBuf,
    /// What was answered, said and left; --help has the format
    #[arg(long, value_name = "FILE")]
    pub observed: PathBuf,
    /// Compare with this version [default: that of the state file, or moby-20.10; moby-29-containerd for containerd's
    /// store]
    #[arg(long, value_name = "VERSION", value_parser = semantics())]
    pub semantics: Option<Semantics>,
    /// How to print the verdict
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}
