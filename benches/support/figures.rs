//! Figures: how often to measure, and how to print.

use std::time::{Duration, Instant};

use serde_json::Value;

/// What was asked for on the command line.
#[derive(Debug)]
pub struct Settings {
    arguments: Vec<String>,
    /// Each thing is measured so many times, in turns with what it is compared with; the median counts.
    pub runs: usize,
}

impl Settings {
    pub fn from_command_line() -> Self {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let mut settings = Self { arguments, runs: 5 };
        if settings.is_test() {
            settings.runs = 1;
        }
        if let Some(runs) = settings.value("--runs") {
            settings.runs = runs.parse().expect("a number of runs");
        }
        settings
    }

    pub fn has(&self, flag: &str) -> bool {
        self.arguments.iter().any(|argument| argument == flag)
    }

    /// Whether only to show that it works: `cargo bench -- --test`.
    pub fn is_test(&self) -> bool {
        self.has("--test")
    }

    /// What stands behind a flag.
    pub fn value(&self, flag: &str) -> Option<&str> {
        let place = self.arguments.iter().position(|argument| argument == flag)?;
        self.arguments.get(place + 1).map(String::as_str)
    }

    /// The sizes of `--images`, or these; small ones for a test.
    pub fn images(&self, default: &[usize]) -> Vec<usize> {
        match self.value("--images") {
            Some(sizes) => sizes.split(',').map(|size| size.parse().expect("a number of images")).collect(),
            None if self.is_test() => vec![1000],
            None => default.to_vec(),
        }
    }

    pub fn table(&self) -> Table {
        Table { is_json: self.has("--json"), header: Vec::new() }
    }
}

/// Rows of figures, as aligned columns under their names, or each as a JSON object.
#[derive(Debug)]
pub struct Table {
    is_json: bool,
    header: Vec<&'static str>,
}

impl Table {
    /// Prints a row: names and values.
    pub fn row<const N: usize>(&mut self, row: [(&'static str, Value); N]) {
        if self.is_json {
            let fields = row.map(|(name, value)| format!("\"{name}\":{value}"));
            return println!("{{{}}}", fields.join(","));
        }
        let names = row.each_ref().map(|(name, _)| *name);
        if self.header != names {
            println!("{}", names.map(|name| format!("{name:>0$}", width(name))).join("  "));
            self.header = names.to_vec();
        }
        println!("{}", row.map(|(name, value)| format!("{:>1$}", text(&value), width(name))).join("  "));
    }
}

fn width(name: &str) -> usize {
    name.len().max(9)
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => format!("{:.3}", number.as_f64().unwrap_or_default()),
        value => value.to_string(),
    }
}

/// How long `work` takes, and what it gives.
pub fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let started = Instant::now();
    let value = work();
    (started.elapsed(), value)
}

pub fn median(times: impl IntoIterator<Item = Duration>) -> Duration {
    let mut times: Vec<_> = times.into_iter().collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Microseconds for each of `count`.
pub fn us_each(time: Duration, count: usize) -> f64 {
    time.as_secs_f64() * 1e6 / count as f64
}

/// The most memory that the process ever had, in bytes.
pub fn peak_rss() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
        .map_or(0, |kilobytes| kilobytes * 1024)
}
