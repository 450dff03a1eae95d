//! Pages of the web reach an address on the loopback interface, too: what their requests look like is refused.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use image_prune::server::TestDaemon;

fn ask(mut stream: impl Read + Write, head: &str) -> String {
    write!(stream, "{head}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn connect(daemon: &TestDaemon) -> TcpStream {
    let stream = TcpStream::connect(daemon.address().unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

#[test]
fn an_address_answers_to_its_own_names_alone() {
    let builder = TestDaemon::builder().address("127.0.0.1:0".parse().unwrap()).control();
    let daemon = builder.allow_host("Docker.Test").start().unwrap();
    daemon.stores().images.create(r#"{"rootfs":{"type":"layers"}}"#).unwrap();
    let port = daemon.address().unwrap().port();
    let own = format!("127.0.0.1:{port}");
    for host in [
        own.as_str(),
        "127.0.0.1",
        "localhost",
        "LOCALHOST:2375",
        "app.localhost:80",
        "[::1]:2375",
        "docker.test:1",
    ] {
        let answer = ask(connect(&daemon), &format!("GET /_ping HTTP/1.1\r\nHost: {host}"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{host}: {answer}");
    }
    for host in
        ["evil.example", "evil.example:80", "localhost.evil.example", "10.0.0.1", "[::2]", "", "@localhost:x"]
    {
        for path in ["/_ping", "/v1.99/_ping", "/_control/state"] {
            let answer = ask(connect(&daemon), &format!("GET {path} HTTP/1.1\r\nHost: {host}"));
            assert!(answer.starts_with("HTTP/1.1 403"), "{host} {path}: {answer}");
            assert!(answer.contains("--allow-host"), "{host}: {answer}");
        }
    }
    // The target's host counts before the header's.
    let absolute = ask(connect(&daemon), "GET http://evil.example/_ping HTTP/1.1\r\nHost: localhost");
    assert!(absolute.starts_with("HTTP/1.1 403"), "{absolute}");
    let prune =
        ask(connect(&daemon), "POST /images/prune HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0");
    assert!(prune.starts_with("HTTP/1.1 403"), "{prune}");
    assert_eq!(daemon.stores().images.len(), 1);
}

#[test]
fn a_page_from_elsewhere_is_refused() {
    let builder = TestDaemon::builder().address("127.0.0.1:0".parse().unwrap());
    let daemon = builder.allow_host("docker.test").start().unwrap();
    daemon.stores().images.create(r#"{"rootfs":{"type":"layers"}}"#).unwrap();
    let own = daemon.address().unwrap();
    let on_socket = TestDaemon::builder().start().unwrap();
    let post = "POST /images/prune HTTP/1.1\r\nContent-Length: 0\r\nContent-Type: text/plain";
    for origin in
        ["https://evil.example", "null", "http://localhost:1", "http://127.0.0.1", "file://", "", "x"]
    {
        let head = format!("{post}\r\nHost: {own}\r\nOrigin: {origin}");
        let answer = ask(connect(&daemon), &head);
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("origin"), "{origin}: {answer}");
        let unix = UnixStream::connect(on_socket.socket().unwrap()).unwrap();
        let answer = ask(unix, &head);
        assert!(answer.starts_with("HTTP/1.1 403"), "{origin}: {answer}");
    }
    assert_eq!(daemon.stores().images.len(), 1);
    for origin in [format!("http://{own}"), "https://docker.test:8080".to_owned()] {
        let answer = ask(connect(&daemon), &format!("{post}\r\nHost: {own}\r\nOrigin: {origin}"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{origin}: {answer}");
    }
}

/// Clients of a socket write what they like as a host: a browser cannot open one.
#[test]
fn a_socket_takes_any_host() {
    let daemon = TestDaemon::builder().start().unwrap();
    for host in ["docker", "api.moby.localhost", "%2Ftmp%2Fdocker.sock", "evil.example", ""] {
        let unix = UnixStream::connect(daemon.socket().unwrap()).unwrap();
        let answer = ask(unix, &format!("GET /_ping HTTP/1.1\r\nHost: {host}"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{host}: {answer}");
    }
}
