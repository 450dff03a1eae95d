//! Clients that take their time: they hold up nobody else, and not for ever.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use image_prune::server::{Limits, TestDaemon};
use image_prune::world::Container;
use image_prune::{Digest, World};
use serde_json::json;

use super::raise_descriptors;
use crate::support::http::{get, request};
use crate::support::image_tar::{ImageTar, TestLayer};

const LOAD: &str = "POST /images/load HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-tar\r\nContent-Length: 1000000\r\n\r\nx";
const FORM: &str = "POST /images/prune HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                    Content-Length: 1000000\r\n\r\nx";
const SAVE: &str = "GET /images/large:1/get HTTP/1.1\r\nHost: x\r\n\r\n";

/// A daemon with an image of 2 MiB: more than sockets and buffers hold.
fn daemon() -> TestDaemon {
    let daemon = TestDaemon::builder().start().unwrap();
    let mut tar = ImageTar::new();
    tar.image(json!({}), &[TestLayer::new("large", &"a".repeat(2 << 20))], &["large:1"], None);
    let loaded =
        request(daemon.socket().unwrap(), "POST", "/images/load", "application/x-tar", &tar.finish());
    assert!(loaded.body.contains("Loaded image: large:1"), "{}", loaded.body);
    daemon
}

fn open(socket: &Path, beginning: &str) -> UnixStream {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(beginning.as_bytes()).unwrap();
    stream
}

#[test]
fn slow_uploads_and_unread_downloads_keep_nobody_out() {
    raise_descriptors();
    let daemon = daemon();
    let socket = daemon.socket().unwrap();
    let held: Vec<_> = [(LOAD, 260), (FORM, 20), (SAVE, 260)]
        .into_iter()
        .flat_map(|(beginning, count)| (0..count).map(move |_| beginning))
        .map(|beginning| open(socket, beginning))
        .collect();
    assert!(held.len() > 520);
    assert_eq!(get(socket, "/_ping").body, "OK");
    assert!(get(socket, "/images/json").body.contains("large:1"));
    assert_eq!(request(socket, "POST", "/images/prune", "", b"").status, 200);
}

/// The only place is free again once the client that held it is cut off. Nothing large goes to a daemon of so little patience
/// but for the answer that is not read: on a busy machine it would be refused.
#[test]
fn a_download_that_nobody_reads_ends() {
    let limits = Limits { connections: 1, piece: Duration::from_millis(300), ..Limits::default() };
    let image = Digest::of(b"gone").into();
    let id = Digest::of(b"container").into();
    let container = Container { id, image, running: false, rw_layer_parent: None, image_mounts: Vec::new() };
    let world = World { containers: vec![container], ..World::default() };
    let daemon = TestDaemon::builder().world(world).limits(limits).start().unwrap();
    daemon.set_logs(&Digest::of(b"container").hex(), vec![b'a'; 2 << 20]).unwrap();
    let socket = daemon.socket().unwrap();
    let logs = format!(
        "GET /containers/{}/logs?stdout=1 HTTP/1.1\r\nHost: x\r\n\r\n",
        Digest::of(b"container").hex()
    );
    let mut unread = open(socket, &logs);
    assert_eq!(get(socket, "/_ping").body, "OK");
    let mut received = Vec::new();
    // The connection may be reset.
    let _ = unread.read_to_end(&mut received);
    let head = String::from_utf8_lossy(&received);
    assert!(received.is_empty() || head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(received.len() < 2 << 20, "all of it came");
}

#[test]
fn a_trickle_ends() {
    let limits =
        Limits { connections: 1, piece: Duration::from_millis(300), rate: 1 << 20, ..Limits::default() };
    let daemon = TestDaemon::builder().limits(limits).start().unwrap();
    let socket = daemon.socket().unwrap();
    let mut trickle = open(socket, LOAD);
    std::thread::scope(|scope| {
        let sender = scope.spawn(move || {
            while trickle.write_all(b"x").is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
            trickle
        });
        assert_eq!(get(socket, "/_ping").body, "OK");
        drop(sender.join().unwrap());
    });
}
