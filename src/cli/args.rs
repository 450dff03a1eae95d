//! What several commands are told, and how it is read, in docker's words.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, FixedOffset};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args as ArgGroup, ValueEnum};
use image_prune::Semantics;

#[derive(Debug, ArgGroup)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct PlanArgs {
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Do not shorten IDs, and list all references
    #[arg(long)]
    pub no_trunc: bool,
    /// List every image by ID, build steps included
    #[arg(long, conflicts_with_all = ["format", "why", "quiet"])]
    pub all_rows: bool,
    /// Only print what `docker rmi` takes to delete the images that would go, in an order in which it succeeds
    #[arg(short, long, conflicts_with_all = ["format", "why"])]
    pub quiet: bool,
    /// Show bases and what stands on them, with the bytes that each shares and has alone
    #[arg(long, conflicts_with_all = ["format", "why", "quiet", "all_rows"])]
    pub tree: bool,
    /// Also write a page for a browser: the layers by their bytes, what would go, and why each image stays
    #[arg(long, value_name = "FILE", conflicts_with_all = ["why", "quiet"])]
    pub html: Option<PathBuf>,
    /// Only tell about this image: a reference, an ID or the beginning of one
    #[arg(long, value_name = "IMAGE")]
    pub why: Option<String>,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub selection: SelectionArgs,
}

#[derive(Debug, ArgGroup)]
pub struct ExportArgs {
    /// The daemon's offset from UTC, written to the state file [default: that of the state file, or the
    /// local one]
    #[arg(long, value_name = "±HH:MM", value_parser = utc_offset, allow_hyphen_values = true)]
    pub utc_offset: Option<i32>,
    /// The state file; `-` is stdout
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub output: PathBuf,
    #[command(flatten)]
    pub source: SourceArgs,
}

#[derive(Debug, ArgGroup)]
pub struct PruneArgs {
    /// The state file; `-` is stdin
    #[arg(long, value_name = "FILE", required_unless_present = "host")]
    pub state: Option<PathBuf>,
    /// A running daemon instead: shows the plan, prunes, and says whether it came as foretold
    #[arg(long, value_name = "URL", conflicts_with_all = ["state", "output"])]
    pub host: Option<String>,
    /// Write the new state here [default: the state file itself]
    #[arg(short, long, value_name = "FILE", required_if_eq("state", "-"))]
    pub output: Option<PathBuf>,
    /// Behave like this version [default: that of the state file]
    #[arg(long, value_name = "VERSION", value_parser = semantics())]
    pub semantics: Option<Semantics>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    pub force: bool,
    /// How to print what was done
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    #[command(flatten)]
    pub selection: SelectionArgs,
}

#[derive(Debug, ArgGroup)]
pub struct ReplayArgs {
    /// A case, as a script or as JSON, or rows, one JSON object a line; gzipped or not; `-` is stdin
    pub file: PathBuf,
    /// What the rows are
    #[arg(long, value_enum, default_value_t)]
    pub rows: Rows,
    /// Behave like this version [default: that of each scenario; moby-20.10 for other rows]
    #[arg(long, value_name = "VERSION", value_parser = semantics())]
    pub semantics: Option<Semantics>,
    /// Who answers scenarios
    #[arg(long, value_enum, default_value_t)]
    pub subject: Subject,
    /// Compare with the answers in the file and print the differences instead; exit with 3 if there are any
    #[arg(long)]
    pub check: bool,
}

/// Where the state comes from.
#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "State")]
pub struct SourceArgs {
    /// The data root of a Docker daemon; it is only read [default: /var/lib/docker]
    #[arg(long, value_name = "DIR", conflicts_with_all = ["state", "host"])]
    pub data_root: Option<PathBuf>,
    /// The storage driver or the snapshotter, where the data root has several
    #[arg(long, value_name = "NAME", conflicts_with_all = ["state", "host"])]
    pub driver: Option<String>,
    /// containerd's folder, where the daemon keeps its images in the containerd image store [default:
    /// `containerd/daemon` in the data root; for /var/lib/docker also /var/lib/containerd]
    #[arg(long, value_name = "DIR", conflicts_with_all = ["state", "host"])]
    pub containerd_root: Option<PathBuf>,
    /// The namespace in containerd: `k8s.io` is the kubelet's, `default` nerdctl's [default: moby]
    #[arg(long, value_name = "NAME", conflicts_with_all = ["state", "host"])]
    pub namespace: Option<String>,
    /// A running daemon instead, asked over its API [default: `$DOCKER_HOST`, where it is set]
    #[arg(long, value_name = "URL", conflicts_with = "state")]
    pub host: Option<String>,
    /// A state file instead, as `export` writes it, or a case; `-` is stdin
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Behave like this version [default: that of the state file or of the daemon, or moby-20.10; of the
    /// containerd image store the newest]
    #[arg(long, value_name = "VERSION", value_parser = semantics())]
    pub semantics: Option<Semantics>,
}

/// Which images, and when.
#[derive(Debug, Clone, ArgGroup)]
#[command(next_help_heading = "Selection")]
pub struct SelectionArgs {
    /// All unused images, not just dangling ones
    #[arg(short, long)]
    pub all: bool,
    /// A filter: `until=24h`, `label=key`, `label!=key=value`; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub filter: Vec<String>,
    /// The filters as a client sends them, instead: `{"dangling":["false"]}`
    #[arg(long, value_name = "JSON", conflicts_with_all = ["all", "filter"])]
    pub filters: Option<String>,
    /// The time of the prune [default: now]
    #[arg(long, value_name = "RFC3339", value_parser = instant)]
    pub now: Option<DateTime<FixedOffset>>,
    /// A prune that much later: `7days`, `36h`
    #[arg(long = "in", value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub later: Option<Duration>,
    /// The daemon's offset from UTC [default: that of the state file, or the local one]
    #[arg(long, value_name = "±HH:MM", value_parser = utc_offset, allow_hyphen_values = true)]
    pub utc_offset: Option<i32>,
    /// Visit these images first: IDs, one a line [default: by ID]
    #[arg(long, value_name = "FILE")]
    pub order_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    #[default]
    Table,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Rows {
    /// Stores, what was asked of them, and what came of it
    #[default]
    Scenarios,
    /// Values of `until`
    Until,
    /// References
    Reference,
    /// Filter arguments
    Filters,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Subject {
    #[default]
    Engine,
    /// The executable specification
    Model,
}

pub fn semantics() -> impl TypedValueParser<Value = Semantics> {
    let known = Semantics::ALL.into_iter().chain(Semantics::ALL_CONTAINERD);
    PossibleValuesParser::new(known.map(|known| known.name)).try_map(|name| name.parse::<Semantics>())
}

pub fn instant(text: &str) -> Result<DateTime<FixedOffset>, String> {
    DateTime::parse_from_rfc3339(text).map_err(|error| format!("{error}; write it like 2024-03-10T12:00:00Z"))
}

/// Seconds east of UTC.
pub fn utc_offset(text: &str) -> Result<i32, String> {
    let refused = || "write it like +02:00 or -03:30".to_owned();
    let (sign, rest) = match text.split_at_checked(1) {
        Some(("+", rest)) => (1, rest),
        Some(("-", rest)) => (-1, rest),
        _ => return Err(refused()),
    };
    let number = |part: &str, end: i32| {
        let is_plain = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<i32>().ok().filter(|number| is_plain && *number < end)
    };
    let (hours, minutes) = rest.split_once(':').ok_or_else(refused)?;
    match (number(hours, 24), number(minutes, 60)) {
        (Some(hours), Some(minutes)) => Ok(sign * (hours * 3600 + minutes * 60)),
        _ => Err(refused()),
    }
}
