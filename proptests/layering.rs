//! Who imports whom. The floors are not written down here but derived from the imports of the sources: a module stands one
//! floor above the highest that it imports. There is no way to do that where modules import each other in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::source_files;

/// A module's path from the crate's root: `["graph", "store"]`.
type Module = Vec<String>;

/// What no module that the caller gives time, zone, streams and files may reach for.
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

/// Every import of one module by another, as paths from the root. The command is a crate of its own and not among them.
fn imports() -> Vec<(Module, Module)> {
    let files = source_files("src").into_iter().filter(|path| {
        let is_of_command = path.starts_with("src/cli") || path.ends_with("main.rs");
        !is_of_command && !path.ends_with("lib.rs") && !path.ends_with("tests.rs")
    });
    files.flat_map(|path| imports_of(&module_of(&path), &code(&path))).collect()
}

/// `src/graph/store/mod.rs` is `["graph", "store"]`.
fn module_of(path: &Path) -> Module {
    let path = path.strip_prefix("src").unwrap().with_extension("");
    let names = path.iter().map(|name| name.to_str().unwrap().to_owned());
    names.filter(|name| name != "mod").collect()
}

/// The code of a file: no comments, and nothing behind the first `#[cfg(test)] mod`.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    text.lines().filter(is_code).collect::<Vec<_>>().join("\n")
}

/// What stands behind each `crate::` and `super::` of a module's code.
fn imports_of(module: &Module, code: &str) -> Vec<(Module, Module)> {
    let mut found = Vec::new();
    let is_path = |at: usize| !code[..at].ends_with(|before: char| before.is_alphanumeric() || before == ':');
    for (at, _) in code.match_indices("crate::").filter(|(at, _)| is_path(*at)) {
        paths(&code[at + "crate::".len()..], &[], &mut found);
    }
    for (at, _) in code.match_indices("super::").filter(|(at, _)| is_path(*at)) {
        let ups = code[at..].split("::").take_while(|part| *part == "super").count();
        let above = module.get(..module.len().saturating_sub(ups)).unwrap_or_default();
        paths(&code[at + ups * "super::".len()..], above, &mut found);
    }
    found.into_iter().map(|path| (module.clone(), path)).collect()
}

/// The paths at the beginning of `text`: one, or a group in braces of many, with `before` in front.
fn paths(text: &str, before: &[String], found: &mut Vec<Module>) {
    if let Some(group) = text.strip_prefix('{') {
        for part in members(group) {
            paths(part.trim(), before, found);
        }
        return;
    }
    let end = text.find(|char: char| !char.is_alphanumeric() && char != '_').unwrap_or(text.len());
    let mut path = before.to_vec();
    path.extend((end > 0).then(|| text[..end].to_owned()));
    match text[end..].strip_prefix("::") {
        Some(rest) => paths(rest, &path, found),
        None => found.push(path),
    }
}

/// The members of a group whose opening brace is behind us.
fn members(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut members) = (0, 0, Vec::new());
    for (at, char) in group.char_indices() {
        match char {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' if depth > 0 => {}
            ',' | '}' => {
                members.push(&group[start..at]);
                start = at + 1;
                if char == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    members
}

fn exists(module: &[String]) -> bool {
    let path: PathBuf = Path::new("src").join(module.iter().collect::<PathBuf>());
    path.is_dir() || path.with_extension("rs").is_file()
}

/// Who imports whom among the modules of `folder`, which is the root where it is empty.
fn neighbours(imports: &[(Module, Module)], folder: &[String]) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (from, to) in imports {
        let Some(own) = from.strip_prefix(folder).and_then(<[_]>::first) else { continue };
        found.entry(own.clone()).or_default();
        let Some(other) = to.strip_prefix(folder).and_then(<[_]>::first) else { continue };
        if other != own && exists(&[folder, std::slice::from_ref(other)].concat()) {
            // It may import nothing itself.
            found.entry(other.clone()).or_default();
            found.entry(own.clone()).or_default().insert(other.clone());
        }
    }
    found
}

/// The floor of each module; `Err` has those that stand on none, because they import each other in a circle.
fn floors(imports: &BTreeMap<String, BTreeSet<String>>) -> Result<BTreeMap<String, usize>, Vec<String>> {
    let mut floors: BTreeMap<String, usize> = BTreeMap::new();
    loop {
        let floor = |below: &BTreeSet<String>| {
            below.iter().map(|name| Some(floors.get(name)? + 1)).collect::<Option<Vec<_>>>()
        };
        let next: Vec<(String, usize)> = imports
            .iter()
            .filter(|(name, _)| !floors.contains_key(*name))
            .filter_map(|(name, below)| Some((name.clone(), floor(below)?.into_iter().max().unwrap_or(0))))
            .collect();
        if next.is_empty() {
            let circle: Vec<String> =
                imports.keys().filter(|name| !floors.contains_key(*name)).cloned().collect();
            return if circle.is_empty() { Ok(floors) } else { Err(circle) };
        }
        floors.extend(next);
    }
}

/// The floors that `src/docs/architecture.md` shows: rows of `| number | modules | …`.
fn documented() -> BTreeMap<String, usize> {
    let text = fs::read_to_string("src/docs/architecture.md").unwrap();
    let rows = text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        Some((cells.next()?.parse::<usize>().ok()?, cells.next()?))
    });
    rows.flat_map(|(floor, modules)| {
        let names = modules.split('`').skip(1).step_by(2);
        names.map(move |name| (name.to_owned(), floor)).collect::<Vec<_>>()
    })
    .collect()
}

#[test]
fn the_house_stands() {
    let floors = floors(&neighbours(&imports(), &[])).unwrap_or_else(|circle| panic!("a circle: {circle:?}"));
    assert_eq!(documented(), floors, "left: `src/docs/architecture.md`, right: the imports");
}

/// The server is one room: its routes and its state know each other.
#[test]
fn no_circles_inside_of_modules() {
    let imports = imports();
    let folders: BTreeSet<Module> = imports
        .iter()
        .flat_map(|(from, _)| (1..from.len()).map(|end| from[..end].to_vec()))
        .filter(|folder| folder[0] != "server")
        .collect();
    assert!(folders.len() > 20);
    for folder in folders {
        if let Err(circle) = floors(&neighbours(&imports, &folder)) {
            panic!("a circle in {}: {circle:?}", folder.join("/"));
        }
    }
}

/// Routes speak to the image service. What an image store does in its own way is in one module, and a test that starts a
/// daemon is given its stores.
#[test]
fn the_server_reaches_into_stores_in_one_place() {
    let is_of_engine = |path: &Module| {
        let is_order = path.join("::") == "graph::select::Order";
        path.first().is_some_and(|name| name == "graph" || name == "containerd") && !is_order
    };
    let reaches = |path: &PathBuf| {
        let code = code(path);
        code.contains("stores()")
            || imports_of(&module_of(path), &code).iter().any(|(_, to)| is_of_engine(to))
    };
    let found: Vec<_> = source_files("src/server").into_iter().filter(reaches).collect();
    let allowed = ["src/server/store/held.rs", "src/server/store/mod.rs", "src/server/test_daemon.rs"];
    assert_eq!(found, allowed.map(PathBuf::from));
}

/// Whatever else they do, these must never meet.
#[test]
fn engines_and_specification_are_strangers() {
    for (from, to) in imports() {
        let (Some(own), Some(other)) = (from.first(), to.first()) else { continue };
        for strangers in [["graph", "containerd"], ["graph", "oracle"], ["containerd", "oracle"]] {
            let meet = own != other && strangers.contains(&&**own) && strangers.contains(&&**other);
            assert!(!meet, "{} imports {}", from.join("::"), to.join("::"));
        }
    }
}

/// The registry, manifests, and what `fit` knows of registries could be a package of their own tomorrow.
#[test]
fn registries_stand_on_little() {
    let little = [
        ["base", "address"],
        ["base", "created"],
        ["base", "digest"],
        ["base", "error"],
        ["base", "few"],
        ["base", "glob"],
        ["base", "sync"],
        ["base", "tag"],
        ["document", "manifest"],
        ["crate", "registry"],
    ];
    let of_registries = |module: &Module| {
        let path = module.join("::");
        path.starts_with("registry") || path == "document::manifest" || path == "fit::index"
    };
    let mut seen = 0;
    for (from, to) in imports().iter().filter(|(from, _)| of_registries(from)) {
        let inside = from.first() == to.first() && from[0] != "document" || to.len() < 2;
        let allowed = inside || little.iter().any(|path| to.starts_with(&path.map(str::to_owned)));
        assert!(allowed, "{} imports {}", from.join("::"), to.join("::"));
        seen += 1;
    }
    assert!(seen > 20);
}

/// Floors below those that read files or speak over sockets are told the time, the zone and the state. `data_root` reads
/// files, as its name says, and nothing else.
#[test]
fn no_clock_zone_environment_stream_or_file() {
    let outside = ["client", "server", "registry", "fit", "cli", "main"];
    for path in source_files("src") {
        let module = module_of(&path);
        if path.ends_with("tests.rs") || outside.contains(&&*module[0]) {
            continue;
        }
        let code = code(&path);
        for word in FORBIDDEN {
            let allowed = module[0] == "data_root" && word == "std::fs";
            assert!(allowed || !code.contains(word), "{} reaches for {word}", path.display());
        }
    }
}

/// A module with a folder is the folder's `mod.rs`, so that all of it moves at once.
#[test]
fn a_module_and_its_folder_are_one() {
    for path in ["src", "proptests", "benches"].into_iter().flat_map(source_files) {
        assert!(!path.with_extension("").is_dir(), "{} lies beside its folder", path.display());
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
fn groups_are_taken_apart_and_circles_are_found() {
    let module = |path: &str| path.split("::").map(str::to_owned).collect::<Module>();
    let code = "use crate::{base::Error, go::{json, time}, self as x};\nuse super::store::Stores;\nx(super::super::y)";
    let found = imports_of(&module("graph::plan"), code);
    let found: Vec<String> = found.iter().map(|(_, to)| to.join("::")).collect();
    assert_eq!(found, ["base::Error", "go::json", "go::time", "self", "graph::store::Stores", "y"]);

    let graph = |edges: &[(&str, &[&str])]| {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        edges.iter().map(|(from, to)| ((*from).to_owned(), names(to))).collect()
    };
    let house = floors(&graph(&[("a", &[]), ("b", &["a"]), ("c", &["a", "b"])])).unwrap();
    assert_eq!(house.into_values().collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(floors(&graph(&[("a", &["b"]), ("b", &["a"]), ("c", &[])])).unwrap_err(), ["a", "b"]);
}
