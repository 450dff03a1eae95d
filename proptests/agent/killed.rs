//! An agent that is killed at any moment: its journal has at most one torn line, at its end, which the next agent cuts
//! off.

use std::fs;
use std::process::{Command, Stdio};

use image_prune::client::agent::{Jitter, Journal, JournalLimits};

use super::lines;
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
