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

/// Many tags of each image over one; and one tag of each of so many images that there are as many records as for
/// the most tags, since a larger store fits less well into a processor's caches.
pub fn tags(settings: &Settings) {
    let mut table = settings.table();
    for images in settings.images(&[10_000]) {
        let shapes = [(images, 1), (images, 10), (images, 50), (images * 13, 1)]
            .map(|(images, tags)| Shape { images_a_tagged: 1, tags, ..Shape::plain(images) });
        let costs = compare(shapes, settings.runs);
        let per_record = |cost: &Cost| us_each(cost.time, cost.records);
        for (shape, cost) in shapes.iter().zip(&costs) {
            table.row([
                ("images", json!(shape.images)),
                ("tags_of_each", json!(shape.tags)),
                ("prune_s", json!(cost.time.as_secs_f64())),
                ("records", json!(cost.records)),
                ("us_per_record", json!(per_record(cost))),
                ("over_one_tag", json!(per_record(cost) / per_record(&costs[0]))),
            ]);
        }
    }
}

struct Cost {
    time: Duration,
    records: usize,
}

/// Prunes all, in turns.
fn compare<const N: usize>(shapes: [Shape; N], runs: usize) -> [Cost; N] {
    shapes.into_iter().for_each(check_against_model);
    let mut times = [const { Vec::new() }; N];
    let mut records = [0; N];
    for _ in 0..runs {
        for (which, shape) in shapes.into_iter().enumerate() {
            let engine = engine(shape);
            let (time, report) = timed(|| prune(&engine));
            times[which].push(time);
            records[which] = report.images_deleted.len();
        }
    }
    std::array::from_fn(|which| Cost { time: median(times[which].drain(..)), records: records[which] })
}
