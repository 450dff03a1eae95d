//! `agent`: prunes a daemon again and again.

use std::fs;
use std::io::{self, Write};
use std::time::Duration;

use image_prune::client::Client;
use image_prune::client::agent::{
    Agent, Backoff, Clock, Endpoint, Jitter, Journal, JournalLimits, Metrics, Outcome, Reporter, Retry,
    RunPlan, RunResult, Settings, SystemClock, View,
};
use image_prune::{Error, ErrorClass};

use super::args::Format;
use super::error::{Failure, Result};
use super::json;
use super::signals::Signals;
use super::{host, render, units};

mod args;
mod config;
mod show;

pub use args::AgentArgs;
use config::Config;
pub use show::plan as show_plan;

pub fn run(args: &AgentArgs) -> Result<()> {
    let config = Config::new(args)?;
    let client = host::client(&config.host)?;
    if args.dry_run {
        return dry_run(&client, &config, args.format);
    }
    let (clock, stopper) = SystemClock::new();
    let signals = Signals::listen()?;
    std::thread::spawn(move || {
        signals.wait();
        stopper.stop();
    });
    let seed = seed(&clock);
    let mut teller = Teller::new(&config, args.format, seed)?;
    let settings = Settings {
        filters: config.filters.clone(),
        retry_for: config.retry_for,
        seed,
        ..Settings::default()
    };
    let mut agent = Agent::new(client, journal(&config)?, settings);
    let mut jitter = Jitter::new(seed);
    clock.sleep(config.startup_delay + jitter.part_of(config.startup_delay / 2));
    while !clock.is_stopping() {
        let began = clock.now();
        let result = agent.run_watched(&clock, &mut || config.keep.rules(), &mut tell_retry);
        if let Some(problem) = agent.journal().problem() {
            render::line_to_stderr("warning", problem);
        }
        let printed = teller.tell(&result, &clock);
        if args.once {
            printed?;
            return if result.outcome == Outcome::Failed { Err(Failure::Reported) } else { Ok(()) };
        }
        // The next run is more important than who reads of this one.
        if let Err(Failure::Error { error, .. }) = printed {
            render::line_to_stderr("warning", &error.to_string());
        }
        clock.sleep(until_next(config.every, began.unix_seconds(), clock.now().unix_seconds()));
    }
    Ok(())
}

fn tell_retry(retry: &Retry) {
    let wait = humantime::format_duration(Duration::from_secs(retry.wait.as_secs().max(1)));
    let text = format!("attempt {}: {}; the next is in {wait}", retry.attempt, retry.error);
    render::line_to_stderr("warning", &text);
}

/// Runs begin this far apart. A clock that jumps, or a run that takes too long, costs a whole interval at most.
fn until_next(every: Duration, began: i64, now: i64) -> Duration {
    let passed = u64::try_from(now.saturating_sub(began)).map(Duration::from_secs);
    passed.ok().and_then(|passed| every.checked_sub(passed)).unwrap_or(every)
}

/// Another one on each device and at each start.
fn seed(clock: &SystemClock) -> u64 {
    let now = clock.now();
    u64::from(now.nanos()) ^ (now.unix_seconds().cast_unsigned() << 32) ^ u64::from(std::process::id())
}

fn journal(config: &Config) -> Result<Journal> {
    let path = &config.journal;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(|error| Failure::io(folder, &error))?;
    }
    let opened = Journal::open(path, JournalLimits::default());
    let (journal, repair) = opened.map_err(|error| {
        Failure::io(path, &error).with_hint("--journal FILE names another journal; each agent has its own")
    })?;
    if let Some(repair) = repair {
        if repair.torn_bytes > 0 {
            let text =
                format!("{}: dropped {} bytes of a line without an end", path.display(), repair.torn_bytes);
            render::line_to_stderr("warning", &text);
        }
        if let Some(run) = repair.interrupted {
            let gone = match repair.deleted.len() {
                0 => String::new(),
                1 => " after it had deleted 1 image".to_owned(),
                count => format!(" after it had deleted {count} images"),
            };
            let text = format!("{}: run {run} has no result: it was killed{gone}", path.display());
            render::line_to_stderr("warning", &text);
        }
    }
    Ok(journal)
}

fn dry_run(client: &Client, config: &Config, format: Format) -> Result<()> {
    let view = View::read(client).map_err(Error::from)?;
    let plan = RunPlan::new(&view, &config.filters, &config.keep.rules()?)?;
    match format {
        Format::Json => Ok(json::line(io::stdout().lock(), &plan)?),
        Format::Table => show::plan(&view, &plan),
    }
}

/// Tells everybody what a run did.
struct Teller<'a> {
    config: &'a Config,
    format: Format,
    metrics: Metrics,
    endpoint: Option<Endpoint>,
    reporter: Option<Reporter>,
}

impl<'a> Teller<'a> {
    fn new(config: &'a Config, format: Format, seed: u64) -> Result<Self> {
        let metrics = Metrics::default();
        let endpoint = config.metrics_address.map(|address| {
            let listening = Endpoint::listen(address);
            listening.map_err(|error| {
                Error::new(ErrorClass::InvalidParameter, format!("--metrics-address {address}: {error}"))
            })
        });
        let endpoint = endpoint.transpose()?;
        if let Some(endpoint) = &endpoint {
            endpoint.show(metrics.to_text());
        }
        let backoff = Backoff { attempts: 5, ..Backoff::default() };
        let reporter = config.report_url.as_deref().map(|url| Reporter::new(url, backoff, seed));
        Ok(Self { config, format, metrics, endpoint, reporter: reporter.transpose()? })
    }

    /// What a metrics file or a server cannot be told is a warning. An error is about stdout, when all else was told.
    fn tell(&mut self, result: &RunResult, clock: &SystemClock) -> Result<()> {
        let warn = |problem: String| render::line_to_stderr("warning", &problem);
        for warning in &result.warnings {
            warn(render::shorten(warning));
        }
        let printed = self.print(result);
        self.metrics.count(result);
        if let Some(endpoint) = &self.endpoint {
            endpoint.show(self.metrics.to_text());
        }
        if let Some(path) = &self.config.metrics_file
            && let Err(error) = self.metrics.write(path)
        {
            warn(format!("{}: {error}", path.display()));
        }
        if let Some(reporter) = &mut self.reporter
            && let Err(error) = reporter.send(result, clock)
        {
            warn(format!("{error}; a run of this process that follows sends it again"));
        }
        printed
    }

    fn print(&self, result: &RunResult) -> Result<()> {
        let mut out = io::stdout().lock();
        match self.format {
            Format::Json => json::line(&mut out, result)?,
            Format::Table => writeln!(out, "{} {}", result.time, render::escape(&result.summary()))?,
        }
        Ok(out.flush()?)
    }
}

/// Bytes for people, a range where nobody knows.
fn bytes(least: u64, most: u64) -> String {
    let most_text = units::human_size(most.into());
    if least == most {
        most_text
    } else {
        format!("{} to {most_text}, estimated", units::human_size(least.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_begin_an_interval_apart_whatever_the_clock_does() {
        let hour = Duration::from_secs(3600);
        for (began, now, expected) in
            [(0, 0, 3600), (0, 60, 3540), (0, 3600, 0), (0, 3601, 3600), (100, 50, 3600), (0, i64::MAX, 3600)]
        {
            assert_eq!(until_next(hour, began, now), Duration::from_secs(expected), "{began} {now}");
        }
        assert_eq!(until_next(hour, i64::MIN, i64::MAX), hour);
    }
}
