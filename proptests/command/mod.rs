//! The command, as a person runs it: cases under `testdata/cases/cli`, and what a case cannot say.
//!
//! `UPDATE_CASES=1 cargo test --features cli` writes the answers into the cases; read the difference.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

pub mod case;
mod endless;
mod few;
mod machine;
mod page;
mod secrets;
mod view;

use std::fs;
use std::path::Path;

use case::Case;

#[test]
fn cases_answer_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cases/cli");
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    assert!(files.len() > 50, "only {} cases in {}", files.len(), folder.display());

    let is_update = std::env::var_os("UPDATE_CASES").is_some();
    let wrong: Vec<String> = files
        .iter()
        .filter_map(|file| {
            let case = Case::parse(&fs::read_to_string(file).unwrap());
            let got = case.run(&folder.join("files"));
            if is_update {
                fs::write(file, got.to_string()).unwrap();
            }
            (got.to_string() != case.to_string())
                .then(|| format!("{}:\n{}", file.display(), case.difference(&got)))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {} cases differ:\n{}", wrong.len(), files.len(), wrong.join("\n"));
}

/// Every recorded row of 29, as the file is stored.
#[test]
fn replay_reads_gzipped_rows_as_they_are_stored() {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/vectors/moby-29");
    let folder = tempfile::tempdir().unwrap();
    for (file, rows, flags) in [
        ("scenarios", 1_290, &[][..]),
        ("scenarios", 1_290, &["--subject", "model"]),
        ("until", 4_000, &["--rows", "until", "--semantics", "moby-29"]),
        ("reference", 4_000, &["--rows", "reference", "--semantics", "moby-29"]),
        ("filters", 3_000, &["--rows", "filters", "--semantics", "moby-29"]),
    ] {
        let path = vectors.join(format!("{file}.jsonl.gz"));
        for from_stdin in [false, true] {
            let mut replay = case::command(folder.path());
            replay.args(["replay", "--check"]).args(flags);
            if from_stdin {
                replay.arg("-").stdin(fs::File::open(&path).unwrap());
            } else {
                replay.arg(&path);
            }
            let output = replay.output().unwrap();
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert_eq!(stderr, format!("{rows} rows: 0 differ\n"), "{file} {flags:?}");
            assert_eq!(output.status.code(), Some(0));
            assert!(output.stdout.is_empty());
        }
    }
    // Another version is told apart.
    let mut replay = case::command(folder.path());
    let path = vectors.join("until.jsonl.gz");
    replay.args(["replay", "--check", "--rows", "until", "--semantics", "moby-28.5"]).arg(path);
    let output = replay.output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("4000 rows: 2065 differ"));
}
