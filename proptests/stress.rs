//! Real threads do everything at once for some seconds. With the feature `internal-deadlock-detection` threads that
//! wait for each other in a circle are named; a watchdog ends a test that stands still for another reason.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use image_prune::cancel::Never;
use image_prune::event::EventLog;
use image_prune::graph::Engine;
use image_prune::graph::delete::Extent;
use image_prune::graph::select::Order;
use image_prune::graph::store::{
    Container, ContainerState, ContainerStore, ImageStore, LayerStore, ReferenceStore, Stores,
};
use image_prune::graph::usage::usage;
use image_prune::{ContainerId, DiffId, Digest, Filters, ImageId, Now, Reference, Semantics, Timestamp};

const SEMANTICS: Semantics = Semantics::MOBY_26_1;
const TIME: Duration = Duration::from_secs(3);
/// The rounds of each thread, however long that takes on a busy machine.
const ROUNDS: usize = 10;
/// Longer than anything here takes on a busy machine.
const STANDSTILL: Duration = Duration::from_secs(300);

#[test]
fn nobody_waits_for_ever() {
    let (done, watched) = mpsc::channel();
    let worker = thread::spawn(move || {
        work();
        done.send(()).unwrap();
    });
    let started = Instant::now();
    loop {
        match watched.recv_timeout(Duration::from_millis(200)) {
            Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                assert_no_deadlock();
                assert!(started.elapsed() < TIME + STANDSTILL, "nothing happens any more");
            }
        }
    }
    worker.join().unwrap();
}

#[cfg(feature = "internal-deadlock-detection")]
fn assert_no_deadlock() {
    let circles = parking_lot::deadlock::check_deadlock();
    let texts: Vec<_> = circles.iter().flatten().map(|thread| format!("{:#?}", thread.backtrace())).collect();
    assert!(texts.is_empty(), "threads wait for each other:\n{}", texts.join("\n"));
}

#[cfg(not(feature = "internal-deadlock-detection"))]
const fn assert_no_deadlock() {}

/// The names of images, tags and containers: few, so that threads meet.
const NAMES: usize = 40;

struct Daemon {
    engine: Engine<EventLog>,
    is_over: AtomicBool,
    /// Of each thread.
    rounds: [AtomicUsize; 4],
}

fn work() {
    let seconds = AtomicUsize::new(0);
    let clock = move || Timestamp::new(i64::try_from(seconds.fetch_add(1, Ordering::Relaxed)).unwrap(), 0);
    let engine = Engine::new(Stores::new(&SEMANTICS), SEMANTICS, EventLog::new(clock));
    let daemon = Daemon { engine, is_over: AtomicBool::new(false), rounds: Default::default() };
    let jobs: [fn(&Daemon, usize); 4] = [Daemon::write, Daemon::write, Daemon::read, Daemon::prune];
    thread::scope(|scope| {
        let daemon = &daemon;
        let jobs = jobs.into_iter().zip(&daemon.rounds);
        let threads: Vec<_> =
            jobs.map(|(job, rounds)| scope.spawn(move || daemon.repeat(job, rounds))).collect();
        thread::sleep(TIME);
        while daemon.rounds.iter().any(|rounds| rounds.load(Ordering::Relaxed) <= ROUNDS) {
            thread::sleep(Duration::from_millis(10));
        }
        daemon.is_over.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().unwrap();
        }
    });

    let stores = daemon.engine.stores();
    stores.validate().unwrap();
    // A prune would leave cycles of parents, and parents of children that were gone when they were joined (I-7).
    for id in stores.images.ids(false) {
        stores.images.delete(id).unwrap();
    }
    stores.validate().unwrap();
    assert!(stores.layers.is_empty());
}

impl Daemon {
    fn repeat(&self, job: fn(&Self, usize), rounds: &AtomicUsize) {
        while !self.is_over.load(Ordering::Relaxed) {
            job(self, rounds.load(Ordering::Relaxed));
            rounds.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Builds, tags, runs, removes: whatever the number says.
    fn write(&self, round: usize) {
        let stores = self.engine.stores();
        let random = Digest::of(format!("{:?} {round}", thread::current().id()).as_bytes());
        let random = random.as_bytes();
        let (number, other) = (usize::from(random[0]) % NAMES, usize::from(random[1]) % NAMES);
        let image = build(stores, number);
        match random[2] % 6 {
            0 | 1 => drop(stores.references.retag(reference(other), image)),
            2 => drop(stores.images.set_parent(image, ImageId::of(config(other).as_bytes()))),
            3 => {
                let running = random[3].is_multiple_of(2);
                let made = Container { id: container(other), image, running, image_mounts: vec![image] };
                drop(stores.containers.create(made));
            }
            4 => {
                stores.containers.set_running(container(other), false);
                drop(stores.containers.remove(container(number)));
            }
            _ => {
                let extent = Extent { force: random[3].is_multiple_of(2), prune: true };
                drop(self.engine.delete(reference(other).as_str(), extent));
            }
        }
    }

    fn read(&self, _: usize) {
        let stores = self.engine.stores();
        let (past, live) = self.engine.events().subscribe();
        let listed = stores.images.ids(false);
        for id in &listed {
            stores.images.visit(&[*id], &mut |_, _, _| std::ops::ControlFlow::Continue(()));
            for reference in stores.references.references(*id) {
                let _moved_meanwhile = stores.references.get(&reference);
            }
            let _any = stores.containers.first(*id, ContainerState::Any);
        }
        usage(stores, &SEMANTICS).unwrap();
        drop(stores.layers.sizes());
        let filters = r#"{"dangling":["false"]}"#;
        // Of stores that others change a plan is of several moments; of a copy it is of one.
        let stores = &stores.copy();
        let plan = image_prune::graph::plan::plan(stores, filters, &SEMANTICS, now(), &Order::ById).unwrap();
        assert_eq!(plan.report.skipped.iter().find(|skipped| !is_conflict(skipped)), None);
        let _heard: Vec<_> = past.into_iter().chain(std::iter::from_fn(|| live.try_next())).collect();
    }

    fn prune(&self, round: usize) {
        let filters = if round.is_multiple_of(2) { "" } else { r#"{"dangling":["false"]}"# };
        let filters = Filters::parse(filters, &SEMANTICS).unwrap();
        self.engine.prune(&filters, now(), &Never).unwrap();
    }
}

/// In a copy nothing else can be in the way.
fn is_conflict(skipped: &image_prune::graph::delete::FailedDeletion) -> bool {
    matches!(skipped.failure, image_prune::graph::delete::DeleteErrorKind::Conflict(_))
}

fn build(stores: &Stores, number: usize) -> ImageId {
    let base = stores.layers.register(diff(number % 3), None, 10).unwrap();
    let top = stores.layers.register(diff(number), Some(base.chain_id()), 10).unwrap();
    let id = stores.images.create(config(number)).unwrap();
    stores.layers.release(top).unwrap();
    stores.layers.release(base).unwrap();
    id
}

fn config(number: usize) -> String {
    let (base, top) = (diff(number % 3), diff(number));
    format!(r#"{{"author":"{number}","rootfs":{{"type":"layers","diff_ids":["{base}","{top}"]}}}}"#)
}

fn diff(number: usize) -> DiffId {
    Digest::of(&number.to_le_bytes()).into()
}

fn container(number: usize) -> ContainerId {
    Digest::of(&number.to_le_bytes()).into()
}

fn reference(number: usize) -> Reference {
    Reference::parse(&format!("app:{number}"), &SEMANTICS).unwrap()
}

fn now() -> Now {
    Now::utc(chrono::DateTime::UNIX_EPOCH)
}
