//! No code decides by the words of an error: a text may be moby's, which changes with its versions, or the system's.

use std::fs;

use image_prune::containerd::Request;
use image_prune::graph::delete::{Conflict, Extent, Obstacle};
use image_prune::{ContainerId, Digest, Error, Filters, Now, PruneRequest, Semantics, World, rules};
use regex::Regex;

use crate::support::{engine, source_files};

/// What code does with an error's text to decide, and why it must not.
const FORBIDDEN: [(&str, &str); 4] = [
    (
        r"\b(error|err|failure|message|why|reason)(\.to_string\(\))?\s*\.(contains|starts_with|ends_with|find|matches)\(",
        "searches an error for words: give it a `Kind`, and branch on that or on `Error::rule`",
    ),
    (
        r"\b(error|err|failure|message|why|reason)(\.to_string\(\))?\s*\.(strip_prefix|strip_suffix|split_once|rsplit_once)\(",
        "cuts an error at words: give it a `Kind`, or keep the parts before they become text",
    ),
    (
        r"\b(error|err|failure)\.to_string\(\)\s*[!=]=|[!=]=\s*(error|err|failure)\.to_string\(\)",
        "compares an error's text: compare its class, or what `Error::rule` says",
    ),
    (
        r#"\.(contains|starts_with|ends_with|find)\(\s*&?"[^"]*[a-z] [a-z(][^"]*""#,
        "searches a text for a phrase, which only prose has",
    ),
];

/// Files that judge texts of other programs, which have nothing but text.
const EXCEPTIONS: [(&str, &str); 4] = [
    (
        "src/oracle/check/freedom.rs",
        "compares what a daemon said with what moby says, where moby's order is free",
    ),
    (
        "src/replay/compare.rs",
        "compares recorded errors, where a conflict may name any of several containers",
    ),
    ("src/replay/containerd/compare.rs", "the same of the containerd store"),
    ("src/cli/error.rs", "shortens what clap says for JSON"),
];

/// The code of a file without comments and tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    text.lines().filter(is_code).collect::<Vec<_>>().join("\n")
}

fn offences(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (pattern, reason) in FORBIDDEN {
        let pattern = Regex::new(pattern).unwrap();
        found.extend(pattern.find_iter(code).map(|hit| format!("`{}` {reason}", hit.as_str())));
    }
    found
}

#[test]
fn no_code_decides_by_the_words_of_an_error() {
    let mut found = Vec::new();
    let mut needed = Vec::new();
    for path in source_files("src") {
        if path.ends_with("tests.rs") {
            continue;
        }
        let offences = offences(&code(&fs::read_to_string(&path).unwrap()));
        match EXCEPTIONS.iter().find(|(exception, _)| path.ends_with(exception)) {
            Some((exception, _)) if !offences.is_empty() => needed.push(*exception),
            Some(_) => {}
            None => found.extend(offences.iter().map(|offence| format!("{}: {offence}", path.display()))),
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    let unneeded: Vec<_> = EXCEPTIONS.iter().filter(|(file, _)| !needed.contains(file)).collect();
    assert!(unneeded.is_empty(), "exceptions that nothing needs: {unneeded:?}");
}

#[test]
fn the_patterns_find_what_they_are_about() {
    for code in [
        r#"if error.to_string().contains("'dangling") {"#,
        r#"Err(error) if error.to_string().starts_with("label ") => {"#,
        r#"if error.to_string().ends_with("(corruption?)") {"#,
        r#"if text.contains("asks for a user") {"#,
        r#"let rest = message.strip_prefix("conflict: ")?;"#,
        r#"if error.to_string() == "context canceled" {"#,
    ] {
        assert!(!offences(code).is_empty(), "{code}");
    }
    for code in ["name.strip_prefix('/')", "id.to_string().starts_with(text)", r#"value.contains("sha256:")"#]
    {
        assert!(offences(code).is_empty(), "{code}");
    }
}

/// Every error of a prune request tells its rule, in each version of moby.
#[test]
fn refused_filters_tell_their_rule() {
    let now = Now::utc(chrono::DateTime::UNIX_EPOCH);
    let cases = [
        (r#"{"label":1}"#, "F-1"),
        (r#"{"bogus":["1"]}"#, "F-2"),
        (r#"{"":["1"]}"#, "F-2"),
        (r#"{"dangling":["maybe"]}"#, "F-8"),
        (r#"{"until":["1h","2h"]}"#, "T-1"),
        (r#"{"until":["soon"]}"#, "T-2"),
        (r#"{"until":["2024-99-01"]}"#, "T-6"),
        (r#"{"until":{}}"#, "T-12"),
    ];
    for semantics in [Semantics::MOBY_20_10, Semantics::MOBY_29] {
        for (filters, rule) in cases {
            let error = PruneRequest::parse(filters, &semantics, now).unwrap_err();
            assert_eq!(error.rule(), Some(rule), "{semantics}: {filters}: {error}");
            assert!(rules::find(rule).is_some(), "{rule}");
        }
    }
    let long = "x".repeat(5000);
    let filters: Filters = [("label", long)].into_iter().collect();
    let error = Request::from_filters(&filters, &Semantics::MOBY_29, now);
    assert_eq!(error.unwrap_err().rule(), Some("Q-3"));
    assert_eq!(Error::system("the disk is full").rule(), None);
}

#[test]
fn failed_deletions_tell_their_rule() {
    let engine = engine(&World::default(), Semantics::MOBY_29);
    let id = Digest::of(b"absent");
    for name in ["absent:1".to_owned(), id.to_string()] {
        let error = Error::from(engine.delete(&name, Extent { force: false, prune: true }).unwrap_err());
        assert_eq!((error.rule(), error.is_not_found()), (Some("G-1"), true), "{error}");
    }
    let container = ContainerId::from(Digest::of(b"container"));
    for (obstacle, rule) in [
        (Obstacle::DependentChildren, "D-7"),
        (Obstacle::References, "D-7"),
        (Obstacle::RunningContainer(container), "D-7"),
        (Obstacle::LastReference("a:1".into(), container), "D-5.1"),
    ] {
        let error = Error::from(Conflict { image: id.into(), obstacle });
        assert_eq!((error.rule(), error.is_conflict()), (Some(rule), true), "{error}");
    }
}
