//! Compares our answers with the recorded rows of one question, for every version of moby.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use flate2::read::GzDecoder;
use image_prune::{Evidence, Semantics};
use serde_json::Value;

/// Asks `answer` for every row of `<file>.jsonl.gz` and counts the rows. An answer is equal to its row
/// without the keys of `inputs`.
///
/// # Panics
///
/// With the first ten differences, if there are any.
pub fn check(file: &str, inputs: &[&str], rows: [usize; 4], answer: impl Fn(&Value, &Semantics) -> Value) {
    for (semantics, expected_rows) in recorded().zip(rows) {
        let mut differences = Vec::new();
        let mut seen = 0;
        for row in read(&semantics, file) {
            seen += 1;
            let answered = answer(&row, &semantics);
            let mut recorded = row.clone();
            recorded.as_object_mut().unwrap().retain(|key, _| !inputs.contains(&key.as_str()));
            if answered != recorded {
                differences.push(format!("{row}\n  answered {answered}"));
            }
        }
        let shown = differences.iter().take(10).map(String::as_str).collect::<Vec<_>>().join("\n");
        assert!(differences.is_empty(), "{semantics}: {} of {seen} rows differ:\n{shown}", differences.len());
        assert_eq!(seen, expected_rows, "{semantics}: rows of {file}");
    }
}

/// The profiles that have rows: those of versions that were run.
pub fn recorded() -> impl Iterator<Item = Semantics> {
    let executed = Semantics::RELEASES.into_iter().filter(|release| release.evidence == Evidence::Executed);
    executed.map(|release| release.semantics)
}

/// The rows of `<file>.jsonl.gz`.
pub fn read(semantics: &Semantics, file: &str) -> impl Iterator<Item = Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/vectors").join(semantics.name);
    let path = folder.join(format!("{file}.jsonl.gz"));
    let opened = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let lines = BufReader::new(GzDecoder::new(opened)).lines();
    lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap())
}
