//! Bytes as a function of sets: what deleting exactly these images frees, what each frees alone, and the smallest
//! set that frees enough.
//!
//! Images share layers, so that the bytes of two images say nothing about those of both. [`free`] asks the engine,
//! on a copy of the stores; [`Holders`] counts who holds which layer, which answers the same thousands of times a
//! second.
//!
//! ```
//! use image_prune::free::{Holders, Search, free};
//! use image_prune::store::Stores;
//! use image_prune::{DiffId, Digest, Semantics};
//!
//! let stores = Stores::default();
//! let base = DiffId::from(Digest::of(b"base"));
//! let handle = stores.layers.register(base, None, 100)?;
//! let config = |author| format!(r#"{{"author":"{author}","rootfs":{{"type":"layers","diff_ids":["{base}"]}}}}"#);
//! let (a, b) = (stores.images.create(config("a"))?, stores.images.create(config("b"))?);
//! stores.layers.release(handle)?;
//!
//! let holders = Holders::new(&stores, &Semantics::MOBY_20_10);
//! assert_eq!((holders.freed(&[a]), holders.freed(&[b]), holders.freed(&[a, b])), (0, 0, 100));
//! assert_eq!(free(&stores, &[a, b], &Semantics::MOBY_20_10).bytes, 100);
//! let choice = holders.smallest(&[a, b], 60);
//! assert_eq!((choice.images.len(), choice.bytes, choice.search), (2, 100, Search::Exact));
//! # Ok::<(), image_prune::Error>(())
//! ```

use std::collections::HashSet;

use serde::Serialize;

use crate::delete::Extent;
use crate::digest::ImageId;
use crate::event::Recorder;
use crate::prune::Engine;
use crate::record::Record;
use crate::store::{ImageStore, LayerStore, ReferenceStore, Stores};
use crate::{Error, Semantics};

mod holders;
mod smallest;

pub use holders::Holders;
pub use smallest::{Choice, EXACT_LIMIT, Search};

/// What deleting a set of images does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Freed {
    /// Bytes of the layers that go.
    pub bytes: u64,
    /// What goes, in order; unnamed parents that nothing else needs are among it.
    pub records: Vec<Record>,
    /// The images of the set that stay, and moby's words for why.
    pub stays: Vec<(ImageId, String)>,
}

/// Deletes exactly this set on a copy of the stores, as `docker rmi` of all its references would, without force:
/// children first, unnamed parents that nothing needs any more along (SPEC.md D-12).
///
/// What a container uses stays, and so does what has children outside of the set.
#[must_use]
pub fn free(stores: &Stores, set: &[ImageId], semantics: &Semantics) -> Freed {
    let engine = Engine::new(stores.copy(), *semantics, Recorder::default());
    let mut freed = Freed { bytes: 0, records: Vec::new(), stays: Vec::new() };
    for id in children_first(stores, set) {
        // A child of the set may have taken it along.
        if engine.stores().images.contains(id)
            && let Err(error) = delete_one(&engine, id, &mut freed.records)
        {
            freed.stays.push((id, error.to_string()));
        }
    }
    freed.stays.retain(|(id, _)| engine.stores().images.contains(*id));
    freed.bytes = bytes_between(stores, engine.stores());
    freed
}

/// Bytes of the layers that are no longer there.
pub(crate) fn bytes_between(before: &Stores, after: &Stores) -> u64 {
    let layers = before.layers.layers().into_iter();
    let gone = layers.filter(|layer| after.layers.layer(layer.chain_id).is_none());
    bytes(gone.map(|layer| i128::from(layer.size)).sum())
}

/// Every reference of an image goes; the last one takes it along.
fn delete_one(engine: &Engine<Recorder>, id: ImageId, records: &mut Vec<Record>) -> Result<(), Error> {
    let references = engine.stores().references.references(id);
    let names: Vec<String> = if references.is_empty() {
        vec![id.to_string()]
    } else {
        references.iter().map(|reference| reference.as_str().to_owned()).collect()
    };
    for (name, reference) in names.iter().zip(references.iter().map(Some).chain([None])) {
        // A tag takes the digests of its repository along (SPEC.md D-5.4).
        if reference.is_some_and(|reference| engine.stores().references.get(reference) != Some(id)) {
            continue;
        }
        match engine.delete(name, Extent { force: false, prune: true }) {
            Ok(gone) => records.extend(gone),
            Err(error) => {
                records.extend(error.records().iter().cloned());
                return Err(error.into());
            }
        }
    }
    Ok(())
}

/// The images of a set, each once: those with more ancestors first, by ID among equals.
pub(crate) fn children_first(stores: &Stores, set: &[ImageId]) -> Vec<ImageId> {
    let depth = |id: ImageId| {
        let mut seen = HashSet::from([id]);
        let parent = |id: &ImageId| stores.images.parent(*id);
        std::iter::successors(parent(&id), parent).take_while(|id| seen.insert(*id)).count()
    };
    let mut sorted: Vec<_> = set.iter().map(|id| (std::cmp::Reverse(depth(*id)), *id)).collect();
    sorted.sort_unstable();
    sorted.dedup();
    sorted.into_iter().map(|(_, id)| id).collect()
}

/// A sum of sizes. Only damaged stores have negative ones.
fn bytes(sum: i128) -> u64 {
    u64::try_from(sum.max(0)).unwrap_or(u64::MAX)
}
