//! What the bench `scale` measures.

use image_prune::PruneRequest;
use image_prune::cancel::Never;
use image_prune::graph::PruneReport;
use image_prune::oracle::graph::Model;

use crate::support::store::{FILTERS, SEMANTICS, Shape, engine, filters, prune_now, stores};

pub mod containerd;
pub mod contend;
pub mod data_root;
pub mod depth;
pub mod growth;
pub mod instructions;
pub mod plan;
pub mod shapes;
pub mod state_file;

/// Prunes what the bench prunes.
pub fn prune(engine: &image_prune::graph::Engine<image_prune::event::EventLog>) -> PruneReport {
    engine.prune(&filters(), prune_now(), &Never).unwrap()
}

/// Holds the measured prune against the model at a small size: the same records and bytes.
pub fn check_against_model(shape: Shape) {
    let shape = Shape { images: 200, ..shape };
    let world = stores(Shape { configs: true, ..shape }).to_world();
    let request = PruneRequest::parse(FILTERS, &SEMANTICS, prune_now()).unwrap();
    let expected = Model::new(&world, &SEMANTICS).unwrap().prune(&request, &[], &Never).unwrap();
    let report = prune(&engine(shape));
    assert_eq!(report.images_deleted, expected.records);
    assert_eq!(report.space_reclaimed, expected.space_reclaimed);
}
