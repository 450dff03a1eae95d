//! Deletions on a daemon that others use at the same time. Between any two requests of the agent, `clean` and
//! `fit --prune` something happens: no image that a rule keeps, and none with a running container, is lost, but for what
//! the API gives no way to avoid (`src/docs/differences.md`), which is held to exactly that.

pub mod between;
mod live;
mod podman;
mod stage;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use image_prune::ImageId;
use serde_json::Value;

use crate::command::case::command;
use between::{Between, Script};
use stage::{ACTIONS, Action, Facts, GOING, Stage};

/// A command that deletes images of a daemon.
struct Program {
    args: &'static [&'static str],
    /// Whether names and ages keep images, or labels alone.
    has_rules: bool,
    /// Whether images have layers; without them a daemon is asked less.
    has_layers: bool,
    /// Of its answer: what went, what may be gone, what is said to stay, containers that came too late.
    report: fn(&Value, &Path) -> Report,
}

struct Report {
    deleted: Vec<String>,
    unconfirmed: Vec<String>,
    kept: Vec<String>,
    late_containers: Vec<String>,
}

const AGENT: Program = Program {
    args: &[
        "agent",
        "--once",
        "--journal",
        "journal",
        "--keep-label",
        "keep",
        "--keep",
        "precious",
        "--keep-last",
        "1",
    ],
    has_rules: true,
    has_layers: false,
    report: |answer, folder| {
        // The journal says the same.
        let journal = std::fs::read_to_string(folder.join("journal")).unwrap();
        let last: Value = serde_json::from_str(journal.lines().last().unwrap()).unwrap();
        assert_eq!(last, *answer);
        of(answer, &answer["kept"])
    },
};

const CLEAN: Program = Program {
    args: &[
        "clean",
        "--images",
        "-a",
        "-f",
        "--keep-label",
        "keep",
        "--keep",
        "precious",
        "--keep-last",
        "1",
    ],
    has_rules: true,
    has_layers: false,
    report: |answer, _| {
        let mut report = of(&answer["done"], &answer["plan"]["images"]["kept"]);
        report.deleted = strings(&answer["done"]["images"]);
        report
    },
};

const FIT: Program = Program {
    args: &["fit", "wanted.json", "--prune", "--filter", "label!=keep", "--min-free", "6000TB"],
    has_rules: false,
    has_layers: true,
    report: |answer, _| of(&answer["prune"]["done"], &Value::Null),
};

fn of(done: &Value, kept: &Value) -> Report {
    let each = |list: &Value, key: &str| {
        let list = list.as_array().into_iter().flatten();
        list.map(|item| item[key].as_str().unwrap().to_owned()).collect()
    };
    Report {
        deleted: strings(&done["deleted"]),
        unconfirmed: strings(&done["unconfirmed"]),
        kept: each(kept, "id"),
        late_containers: each(&done["late_containers"], "container"),
    }
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().map(|item| item.as_str().unwrap().to_owned()).collect()
}

/// What `fit` is asked about: an image of one small layer.
const WANTED: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
    "config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":2,
        "digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},
    "layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","size":100,
        "digest":"sha256:0000000000000000000000000000000000000000000000000000000000000001"}]}"#;

/// A deletion of an image, with everything as it was when the daemon got the request, and what it took.
struct Taken {
    number: usize,
    request: String,
    before: BTreeMap<ImageId, Facts>,
    lost: BTreeSet<ImageId>,
}

/// Acts before one request, and watches the deletions.
struct Act {
    stage: Arc<Stage>,
    action: Action,
    at: usize,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    requests: Vec<String>,
    taken: Vec<Taken>,
}

impl Script for Act {
    fn before(&mut self, number: usize, request: &str) {
        if number == self.at {
            (self.action.act)(&self.stage);
        }
        let mut seen = self.seen.lock().unwrap();
        seen.requests.push(request.to_owned());
        if is_deletion(request) {
            let (request, before) = (request.to_owned(), self.stage.now());
            seen.taken.push(Taken { number, request, before, lost: BTreeSet::new() });
        }
    }

    fn after(&mut self, _: usize, request: &str, _: &mut Vec<u8>) {
        if is_deletion(request) {
            let now = self.stage.now();
            let mut seen = self.seen.lock().unwrap();
            let taken = seen.taken.last_mut().unwrap();
            taken.lost = taken.before.keys().filter(|id| !now.contains_key(id)).copied().collect();
        }
    }
}

fn is_deletion(request: &str) -> bool {
    request.starts_with("DELETE /images/") || request.starts_with("POST /images/prune")
}

/// What came of a run.
struct Outcome {
    requests: Vec<String>,
    taken: Vec<Taken>,
    lost: BTreeSet<ImageId>,
    stage: Arc<Stage>,
}

/// Runs the program with something happening before the request `at`.
fn run(program: &Program, action: Action, at: usize) -> Outcome {
    let stage = Stage::new(program.has_layers);
    let seen = Arc::new(Mutex::new(Seen::default()));
    let script = Act { stage: Arc::clone(&stage), action, at, seen: Arc::clone(&seen) };
    let between = Between::start(stage.daemon.socket().unwrap(), script);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("wanted.json"), WANTED).unwrap();
    let output = command(folder.path())
        .args(program.args)
        .args(["--host", &between.host(), "--format", "json"])
        .output()
        .unwrap();
    between.end();
    let what = format!("{} before request {at} of {}", action.name, program.args[0]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let answer: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{what}: {error}: {stderr}"));
    let report = (program.report)(&answer, folder.path());
    let seen = Arc::into_inner(seen).unwrap().into_inner().unwrap();
    let mut lost = BTreeSet::new();
    for taken in &seen.taken {
        check(
            program,
            taken,
            at,
            &report,
            &format!("{what}: {taken:?}: {:?}: {answer}: {stderr}", seen.requests),
        );
        lost.extend(taken.lost.iter().copied());
    }
    let told: BTreeSet<String> = report.deleted.iter().cloned().collect();
    assert_eq!(told, lost.iter().map(ToString::to_string).collect(), "{what}: {answer}: {stderr}");
    assert!(report.unconfirmed.is_empty(), "{what}: {answer}");
    assert!(!report.kept.iter().any(|id| told.contains(id)), "{what}: {answer}");
    Outcome { requests: seen.requests, taken: seen.taken, lost, stage }
}

fn check(program: &Program, taken: &Taken, at: usize, report: &Report, what: &str) {
    let is_gap = taken.number == at;
    for lost in &taken.lost {
        let facts = &taken.before[lost];
        assert!(!facts.has_label && facts.running == 0 && !facts.has_children, "{what}");
        // The one gap that is left: behind the last look.
        let is_kept = program.has_rules && (facts.has_kept_name || facts.is_newest);
        assert!(!is_kept || is_gap, "{what}");
        // Containers are looked at before the references.
        assert!(facts.containers.is_empty() || is_gap || taken.number == at + 1, "{what}");
        assert!(facts.containers.iter().all(|id| report.late_containers.contains(id)), "{what}");
    }
}

/// By ID, nothing else along, and force for several references alone.
fn check_request(taken: &Taken, at: usize) {
    let what = format!("{taken:?}");
    let name = taken.request.strip_prefix("DELETE /images/").expect(&what);
    let (name, query) = name.split_once('?').expect(&what);
    let id: ImageId = name.parse().unwrap_or_else(|_| panic!("not by an ID: {what}"));
    assert!(query.contains("noprune=1"), "{what}");
    assert!(taken.lost.iter().all(|lost| *lost == id), "{what}");
    let is_gap = taken.number == at;
    let is_forced = query.contains("force=1");
    assert!(
        !is_forced || taken.before.get(&id).is_none_or(|facts| facts.names.len() > 1 || is_gap),
        "{what}"
    );
    // Nothing else goes where a container is in the way.
    let has_containers = taken.before.get(&id).is_some_and(|facts| !facts.containers.is_empty());
    assert!(is_forced || !has_containers || taken.lost.is_empty(), "{what}");
}

impl std::fmt::Debug for Taken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "request {} {} took {:?}", self.number, self.request, self.lost)
    }
}

/// Everything is read before a plan is made, one request an image; what happens meanwhile is in the plan or is seen at
/// the next look. There each action has a share of the points, and together they have all.
const SHARES: usize = 5;

fn interleave(program: &Program) {
    let (mut runs, mut losing) = (0, 0);
    let Outcome { requests, lost, stage, .. } = run(program, ACTIONS[0], 0);
    let goes: BTreeSet<ImageId> = GOING.map(|name| stage.id(name)).into();
    assert!(if program.has_rules { lost == goes } else { lost.is_superset(&goes) }, "{lost:?}");
    assert!(!lost.contains(&stage.id("labelled")) && !lost.contains(&stage.id("running")));
    let planned = requests.iter().take_while(|request| !is_deletion(request)).count() - 2;
    for (place, action) in ACTIONS.iter().enumerate() {
        for at in (0..).filter(|at| *at >= planned || at % SHARES == place % SHARES) {
            let Outcome { requests, lost, taken, .. } = run(program, *action, at);
            for taken in &taken {
                check_request(taken, at);
            }
            (runs, losing) = (runs + 1, losing + usize::from(!lost.is_empty()));
            // Behind the last deletion nothing can be lost.
            if at > requests.iter().rposition(|request| is_deletion(request)).unwrap_or(requests.len()) + 1 {
                break;
            }
        }
    }
    // Something went in most of them, so that something could have gone wrong.
    assert!(runs > ACTIONS.len() * 12 && losing * 3 > runs * 2, "{runs} {losing}");
}

#[test]
fn the_agent_loses_nothing_whatever_happens_between_its_requests() {
    interleave(&AGENT);
}

#[test]
fn clean_loses_nothing_whatever_happens_between_its_requests() {
    interleave(&CLEAN);
}

#[test]
fn fit_loses_nothing_whatever_happens_between_its_requests() {
    interleave(&FIT);
}

/// Field case 11: the tag moves while its deletion is on the way, and the image behind it was kept by its label.
#[test]
fn a_tag_that_moves_takes_no_kept_image_along() {
    let deploy = Action {
        name: "somebody deploys the labelled image",
        act: |stage| {
            stage.tag("labelled", "app", "1");
            stage.untag("new:1");
        },
    };
    for program in [&AGENT, &CLEAN, &FIT] {
        let Outcome { requests, .. } = run(program, ACTIONS[0], 0);
        let first = requests.iter().position(|request| is_deletion(request)).unwrap();
        for at in first - 3..requests.len() {
            let Outcome { lost, stage, .. } = run(program, deploy, at);
            assert!(!lost.contains(&stage.id("labelled")));
            assert!(stage.now()[&stage.id("labelled")].names.contains(&"app:1".to_owned()));
        }
    }
}
