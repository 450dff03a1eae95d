#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use super::*;

fn now() -> Now {
    Now::utc(chrono::DateTime::UNIX_EPOCH)
}

fn observed(json: &str) -> Observed {
    serde_json::from_str(json).unwrap()
}

/// The rule that an empty store's prune breaks; empty where it breaks none.
fn rule(asked: &Asked, json: &str) -> &'static str {
    match check(&World::default(), asked, &observed(json), &Semantics::MOBY_20_10).unwrap() {
        Verdict::Explained { .. } => "",
        Verdict::Impossible(contradiction) => contradiction.rule,
        Verdict::GaveUp { .. } => panic!("gave up on an empty store"),
    }
}

#[test]
fn each_part_is_judged_alone() {
    let asked = Asked::new("", now());
    let event = |bytes: u8| {
        format!(r#"{{"Type":"image","Action":"prune","ID":"","Attributes":{{"reclaimed":"{bytes}"}}}}"#)
    };
    for (json, expected) in [
        ("{}".to_owned(), ""),
        (r#"{"status":200}"#.to_owned(), ""),
        (r#"{"status":500}"#.to_owned(), "P-2"),
        (r#"{"closed":true}"#.to_owned(), "P-2"),
        (r#"{"status":409,"body":{"message":"a prune operation is already running"}}"#.to_owned(), "P-1"),
        (r#"{"status":500,"body":{"message":"context canceled"}}"#.to_owned(), "P-2"),
        (r#"{"body":{"ImagesDeleted":[{"Untagged":"a:1"}],"SpaceReclaimed":0}}"#.to_owned(), "R-8"),
        (r#"{"body":{"ImagesDeleted":[{"Deleted":"a"}],"SpaceReclaimed":0}}"#.to_owned(), "I-10"),
        (format!(r#"{{"events":[{}]}}"#, event(0)), ""),
        (format!(r#"{{"events":[{}]}}"#, event(1)), "P-10"),
        (format!(r#"{{"events":[{},{}]}}"#, event(0), event(0)), "E-10"),
        (r#"{"events":[]}"#.to_owned(), "P-10"),
        (r#"{"after":[]}"#.to_owned(), ""),
        (r#"{"after":{"references":[{"name":"a:1","id":"sha256:0000000000000000000000000000000000000000000000000000000000000000"}]}}"#.to_owned(), "R-8"),
    ] {
        assert_eq!(rule(&asked, &json), expected, "{json}");
    }
}

#[test]
fn circumstances_allow_what_is_impossible_otherwise() {
    let busy = Asked { busy: true, ..Asked::new("", now()) };
    assert_eq!(rule(&busy, r#"{"status":409}"#), "");
    assert_eq!(rule(&busy, r#"{"status":409,"body":{"message":"other"}}"#), "P-2");
    // Nothing to look at, nothing to be cancelled at (P-4).
    let cancelled = Asked { cancelled: true, ..Asked::new("", now()) };
    assert_eq!(rule(&cancelled, r#"{"status":500,"body":{"message":"context canceled"}}"#), "P-2");
}

#[test]
fn refusals_name_their_rule() {
    for (filters, expected) in [
        ("nonsense", "F-1"),
        (r#"{"bogus":["1"]}"#, "F-2"),
        (r#"{"dangling":["x"]}"#, "F-8"),
        (r#"{"until":["1h","2h"]}"#, "T-1"),
        (r#"{"until":["x"]}"#, "T-2"),
        (r#"{"until":["2020-13-01"]}"#, "T-6"),
        (r#"{"until":[]}"#, "T-12"),
    ] {
        assert_eq!(rule(&Asked::new(filters, now()), r#"{"status":200}"#), expected, "{filters}");
    }
    // Before `until` everything has to be right for the panic (P-2).
    assert_eq!(rule(&Asked::new(r#"{"dangling":["x"],"until":[]}"#, now()), r#"{"closed":true}"#), "F-8");
}

#[test]
fn a_store_that_cannot_be_is_refused() {
    let world: World = serde_json::from_str(
        r#"{"format":1,"images":[{"id":"sha256:0000000000000000000000000000000000000000000000000000000000000000","config":"{}"}]}"#,
    )
    .unwrap();
    let error = check(&world, &Asked::new("", now()), &Observed::default(), &Semantics::MOBY_20_10);
    assert!(error.unwrap_err().to_string().starts_with("failed to verify"));
}

#[test]
fn what_is_no_observation_is_refused() {
    for json in [
        r#"{"status":400,"body":{"ImagesDeleted":null,"SpaceReclaimed":0}}"#,
        r#"{"body":{"message":"x"}}"#,
        r#"{"body":null}"#,
        r#"{"closed":true,"status":200}"#,
        r#"{"events":[{}]}"#,
        r#"{"event":[]}"#,
        r#"{"after":{"references":[{"name":"A B","id":"sha256:0000000000000000000000000000000000000000000000000000000000000000"}]}}"#,
        r#"{"after":[{"Id":"sha256:00"}]}"#,
    ] {
        assert!(serde_json::from_str::<Observed>(json).is_err(), "{json}");
    }
}

/// What a daemon of 29 answers and says is its own version's, and no earlier one's.
#[test]
fn a_daemon_of_29_is_explained_by_29() {
    let verdict = |filters: &str, json: &str, semantics: &Semantics| match check(
        &World::default(),
        &Asked::new(filters, now()),
        &observed(json),
        semantics,
    )
    .unwrap()
    {
        Verdict::Explained { .. } => "",
        Verdict::Impossible(contradiction) => contradiction.rule,
        Verdict::GaveUp { .. } => panic!("gave up on an empty store"),
    };
    let refused = r#"{"status":400,"body":{"message":"invalid value for 'until' filter: failed to parse value as time or duration: invalid seconds \"yesterday\": invalid syntax"}}"#;
    let yesterday = r#"{"until":["yesterday"]}"#;
    assert_eq!(verdict(yesterday, refused, &Semantics::MOBY_29), "");
    assert_eq!(verdict(yesterday, refused, &Semantics::MOBY_29_3), "T-2");
    assert_eq!(verdict(yesterday, refused, &Semantics::MOBY_28_5), "T-2");
    // Events below API 1.52, and from it on.
    for events in [
        r#"{"Action":"prune","Actor":{"Attributes":{"reclaimed":"0"},"ID":""},"Type":"image","id":"","scope":"local","status":"prune","time":1,"timeNano":1}"#,
        r#"{"Type":"image","Action":"prune","Actor":{"ID":"","Attributes":{"reclaimed":"0"}},"scope":"local","time":1,"timeNano":1}"#,
    ] {
        let told = format!(
            r#"{{"status":200,"body":{{"ImagesDeleted":null,"SpaceReclaimed":0}},"events":[{events}]}}"#
        );
        assert_eq!(verdict("", &told, &Semantics::MOBY_29), "", "{events}");
    }
}
