//! `image-prune replay` on rows of the containerd image store.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::Value;

use crate::command::case::command;

fn vectors(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("testdata/vectors/{version}/scenarios.jsonl.gz"))
}

/// The first rows of a version, as text.
fn rows(version: &str, count: usize) -> Vec<String> {
    let mut text = String::new();
    GzDecoder::new(File::open(vectors(version)).unwrap()).read_to_string(&mut text).unwrap();
    text.lines().take(count).map(str::to_owned).collect()
}

/// The output of the command for these rows: stdout, stderr, exit code.
fn replay(rows: &[String], flags: &[&str]) -> (String, String, Option<i32>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.jsonl");
    let mut text = File::create(&file).unwrap();
    for row in rows {
        writeln!(text, "{row}").unwrap();
    }
    let output = command(folder.path()).arg("replay").args(flags).arg(file).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code())
}

fn check_as_stored(version: &str, rows: usize) {
    let folder = tempfile::tempdir().unwrap();
    for subject in ["engine", "model"] {
        let mut replay = command(folder.path());
        replay.args(["replay", "--check", "--subject", subject]).arg(vectors(version));
        let output = replay.output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(stderr, format!("{rows} rows: 0 differ\n"), "{version} {subject}");
        assert_eq!((output.stdout, output.status.code()), (Vec::new(), Some(0)));
    }
}

#[test]
fn replay_checks_rows_of_29_as_they_are_stored() {
    check_as_stored("moby-29-containerd", 3_000);
}

#[test]
fn replay_checks_rows_of_older_versions_as_they_are_stored() {
    for version in ["moby-29.5-containerd", "moby-29.3-containerd", "moby-28.5-containerd"] {
        check_as_stored(version, 900);
    }
}

#[test]
fn replay_answers_in_the_form_of_expect_with_and_without_it() {
    let with = rows("moby-29-containerd", 200);
    let without: Vec<String> = with
        .iter()
        .map(|row| {
            let mut row: Value = serde_json::from_str(row).unwrap();
            for op in row["ops"].as_array_mut().unwrap() {
                op.as_object_mut().unwrap().remove("expect");
            }
            row.to_string()
        })
        .collect();
    let (answers, stderr, code) = replay(&with, &[]);
    assert_eq!((stderr.as_str(), code), ("", Some(0)));
    assert_eq!(replay(&without, &[]).0, answers);
    let mut equal = 0;
    for (row, answer) in with.iter().zip(answers.lines()) {
        let (row, answer): (Value, Value) =
            (serde_json::from_str(row).unwrap(), serde_json::from_str(answer).unwrap());
        assert_eq!(row["name"], answer["name"]);
        let (ops, answers) = (row["ops"].as_array().unwrap(), answer["ops"].as_array().unwrap());
        assert_eq!(ops.len(), answers.len());
        equal += ops.iter().zip(answers).filter(|(op, answer)| op["expect"] == **answer).count();
    }
    // The others have the words of Go's JSON decoder, or images of one second in another order.
    let all: usize = with
        .iter()
        .map(|row| serde_json::from_str::<Value>(row).unwrap()["ops"].as_array().unwrap().len())
        .sum();
    assert!(equal * 100 > all * 95, "{equal} of {all} answers are equal to the letter");
    assert_eq!(answers.lines().count(), with.len());
}

#[test]
fn replay_tells_what_is_wrong_with_a_row() {
    let row = rows("moby-29-containerd", 1).remove(0);
    for (from, to, wanted) in [
        (
            "\"profile\":\"moby-29-containerd\"",
            "\"profile\":\"moby-28.5\"",
            "`moby-28.5` has the classic store",
        ),
        ("\"profile\":\"moby-29-containerd\"", "\"profile\":\"x\"", "unknown semantics `x`"),
        ("\"op\":\"prune\"", "\"op\":\"shrink\"", "unknown variant `shrink`"),
        ("\"now\":\"2", "\"now\":\"x2", "`now` is `x2"),
        ("\"expect\":", "\"expected\":", "missing field `expect`"),
    ] {
        let value: Value = serde_json::from_str(&row).unwrap();
        let broken = value.to_string().replace(from, to);
        assert_ne!(broken, value.to_string(), "{from}");
        let (_, stderr, code) = replay(&[broken], &["--check"]);
        assert!(stderr.contains(wanted), "{stderr}");
        assert_eq!(code, Some(1));
    }
    let (_, stderr, code) = replay(&[row], &["--semantics", "moby-28.5"]);
    assert!(stderr.contains("`moby-28.5` has the classic store, not the containerd store"), "{stderr}");
    assert_eq!(code, Some(1));
    let classic = fs::read_dir("testdata/cases").unwrap();
    let classic = classic
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|end| end == "json"));
    let classic: Value = serde_json::from_str(&fs::read_to_string(classic.unwrap()).unwrap()).unwrap();
    let (_, stderr, code) = replay(&[classic.to_string()], &["--semantics", "moby-29-containerd"]);
    assert!(stderr.contains("has the containerd image store, the scenario the classic one"), "{stderr}");
    assert_eq!(code, Some(1));
}

/// A row that does not say which version it was recorded from is answered as the flag says.
#[test]
fn replay_takes_the_version_that_a_row_does_not_name() {
    let rows = rows("moby-28.5-containerd", 300);
    let nameless: Vec<String> = rows
        .iter()
        .map(|row| {
            let mut row: Value = serde_json::from_str(row).unwrap();
            row.as_object_mut().unwrap().remove("profile");
            row.to_string()
        })
        .collect();
    let differ = |semantics: &str| {
        let (stdout, stderr, code) = replay(&nameless, &["--check", "--semantics", semantics]);
        assert_eq!(code, Some(if stdout.is_empty() { 0 } else { 3 }), "{semantics}: {stderr}");
        !stdout.is_empty()
    };
    assert!(!differ("moby-28.5-containerd"));
    assert!(differ("moby-29-containerd"));
    let (_, stderr, code) = replay(&nameless, &["--check"]);
    assert!(stderr.contains("unknown semantics ``; known: "), "{stderr}");
    assert_eq!(code, Some(1));
}
