//! The flags of `df`.

use chrono::{DateTime, FixedOffset};
use clap::Args as ArgGroup;

use crate::cli::args::{Format, SourceArgs, instant};
use crate::cli::keep::KeepArgs;

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
    #[arg(long, value_name = "SIZE", value_parser = size, group = "question")]
    pub free: Option<u64>,
    /// The logs of a running daemon's containers
    #[arg(long, group = "question")]
    pub logs: bool,
}

/// Bytes, as docker writes them: thousands, `kB`, `MB`, `GB`, `TB`.
fn size(text: &str) -> Result<u64, String> {
    let refused = || "write it like 500MB or 2.5GB".to_owned();
    let digits = text.find(|character: char| character.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits).ok_or_else(refused)?;
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        _ => return Err(refused()),
    };
    let (whole, fraction) = number.trim().split_once('.').unwrap_or((number.trim(), ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) || fraction.len() > 12 {
        return Err(refused());
    }
    let too_large = || "more bytes than there are".to_owned();
    let whole: u64 = whole.parse().map_err(|_| too_large())?;
    let parts = fraction.bytes().fold((0_u64, factor), |(sum, unit), digit| {
        let unit = unit / 10;
        (sum + u64::from(digit - b'0') * unit, unit)
    });
    whole.checked_mul(factor).and_then(|bytes| bytes.checked_add(parts.0)).ok_or_else(too_large)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_dockers() {
        for (text, bytes) in [
            ("0", 0),
            ("17", 17),
            ("17B", 17),
            ("1kB", 1000),
            ("2.5GB", 2_500_000_000),
            ("0.001k", 1),
            ("1.5", 1),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MB", "1XB", "-1", "1.2.3", "1 2", "99999999999999999999", "999999999T", "é", ".5"]
        {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
