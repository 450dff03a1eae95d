//! Locks and maps with locks in them are named in one place, so that a model checker can take theirs.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::fs;
use std::path::Path;

use crate::support::source_files;

/// The names that only `src/base/sync/mod.rs` may use.
const NAMES: [&str; 6] =
    ["parking_lot::", "dashmap::", "shuttle::", "shuttle_", "sync::Mutex", "sync::RwLock"];

/// An atomic that the caller brings, and counters that guard nothing.
const STD_ATOMICS: [&str; 6] = [
    "src/base/sync/mod.rs",
    "src/base/cancel.rs",
    "src/data_root/parallel.rs",
    "src/api/event/log.rs",
    "src/server/call.rs",
    "src/server/connection.rs",
];

#[test]
fn locks_are_named_in_one_place() {
    let found: Vec<_> = source_files("src").iter().flat_map(|path| wrong_lines(path)).collect();
    assert!(found.is_empty(), "use crate::base::sync instead:\n{}", found.join("\n"));
}

fn wrong_lines(path: &Path) -> Vec<String> {
    if path.starts_with("src/base/sync") || path == Path::new("src/base/sync/mod.rs") {
        return Vec::new();
    }
    let source = fs::read_to_string(path).unwrap();
    let has_atomics = STD_ATOMICS.iter().any(|allowed| path == Path::new(allowed));
    let is_wrong = |line: &&str| {
        let code = line.split("//").next().unwrap_or_default();
        let code = code.replace("base::sync::", "");
        NAMES.iter().any(|name| code.contains(name)) || (!has_atomics && code.contains("std::sync::atomic"))
    };
    source.lines().filter(is_wrong).map(|line| format!("{}: {line}", path.display())).collect()
}
