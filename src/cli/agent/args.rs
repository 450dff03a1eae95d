//! The flags of the agent.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args as ArgGroup;

use crate::cli::args::Format;
use crate::cli::keep::KeepArgs;

const AFTER_HELP: &str = "\
A flag counts more than the environment, that more than the configuration file. Rules of what to keep add up.
`SleepTime` and `SleepUnit` (s, m, h or d) in the environment are the interval, too.

Without rules of what to keep each run is one prune by the daemon. With them images are deleted one by one, by \
ID, each looked at again right before; only one with several names is forced, which overrides no container that runs and \
no child.

A configuration file is TOML with the names of the flags:
  every = \"12h\"
  filter = [\"until=48h\"]
  keep-last = 2
  needed-by = [\"/opt/app/compose.yml\"]";

#[derive(Debug, ArgGroup)]
#[command(after_help = AFTER_HELP)]
pub struct AgentArgs {
    /// The daemon [default: `$DOCKER_HOST`, or its standard socket]
    #[arg(long, value_name = "URL")]
    pub host: Option<String>,
    /// Read what is not given here from this TOML file
    #[arg(long, value_name = "FILE", env = "IMAGE_PRUNE_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// The time between two runs: `12h`, `7days` [default: 24h]
    #[arg(long, value_name = "DURATION", env = "IMAGE_PRUNE_EVERY", hide_env_values = true)]
    #[arg(value_parser = humantime::parse_duration)]
    pub every: Option<Duration>,
    /// Wait that long before the first run, and up to half as long again by chance [default: 10m; 0s with --once]
    #[arg(long, value_name = "DURATION", env = "IMAGE_PRUNE_STARTUP_DELAY", hide_env_values = true)]
    #[arg(value_parser = humantime::parse_duration)]
    pub startup_delay: Option<Duration>,
    /// Try again for this long where the daemon is away, busy or slow, then give a run up [default: 2m with --once, else
    /// about an hour]
    #[arg(long, value_name = "DURATION", env = "IMAGE_PRUNE_RETRY_FOR", hide_env_values = true)]
    #[arg(value_parser = humantime::parse_duration)]
    pub retry_for: Option<Duration>,
    /// Run once and end: for timers
    #[arg(long)]
    pub once: bool,
    /// Only show what a run would delete, and why the rest stays
    #[arg(long, conflicts_with = "once")]
    pub dry_run: bool,
    /// A filter: `until=24h`, `label!=keep`, `dangling=true`; may be repeated [default: all unused images]
    #[arg(long, value_name = "KEY=VALUE")]
    pub filter: Vec<String>,
    #[command(flatten)]
    pub keep: KeepArgs,
    /// Write what is planned and done here, as JSON lines [default: journal.jsonl in `$STATE_DIRECTORY`, or in
    /// /var/lib/image-prune]
    #[arg(long, value_name = "FILE", env = "IMAGE_PRUNE_JOURNAL", hide_env_values = true)]
    #[arg(help_heading = "What to tell")]
    pub journal: Option<PathBuf>,
    /// Send the result of each run as JSON to this URL
    #[arg(long, value_name = "URL", env = "IMAGE_PRUNE_REPORT_URL", hide_env_values = true)]
    #[arg(help_heading = "What to tell")]
    pub report_url: Option<String>,
    /// Write metrics in Prometheus' text format to this file after each run
    #[arg(long, value_name = "FILE", env = "IMAGE_PRUNE_METRICS_FILE", hide_env_values = true)]
    #[arg(help_heading = "What to tell")]
    pub metrics_file: Option<PathBuf>,
    /// Answer `GET /metrics` on this loopback address
    #[arg(long, value_name = "ADDRESS:PORT", env = "IMAGE_PRUNE_METRICS_ADDRESS", hide_env_values = true)]
    #[arg(help_heading = "What to tell")]
    pub metrics_address: Option<SocketAddr>,
    /// How to print the result of each run
    #[arg(long, value_enum, default_value_t, help_heading = "What to tell")]
    pub format: Format,
}
