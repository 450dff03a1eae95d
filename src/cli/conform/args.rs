//! The flags of `conform`.

use clap::Args;
use image_prune::Semantics;

use crate::cli::args::{Format, semantics};

const ABOUT: &str = "\
Makes small stores on the daemon, through its API: images with parents, labels and shared layers, tags,
containers. Prunes each with odd and ordinary filters, and says for every group of rules whether the answer,
the events, what is left and the disk usage are as moby has them. What it made it takes away again.

A daemon that holds images or containers is refused, for a prune may delete them. With --allow-other-images
they are read first, as `docker save` writes them, and judged along with the others; those that are unused
are lost.";

#[derive(Debug, Args)]
#[command(long_about = ABOUT)]
pub struct ConformArgs {
    /// The daemon [default: `$DOCKER_HOST`, or the standard socket]
    #[arg(long, value_name = "URL")]
    pub host: Option<String>,
    /// How many stores to try
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub cases: usize,
    /// Which stores: the same seed makes the same
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// Go on though the daemon holds images or containers: unused images are lost
    #[arg(long)]
    pub allow_other_images: bool,
    /// Compare with this version [default: the daemon's own]
    #[arg(long, value_name = "VERSION", value_parser = semantics())]
    pub semantics: Option<Semantics>,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}
