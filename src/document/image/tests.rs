#![allow(clippy::unwrap_used, reason = "test code")]

use super::*;
use crate::base::digest::Digest;
use crate::base::error::ErrorClass;

const OLD: Semantics = Semantics::MOBY_20_10;
const NEW: Semantics = Semantics::MOBY_26_1;

fn parse(config: &str) -> Image {
    Image::parse(config.as_bytes(), &OLD).unwrap()
}

fn refusal(config: &str) -> String {
    let error = Image::parse(config.as_bytes(), &OLD).unwrap_err();
    assert!(error.is_system(), "{config}");
    error.to_string()
}

fn labels(config: &str) -> Option<Vec<(String, String)>> {
    let image = parse(config);
    let labels = image.labels()?;
    Some(labels.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
}

fn diff_ids(rootfs: &str) -> Vec<String> {
    parse(&format!("{{{rootfs}}}")).diff_ids()
}

#[test]
fn needs_a_rootfs() {
    for config in ["{}", "null", r#"{"rootfs":null}"#, r#"{"rootfs":{},"rootfs":null}"#] {
        assert_eq!(refusal(config), "invalid image JSON, no RootFS key");
    }
    for config in [r#"{"rootfs":{}}"#, r#"{"ROOTFS":{}}"#, r#"{"rootfſ":{}}"#] {
        assert_eq!(parse(config).config(), config.as_bytes());
    }
}

/// Answers of moby's `image.NewFromJSON`, v20.10.24.
#[test]
fn refuses_what_go_refuses_in_any_field() {
    for (member, error) in [
        (r#""architecture":5"#, "number into Go struct field Image.architecture of type string"),
        (r#""parent":{}"#, "object into Go struct field Image.parent of type image.ID"),
        (r#""Size":"1""#, "string into Go struct field Image.Size of type int64"),
        (r#""size":1.5"#, "number 1.5 into Go struct field Image.Size of type int64"),
        (r#""os.features":"x""#, "string into Go struct field Image.os.features of type []string"),
        (r#""os.features":[1]"#, "number into Go struct field Image.os.features of type string"),
        (r#""config":[]"#, "array into Go struct field Image.config of type container.Config"),
        (
            r#""config":{"Labels":[]}"#,
            "array into Go struct field Config.config.Labels of type map[string]string",
        ),
        (r#""config":{"Labels":{"a":1}}"#, "number into Go struct field Config.config.Labels of type string"),
        (
            r#""container_config":{"Tty":0}"#,
            "number into Go struct field Config.container_config.Tty of type bool",
        ),
        (
            r#""config":{"ExposedPorts":[]}"#,
            "array into Go struct field Config.config.ExposedPorts of type nat.PortSet",
        ),
        (
            r#""config":{"Volumes":{"/":1}}"#,
            "number into Go struct field Config.config.Volumes of type struct {}",
        ),
        (
            r#""config":{"Healthcheck":{"Interval":"1s"}}"#,
            "string into Go struct field HealthConfig.config.Healthcheck.Interval of type time.Duration",
        ),
        (r#""config":{"Cmd":[1]}"#, "array into Go struct field Config.config.Cmd of type string"),
        (r#""config":{"Shell":true}"#, "bool into Go struct field Config.config.Shell of type string"),
        (r#""history":{}"#, "object into Go struct field Image.history of type []image.History"),
        (r#""history":[1]"#, "number into Go struct field Image.history of type image.History"),
        (
            r#""history":[{"empty_layer":1}]"#,
            "number into Go struct field History.history.empty_layer of type bool",
        ),
        (
            r#""rootfs":{"diff_ids":{}}"#,
            "object into Go struct field RootFS.rootfs.diff_ids of type []layer.DiffID",
        ),
        (
            r#""rootfs":{"diff_ids":[1]}"#,
            "number into Go struct field RootFS.rootfs.diff_ids of type layer.DiffID",
        ),
        // The first mismatch counts, but a type that decodes itself wins.
        (r#""os":1,"author":true"#, "number into Go struct field Image.os of type string"),
        (r#""os":1,"config":{"Cmd":{}}"#, "object into Go struct field Config.config.Cmd of type string"),
    ] {
        let config = format!("{{{member}}}");
        assert_eq!(refusal(&config), format!("json: cannot unmarshal {error}"), "{member}");
    }
    for member in [
        r#""unknown":[{}]"#,
        r#""architecture":null,"Size":null,"history":null,"os.features":[null]"#,
        r#""config":{"Cmd":"x","Entrypoint":["x",null],"Shell":null,"StopTimeout":null,"Volumes":{"/":null}}"#,
        r#""config":{"Healthcheck":null,"ExposedPorts":null,"OnBuild":null}"#,
        r#""history":[null,{"created":null}]"#,
    ] {
        parse(&format!(r#"{{{member},"rootfs":{{}}}}"#));
    }
    assert_eq!(refusal(r#"{"os":1,"rootfs":{}"#), "unexpected end of JSON input");
}

#[test]
fn repeated_objects_merge_and_null_clears() {
    let pairs = |pairs: &[(&str, &str)]| -> Option<Vec<(String, String)>> {
        Some(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    };
    for (members, expected) in [
        (r#""x":1"#, None),
        (r#""config":null"#, None),
        (r#""config":{}"#, None),
        (r#""config":{"Labels":null}"#, None),
        (r#""config":{"Labels":{}}"#, pairs(&[])),
        (r#""config":{"Labels":{"a":"1"}},"config":{"Labels":{"b":"2"}}"#, pairs(&[("a", "1"), ("b", "2")])),
        (r#""config":{"Labels":{"a":"1"}},"CONFIG":{"labelſ":{"a":"2"}}"#, pairs(&[("a", "2")])),
        (r#""config":{"Labels":{"a":"1"}},"config":{}"#, pairs(&[("a", "1")])),
        (r#""config":{"Labels":{"a":"1"}},"config":null"#, None),
        (r#""config":{"Labels":{"a":"1"}},"config":null,"config":{"Labels":{"b":""}}"#, pairs(&[("b", "")])),
        (r#""config":{"Labels":{"a":"1"},"Labels":null}"#, None),
        (r#""config":{"Labels":{"a":"1"},"Labels":null,"Labels":{"b":"2"}}"#, pairs(&[("b", "2")])),
        (r#""config":{"Labels":{"a":"1","a":null,"A":"2"}}"#, pairs(&[("A", "2"), ("a", "")])),
        (r#""container_config":{"Labels":{"a":"1"}}"#, None),
    ] {
        assert_eq!(labels(&format!(r#"{{{members},"rootfs":{{}}}}"#)), expected, "{members}");
    }
    let has_config = |members: &str| parse(&format!(r#"{{{members},"rootfs":{{}}}}"#)).has_config();
    assert!(has_config(r#""config":{}"#) && has_config(r#""config":null,"config":{}"#));
    assert!(!has_config(r#""config":{},"config":null"#) && !has_config(r#""container_config":{}"#));
}

#[test]
fn arrays_are_decoded_into_what_was_there() {
    for (rootfs, expected) in [
        (r#""rootfs":{}"#, &[][..]),
        (r#""rootfs":{"diff_ids":["a","b"]}"#, &["a", "b"]),
        (r#""rootfs":{"diff_ids":["a\u0062"]}"#, &["ab"]),
        (r#""rootfs":{"diff_ids":[null,""]}"#, &["", ""]),
        (r#""rootfs":{"diff_ids":["p"]},"rootfs":{"diff_ids":[null,"r"]}"#, &["p", "r"]),
        (r#""rootfs":{"diff_ids":["p","q"]},"rootfs":{"diff_ids":["r"]}"#, &["r"]),
        // The memory of an array that was longer shows again.
        (r#""rootfs":{"diff_ids":["p","q"],"diff_ids":["r"],"diff_ids":[null,null,null]}"#, &["r", "q", ""]),
        (r#""rootfs":{"diff_ids":["p","q"],"diff_ids":[],"diff_ids":[null,"r"]}"#, &["", "r"]),
        (r#""rootfs":{"diff_ids":["p","q"],"diff_ids":null,"diff_ids":[null,"r"]}"#, &["", "r"]),
        (r#""rootfs":{"diff_ids":["p"]},"rootfs":{}"#, &["p"]),
        (r#""rootfs":{"diff_ids":["p"]},"rootfs":null,"rootfs":{}"#, &[]),
        (r#""rootfs":{"diff_ids":["p"],"diff_ids":null}"#, &[]),
    ] {
        assert_eq!(diff_ids(rootfs), expected, "{rootfs}");
    }
}

#[test]
fn history_has_no_more_layers_than_the_rootfs() {
    for (members, is_fine) in [
        (r#""rootfs":{"diff_ids":["a"]}"#, true),
        (r#""history":[{},{"empty_layer":true}],"rootfs":{"diff_ids":["a"]}"#, true),
        (r#""history":[{},{"empty_layer":false}],"rootfs":{"diff_ids":["a"]}"#, false),
        (r#""history":[null],"rootfs":{}"#, false),
        (r#""history":[{"empty_layer":true}],"history":[{},null],"rootfs":{"diff_ids":["a"]}"#, true),
        (r#""history":[{"empty_layer":true}],"history":null,"history":[{}],"rootfs":{}"#, false),
    ] {
        let image = parse(&format!("{{{members}}}"));
        assert_eq!(image.check_history(&OLD).is_ok(), is_fine, "{members}");
        if !is_fine {
            let error = |class| Err(Error::new(class, "too many non-empty layers in History section"));
            assert_eq!(image.check_history(&OLD), error(ErrorClass::System));
            assert_eq!(image.check_history(&NEW), error(ErrorClass::InvalidParameter));
        }
    }
}

#[test]
fn created_is_read_raw_and_null_depends_on_the_version() {
    let created = |semantics: &Semantics, values: &[&str]| {
        let mut members: Vec<_> = values.iter().map(|value| format!(r#""created":{value}"#)).collect();
        members.push(r#""rootfs":{}"#.to_owned());
        let image = Image::parse(format!("{{{}}}", members.join(",")).into_bytes(), semantics);
        image.map(|image| image.created().map(Timestamp::unix_seconds))
    };
    let first = r#""1970-01-01T00:00:01Z""#;
    let second = r#""1970-01-01T00:00:02Z""#;
    for (values, old, new) in [
        (&[][..], None, None),
        (&["null"], None, None),
        (&[first, second], Some(2), Some(2)),
        (&[first, "null"], Some(1), None),
        (&[first, "null", second], Some(2), Some(2)),
        (&[r#""0001-01-01T00:00:00Z""#], Some(-62_135_596_800), Some(-62_135_596_800)),
    ] {
        assert_eq!(created(&OLD, values), Ok(old), "{values:?}");
        assert_eq!(created(&NEW, values), Ok(new), "{values:?}");
    }
    let escaped = r#""1970-01-01T00:00:01\u005a""#;
    for value in [escaped, r#""""#, "5", "{}", "[]", "true", r#""1970""#] {
        assert!(created(&OLD, &[value]).is_err() && created(&NEW, &[value]).is_err(), "{value}");
        assert!(created(&OLD, &[value, first]).is_err(), "{value}");
    }
    assert!(Image::parse(*br#"{"history":[{"created":""}],"rootfs":{}}"#, &OLD).is_err());
}

#[test]
fn chains_fold_over_whatever_text() {
    let chain = |ids: &[&str]| {
        let ids: Vec<_> = ids.iter().map(|id| format!("\"{id}\"")).collect();
        parse(&format!(r#"{{"rootfs":{{"diff_ids":[{}]}}}}"#, ids.join(","))).chain()
    };
    let [a, b] = ["a", "b"].map(|text| Digest::of(text.as_bytes()).to_string());
    let on = |below: &str, above: &str| Digest::of(format!("{below} {above}").as_bytes()).to_string();
    let known = |text: String| Ok(Some(text.parse().unwrap()));
    assert_eq!(chain(&[]), Ok(None));
    assert_eq!(chain(&["", ""]), Ok(None));
    assert_eq!(chain(&[&a]), known(a.clone()));
    assert_eq!(chain(&["", &a]), known(a.clone()));
    assert_eq!(chain(&[&a, &b]), known(on(&a, &b)));
    assert_eq!(chain(&[&a, ""]), known(on(&a, "")));
    assert_eq!(chain(&["x", "y", &b]), known(on(&on("x", "y"), &b)));
    assert_eq!(chain(&["x"]), Err("x".to_owned()));
}

#[test]
fn the_host_is_linux() {
    for (os, is_supported) in [
        ("", true),
        ("linux", true),
        ("LINUX", true),
        ("windows", false),
        ("lınux", false),
        (" linux", false),
    ] {
        let image = parse(&format!(r#"{{"os":"{os}","rootfs":{{}}}}"#));
        assert_eq!((image.os(), image.is_os_supported()), (os, is_supported));
    }
    assert_eq!(parse(r#"{"os":"x","os":null,"oſ":"y","Os":null,"rootfs":{}}"#).os(), "y");
}

#[test]
fn is_small_in_memory() {
    assert!(size_of::<Image>() <= 72, "{}", size_of::<Image>());
}
