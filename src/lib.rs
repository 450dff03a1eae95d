//! What `docker image prune` does, as a library: the daemon's decisions, deletions, bytes, events and errors,
//! equal to moby's, and a dry run that says why.
//!
//! ```
//! use image_prune::cancel::Never;
//! use image_prune::event::EventLog;
//! use image_prune::graph::Engine;
//! use image_prune::graph::store::{ReferenceStore, Stores};
//! use image_prune::{Filters, Now, Reference, Semantics, Timestamp};
//!
//! let semantics = Semantics::MOBY_20_10;
//! let stores = Stores::new(&semantics);
//! let old = stores.images.create(r#"{"rootfs":{"type":"layers"},"created":"2020-01-01T00:00:00Z"}"#)?;
//! let new = stores.images.create(r#"{"rootfs":{"type":"layers"},"created":"2030-01-01T00:00:00Z"}"#)?;
//! stores.references.add_tag(Reference::parse("app:1", &semantics)?, old)?;
//! stores.references.add_tag(Reference::parse("app:2", &semantics)?, new)?;
//!
//! let engine = Engine::new(stores, semantics, EventLog::new(|| Timestamp::new(1_890_000_000, 0)));
//! let now = Now::utc(chrono::DateTime::UNIX_EPOCH);
//! let filters = Filters::parse(r#"{"dangling":["false"],"until":["2025-01-01"]}"#, &semantics)?;
//! let report = engine.prune(&filters, now, &Never)?;
//!
//! let lines: Vec<_> = report.images_deleted.iter().map(ToString::to_string).collect();
//! assert_eq!(lines, ["untagged: app:1".to_owned(), format!("deleted: {old}")]);
//! assert!(engine.stores().references.has_references(new));
//! assert_eq!(engine.events().history().len(), 3); // untag, delete, prune
//! # Ok::<(), image_prune::Error>(())
//! ```
//!
//! # Where to look
//!
//! * [`graph::Engine`]: `ImagesPrune` and `ImageDelete` over four [`store`](graph::store)s, which are traits: bring your own.
//! * [`graph::plan`]: what a prune would do to every image, and why.
//! * [`graph::removal`]: what deleting exactly a set of images does.
//! * [`graph::usage`]: the image part of `docker system df`. [`graph::free`]: the smallest set of images that frees enough.
//! * [`containerd`]: the same for a daemon that keeps its images in containerd, with plans of its own.
//! * [`service::ImageService`]: what both engines have in common, for whoever stands on either.
//! * [`World`]: four stores as a file, [`world::State`] those of either kind; [`data_root`] reads one from `/var/lib/docker`.
//! * [`Semantics`]: which version of moby to equal.
//! * [`oracle`]: the executable specification, and [`check`](oracle::check): can an outcome be moby's? [`replay`]:
//!   what moby was recorded to do, as data.
//! * [`server`]: a daemon in memory, for tests. [`client`]: a daemon that runs, whether it conforms, and an agent.
//! * [`registry`]: retention in a registry. [`fit`]: whether an update fits on the disk.
//! * [`rules`]: moby's behaviour, rule by rule. [`_docs`]: architecture, differences from moby and between its versions,
//!   glossary.
//!
//! # Features
//!
//! None is on by default, and the library needs no runtime, no network and no terminal.
//!
//! * `data-root`: reads a Docker data root. Adds `rustix`, for opening files without following links.
//! * `server`: a Docker daemon in memory, on a unix socket, for tests.
//! * `client`: talks to a live daemon, and the agent that prunes it.
//! * `registry`: retention in a registry.
//! * `fit`: whether an update fits on the disk.
//! * `oci-spec`: an [`Image`] to and from the `ImageConfiguration` of that crate.
//! * `cli`: the `image-prune` command, with all other features but `oci-spec`. Adds argument parsing, tables and progress.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(not(feature = "cli"), allow(rustdoc::broken_intra_doc_links, reason = "needs a feature"))]

mod api;
mod base;
#[cfg(feature = "client")]
pub mod client;
pub mod containerd;
#[cfg(feature = "data-root")]
pub mod data_root;
mod document;
#[cfg(feature = "fit")]
pub mod fit;
pub mod go;
pub mod graph;
pub mod oracle;
#[cfg(feature = "registry")]
pub mod registry;
pub mod replay;
pub mod semantics;
#[cfg(feature = "server")]
pub mod server;

pub use api::record::Record;
pub use api::request::PruneRequest;
pub use api::{event, request, rules, service, warning};
pub use base::digest::{ChainId, ContainerId, DiffId, Digest, DigestError, ImageId, short};
pub use base::error::{Error, ErrorClass, Result};
pub use base::{cancel, few, terminal, units};
pub use document::filters::Filters;
pub use document::image::Image;
#[cfg(any(feature = "registry", feature = "fit", feature = "server"))]
pub use document::manifest;
pub use document::reference::Reference;
pub use document::world::World;
pub use document::{image, reference, world};
pub use go::time::{Now, Timestamp};
pub use semantics::{BadFilterText, Evidence, GoTime, Release, Semantics, Unicode};

/// Longer documents, rendered beside the API that they explain.
pub mod _docs {
    #[doc = include_str!("docs/architecture.md")]
    pub mod architecture {}
    #[doc = include_str!("docs/differences.md")]
    pub mod differences {}
    #[doc = include_str!("docs/glossary.md")]
    pub mod glossary {}
    #[doc = include_str!("docs/guide/README.md")]
    pub mod guide {
        #[doc = include_str!("docs/guide/command.md")]
        pub mod command {}
        #[doc = include_str!("docs/guide/disk.md")]
        pub mod disk {}
        #[doc = include_str!("docs/guide/agent.md")]
        pub mod agent {}
        #[doc = include_str!("docs/guide/registry.md")]
        pub mod registry {}
        #[doc = include_str!("docs/guide/fit.md")]
        pub mod fit {}
        #[doc = include_str!("docs/guide/serve.md")]
        pub mod serve {}
        #[doc = include_str!("docs/guide/oracle.md")]
        pub mod oracle {}
        #[doc = include_str!("docs/guide/library.md")]
        pub mod library {}
        #[doc = include_str!("docs/guide/fidelity.md")]
        pub mod fidelity {}
        #[doc = include_str!("docs/guide/performance.md")]
        pub mod performance {}
        #[doc = include_str!("docs/guide/cases.md")]
        pub mod cases {}
        #[doc = include_str!("docs/guide/source.md")]
        pub mod source {}
    }
    #[doc = include_str!("docs/podman.md")]
    pub mod podman {}
    #[doc = include_str!("docs/rules/README.md")]
    pub mod rules {
        #[doc = include_str!("docs/rules/filters.md")]
        pub mod filters {}
        #[doc = include_str!("docs/rules/until.md")]
        pub mod until {}
        #[doc = include_str!("docs/rules/images.md")]
        pub mod images {}
        #[doc = include_str!("docs/rules/layers.md")]
        pub mod layers {}
        #[doc = include_str!("docs/rules/references.md")]
        pub mod references {}
        #[doc = include_str!("docs/rules/delete.md")]
        pub mod delete {}
        #[doc = include_str!("docs/rules/prune.md")]
        pub mod prune {}
        #[doc = include_str!("docs/rules/events.md")]
        pub mod events {}
        #[doc = include_str!("docs/rules/usage.md")]
        pub mod usage {}
        #[doc = include_str!("docs/rules/containerd-store.md")]
        pub mod containerd_store {}
        #[doc = include_str!("docs/rules/containerd-prune.md")]
        pub mod containerd_prune {}
        #[doc = include_str!("docs/rules/containerd-delete.md")]
        pub mod containerd_delete {}
        #[doc = include_str!("docs/rules/containerd-usage.md")]
        pub mod containerd_usage {}
    }
    #[doc = include_str!("docs/versions.md")]
    pub mod versions {}
    #[doc = include_str!("../CHANGELOG.md")]
    pub mod changelog {}
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
