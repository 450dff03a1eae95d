//! What the parts of a prune cost: `cargo bench --bench prune`.
#![allow(missing_docs, reason = "a bench")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "bench code")]
#![allow(clippy::indexing_slicing, reason = "bench code")]
#![allow(clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "figures for people")]

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use image_prune::cancel::Never;
use image_prune::image::Labels;
use image_prune::request::until;
use image_prune::{Digest, Filters, Image, PruneRequest, Reference, go};

mod support;
use support::store::{self, FILTERS, SEMANTICS, Shape, engine, prune_now};

fn filters(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("filters");
    for value in ["24h", "2025-12-31", "2025-12-31T10:20:30.5Z", "1767225600.5"] {
        group.bench_function(BenchmarkId::new("until", value), |bencher| {
            bencher.iter(|| until::parse(black_box(value), prune_now(), &SEMANTICS));
        });
    }
    group.bench_function("duration", |bencher| {
        bencher.iter(|| go::duration::parse(black_box("1h15m30.918s")));
    });
    group.bench_function("parse", |bencher| bencher.iter(|| Filters::parse(black_box(FILTERS), &SEMANTICS)));
    let request = PruneRequest::parse(FILTERS, &SEMANTICS, prune_now()).unwrap();
    let image = Image::parse(config(), &SEMANTICS).unwrap();
    group.bench_function("label match", |bencher| bencher.iter(|| request.rejection(black_box(&image))));
    group.finish();
}

fn texts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("texts");
    for text in ["busybox", "registry.example.com/team1/app1:v1"] {
        group.bench_function(BenchmarkId::new("reference", text), |bencher| {
            bencher.iter(|| Reference::parse(black_box(text), &SEMANTICS));
        });
    }
    let digest = Digest::of(b"");
    let text = digest.to_string();
    group.bench_function("digest hex", |bencher| bencher.iter(|| black_box(digest).hex()));
    group.bench_function("digest parse", |bencher| bencher.iter(|| black_box(&text).parse::<Digest>()));
    let config = config();
    group.throughput(Throughput::Bytes(config.len() as u64));
    group.bench_function("image", |bencher| {
        bencher.iter(|| Image::parse(black_box(config.as_bytes()), &SEMANTICS));
    });
    group.throughput(Throughput::Elements(1));
    let pairs = [("env", "test"), ("n", "1"), ("org.opencontainers.image.source", "https://example.com/a")];
    group.bench_function("labels", |bencher| bencher.iter(|| Labels::from_iter(black_box(pairs))));
    let labels = Labels::from_iter(pairs);
    group.bench_function("labels get", |bencher| bencher.iter(|| labels.get(black_box("n")).is_some()));
    group.finish();
}

fn prunes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("prune");
    group.sample_size(10);
    for images in [1_000, 8_000] {
        group.throughput(Throughput::Elements(images as u64));
        group.bench_function(BenchmarkId::from_parameter(images), |bencher| {
            bencher.iter_batched_ref(
                || engine(Shape::plain(images)),
                |engine| engine.prune(&store::filters(), prune_now(), &Never),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn config() -> String {
    store::config(1, &[0, 1, 2, 3, 4, 5, 6].map(|number| store::diff(&format!("layer {number}"))))
}

criterion_group!(benches, filters, texts, prunes);
criterion_main!(benches);
