//! What may come out where threads meet: each test runs under thousands of interleavings, chosen from fixed
//! seeds, and the set of outcomes must be the one written down. Where moby checks first and deletes later, the
//! outcomes that this allows are among them (P-15).
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test --target-dir target/shuttle --test proptests interleavings`; a failure
//! prints a schedule, which `shuttle::replay` runs again.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use image_prune::cancel::Never;
use image_prune::event::{EventLog, EventSink, ImageEvent, Recorder};
use image_prune::graph::delete::Extent;
use image_prune::graph::select::Order;
use image_prune::graph::store::{
    Container, ContainerState, ContainerStore, ImageStore, LayerHandle, LayerStore, ReferenceStore, Stores,
};
use image_prune::graph::usage::usage;
use image_prune::graph::{Engine, PruneReport};
use image_prune::{
    ChainId, ContainerId, DiffId, Digest, Filters, ImageId, Now, Record, Reference, Result, Semantics,
    Timestamp, World,
};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::sync::atomic::{AtomicBool, Ordering};
use shuttle::{Config, Runner, thread};

mod containerd;
mod linear;
mod shared;

const SEMANTICS: Semantics = Semantics::MOBY_20_10;
const ALL: &str = r#"{"dangling":["false"]}"#;
const DANGLING: &str = "";

/// The outcomes of `test` under so many random interleavings, and as many with few switches.
fn outcomes<T: Ord + Send + 'static>(
    iterations: usize,
    test: impl Fn() -> T + Send + Sync + 'static,
) -> BTreeSet<T> {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let run = {
        let seen = Arc::clone(&seen);
        Arc::new(move || {
            let outcome = test();
            seen.lock().unwrap().insert(outcome);
        })
    };
    let run = || {
        let run = Arc::clone(&run);
        move || run()
    };
    Runner::new(RandomScheduler::new_from_seed(7, iterations), Config::new()).run(run());
    Runner::new(PctScheduler::new_from_seed(7, 3, iterations), Config::new()).run(run());
    std::mem::take(&mut seen.lock().unwrap())
}

#[track_caller]
fn expect<T: Ord + Debug>(outcomes: BTreeSet<T>, expected: impl IntoIterator<Item = T>) {
    assert_eq!(outcomes, expected.into_iter().collect());
}

fn both<A: Send, B: Send>(a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B) {
    thread::scope(|scope| {
        let (a, b) = (scope.spawn(a), scope.spawn(b));
        (a.join().unwrap(), b.join().unwrap())
    })
}

/// A daemon to which threads do things.
struct Daemon {
    engine: Engine<Recorder>,
}

impl Daemon {
    fn new() -> Self {
        Self { engine: Engine::new(Stores::new(&SEMANTICS), SEMANTICS, Recorder::default()) }
    }

    fn stores(&self) -> &Stores {
        self.engine.stores()
    }

    /// Adds an image with these layers, base first. It is the builder that holds them until the image does.
    fn image(&self, name: &str, layers: &[&str]) -> ImageId {
        let held = self.hold(layers);
        let id = self.stores().images.create(config(name, layers)).unwrap();
        for handle in held {
            self.stores().layers.release(handle).unwrap();
        }
        id
    }

    fn hold(&self, layers: &[&str]) -> Vec<LayerHandle> {
        let mut below: Option<ChainId> = None;
        let register = |name: &&str| {
            let handle = self.stores().layers.register(diff(name), below, 10).unwrap();
            below = Some(handle.chain_id());
            handle
        };
        layers.iter().map(register).collect()
    }

    fn tag(&self, name: &str, id: ImageId) -> Result<()> {
        self.stores().references.add_tag(reference(name), id)
    }

    fn container(&self, image: ImageId) -> Result<()> {
        let id = container("c");
        self.stores().containers.create(Container { id, image, running: false, image_mounts: Vec::new() })
    }

    fn prune(&self, filters: &str) -> Result<PruneReport> {
        self.engine.prune(&parsed(filters), now(), &Never)
    }

    fn has(&self, image: ImageId) -> bool {
        self.stores().images.contains(image)
    }

    fn has_tag(&self, name: &str) -> bool {
        self.stores().references.get(&reference(name)).is_some()
    }

    /// Everything agrees, once nobody works any more.
    fn finish(self) {
        self.stores().validate().unwrap();
        assert!(self.prune(ALL).is_ok(), "the guard is free");
        self.stores().validate().unwrap();
    }
}

fn config(name: &str, layers: &[&str]) -> String {
    let diffs: Vec<_> = layers.iter().map(|layer| format!("\"{}\"", diff(layer))).collect();
    format!(r#"{{"author":"{name}","rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#, diffs.join(","))
}

fn diff(name: &str) -> DiffId {
    Digest::of(name.as_bytes()).into()
}

fn container(name: &str) -> ContainerId {
    Digest::of(name.as_bytes()).into()
}

fn reference(name: &str) -> Reference {
    Reference::parse(name, &SEMANTICS).unwrap()
}

fn parsed(filters: &str) -> Filters {
    Filters::parse(filters, &SEMANTICS).unwrap()
}

fn now() -> Now {
    Now::utc(chrono::DateTime::UNIX_EPOCH)
}

/// `U` for a reference, `I` for an image, `L` for a layer.
fn kinds(records: &[Record]) -> String {
    let kind = |record: &Record| match record {
        Record::Untagged(_) => 'U',
        Record::Image(_) => 'I',
        Record::Layer(_) => 'L',
    };
    records.iter().map(kind).collect()
}

fn kinds_of(report: &PruneReport) -> String {
    kinds(&report.images_deleted)
}

/// C1: one prunes, the other is told so, or comes later.
#[test]
fn prunes_exclude_each_other() {
    let seen = outcomes(400, || {
        let daemon = Daemon::new();
        daemon.image("a", &["a"]);
        let answers = both(|| daemon.prune(ALL), || daemon.prune(ALL));
        let told = |answer: Result<PruneReport>| match answer {
            Ok(report) => kinds_of(&report),
            Err(error) => {
                assert!(error.is_conflict());
                error.to_string()
            }
        };
        let mut told = [told(answers.0), told(answers.1)];
        told.sort();
        daemon.finish();
        told
    });
    let running = "a prune operation is already running";
    expect(seen, [["IL".to_owned(), running.to_owned()], [String::new(), "IL".to_owned()]]);
}

/// C2, P-15 (b): a candidate that gets a tag stays whole, or goes and its records tell all. As in moby a tag that
/// comes too late for the last look names an image that is gone.
#[test]
fn prune_meets_tag() {
    let seen = outcomes(600, || {
        let daemon = Daemon::new();
        let image = daemon.image("a", &[]);
        let (report, tagged) = both(|| daemon.prune(DANGLING).unwrap(), || daemon.tag("a:1", image));
        tagged.unwrap();
        let outcome = (daemon.has(image), daemon.has_tag("a:1"), kinds_of(&report));
        daemon.finish();
        outcome
    });
    expect(
        seen,
        [
            (true, true, String::new()),
            (false, true, "I".to_owned()),
            // The tag came between P-5, which found none, and D-6, which found one.
            (false, false, "UI".to_owned()),
        ],
    );
}

/// C2, P-15 (a): a tag that moves meanwhile takes its new image along, and never leaves both behind.
#[test]
fn prune_meets_a_moving_tag() {
    let seen = outcomes(600, || {
        let daemon = Daemon::new();
        let (old, new) = (daemon.image("a", &[]), daemon.image("b", &[]));
        daemon.tag("a:1", old).unwrap();
        let filters = r#"{"dangling":["false"],"label!":["none"]}"#;
        let retag = || daemon.stores().references.retag(reference("a:1"), new).unwrap();
        let (report, lost) = both(|| daemon.prune(filters).unwrap(), retag);
        assert!(lost.is_none_or(|lost| lost == old));
        let images = [old, new].map(|id| daemon.has(id));
        let outcome = (images, daemon.has_tag("a:1"), kinds_of(&report), daemon.engine.events().take().len());
        daemon.finish();
        outcome
    });
    for (images, has_tag, records, _) in &seen {
        let untagged = records.matches('U').count();
        let gone = images.iter().filter(|is_there| !**is_there).count();
        assert_eq!(records.matches('I').count(), gone, "{seen:?}");
        assert!(untagged <= 2 && (*has_tag || untagged > 0), "{seen:?}");
    }
    assert!(seen.len() > 2, "{seen:?}");
}

/// C3, P-15 (c): a container that comes before the last look keeps the image, one that comes later is not seen.
#[test]
fn prune_meets_a_new_container() {
    let seen = outcomes(600, || {
        let daemon = Daemon::new();
        let image = daemon.image("a", &["a"]);
        daemon.tag("a:1", image).unwrap();
        let (report, created) = both(|| daemon.prune(ALL).unwrap(), || daemon.container(image));
        created.unwrap();
        let outcome = (daemon.has(image), daemon.has_tag("a:1"), kinds_of(&report));
        daemon.finish();
        outcome
    });
    expect(
        seen,
        [
            (true, true, String::new()),
            // It came between D-5.1 and D-7.
            (true, false, "U".to_owned()),
            (false, false, "UIL".to_owned()),
        ],
    );
}

/// C3: nor does an image go whose container was there before the prune began.
#[test]
fn prune_never_takes_what_a_container_used_before() {
    let seen = outcomes(400, || {
        let daemon = Daemon::new();
        let (used, free) = (daemon.image("a", &["a", "b"]), daemon.image("b", &["a", "c"]));
        daemon.container(used).unwrap();
        let (report, untagged) = both(|| daemon.prune(ALL).unwrap(), || daemon.tag("b:1", free));
        untagged.unwrap();
        assert!(daemon.has(used));
        daemon.finish();
        kinds_of(&report)
    });
    expect(seen, ["", "IL", "UIL"].map(str::to_owned));
}

/// C4: the image of a container that goes stays whole, or goes whole.
#[test]
fn prune_meets_a_leaving_container() {
    let seen = outcomes(300, || {
        let daemon = Daemon::new();
        let image = daemon.image("a", &["a"]);
        daemon.tag("a:1", image).unwrap();
        daemon.container(image).unwrap();
        let remove = || daemon.stores().containers.remove(container("c"));
        let (report, removed) = both(|| daemon.prune(ALL).unwrap(), remove);
        assert!(removed.is_some());
        let outcome = (daemon.has(image), kinds_of(&report));
        daemon.finish();
        outcome
    });
    expect(seen, [(true, String::new()), (false, "UIL".to_owned())]);
}

/// C5: layers that a new image shares stay, or go once and come back; each that went is counted.
#[test]
fn prune_meets_a_build_on_the_same_layers() {
    let seen = outcomes(600, || {
        let daemon = Daemon::new();
        daemon.image("a", &["base", "a"]);
        let build = || {
            let image = daemon.image("b", &["base", "b"]);
            daemon.tag("b:1", image).unwrap();
            image
        };
        let (report, built) = both(|| daemon.prune(DANGLING).unwrap(), build);
        daemon.stores().validate().unwrap();
        assert_eq!(daemon.stores().layers.len(), if daemon.has(built) { 2 } else { 0 });
        let outcome = (daemon.has(built), kinds_of(&report), report.space_reclaimed);
        daemon.finish();
        outcome
    });
    // Where the new image had no tag yet it went, too; its own layer was there when the images were listed, so that
    // it counts (P-3).
    for (is_built, records, bytes) in &seen {
        assert_eq!(*bytes, 10 * records.matches('L').count() as u64, "{seen:?}");
        assert_eq!(records.matches('I').count(), if *is_built { 1 } else { 2 }, "{seen:?}");
    }
    for outcome in [(true, "IL".to_owned(), 10), (true, "ILL".to_owned(), 20)] {
        assert!(seen.contains(&outcome), "{seen:?}");
    }
}

/// C6: who lists or asks for the usage meanwhile is never told of corruption, and sees no half of an image.
#[test]
fn prune_meets_readers() {
    let seen = outcomes(600, || {
        let daemon = Daemon::new();
        let image = daemon.image("a", &["base", "a", "more"]);
        daemon.tag("b:1", daemon.image("b", &["base", "b"])).unwrap();
        let (_, read) = both(
            || daemon.prune(DANGLING).unwrap(),
            || {
                let listed = daemon.stores().images.ids(false).len();
                let inspected = daemon.stores().images.get(image).is_ok();
                let usage = usage(daemon.stores(), &SEMANTICS).unwrap();
                assert!(listed >= usage.images.len());
                assert!(inspected || usage.images.len() == 1);
                let mut sizes: Vec<_> = usage.images.iter().map(|image| image.size).collect();
                sizes.sort_unstable();
                (sizes, usage.layers_size)
            },
        );
        daemon.finish();
        read
    });
    expect(seen, [(vec![20], 20), (vec![20, 30], 40)]);
}

/// C7: who comes first deletes; what went is told once.
#[test]
fn prune_meets_a_removal_of_the_same_image() {
    let seen = outcomes(600, || {
        let daemon = Daemon::new();
        let image = daemon.image("a", &["a"]);
        let remove = || daemon.engine.delete(&image.to_string(), Extent { force: false, prune: true });
        let (report, removed) = both(|| daemon.prune(DANGLING).unwrap(), remove);
        assert!(!daemon.has(image));
        let told = match removed {
            Ok(records) => kinds(&records),
            Err(error) => error.to_string().replace(&image.to_string(), "ID"),
        };
        let events = daemon.engine.events().take();
        let deletions = events.iter().filter(|event| matches!(event, ImageEvent::Delete(_))).count();
        assert_eq!(deletions, 1);
        daemon.finish();
        (kinds_of(&report), told)
    });
    expect(
        seen,
        [
            (String::new(), "IL".to_owned()),
            ("IL".to_owned(), "No such image: ID".to_owned()),
            // Both found it free; the image store let one of them have it.
            ("IL".to_owned(), "unrecognized image ID ID".to_owned()),
        ],
    );
}

/// C8, P-15 (d): a parent with a new child stays where the check sees the child; otherwise the child is an orphan,
/// and never has a parent that is gone.
#[test]
fn prune_meets_a_new_child() {
    let seen = outcomes(600, || {
        let daemon = Daemon::new();
        let parent = daemon.image("parent", &[]);
        let child = daemon.image("child", &[]);
        daemon.stores().images.set_parent(child, parent).unwrap();
        let new = daemon.image("new", &[]);
        daemon.tag("new:1", new).unwrap();
        let join = || daemon.stores().images.set_parent(new, parent);
        let (report, joined) = both(|| daemon.prune(DANGLING).unwrap(), join);
        let has_parent = daemon.stores().images.parent(new).is_some();
        let outcome = (joined.is_ok(), has_parent, daemon.has(parent), kinds_of(&report));
        daemon.finish();
        outcome
    });
    expect(
        seen,
        [
            (true, true, true, "I".to_owned()),
            (false, false, false, "II".to_owned()),
            (true, false, false, "II".to_owned()),
        ],
    );
}
