//! The client against peers that answer without end.

use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread::JoinHandle;

use image_prune::client::{Client, ClientError, FailureKind, Host, Observer};
use tempfile::TempDir;

/// The most bytes that such a peer sends, so that a client without a limit fails and does not hang.
const MOST: usize = 24 << 20;

/// A daemon whose events are `beginning` and then `piece` again and again. [`Peer::sent`] is how much of it was taken.
struct Peer {
    folder: TempDir,
    thread: JoinHandle<usize>,
}

impl Peer {
    fn start(beginning: &'static str, piece: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("socket")).unwrap();
        let thread = std::thread::spawn(move || {
            loop {
                let (mut client, _) = listener.accept().unwrap();
                let path = path_of(&mut client);
                if path.contains("/events") {
                    return send(&mut client, beginning, piece);
                }
                let body = if path.contains("/info") {
                    r#"{"SystemTime":"2026-01-01T00:00:00Z"}"#
                } else {
                    r#"{"ImagesDeleted":null,"SpaceReclaimed":0}"#
                };
                let length = body.len();
                write!(
                    client,
                    "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: {length}\r\n\r\n{body}"
                )
                .unwrap();
            }
        });
        Self { folder, thread }
    }

    fn client(&self) -> Client {
        let socket = self.folder.path().join("socket");
        Client::new(Host::parse(&format!("unix://{}", socket.display())).unwrap()).unwrap()
    }

    /// Bytes of events that were sent before the client hung up.
    fn sent(self) -> usize {
        self.thread.join().unwrap()
    }
}

fn path_of(client: &mut UnixStream) -> String {
    let (mut head, mut piece) = (Vec::new(), [0; 4096]);
    while !head.ends_with(b"\r\n\r\n") {
        let read = client.read(&mut piece).unwrap();
        assert!(read > 0);
        head.extend_from_slice(&piece[..read]);
    }
    String::from_utf8(head).unwrap().split(' ').nth(1).unwrap().to_owned()
}

/// Until it was enough, or the other end is closed.
fn send(client: &mut UnixStream, beginning: &str, piece: &str) -> usize {
    let pieces = piece.repeat((64 << 10) / piece.len().max(1));
    let mut sent = 0;
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    let mut is_open =
        client.write_all(head.as_bytes()).is_ok() && client.write_all(beginning.as_bytes()).is_ok();
    while is_open && !pieces.is_empty() && sent < MOST {
        is_open = client.write_all(pieces.as_bytes()).is_ok();
        sent += pieces.len();
    }
    sent
}

fn refused(events: Result<(), ClientError>, problem: &str) {
    let error = events.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Malformed, "{error}");
    assert!(error.to_string().contains(problem), "{error}");
}

#[test]
fn an_event_without_an_end_is_refused() {
    for until in ["", "1"] {
        let peer = Peer::start("{\"a\":\"", "a");
        let events = peer.client().events("0", until, "", &mut |_| ControlFlow::Continue(()));
        refused(events, "GET /events: a line is longer than 1048576 bytes");
        assert!(peer.sent() < MOST, "all of it was read");
    }
}

#[test]
fn events_without_an_end_are_refused_where_they_should_end() {
    let peer = Peer::start("", "{\"Type\":\"image\",\"Action\":\"delete\"}\n");
    let events = peer.client().events("0", "1", "", &mut |_| ControlFlow::Continue(()));
    refused(events, "GET /events: the answer is longer than 16777216 bytes");
    assert!(peer.sent() < MOST, "all of it was read");
    // Whoever watches a daemon sets no end.
    let peer = Peer::start("", "{}\n");
    peer.client().events("0", "", "", &mut |_| ControlFlow::Continue(())).unwrap();
    assert!(peer.sent() >= MOST);
}

#[test]
fn a_torn_event_is_told() {
    let peer = Peer::start("", "{\"a\":\n");
    refused(peer.client().events("", "", "", &mut |_| ControlFlow::Continue(())), "an event cannot be read");
    peer.sent();
    let peer = Peer::start("{}\n{\"a\":", "");
    let mut count = 0;
    let events = peer.client().events("", "", "", &mut |_| {
        count += 1;
        ControlFlow::Continue(())
    });
    refused(events, "the last event has no end");
    assert_eq!(count, 1);
}

/// `prune --host` and `conform` collect the events of a prune.
#[test]
fn a_watched_prune_collects_no_events_without_end() {
    let peer = Peer::start("", "{}\n");
    let client = peer.client();
    let observation = Observer::new(&client).unwrap().prune("").unwrap();
    refused(observation.events.map(drop), "GET /events: the answer is longer than");
    assert!(peer.sent() < MOST, "all of it was read");
}
