//! Podman behind Docker's API. It removes the containers of an image that it is forced to delete, and up to 4.5 takes an
//! unnamed parent along whatever it is asked: there nothing is forced, and nothing asked for that takes something along.

use std::sync::{Arc, Mutex};

use image_prune::client::{Client, Host, Method};
use serde_json::{Value, json};

use super::between::{Between, Script};
use super::stage::Stage;
use super::{AGENT, CLEAN, FIT, Program, WANTED};
use crate::command::case::command;
use crate::support::image_tar::{ImageTar, TestLayer};
use crate::support::podman::Podman;

/// A daemon that presents itself as Podman, and leaves the algorithm out of what it deleted.
struct Disguise {
    header: &'static str,
    version: Value,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Script for Disguise {
    fn before(&mut self, _: usize, request: &str) {
        self.asked.lock().unwrap().push(request.to_owned());
    }

    fn after(&mut self, _: usize, request: &str, answer: &mut Vec<u8>) {
        let text = String::from_utf8(std::mem::take(answer)).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let body = match request {
            "GET /version" => self.version.to_string(),
            _ if request.starts_with("DELETE ") => body.replace(r#""Deleted":"sha256:"#, r#""Deleted":""#),
            _ => {
                *answer = text.into_bytes();
                return;
            }
        };
        let status = head.lines().next().unwrap();
        let length = body.len();
        *answer =
            format!("{status}\r\n{}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}", self.header)
                .into_bytes();
    }
}

/// Runs a program against such a daemon: the requests, and all that it says.
fn run(program: &Program, header: &'static str, version: &Value) -> (Arc<Stage>, Vec<String>, String) {
    let stage = Stage::new(program.has_layers);
    let asked = Arc::new(Mutex::new(Vec::new()));
    let script = Disguise { header, version: version.clone(), asked: Arc::clone(&asked) };
    let between = Between::start(stage.daemon.socket().unwrap(), script);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("wanted.json"), WANTED).unwrap();
    let mut command = command(folder.path());
    let output = command.args(program.args).args(["--host", &between.host(), "--format", "json"]).output();
    between.end();
    let output = output.unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let asked = asked.lock().unwrap().clone();
    (stage, asked, said)
}

fn is_there(stage: &Stage, name: &str) -> bool {
    stage.now().contains_key(&stage.id(name))
}

#[test]
fn nothing_is_forced_where_the_daemon_is_podman() {
    let engine = |version: &str| {
        json!({ "Version": version, "ApiVersion": "1.41",
            "Components": [{ "Name": "Podman Engine", "Version": version }, { "Name": "Conmon", "Version": "2" }] })
    };
    let plain = json!({ "Version": "5.6.0", "ApiVersion": "1.41" });
    for program in [&AGENT, &CLEAN, &FIT] {
        for (header, version, is_old) in [
            ("", engine("4.3.1"), true),
            ("", engine("5.8.2"), false),
            ("Server: Libpod/5.6.0 (linux)\r\n", plain.clone(), false),
            ("Libpod-Api-Version: 5.6.0\r\n", plain.clone(), false),
        ] {
            let (stage, asked, said) = run(program, header, &version);
            let deletions: Vec<_> = asked.iter().filter(|request| request.starts_with("DELETE ")).collect();
            assert!(!deletions.is_empty(), "{said}");
            assert!(!deletions.iter().any(|request| request.contains("force=1")), "{deletions:?}");
            assert!(is_there(&stage, "several") && !is_there(&stage, "single"), "{said}");
            assert!(said.contains("force removes its containers, too"), "{said}");
            assert!(said.contains("`podman untag`"), "{said}");
            // Its identifiers are no reason to end.
            assert!(!said.contains("which was not planned"), "{said}");
            // The parent of `child` has no name.
            assert_eq!([is_there(&stage, "child"), is_there(&stage, "parent")], [is_old; 2], "{said}");
            assert_eq!(said.contains("Podman 4.3.1 would delete its parent"), is_old, "{said}");
            assert_eq!(said.contains("is built on it, for which Podman would not keep it"), is_old, "{said}");
        }
    }
    // dockerd deletes them all.
    let (stage, asked, said) = run(&AGENT, "", &json!({ "Version": "20.10.24", "ApiVersion": "1.41" }));
    assert!(super::GOING.iter().all(|name| !is_there(&stage, name)), "{said}");
    assert!(asked.iter().any(|request| request.contains("force=1")));
}

fn tags_of(client: &Client, id: &str) -> Vec<String> {
    client.image(id).map(|image| image.repo_tags).unwrap_or_default()
}

/// Creates a container of an image right before its deletion.
struct Late {
    host: String,
    image: String,
}

impl Script for Late {
    fn before(&mut self, _: usize, request: &str) {
        if request.starts_with(&format!("DELETE /images/{}", self.image)) {
            let client = Client::new(Host::parse(&self.host).unwrap()).unwrap();
            let config = json!({ "Image": self.image, "Cmd": ["/x"] });
            client.create_container("late", &config).unwrap();
        }
    }

    fn after(&mut self, _: usize, _: &str, _: &mut Vec<u8>) {}
}

#[test]
fn a_real_podman_keeps_images_with_several_names_and_parents_that_a_rule_keeps() {
    let Some(podman) = Podman::start("deletions on Podman") else { return };
    let client = podman.client();
    let mut tar = ImageTar::new();
    let mut image = |name: &str, labels: Value, tags: &[&str]| {
        let layer = TestLayer::new(name, &name.repeat(100));
        let config = json!({ "created": "2020-01-01T00:00:00Z", "os": "linux", "architecture": "amd64",
            "config": { "Labels": labels } });
        tar.image(config, &[layer], tags, None).to_string()
    };
    let several = image("several", json!({}), &["several:1", "several:latest"]);
    let single = image("single", json!({}), &["single:1"]);
    let parent = image("parent", json!({ "keep": "1" }), &["parent:1"]);
    client.load(&mut tar.finish().as_slice()).unwrap();
    // A child of an image that has a label and no name: the name moves on.
    client.create_container("builder", &json!({ "Image": "parent:1", "Cmd": ["/x"] })).unwrap();
    let built = client.call(
        Method::POST,
        "/commit?container=builder&repo=child&tag=1&changes=LABEL%20keep=0",
        Some(&json!({})),
    );
    assert_eq!(built.unwrap().status, 201);
    client.remove_container("builder", true).unwrap();
    client.tag(&single, "parent", "1").unwrap();
    client.remove_image("parent:1", false, true).unwrap();
    let child = client.image("child:1").unwrap();
    assert!(parent.ends_with(&child.parent) && !child.parent.is_empty(), "{child:?}");
    assert!(tags_of(&client, &parent).is_empty());

    let between = Between::start(&podman.socket(), Late { host: podman.host(), image: several.clone() });
    let folder = tempfile::tempdir().unwrap();
    let args = ["agent", "--once", "--journal", "j", "--keep-label", "keep=1", "--format", "json", "--host"];
    let output = command(folder.path()).args(args).arg(between.host()).output().unwrap();
    between.end();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let result: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"));
    assert_eq!(result["deleted"], json!([single]), "{result}");
    assert_eq!(result["outcome"], "partial", "{result}");
    assert_eq!(tags_of(&client, &several).len(), 2, "{result}");
    assert!(client.image(&parent).is_ok(), "a rule keeps it: {result}");
}
