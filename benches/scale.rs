//! How the cost of a prune grows with the store, against a floor measured in the same process: a bare loop
//! that removes the keys of the same images from four hash maps of 32-byte keys.
//!
//! `cargo bench --bench scale -- [--images N,N,…] [--json] [--contend]`
#![allow(missing_docs, reason = "a bench")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "bench code")]
#![allow(clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "figures for people")]

use std::time::{Duration, Instant};

use image_prune::store::ImageStore;
use image_prune::{ImageId, PruneReport, Record};

mod support;
use support::{FILTERS, Floor, Shape, engine, prune_now};

/// Prune and floor are measured so many times, one after the other; the median counts.
const RUNS: usize = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_json = arguments.iter().any(|argument| argument == "--json");
    let sizes = match arguments.iter().position(|argument| argument == "--images") {
        Some(place) => arguments[place + 1].split(',').map(|size| size.parse().unwrap()).collect(),
        // `cargo bench -- --test` asks whether it runs at all.
        None if arguments.iter().any(|argument| argument == "--test") => vec![1000],
        None => vec![1_000, 8_000, 64_000, 250_000, 1_000_000],
    };
    if arguments.iter().any(|argument| argument == "--contend") {
        let sizes =
            if arguments.iter().any(|argument| argument == "--images") { sizes } else { vec![200_000] };
        return sizes.into_iter().for_each(support::contend::measure);
    }
    if !is_json {
        println!("{HEADER}");
    }
    for images in sizes {
        let figures = Figures::measure(images);
        println!("{}", if is_json { figures.json() } else { figures.line() });
    }
}

const HEADER: &str = "   images  build s  prune s  µs/image   records      reclaimed  floor µs  ratio  heap B/image  peak RSS MB";

struct Figures {
    images: usize,
    build: Duration,
    prune: Duration,
    floor: Duration,
    records: usize,
    reclaimed: u64,
    heap: i64,
    peak_rss: u64,
}

impl Figures {
    fn measure(images: usize) -> Self {
        let runs: Vec<_> = (0..RUNS).map(|_| Run::measure(images)).collect();
        let median = |figure: fn(&Run) -> Duration| {
            let mut figures: Vec<_> = runs.iter().map(figure).collect();
            figures.sort_unstable();
            figures[RUNS / 2]
        };
        Self {
            images,
            build: median(|run| run.build),
            prune: median(|run| run.prune),
            floor: median(|run| run.floor),
            records: runs[0].report.images_deleted.len(),
            reclaimed: runs[0].report.space_reclaimed,
            heap: runs[0].heap,
            peak_rss: peak_rss(),
        }
    }

    fn us_per_image(&self) -> f64 {
        self.prune.as_secs_f64() * 1e6 / self.images as f64
    }

    fn floor_us_per_image(&self) -> f64 {
        self.floor.as_secs_f64() * 1e6 / self.images as f64
    }

    fn ratio(&self) -> f64 {
        self.prune.as_secs_f64() / self.floor.as_secs_f64()
    }

    fn heap_per_image(&self) -> f64 {
        self.heap as f64 / self.images as f64
    }

    fn line(&self) -> String {
        format!(
            "{:>9}  {:>7.3}  {:>7.3}  {:>8.3}  {:>8}  {:>13}  {:>8.3}  {:>5.2}  {:>12.0}  {:>11.1}",
            self.images,
            self.build.as_secs_f64(),
            self.prune.as_secs_f64(),
            self.us_per_image(),
            self.records,
            self.reclaimed,
            self.floor_us_per_image(),
            self.ratio(),
            self.heap_per_image(),
            self.peak_rss as f64 / 1e6,
        )
    }

    fn json(&self) -> String {
        serde_json::json!({
            "images": self.images,
            "build_s": self.build.as_secs_f64(),
            "prune_s": self.prune.as_secs_f64(),
            "us_per_image": self.us_per_image(),
            "records": self.records,
            "reclaimed": self.reclaimed,
            "floor_us_per_image": self.floor_us_per_image(),
            "ratio_to_floor": self.ratio(),
            "heap_bytes_per_image": self.heap_per_image(),
            "peak_rss_bytes": self.peak_rss,
        })
        .to_string()
    }
}

/// One store, built and pruned; and the floor for what went.
struct Run {
    build: Duration,
    prune: Duration,
    floor: Duration,
    report: PruneReport,
    heap: i64,
}

impl Run {
    fn measure(images: usize) -> Self {
        let started = Instant::now();
        let mut built = None;
        let heap = allocation_counter::measure(|| built = Some(engine(Shape::plain(images)))).bytes_current;
        let engine = built.unwrap();
        let build = started.elapsed();
        let ids = engine.stores().images.ids(false);

        let started = Instant::now();
        let report = engine.prune(FILTERS, prune_now(), &image_prune::cancel::Never).unwrap();
        let prune = started.elapsed();
        drop(engine);

        let mut floor = Floor::new(&ids);
        let gone: Vec<ImageId> = report
            .images_deleted
            .iter()
            .filter_map(|record| if let Record::Image(id) = record { Some(*id) } else { None })
            .collect();
        let started = Instant::now();
        let removed = floor.remove(&gone);
        let floor_time = started.elapsed();
        assert_eq!(removed as usize, gone.len() * 4);
        Self { build, prune, floor: floor_time, report, heap }
    }
}

/// The most memory that the process ever had, in bytes.
fn peak_rss() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
        .map_or(0, |kilobytes| kilobytes * 1024)
}
