//! All tests beyond the unit tests: what moby recorded, the executable specification, laws, faults.
#![allow(missing_docs, reason = "test code")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::too_long_first_doc_paragraph,
    reason = "test code"
)]

#[cfg(feature = "cli")]
mod agent;
mod cancel;
mod candidates;
mod cases;
#[cfg(feature = "client")]
mod client;
#[cfg(feature = "cli")]
mod command;
#[cfg(all(feature = "client", feature = "server"))]
mod conform;
mod containerd;
mod containerd_engine;
#[cfg(feature = "data-root")]
mod containerd_root;
mod cost;
mod coverage;
#[cfg(feature = "data-root")]
mod daemon;
#[cfg(feature = "data-root")]
mod data_root;
#[cfg(feature = "cli")]
mod deletion;
mod determinism;
mod differences;
mod engine_vs_model;
mod error_texts;
mod faults;
#[cfg(feature = "cli")]
mod fit;
mod foreign_stores;
mod forgotten;
mod free;
mod growth;
#[cfg(all(feature = "cli", not(shuttle)))]
mod host;
#[cfg(shuttle)]
mod interleavings;
#[cfg(feature = "client")]
mod keep;
mod laws;
mod layering;
mod locks;
#[cfg(feature = "client")]
mod needed;
mod oracle;
mod overlay;
mod partial_outcomes;
#[cfg(feature = "cli")]
mod registry;
mod removal;
mod rule_ids;
mod scenarios;
#[cfg(feature = "server")]
mod server;
mod service;
mod stores_vs_model;
#[cfg(not(shuttle))]
mod stress;
mod support;
mod table_filters;
mod table_reference;
mod table_until;
mod tables;
#[cfg(feature = "server")]
mod versions;
