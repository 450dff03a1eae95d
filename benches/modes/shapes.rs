//! `--containers` and `--tags`: what there is more of must not cost more.

use std::time::Duration;

use serde_json::json;

use super::{check_against_model, prune};
use crate::support::figures::{Settings, median, timed, us_each};
use crate::support::store::{Shape, engine};

/// N/2 containers over N/20.
pub fn containers(settings: &Settings) {
    let mut table = settings.table();
    for images in settings.images(&[8_000, 64_000, 250_000]) {
        let few = Shape::plain(images);
        let many = Shape { images_a_container: 2, ..few };
        let [few, many] = compare([few, many], settings.runs);
        table.row([
            ("images", json!(images)),
            ("few_us_per_image", json!(us_each(few.time, images))),
            ("many_us_per_image", json!(us_each(many.time, images))),
            ("many_over_few", json!(many.time.as_secs_f64() / few.time.as_secs_f64())),
        ]);
    }
}

/// 50 tags of each image over one.
pub fn tags(settings: &Settings) {
    let mut table = settings.table();
    for images in settings.images(&[10_000]) {
        let one = Shape { images_a_tagged: 1, ..Shape::plain(images) };
        let many = Shape { tags: 50, ..one };
        let [one, many] = compare([one, many], settings.runs);
        let (one_us, many_us) = (us_each(one.time, one.records), us_each(many.time, many.records));
        table.row([
            ("images", json!(images)),
            ("records_of_one", json!(one.records)),
            ("records_of_50", json!(many.records)),
            ("one_us_per_record", json!(one_us)),
            ("50_us_per_record", json!(many_us)),
            ("50_over_one", json!(many_us / one_us)),
        ]);
    }
}

struct Cost {
    time: Duration,
    records: usize,
}

/// Prunes both, in turns.
fn compare(shapes: [Shape; 2], runs: usize) -> [Cost; 2] {
    shapes.into_iter().for_each(check_against_model);
    let mut times = [Vec::new(), Vec::new()];
    let mut records = [0; 2];
    for _ in 0..runs {
        for (which, shape) in shapes.into_iter().enumerate() {
            let engine = engine(shape);
            let (time, report) = timed(|| prune(&engine));
            times[which].push(time);
            records[which] = report.images_deleted.len();
        }
    }
    let [first, second] = times.map(median);
    [Cost { time: first, records: records[0] }, Cost { time: second, records: records[1] }]
}
