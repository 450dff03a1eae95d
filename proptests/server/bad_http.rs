//! Requests that no client library sends, and clients that never finish one.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use image_prune::server::{Limits, TestDaemon};

use super::raise_descriptors;
use crate::support::http::{get, raw};

#[test]
fn bad_requests_are_refused_and_the_server_lives() {
    let daemon = TestDaemon::builder().start().unwrap();
    let socket = daemon.socket().unwrap();
    let many_headers = "X: y\r\n".repeat(100);
    let long_path = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(70_000));
    let huge_head = format!("GET /info HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(1_000_000));
    let table: [(&str, &str, &[&str]); 21] = [
        (
            "length and encoding, of which Go takes the latter",
            "POST /images/prune HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            &["200"],
        ),
        (
            "two lengths",
            "POST /images/prune HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
            &["400"],
        ),
        ("signed length", "POST /images/prune HTTP/1.1\r\nHost: x\r\nContent-Length: +0\r\n\r\n", &["400"]),
        (
            "unknown encoding",
            "POST /images/prune HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n",
            &["400"],
        ),
        ("no host", "GET /info HTTP/1.1\r\n\r\n", &["400"]),
        ("two hosts", "GET /info HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", &["400"]),
        ("blank in a header's name", "GET /info HTTP/1.1\r\nHost : x\r\n\r\n", &["400"]),
        (
            "a hundred headers",
            &format!("GET /info HTTP/1.1\r\nHost: x\r\n{many_headers}\r\n"),
            &["431", "400"],
        ),
        ("a long path", &long_path, &["414", "431"]),
        ("a huge header", &huge_head, &["431", "400"]),
        ("HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &["400", "505", ""]),
        (
            "parents in the path",
            "GET /images/../../info HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            &["301"],
        ),
        (
            "an escape that is none",
            "GET /images/%zz/json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            &["400"],
        ),
        (
            "a byte that is no text",
            "GET /images/%ff/json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            &["400", "404"],
        ),
        ("NUL", "GET /images/%00/json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &["400"]),
        (
            "an escaped slash",
            "GET /images/a%2fb/json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            &["404"],
        ),
        ("no HTTP", "hello\r\n\r\n", &["400"]),
        ("a method of its own", "BREW /coffee HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &["404"]),
        (
            "something not implemented",
            "POST /build HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            &["501"],
        ),
        (
            "a broken chunk",
            "POST /images/load HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            &["200", "400", ""],
        ),
        (
            "a long number",
            "GET /v1.99999999999999999999/info HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            &["400"],
        ),
    ];
    for (name, bytes, expected) in table {
        let answer = raw(socket, bytes.as_bytes());
        let status = answer.split(' ').nth(1).unwrap_or("");
        assert!(expected.contains(&status), "{name}: {answer:?}");
        assert!(!answer.contains("panicked"), "{name}: {answer}");
    }
    // Behind two opinions of where a body ends nothing more is read: the second request is not answered.
    let smuggled = "POST /images/prune HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n\
                    0\r\n\r\nGET /info HTTP/1.1\r\nHost: x\r\n\r\n";
    assert!(!raw(socket, smuggled.as_bytes()).contains("SystemTime"));
    assert_eq!(get(socket, "/_ping").body, "OK");
}

#[test]
fn who_does_not_finish_is_cut_off() {
    let limits = Limits { head: Duration::from_millis(200), ..Limits::default() };
    let daemon = TestDaemon::builder().limits(limits).start().unwrap();
    let begun = Instant::now();
    let mut slow = UnixStream::connect(daemon.socket().unwrap()).unwrap();
    slow.write_all(b"GET /info HTTP/1.1\r\nHo").unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    slow.read_to_end(&mut Vec::new()).unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(150));
}

#[test]
fn a_body_that_does_not_end_is_given_up() {
    let limits = Limits { piece: Duration::from_millis(200), ..Limits::default() };
    let daemon = TestDaemon::builder().limits(limits).start().unwrap();
    let socket = daemon.socket().unwrap();
    let head = "POST /images/load HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 100\r\n\r\n";
    let answer = raw(socket, format!("{head}too little").as_bytes());
    assert!(answer.contains("errorDetail") || answer.is_empty(), "{answer}");
    let limits = Limits { body: 1 << 20, ..Limits::default() };
    let daemon = TestDaemon::builder().limits(limits).start().unwrap();
    let socket = daemon.socket().unwrap();
    let large = vec![0; 2 << 20];
    let answer = crate::support::http::request(socket, "POST", "/images/load", "application/x-tar", &large);
    assert!(answer.body.contains("errorDetail"), "{}", answer.body);
    let form = "a".repeat(11 << 20);
    let limits = Limits { body: 64 << 20, ..Limits::default() };
    let daemon = TestDaemon::builder().limits(limits).start().unwrap();
    let socket = daemon.socket().unwrap();
    let kind = "application/x-www-form-urlencoded";
    let answer = crate::support::http::request(socket, "POST", "/images/prune", kind, form.as_bytes());
    assert_eq!(answer.status, 413);
    assert_eq!(get(socket, "/_ping").status, 200);
}

#[test]
fn a_thousand_half_open_connections_keep_nobody_out() {
    raise_descriptors();
    // None of them is cut off before the end.
    let limits = Limits { connections: 1100, head: Duration::from_secs(86_400), ..Limits::default() };
    let daemon = TestDaemon::builder().limits(limits).start().unwrap();
    let socket = daemon.socket().unwrap();
    let half_open: Vec<_> = (0..1000)
        .map(|_| {
            let mut connection = UnixStream::connect(socket).unwrap();
            connection.write_all(b"GET /info HTTP/1.1\r\n").unwrap();
            connection
        })
        .collect();
    assert_eq!(get(socket, "/_ping").body, "OK");
    drop(half_open);
    assert_eq!(get(socket, "/_ping").body, "OK");
}

#[test]
fn connections_beyond_the_limit_wait() {
    let limits = Limits { connections: 2, head: Duration::from_secs(86_400), ..Limits::default() };
    let daemon = TestDaemon::builder().limits(limits).start().unwrap();
    let socket = daemon.socket().unwrap();
    let held: Vec<_> = (0..2).map(|_| UnixStream::connect(socket).unwrap()).collect();
    let mut third = UnixStream::connect(socket).unwrap();
    third.write_all(b"GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    third.set_nonblocking(true).unwrap();
    assert!(third.read(&mut [0]).is_err(), "answered beyond the limit");
    drop(held);
    third.set_nonblocking(false).unwrap();
    third.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut answer = String::new();
    third.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("\r\n\r\nOK"), "{answer}");
}
