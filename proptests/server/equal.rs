//! The same requests to dockerd and to the daemon in memory: equal answers, to the key and to the text, but for IDs
//! that a daemon makes up, times, and the order of what Go visits at random.

use std::collections::BTreeMap;
use std::path::Path;

use image_prune::server::TestDaemon;
use serde_json::{Value, json};

use super::peer::{Subject, differences, same_events};
use crate::support::dockerd::Dockerd;
use crate::support::eventually;
use crate::support::http::get;
use crate::support::image_tar::{ImageTar, TestLayer};

const REQUESTS: &str = include_str!("../../testdata/server/requests.txt");
const LIVES: &str = include_str!("../../testdata/server/life.txt");

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
        ("legacy", legacy("b")),
        ("legacy-target", legacy("c")),
        ("images", images.finish()),
        ("wrong-parent", wrong_parent.finish()),
        ("windows", windows.finish()),
        ("wrong-layer", manifest("layer.tar", base.bytes())),
        ("missing-layer", manifest("missing.tar", base.bytes())),
    ])
}

/// What `docker save` wrote before 1.10: `b` stands on `a`, and `target` is called `legacy:1`.
fn legacy(target: &str) -> Vec<u8> {
    let append = crate::support::image_tar::append;
    let mut tar = tar::Builder::new(Vec::new());
    for (folder, parent, content) in [("b", r#""parent":"a","#, "two\n"), ("a", "", "one\n")] {
        let json = format!(
            r#"{{"id":"{folder}",{parent}"created":"2015-01-01T00:00:00Z","container_config":{{"Cmd":["/bin/sh","-c","a \u0026\u0026 b"]}},"docker_version":"1.9.1","author":"<me>","config":{{"Env":["A=1"]}},"architecture":"amd64","os":"linux","Size":5}}"#
        );
        append(&mut tar, &format!("{folder}/VERSION"), b"1.0");
        append(&mut tar, &format!("{folder}/json"), json.as_bytes());
        append(&mut tar, &format!("{folder}/layer.tar"), TestLayer::new(folder, content).bytes());
    }
    let repositories = json!({ "legacy": { "1": target } });
    append(&mut tar, "repositories", repositories.to_string().as_bytes());
    tar.into_inner().unwrap()
}

#[test]
fn answers_are_dockerds() {
    let Some(dockerd) = Dockerd::start("server::equal") else { return };
    let daemon = TestDaemon::builder().start().unwrap();
    let real = dockerd.socket();
    let (mut real, mut ours) = (Subject::new(&real), Subject::new(daemon.socket().unwrap()));
    let (count, differences) = differences(REQUESTS, &mut real, &mut ours, &archives());
    assert!(count > 250, "only {count} requests");
    assert!(differences.is_empty(), "{} of {count} differ:\n{}", differences.len(), differences.join("\n"));
    same_events(real.socket, ours.socket, |_| true);
    same_keys(real.socket, ours.socket);
}

/// An image with a shell's programs; none where there is no busybox that stands alone.
fn busybox() -> Option<Vec<u8>> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let program =
        std::env::split_paths(&folders).find_map(|folder| std::fs::read(folder.join("busybox")).ok())?;
    // One that needs an interpreter names it.
    if program.windows(9).any(|bytes| bytes == b"/ld-linux") {
        return None;
    }
    let mut layer = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o755);
    header.set_size(program.len() as u64);
    layer.append_data(&mut header, "bin/busybox", &*program).unwrap();
    for name in ["sleep", "true"] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        layer.append_link(&mut header, format!("bin/{name}"), "busybox").unwrap();
    }
    let mut images = ImageTar::new();
    let layer = TestLayer::of(layer.into_inner().unwrap());
    images.image(json!({ "created": "2020-01-01T00:00:00Z" }), &[layer], &["run:1"], None);
    Some(images.finish())
}

#[test]
fn lives_are_dockerds() {
    let Some(dockerd) = Dockerd::start("server::equal") else { return };
    let Some(image) = busybox() else {
        eprintln!("skipped: server::equal::lives_are_dockerds needs busybox-static");
        return;
    };
    let daemon = TestDaemon::builder().start().unwrap();
    let real = dockerd.socket();
    let (mut real, mut ours) = (Subject::new(&real), Subject::new(daemon.socket().unwrap()));
    let archives = BTreeMap::from([("run", image)]);
    // Sandboxes without control groups run nothing.
    let (before, after) = LIVES.split_once("SETTLE\n").unwrap();
    let (_, mut found) = differences(before, &mut real, &mut ours, &archives);
    if found.iter().any(|difference| difference.contains("OCI runtime create failed")) {
        eprintln!("skipped: server::equal::lives_are_dockerds needs a dockerd that can run containers");
        return;
    }
    eventually("the container stays", || get(real.socket, "/containers/gone/json").status == 404);
    found.extend(differences(after, &mut real, &mut ours, &archives).1);
    assert!(found.is_empty(), "{} differ:\n{}", found.len(), found.join("\n"));
    // A process may ignore a signal, and is killed then.
    same_events(real.socket, ours.socket, |event| {
        !event.contains("\"Action\":\"kill\"") && !event.contains("exitCode")
    });
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
