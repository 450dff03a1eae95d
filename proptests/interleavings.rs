//! What may come out where threads meet: each test runs under thousands of interleavings, chosen from fixed
//! seeds, and the set of outcomes must be the one written down. Where moby checks first and deletes later, the
//! outcomes that this allows are among them (SPEC.md P-15).
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test --target-dir target/shuttle --test proptests interleavings`; a failure
//! prints a schedule, which `shuttle::replay` runs again.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use image_prune::cancel::Never;
use image_prune::delete::Extent;
use image_prune::event::{EventLog, EventSink, ImageEvent, Recorder};
use image_prune::select::Order;
use image_prune::store::{
    Container, ContainerState, ContainerStore, ImageStore, LayerHandle, LayerStore, ReferenceStore, Stores,
};
use image_prune::usage::usage;
use image_prune::{
    ChainId, ContainerId, DiffId, Digest, Engine, ImageId, Now, PruneReport, Record, Reference, Result,
    Semantics, Timestamp, World,
};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::sync::atomic::{AtomicBool, Ordering};
use shuttle::{Config, Runner, thread};

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
        self.engine.prune(filters, now(), &Never)
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
        let own = ChainId::on(Some(ChainId::on(None, diff("base"))), diff("b"));
        let has_new_layer = report.images_deleted.contains(&Record::Layer(own));
        let outcome = (daemon.has(built), kinds_of(&report), has_new_layer, report.space_reclaimed);
        daemon.finish();
        outcome
    });
    // Where the new image had no tag yet it went, too; its own layer counts if it was there when the prune began
    // (P-3), as in moby.
    for (is_built, records, has_new_layer, bytes) in &seen {
        let layers = 10 * records.matches('L').count() as u64;
        assert!(*bytes == layers || (*has_new_layer && *bytes == layers - 10), "{seen:?}");
        assert_eq!(records.matches('I').count(), if *is_built { 1 } else { 2 }, "{seen:?}");
    }
    for outcome in [(true, "IL".to_owned(), false, 10), (true, "ILL".to_owned(), false, 20)] {
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

/// C9: whoever takes the locks of several stores takes them in one order.
#[test]
fn locks_are_taken_in_one_order() {
    outcomes(200, || {
        let daemon = Daemon::new();
        let image = daemon.image("a", &["base", "a"]);
        daemon.tag("a:1", image).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| daemon.prune(ALL).unwrap());
            scope.spawn(|| {
                let built = daemon.image("b", &["base", "b"]);
                let _moved = daemon.stores().references.retag(reference("a:1"), built);
                drop(daemon.stores().images.delete(built));
            });
            scope.spawn(|| {
                drop(daemon.stores().copy());
                drop(usage(daemon.stores(), &SEMANTICS));
                drop(daemon.stores().to_world());
                drop(daemon.stores().layers.sizes());
            });
        });
        daemon.finish();
    });
}

/// C10: a subscriber hears the past and all that comes, each event once and in order.
#[test]
fn subscriber_meets_publisher() {
    let seen = outcomes(300, || {
        let log = EventLog::new(|| Timestamp::ZERO);
        let publish = || (1..=3).for_each(|number| log.publish(ImageEvent::Prune(number)));
        let listen = || {
            let (_, evicted) = log.subscribe();
            let (past, live) = log.subscribe();
            drop(evicted);
            (past, live)
        };
        let ((), (past, live)) = both(publish, listen);
        let past_count = past.len();
        let heard = past.into_iter().chain(std::iter::from_fn(|| live.try_next()));
        let heard: Vec<_> = heard.map(|event| event.attribute("reclaimed").unwrap().to_owned()).collect();
        assert_eq!(heard, ["1", "2", "3"]);
        assert_eq!(log.subscribers(), 1);
        past_count
    });
    expect(seen, 0..=3);
}

/// C10: one that does not listen loses events, holds nobody up for ever, and keeps no more than its buffer.
#[test]
fn slow_subscriber_meets_publishers() {
    let seen = outcomes(300, || {
        let log = EventLog::new(|| Timestamp::ZERO);
        let (_, slow) = log.subscribe();
        let publish = |numbers: [u64; 3]| numbers.map(|number| log.publish(ImageEvent::Prune(number)));
        let (_, first) = both(
            || {
                publish([1, 2, 3]);
                publish([4, 5, 6]);
            },
            || slow.try_next(),
        );
        let heard = first.into_iter().chain(std::iter::from_fn(|| slow.try_next()));
        let heard: Vec<u64> =
            heard.map(|event| event.attribute("reclaimed").unwrap().parse().unwrap()).collect();
        assert!(heard.is_sorted() && heard.starts_with(&[1, 2, 3]), "{heard:?}");
        assert_eq!(log.history().len(), 3);
        heard.len()
    });
    expect(seen, 3..=4);
}

/// C11: no entry of a map is held while another is asked for in the other order.
#[test]
fn containers_come_and_go() {
    outcomes(200, || {
        let stores = Stores::new(&SEMANTICS);
        let images = ["a", "b"].map(|name| ImageId::of(name.as_bytes()));
        let create = |name: &str, image: usize| {
            let image_mounts = vec![images[1 - image]];
            let made = Container { id: container(name), image: images[image], running: true, image_mounts };
            stores.containers.create(made)
        };
        create("old", 0).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                create("new", 1).unwrap();
                stores.containers.remove(container("old"));
            });
            scope.spawn(|| {
                stores.containers.set_running(container("old"), false);
                stores.containers.set_running(container("new"), false);
                stores.containers.remove(container("new"));
            });
            scope.spawn(|| {
                for image in images {
                    let users = stores.containers.users(image);
                    assert!(users.running.is_none() || users.stopped.is_none());
                    assert!(stores.containers.count(image) <= 2);
                    let _any = stores.containers.first(image, ContainerState::Any);
                    let _mounting = stores.containers.first_mounting(image);
                }
                assert!(stores.containers.containers().len() <= 2);
            });
        });
        stores.validate().unwrap();
    });
}

/// C12: lists are of one moment. A writer that always leaves one image or two is never caught with none or three,
/// and what is copied meanwhile is a state that was.
#[test]
fn snapshots_are_of_one_moment() {
    let seen = outcomes(300, || {
        let daemon = Daemon::new();
        let first = daemon.image("0", &["base", "0"]);
        daemon.tag("a:1", first).unwrap();
        let write = || {
            let mut last = first;
            for (name, layers) in [("1", ["base", "1"]), ("2", ["base", "2"])] {
                let next = daemon.image(name, &layers);
                daemon.stores().references.retag(reference("a:1"), next).unwrap();
                daemon.stores().images.delete(last).unwrap();
                last = next;
            }
        };
        let read = || {
            let listed = daemon.stores().images.ids(false).len();
            assert_eq!(daemon.stores().references.all().len(), 1);
            let copy = daemon.stores().copy();
            copy.validate().unwrap();
            let engine = Engine::new(copy, SEMANTICS, Recorder::default());
            let report = engine.prune(ALL, now(), &Never).unwrap();
            assert_eq!(report.skipped, []);
            listed
        };
        let ((), listed) = both(write, read);
        daemon.finish();
        listed
    });
    expect(seen, 1..=2);
}

/// C13: whenever the caller gives up, the report is what happened.
#[test]
fn cancellation_meets_the_last_deletion() {
    let seen = outcomes(300, || {
        let daemon = Daemon::new();
        let images = ["a", "b"].map(|name| daemon.image(name, &[name]));
        let gave_up = AtomicBool::new(false);
        let cancel = || gave_up.load(Ordering::SeqCst);
        let (answer, ()) =
            both(|| daemon.engine.prune(ALL, now(), &cancel), || gave_up.store(true, Ordering::SeqCst));
        let gone = images.iter().filter(|image| !daemon.has(**image)).count();
        let outcome = match answer {
            Ok(report) => {
                assert_eq!(kinds_of(&report), "IL".repeat(gone));
                assert_eq!(report.space_reclaimed, 10 * gone as u64);
                Some((gone, report.cancelled))
            }
            Err(error) => {
                assert!(error.is_cancelled() && gone == 0);
                None
            }
        };
        daemon.finish();
        outcome
    });
    expect(seen, [None, Some((0, true)), Some((1, true)), Some((2, false))]);
}

/// Calls of the stores, each of which happens at one moment.
#[derive(Debug, Clone, Copy)]
enum Call {
    Create(&'static str),
    Delete(&'static str),
    Adopt(&'static str, &'static str),
    Tag(&'static str),
    Retag(&'static str),
    Untag,
    Start,
    Stop,
    List,
}

impl Call {
    const ALL: [Self; 12] = [
        Self::Create("a"),
        Self::Create("b"),
        Self::Delete("a"),
        Self::Delete("b"),
        Self::Adopt("a", "b"),
        Self::Adopt("b", "a"),
        Self::Tag("a"),
        Self::Retag("b"),
        Self::Untag,
        Self::Start,
        Self::Stop,
        Self::List,
    ];

    /// What the caller is told.
    fn run(self, daemon: &Daemon) -> String {
        let stores = daemon.stores();
        let id = |name: &str| ImageId::of(config(name, &["base", name]).as_bytes());
        let told = |result: Result<String>| result.unwrap_or_else(|error| error.to_string());
        match self {
            Self::Create(name) => {
                told(stores.images.create(config(name, &["base", name])).map(|id| id.to_string()))
            }
            Self::Delete(name) => told(stores.images.delete(id(name)).map(|freed| format!("{freed:?}"))),
            Self::Adopt(child, parent) => {
                told(stores.images.set_parent(id(child), id(parent)).map(|()| String::new()))
            }
            Self::Tag(name) => told(daemon.tag("t:1", id(name)).map(|()| String::new())),
            Self::Retag(name) => {
                told(stores.references.retag(reference("t:1"), id(name)).map(|old| format!("{old:?}")))
            }
            Self::Untag => told(stores.references.delete(&reference("t:1")).map(|()| String::new())),
            Self::Start => told(daemon.container(id("a")).map(|()| String::new())),
            Self::Stop => format!("{:?}", stores.containers.remove(container("c"))),
            Self::List => {
                let mut ids = stores.images.ids(true);
                ids.sort_unstable();
                format!("{ids:?}")
            }
        }
    }
}

type Told = ([Vec<String>; 2], Box<World>);

/// Two images, and nobody but they holds their layers.
fn two_images() -> Daemon {
    let daemon = Daemon::new();
    daemon.image("a", &["base", "a"]);
    daemon.image("b", &["base", "b"]);
    daemon
}

const ORDERS: [[usize; 4]; 6] =
    [[0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 1, 0], [1, 0, 0, 1], [1, 0, 1, 0], [1, 1, 0, 0]];

fn told_one_by_one(order: [usize; 4], calls: [[Call; 2]; 2]) -> Told {
    let daemon = two_images();
    let mut told = [Vec::new(), Vec::new()];
    for thread in order {
        let next = told[thread].len();
        told[thread].push(calls[thread][next].run(&daemon));
    }
    (told, Box::new(daemon.stores().to_world()))
}

/// Whatever two threads are told by the stores, and whatever is left: some order of their calls, one after the
/// other, tells the same and leaves the same.
#[test]
fn stores_are_linearizable() {
    for number in 0..100_u32 {
        let random = Digest::of(&number.to_le_bytes());
        let call = |place: usize| Call::ALL[usize::from(random.as_bytes()[place]) % Call::ALL.len()];
        let calls = [[call(0), call(1)], [call(2), call(3)]];
        let possible = Arc::new(Mutex::new(Vec::new()));
        let one_by_one = Arc::clone(&possible);
        outcomes(1, move || {
            *one_by_one.lock().unwrap() = ORDERS.map(|order| told_one_by_one(order, calls)).to_vec();
        });
        outcomes(10, move || {
            let daemon = two_images();
            let run = |calls: [Call; 2]| calls.map(|call| call.run(&daemon)).to_vec();
            let (first, second) = both(|| run(calls[0]), || run(calls[1]));
            daemon.stores().validate().unwrap();
            let told = ([first, second], Box::new(daemon.stores().to_world()));
            let is_possible = possible.lock().unwrap().contains(&told);
            assert!(is_possible, "{calls:?} told {:?}, which no order does", told.0);
        });
    }
}

/// A dry run on a live daemon does not disturb it, and fails at nothing.
#[test]
fn plan_meets_prune() {
    outcomes(300, || {
        let daemon = Daemon::new();
        daemon.image("a", &["base", "a"]);
        let plan = || image_prune::plan::plan(daemon.stores(), ALL, &SEMANTICS, now(), &Order::ById).unwrap();
        let (report, plan) = both(|| daemon.prune(ALL).unwrap(), plan);
        assert_eq!(kinds_of(&report), "ILL");
        assert!(["", "ILL"].contains(&kinds_of(&plan.report).as_str()));
        assert_eq!(plan.report.skipped, []);
        daemon.finish();
    });
}
