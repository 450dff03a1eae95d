//! The flags of `clean`.

use clap::Args as ArgGroup;

use crate::cli::args::Format;
use crate::cli::keep::KeepArgs;

const AFTER_HELP: &str = "\
Each part is done only where it is asked for, in this order: containers, images, logs, volumes. First everything is shown; \
then it is done one by one, and never more than was shown. Only an image with several names is forced, as the daemon \
refuses it otherwise; that overrides no container that runs and no child.";

#[derive(Debug, ArgGroup)]
#[command(after_help = AFTER_HELP)]
#[expect(clippy::struct_excessive_bools, reason = "each is one flag")]
pub struct CleanArgs {
    /// The daemon [default: `$DOCKER_HOST`, or its standard socket]
    #[arg(long, value_name = "URL")]
    pub host: Option<String>,
    /// Remove containers that do not run
    #[arg(long)]
    pub containers: bool,
    /// Remove dangling images; those that only these containers use count as unused
    #[arg(long)]
    pub images: bool,
    /// All unused images, not just dangling ones
    #[arg(short, long, requires = "images")]
    pub all: bool,
    /// Empty the logs of the containers that stay
    #[arg(long)]
    pub logs: bool,
    /// Remove this volume; may be repeated. No volume goes that is not named
    #[arg(long, value_name = "NAME")]
    pub volume: Vec<String>,
    /// Which containers and images: `until=24h`, `label!=keep`; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub filter: Vec<String>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    pub force: bool,
    /// Only show what would be done
    #[arg(long, conflicts_with = "force")]
    pub dry_run: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    #[command(flatten)]
    pub keep: KeepArgs,
}
