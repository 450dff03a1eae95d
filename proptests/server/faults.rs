//! Faults that a test asks for.

use std::time::{Duration, Instant};

use image_prune::Timestamp;
use image_prune::server::TestDaemon;

use crate::support::http::{get, post, raw, request};

const PRUNE: &[u8] = b"POST /images/prune HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
const CONFIG: &str = r#"{"rootfs":{"type":"layers"}}"#;

#[test]
fn requests_fail_as_they_are_told() {
    let daemon = TestDaemon::builder().start().unwrap();
    let socket = daemon.socket().unwrap();

    daemon.add_fault("POST /images/prune status=409 message=busy after=1 times=1".parse().unwrap());
    let statuses: Vec<_> = (0..3).map(|_| post(socket, "/images/prune").status).collect();
    assert_eq!(statuses, [200, 409, 200]);
    daemon.clear_faults();

    daemon.add_fault("GET /_ping delay=150ms times=1".parse().unwrap());
    let begun = Instant::now();
    assert_eq!(get(socket, "/v1.41/_ping").body, "OK");
    assert!(begun.elapsed() >= Duration::from_millis(150));

    for (fault, is_pruned, answer_is) in [
        ("POST /images/prune cut=before", false, "nothing"),
        ("POST /images/prune cut=after", true, "nothing"),
        ("POST /images/prune cut=middle", true, "half"),
    ] {
        daemon.stores().images.create(CONFIG).unwrap();
        daemon.clear_faults();
        daemon.add_fault(fault.parse().unwrap());
        let answer = raw(socket, PRUNE);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or(("", ""));
        if answer_is == "nothing" {
            assert_eq!(answer, "", "{fault}");
        } else {
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
            assert!(head.starts_with("HTTP/1.1 200") && body.len() < length.parse().unwrap(), "{answer}");
        }
        assert_eq!(daemon.stores().images.is_empty(), is_pruned, "{fault}");
    }
}

#[test]
fn requests_are_told_of() {
    let (told, heard) = std::sync::mpsc::channel();
    let daemon = TestDaemon::builder()
        .on_request(move |visit| told.send(visit.to_string()).unwrap())
        .fault("GET /version cut=after".parse().unwrap())
        .start()
        .unwrap();
    let socket = daemon.socket().unwrap();
    get(socket, "/v1.41/images/json?all=1");
    raw(socket, b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n");
    get(socket, "/nope");
    let visits: Vec<_> = heard.try_iter().collect();
    assert_eq!(visits, ["GET /v1.41/images/json?all=1 200", "GET /version cut", "GET /nope 404"]);
}

#[test]
fn control_is_off_unless_it_was_asked_for() {
    let plain = TestDaemon::builder().start().unwrap();
    assert_eq!(get(plain.socket().unwrap(), "/_control/state").status, 501);

    let daemon = TestDaemon::builder().control().start().unwrap();
    let socket = daemon.socket().unwrap();
    let rules = b"GET /info status=503\n\nGET /version cut=before\n";
    assert_eq!(request(socket, "POST", "/_control/faults", "text/plain", rules).status, 204);
    assert_eq!(get(socket, "/info").status, 503);
    assert_eq!(
        get(socket, "/_control/faults").body,
        "[\"GET /info status=503\",\"GET /version cut=before\"]\n"
    );
    let wrong = request(socket, "POST", "/_control/faults", "text/plain", b"GET /info status=503\nGET /x");
    assert_eq!(wrong.status, 400);
    assert!(wrong.body.contains("nothing happens"), "{}", wrong.body);
    assert_eq!(request(socket, "DELETE", "/_control/faults", "", b"").status, 204);
    assert_eq!(get(socket, "/info").status, 200);

    assert_eq!(request(socket, "PUT", "/_control/now", "", b"2030-01-01T00:00:00Z").status, 204);
    assert!(get(socket, "/info").body.contains("\"SystemTime\":\"2030-01-01T00:00:00Z\""));
    assert_eq!(request(socket, "PUT", "/_control/now", "", b"yesterday").status, 400);
    let world: image_prune::World = serde_json::from_str(&get(socket, "/_control/state").body).unwrap();
    assert_eq!(world.profile, "moby-20.10");
    daemon.set_now(Some(Timestamp::new(0, 5)));
    assert!(get(socket, "/info").body.contains("\"SystemTime\":\"1970-01-01T00:00:00.000000005Z\""));
}

/// A rule for everything would leave no way to take it back.
#[test]
fn control_is_never_struck() {
    let daemon = TestDaemon::builder().control().fault("* /** status=500".parse().unwrap()).start().unwrap();
    let socket = daemon.socket().unwrap();
    daemon.add_fault("* /** cut=before".parse().unwrap());
    daemon.add_fault("GET /*/* status=500".parse().unwrap());
    assert_eq!(raw(socket, b"GET /info HTTP/1.1\r\nHost: x\r\n\r\n"), "");
    assert_eq!(get(socket, "/_control/state").status, 200);
    assert_eq!(get(socket, "/v1.41/_control/faults").status, 200);
    assert_eq!(request(socket, "DELETE", "/_control/faults", "", b"").status, 204);
    assert_eq!(get(socket, "/info").status, 200);
    let error = "GET /_control/state status=500".parse::<image_prune::server::Fault>().unwrap_err();
    assert!(error.to_string().contains("never strikes"), "{error}");
}
