//! Who may import whom: the table of `src/docs/architecture.md` as a test. It reads the sources: every path that begins with
//! `crate::` outside of `#[cfg(test)]`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::source_files;

/// A module imports lower ranks, its own submodules, and what the exceptions allow.
const RANKS: [(u8, &[&str]); 10] = [
    (
        0,
        &[
            "archive",
            "digest",
            "error",
            "rules",
            "semantics",
            "cancel",
            "event",
            "filters",
            "glob",
            "go",
            "guard",
            "reference",
            "image",
            "manifest",
            "oci",
            "record",
            "sync",
            "units",
            "warning",
            "world",
        ],
    ),
    (1, &["store"]),
    (2, &["request"]),
    (3, &["select"]),
    (4, &["delete"]),
    (5, &["account", "report", "usage"]),
    (6, &["prune", "containerd"]),
    (7, &["plan", "replay", "data_root", "free", "removal"]),
    (8, &["server", "client", "registry", "fit"]),
    (9, &["cli", "main"]),
];

/// Modules of rank 0 stand side by side and may use each other; so much has to be said of these few.
const EXCEPTIONS: [(&str, &str, &str); 3] = [
    ("client", "oracle", "whether a daemon conforms is for the oracle to say"),
    ("replay", "oracle", "a replay runs the model as well as the engine"),
    ("oracle", "request", "the model takes the parsed request, so that it is about deletions alone"),
];

/// Beside the ranks: it shares rank 0 with the engine, and nothing else.
const ASIDE: &str = "oracle";

/// What no module of ranks 0 to 7 may reach for: the caller passes the clock, the zone, streams and files.
const FORBIDDEN: [&str; 8] = [
    "SystemTime",
    "chrono::Local",
    "chrono::Utc::now",
    "std::env",
    "std::fs",
    "io::stdin",
    "io::stdout",
    "io::stderr",
];

/// Reads files, as its name says.
const READS_FILES: &str = "data_root";

/// What `lib.rs` has at the top, by the module that it comes from.
const TOP_LEVEL: [(&str, &str); 27] = [
    ("ChainId", "digest"),
    ("ContainerId", "digest"),
    ("DiffId", "digest"),
    ("Digest", "digest"),
    ("ImageId", "digest"),
    ("Error", "error"),
    ("ErrorClass", "error"),
    ("Result", "error"),
    ("Filters", "filters"),
    ("Now", "go"),
    ("Timestamp", "go"),
    ("Image", "image"),
    ("Engine", "prune"),
    ("Record", "record"),
    ("Reference", "reference"),
    ("PruneReport", "report"),
    ("PruneRequest", "request"),
    ("GoTime", "semantics"),
    ("Semantics", "semantics"),
    ("BadFilterText", "semantics"),
    ("Evidence", "semantics"),
    ("Release", "semantics"),
    ("Unicode", "semantics"),
    ("World", "world"),
    ("Stores", "store"),
    ("Warning", "warning"),
    ("EventLog", "event"),
];

fn rank(module: &str) -> Option<u8> {
    RANKS.iter().find(|(_, modules)| modules.contains(&module)).map(|(rank, _)| *rank)
}

/// Every source file with the name of its top-level module.
fn sources() -> Vec<(String, PathBuf)> {
    source_files("src").into_iter().map(|path| (module_of(&path), path)).collect()
}

fn module_of(path: &Path) -> String {
    let first = path.strip_prefix("src").unwrap().iter().next().unwrap().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The code of a file: no comments, and nothing behind the first `#[cfg(test)] mod`.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    text.lines().filter(is_code).collect::<Vec<_>>().join("\n")
}

fn is_test(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "tests.rs")
}

/// The modules behind every `crate::`, those in braces included.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(top_names(group)),
            None => found.push(name(rest)),
        }
    }
    let of_module = |name: String| {
        let moved = TOP_LEVEL.iter().find(|(item, _)| *item == name);
        moved.map_or(name, |(_, module)| (*module).to_owned())
    };
    found.into_iter().map(of_module).collect()
}

fn name(text: &str) -> String {
    text.chars().take_while(|char| char.is_alphanumeric() || *char == '_').collect()
}

/// The first names of a group `a::{b, c}, d}`.
fn top_names(group: &str) -> Vec<String> {
    let mut depth = 1;
    let mut names = vec![String::new()];
    for char in group.chars() {
        match char {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(String::new()),
            _ => {}
        }
        match (depth, names.last_mut()) {
            (0, _) => break,
            (1, Some(last)) if char != ',' => last.push(char),
            _ => {}
        }
    }
    names.iter().map(|part| name(part.trim())).filter(|name| !name.is_empty()).collect()
}

fn may_import(module: &str, imported: &str) -> bool {
    if module == imported || EXCEPTIONS.iter().any(|(from, to, _)| (*from, *to) == (module, imported)) {
        return true;
    }
    match (rank(module), rank(imported)) {
        _ if module == ASIDE => rank(imported) == Some(0),
        (Some(0), Some(0)) => true,
        (Some(own), Some(other)) => other < own,
        _ => false,
    }
}

#[test]
fn modules_import_lower_ranks() {
    let mut wrong = Vec::new();
    let mut seen = BTreeMap::new();
    for (module, path) in sources() {
        if module == "lib" || is_test(&path) {
            continue;
        }
        assert!(rank(&module).is_some() || module == ASIDE, "{}: give the module a rank", path.display());
        for imported in imports(&code(&path)) {
            *seen.entry((module.clone(), imported.clone())).or_insert(0) += 1;
            // A macro of the crate is no module.
            let is_macro = imported.is_empty();
            if !is_macro && !may_import(&module, &imported) {
                wrong.push(format!("{} imports {imported}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "not lower in rank:\n{}", wrong.join("\n"));
    for (from, to, reason) in EXCEPTIONS {
        let used = seen.contains_key(&(from.to_owned(), to.to_owned()));
        assert!(used, "{from} no longer imports {to} ({reason}): delete the exception");
    }
}

#[test]
fn no_clock_zone_environment_stream_or_file() {
    for (module, path) in sources() {
        if is_test(&path) || rank(&module).is_some_and(|rank| rank > 7) {
            continue;
        }
        let code = code(&path);
        for word in FORBIDDEN {
            let allowed = module == READS_FILES && word == "std::fs";
            assert!(allowed || !code.contains(word), "{} reaches for {word}", path.display());
        }
    }
}

#[test]
fn files_stay_readable() {
    for path in ["src", "proptests", "benches"].into_iter().flat_map(source_files) {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 600, "{} has {lines} lines", path.display());
    }
}

#[test]
fn groups_are_taken_apart() {
    let code = "use crate::{Error, go::{json, time}, self as x};\nuse crate::store::Stores;";
    assert_eq!(imports(code), ["error", "go", "self", "store"]);
    assert!(may_import("delete", "store") && may_import("image", "go"));
    assert!(!may_import("store", "delete") && !may_import("account", "report"));
    assert!(!may_import("oracle", "store") && may_import("oracle", "request"));
}
