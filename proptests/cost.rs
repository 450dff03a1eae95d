//! What a prune and its parses may allocate. Time is for the benches; these counts are the same everywhere.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use std::hint::black_box;

use allocation_counter::measure;
use image_prune::cancel::Never;
use image_prune::request::until;
use image_prune::{Digest, Image, PruneRequest, Reference, go};

#[path = "../benches/support/store.rs"]
#[allow(dead_code, reason = "the benches use the rest")]
pub mod store;

use store::{FILTERS, SEMANTICS, Shape, engine, filters, prune_now};

/// How often a call allocates.
fn allocations<T>(work: impl FnOnce() -> T) -> u64 {
    measure(|| drop(black_box(work()))).count_total
}

/// Nearly all of what a prune allocates are the lists that grow: their number does not.
#[test]
fn a_prune_allocates_less_than_once_for_ten_images() {
    for images in [1_000, 4_000] {
        let engine = engine(Shape::plain(images));
        let mut deleted = 0;
        let count = allocations(|| {
            deleted = engine.prune(&filters(), prune_now(), &Never).unwrap().images_deleted.len();
        });
        assert!(deleted > images, "{deleted}");
        assert!(count < images as u64 / 10, "{count} allocations for {images} images");
    }
}

#[test]
fn what_can_borrow_does_not_allocate() {
    for value in ["24h", "2025-12-31", "2025-12-31T10:20:30.5Z", "2025-12-31T10:20:30+01:00", "1767225600.5"]
    {
        assert_eq!(allocations(|| until::parse(value, prune_now(), &SEMANTICS).unwrap()), 0, "{value}");
    }
    assert_eq!(allocations(|| go::duration::parse("1h15m30.918s").unwrap()), 0);
    let request = PruneRequest::parse(FILTERS, &SEMANTICS, prune_now()).unwrap();
    let image = Image::parse(store::config(49, &[]), &SEMANTICS).unwrap();
    assert_eq!(allocations(|| assert_eq!(request.rejection(&image), None)), 0);
    let text = Digest::of(b"").to_string();
    assert_eq!(allocations(|| text.parse::<Digest>().unwrap()), 0);
}

/// A reference owns its text.
#[test]
fn a_reference_allocates_once() {
    let canonical = format!("busybox@{}", Digest::of(b""));
    for text in ["busybox", "busybox:1", "registry.example.com:5000/team/app:v1", &canonical] {
        assert_eq!(allocations(|| Reference::parse(text, &SEMANTICS).unwrap()), 1, "{text}");
    }
}
