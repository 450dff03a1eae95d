//! Talks to a live Docker daemon over its API.
//!
//! [`Client`] is blocking: it keeps a small runtime of its own, and must not be called from inside another one.
//! It asks a daemon for its API version once and speaks that, up to the newest that is known here.
//!
//! ```no_run
//! use image_prune::client::{Client, Host};
//!
//! let client = Client::new(Host::parse("unix:///var/run/docker.sock")?)?;
//! for image in client.images(true)? {
//!     println!("{} {:?}", image.id, image.repo_tags);
//! }
//! let report = client.prune_images(r#"{"dangling":["false"]}"#)?;
//! println!("{} bytes", report.space_reclaimed);
//! # Ok::<(), image_prune::client::ClientError>(())
//! ```

pub mod agent;
mod answer;
mod api;
pub mod conform;
pub mod deletion;
mod error;
mod host;
mod image_store;
mod keep;
mod lines;
mod observe;
mod path;
mod podman;
mod requests;
pub mod state;
mod transport;
mod view;

pub use answer::{
    BuildCacheRecord, ContainerConfig, ContainerDetails, ContainerState, ContainerSummary, ContainersReport,
    Created, DeletedItem, DiskUsage, Health, HistoryItem, ImageConfig, ImageDetails, ImageSummary,
    ImagesReport, Info, Mount, RootFs, UsageData, Version, Volume,
};
pub use api::Client;
pub use error::{ClientError, FailureKind};
pub use host::Host;
pub use hyper::Method;
pub use keep::{KeepReason, KeepRules, Keeping};
pub use observe::{Observation, Observer};
pub use path::{Query, segment};
pub use transport::{Response, Timeouts};
pub use view::View;
