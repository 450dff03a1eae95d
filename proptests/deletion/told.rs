//! What is told of deletions: all that a daemon reports, and what got no answer; and never that any of it is kept.

use std::collections::BTreeSet;
use std::sync::Arc;

use image_prune::client::agent::{Agent, Backoff, Journal, JournalLimits, Outcome, RunResult, Settings};
use image_prune::client::{Client, Host, KeepRules};
use serde_json::Value;

use super::between::{Between, Script};
use super::stage::Stage;
use super::{CLEAN, FIT, WANTED};
use crate::agent::Simulated;
use crate::command::case::command;
use crate::support::source_files;

/// One run against `host`, with so many attempts; the journal's last line is the result.
fn run(host: &str, rules: &KeepRules, attempts: u32) -> RunResult {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let (journal, _) = Journal::open(&path, JournalLimits::default()).unwrap();
    let settings = Settings { backoff: Backoff { attempts, ..Backoff::default() }, ..Settings::default() };
    let client = Client::new(Host::parse(host).unwrap()).unwrap();
    let result = Agent::new(client, journal, settings).run_once(&Simulated::new(), &mut || Ok(rules.clone()));
    let text = std::fs::read_to_string(path).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(last, serde_json::to_value(&result).unwrap());
    let went: BTreeSet<&String> = result.deleted.iter().chain(&result.unconfirmed).collect();
    assert_eq!(went.len(), result.deleted.len() + result.unconfirmed.len(), "told twice: {result:?}");
    assert!(!result.kept.iter().any(|kept| went.contains(&kept.id.to_string())), "{result:?}");
    result
}

fn rules() -> KeepRules {
    KeepRules::new().label("keep").unwrap().pattern("precious").unwrap().last(1)
}

fn going(stage: &Stage) -> BTreeSet<String> {
    super::GOING.map(|name| stage.id(name).to_string()).into()
}

fn gone(stage: &Stage) -> BTreeSet<String> {
    let there = stage.now();
    let gone = stage.images.values().filter(|id| !there.contains_key(*id));
    gone.map(ToString::to_string).collect()
}

fn set(ids: &[String]) -> BTreeSet<String> {
    ids.iter().cloned().collect()
}

#[test]
fn a_deletion_without_an_answer_is_unconfirmed() {
    for cut in ["cut=after", "cut=middle"] {
        let stage = Stage::new(false);
        stage.daemon.add_fault(format!("DELETE /images/** {cut}").parse().unwrap());
        let result = run(&stage.daemon.host(), &rules(), 1);
        assert_eq!((result.outcome, result.unconfirmed.len()), (Outcome::Failed, 1), "{result:?}");
        assert_eq!(set(&result.unconfirmed), gone(&stage));
        let result = run(&stage.daemon.host(), &rules(), 6);
        assert_eq!((result.outcome, result.unconfirmed.len()), (Outcome::Done, 3), "{result:?}");
        assert_eq!(gone(&stage), going(&stage));
    }
    // It was looked at again: nothing happened.
    for fault in ["DELETE /images/** cut=before", "DELETE /images/** status=500"] {
        let stage = Stage::new(false);
        stage.daemon.add_fault(fault.parse().unwrap());
        let result = run(&stage.daemon.host(), &rules(), 2);
        assert_eq!((result.outcome, result.unconfirmed.len()), (Outcome::Failed, 0), "{result:?}");
        assert!(gone(&stage).is_empty());
    }
}

#[test]
fn a_prune_without_an_answer_is_unconfirmed() {
    let stage = Stage::new(false);
    stage.daemon.add_fault("POST /images/prune cut=after".parse().unwrap());
    let result = run(&stage.daemon.host(), &KeepRules::new(), 1);
    assert_eq!((result.outcome, result.deleted.len()), (Outcome::Failed, 0));
    assert_eq!(set(&result.unconfirmed), gone(&stage));
    assert_eq!(result.kept.len(), 1, "what is seen to be there is said to be kept: {result:?}");

    // Nobody can be asked afterwards.
    let stage = Stage::new(false);
    for fault in ["POST /images/prune cut=after", "GET /images/json status=500 after=1"] {
        stage.daemon.add_fault(fault.parse().unwrap());
    }
    let result = run(&stage.daemon.host(), &KeepRules::new(), 1);
    assert_eq!(set(&result.unconfirmed), gone(&stage));
    assert!(result.kept.is_empty(), "nobody knows what is kept: {result:?}");
}

/// Changes something right before the daemon hears of a request, and may change what it answers.
struct Once<A> {
    stage: Arc<Stage>,
    request: &'static str,
    act: fn(&Stage),
    answer: A,
}

impl<A: FnMut(&Stage, &mut Vec<u8>) + Send> Script for Once<A> {
    fn before(&mut self, _: usize, request: &str) {
        if request.starts_with(self.request) {
            (self.act)(&self.stage);
        }
    }

    fn after(&mut self, _: usize, request: &str, answer: &mut Vec<u8>) {
        if request.starts_with(self.request) {
            (self.answer)(&self.stage, answer);
        }
    }
}

#[test]
fn a_prune_that_takes_more_than_was_planned_is_told() {
    let stage = Stage::new(true);
    let act = |stage: &Stage| {
        for container in stage.client().containers(false).unwrap() {
            stage.client().remove_container(&container.id, true).unwrap();
        }
        stage.build_on("nothing that is there");
    };
    let script = Once {
        stage: Arc::clone(&stage),
        request: "POST /images/prune",
        act,
        answer: |_: &Stage, _: &mut _| {},
    };
    let between = Between::start(stage.daemon.socket().unwrap(), script);
    let result = run(&between.host(), &KeepRules::new(), 1);
    between.end();
    assert!(stage.now().is_empty());
    // The one that ran when the plan was made, and the one that came behind it. No layer is taken for an image.
    assert!(result.deleted.contains(&stage.id("running").to_string()), "{result:?}");
    assert_eq!(result.deleted.len(), stage.images.len() + 1, "{result:?}");
    assert!(result.kept.is_empty());
}

#[test]
fn a_daemon_that_deletes_something_else_is_told_and_ends_the_run() {
    let stage = Stage::new(false);
    let lie = |stage: &Stage, answer: &mut Vec<u8>| {
        let mut text = String::from_utf8(std::mem::take(answer)).unwrap();
        for name in super::GOING {
            text = text.replace(&stage.id(name).to_string(), &stage.id("labelled").to_string());
        }
        *answer = text.into_bytes();
    };
    let script = Once { stage: Arc::clone(&stage), request: "DELETE /images/", act: |_| {}, answer: lie };
    let between = Between::start(stage.daemon.socket().unwrap(), script);
    let result = run(&between.host(), &rules(), 6);
    between.end();
    assert_eq!((result.outcome, result.attempts), (Outcome::Failed, 1));
    assert_eq!(result.deleted, [stage.id("labelled").to_string()]);
    assert!(result.error.unwrap().contains("which was not planned"));
}

fn command_on(stage: &Stage, args: &[&str]) -> (Option<i32>, Value, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("wanted.json"), WANTED).unwrap();
    let output = command(folder.path())
        .args(args)
        .args(["--host", &stage.daemon.host(), "--format", "json"])
        .output()
        .unwrap();
    let first = String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), serde_json::from_str(&first).unwrap_or(Value::Null), stderr)
}

/// An answer without the image in it: Podman says nothing of one whose children are still there.
#[test]
fn a_deletion_that_is_answered_and_not_reported_is_unconfirmed() {
    struct Silent;
    impl Script for Silent {
        fn before(&mut self, _: usize, _: &str) {}
        fn after(&mut self, _: usize, request: &str, answer: &mut Vec<u8>) {
            if request.starts_with("DELETE ") {
                *answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]".to_vec();
            }
        }
    }
    let stage = Stage::new(false);
    let between = Between::start(stage.daemon.socket().unwrap(), Silent);
    let folder = tempfile::tempdir().unwrap();
    let host = between.host();
    let output = command(folder.path())
        .args(super::AGENT.args)
        .args(["--format", "json", "--host", &host])
        .output()
        .unwrap();
    between.end();
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut unconfirmed: Vec<&str> =
        result["unconfirmed"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    let mut going = super::GOING.map(|name| stage.id(name).to_string());
    unconfirmed.sort_unstable();
    going.sort_unstable();
    assert_eq!(unconfirmed, going, "{result}");
}

#[test]
fn clean_and_fit_tell_what_went_before_a_failure() {
    for fault in ["cut=after after=1", "status=500 after=1"] {
        let stage = Stage::new(true);
        stage.daemon.add_fault(format!("DELETE /images/** {fault}").parse().unwrap());
        let (code, answer, stderr) = command_on(&stage, CLEAN.args);
        assert_eq!(code, Some(1), "{stderr}");
        let done = &answer["done"];
        assert_eq!(done["images"].as_array().unwrap().len(), 1, "{answer}");
        assert_eq!(done["unconfirmed"].as_array().unwrap().len(), 1, "{answer}");
        assert!(stderr.contains("the rest of the images"), "{stderr}");

        let stage = Stage::new(true);
        stage.daemon.add_fault(format!("DELETE /images/** {fault}").parse().unwrap());
        let (code, answer, stderr) = command_on(&stage, FIT.args);
        assert_eq!(code, Some(1), "{stderr}");
        let done = &answer["prune"]["done"];
        assert_eq!(done["deleted"].as_array().unwrap().len(), 1, "{answer}");
        assert_eq!(done["unconfirmed"].as_array().unwrap().len(), 1, "{answer}");
    }
}

/// A prune takes an unnamed parent along without asking a filter. `fit` promises what the filter says.
#[test]
fn fit_keeps_a_parent_that_a_filter_keeps() {
    let stage = Stage::new(true);
    let images = &stage.daemon.stores().images;
    let parent = images
        .create(r#"{"author":"kept","config":{"Labels":{"keep":"1"}},"rootfs":{"type":"layers"}}"#)
        .unwrap();
    images.set_parent(stage.id("parent"), parent).unwrap();
    let (_, answer, stderr) = command_on(&stage, FIT.args);
    assert!(gone(&stage).is_superset(&going(&stage)), "{answer} {stderr}");
    assert!(images.contains(parent), "{answer}");
}

/// One place deletes images of somebody's. `conform` removes what it made itself, from a daemon that had nothing.
#[test]
fn one_module_sends_deletions() {
    let callers: Vec<_> = source_files("src")
        .into_iter()
        .filter(|path| std::fs::read_to_string(path).unwrap().contains("client.remove_image("))
        .collect();
    let callers: Vec<&str> = callers.iter().map(|path| path.to_str().unwrap()).collect();
    assert_eq!(callers, ["src/client/conform/lab.rs", "src/client/deletion/mod.rs"]);
}
