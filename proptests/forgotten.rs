//! Files that nobody reads: modules that no other declares, and test data that no test opens.

use std::fs;
use std::path::{Path, PathBuf};

use image_prune::{Evidence, Semantics};
use regex::Regex;

use crate::support::source_files;

/// The files that are compiled without being declared as a module.
const ROOTS: [&str; 5] =
    ["src/lib.rs", "src/main.rs", "proptests/main.rs", "benches/scale.rs", "benches/prune.rs"];

/// The files that may declare the module in `file`, and its name.
fn declared_by(file: &Path) -> (Vec<PathBuf>, String) {
    let stem = file.file_stem().unwrap().to_str().unwrap();
    let folder = file.parent().unwrap();
    let (folder, name) = if stem == "mod" {
        (folder.parent().unwrap(), folder.file_name().unwrap().to_str().unwrap())
    } else {
        (folder, stem)
    };
    let mut above = vec![folder.join("mod.rs"), folder.with_extension("rs")];
    above.extend(ROOTS.iter().map(PathBuf::from).filter(|root| root.parent() == Some(folder)));
    (above, name.to_owned())
}

/// A file that is not declared is never compiled, and a test in it never run.
#[test]
fn no_file_is_forgotten() {
    let mut seen = 0;
    for file in ["src", "proptests", "benches"].into_iter().flat_map(source_files) {
        if ROOTS.iter().any(|root| file == Path::new(root)) {
            continue;
        }
        let (above, name) = declared_by(&file);
        let declaration = Regex::new(&format!(r"(?m)^\s*(pub(\(\w+\))? )?mod {name};")).unwrap();
        let is_declared =
            above.iter().any(|path| fs::read_to_string(path).is_ok_and(|text| declaration.is_match(&text)));
        assert!(is_declared, "{} is declared in none of {above:?}", file.display());
        seen += 1;
    }
    assert!(seen > 400, "only {seen} files");
}

/// Every file below `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn mentions(reader: &str, word: &str) -> bool {
    fs::read_to_string(reader).unwrap_or_else(|error| panic!("{reader}: {error}")).contains(word)
}

/// True for a file below `testdata` that a test reads, or a person.
fn is_read(path: &str) -> bool {
    let has_extension = |name: &str, end: &str| Path::new(name).extension().is_some_and(|found| found == end);
    let quoted = |word: &str| format!("\"{word}\"");
    match path.split('/').collect::<Vec<_>>().as_slice() {
        [.., "README.md"] | ["mutations", "try.sh"] => true,
        ["mutations", mutation] => {
            mentions("testdata/mutations/README.md", mutation.trim_end_matches(".patch"))
        }
        ["instructions.json"] => mentions("benches/modes/instructions.rs", "testdata/instructions.json"),
        ["cases", "wrong-scripts.txt"] => mentions("proptests/cases/script.rs", "wrong-scripts.txt"),
        ["cases", name] => ["case", "json"]
            .iter()
            .any(|end| has_extension(name, end) && mentions("proptests/cases/mod.rs", &quoted(end))),
        ["cases", "cli", name] => {
            has_extension(name, "txt") && mentions("proptests/command/mod.rs", "testdata/cases/cli")
        }
        ["cases", "cli", "files", name] => {
            let cases = files(Path::new("testdata/cases/cli")).into_iter().filter(|path| path.is_file());
            cases.chain(source_files("proptests")).any(|file| mentions(file.to_str().unwrap(), name))
        }
        ["needed", case, ..] => {
            let expected = format!("testdata/needed/{case}/expect.txt");
            mentions("proptests/needed.rs", "testdata/needed") && Path::new(&expected).is_file()
        }
        ["roots", _, "request.json" | "observed.json"] | ["roots", _, "root", ..] => {
            mentions("proptests/data_root/mod.rs", "testdata(\"roots\")")
        }
        ["server", name] => mentions("proptests/server/equal.rs", name),
        ["vectors", version, "scenarios.jsonl.gz"] => {
            let readers = ["proptests/scenarios.rs", "proptests/containerd/recorded.rs"];
            readers.iter().any(|reader| mentions(reader, &quoted(version)))
        }
        ["vectors", version, "daemon.tar.gz"] => {
            let constant = version.to_uppercase().replace(['-', '.'], "_");
            mentions("proptests/daemon.rs", &constant)
                || mentions("proptests/containerd_root.rs", &quoted(version))
        }
        ["vectors", version, table] => {
            let name = table.trim_end_matches(".jsonl.gz");
            let is_recorded = Semantics::RELEASES
                .into_iter()
                .any(|release| release.evidence == Evidence::Executed && release.semantics.name == *version);
            let reader = format!("proptests/table_{name}.rs");
            is_recorded && Path::new(&reader).is_file() && mentions(&reader, &quoted(name))
        }
        _ => false,
    }
}

#[test]
fn no_test_data_is_forgotten() {
    let files = files(Path::new("testdata"));
    assert!(files.len() > 500, "only {} files", files.len());
    let forgotten: Vec<&Path> = files
        .iter()
        .map(|path| path.strip_prefix("testdata").unwrap())
        .filter(|path| !is_read(path.to_str().unwrap()))
        .collect();
    assert!(forgotten.is_empty(), "nothing reads {forgotten:?}");
}

/// A mutation is tried once in a while, by hand: it has to fit until then.
#[test]
fn every_mutation_fits_the_sources() {
    for patch in files(Path::new("testdata/mutations")) {
        if patch.extension().is_none_or(|end| end != "patch") {
            continue;
        }
        let text = fs::read_to_string(&patch).unwrap();
        let file = text.lines().find_map(|line| line.strip_prefix("--- a/")).unwrap();
        let source =
            fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {file}: {error}", patch.display()));
        for hunk in text.split("\n@@ ").skip(1) {
            let lines = hunk.lines().skip(1).filter(|line| line.starts_with([' ', '-']));
            let before: Vec<&str> = lines.map(|line| &line[1..]).collect();
            assert!(source.contains(&before.join("\n")), "{} no longer fits {file}", patch.display());
        }
    }
}
