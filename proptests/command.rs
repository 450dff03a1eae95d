//! The command, as a person runs it: cases under `testdata/cases/cli`, and what a case cannot say.
//!
//! `UPDATE_CASES=1 cargo test --features cli` writes the answers into the cases; read the difference.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

pub mod case;
mod endless;
mod machine;

use std::fs;
use std::path::Path;

use case::Case;

#[test]
fn cases_answer_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cases/cli");
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    assert!(files.len() > 50, "only {} cases in {}", files.len(), folder.display());

    let is_update = std::env::var_os("UPDATE_CASES").is_some();
    let wrong: Vec<String> = files
        .iter()
        .filter_map(|file| {
            let case = Case::parse(&fs::read_to_string(file).unwrap());
            let got = case.run(&folder.join("files"));
            if is_update {
                fs::write(file, got.to_string()).unwrap();
            }
            (got.to_string() != case.to_string())
                .then(|| format!("{}:\n{}", file.display(), case.difference(&got)))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {} cases differ:\n{}", wrong.len(), files.len(), wrong.join("\n"));
}
