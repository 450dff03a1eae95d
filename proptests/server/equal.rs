//! The same requests to dockerd and to the daemon in memory: equal answers, to the key and to the text, but for IDs
//! that a daemon makes up, times, and the order of what Go visits at random.

use std::collections::BTreeMap;
use std::path::Path;

use image_prune::server::TestDaemon;
use regex::Regex;
use serde_json::{Value, json};

use crate::support::dockerd::Dockerd;
use crate::support::http::{Reply, get, request};
use crate::support::image_tar::{ImageTar, TestLayer};

const REQUESTS: &str = include_str!("../../testdata/server/requests.txt");

/// The archives that `tar:NAME` names.
fn archives() -> BTreeMap<&'static str, Vec<u8>> {
    let (base, more, top) =
        (TestLayer::new("a", "hi\n"), TestLayer::new("b", "two\n"), TestLayer::new("c", "three\n"));
    let of_base = json!({
        "created": "2020-01-01T00:00:00.5Z",
        "config": { "Env": ["A=1", "C=4"], "Cmd": ["/bin/sh"], "Labels": { "stage": "base" } },
    });
    let of_child = json!({ "created": "2021-01-01T00:00:00Z", "author": "me", "config": { "Labels": {} } });
    let of_grandchild = json!({
        "created": "2022-01-01T00:00:00Z", "comment": "<&>\u{2028}",
        "config": { "Volumes": { "/b": {}, "/a": {} }, "ExposedPorts": { "80/tcp": {} }, "Entrypoint": ["e"] },
    });
    let mut images = ImageTar::new();
    let parent = images.image(of_base.clone(), std::slice::from_ref(&base), &["base:1"], None);
    let child = images.image(of_child.clone(), &[base.clone(), more.clone()], &["child:1"], Some(parent));
    images.image(
        of_grandchild,
        &[base.clone(), more.clone(), top.clone()],
        &["grandchild:latest"],
        Some(child),
    );
    images.image(
        json!({ "created": "2019-01-01T00:00:00Z" }),
        std::slice::from_ref(&top),
        &["team/app:latest"],
        None,
    );
    images.image(json!({}), &[], &["bare:x", "host.io:5000/bare:y"], None);

    let mut wrong_parent = ImageTar::new();
    let first = wrong_parent.image(json!({ "author": "1" }), std::slice::from_ref(&more), &[], None);
    wrong_parent.image(
        json!({ "author": "2" }),
        &[more.clone(), top.clone(), base.clone()],
        &[],
        Some(first),
    );

    let mut windows = ImageTar::new();
    windows.image(json!({ "os": "windows" }), std::slice::from_ref(&base), &[], None);

    let manifest = |layer: &str, content: &[u8]| {
        let config =
            crate::support::image_tar::complete(json!({ "author": "wrong" }), &[TestLayer::new("x", "x")]);
        let mut tar = tar::Builder::new(Vec::new());
        let append = crate::support::image_tar::append;
        append(&mut tar, "config.json", config.to_string().as_bytes());
        append(&mut tar, "layer.tar", content);
        let items = json!([{ "Config": "config.json", "RepoTags": ["wrong:1"], "Layers": [layer] }]);
        append(&mut tar, "manifest.json", items.to_string().as_bytes());
        tar.into_inner().unwrap()
    };
    BTreeMap::from([
        ("images", images.finish()),
        ("wrong-parent", wrong_parent.finish()),
        ("windows", windows.finish()),
        ("wrong-layer", manifest("layer.tar", base.bytes())),
        ("missing-layer", manifest("missing.tar", base.bytes())),
    ])
}

/// One daemon under test.
struct Subject<'a> {
    socket: &'a Path,
    container: Option<String>,
}

impl Subject<'_> {
    fn ask(&mut self, method: &str, path: &str, sent: &str, archives: &BTreeMap<&str, Vec<u8>>) -> Reply {
        let path = path.replace("CONTAINER", self.container.as_deref().unwrap_or("none"));
        let mut reply = match sent.strip_prefix("tar:") {
            Some(name) => request(self.socket, method, &path, "application/x-tar", &archives[name]),
            None if sent.is_empty() => request(self.socket, method, &path, "", b""),
            None => request(self.socket, method, &path, "application/json", sent.as_bytes()),
        };
        if reply.status == 201 && path.contains("/containers/create") {
            let made: Value = serde_json::from_str(&reply.body).unwrap();
            self.container = Some(made["Id"].as_str().unwrap().to_owned());
        }
        reply
            .headers
            .retain(|(name, _)| matches!(name.as_str(), "content-type" | "api-version" | "location"));
        reply.headers.sort();
        reply.body = self.normalized(&reply.body);
        reply
    }

    /// Without what two daemons cannot agree on.
    fn normalized(&self, body: &str) -> String {
        let mut body = body.to_owned();
        if let Some(id) = &self.container {
            body = body.replace(id, "CONTAINER").replace(&id[..12], "CONTAINER-12");
        }
        let replace = |body: &str, pattern: &str, with: &str| {
            Regex::new(pattern).unwrap().replace_all(body, with).into_owned()
        };
        body = replace(&body, r#""(Created|LastTagTime)":"202[6-9][^"]*""#, r#""$1":"TIME""#);
        body = replace(&body, r#""Created":1[7-9]\d{8}"#, r#""Created":0"#);
        body = replace(&body, "/tmp[^ ]*/docker-import-[0-9]+/", "");
        match serde_json::from_str(&body) {
            Ok(mut value) => {
                sort_what_go_shuffles(&mut value);
                let keys = keys_in_order(&body);
                format!("{value}\n{keys}")
            }
            Err(_) => body,
        }
    }
}

/// Images of the same second, and the records of a prune.
fn sort_what_go_shuffles(value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(sort_what_go_shuffles);
            let is_sortable = |item: &Value| {
                item.get("RepoTags").is_some()
                    || item.get("Deleted").is_some()
                    || item.get("Untagged").is_some()
            };
            if items.iter().all(is_sortable) {
                items.sort_by_key(|item| (-item["Created"].as_i64().unwrap_or(0), item.to_string()));
            }
        }
        Value::Object(map) => map.values_mut().for_each(sort_what_go_shuffles),
        _ => {}
    }
}

/// The keys as they stand, which the sorted values no longer tell; of images the first's, as any may be first.
fn keys_in_order(body: &str) -> String {
    let keys: Vec<_> = Regex::new(r#""([A-Za-z]+)":"#)
        .unwrap()
        .captures_iter(body)
        .map(|key| key[1].to_owned())
        .filter(|key| !matches!(key.as_str(), "stage" | "x" | "Deleted" | "Untagged"))
        .collect();
    keys.join(" ")
}

#[test]
fn answers_are_dockerds() {
    let Some(dockerd) = Dockerd::start("server::equal") else { return };
    let daemon = TestDaemon::builder().start().unwrap();
    let archives = archives();
    let (real, ours) = (dockerd.socket(), daemon.socket().unwrap());
    let mut real = Subject { socket: &real, container: None };
    let mut ours = Subject { socket: ours, container: None };
    let mut differences = Vec::new();
    let requests = REQUESTS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut count = 0;
    for line in requests {
        count += 1;
        let mut words = line.splitn(3, ' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let sent = words.next().unwrap_or("");
        let (expected, found) =
            (real.ask(method, path, sent, &archives), ours.ask(method, path, sent, &archives));
        if expected != found {
            differences.push(format!("{line}\n  dockerd {expected:?}\n  here    {found:?}"));
        }
    }
    assert!(count > 130, "only {count} requests");
    assert!(differences.is_empty(), "{} of {count} differ:\n{}", differences.len(), differences.join("\n"));
    same_events(real.socket, ours.socket);
    same_keys(real.socket, ours.socket);
}

fn same_events(real: &Path, ours: &Path) {
    let (expected, found) = (events(real), events(ours));
    let without = |one: &[String], other: &[String]| {
        let missing = one.iter().filter(|event| !other.contains(event));
        missing.cloned().collect::<Vec<_>>().join("\n")
    };
    let missing = without(&expected, &found);
    let excess = without(&found, &expected);
    assert_eq!(expected, found, "only dockerd says:\n{missing}\nonly said here:\n{excess}");
}

/// What happened, as a multiset: a prune visits candidates at random.
fn events(socket: &Path) -> Vec<String> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    // To the nanosecond: by the second, what happened in the current one would be left out.
    let until = format!("{}.{:09}", now.as_secs(), now.subsec_nanos());
    let reply = get(socket, &format!("/events?since=1&until={until}"));
    let mut events: Vec<_> = reply.body.lines().map(without_time).collect();
    events.sort();
    events
}

fn without_time(line: &str) -> String {
    let line = Regex::new(r#""time(Nano)?":\d+"#).unwrap().replace_all(line, r#""time$1":0"#);
    let event: Value = serde_json::from_str(&line).unwrap();
    // Containers have IDs that a daemon makes up.
    match event["Type"].as_str() {
        Some("container") => line.replace(event["id"].as_str().unwrap_or("none"), "CONTAINER"),
        _ => line.into_owned(),
    }
}

/// The daemon itself: it has all that dockerd says, under the same keys.
fn same_keys(real: &Path, ours: &Path) {
    for path in ["/info", "/version"] {
        let keys = |socket: &Path| {
            let value: Value = serde_json::from_str(&get(socket, path).body).unwrap();
            let kind = |value: &Value| std::mem::discriminant(value);
            let object = value.as_object().unwrap().clone();
            object.into_iter().map(|(key, value)| (key, kind(&value))).collect::<BTreeMap<_, _>>()
        };
        let (mut expected, found) = (keys(real), keys(ours));
        // Warnings are null or a list, by the machine.
        expected.insert("Warnings".to_owned(), std::mem::discriminant(&json!([])));
        if path == "/version" {
            expected.remove("Warnings");
        }
        assert_eq!(expected, found, "{path}");
    }
}
