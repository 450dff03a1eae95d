#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use super::*;
use crate::base::digest::Digest;

const ID: &str = "62798b9bee0eb12322fc97e8";

fn rules(text: &str) -> Rules {
    Rules::parse(text, Schemes::default()).unwrap()
}

/// Tags `name@created`; each of its own image.
fn decide(rules: &Rules, repository: &str, tags: &[&str]) -> Vec<String> {
    let dated: Vec<Dated<'_>> = tags
        .iter()
        .map(|tag| {
            let (name, created) = tag.split_once('@').unwrap_or((tag, "?"));
            Dated { tag: name, image: Digest::of(name.as_bytes()), created: created.parse().ok() }
        })
        .collect();
    let rulings = rules.rule(repository, &dated, 1000);
    let shown = |tag: &str| match &rulings[tag] {
        Ruling::None => "-".to_owned(),
        Ruling::Delete => "delete".to_owned(),
        Ruling::Keep(reason) => reason.kind().to_owned(),
    };
    dated.iter().map(|dated| shown(dated.tag)).collect()
}

#[test]
fn environments_keep_what_is_listed() {
    let text = format!("\u{feff}# a comment\n\n  {ID} 4, 7\t8\r\n#{ID}b 1\n{ID}c\nenv-1 2");
    let rules = rules(&text);
    assert_eq!(
        decide(&rules, &format!("domino-{ID}"), &["4", "5", "latest"]),
        ["retained", "delete", "delete"]
    );
    assert_eq!(decide(&rules, &format!("domino-{ID}b"), &["1", "2"]), ["-", "-"]);
    assert_eq!(decide(&rules, &format!("domino-{ID}c"), &["1"]), ["delete"]);
    let tags = [format!("{ID}-7"), format!("{ID}-70"), format!("{ID}b-1"), ID.to_owned(), format!("x{ID}-1")];
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    assert_eq!(decide(&rules, SHARED_REPOSITORY, &tags), ["retained", "delete", "-", "-", "-"]);
    let tags = ["env-1-2", "env-1-3", "env-1", "env-1-2-x", "env-10-3"];
    assert_eq!(decide(&rules, SHARED_REPOSITORY, &tags), ["retained", "delete", "-", "-", "-"]);
    assert_eq!(decide(&rules, "mirror/environment", &["env-1-3"]), ["-"]);
}

#[test]
fn an_environment_listed_twice_keeps_both_lists() {
    let rules = rules(&format!("{ID} 1\n{ID} 2"));
    assert_eq!(decide(&rules, &format!("domino-{ID}"), &["1", "2", "3"]), ["retained", "retained", "delete"]);
}

#[test]
fn schemes_can_be_turned_off() {
    let schemes = Schemes { own_repository: false, shared_repository: true };
    let rules = Rules::parse(ID, schemes).unwrap();
    assert_eq!(rules.named_repositories().into_iter().collect::<Vec<_>>(), [SHARED_REPOSITORY]);
    assert!(!rules.concern(&format!("domino-{ID}")));
    let schemes = Schemes { own_repository: true, shared_repository: false };
    let rules = Rules::parse(ID, schemes).unwrap();
    assert_eq!(decide(&rules, SHARED_REPOSITORY, &[&format!("{ID}-1")]), ["-"]);
    assert!(!rules.concern(SHARED_REPOSITORY));
}

#[test]
fn patterns_keep_what_any_clause_keeps() {
    let rules = rules("team/* keep-last 2 | keep ^v\nteam/web older-than 10s\n*/old keep-last 0");
    let tags = ["a@100", "b@200", "c@300", "v1@1", "d", "e@995"];
    let kept = ["delete", "delete", "newest", "matches", "unknown_age", "newest"];
    assert_eq!(decide(&rules, "team/app", &tags), kept);
    assert_eq!(decide(&rules, "team/web", &tags), kept, "older-than keeps no more here");
    assert_eq!(decide(&rules, "team/web", &["f@990", "g@989", "h@989", "i@989"]), ["newest"; 4]);
    assert_eq!(decide(&rules, "x/old", &["a@1", "b@2"]), ["delete", "delete"]);
    assert_eq!(decide(&rules, "team/a/b", &["a@1"]), ["-"], "* does not cross a slash");
    assert!(rules.need_dates("team/app") && rules.needs_catalog() && !rules.need_dates("other"));
}

#[test]
fn two_tags_of_one_image_count_once() {
    let rules = rules("a keep-last 2");
    let (one, two, three) = (Digest::of(b"1"), Digest::of(b"2"), Digest::of(b"3"));
    let tags = [("a", three, 3), ("b", three, 3), ("c", two, 2), ("d", one, 1)];
    let dated: Vec<_> =
        tags.iter().map(|(tag, image, at)| Dated { tag, image: *image, created: Some(*at) }).collect();
    let rulings = rules.rule("a", &dated, 10);
    assert_eq!(rulings["c"], Ruling::Keep(KeepReason::Newest { of: 2 }));
    assert_eq!(rulings["d"], Ruling::Delete);
}

#[test]
fn ages_at_the_ends_of_time() {
    let rules = rules("a older-than 1s\nb older-than 500000000000years");
    let dated = Dated { tag: "x", image: Digest::of(b""), created: Some(i64::MIN) };
    assert_eq!(rules.rule("a", &[dated], i64::MAX)["x"], Ruling::Delete);
    assert_eq!(rules.rule("b", &[dated], i64::MAX)["x"], Ruling::Keep(KeepReason::Young));
    let future = Dated { created: Some(i64::MAX), ..dated };
    assert_eq!(rules.rule("a", &[future], i64::MIN)["x"], Ruling::Keep(KeepReason::Young));
}

#[test]
fn bad_lines_are_named() {
    for (text, problem) in [
        ("ok\nUPPER 1", "line 2: `UPPER`"),
        ("a 1 # why", "line 1: `#` is no revision"),
        ("a ../x", "`../x` is no revision"),
        ("domino-a 1", "`domino-a` is neither"),
        ("a/b 1", "`a/b` is neither"),
        ("a/* keep-last", "`keep-last` needs a value"),
        ("a/* keep-last -1", "`keep-last -1`"),
        ("a/* keep (", "`keep (`"),
        ("a/* keep a{1000}{1000}{1000}", "size limit"),
        ("a/* older-than 3fortnights", "`older-than 3fortnights`"),
        ("a/* keep x drop y", "`drop` is none of"),
        ("a only x only y", "`only` stands once"),
        ("a only", "`only` needs a value"),
        ("a only (", "`only (`"),
        ("a keep-last 3 of", "`of` needs a value"),
        ("a keep-last 3 of (", "`of (`"),
        ("a keep x of y", "only `keep-last` counts in a stream"),
        ("[ keep x", "`[` is no pattern"),
    ] {
        let error = Rules::parse(text, Schemes::default()).unwrap_err().to_string();
        assert!(error.contains(problem), "{text}: {error}");
    }
    assert!(rules("# nothing\n\n").is_empty());
}

#[test]
fn the_newest_of_each_stream_stay() {
    let tags = ["env18-1@1", "env18-2@2", "env18-3@3", "env19-1@4", "env19-2@5", "env20-1@6", "latest"];
    let one = rules("t/env keep-last 2 of ^env18-");
    assert_eq!(decide(&one, "t/env", &tags), ["delete", "newest", "newest", "-", "-", "-", "-"]);
    let two = ["delete", "newest", "newest", "delete", "newest", "-", "-"];
    assert_eq!(decide(&rules("t/env keep-last 2 of ^env18- keep-last 1 of ^env19-"), "t/env", &tags), two);
    let lines = rules("t/env keep-last 2 of ^env18-\nt/* keep-last 1 of ^env19-");
    assert_eq!(decide(&lines, "t/env", &tags), two, "lines add up");
    let all = rules("t/env keep-last 2 of ^env18- keep-last 1");
    let expected = ["delete", "newest", "newest", "delete", "delete", "newest", "unknown_age"];
    assert_eq!(decide(&all, "t/env", &tags), expected, "a count without a stream is about all");
    assert!(one.need_dates("t/env"));
}

#[test]
fn nothing_goes_that_only_leaves_out() {
    let tags = ["pr-1@1", "pr-2@2", "main@1", "v1@1", "old"];
    let rules = rules("a only ^pr-\nb only ^pr- keep-last 1\nc only ^pr- keep ^pr-1$");
    assert_eq!(decide(&rules, "a", &tags), ["delete", "delete", "-", "-", "-"]);
    assert_eq!(decide(&rules, "b", &tags), ["delete", "newest", "-", "-", "-"]);
    assert_eq!(decide(&rules, "c", &tags), ["matches", "delete", "-", "-", "-"]);
    assert_eq!(rules.rule_by_name("a", "sha256-x"), Ruling::None);
    assert_eq!(rules.rule_by_name("a", "pr-9"), Ruling::Delete);
}

/// Releases are newer than all generated tags, and kept by their names.
#[test]
fn what_a_name_keeps_uses_up_no_place() {
    let tags = [
        "v1.1.0-3-g1@1",
        "v1.2.0-6-g2@2",
        "v1.3.0-9-g3@3",
        "v1.4.0-12-g4@4",
        "v1.1.0@11",
        "v1.2.0@12",
        "v1.3.0@13",
    ];
    let expected = ["delete", "newest", "newest", "newest", "matches", "matches", "matches"];
    for text in [
        r"t/app keep-last 3 keep ^v\d+\.\d+\.\d+$",
        r"t/app keep ^v\d+\.\d+\.\d+$ keep-last 3",
        "t/app keep-last 3\nt/* keep ^v\\d+\\.\\d+\\.\\d+$",
    ] {
        assert_eq!(decide(&rules(text), "t/app", &tags), expected, "{text}");
    }
}

#[test]
fn long_patterns_are_errors() {
    for pattern in ["a".repeat(400_000), "?".repeat(400_000), "[a-z]".repeat(100_000)] {
        let error = Rules::parse(&format!("{pattern}/* keep-last 1"), Schemes::default()).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("is no pattern: it has ") && error.len() < 200, "{}", error.len());
    }
}
