//! What a real dockerd does between the last look and a deletion.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use image_prune::client::{Client, Host, Method};
use serde_json::{Value, json};

use super::between::{Between, Script};
use crate::command::case::command;
use crate::support::dockerd::Dockerd;
use crate::support::image_tar::{ImageTar, TestLayer};

fn client(socket: &std::path::Path) -> Client {
    Client::new(Host::parse(&format!("unix://{}", socket.display())).unwrap()).unwrap()
}

/// Before the deletion of each image: a container of one, a child of the other.
struct Late {
    socket: PathBuf,
    created: String,
    built: String,
    container: Arc<Mutex<String>>,
}

impl Script for Late {
    fn before(&mut self, _: usize, request: &str) {
        let client = client(&self.socket);
        let create = |name: &str, image: &str| {
            client.create_container(name, &json!({ "Image": image, "Cmd": ["/x"] })).unwrap().id
        };
        if request.starts_with(&format!("DELETE /images/{}", self.created)) {
            *self.container.lock().unwrap() = create("late", &self.created);
        }
        if request.starts_with(&format!("DELETE /images/{}", self.built)) {
            create("builder", &self.built);
            let built =
                client.call(Method::POST, "/commit?container=builder&repo=child", Some(&json!({}))).unwrap();
            assert_eq!(built.status, 201);
            client.remove_container("builder", true).unwrap();
        }
    }

    fn after(&mut self, _: usize, _: &str, _: &mut Vec<u8>) {}
}

#[test]
fn a_container_that_comes_late_keeps_its_layers_and_a_child_its_parent() {
    let Some(daemon) = Dockerd::start("a container that is created during a deletion") else { return };
    let mut tar = ImageTar::new();
    let mut image = |name: &str, tags: &[&str]| {
        let layer = TestLayer::new(name, &name.repeat(100));
        tar.image(json!({ "created": "2020-01-01T00:00:00Z" }), &[layer], tags, None).to_string()
    };
    let created = image("created", &["created:1", "created:latest"]);
    let built = image("built", &["built:1", "built:latest"]);
    let client = client(&daemon.socket());
    client.load(&mut tar.finish().as_slice()).unwrap();
    let container = Arc::new(Mutex::new(String::new()));
    let script = Late {
        socket: daemon.socket(),
        created: created.clone(),
        built: built.clone(),
        container: Arc::clone(&container),
    };
    let between = Between::start(&daemon.socket(), script);
    let folder = tempfile::tempdir().unwrap();
    let args = ["agent", "--once", "--journal", "j", "--keep-label", "keep", "--format", "json", "--host"];
    let output = command(folder.path()).args(args).arg(between.host()).output().unwrap();
    between.end();
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let container = container.lock().unwrap().clone();
    assert_eq!(result["deleted"], json!([created]), "{result}");
    assert_eq!(result["late_containers"], json!([{ "container": container, "image": created }]), "{result}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("keeps its layers and runs on"));
    assert_eq!(result["skipped"][0]["image"], built, "{result}");
    assert!(result["skipped"][0]["why"].as_str().unwrap().contains("has dependent child images"), "{result}");
    // All of it is still there, and the container can be started: what it runs is not in this image.
    let files = client.call(Method::GET, &format!("/containers/{container}/export"), None).unwrap();
    let has = |text: &str| files.body.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(files.status == 200 && has(&"created".repeat(100)));
    let started = client.call(Method::POST, &format!("/containers/{container}/start"), None).unwrap();
    let answer = String::from_utf8_lossy(&started.body);
    assert!(answer.contains("/x") && !answer.contains("No such image"), "{answer}");
    assert_eq!(client.image("built:latest").unwrap().id, built);
}
