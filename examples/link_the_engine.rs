//! A program that has the engine in it: plans a prune, asks nobody, does it, and compares.
//!
//! ```sh
//! cargo run --example link_the_engine
//! ```

use image_prune::cancel::Never;
use image_prune::event::Recorder;
use image_prune::graph::Engine;
use image_prune::graph::plan::plan;
use image_prune::graph::select::Order;
use image_prune::graph::store::Stores;
use image_prune::{Filters, Now, Reference, Semantics};

fn main() -> image_prune::Result<()> {
    let semantics = Semantics::MOBY_29;
    let stores = Stores::new(&semantics);
    for (name, config) in [
        ("app:1", r#"{"rootfs":{"type":"layers"},"created":"2024-01-01T00:00:00Z"}"#),
        ("app:2", r#"{"rootfs":{"type":"layers"},"created":"2024-02-01T00:00:00Z"}"#),
        ("db:9", r#"{"rootfs":{"type":"layers"},"config":{"Labels":{"keep":"1"}}}"#),
    ] {
        let id = stores.images.create(config)?;
        stores.references.add_tag(Reference::parse(name, &semantics)?, id)?;
    }

    let filters = r#"{"dangling":["false"],"label!":["keep"]}"#;
    let now = Now::utc(chrono::DateTime::UNIX_EPOCH);
    let predicted = plan(&stores, filters, &semantics, now, &Order::ById)?;
    for image in &predicted.images {
        let names: Vec<_> = image.references.iter().map(Reference::familiar).collect();
        println!("{:8} {:?}, {}", names.join(" "), image.verdict, image.reason.kind());
    }

    let engine = Engine::new(stores, semantics, Recorder::default());
    let report = engine.prune(&Filters::parse(filters, &semantics)?, now, &Never)?;
    for record in &report.images_deleted {
        println!("{record}");
    }
    assert_eq!(report, predicted.report);
    Ok(())
}
