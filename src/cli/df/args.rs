//! The flags of `df`.

use chrono::{DateTime, FixedOffset};
use clap::Args as ArgGroup;

use crate::cli::args::{Format, SourceArgs, instant};
use crate::cli::keep::KeepArgs;
use crate::cli::units::bytes;

const AFTER_HELP: &str = "\
Images share layers, so that their sizes do not add up. --set, --marginal and --free count what really comes back: what \
`docker rmi` of exactly these images frees, unnamed parents that nothing else needs along.";

#[derive(Debug, ArgGroup)]
#[command(after_help = AFTER_HELP)]
pub struct DfArgs {
    /// List the images, and of a running daemon all else
    #[arg(short, long)]
    pub verbose: bool,
    /// How to print it; JSON has the images in any case
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// The time from which ages are counted [default: now]
    #[arg(long, value_name = "RFC3339", value_parser = instant)]
    pub now: Option<DateTime<FixedOffset>>,
    #[command(flatten)]
    pub what_if: WhatIfArgs,
    #[command(flatten)]
    pub keep: KeepArgs,
    #[command(flatten)]
    pub source: SourceArgs,
}

/// Questions about deletions.
#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "What if")]
pub struct WhatIfArgs {
    /// What deleting exactly these images frees: references or IDs, separated by commas
    #[arg(long, value_name = "IMAGE,…", value_delimiter = ',', group = "question")]
    pub set: Vec<String>,
    /// What deleting each image alone frees
    #[arg(long, group = "question")]
    pub marginal: bool,
    /// The smallest set of unused images that frees this much: `500MB`, `2GB`
    #[arg(long, value_name = "SIZE", value_parser = bytes, group = "question")]
    pub free: Option<u64>,
    /// The logs of a running daemon's containers
    #[arg(long, group = "question")]
    pub logs: bool,
}
