//! The agent against a daemon in memory: what it deletes and what it leaves, on daemons that are busy, slow, cut off
//! or away, and what its journal says of it.

mod command;
mod days;
mod inodes;
mod keep_last;
mod killed;
mod live;
mod logs;
mod told;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use image_prune::client::agent::{
    Agent, Backoff, Clock, Endpoint, Journal, JournalLimits, Metrics, Outcome, Reporter, RunResult, Settings,
};
use image_prune::client::{Client, Host, KeepRules, Timeouts};
use image_prune::server::TestDaemon;
use image_prune::{ImageId, Reference, Semantics, Timestamp};
use serde_json::Value;

use crate::deletion::between::{Between, Script};

pub const SEMANTICS: Semantics = Semantics::MOBY_20_10;

/// A clock whose sleeps take no time, and that stops its agent after some of them.
pub struct Simulated {
    now: Mutex<Timestamp>,
    sleeps: Mutex<Vec<Duration>>,
    stops_after: usize,
}

impl Simulated {
    pub fn new() -> Self {
        Self::stopping_after(usize::MAX)
    }

    pub fn stopping_after(sleeps: usize) -> Self {
        let now = Mutex::new(Timestamp::new(1_700_000_000, 0));
        Self { now, sleeps: Mutex::default(), stops_after: sleeps }
    }

    pub fn advance(&self, duration: Duration) {
        let mut now = self.now.lock().unwrap();
        *now = now.saturating_add(i64::try_from(duration.as_nanos()).unwrap());
    }

    pub fn sleeps(&self) -> Vec<Duration> {
        self.sleeps.lock().unwrap().clone()
    }
}

impl Clock for Simulated {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    fn sleep(&self, duration: Duration) {
        self.advance(duration);
        self.sleeps.lock().unwrap().push(duration);
    }

    fn is_stopping(&self) -> bool {
        self.sleeps.lock().unwrap().len() >= self.stops_after
    }
}

/// A client that waits longer than any machine is busy.
pub fn client(daemon: &TestDaemon) -> Client {
    client_of(&daemon.host(), Duration::from_secs(120))
}

/// A client of the daemon at `host` that waits for an answer as long as this. Where that is less than 30 seconds, the peer
/// must be one that never answers, and no other answer may matter.
fn client_of(host: &str, answer: Duration) -> Client {
    let timeouts = Timeouts { connect: Duration::from_secs(120), answer };
    Client::new(Host::parse(host).unwrap()).unwrap().with_timeouts(timeouts)
}

/// An image of `number`, created that many days after the first, with these references.
pub fn image(daemon: &TestDaemon, number: u64, labels: &str, references: &[&str]) -> ImageId {
    let created = Timestamp::new(1_600_000_000 + i64::try_from(number).unwrap() * 86_400, 0);
    let config = format!(
        r#"{{"author":"{number}","created":"{created}","os":"linux","config":{{"Labels":{{{labels}}}}},"rootfs":{{"type":"layers"}}}}"#
    );
    let id = daemon.stores().images.create(config).unwrap();
    for reference in references {
        daemon.stores().references.add_tag(Reference::parse(reference, &SEMANTICS).unwrap(), id).unwrap();
    }
    id
}

fn container(daemon: &TestDaemon, name: &str, image: &str) {
    let body = serde_json::json!({ "Image": image, "Cmd": ["sleep"] });
    client(daemon).create_container(name, &body).unwrap();
}

pub fn settings() -> Settings {
    let backoff = Backoff { attempts: 6, ..Backoff::default() };
    Settings { backoff, ..Settings::default() }
}

/// One run, in a journal of its own; the journal's lines.
fn run(daemon: &TestDaemon, rules: &KeepRules, clock: &Simulated) -> (RunResult, Vec<Value>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let (journal, _) = Journal::open(&path, JournalLimits::default()).unwrap();
    let mut agent = Agent::new(client(daemon), journal, settings());
    let result = agent.run_once(clock, &mut || Ok(rules.clone()));
    (result, lines(&path))
}

pub fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

fn kinds(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["kind"].as_str().unwrap()).collect()
}

fn left(daemon: &TestDaemon) -> BTreeSet<ImageId> {
    daemon.world().images.iter().map(|image| image.id).collect()
}

#[test]
fn without_rules_one_request_prunes() {
    let daemon = TestDaemon::builder().start().unwrap();
    let used = image(&daemon, 1, "", &["used:1"]);
    let unused = image(&daemon, 2, "", &["unused:1", "unused:2"]);
    container(&daemon, "one", "used:1");
    let (result, lines) = run(&daemon, &KeepRules::new(), &Simulated::new());
    assert_eq!((result.outcome, result.attempts), (Outcome::Done, 1), "{result:?}");
    assert_eq!(result.deleted, [unused.to_string()]);
    assert_eq!(result.untagged, ["unused:1", "unused:2"]);
    assert_eq!(left(&daemon), BTreeSet::from([used]));
    assert_eq!(kinds(&lines), ["plan", "result"]);
    assert_eq!(lines[0]["delete"], serde_json::json!([unused]));
    assert_eq!(lines[1]["kept"][0]["why"]["kind"], "container");
    assert_eq!(lines[0]["run"], lines[1]["run"]);
}

#[test]
fn nothing_to_delete_is_nothing_asked() {
    let daemon =
        TestDaemon::builder().fault("POST /images/prune status=500".parse().unwrap()).start().unwrap();
    let (result, _) = run(&daemon, &KeepRules::new(), &Simulated::new());
    assert_eq!((result.outcome, result.attempts), (Outcome::Done, 1));
}

#[test]
fn with_rules_each_deletion_is_a_step() {
    // A prune would be refused: nobody asks for one.
    let fault = "POST /images/prune status=500".parse().unwrap();
    let daemon = TestDaemon::builder().fault(fault).start().unwrap();
    let pinned = image(&daemon, 1, r#""keep":"yes""#, &["a:1"]);
    let pattern = image(&daemon, 2, "", &["reg.io/b/c:1", "other:1"]);
    let newest = image(&daemon, 9, "", &["app:3"]);
    let second = image(&daemon, 8, "", &["app:2", "app:two"]);
    let oldest = image(&daemon, 7, "", &["app:1", "apple:1", "app:one"]);
    let needed = image(&daemon, 3, "", &["web:1"]);
    let used = image(&daemon, 4, "", &["used:1"]);
    let bare = image(&daemon, 5, "", &[]);
    container(&daemon, "one", "used:1");
    let rules = KeepRules::new().pattern("reg.io/b/*").unwrap().label("keep").unwrap();
    let rules = rules.needed_by("compose.yml", "services: {web: {image: web:1}}").unwrap();
    // `a`, `used`, `other`, `web` and `apple` have one image each.
    let rules = rules.last(2);
    image(&daemon, 20, "", &["apple:2"]);
    image(&daemon, 21, "", &["apple:3"]);
    let (result, lines) = run(&daemon, &rules, &Simulated::new());
    assert_eq!(result.outcome, Outcome::Done, "{result:?}");
    assert_eq!(
        result.deleted.into_iter().collect::<BTreeSet<_>>(),
        BTreeSet::from([oldest, bare].map(|id| id.to_string()))
    );
    assert_eq!(
        result.untagged.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        ["app:1", "app:one", "apple:1"].into()
    );
    assert!([pinned, pattern, newest, second, needed, used].iter().all(|id| left(&daemon).contains(id)));
    assert_eq!(kinds(&lines), ["plan", "step", "step", "result"]);
    let result = &lines[3];
    let why = |id: ImageId| {
        let kept = result["kept"].as_array().unwrap();
        kept.iter().find(|kept| kept["id"] == id.to_string()).unwrap()["why"]["kind"].clone()
    };
    let kinds = [pinned, pattern, newest, second, needed, used].map(why);
    // The first rule that keeps an image is the reason, in the order of the flags.
    assert_eq!(kinds, ["keep_label", "keep_pattern", "keep_last", "keep_last", "needed_by", "keep_last"]);
    assert_eq!(lines[0]["delete"], result["deleted"], "nothing but the plan");
}

/// Changes all but the first image right before the first deletion.
struct Changing {
    daemon: Arc<TestDaemon>,
    order: Vec<ImageId>,
}

impl Script for Changing {
    fn before(&mut self, _: usize, request: &str) {
        if request.starts_with(&format!("DELETE /images/{}", self.order[0])) {
            let reference = Reference::parse("new:1", &SEMANTICS).unwrap();
            self.daemon.stores().references.add_tag(reference, self.order[1]).unwrap();
            container(&self.daemon, "late", &self.order[2].to_string());
        }
    }

    fn after(&mut self, _: usize, _: &str, _: &mut Vec<u8>) {}
}

#[test]
fn what_has_changed_since_the_plan_stays() {
    let daemon = Arc::new(TestDaemon::builder().start().unwrap());
    let mut order: Vec<_> =
        (0..3).map(|number| image(&daemon, number, "", &[&format!("a{number}:1")])).collect();
    order.sort();
    let script = Changing { daemon: Arc::clone(&daemon), order: order.clone() };
    let between = Between::start(daemon.socket().unwrap(), script);
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(folder.path().join("j"), JournalLimits::default()).unwrap();
    let client = Client::new(Host::parse(&between.host()).unwrap()).unwrap();
    let rules = KeepRules::new().pattern("nothing").unwrap();
    let result =
        Agent::new(client, journal, settings()).run_once(&Simulated::new(), &mut || Ok(rules.clone()));
    between.end();
    assert_eq!(result.outcome, Outcome::Partial, "{result:?}");
    assert_eq!(result.deleted, [order[0].to_string()]);
    let why: Vec<_> = result.skipped.iter().map(|skipped| (skipped.image, skipped.why.clone())).collect();
    assert_eq!(why[0].0, order[1]);
    assert!(why[0].1.starts_with("its references have changed to [a"), "{why:?}");
    assert!(why[0].1.contains("new:1]"), "{why:?}");
    assert_eq!(why[1].0, order[2]);
    assert!(why[1].1.contains("uses it by now"), "{why:?}");
}

#[test]
fn unnamed_parents_go_as_steps_of_their_own_unless_a_rule_keeps_them() {
    let daemon = TestDaemon::builder().start().unwrap();
    let pinned = image(&daemon, 1, r#""keep":"1""#, &[]);
    let parent = image(&daemon, 2, "", &[]);
    let child = image(&daemon, 3, "", &["a:1"]);
    daemon.stores().images.set_parent(parent, pinned).unwrap();
    daemon.stores().images.set_parent(child, parent).unwrap();
    let (result, _) = run(&daemon, &KeepRules::new().label("keep").unwrap(), &Simulated::new());
    assert_eq!(result.deleted, [child.to_string(), parent.to_string()]);
    assert_eq!(left(&daemon), BTreeSet::from([pinned]));
}

#[test]
fn a_busy_daemon_is_asked_again_and_no_second_prune_runs() {
    let fault = "POST /images/prune status=409 message=busy times=3".parse().unwrap();
    let daemon = TestDaemon::builder().fault(fault).start().unwrap();
    image(&daemon, 1, "", &[]);
    let clock = Simulated::new();
    let (result, lines) = run(&daemon, &KeepRules::new(), &clock);
    assert_eq!((result.outcome, result.attempts), (Outcome::Done, 4));
    assert_eq!(kinds(&lines), ["plan", "retry", "plan", "retry", "plan", "retry", "plan", "result"]);
    let sleeps = clock.sleeps();
    for (sleep, seconds) in sleeps.iter().zip([2, 4, 8]) {
        assert!(
            *sleep >= Duration::from_secs(seconds) / 2 && *sleep <= Duration::from_secs(seconds),
            "{sleeps:?}"
        );
    }
}

#[test]
fn an_answer_that_is_lost_is_not_a_prune_that_is_lost() {
    for fault in ["POST /images/prune cut=after times=1", "POST /images/prune cut=middle times=1"] {
        let daemon = TestDaemon::builder().fault(fault.parse().unwrap()).start().unwrap();
        let id = image(&daemon, 1, "", &["a:1"]);
        let (result, _) = run(&daemon, &KeepRules::new(), &Simulated::new());
        assert_eq!((result.outcome, result.attempts), (Outcome::Done, 2), "{fault}: {result:?}");
        assert_eq!(result.unconfirmed, [id.to_string()]);
        assert!(result.deleted.is_empty() && left(&daemon).is_empty());
    }
    let daemon =
        TestDaemon::builder().fault("DELETE /images/** cut=after times=1".parse().unwrap()).start().unwrap();
    let ids: BTreeSet<_> = (0..3).map(|number| image(&daemon, number, "", &[]).to_string()).collect();
    let (result, _) = run(&daemon, &KeepRules::new().label("x").unwrap(), &Simulated::new());
    assert_eq!((result.outcome, result.attempts, result.unconfirmed.len()), (Outcome::Done, 2, 1));
    assert_eq!(result.deleted.into_iter().chain(result.unconfirmed).collect::<BTreeSet<_>>(), ids);
}

#[test]
fn a_daemon_that_cannot_be_read_is_not_pruned() {
    for (fault, attempts) in [
        ("GET /images/json cut=middle", 6),
        ("GET /images/*/json status=500", 6),
        ("GET /info status=503", 6),
        ("GET /version status=400", 1),
        ("* /** cut=before", 6),
    ] {
        let daemon = TestDaemon::builder().fault(fault.parse().unwrap()).start().unwrap();
        image(&daemon, 1, "", &[]);
        let (result, lines) = run(&daemon, &KeepRules::new(), &Simulated::new());
        assert_eq!((result.outcome, result.attempts), (Outcome::Failed, attempts), "{fault}: {result:?}");
        assert!(result.error.is_some());
        assert_eq!(left(&daemon).len(), 1, "{fault}");
        assert_eq!(*kinds(&lines).last().unwrap(), "result");
        assert!(!kinds(&lines).contains(&"plan"));
    }
}

/// Which request is the one that takes too long does not matter: on a busy machine it may be another than that which is
/// never answered.
#[test]
fn a_daemon_that_never_answers_is_not_pruned() {
    for fault in ["GET /containers/json delay=9999h", "GET /info delay=9999h", "* /** delay=9999h"] {
        let daemon = TestDaemon::builder().fault(fault.parse().unwrap()).start().unwrap();
        image(&daemon, 1, "", &[]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        let (journal, _) = Journal::open(&path, JournalLimits::default()).unwrap();
        let client = client_of(&daemon.host(), Duration::from_millis(50));
        let mut agent = Agent::new(client, journal, settings());
        let result = agent.run_once(&Simulated::new(), &mut || Ok(KeepRules::new()));
        assert_eq!((result.outcome, result.attempts), (Outcome::Failed, 6), "{fault}: {result:?}");
        assert!(result.error.unwrap().contains("no answer for 0.05 seconds"), "{fault}");
        assert_eq!(left(&daemon).len(), 1, "{fault}");
        assert!(!kinds(&lines(&path)).contains(&"plan"));
    }
}

/// A request without an answer may have been carried out: the next plan looks. All others are answered at once.
#[test]
fn a_deletion_that_is_never_answered_is_planned_anew() {
    let never_answered = |fault: &str, rules: &KeepRules| {
        let daemon = TestDaemon::builder().fault(fault.parse().unwrap()).start().unwrap();
        let ids: BTreeSet<_> = (0..3).map(|number| image(&daemon, number, "", &[]).to_string()).collect();
        let folder = tempfile::tempdir().unwrap();
        let (journal, _) = Journal::open(folder.path().join("j"), JournalLimits::default()).unwrap();
        // The shortest time that a busy machine never takes for an answer.
        let client = client_of(&daemon.host(), Duration::from_secs(30));
        let result =
            Agent::new(client, journal, settings()).run_once(&Simulated::new(), &mut || Ok(rules.clone()));
        assert_eq!((result.outcome, result.attempts), (Outcome::Done, 2), "{fault}: {result:?}");
        assert!(result.error.unwrap().contains("no answer for 30 seconds"), "{fault}");
        assert_eq!(result.deleted.into_iter().chain(result.unconfirmed).collect::<BTreeSet<_>>(), ids);
        assert!(left(&daemon).is_empty());
    };
    // Both wait at the same time.
    std::thread::scope(|scope| {
        let rules = KeepRules::new().label("x").unwrap();
        scope.spawn(move || never_answered("DELETE /images/** delay=9999h times=1", &rules));
        never_answered("POST /images/prune delay=9999h times=1", &KeepRules::new());
    });
}

#[test]
fn a_daemon_that_is_away_is_no_crash() {
    let daemon = TestDaemon::builder().start().unwrap();
    let client = client(&daemon);
    drop(daemon);
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(folder.path().join("j"), JournalLimits::default()).unwrap();
    let result =
        Agent::new(client, journal, settings()).run_once(&Simulated::new(), &mut || Ok(KeepRules::new()));
    assert_eq!((result.outcome, result.attempts), (Outcome::Failed, 6));
    assert!(result.error.unwrap().contains("cannot reach unix://"));
}

#[test]
fn rules_that_cannot_be_read_keep_everything() {
    let daemon = TestDaemon::builder().start().unwrap();
    image(&daemon, 1, "", &[]);
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(folder.path().join("j"), JournalLimits::default()).unwrap();
    let mut agent = Agent::new(client(&daemon), journal, settings());
    let mut rules = || KeepRules::new().needed_by("compose.yml", "no compose file");
    let result = agent.run_once(&Simulated::new(), &mut rules);
    assert!(result.error.unwrap().starts_with("compose.yml: "));
    assert_eq!((result.outcome, left(&daemon).len()), (Outcome::Failed, 1));
}

#[test]
fn a_stop_ends_a_run_with_its_result_in_the_journal() {
    let fault = "POST /images/prune status=500".parse().unwrap();
    let daemon = TestDaemon::builder().fault(fault).start().unwrap();
    image(&daemon, 1, "", &[]);
    let (result, lines) = run(&daemon, &KeepRules::new(), &Simulated::stopping_after(2));
    assert_eq!((result.outcome, result.attempts), (Outcome::Stopped, 2));
    assert_eq!(kinds(&lines), ["plan", "retry", "plan", "retry", "result"]);
    let (result, _) = run(&daemon, &KeepRules::new().last(0), &Simulated::stopping_after(0));
    assert_eq!((result.outcome, result.deleted.len(), left(&daemon).len()), (Outcome::Stopped, 0, 1));
}

#[test]
fn metrics_are_prometheus_text() {
    let daemon = TestDaemon::builder().start().unwrap();
    let (result, _) = run(&daemon, &KeepRules::new(), &Simulated::new());
    let mut metrics = Metrics::default();
    let empty = metrics.to_text();
    metrics.count(&result);
    let text = metrics.to_text();
    for line in ["image_prune_runs_total{outcome=\"done\"} 1", "image_prune_runs_total{outcome=\"failed\"} 0"]
    {
        assert!(text.lines().any(|found| found == line), "{text}");
    }
    assert!(text.contains("image_prune_last_success_timestamp_seconds 1700000000\n"), "{text}");
    check_with_promtool(&empty);
    check_with_promtool(&text);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("image_prune.prom");
    metrics.write(&file).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    assert!(metrics.write(&folder.path().join("no/such")).is_err());
}

fn check_with_promtool(text: &str) {
    use std::io::Write;
    use std::process::{Command, Stdio};

    let child = Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).spawn();
    let Ok(mut child) = child else {
        println!("skipped: there is no promtool to check the metrics with");
        return;
    };
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_endpoint_answers_on_loopback_alone() {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    assert!(Endpoint::listen("0.0.0.0:0".parse().unwrap()).is_err());
    let endpoint = Endpoint::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    endpoint.show("up 1\n".to_owned());
    let ask = |request: &str| {
        let mut client = TcpStream::connect(endpoint.address()).unwrap();
        client.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        let _ = client.read_to_string(&mut answer);
        answer
    };
    let answer = ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nup 1\n"), "{answer}");
    assert!(ask("GET /metrics?x=1 HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200"));
    assert!(ask("GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
    assert!(ask("POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
    assert!(ask("\r\n\r\n").starts_with("HTTP/1.1 405"));
    ask(&"x".repeat(20_000));
    assert!(ask("GET /metrics HTTP/1.0\r\n\r\n").ends_with("up 1\n"), "none of them ends it");
}

#[test]
fn reports_wait_for_a_server_that_is_away() {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/reports", listener.local_addr().unwrap());
    // Refuses three times, then takes everything.
    let server = std::thread::spawn(move || {
        let mut bodies = Vec::new();
        for attempt in 0..5 {
            let (mut client, _) = listener.accept().unwrap();
            let mut text = String::new();
            let body = loop {
                let mut piece = [0; 4096];
                let read = client.read(&mut piece).unwrap();
                text += std::str::from_utf8(&piece[..read]).unwrap();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length = head.to_ascii_lowercase();
                let length: usize =
                    length.split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
                if body.len() == length {
                    break body.to_owned();
                }
            };
            let status = if attempt < 3 { "503 Service Unavailable" } else { "204 No Content" };
            write!(client, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
            bodies.push(body);
        }
        bodies
    });
    let daemon = TestDaemon::builder().start().unwrap();
    let clock = Simulated::new();
    let backoff = Backoff { attempts: 2, ..Backoff::default() };
    let mut reporter = Reporter::new(&url, backoff, 0).unwrap();
    let (first, _) = run(&daemon, &KeepRules::new(), &clock);
    let (second, _) = run(&daemon, &KeepRules::new().last(1), &clock);
    let error = reporter.send(&first, &clock).unwrap_err().to_string();
    assert!(error.contains("status 503"), "{error}");
    reporter.send(&second, &clock).unwrap();
    let bodies = server.join().unwrap();
    let run_of = |body: &String| serde_json::from_str::<Value>(body).unwrap()["run"].clone();
    assert_eq!(bodies[3..].iter().map(run_of).collect::<Vec<_>>(), [first.run.as_str(), second.run.as_str()]);
    for url in ["", "ftp://x", "http://", "https:///x", "x"] {
        assert!(Reporter::new(url, Backoff::default(), 0).is_err(), "{url}");
    }
}
