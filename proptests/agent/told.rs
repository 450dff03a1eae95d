//! What an agent tells, and whom: each retry, what stdout cannot take, and never a secret.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Output, Stdio};
use std::time::Duration;

use image_prune::client::agent::{
    Agent, Backoff, Clock, Endpoint, Journal, JournalLimits, Outcome, Reporter, Settings,
};
use image_prune::client::{Client, Host, KeepRules};
use image_prune::server::TestDaemon;

use super::{Simulated, left, lines, run};
use crate::command::case::command;
use crate::support::eventually;

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A daemon that is away, in the time of a simulated clock: the waits, the outcome, what was told.
fn retried(retry_for: Option<Duration>) -> (Simulated, Outcome, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(folder.path().join("j"), JournalLimits::default()).unwrap();
    let client = Client::new(Host::Unix(folder.path().join("no-socket"))).unwrap();
    let mut agent = Agent::new(client, journal, Settings { retry_for, ..Settings::default() });
    let (clock, mut told) = (Simulated::new(), Vec::new());
    let result = agent.run_watched(&clock, &mut || Ok(KeepRules::new()), &mut |retry| {
        told.push(format!("{}: {}", retry.attempt, retry.error));
    });
    (clock, result.outcome, told)
}

#[test]
fn each_retry_is_told_and_the_last_begins_when_the_time_is_over() {
    for seconds in [1, 5, 120, 7200] {
        let retry_for = Duration::from_secs(seconds);
        let began = Simulated::new().now();
        let (clock, outcome, told) = retried(Some(retry_for));
        assert_eq!(outcome, Outcome::Failed);
        assert_eq!(clock.sleeps().iter().sum::<Duration>(), retry_for);
        assert_eq!(clock.now().unix_seconds(), began.unix_seconds() + i64::try_from(seconds).unwrap());
        assert_eq!(told.len(), clock.sleeps().len());
        assert!(told[0].starts_with("1: cannot reach unix://"), "{told:?}");
    }
    assert!(retried(Some(Duration::ZERO)).2.is_empty());
    // Ten attempts, as ever.
    assert_eq!(retried(None).2.len(), 9);
}

#[test]
fn once_without_a_daemon_tells_each_retry_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["agent", "--once", "--journal", "j", "--host", "unix:///no/such/socket", "--retry-for", "3s"];
    let output = command(folder.path()).args(args).output().unwrap();
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.starts_with("warning: attempt 1: cannot reach unix:///no/such/socket: "), "{stderr}");
    assert!(stderr.lines().all(|line| line.contains("; the next is in ")), "{stderr}");
    assert!(text(&output.stdout).contains(" failed: "), "{}", text(&output.stdout));
    let journal = lines(&folder.path().join("j"));
    assert_eq!(journal.iter().filter(|line| line["kind"] == "retry").count(), stderr.lines().count());
}

#[test]
fn a_full_stdout_does_not_end_it() {
    let daemon = TestDaemon::builder().start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut child = command(folder.path())
        .args(["agent", "--every", "1s", "--startup-delay", "0s", "--journal", "j", "--host", &daemon.host()])
        .args(["--metrics-file", "m.prom"])
        .stdout(full)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let journal = folder.path().join("j");
    let runs = || fs::read_to_string(&journal).map_or(0, |text| text.matches(r#""kind":"result""#).count());
    eventually("it ended, or hangs", || runs() >= 3);
    assert_eq!(child.try_wait().unwrap(), None);
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("warning: cannot write to stdout: "), "{line}");
    assert!(folder.path().join("m.prom").exists(), "the others are told all the same");
    child.kill().unwrap();
    child.wait().unwrap();

    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let once = command(folder.path())
        .args(["agent", "--once", "--journal", "k", "--host", &daemon.host(), "--metrics-file", "k.prom"])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(once.status.code(), Some(1), "a script notices");
    assert!(folder.path().join("k.prom").exists());
}

#[test]
fn a_report_url_is_never_printed_whole() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let daemon = TestDaemon::builder().start().unwrap();
    let (result, _) = run(&daemon, &KeepRules::new(), &Simulated::new());
    let backoff = Backoff { attempts: 1, ..Backoff::default() };
    for url in [
        format!("http://me:secret@{closed}/runs"),
        format!("http://{closed}/secret/runs"),
        format!("http://{closed}/runs?token=secret"),
        format!("http://secret@{closed}"),
    ] {
        let mut reporter = Reporter::new(&url, backoff.clone(), 0).unwrap();
        let shown = format!("{reporter:?} {}", reporter.send(&result, &Simulated::new()).unwrap_err());
        assert!(!shown.contains("secret") && shown.contains(&format!("http://{closed}")), "{shown}");
    }
    for url in
        ["ftp://me:secret@x/", "http://me:sec/secret@x", "https://:secret", "secret", "http://secret host/"]
    {
        let error = Reporter::new(url, backoff.clone(), 0).unwrap_err().to_string();
        assert!(!error.contains("sec/") && !error.contains("secret"), "{error}");
        let folder = tempfile::tempdir().unwrap();
        let args = ["agent", "--once", "--journal", "j", "--host", &daemon.host(), "--report-url", url];
        let Output { status, stderr, stdout } = command(folder.path()).args(args).output().unwrap();
        let shown = [text(&stdout), text(&stderr)].concat();
        assert_eq!(status.code(), Some(1), "{shown}");
        assert!(!shown.contains("sec/") && !shown.contains("secret"), "{shown}");
    }
    assert!(left(&daemon).is_empty());
}

#[test]
fn a_client_that_sends_nothing_does_not_hold_a_scrape() {
    let endpoint = Endpoint::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    endpoint.show("up 1\n".to_owned());
    // One after the other these would keep a scrape waiting for minutes.
    let mut idle: Vec<TcpStream> = (0..40).map(|_| TcpStream::connect(endpoint.address()).unwrap()).collect();
    for half in idle.iter_mut().skip(20) {
        half.write_all(b"GET /metrics HTT").unwrap();
    }
    let mut scrape = TcpStream::connect(endpoint.address()).unwrap();
    scrape.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    scrape.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = String::new();
    scrape.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("\r\n\r\nup 1\n"), "{answer}");
}

#[test]
fn more_clients_than_are_waited_for_are_turned_away() {
    let endpoint = Endpoint::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let idle: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(endpoint.address()).unwrap()).collect();
    for mut client in idle {
        client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        // Each is closed, at once or when its time is over.
        assert_eq!(client.read(&mut [0]).unwrap_or(0), 0);
    }
    endpoint.show("up 1\n".to_owned());
    let mut scrape = TcpStream::connect(endpoint.address()).unwrap();
    scrape.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = String::new();
    scrape.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("up 1\n"), "{answer}");
}
