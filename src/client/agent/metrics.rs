//! What an agent counts, in Prometheus' text format.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::run::{Outcome, RunResult};

/// Counts since an agent began, and its last run.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    runs: [u64; Outcome::ALL.len()],
    images: u64,
    bytes: u64,
    last: Option<Last>,
    last_success: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    time: i64,
    seconds: i64,
    attempts: u32,
    foretold: u64,
    reported: u64,
    kept: usize,
    skipped: usize,
}

impl Metrics {
    /// Counts a run.
    pub fn count(&mut self, result: &RunResult) {
        for (outcome, runs) in Outcome::ALL.iter().zip(&mut self.runs) {
            *runs += u64::from(*outcome == result.outcome);
        }
        let deleted = result.deleted.len().saturating_add(result.unconfirmed.len());
        self.images = self.images.saturating_add(deleted.try_into().unwrap_or(u64::MAX));
        self.bytes = self.bytes.saturating_add(result.bytes_reported);
        if matches!(result.outcome, Outcome::Done | Outcome::Partial) {
            self.last_success = Some(result.unix_seconds);
        }
        self.last = Some(Last {
            time: result.unix_seconds,
            seconds: result.seconds,
            attempts: result.attempts,
            foretold: result.bytes_foretold,
            reported: result.bytes_reported,
            kept: result.kept.len(),
            skipped: result.skipped.len(),
        });
    }

    /// As text. What has not happened yet is left out.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = Text(String::new());
        let runs = Outcome::ALL.iter().zip(self.runs);
        let runs =
            runs.map(|(outcome, runs)| (format!("{{outcome=\"{}\"}}", outcome.as_str()), runs.to_string()));
        text.family(
            "image_prune_runs_total",
            "counter",
            "Runs since the agent began, by how they ended.",
            runs,
        );
        text.one(
            "image_prune_images_deleted_total",
            "counter",
            "Images deleted since the agent began.",
            self.images,
        );
        text.one(
            "image_prune_reclaimed_bytes_total",
            "counter",
            "Bytes reclaimed since the agent began.",
            self.bytes,
        );
        if let Some(time) = self.last_success {
            let help = "When the last run ended that did not fail, in unix time.";
            text.one("image_prune_last_success_timestamp_seconds", "gauge", help, time);
        }
        if let Some(last) = self.last {
            let time = "When the last run ended, in unix time.";
            text.one("image_prune_last_run_timestamp_seconds", "gauge", time, last.time);
            text.one(
                "image_prune_last_run_duration_seconds",
                "gauge",
                "How long the last run took.",
                last.seconds,
            );
            text.one(
                "image_prune_last_run_attempts",
                "gauge",
                "Plans that the last run made.",
                last.attempts,
            );
            let foretold = "Bytes that the last run's first plan foretold.";
            text.one("image_prune_last_run_foretold_bytes", "gauge", foretold, last.foretold);
            let reported = "Bytes that the last run reclaimed.";
            text.one("image_prune_last_run_reclaimed_bytes", "gauge", reported, last.reported);
            text.one(
                "image_prune_last_run_kept_images",
                "gauge",
                "Images that the last plan keeps.",
                last.kept,
            );
            let skipped = "Images that were planned in the last run and left.";
            text.one("image_prune_last_run_skipped_images", "gauge", skipped, last.skipped);
        }
        text.0
    }

    /// Writes the text to a file, as a whole, for a collector that reads files.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or_else(|| Path::new("."));
        // Collectors run as somebody else.
        let readable = std::fs::Permissions::from_mode(0o644);
        let mut file =
            tempfile::Builder::new().prefix(".image-prune-").permissions(readable).tempfile_in(folder)?;
        file.write_all(self.to_text().as_bytes())?;
        file.persist(path)?;
        Ok(())
    }
}

struct Text(String);

impl Text {
    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
        self.family(name, kind, help, [(String::new(), value.to_string())]);
    }

    fn family(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        values: impl IntoIterator<Item = (String, String)>,
    ) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in values {
            let _ = writeln!(self.0, "{name}{labels} {value}");
        }
    }
}
