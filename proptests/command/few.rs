//! Five hundred of a kind: ten are told, and the number of the rest. A program's answer has them all.

use std::process::{Command, Output};

use image_prune::server::{Fault, TestDaemon};
use image_prune::world::{Container, Image};
use image_prune::{Digest, World};
use serde_json::Value;

use super::case::command;

const MANY: u32 = 500;

fn told(command: &mut Command) -> (Value, String) {
    let Output { stdout, stderr, .. } = command.args(["--format", "json"]).output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    (serde_json::from_slice(&stdout).unwrap_or_else(|error| panic!("{error}: {stderr}")), stderr)
}

fn assert_few(stderr: &str, each: &str, rest: &str) {
    assert_eq!(stderr.matches(each).count(), 10, "{stderr}");
    assert_eq!(stderr.matches(rest).count(), 1, "{stderr}");
}

/// Images without layers, each with a container.
fn in_use() -> World {
    let mut world = World::default();
    for number in 0..MANY {
        let config = format!(r#"{{"os":"linux","rootfs":{{"type":"layers"}},"comment":"{number}"}}"#);
        let id = Digest::of(config.as_bytes());
        world.images.push(Image { id: id.into(), config: config.into_bytes().into(), parent: None });
        world.containers.push(Container {
            id: Digest::of(&number.to_le_bytes()).into(),
            image: id.into(),
            running: false,
            rw_layer_parent: None,
            image_mounts: Vec::new(),
        });
    }
    world
}

#[test]
fn many_images_that_stay_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let world = in_use();
    std::fs::write(folder.path().join("state.json"), serde_json::to_string(&world).unwrap()).unwrap();
    let mut df = command(folder.path());
    df.args(["df", "--state", "state.json"]);
    let ids: Vec<String> = world.images.iter().map(|image| image.id.to_string()).collect();
    df.args(ids.iter().flat_map(|id| ["--set", id]));
    let (answer, stderr) = told(&mut df);
    assert_eq!(answer["stays"].as_object().unwrap().len(), 500);
    assert_few(&stderr, " stays: ", "490 more stay");
}

#[test]
fn many_names_that_stay_in_a_containerd_store_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let state =
        r#"{"format":2,"store":"containerd","profile":"moby-29-containerd","snapshotter":"overlayfs"}"#;
    std::fs::write(folder.path().join("state.json"), state).unwrap();
    let mut df = command(folder.path());
    df.args(["df", "--state", "state.json"]);
    let names: Vec<String> = (0..MANY).map(|number| format!("app:{number}")).collect();
    df.args(names.iter().flat_map(|name| ["--set", name]));
    let (answer, stderr) = told(&mut df);
    assert_eq!(answer["stays"].as_object().unwrap().len(), 500);
    assert_few(&stderr, " stays: ", "490 more stay");
}

#[test]
fn many_containers_that_are_left_are_counted() {
    let fault: Fault = "DELETE /containers/* status=500".parse().unwrap();
    let daemon = TestDaemon::builder().world(in_use()).fault(fault).start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (answer, stderr) =
        told(command(folder.path()).args(["clean", "--containers", "-f", "--host", &daemon.host()]));
    assert_eq!(answer["done"]["left"].as_array().unwrap().len(), 500, "{stderr}");
    assert_few(&stderr, " is left: ", "490 more are left, each container");
}

#[test]
fn many_containers_without_an_image_are_counted() {
    let mut world = in_use();
    world.images.clear();
    let daemon = TestDaemon::builder().world(world).start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut agent = command(folder.path());
    let (answer, _) = told(agent.args(["agent", "--dry-run", "--journal", "j", "--host", &daemon.host()]));
    assert_few(
        &answer["warnings"].to_string(),
        "holds layers of an image that is gone",
        "490 more containers hold layers",
    );
}

#[test]
fn many_rules_that_keep_nothing_are_counted() {
    let daemon = TestDaemon::builder().start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut agent = command(folder.path());
    agent.args(["agent", "--dry-run", "--journal", "j", "--host", &daemon.host()]);
    let rules: Vec<String> = (0..MANY).map(|number| format!("none-{number}")).collect();
    agent.args(rules.iter().flat_map(|rule| ["--keep", rule]));
    let (answer, stderr) = told(&mut agent);
    let all = answer["warnings"].to_string();
    assert_few(&all, "keeps nothing here", "490 more rules keep nothing here");
    assert!(stderr.matches("keeps nothing here").count() <= 10, "{stderr}");
}
