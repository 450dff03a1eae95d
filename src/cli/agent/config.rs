//! What the agent is to do: flags, then the environment, then a file, then defaults.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use image_prune::{ErrorClass, Filters, Now, PruneRequest, Semantics};
use serde::{Deserialize, Deserializer};

use super::args::AgentArgs;
use crate::cli::error::{Failure, Result};
use crate::cli::keep::KeepArgs;
use crate::cli::{host, read};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Who starts one run waits for its end.
const RETRY_ONCE: Duration = Duration::from_secs(2 * 60);
const STARTUP_DELAY: Duration = Duration::from_secs(10 * 60);
/// A shorter interval than this is a mistake.
const SHORTEST: Duration = Duration::from_secs(1);

/// A configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Document {
    host: Option<String>,
    #[serde(deserialize_with = "duration")]
    every: Option<Duration>,
    #[serde(deserialize_with = "duration")]
    startup_delay: Option<Duration>,
    #[serde(deserialize_with = "duration")]
    retry_for: Option<Duration>,
    filter: Vec<String>,
    keep: Vec<String>,
    keep_label: Vec<String>,
    keep_last: Option<usize>,
    needed_by: Vec<PathBuf>,
    journal: Option<PathBuf>,
    report_url: Option<String>,
    metrics_file: Option<PathBuf>,
    metrics_address: Option<SocketAddr>,
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text).map(Some).map_err(serde::de::Error::custom)
}

/// What the agent is to do.
#[derive(Debug)]
pub struct Config {
    pub host: String,
    pub every: Duration,
    pub startup_delay: Duration,
    /// `None` for about an hour.
    pub retry_for: Option<Duration>,
    /// As the API takes them.
    pub filters: String,
    pub keep: KeepArgs,
    pub journal: PathBuf,
    pub report_url: Option<String>,
    pub metrics_file: Option<PathBuf>,
    pub metrics_address: Option<SocketAddr>,
}

impl Config {
    pub fn new(args: &AgentArgs) -> Result<Self> {
        let file = args.config.as_deref().map_or_else(|| Ok(Document::default()), Document::read)?;
        let interval = args.every.map_or_else(sleep_time, |every| Ok(Some(every)))?;
        let every = interval.or(file.every).unwrap_or(DAY);
        if every < SHORTEST {
            return Err(Failure::Usage("--every: at least one second".to_owned()));
        }
        let startup_delay = args.startup_delay.or(file.startup_delay);
        let default_delay = if args.once { Duration::ZERO } else { STARTUP_DELAY };
        let filter = if args.filter.is_empty() { &file.filter } else { &args.filter };
        let of_file = KeepArgs {
            keep: file.keep,
            keep_label: file.keep_label,
            keep_last: file.keep_last,
            needed_by: file.needed_by,
        };
        let keep = args.keep.clone().and(of_file);
        // What is wrong with them is told now, not in a day.
        keep.rules()?;
        Ok(Self {
            host: host::of(args.host.as_deref()).or(file.host).unwrap_or_else(|| host::or_standard(None)),
            every,
            startup_delay: startup_delay.unwrap_or(default_delay),
            retry_for: args.retry_for.or(file.retry_for).or(args.once.then_some(RETRY_ONCE)),
            filters: filters(filter)?,
            keep,
            journal: args.journal.clone().or(file.journal).unwrap_or_else(default_journal),
            report_url: args.report_url.clone().or(file.report_url),
            metrics_file: args.metrics_file.clone().or(file.metrics_file),
            metrics_address: args.metrics_address.or(file.metrics_address),
        })
    }
}

impl Document {
    fn read(path: &Path) -> Result<Self> {
        let text = read::text(path, read::SETTINGS)?;
        toml::from_str(&text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let problem = format!("line {line}: {}", error.message().trim_end());
            let failure = Failure::at(path, ErrorClass::InvalidParameter, problem);
            failure.with_hint("its keys are the names of the flags; see `image-prune agent --help`")
        })
    }
}

/// `dangling=false` unless a filter says otherwise, refused where a daemon would refuse it.
fn filters(arguments: &[String]) -> Result<String> {
    let mut filters = Filters::default();
    for argument in arguments {
        let refused = |error| Failure::Usage(format!("--filter `{argument}`: {error}"));
        filters.add_argument(argument).map_err(refused)?;
    }
    if !arguments.iter().any(|argument| argument.trim_start().starts_with("dangling")) {
        filters.add("dangling", "false");
    }
    let text = filters.to_json();
    PruneRequest::parse(&text, &Semantics::default(), Now::utc(chrono::Utc::now()))?;
    Ok(text)
}

/// The variables of the module that this agent replaces.
fn sleep_time() -> Result<Option<Duration>> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let (Some(time), unit) = (variable("SleepTime"), variable("SleepUnit")) else {
        return match variable("SleepUnit") {
            None => Ok(None),
            Some(unit) => {
                Err(Failure::Usage(format!("SleepUnit={unit} without SleepTime: how many of them?")))
            }
        };
    };
    let unit = unit.unwrap_or_else(|| "h".to_owned());
    let seconds = match unit.trim() {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(Failure::Usage(format!("SleepUnit={unit}: it is s, m, h or d"))),
    };
    let count = time.trim().parse::<u64>().ok().and_then(|count| count.checked_mul(seconds));
    let count = count.ok_or_else(|| Failure::Usage(format!("SleepTime={time}: it is a whole number")))?;
    Ok(Some(Duration::from_secs(count)))
}

fn default_journal() -> PathBuf {
    let folder = std::env::var_os("STATE_DIRECTORY").filter(|folder| !folder.is_empty());
    PathBuf::from(folder.unwrap_or_else(|| "/var/lib/image-prune".into())).join("journal.jsonl")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: AgentArgs,
    }

    /// How long a run is tried again for with these flags and this configuration file.
    fn retry_for(flags: &[&str], file: &str) -> Option<Duration> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.toml");
        std::fs::write(&path, file).unwrap();
        let before = ["agent", "--config", path.to_str().unwrap()];
        let line = Line::try_parse_from(before.iter().chain(flags)).unwrap();
        Config::new(&line.args).unwrap().retry_for
    }

    #[test]
    fn a_run_with_once_is_tried_again_for_two_minutes() {
        let two_minutes = Some(Duration::from_secs(120));
        assert_eq!(retry_for(&["--once"], ""), two_minutes);
        assert_eq!(retry_for(&[], ""), None, "an agent that goes on has patience");
        assert_eq!(retry_for(&["--every", "1h"], ""), None);
        let (seconds, file) = (|seconds| Some(Duration::from_secs(seconds)), "retry-for = '5m'");
        assert_eq!(retry_for(&["--once"], file), seconds(300));
        assert_eq!(retry_for(&[], file), seconds(300));
        assert_eq!(retry_for(&["--once", "--retry-for", "7s"], file), seconds(7));
        assert_eq!(retry_for(&["--retry-for", "7s"], ""), seconds(7));
    }
}
