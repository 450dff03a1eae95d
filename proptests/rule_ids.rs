//! The ids of rules: each one that is named exists, and each rule is modelled or listed with a reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use image_prune::rules;
use regex::Regex;

/// The letters that ids begin with.
const LETTERS: &str = "FHTLIGYRDPOEUNBSCQXVWKZ";

/// Folders and files that may name rules.
const PLACES: [&str; 8] = [
    "src",
    "proptests",
    "benches",
    "testdata/cases",
    "testdata/README.md",
    "README.md",
    "CHANGELOG.md",
    "packaging",
];

/// Text files below `place`, or the file itself.
fn files(place: &Path) -> Vec<PathBuf> {
    if place.is_file() {
        return vec![place.to_path_buf()];
    }
    let entries = fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|entry| files(&entry)).collect()
}

/// The ids in `text`, ranges such as `F-1 to F-3` and `D-12…` by their ends.
fn ids(text: &str) -> BTreeSet<String> {
    let id =
        Regex::new(&format!(r"(?:^|[^A-Za-z0-9_./-])([{LETTERS}]-[0-9]+(?:\.[0-9]+|[a-z])?)\b")).unwrap();
    // An id may directly follow another, so that the matches overlap by a character.
    let mut found = BTreeSet::new();
    let mut at = 0;
    while let Some(captures) = id.captures_at(text, at) {
        let one = captures.get(1).unwrap();
        found.insert(one.as_str().to_owned());
        at = one.end();
    }
    found
}

#[test]
fn every_id_that_is_named_is_a_rule() {
    let mut unknown = BTreeMap::<String, Vec<PathBuf>>::new();
    let mut named = 0;
    for path in PLACES.iter().flat_map(|place| files(Path::new(place))) {
        // What is no text names nothing.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for id in ids(&text) {
            named += 1;
            if rules::find(&id).is_none() {
                unknown.entry(id).or_default().push(path.clone());
            }
        }
    }
    assert!(unknown.is_empty(), "no such rules: {unknown:#?}");
    assert!(named > 500, "only {named} ids were found");
}

#[test]
fn every_rule_is_modelled_or_has_a_reason() {
    let listed = not_modelled();
    let sources = files(Path::new("src/oracle")).into_iter().map(|path| fs::read_to_string(path).unwrap());
    let rule_of = |id: String| rules::find(&id).map(|rule| rule.id().to_owned());
    let modelled: BTreeSet<String> = sources.flat_map(|text| ids(&text)).filter_map(rule_of).collect();
    let neither: Vec<&str> = rules::all()
        .map(|rule| rule.id())
        .filter(|id| !listed.contains(*id) && !modelled.contains(*id))
        .collect();
    assert!(neither.is_empty(), "neither modelled nor listed in src/docs/rules/README.md: {neither:?}");
}

/// The rules of the table "Not modelled", ranges expanded in the order of the document.
fn not_modelled() -> BTreeSet<String> {
    let text = include_str!("../src/docs/rules/README.md");
    let table = text.split("## Not modelled").nth(1).unwrap();
    let order: Vec<&str> = rules::all().map(|rule| rule.id()).collect();
    let place = |id: &str| {
        order
            .iter()
            .position(|known| *known == id)
            .unwrap_or_else(|| panic!("`{id}` is listed and is no rule"))
    };
    let mut listed = BTreeSet::new();
    for row in table.lines().filter(|line| line.starts_with("| ") && line.contains('-')) {
        let cell = row.trim_start_matches('|').split('|').next().unwrap();
        for part in cell.split(',').map(str::trim).filter(|part| part.contains(|c: char| c.is_ascii_digit()))
        {
            let (from, to) = part.split_once(" to ").unwrap_or((part, part));
            listed.extend(order[place(from)..=place(to)].iter().map(|id| (*id).to_owned()));
        }
    }
    assert!(listed.len() > 20, "the table was not read");
    listed
}

#[test]
fn an_id_is_a_letter_and_a_number() {
    let text = "D-12, `P-9`; SHA-256 UTF-8 (Q-8.1) I-2a x/D-1 A-1";
    let wanted = ["D-12", "I-2a", "P-9", "Q-8.1"].map(str::to_owned);
    assert_eq!(ids(text), BTreeSet::from(wanted));
}
