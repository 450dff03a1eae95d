//! The flags of `fit` and `fit index`.

use std::path::PathBuf;

use clap::{Args as ArgGroup, Subcommand};
use image_prune::manifest::Platform;

use crate::cli::args::{Format, SelectionArgs, SourceArgs};
use crate::cli::registry::args::LoginArgs;
use crate::cli::units::bytes;

const SOURCES: &str = "\
An IMAGE is one of
    oci:FOLDER[:NAME]                an OCI layout, as skopeo writes it; all its images, or one
    docker://HOST[:PORT]/REPO[:TAG]  an image of a registry, also REPO@DIGEST
    FILE                             a manifest, an index, or a layer index, as `fit index` writes it

Exit codes: 0 it fits, 3 it does not, or may not.";

#[derive(Debug, ArgGroup)]
#[command(after_help = SOURCES, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct FitArgs {
    #[command(subcommand)]
    pub command: Option<FitCommand>,
    #[command(flatten)]
    pub wanted: WantedArgs,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    #[command(flatten)]
    pub room: RoomArgs,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub prune: PruneArgs,
    #[command(flatten)]
    pub login: LoginArgs,
}

#[derive(Debug, Subcommand)]
pub enum FitCommand {
    /// Write the layer index of a compose app: the layers of all its images, one line a platform
    Index(IndexArgs),
}

#[derive(Debug, ArgGroup)]
#[command(after_help = SOURCES)]
pub struct IndexArgs {
    /// The images
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<String>,
    /// The platforms; may be repeated [default: that of this machine]
    #[arg(long, value_name = "OS/ARCHITECTURE")]
    pub platform: Vec<Platform>,
    /// The file to write; `-` is stdout
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub output: PathBuf,
    #[command(flatten)]
    pub login: LoginArgs,
}

#[derive(Debug, ArgGroup)]
pub struct WantedArgs {
    /// The images that are to be pulled
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<String>,
    /// The platform [default: that of this machine]
    #[arg(long, value_name = "OS/ARCHITECTURE")]
    pub platform: Option<Platform>,
}

/// How much room there is.
#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "Room")]
pub struct RoomArgs {
    /// A second store, which keeps compressed layers
    #[arg(long, value_name = "DIR")]
    pub blob_store: Option<PathBuf>,
    /// How full volumes may get, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 80, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub watermark: u8,
    /// Bytes that must stay available: `500MB`, `1GiB`
    #[arg(long, value_name = "SIZE", default_value = "0", value_parser = bytes)]
    pub min_free: u64,
    /// Take this for the size of the data root's volume
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub capacity: Option<u64>,
    /// Take this for what is available on the data root's volume
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub available: Option<u64>,
    /// Take this for the size of the blob store's volume
    #[arg(long, value_name = "SIZE", value_parser = bytes, requires = "blob_store")]
    pub blob_capacity: Option<u64>,
    /// Take this for what is available on the blob store's volume
    #[arg(long, value_name = "SIZE", value_parser = bytes, requires = "blob_store")]
    pub blob_available: Option<u64>,
    /// Assume, at your own risk, that layers of unknown size take at most so many times their compressed size.
    /// Typical layers take 2 to 5 times as much, layers of many small files 100 times
    /// [default: the most that the compression allows]
    #[arg(long, value_name = "TIMES", value_parser = clap::value_parser!(u32).range(1..))]
    pub assume_ratio: Option<u32>,
}

/// What to do about it.
#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "Making room")]
pub struct PruneArgs {
    /// Where it does not fit, have the daemon (`--host`, `$DOCKER_HOST` or the standard one) delete the images
    /// that the plan names, and look again
    #[arg(long, conflicts_with_all = ["state", "capacity", "available"])]
    pub prune: bool,
    #[command(flatten)]
    pub selection: SelectionArgs,
}
