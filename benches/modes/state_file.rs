//! `--state-file`: a store as a file, and a plan from it.

use std::fs::{self, File};
use std::io::{BufWriter, Write};

use image_prune::World;
use image_prune::graph::plan::plan;
use image_prune::graph::select::Order;
use image_prune::graph::store::Stores;
use serde_json::json;

use crate::support::figures::{Settings, median, peak_rss, timed};
use crate::support::store::{FILTERS, SEMANTICS, Shape, prune_now, stores};

pub fn run(settings: &Settings) {
    let mut table = settings.table();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.json");
    for images in settings.images(&[64_000, 250_000]) {
        let built = stores(Shape::plain(images));
        let (export, ()) = timed(|| {
            let mut out = BufWriter::new(File::create(&file).unwrap());
            serde_json::to_writer(&mut out, &built.to_world()).unwrap();
            out.flush().unwrap();
        });
        drop(built);
        let [mut parses, mut loads, mut plans] = [const { Vec::new() }; 3];
        // Large files are not for medians.
        for _ in 0..if images > 100_000 { 1 } else { settings.runs } {
            let (time, world) = timed(|| serde_json::from_slice::<World>(&fs::read(&file).unwrap()).unwrap());
            parses.push(time);
            let (time, stores) = timed(|| Stores::load(world, &SEMANTICS).unwrap());
            loads.push(time);
            let planning = || plan(&stores, FILTERS, &SEMANTICS, prune_now(), &Order::ById).unwrap();
            let (time, plan) = timed(planning);
            assert_eq!((plan.images.len(), stores.images.len()), (images, images));
            plans.push(time);
        }
        let (parse, load) = (median(parses), median(loads));
        let bytes = fs::metadata(&file).unwrap().len();
        table.row([
            ("images", json!(images)),
            ("bytes", json!(bytes)),
            ("export_s", json!(export.as_secs_f64())),
            ("parse_s", json!(parse.as_secs_f64())),
            ("load_s", json!(load.as_secs_f64())),
            ("plan_s", json!(median(plans).as_secs_f64())),
            ("mb_per_s", json!(bytes as f64 / 1e6 / (parse + load).as_secs_f64())),
            ("peak_rss_bytes", json!(peak_rss())),
        ]);
    }
}
