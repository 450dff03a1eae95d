//! The images that files need: one folder of `testdata/needed` a case, with its files and `expect.txt`.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;

use image_prune::client::KeepRules;
use image_prune::graph::store::Stores;
use image_prune::{Error, ErrorClass, Semantics, Timestamp};

/// What is kept of stores without images: each name is told as one that keeps nothing.
fn needed(folder: &Path, args: &str, environment: &BTreeMap<String, String>) -> String {
    let read = |path: &Path| {
        fs::read_to_string(path)
            .map_err(|error| Error::new(ErrorClass::System, format!("{}: {error}", path.display())))
    };
    let paths: Vec<_> = args.split(':').map(|path| folder.join(path)).collect();
    let argument = env::join_paths(paths).unwrap();
    let told = match KeepRules::new().needed_by_files(Path::new(&argument), environment, &read) {
        Ok(rules) => {
            let keeping = rules.apply(&Stores::new(&Semantics::default()), Timestamp::new(1_700_000_000, 0));
            let warnings = keeping.warnings.iter().map(|warning| format!("warning: {warning}\n"));
            warnings.chain(keeping.idle.iter().map(|name| format!("{name}\n"))).collect()
        }
        Err(error) => format!("error: {error}\n"),
    };
    let folder = folder.display().to_string();
    told.replace(&format!("{folder}/"), "").replace(&folder, "FOLDER")
}

#[test]
fn files_need_what_compose_and_others_would_run() {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/needed");
    let mut wrong = Vec::new();
    let mut cases = 0;
    for folder in fs::read_dir(all).unwrap() {
        let folder = folder.unwrap().path();
        let text = fs::read_to_string(folder.join("expect.txt")).unwrap();
        let (head, expected) = text.split_once("--\n").unwrap();
        let values =
            |key: &str| -> Vec<&str> { head.lines().filter_map(|line| line.strip_prefix(key)).collect() };
        let environment = values("env: ").into_iter().map(|pair| pair.split_once('=').unwrap());
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let got = needed(&folder, values("args: ")[0], &environment);
        if got != expected {
            wrong.push(format!("{}\nexpected:\n{expected}got:\n{got}", folder.display()));
        }
        cases += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases > 40, "{cases} cases are left");
}
