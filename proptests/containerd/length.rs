//! The executable specifications stay short, which is what they are read for.

use std::fs;

use crate::support::source_files;

#[test]
fn specifications_stay_short() {
    for (folder, limit) in [("src/oracle/containerd", 900), ("src/oracle/graph", 971)] {
        let files = source_files(folder).into_iter().filter(|path| !path.ends_with("tests.rs"));
        let lines: usize = files.map(|path| fs::read_to_string(path).unwrap().lines().count()).sum();
        assert!(lines > 500 && lines <= limit, "{folder} has {lines} lines, more than {limit}");
    }
}
