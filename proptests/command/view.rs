//! The plan as a person sees it: to a terminal's width, and as arguments of `docker rmi`.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;

use image_prune::client::{Client, Host};
use regex::Regex;
use serde_json::json;
use unicode_width::UnicodeWidthStr;

use super::case::command;
use super::machine::terminal;
use crate::support::dockerd::Dockerd;
use crate::support::image_tar::{ImageTar, TestLayer};

const SMALL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/cases/cli/files/small.json");

/// A plan on a terminal that is so wide.
fn seen(width: u16, no_color: &str) -> String {
    let (mut person, terminal): (File, File) = terminal();
    let size = rustix::termios::Winsize { ws_row: 40, ws_col: width, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&terminal, size).unwrap();
    let mut plan = command(Path::new("."));
    plan.args(["plan", "-a", "--state", SMALL, "--now", "2024-03-01T00:00:00Z"]);
    plan.env("TERM", "xterm").env("NO_COLOR", no_color).stdout(terminal).stderr(Stdio::null());
    assert!(plan.status().unwrap().success());
    drop(plan);
    let (mut seen, mut part) = (Vec::new(), [0; 4096]);
    // Linux answers a read with an error once the other end is closed.
    while let Ok(length) = person.read(&mut part)
        && length > 0
    {
        seen.extend_from_slice(&part[..length]);
    }
    String::from_utf8(seen).unwrap()
}

#[test]
fn a_plan_fits_its_terminal() {
    let colours = Regex::new("\x1b\\[[0-9;]*m").unwrap();
    for width in [60, 72, 80, 100, 120, 200] {
        let text = seen(width, "");
        let plain = colours.replace_all(&text, "");
        for line in plain.lines() {
            assert!(line.width() <= usize::from(width), "{width} columns: {line:?}\n{plain}");
        }
        let words = plain.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("5 images would go (1 build step with them)"), "{plain}");
        assert!(words.contains("docker rm"), "{plain}");
    }
}

#[test]
fn what_goes_is_red_and_what_stays_green() {
    let text = seen(120, "");
    let line = |name: &str| text.lines().find(|line| line.contains(name)).unwrap();
    assert!(line("ghcr.io/acme/old:1").starts_with("\x1b[31m"), "{text:?}");
    assert!(line("6f1395a90715  ").starts_with("\x1b[32m"), "{text:?}");
    assert!(!seen(120, "1").contains('\x1b'));
}

/// Two repositories, a parent with a name, a nameless build step: `docker rmi` takes them one after the other.
#[test]
fn a_daemon_deletes_what_a_quiet_plan_prints() {
    let Some(daemon) = Dockerd::start("a quiet plan") else { return };
    let mut tar = ImageTar::new();
    let layer = |name: &str| TestLayer::new(name, name);
    let (base, step, top) = (layer("base"), layer("step"), layer("top"));
    let config = |author: &str| json!({ "author": author, "created": "2020-01-01T00:00:00Z" });
    let parent = tar.image(config("base"), std::slice::from_ref(&base), &["base:1"], None);
    let between = tar.image(config("step"), &[base.clone(), step.clone()], &[], Some(parent));
    tar.image(config("top"), &[base.clone(), step, top], &["top:1", "top:2", "other:1"], Some(between));
    tar.image(config("sibling"), &[base, layer("sibling")], &["sibling:1"], Some(parent));
    tar.image(config("dangling"), &[layer("dangling")], &[], None);
    let client = Client::new(Host::parse(&daemon.host()).unwrap()).unwrap();
    client.load(&mut tar.finish().as_slice()).unwrap();

    let mut plan = command(Path::new("."));
    let output = plan.args(["plan", "-a", "-q", "--host", &daemon.host()]).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.lines().count() >= 6, "{printed}");
    for name in printed.lines() {
        client
            .remove_image(name, false, false)
            .unwrap_or_else(|error| panic!("rmi {name}: {error}\n{printed}"));
    }
    assert!(client.images(true).unwrap().is_empty(), "{printed}");
}
