#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use std::path::Path;

use serde_json::json;
use serde_json::value::RawValue;

use super::*;

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_torn_end_is_cut_off_wherever_it_was_torn() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let whole = "{\"kind\":\"result\",\"run\":\"1\"}\n{\"kind\":\"plan\",\"run\":\"2\"}\n";
    for cut in 0..=whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let (journal, repair) = Journal::open(&path, JournalLimits::default()).unwrap();
        drop(journal);
        let end = whole[..cut].rfind('\n').map_or(0, |at| at + 1);
        let expected = Repair {
            torn_bytes: u64::try_from(cut - end).unwrap(),
            interrupted: (cut == whole.len()).then(|| "2".to_owned()),
            ..Repair::default()
        };
        assert_eq!(repair.unwrap_or_default(), expected, "{cut}");
        for line in lines(&path) {
            serde_json::from_str::<serde_json::Value>(&line).unwrap();
        }
    }
}

#[test]
fn files_are_rotated_and_the_oldest_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let limits = JournalLimits { bytes: 20, files: 2 };
    let (mut journal, _) = Journal::open(&path, limits).unwrap();
    for number in 0..9 {
        journal.append(&json!({ "number": number }));
    }
    assert_eq!(journal.problem(), None);
    assert_eq!(lines(&path), [r#"{"number":8}"#]);
    assert_eq!(lines(&folder.path().join("j.1")), [r#"{"number":7}"#]);
    assert_eq!(lines(&folder.path().join("j.2")), [r#"{"number":6}"#]);
    assert!(!folder.path().join("j.3").exists());
    let long = json!({ "text": "x".repeat(100) });
    journal.append(&long);
    assert_eq!(lines(&path), [long.to_string()], "a long line has a file of its own");
}

#[test]
fn a_second_agent_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let first = Journal::open(&path, JournalLimits::default()).unwrap();
    let error = Journal::open(&path, JournalLimits::default()).unwrap_err();
    assert_eq!(error.to_string(), "another agent is at work with this journal");
    drop(first);
    Journal::open(&path, JournalLimits::default()).unwrap();
}

/// How agents begin their lines.
fn line(number: usize) -> serde_json::Value {
    json!({ "kind": "result", "run": number.to_string() })
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// A journal of three lines in three files, `j.2`, `j.1` and `j`.
fn three_files(folder: &Path) -> Journal {
    let limits = JournalLimits { bytes: 40, files: 4 };
    let (mut journal, _) = Journal::open(folder.join("j"), limits).unwrap();
    (0..3).for_each(|number| journal.append(&line(number)));
    assert_eq!(journal.problem(), None);
    journal
}

fn whole(folder: &Path) -> String {
    ["j.4", "j.3", "j.2", "j.1", "j"]
        .iter()
        .filter_map(|name| fs::read_to_string(folder.join(name)).ok())
        .collect()
}

#[test]
fn a_rotation_that_fails_moves_nothing_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = three_files(folder.path());
    let before = whole(folder.path());
    // No file can be made under this name: as on a disk without inodes, or with too many open files.
    fs::create_dir(folder.path().join("j.new")).unwrap();
    for number in 3..70 {
        journal.append(&line(number));
        assert_eq!(whole(folder.path()), before, "{number}");
    }
    let problem = journal.problem().unwrap();
    assert!(problem.contains("64 lines wait for the next one, 3 were dropped: at most 64 wait"), "{problem}");
    fs::remove_dir(folder.path().join("j.new")).unwrap();
    journal.append(&line(70));
    assert_eq!(journal.problem(), None);
    assert_eq!(text(&folder.path().join("j")).trim_end(), line(70).to_string());
    assert_eq!(text(&folder.path().join("j.4")).trim_end(), line(66).to_string());
}

#[test]
fn a_gap_that_a_failure_left_is_filled_before_anything_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = three_files(folder.path());
    // The current file is taken away, or its name never came back.
    fs::remove_file(folder.path().join("j")).unwrap();
    journal.append(&line(3));
    assert_eq!(journal.problem(), None);
    let lines: Vec<String> = [0, 1, 3].map(|number| format!("{}\n", line(number))).into();
    assert_eq!(whole(folder.path()), lines.concat());
    fs::remove_file(folder.path().join("j.1")).unwrap();
    journal.append(&line(4));
    let lines: Vec<String> = [0, 3, 4].map(|number| format!("{}\n", line(number))).into();
    assert_eq!(whole(folder.path()), lines.concat());
}

#[test]
fn what_is_no_journal_is_left_as_it_is() {
    for foreign in [
        "precious line without newline: {\"a\":1}",
        "line1\nline2 no newline: my private key",
        "\n",
        "{\"kind\":\"Pod\",\"apiVersion\":\"v1\"}\n{",
        "{\"kind\":\"plane\"",
        "{}",
        "\0",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes");
        fs::write(&path, foreign).unwrap();
        let error = Journal::open(&path, JournalLimits::default()).unwrap_err().to_string();
        assert!(error.contains("not a journal"), "{foreign}: {error}");
        assert_eq!(text(&path), foreign);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a lock beside a foreign file");
    }
}

#[test]
fn a_journal_is_never_opened_through_a_link() {
    for victim in ["", "victim\n", "{\"kind\":\"plan\"}\n{\"kind\":"] {
        for link in ["j", "j.lock", "j.new"] {
            let folder = tempfile::tempdir().unwrap();
            let at = |name: &str| folder.path().join(name);
            fs::write(at("victim"), victim).unwrap();
            std::os::unix::fs::symlink("victim", at(link)).unwrap();
            match Journal::open(at("j"), JournalLimits { bytes: 1, files: 2 }) {
                Ok((mut journal, _)) => {
                    journal.append(&line(0));
                    journal.append(&line(1));
                    assert!(journal.problem().unwrap().contains("j.new: it is a symbolic link"), "{link}");
                }
                Err(error) => assert!(error.to_string().contains("it is a symbolic link"), "{error}"),
            }
            assert_eq!(text(&at("victim")), victim, "{link}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)
        .unwrap();
    for path in [at("pipe"), "/dev/null".into(), folder.path().to_owned()] {
        assert!(Journal::open(&path, JournalLimits::default()).is_err(), "{}", path.display());
    }
}

#[test]
fn a_rotation_replaces_no_foreign_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = three_files(folder.path());
    fs::write(folder.path().join("j.3"), "notes of somebody's").unwrap();
    let before = whole(folder.path());
    journal.append(&line(3));
    let problem = journal.problem().unwrap();
    assert!(problem.contains("j.3: not a journal of image-prune"), "{problem}");
    assert_eq!(whole(folder.path()), before);
}

/// A line as it stands: in a JSON value keys are sorted.
fn raw(text: String) -> Box<RawValue> {
    RawValue::from_string(text).unwrap()
}

/// A deletion of a run, as agents write it.
fn step(run: usize, image: usize) -> Box<RawValue> {
    raw(format!(
        r#"{{"kind":"step","run":"{run}","deleted":["{image}"],"untagged":["a:{image}"],"bytes":10}}"#
    ))
}

/// Wherever the files of the journal are cut, what went in the interrupted run is told once, and nothing of others.
#[test]
fn what_went_in_an_interrupted_run_is_told_across_files() {
    let plan = |run: usize| raw(format!(r#"{{"kind":"plan","run":"{run}","delete":["x"],"untag":[]}}"#));
    for bytes in [1, 150, 300, 450, 1 << 20] {
        for count in 0..5 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("j");
            let limits = JournalLimits { bytes, files: 20 };
            let (mut journal, _) = Journal::open(&path, limits).unwrap();
            journal.append(&plan(1));
            journal.append(&step(1, 70));
            journal.append(&raw(r#"{"kind":"result","run":"1","deleted":["70"]}"#.to_owned()));
            journal.append(&plan(2));
            (0..count).for_each(|image| journal.append(&step(2, image)));
            // The rotation before a line that never came.
            let is_empty = count == 3;
            if is_empty {
                journal.rotate().unwrap();
            }
            assert_eq!(journal.problem(), None);
            drop(journal);
            let (journal, repair) = Journal::open(&path, limits).unwrap();
            let images = || (0..count).map(|image| image.to_string());
            let expected = Repair {
                torn_bytes: 0,
                interrupted: Some("2".to_owned()),
                deleted: images().collect(),
                untagged: images().map(|image| format!("a:{image}")).collect(),
                bytes: 10 * u64::try_from(count).unwrap(),
            };
            assert_eq!(repair.as_ref(), Some(&expected), "{bytes} {count}");
            drop(journal);
            let last: serde_json::Value = serde_json::from_str(lines(&path).last().unwrap()).unwrap();
            assert_eq!(last["deleted"], json!(expected.deleted));
            assert_eq!(Journal::open(&path, limits).unwrap().1, None, "told twice");
        }
    }
}

#[test]
fn of_lines_that_wait_those_of_deletions_are_dropped_first() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = three_files(folder.path());
    fs::create_dir(folder.path().join("j.new")).unwrap();
    journal.append(&json!({ "kind": "plan", "run": "7" }));
    (0..200).for_each(|image| journal.append(&step(7, image)));
    journal.append(&json!({ "kind": "result", "run": "7" }));
    fs::remove_dir(folder.path().join("j.new")).unwrap();
    journal.limits = JournalLimits { bytes: 1 << 20, files: 4 };
    journal.append(&line(8));
    assert_eq!(journal.problem(), None);
    let written = text(&folder.path().join("j"));
    for wanted in [r#"{"kind":"plan","run":"7"}"#, r#"{"kind":"result","run":"7"}"#] {
        assert_eq!(written.matches(wanted).count(), 1, "{written}");
    }
    assert_eq!(written.matches(r#""kind":"step""#).count(), 61, "{written}");
}

/// `tail -f journal.jsonl` shows a label as it is.
#[test]
fn what_a_terminal_obeys_is_escaped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j");
    let (mut journal, _) = Journal::open(&path, JournalLimits::default()).unwrap();
    let line = json!({ "kind": "result", "why": "\u{9b}2J\u{202e}\u{1b}[31m é" });
    journal.append(&line);
    assert!(text(&path).trim_end().chars().all(|character| !terminal::is_harmful(character)));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text(&path)).unwrap(), line);
}
