//! A Docker daemon in memory, for tests: the Engine API on a unix socket, over the engine.
//!
//! It answers as dockerd does, to the key and to the text, on every route that images and their prunes need.
//! Containers are records with a state; nothing is executed, pulled or built. What it does not have is answered 501.
//!
//! ```
//! use std::io::{Read, Write};
//! use std::os::unix::net::UnixStream;
//!
//! use image_prune::server::TestDaemon;
//!
//! let daemon = TestDaemon::builder().start()?;
//! daemon.stores().images.create(r#"{"rootfs":{"type":"layers"}}"#)?;
//!
//! let mut client = UnixStream::connect(daemon.socket().unwrap())?;
//! client.write_all(b"POST /images/prune HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n")?;
//! let mut answer = String::new();
//! client.read_to_string(&mut answer)?;
//! assert!(answer.ends_with("\"SpaceReclaimed\":0}\n"));
//! assert!(daemon.stores().images.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The requests of a client can be made to fail: see [`Fault`]. Time stands still where it is
//! [told to](Builder::now), container IDs are the same in each run, and candidates are visited in an
//! [order](Builder::order) of choice.

mod access;
mod answer;
mod call;
mod connection;
mod containers;
mod contents;
mod control;
mod daemon;
mod event_form;
mod events;
mod fault;
mod form;
mod hijack;
mod ids;
mod images;
mod json;
mod limits;
mod networks;
mod patience;
mod pattern;
mod platform;
mod prune;
mod pull;
mod record;
mod route;
mod settings;
mod shape;
mod socket;
mod state;
mod store;
mod swarm;
mod system;
mod test_daemon;
mod transport;
mod upload;
mod usage;
mod visit;
mod volumes;

pub use fault::{Cut, Fault};
pub use limits::Limits;
pub use pull::Pull;
pub use test_daemon::{Builder, TestDaemon};
pub use visit::Visit;
