//! Whether an update fits on the disk, before it is pulled.
//!
//! ```text
//! manifests, indexes, layer indexes ─► Wanted ─┐
//! data root, blob store ─► Place ──────────────┴─► fit ─► what is missing, and what room there is
//! ```
//!
//! Unpacked sizes that nobody knows lie between nothing and the most that the compression allows. An update fits only
//! where the upper end does: no estimate makes it fit, unless the caller states a ratio.
//!
//! ```
//! use image_prune::fit::{Counting, Place, Policy, Volume, Wanted, fit};
//! use image_prune::graph::store::Stores;
//!
//! let stores = Stores::default();
//! let volume = Volume { path: "/var/lib/docker".into(), capacity: 1000, available: 100, block: 1, inodes: None, device: 0 };
//! let place = Place { stores: &stores, diff_ids: &|_| None, volume, blob_store: None, copies: false };
//! let answer = fit(&Wanted::default(), &place, Counting { policy: Policy::default(), assume_ratio: None });
//! assert!(answer.fits, "nothing is wanted");
//! assert_eq!(answer.volumes[0].allowed, 0, "and nothing more would fit");
//! ```

mod bound;
mod check;
mod index;
mod known;
mod layout;
mod measure;
mod volume;
mod wanted;

pub use check::{BlobStore, Counting, Fit, Inodes, Missing, Place, Room, fit};
pub use index::{INDEX_BLOCK, layer_index};
pub use known::Pulled;
pub use layout::{Content, Files, Layout};
pub use measure::{Range, Source, USUAL_BLOCK, Unpacked, measure};
pub use volume::{Policy, Volume};
pub use wanted::{DIFF_ID, INODES, LAYERS, SIZE, USAGE, Wanted, WantedLayer};
