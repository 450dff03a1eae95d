//! Locks and maps with locks in them are named in one place, so that a model checker can take theirs.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::fs;
use std::path::{Path, PathBuf};

/// What only `src/sync.rs` may name.
const NAMES: [&str; 6] =
    ["parking_lot::", "dashmap::", "shuttle::", "shuttle_", "sync::Mutex", "sync::RwLock"];

/// An atomic that the caller brings, and counters that guard nothing.
const STD_ATOMICS: [&str; 4] =
    ["src/sync.rs", "src/cancel.rs", "src/data_root/parallel.rs", "src/event/log.rs"];

#[test]
fn locks_are_named_in_one_place() {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.extend(wrong_lines(&path));
            }
        }
    }
    assert!(found.is_empty(), "use crate::sync instead:\n{}", found.join("\n"));
}

fn wrong_lines(path: &Path) -> Vec<String> {
    if path.starts_with("src/sync") || path == Path::new("src/sync.rs") {
        return Vec::new();
    }
    let source = fs::read_to_string(path).unwrap();
    let has_atomics = STD_ATOMICS.iter().any(|allowed| path == Path::new(allowed));
    let is_wrong = |line: &&str| {
        let code = line.split("//").next().unwrap_or_default();
        let code = code.replace("crate::sync::", "");
        NAMES.iter().any(|name| code.contains(name)) || (!has_atomics && code.contains("std::sync::atomic"))
    };
    source.lines().filter(is_wrong).map(|line| format!("{}: {line}", path.display())).collect()
}
