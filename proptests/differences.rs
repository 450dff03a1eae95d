//! Differences from moby: each row of the page has its mark in the code, and each mark its row.

use std::collections::BTreeSet;
use std::fs;

use regex::Regex;

use crate::support::source_files;

const PAGE: &str = include_str!("../src/docs/differences.md");

/// The marks of the rows, in the tables that have them.
fn rows(page: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut has_marks = false;
    for line in page.lines() {
        let first = line.strip_prefix("| ").and_then(|row| row.split(" |").next());
        match first {
            None => has_marks = false,
            Some("mark") => has_marks = true,
            Some("---") => {}
            Some(mark) if has_marks => found.push(mark),
            Some(_) => {}
        }
    }
    found
}

#[test]
fn each_row_has_its_mark_and_each_mark_its_row() {
    let mark = Regex::new(r"DIFFERENCE(?:\(([a-z0-9-]+)\))?").unwrap();
    let rows = rows(PAGE);
    let mut expected: BTreeSet<&str> = rows.iter().copied().collect();
    assert_eq!(expected.len(), rows.len(), "a mark stands for one row: {rows:?}");
    assert!(rows.len() > 30, "the tables were not found: {rows:?}");
    let known = expected.clone();
    let mut wrong = Vec::new();
    for path in source_files("src") {
        let text = fs::read_to_string(&path).unwrap();
        for captures in mark.captures_iter(&text) {
            match captures.get(1).map(|id| id.as_str()) {
                Some(id) if known.contains(id) => {
                    expected.remove(id);
                }
                Some(id) => wrong.push(format!("{}: `{id}` has no row", path.display())),
                None => wrong.push(format!("{}: a difference without its mark", path.display())),
            }
        }
    }
    wrong.extend(expected.iter().map(|id| format!("`{id}` is marked nowhere in the code")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn rows_are_read_from_tables_with_marks_alone() {
    let page =
        "| mark | rule |\n| --- | --- |\n| one | a |\n\n| other | rule |\n| --- | --- |\n| two | b |\n";
    assert_eq!(rows(page), ["one"]);
}
