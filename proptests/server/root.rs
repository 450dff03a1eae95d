//! `serve --data-root`: a daemon's root, copied into memory, answers the prune that the daemon was recorded with.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::command::case::contents;
use crate::support::http::post;

#[test]
fn a_served_root_is_pruned_as_its_daemon_was_and_not_written() {
    let roots = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/roots");
    let mut count = 0;
    let folders = fs::read_dir(roots).unwrap().map(|entry| entry.unwrap().path());
    for folder in folders.filter(|folder| folder.is_dir()) {
        let read =
            |name| serde_json::from_str::<Value>(&fs::read_to_string(folder.join(name)).unwrap()).unwrap();
        let (request, observed) = (read("request.json"), read("observed.json"));
        let root = folder.join("root");
        let before = contents(&root);
        let found = served_and_pruned(&root, &request);
        assert_eq!(found["SpaceReclaimed"], observed["body"]["SpaceReclaimed"], "{}", folder.display());
        assert_eq!(records(&found), records(&observed["body"]), "{}", folder.display());
        assert!(contents(&root) == before, "{} was written", folder.display());
        count += 1;
    }
    assert!(count > 2, "only {count} roots");
}

fn served_and_pruned(root: &Path, request: &Value) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s.sock");
    let version: Vec<_> = request["daemon"].as_str().unwrap().split('.').take(2).collect();
    let semantics = format!("moby-{}", version.join("."));
    let mut child = Command::new(env!("CARGO_BIN_EXE_image-prune"))
        .args(["serve", "--semantics", &semantics, "--now", request["now"].as_str().unwrap(), "--socket"])
        .arg(&socket)
        .arg("--data-root")
        .arg(root)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
    let filters = request["filters"].as_str().unwrap().replace(' ', "%20").replace('"', "%22");
    let reply = post(&socket, &format!("/images/prune?filters={filters}"));
    assert_eq!(reply.status, 200, "{}", reply.body);
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
    serde_json::from_str(&reply.body).unwrap()
}

/// As a multiset: a daemon visits its images in any order.
fn records(report: &Value) -> Vec<String> {
    let mut records: Vec<_> =
        report["ImagesDeleted"].as_array().into_iter().flatten().map(Value::to_string).collect();
    records.sort();
    records
}
