//! An agent that is killed at any moment: its journal has at most one torn line, at its end, which the next agent cuts
//! off, and all that the daemon had answered until then.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use image_prune::client::agent::{Jitter, Journal, JournalLimits};
use image_prune::server::TestDaemon;
use serde_json::Value;

use super::{image, left, lines};
use crate::command::case::command;
use crate::deletion::between::{Between, Script};
use crate::support::eventually;

const PATH: &str = "IMAGE_PRUNE_TEST_JOURNAL";
const LIMITS: JournalLimits = JournalLimits { bytes: 256 << 10, files: 3 };

/// Not a test by itself: the process that is killed.
#[test]
fn writes_until_it_is_killed() {
    let Some(path) = std::env::var_os(PATH) else { return };
    let (mut journal, _) = Journal::open(path, LIMITS).unwrap();
    for number in 0_u64.. {
        let text = "x".repeat(usize::try_from(number * 997 % 9_000).unwrap());
        let kind = if number % 2 == 0 { "plan" } else { "result" };
        journal.append(&serde_json::json!({ "kind": kind, "run": number.to_string(), "text": text }));
    }
}

#[test]
fn a_journal_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let mut chance = Jitter::new(5);
    let mut repairs = 0;
    for _ in 0..40 {
        let length = || fs::metadata(&path).map_or(0, |metadata| metadata.len());
        let mut seen = length();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "agent::killed::writes_until_it_is_killed", "--nocapture"])
            .env(PATH, &path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // It is at work, wherever in it.
        for _ in 0..=chance.next() % 6 {
            eventually("it writes nothing", || {
                let now = length();
                std::mem::replace(&mut seen, now) != now
            });
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if !path.exists() {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        for line in text[..whole].lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        }
        let (journal, repair) = Journal::open(&path, LIMITS).unwrap();
        drop(journal);
        repairs += usize::from(repair.is_some());
        lines(&path);
    }
    assert!(repairs > 0, "never caught in the middle of a run");
    for number in 1..=LIMITS.files {
        let older = folder.path().join(format!("journal.{number}"));
        if older.exists() {
            lines(&older);
        }
    }
}

/// Holds the answer to one deletion back until it may go on, and notes what all answers before it report.
struct Holding {
    at: usize,
    deletions: usize,
    reported: Arc<Mutex<Vec<String>>>,
    held: Sender<()>,
    go_on: Receiver<()>,
}

impl Script for Holding {
    fn before(&mut self, _: usize, _: &str) {}

    fn after(&mut self, _: usize, request: &str, answer: &mut Vec<u8>) {
        if !request.starts_with("DELETE ") {
            return;
        }
        self.deletions += 1;
        if self.deletions == self.at {
            self.held.send(()).unwrap();
            // Ends when the other end is dropped.
            let _ = self.go_on.recv();
            return;
        }
        let text = std::str::from_utf8(answer).unwrap();
        let items: Value = serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap();
        let deleted = items.as_array().unwrap().iter().filter_map(|item| item["Deleted"].as_str());
        self.reported.lock().unwrap().extend(deleted.map(str::to_owned));
    }
}

/// The images that lines of deletions name, and that each of them has one.
fn deleted(journal: &[Value]) -> Vec<String> {
    let steps = journal.iter().filter(|line| line["kind"] == "step");
    let deleted = steps.flat_map(|line| line["deleted"].as_array().unwrap());
    deleted.map(|id| id.as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_was_reported_before_a_kill_is_in_the_journal_once() {
    const IMAGES: u64 = 40;
    for at in [1, 2, 25, 40] {
        let daemon = TestDaemon::builder().start().unwrap();
        for number in 0..IMAGES {
            image(&daemon, number, "", &[&format!("app:{number}")]);
        }
        let (held, is_held) = channel();
        let (going_on, go_on) = channel();
        let reported = Arc::new(Mutex::new(Vec::new()));
        let script = Holding { at, deletions: 0, reported: Arc::clone(&reported), held, go_on };
        let between = Between::start(daemon.socket().unwrap(), script);
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal");
        let args = ["agent", "--once", "--journal", "journal", "--keep", "nothing", "--host"];
        let mut child = command(folder.path()).args(args).arg(between.host()).spawn().unwrap();
        is_held.recv().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        drop(going_on);
        between.end();

        let reported = reported.lock().unwrap().clone();
        assert_eq!(reported.len(), at - 1);
        assert_eq!(deleted(&lines(&journal)), reported, "killed at deletion {at}");

        // The image behind the answer that never came is in the plan.
        let output = command(folder.path()).args(args).arg(daemon.host()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        let told = match at {
            1 => "has no result: it was killed\n".to_owned(),
            2 => "has no result: it was killed after it had deleted 1 image\n".to_owned(),
            _ => format!("has no result: it was killed after it had deleted {} images\n", at - 1),
        };
        assert!(stderr.contains(&told), "{stderr}");
        let journal = lines(&journal);
        let repair = journal.iter().find(|line| line["kind"] == "repair").unwrap();
        assert_eq!(repair["deleted"], serde_json::json!(reported));
        assert_eq!(repair["untagged"].as_array().unwrap().len(), at - 1);
        let all = deleted(&journal);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "told twice");
        assert_eq!(all.len() + 1, usize::try_from(IMAGES).unwrap());
        assert!(left(&daemon).is_empty());
    }
}
