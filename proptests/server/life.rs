//! How a daemon begins and ends, who may hear of it, and what becomes of clients that leave.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use image_prune::event::{EventSink, ImageEvent};
use image_prune::graph::select::Order;
use image_prune::server::{Limits, TestDaemon};
use image_prune::{Semantics, Timestamp};

use crate::support::eventually;
use crate::support::http::{get, post, request};

fn events_of(daemon: &TestDaemon, query: &str) -> UnixStream {
    let mut stream = UnixStream::connect(daemon.socket().unwrap()).unwrap();
    stream.write_all(format!("GET /events{query} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// Adds this many images that nobody uses.
fn add_images(daemon: &TestDaemon, count: u32) {
    for number in 0..count {
        let config = format!(r#"{{"author":"{number}","rootfs":{{"type":"layers"}}}}"#);
        daemon.stores().images.create(config).unwrap();
    }
}

#[test]
fn a_dropped_daemon_leaves_nothing_behind() {
    let daemon = TestDaemon::builder().start().unwrap();
    let socket = daemon.socket().unwrap().to_owned();
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o660);
    let mut listener = events_of(&daemon, "");
    eventually("nobody listens", || daemon.events().subscribers() == 1);
    drop(daemon);
    assert!(!socket.parent().unwrap().exists());
    // The stream ended as it should: with its last chunk.
    let mut rest = String::new();
    listener.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with("0\r\n\r\n"), "{rest}");
}

#[test]
fn an_address_must_be_a_loopback_one() {
    let outside: SocketAddr = "0.0.0.0:0".parse().unwrap();
    let error = TestDaemon::builder().address(outside).start().unwrap_err();
    assert!(error.to_string().contains("not a loopback address"), "{error}");
    let daemon = TestDaemon::builder().address("127.0.0.1:0".parse().unwrap()).start().unwrap();
    let mut client = std::net::TcpStream::connect(daemon.address().unwrap()).unwrap();
    client.write_all(b"GET /_ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("\r\n\r\nOK"), "{answer}");
    let taken = TestDaemon::builder().address(daemon.address().unwrap()).start().unwrap_err();
    assert!(taken.is_system(), "{taken}");
}

#[test]
fn versions_follow_the_semantics() {
    let error = TestDaemon::builder().api_version(52).start().unwrap_err();
    assert!(error.to_string().contains("speaks 1.12 to 1.41"), "{error}");
    for (semantics, newest, oldest, release) in [
        (Semantics::MOBY_20_10, 41, 12, "20.10.24"),
        (Semantics::MOBY_23_0, 42, 12, "23.0.18"),
        (Semantics::MOBY_24_0, 43, 12, "24.0.9"),
        (Semantics::MOBY_25_0, 44, 24, "25.0.17"),
        (Semantics::MOBY_26_1, 45, 24, "26.1.5"),
        (Semantics::MOBY_27_5, 47, 24, "27.5.1"),
        (Semantics::MOBY_28_5, 51, 24, "28.5.2"),
        (Semantics::MOBY_29_0, 52, 44, "29.1.5"),
        (Semantics::MOBY_29_2, 53, 44, "29.2.1"),
        (Semantics::MOBY_29_3, 54, 40, "29.3.1"),
        (Semantics::MOBY_29_4, 54, 40, "29.4.3"),
        (Semantics::MOBY_29_5, 54, 40, "29.5.3"),
        (Semantics::MOBY_29, 55, 40, "29.7.2"),
    ] {
        let daemon = TestDaemon::builder().semantics(semantics).start().unwrap();
        daemon.stores().images.create(r#"{"rootfs":{"type":"layers"}}"#).unwrap();
        let socket = daemon.socket().unwrap();
        assert_eq!(get(socket, "/_ping").header("api-version"), Some(format!("1.{newest}").as_str()));
        assert_eq!(get(socket, &format!("/v1.{newest}/info")).status, 200);
        assert_eq!(get(socket, &format!("/v1.{}/info", newest + 1)).status, 400);
        assert_eq!(get(socket, &format!("/v1.{}/info", oldest - 1)).status, 400);
        let list = get(socket, "/images/json").body;
        assert_eq!(list.contains("VirtualSize"), newest < 44, "{list}");
        assert_eq!(list.contains("<none>"), newest < 43, "{list}");
        if oldest <= 42 && newest >= 42 {
            let old = get(socket, "/v1.42/images/json").body;
            assert!(old.contains("VirtualSize") && old.contains("<none>"), "{old}");
        }
        let version = get(socket, "/version").body;
        assert!(version.contains(&format!(r#""Version":"{release}""#)), "{version}");
    }
    let daemon = TestDaemon::builder().api_version(30).start().unwrap();
    assert_eq!(get(daemon.socket().unwrap(), "/v1.31/info").status, 400);
}

#[test]
fn clients_that_leave_are_forgotten() {
    let limits = Limits { subscribers: 2, ..Limits::default() };
    let daemon = TestDaemon::builder().limits(limits).start().unwrap();
    let listeners = [events_of(&daemon, ""), events_of(&daemon, "")];
    eventually("nobody listens", || daemon.events().subscribers() == 2);
    assert_eq!(get(daemon.socket().unwrap(), "/events").status, 503);
    let mut stream = BufReader::new(&listeners[0]);
    daemon.events().publish(ImageEvent::Prune(7));
    let mut line = String::new();
    while !line.contains("reclaimed") {
        line.clear();
        assert!(stream.read_line(&mut line).unwrap() > 0, "the stream ended");
    }
    assert!(line.contains(r#""reclaimed":"7""#), "{line}");
    drop(listeners);
    eventually("a client that left still listens", || daemon.events().subscribers() == 0);
}

#[test]
fn events_end_when_they_were_told_to() {
    let now = Timestamp::new(1_700_000_000, 0);
    let daemon = TestDaemon::builder().now(now).start().unwrap();
    daemon.events().publish(ImageEvent::Prune(1));
    let socket = daemon.socket().unwrap();
    let past = get(socket, "/events?since=1&until=1700000000");
    assert_eq!(past.body.lines().count(), 1);
    let begun = Instant::now();
    let live = get(socket, "/events?until=1700000000.3");
    assert!(begun.elapsed() >= Duration::from_millis(250));
    assert_eq!(live.body.lines().count(), 1);
    let filtered =
        get(socket, "/events?since=1&until=1700000000&filters=%7B%22type%22:%5B%22network%22%5D%7D");
    assert_eq!(filtered.body, "");
}

#[test]
fn a_client_that_leaves_cancels_its_prune() {
    // Each candidate takes a while, since a subscriber that does not read holds up every event.
    let daemon = TestDaemon::builder().start().unwrap();
    add_images(&daemon, 1500);
    let (_, slow) = daemon.events().subscribe();
    let mut client = UnixStream::connect(daemon.socket().unwrap()).unwrap();
    client.write_all(b"POST /images/prune HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    eventually("the prune does not begin", || daemon.stores().images.len() < 1000);
    drop(client);
    eventually("the prune does not end", || {
        daemon.events().history().iter().any(|event| event.action == "prune")
    });
    assert!(!daemon.stores().images.is_empty(), "the prune went on to the end");
    // P-1: the guard is free again.
    drop(slow);
    assert_eq!(post(daemon.socket().unwrap(), "/images/prune").status, 200);
}

/// C14: what was begun is answered, also when the daemon ends meanwhile.
#[test]
fn a_prune_in_flight_is_answered() {
    // A subscriber that does not read holds up every event once its queue is full.
    let daemon = TestDaemon::builder().start().unwrap();
    add_images(&daemon, 1500);
    let (_, slow) = daemon.events().subscribe();
    let socket = daemon.socket().unwrap().to_owned();
    std::thread::scope(|scope| {
        let client = scope.spawn(|| post(&socket, "/images/prune"));
        eventually("the prune does not begin", || daemon.stores().images.len() < 1500);
        drop(slow);
        drop(daemon);
        let answer = client.join().unwrap();
        assert!(answer.body.contains("Deleted"), "{answer:?}");
    });
    assert!(!socket.exists());
}

#[test]
fn a_seed_chooses_orders_and_ids() {
    let run = |seed| {
        let daemon = TestDaemon::builder().seed(seed).order(Order::Shuffled(seed)).start().unwrap();
        add_images(&daemon, 20);
        let socket = daemon.socket().unwrap();
        let image = daemon.stores().images.images()[0].0;
        let body = format!(r#"{{"Image":"{image}","Cmd":["x"]}}"#);
        let made = request(socket, "POST", "/containers/create", "application/json", body.as_bytes()).body;
        let id = made.split('"').nth(3).unwrap().to_owned();
        (id, post(socket, "/images/prune").body)
    };
    assert_eq!(run(1).0, run(1).0);
    assert_ne!(run(1).0, run(2).0);
    assert_ne!(run(1).1, run(2).1);
}

#[test]
#[cfg(feature = "cli")]
fn the_command_ends_with_a_signal_and_takes_its_socket_along() {
    use std::process::{Command, Stdio};

    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s.sock");
    let serve = |socket: &std::path::Path| {
        Command::new(env!("CARGO_BIN_EXE_image-prune"))
            .args(["serve", "--socket"])
            .arg(socket)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::INT] {
        let mut child = serve(&socket);
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, format!("unix://{}\n", socket.display()));
        assert_eq!(get(&socket, "/_ping").body, "OK");
        let second = serve(&socket).wait_with_output().unwrap();
        assert_eq!(second.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&second.stderr).contains("another server has it"));
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
    // After a kill the socket is stale, and is replaced.
    let mut child = serve(&socket);
    eventually("the server does not start", || UnixStream::connect(&socket).is_ok());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(socket.exists());
    let mut child = serve(&socket);
    eventually("the stale socket is not replaced", || UnixStream::connect(&socket).is_ok());
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM)
        .unwrap();
    child.wait().unwrap();
}
