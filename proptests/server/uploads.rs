//! A client that sends all of its request before it reads gets its answer, however much of it nobody wanted.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use image_prune::server::TestDaemon;
use serde_json::json;

use crate::support::http::get;
use crate::support::image_tar::{ImageTar, TestLayer};

const TRIES: usize = 20;

#[derive(Clone, Copy)]
enum Framing {
    Length,
    Chunked,
}

/// Sends the whole request, then reads the whole answer. A write that fails is a failed test.
fn sent_whole(mut stream: impl Read + Write, head: &str, body: &[u8], framing: Framing) -> String {
    let framed = match framing {
        Framing::Length => format!("Content-Length: {}", body.len()),
        Framing::Chunked => "Transfer-Encoding: chunked".to_owned(),
    };
    write!(stream, "{head} HTTP/1.1\r\nHost: localhost\r\n{framed}\r\n\r\n").unwrap();
    match framing {
        Framing::Length => stream.write_all(body).unwrap(),
        Framing::Chunked => {
            for chunk in body.chunks(32 << 10) {
                write!(stream, "{:x}\r\n", chunk.len()).unwrap();
                stream.write_all(chunk).unwrap();
                stream.write_all(b"\r\n").unwrap();
            }
            stream.write_all(b"0\r\n\r\n").unwrap();
        }
    }
    read_answer(stream)
}

/// The head, and the body where its length is said: whether the connection goes on is the server's affair.
fn read_answer(mut stream: impl Read) -> String {
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            let is_whole = match length {
                Some(length) => body.len() >= length.parse().unwrap(),
                None => body.ends_with("0\r\n\r\n"),
            };
            if is_whole {
                return text.into_owned();
            }
        }
        let count = stream.read(&mut piece).unwrap();
        assert!(count > 0, "the answer ends early: {text}");
        answer.extend_from_slice(&piece[..count]);
    }
}

fn unix(daemon: &TestDaemon) -> UnixStream {
    let stream = UnixStream::connect(daemon.socket().unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

fn tcp(daemon: &TestDaemon) -> TcpStream {
    let stream = TcpStream::connect(daemon.address().unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

#[test]
fn what_follows_an_archive_costs_no_answer() {
    let mut tar = ImageTar::new();
    tar.image(json!({}), &[TestLayer::new("f", &"x".repeat(100_000))], &["base:1"], None);
    let archive = tar.finish();
    let on_socket = TestDaemon::builder().start().unwrap();
    let on_address = TestDaemon::builder().address("127.0.0.1:0".parse().unwrap()).start().unwrap();
    for padding in [0, 64 << 10, 1 << 20, 8 << 20] {
        let mut body = archive.clone();
        body.resize(archive.len() + padding, 0);
        for _ in 0..TRIES {
            for framing in [Framing::Chunked, Framing::Length] {
                let head = "POST /v1.41/images/load?quiet=1";
                let answer = sent_whole(unix(&on_socket), head, &body, framing);
                assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("Loaded image"), "{answer}");
                let answer = sent_whole(tcp(&on_address), head, &body, framing);
                assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("Loaded image"), "{answer}");
            }
        }
    }
}

#[test]
fn a_refusal_of_a_large_body_is_read() {
    let on_socket = TestDaemon::builder().start().unwrap();
    let on_address = TestDaemon::builder().address("127.0.0.1:0".parse().unwrap()).start().unwrap();
    for daemon in [&on_socket, &on_address] {
        daemon.add_fault("POST /images/prune status=503 message=busy".parse().unwrap());
    }
    let refused = [
        ("POST /v1.41/nosuch", "404"),
        ("POST /v1.41/build", "501"),
        ("POST /v1.99/images/load", "400"),
        ("POST /v1.41/images/%zz/tag", "400"),
        ("POST /v1.41/containers/nosuch/start", "404"),
        ("POST /v1.41/images/prune", "503"),
        ("PUT /v1.41/images/load", "501"),
        ("GET /v1.41/_ping", "200"),
    ];
    for length in [192 << 10, 4 << 20] {
        let body = vec![b'x'; length];
        for (head, status) in refused {
            for framing in [Framing::Chunked, Framing::Length] {
                for answer in [
                    sent_whole(unix(&on_socket), head, &body, framing),
                    sent_whole(tcp(&on_address), head, &body, framing),
                ] {
                    assert_eq!(answer.split(' ').nth(1), Some(status), "{head}: {answer}");
                }
            }
        }
    }
}

/// A client that asks first is told at once, and sends nothing.
#[test]
fn who_expects_a_refusal_gets_it_before_the_body() {
    let daemon = TestDaemon::builder().start().unwrap();
    let mut stream = unix(&daemon);
    stream
        .write_all(
            b"POST /nosuch HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9000000\r\n\r\n",
        )
        .unwrap();
    let answer = read_answer(stream);
    assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("Connection: close"), "{answer}");
}

/// A body that was read to its end leaves the connection as it was.
#[test]
fn a_small_rest_keeps_the_connection() {
    let daemon = TestDaemon::builder().start().unwrap();
    let mut stream = unix(&daemon);
    for _ in 0..3 {
        let answer = sent_whole(&mut stream, "POST /nosuch", &vec![b'x'; 100_000], Framing::Chunked);
        assert!(answer.starts_with("HTTP/1.1 404") && !answer.contains("Connection: close"), "{answer}");
    }
    assert_eq!(get(daemon.socket().unwrap(), "/_ping").body, "OK");
}
