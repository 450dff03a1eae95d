#![allow(clippy::unwrap_used, reason = "test code")]

use super::*;
use crate::base::error::ErrorClass;

const OLD: Semantics = Semantics::MOBY_20_10;
const NEW: Semantics = Semantics::MOBY_26_1;
const NOW: Now = Now { instant: Timestamp::new(1_700_000_000, 0), utc_offset_seconds: 0 };

fn request(filters: &str) -> PruneRequest {
    PruneRequest::parse(filters, &OLD, NOW).unwrap()
}

fn error(filters: &str, semantics: &Semantics) -> (ErrorClass, String) {
    let error = PruneRequest::parse(filters, semantics, NOW).unwrap_err();
    (error.class(), error.to_string())
}

/// F-1, the rows that are read.
#[test]
fn reads_both_forms() {
    for (json, expected) in [
        ("", ""),
        ("null", ""),
        (" null ", ""),
        ("{}", ""),
        (" {} ", ""),
        (r#"{"key":{"v":true}}"#, r#"{"key":{"v":true}}"#),
        (r#"{"key":["v"]}"#, r#"{"key":{"v":true}}"#),
        (r#"{"key":{"v":false}}"#, r#"{"key":{"v":false}}"#),
        (r#"{"key":{"v":null}}"#, r#"{"key":{"v":false}}"#),
        (r#"{"key":null}"#, r#"{"key":null}"#),
        (r#"{"key":{}}"#, r#"{"key":{}}"#),
        (r#"{"key":[]}"#, r#"{"key":{}}"#),
        (r#"{"key":[null]}"#, r#"{"key":{"":true}}"#),
        (r#"{"key":["v",null]}"#, r#"{"key":{"":true,"v":true}}"#),
        (r#"{"a":["x","x"]}"#, r#"{"a":{"x":true}}"#),
        (r#"{"a":{"x":true},"a":{"y":true}}"#, r#"{"a":{"y":true}}"#),
        (r#"{"a":["x"],"a":["y"]}"#, r#"{"a":{"y":true}}"#),
        (r#"{"a":{"x":true},"a":null}"#, r#"{"a":null}"#),
        (r#"{"a":["x"],"b":null}"#, r#"{"a":{"x":true},"b":{}}"#),
        (r#"{"a":{"x":true,"x":false}}"#, r#"{"a":{"x":false}}"#),
        (r#"{"A":["x"],"a":["y"]}"#, r#"{"A":{"x":true},"a":{"y":true}}"#),
        (r#"{"":{"x":true}}"#, r#"{"":{"x":true}}"#),
        (r#"{"a":["\ud800<\u00e9"]}"#, "{\"a\":{\"\u{fffd}\\u003cé\":true}}"),
    ] {
        assert_eq!(Filters::parse(json, &OLD).unwrap().to_json(), expected, "{json}");
        assert_eq!(Filters::parse(expected, &NEW).unwrap().to_json(), expected);
    }
    let invalid = Filters::parse(b"{\"a\":[\"\xff\xfe\"]}", &OLD).unwrap();
    assert_eq!(invalid.get("a").collect::<Vec<_>>(), ["\u{fffd}\u{fffd}"]);
}

/// F-1, the rows that are refused, always with the error of the first attempt.
#[test]
fn refuses_other_json() {
    let mixed = "json: cannot unmarshal array into Go value of type map[string]bool";
    let top =
        |what| format!("json: cannot unmarshal {what} into Go value of type map[string]map[string]bool");
    for (json, text) in [
        (r#"{"a":["x"],"b":{"y":true}}"#, mixed),
        (r#"{"b":{"y":true},"a":["x"]}"#, mixed),
        (r#"{"key":"value"}"#, "json: cannot unmarshal string into Go value of type map[string]bool"),
        (r#"{"a":{"x":1}}"#, "json: cannot unmarshal number into Go value of type bool"),
        (r#"{"a":{"x":1},"b":["y"]}"#, "json: cannot unmarshal number into Go value of type bool"),
        (r#"{"a":[1]}"#, mixed),
        ("[]", &top("array")),
        (r#"[["x"]]"#, &top("array")),
        (r#""""#, &top("string")),
        ("1", &top("number")),
        ("true", &top("bool")),
        ("anything", "invalid character 'a' looking for beginning of value"),
        ("['a','list']", r"invalid character '\'' looking for beginning of value"),
        ("{'key': 'value'}", r"invalid character '\'' looking for beginning of object key string"),
        ("{} x", "invalid character 'x' after top-level value"),
        (r#"{"a":{"x":true},}"#, "invalid character '}' looking for beginning of object key string"),
        (r#"{"a""#, "unexpected end of JSON input"),
        (r#"{"a":1"#, "unexpected end of JSON input"),
        (" ", "unexpected end of JSON input"),
    ] {
        assert_eq!(error(json, &OLD), (ErrorClass::System, text.to_owned()), "{json}");
        let invalid = |text: String| (ErrorClass::InvalidParameter, text);
        assert_eq!(error(json, &Semantics::MOBY_23_0), invalid(format!("invalid filter: {text}")), "{json}");
        assert_eq!(error(json, &NEW), invalid("invalid filter".to_owned()), "{json}");
        assert_eq!(error(json, &Semantics::MOBY_29), invalid("invalid filter".to_owned()), "{json}");
    }
}

/// F-5 and F-10.
#[test]
fn flags_count_in_exact_matches_only() {
    let filters = Filters::parse(r#"{"a":{"t":true,"f":false},"e":{},"n":null}"#, &OLD).unwrap();
    assert!(
        filters.exact_match("a", "t") && !filters.exact_match("a", "f") && !filters.exact_match("a", "x")
    );
    for key in ["e", "n", "absent"] {
        assert!(filters.exact_match(key, "x") && filters.fuzzy_match(key, "x"));
        assert_eq!(filters.get(key).next(), None);
    }
    assert!(filters.contains("e") && filters.contains("n") && !filters.contains("absent"));
    assert_eq!(filters.get("a").collect::<Vec<_>>(), ["f", "t"]);
    assert!(
        filters.fuzzy_match("a", "false")
            && filters.fuzzy_match("a", "tt")
            && !filters.fuzzy_match("a", "at")
    );
}

/// F-6.
#[test]
fn kv_lists_are_conjunctions() {
    for (values, map, expected) in [
        (&["a"][..], &[("a", "")][..], true),
        (&["a="], &[("a", "")], true),
        (&["a="], &[("a", "b")], false),
        (&["a=b=c"], &[("a", "b=c")], true),
        (&["a=b=c"], &[("a=b", "c")], false),
        (&[""], &[("", "x")], true),
        (&[""], &[("a", "x")], false),
        (&["=x"], &[("", "x")], true),
        (&["a=1", "a=2"], &[("a", "1")], false),
        (&["a", "a=1"], &[("a", "1")], true),
        (&["a", "a=2"], &[("a", "1")], false),
        (&["a", "b"], &[("a", "1")], false),
        (&["a", "b"], &[("a", "1"), ("b", "1"), ("c", "1")], true),
        (&["a*"], &[("ab", "1")], false),
        (&["A"], &[("a", "1")], false),
        (&[], &[], true),
        (&["a"], &[], false),
    ] {
        let filters: Filters = values.iter().map(|value| ("label", *value)).collect();
        assert_eq!(filters.match_kv_list("label", map.iter().copied()), expected, "{values:?} {map:?}");
    }
}

/// F-2.
#[test]
fn names_the_first_unknown_key() {
    let invalid = ErrorClass::InvalidParameter;
    for (json, old, new) in [
        (r#"{"bogus":["1"],"dangling":["x"]}"#, "Invalid filter 'bogus'", "invalid filter 'bogus'"),
        (r#"{"z":[],"Label":[]}"#, "Invalid filter 'Label'", "invalid filter 'Label'"),
        (r#"{"":[]}"#, "Invalid filter ''", "invalid filter"),
    ] {
        let in_23_0 = old.replace('I', "i");
        assert_eq!(error(json, &Semantics::MOBY_23_0), (invalid, in_23_0));
        assert_eq!(error(json, &OLD), (invalid, old.to_owned()));
        assert_eq!(error(json, &NEW), (invalid, new.to_owned()));
    }
}

/// F-8, and section 11 for the later versions.
#[test]
fn dangling_in_both_semantics() {
    let mode = |json: &str, semantics| {
        let request = PruneRequest::parse(json, semantics, NOW);
        request.map(|request| request.dangling_only()).map_err(|error| error.to_string())
    };
    let bad = |values: &str| Err(format!("nvalid filter 'dangling={values}'"));
    for (value, old, new) in [
        ("{}", Ok(false), Err("nvalid filter 'dangling'".to_owned())),
        ("[]", Ok(false), Err("nvalid filter 'dangling'".to_owned())),
        ("null", Ok(false), Err("nvalid filter 'dangling'".to_owned())),
        (r#"["true"]"#, Ok(true), Ok(true)),
        (r#"["1"]"#, Ok(true), Ok(true)),
        (r#"["false"]"#, Ok(false), Ok(false)),
        (r#"["0"]"#, Ok(false), Ok(false)),
        (r#"{"true":true,"false":true}"#, Ok(false), bad("[false true]")),
        (r#"["1","0"]"#, Ok(false), bad("[0 1]")),
        (r#"["true","x"]"#, Ok(true), Ok(true)),
        (r#"["true","1"]"#, Ok(true), Ok(true)),
        (r#"["false","x"]"#, Ok(false), Ok(false)),
        (r#"{"true":false}"#, bad("[true]"), bad("[true]")),
        (r#"{"false":false}"#, bad("[false]"), bad("[false]")),
        (r#"{"false":false,"true":true}"#, Ok(true), Ok(true)),
        (r#"["x"]"#, bad("[x]"), bad("[x]")),
        (r#"["x","y"]"#, bad("[x y]"), bad("[x y]")),
        (r#"["True"]"#, bad("[True]"), bad("[True]")),
        (r#"["t"]"#, bad("[t]"), bad("[t]")),
        (r#"[""]"#, bad("[]"), bad("[]")),
    ] {
        let json = format!(r#"{{"dangling":{value}}}"#);
        assert_eq!(mode(&json, &OLD), old.map_err(|text| format!("I{text}")), "{value}");
        assert_eq!(mode(&json, &NEW), new.map_err(|text| format!("i{text}")), "{value}");
    }
    assert_eq!(mode("", &OLD), Ok(true));
}

/// P-2.
#[test]
fn fails_in_moby_s_order() {
    let step = |filters: &str| error(filters, &OLD).1;
    let rest = r#""dangling":["x"],"until":["x","y"]"#;
    assert_eq!(step(&format!(r#"{{"bogus":[],{rest}}}"#)), "Invalid filter 'bogus'");
    assert_eq!(step(&format!("{{{rest}}}")), "Invalid filter 'dangling=[x]'");
    let several = (ErrorClass::System, "more than one until filter specified".to_owned());
    assert_eq!(error(r#"{"until":["x","y"]}"#, &OLD), several);
    for empty in ["{}", "[]", "null"] {
        let (class, _) = error(&format!(r#"{{"until":{empty}}}"#), &OLD);
        assert_eq!(class, ErrorClass::InvalidParameter);
    }
}

/// T-1 and H-9.
#[test]
fn until_errors_are_the_request_s_fault_since_29_4() {
    for semantics in Semantics::ALL {
        let is_new = semantics.unix_seconds_are_text;
        let class = if is_new { ErrorClass::InvalidParameter } else { ErrorClass::System };
        let several = error(r#"{"until":["x","y"]}"#, &semantics);
        assert_eq!(several, (class, "more than one until filter specified".to_owned()), "{semantics}");
        for (value, text) in [
            ("2020-13-01", r#"parsing time "2020-13-01": month out of range"#),
            ("1.x", "failed to parse value as time or duration: "),
        ] {
            let (found, message) = error(&format!(r#"{{"until":["{value}"]}}"#), &semantics);
            assert_eq!(found, class, "{semantics}");
            let prefix = if is_new { "invalid value for 'until' filter: " } else { "" };
            assert!(message.starts_with(&format!("{prefix}{text}")), "{semantics}: {message}");
        }
    }
}

fn image(members: &str, semantics: &Semantics) -> Image {
    Image::parse(format!(r#"{{{members},"rootfs":{{}}}}"#).into_bytes(), semantics).unwrap()
}

/// L-1 to L-5, the example store.
#[test]
fn labels_keep_what_moby_keeps() {
    let store = [
        ("empty", r#""config":{}"#),
        ("j", r#""config":{"Labels":{"j":"1"}}"#),
        ("kv", r#""config":{"Labels":{"k":"v"}}"#),
        ("kvj", r#""config":{"Labels":{"k":"v","j":"1"}}"#),
        ("kw", r#""config":{"Labels":{"k":"w"}}"#),
        ("nil", r#""config":null"#),
    ];
    for (filters, kept) in [
        (r#"{"label":["k"]}"#, "empty j"),
        (r#"{"label":{"k":false}}"#, "empty j"),
        (r#"{"label":["k=v"]}"#, "empty j kw"),
        (r#"{"label":["k","j"]}"#, "empty j kv kw"),
        (r#"{"label!":["k"]}"#, "kv kvj kw"),
        (r#"{"label!":["k=v"]}"#, "kv kvj"),
        (r#"{"label!":["k","j"]}"#, "kvj"),
        (r#"{"label":["k"],"label!":["j"]}"#, "empty j kvj"),
        (r#"{"label":["k=v","k=w"]}"#, "empty j kv kvj kw"),
        (r#"{"label!":["k=v","k=w"]}"#, ""),
        (r#"{"label":{}}"#, ""),
        (r#"{"label!":{}}"#, "empty j kv kvj kw"),
        (r#"{"label!":null}"#, "empty j kv kvj kw"),
        ("{}", ""),
    ] {
        let request = request(filters);
        let kept_here: Vec<_> = store
            .iter()
            .filter(|(_, members)| request.rejection(&image(members, &OLD)).is_some())
            .map(|(name, _)| *name)
            .collect();
        assert_eq!(kept_here.join(" "), kept, "{filters}");
    }
    let kvj = image(store[3].1, &OLD);
    assert_eq!(request(r#"{"label":["x"],"label!":["k"]}"#).rejection(&kvj), Some(Rejection::Label));
    assert_eq!(request(r#"{"label!":["k"]}"#).rejection(&kvj), Some(Rejection::NegatedLabel));
}

/// T-10 and T-11.
#[test]
fn until_holds_against_created() {
    let rejects = |until: &str, created: &str, semantics: &Semantics| {
        let filters = format!(r#"{{"until":["{until}"],"label":["x"]}}"#);
        let request = PruneRequest::parse(filters, semantics, NOW).unwrap();
        let created = if created.is_empty() { "null".to_owned() } else { format!("\"{created}\"") };
        let rejection = request.rejection(&image(&format!("\"created\":{created}"), semantics));
        let of_created = |rejection| match rejection {
            Rejection::NewerThanUntil { created: told, until } => {
                told.is_none() == (created == "null") && Some(until) == request.until()
            }
            _ => false,
        };
        assert!(rejection.is_none_or(of_created), "{rejection:?}");
        rejection.is_some()
    };
    let zero = "0001-01-01T00:00:00Z";
    for (until, created, old, new) in [
        ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z", false, false),
        ("2020-01-01T00:00:00Z", "2020-01-01T01:00:00+01:00", false, false),
        ("1577836800", "2020-01-01T00:00:00.000000001Z", true, true),
        ("1577836800", "2019-12-31T23:59:59.999999999Z", false, false),
        ("1577836800", "", false, true),
        ("1577836800", zero, false, false),
        (zero, "2999-01-01T00:00:00Z", false, false),
        (zero, "", false, false),
        ("0001-01-01T00:00:00.000000001Z", zero, false, false),
        ("0001-01-01T00:00:00.000000001Z", "1970-01-01T00:00:00Z", true, true),
        ("0000-12-31T00:00:00Z", zero, true, true),
        ("0000-12-31T00:00:00Z", "", true, true),
    ] {
        assert_eq!(rejects(until, created, &OLD), old, "{until} {created}");
        assert_eq!(rejects(until, created, &NEW), new, "{until} {created}");
    }
    assert_eq!(request(&format!(r#"{{"until":["{zero}"]}}"#)).until(), None);
    assert_eq!(request(r#"{"until":{"7":false}}"#).until(), Some(Timestamp::new(7, 0)));
}

#[test]
fn arguments_are_read_as_docker_s() {
    let read = |arguments: &[&str]| {
        let mut filters = Filters::default();
        arguments.iter().try_for_each(|argument| filters.add_argument(argument)).map(|()| filters.to_json())
    };
    assert_eq!(read(&[]).unwrap(), "");
    assert_eq!(read(&[""]).unwrap(), "");
    assert_eq!(read(&["label=a=b", " LABEL =\ta "]).unwrap(), r#"{"label":{"a":true,"a=b":true}}"#);
    assert_eq!(read(&["="]).unwrap(), r#"{"":{"":true}}"#);
    // Go's mapping of one character to one character.
    assert_eq!(read(&["ΑΣ=Σ", "İ=1"]).unwrap(), r#"{"i":{"1":true},"ας":{"Σ":true}}"#.replace('ς', "σ"));
    for argument in ["label", " "] {
        let error = read(&[argument]).unwrap_err();
        assert_eq!(error.to_string(), "bad format of filter (expected name=value)");
    }
}

#[test]
fn warns_about_what_surprises() {
    let kinds = |filters: &str| {
        let kinds: Vec<_> = request(filters).warnings().iter().map(|warning| warning.kind.as_str()).collect();
        kinds.join(" ")
    };
    for (filters, expected) in [
        ("", ""),
        (r#"{"dangling":["true"]}"#, ""),
        (r#"{"dangling":["false"]}"#, ""),
        (r#"{"dangling":[]}"#, "empty-dangling"),
        (r#"{"dangling":["1","0"]}"#, "contradictory-dangling"),
        (r#"{"dangling":["1","x"]}"#, "ignored-dangling-value"),
        (r#"{"dangling":{"1":true,"0":false}}"#, "ignored-dangling-value"),
        (r#"{"label":["a"]}"#, "images-without-config unfiltered-parents"),
        (r#"{"label":["a","b"]}"#, "several-labels images-without-config unfiltered-parents"),
        (r#"{"label":["a=1","a=2"]}"#, "contradictory-labels images-without-config unfiltered-parents"),
        (r#"{"label!":["a","b"]}"#, "several-negated-labels images-without-config unfiltered-parents"),
        (
            r#"{"label!":["a=1","a=2"]}"#,
            "contradictory-negated-labels images-without-config unfiltered-parents",
        ),
        (r#"{"label":[]}"#, "empty-label unfiltered-parents"),
        (r#"{"label!":[]}"#, "empty-negated-label unfiltered-parents"),
        (r#"{"label":["a*"]}"#, "label-glob images-without-config unfiltered-parents"),
        (r#"{"label":{"a":false}}"#, "images-without-config false-flag unfiltered-parents"),
        (r#"{"until":{"1600000000":false}}"#, "false-flag unfiltered-parents"),
        (r#"{"until":["1600000000"]}"#, "unfiltered-parents"),
        (r#"{"until":["2999-01-01T00:00:00Z"]}"#, "until-in-future unfiltered-parents"),
        (r#"{"until":["0001-01-01T00:00:00Z"]}"#, "until-off unfiltered-parents"),
        (r#"{"until":["0000-12-31T00:00:00Z"]}"#, "until-before-year-one unfiltered-parents"),
        (r#"{"until":["20060102"]}"#, "until-looks-like-date unfiltered-parents"),
        (r#"{"until":["2006"]}"#, "until-looks-like-date unfiltered-parents"),
        (r#"{"until":["200601021504"]}"#, "until-in-future until-looks-like-date unfiltered-parents"),
        (r#"{"until":["20061302"]}"#, "unfiltered-parents"),
        (r#"{"until":["1700000000"]}"#, "unfiltered-parents"),
    ] {
        assert_eq!(kinds(filters), expected, "{filters}");
    }
    let hostile = request(r#"{"dangling":["1","\u001b[2J"]}"#).warnings();
    assert!(hostile.iter().all(|warning| !warning.to_string().contains('\u{1b}')), "{hostile:?}");
    for warning in hostile {
        assert_eq!(serde_json::to_string(&warning.kind).unwrap(), format!("\"{}\"", warning.kind));
    }
}
