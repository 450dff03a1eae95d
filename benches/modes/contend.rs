//! `--contend`: what others wait for while a prune runs. One thread tags, creates and deletes, another lists,
//! inspects and reads; first alone, then beside a prune.
//!
//! There are three threads for two cores, so that a call also waits for its turn on a core. The column `blocked` is
//! the longest wait without that, as far as Linux tells it of the waiting thread; what a preempted holder of a lock
//! makes others wait is still in it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use image_prune::cancel::Never;
use image_prune::event::EventLog;
use image_prune::graph::Engine;
use image_prune::graph::store::{ContainerStore, ImageStore, ReferenceStore};
use image_prune::{ImageId, Reference};

use crate::support::figures::Settings;
use crate::support::store::{SEMANTICS, Shape, build_image, described, engine, filters, prune_now};

/// Layers of its own that each image has.
const OWN_LAYERS: usize = 2;

/// How long the two work alone.
const ALONE: Duration = Duration::from_millis(500);

pub fn run(settings: &Settings) {
    settings.images(&[200_000]).into_iter().for_each(measure);
}

/// Figures of one size, with and without a prune.
fn measure(images: usize) {
    let engine = engine(Shape::plain(images));
    let idle = together(&engine, images, None);
    let mut prune_time = Duration::ZERO;
    let busy = together(&engine, images, Some(&mut prune_time));
    engine.stores().validate().unwrap();
    println!("{images} images; a prune beside a writer and a reader takes {:.3} s", prune_time.as_secs_f64());
    println!("                    p50 µs    p99 µs    max µs   blocked       ops/s   of idle");
    for (name, idle, busy) in
        [("writer", &idle.0, &busy.0), ("reader", &idle.1, &busy.1), ("lists", &idle.2, &busy.2)]
    {
        println!("{name:>8} {}", idle.line("idle", idle));
        println!("{name:>8} {}", busy.line("prune", idle));
    }
}

/// The number of the next image that nobody has built yet.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// How long each call took, of writer, reader, and the reader's lists of all images.
fn together(engine: &Engine<EventLog>, images: usize, prune: Option<&mut Duration>) -> (Waits, Waits, Waits) {
    let is_over = AtomicBool::new(false);
    NEXT.fetch_max(images, Ordering::Relaxed);
    thread::scope(|scope| {
        let writer = scope.spawn(|| write(engine, &NEXT, &is_over));
        let reader = scope.spawn(|| read(engine, &is_over));
        match prune {
            None => thread::sleep(ALONE),
            Some(time) => {
                let started = Instant::now();
                engine.prune(&filters(), prune_now(), &Never).unwrap();
                *time = started.elapsed();
            }
        }
        is_over.store(true, Ordering::Relaxed);
        let (reads, lists) = reader.join().unwrap();
        (writer.join().unwrap(), reads, lists)
    })
}

fn write(engine: &Engine<EventLog>, next: &AtomicUsize, is_over: &AtomicBool) -> Waits {
    let stores = engine.stores();
    let mut waits = Waits::new();
    while !is_over.load(Ordering::Relaxed) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let config = described(number, OWN_LAYERS);
        let name = Reference::parse(&format!("registry.example.com/new/app:{number}"), &SEMANTICS).unwrap();
        let id = waits.time(|| build_image(stores, config));
        waits.time(|| stores.references.add_tag(name.clone(), id)).unwrap();
        if number.is_multiple_of(2) {
            waits.time(|| stores.references.delete(&name)).unwrap();
            // The prune may have been faster.
            let _gone = waits.time(|| stores.images.delete(id));
        }
    }
    waits.ended()
}

fn read(engine: &Engine<EventLog>, is_over: &AtomicBool) -> (Waits, Waits) {
    let stores = engine.stores();
    let (mut waits, mut lists) = (Waits::new(), Waits::new());
    while !is_over.load(Ordering::Relaxed) {
        let ids: Vec<ImageId> = lists.time(|| stores.images.ids(false));
        for id in ids.iter().step_by(97) {
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            let _gone = waits.time(|| stores.images.get(*id));
            let names = waits.time(|| stores.references.references(*id));
            waits.time(|| stores.containers.count(*id));
            for name in &names {
                let _gone = waits.time(|| stores.references.get(name));
            }
        }
    }
    (waits.ended(), lists.ended())
}

/// How long this thread has waited for a core so far.
fn queued() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split_whitespace().nth(1).and_then(|text| text.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}

struct Waits {
    each: Vec<Duration>,
    /// The longest time that was not spent waiting for a core.
    blocked: Duration,
    queued: Duration,
    started: Instant,
    whole: Duration,
}

impl Waits {
    fn new() -> Self {
        Self {
            each: Vec::with_capacity(1 << 22),
            blocked: Duration::ZERO,
            queued: queued(),
            started: Instant::now(),
            whole: Duration::ZERO,
        }
    }

    fn time<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let value = call();
        let wait = started.elapsed();
        self.each.push(wait);
        if wait > self.blocked || self.each.len().is_multiple_of(256) {
            let before = std::mem::replace(&mut self.queued, queued());
            self.blocked = self.blocked.max(wait.saturating_sub(self.queued.saturating_sub(before)));
        }
        value
    }

    fn ended(mut self) -> Self {
        self.whole = self.started.elapsed();
        self.each.sort_unstable();
        self
    }

    fn at(&self, part: f64) -> f64 {
        #[expect(clippy::cast_possible_truncation, reason = "a part of a length is a length")]
        let place = (self.each.len() as f64 * part) as usize;
        self.each
            .get(place.min(self.each.len().saturating_sub(1)))
            .map_or(0.0, |wait| wait.as_secs_f64() * 1e6)
    }

    fn throughput(&self) -> f64 {
        self.each.len() as f64 / self.whole.as_secs_f64()
    }

    fn line(&self, name: &str, idle: &Self) -> String {
        format!(
            "{name:>7} {:>9.1} {:>9.1} {:>9.1} {:>9.1} {:>11.0} {:>8.0}%",
            self.at(0.5),
            self.at(0.99),
            self.at(1.0),
            self.blocked.as_secs_f64() * 1e6,
            self.throughput(),
            100.0 * self.throughput() / idle.throughput(),
        )
    }
}
