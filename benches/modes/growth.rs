//! No mode: a prune over the floor, at growing sizes.

use std::time::Duration;

use image_prune::graph::PruneReport;
use image_prune::graph::store::ImageStore;
use image_prune::{ImageId, Record};
use serde_json::json;

use super::{check_against_model, prune};
use crate::support::figures::{Settings, median, peak_rss, timed, us_each};
use crate::support::floor::Floor;
use crate::support::store::{Shape, engine};

pub fn run(settings: &Settings) {
    let plain = Shape { configs: !settings.has("--lean"), ..Shape::plain(0) };
    check_against_model(plain);
    let mut table = settings.table();
    for images in settings.images(&[1_000, 8_000, 64_000, 250_000, 1_000_000]) {
        let runs: Vec<_> = (0..settings.runs).map(|_| Run::measure(Shape { images, ..plain })).collect();
        let (prune, floor) =
            (median(runs.iter().map(|run| run.prune)), median(runs.iter().map(|run| run.floor)));
        let report = &runs[0].report;
        table.row([
            ("images", json!(images)),
            ("build_s", json!(median(runs.iter().map(|run| run.build)).as_secs_f64())),
            ("prune_s", json!(prune.as_secs_f64())),
            ("us_per_image", json!(us_each(prune, images))),
            ("records", json!(report.images_deleted.len())),
            ("reclaimed", json!(report.space_reclaimed)),
            ("floor_us_per_image", json!(us_each(floor, images))),
            ("ratio_to_floor", json!(prune.as_secs_f64() / floor.as_secs_f64())),
            ("heap_bytes_per_image", json!(runs[0].heap as f64 / images as f64)),
            ("peak_rss_bytes", json!(peak_rss())),
        ]);
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
    fn measure(shape: Shape) -> Self {
        let mut new = None;
        let (build, memory) = timed(|| allocation_counter::measure(|| new = Some(engine(shape))));
        let engine = new.unwrap();
        let ids = engine.stores().images.ids(false);
        let (prune_time, report) = timed(|| prune(&engine));
        drop(engine);

        let mut floor = Floor::new(&ids);
        let gone: Vec<ImageId> = report
            .images_deleted
            .iter()
            .filter_map(|record| if let Record::Image(id) = record { Some(*id) } else { None })
            .collect();
        let (floor_time, removed) = timed(|| floor.remove(&gone));
        assert_eq!(removed as usize, gone.len() * 4);
        Self { build, prune: prune_time, floor: floor_time, report, heap: memory.bytes_current }
    }
}
