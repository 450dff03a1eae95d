//! `--plan`: a dry run with reasons, over the prune itself; and a prune of an overlay, over that of a copy.

use image_prune::PruneRequest;
use image_prune::cancel::Never;
use image_prune::event::Recorder;
use image_prune::graph::Engine;
use image_prune::graph::plan::plan;
use image_prune::graph::select::Order;
use serde_json::json;

use super::{check_against_model, prune};
use crate::support::figures::{Settings, median, timed, us_each};
use crate::support::store::{FILTERS, SEMANTICS, Shape, engine, prune_now};

pub fn run(settings: &Settings) {
    check_against_model(Shape::plain(0));
    let request = PruneRequest::parse(FILTERS, &SEMANTICS, prune_now()).unwrap();
    let mut table = settings.table();
    for images in settings.images(&[8_000, 64_000, 250_000]) {
        let (mut plans, mut prunes, mut copies, mut overlays) = (vec![], vec![], vec![], vec![]);
        for _ in 0..settings.runs {
            let engine = engine(Shape::plain(images));
            let planning = || plan(engine.stores(), FILTERS, &SEMANTICS, prune_now(), &Order::ById);
            let (time, planned) = timed(planning);
            plans.push(time);
            let (time, of_copy) = timed(|| {
                let copy = Engine::new(engine.stores().copy(), SEMANTICS, Recorder::default());
                copy.prune_request(&request, &Order::ById, &Never).unwrap()
            });
            copies.push(time);
            let (time, of_overlay) = timed(|| {
                let overlay = Engine::new(engine.stores().overlay(), SEMANTICS, Recorder::default());
                overlay.prune_request(&request, &Order::ById, &Never).unwrap()
            });
            overlays.push(time);
            assert_eq!(of_copy, of_overlay);
            let (time, report) = timed(|| prune(&engine));
            prunes.push(time);
            assert_eq!(planned.unwrap().report, report);
        }
        let (plan, prune) = (median(plans), median(prunes));
        let (copy, overlay) = (median(copies), median(overlays));
        table.row([
            ("images", json!(images)),
            ("plan_us_per_image", json!(us_each(plan, images))),
            ("prune_us_per_image", json!(us_each(prune, images))),
            ("copy_us_per_image", json!(us_each(copy, images))),
            ("overlay_us_per_image", json!(us_each(overlay, images))),
            ("plan_over_prune", json!(plan.as_secs_f64() / prune.as_secs_f64())),
        ]);
    }
}
