//! Which images a prune may delete (P-3, P-4). Reads the stores, changes nothing.

use std::collections::HashSet;
use std::ops::ControlFlow;

use crate::api::request::{PruneRequest, Rejection};
use crate::base::cancel::Cancel;
use crate::base::digest::ImageId;
use crate::base::error::{Error, Kind, Result};
use crate::base::shuffle::shuffle;
use crate::document::image::Image;
use crate::graph::store::{ImageStore, ReferenceStore, Stores};

/// The order in which candidates are visited. moby walks a map: any order can be its own (O-7).
///
/// The outcome does not depend on it, the sequence of records does (O-1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Order {
    /// By ID: two runs are alike.
    // DIFFERENCE(order-of-visits): a Go map has no order.
    #[default]
    ById,
    /// These first, in this order, then the others by ID. Replays what a daemon did.
    Given(Vec<ImageId>),
    /// Shuffled; the same seed gives the same order.
    Shuffled(u64),
}

/// The images that a prune looks at: one snapshot of the image store (P-3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    ids: Vec<ImageId>,
    dangling_only: bool,
}

/// Lists the images that `request` looks at: the heads if it asks for dangling images only, otherwise all.
pub fn list<I: ImageStore, R, L, C>(stores: &Stores<I, R, L, C>, request: &PruneRequest) -> Listed {
    let dangling_only = request.dangling_only();
    Listed { ids: stores.images.ids(dangling_only), dangling_only }
}

/// The images that a prune will try to delete, in the order in which it will.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidates {
    ids: Vec<ImageId>,
    dangling_only: bool,
}

impl Candidates {
    /// The images, in order.
    #[must_use]
    pub fn ids(&self) -> &[ImageId] {
        &self.ids
    }

    /// Whether images with a tag are to be passed over (P-5).
    #[must_use]
    pub const fn dangling_only(&self) -> bool {
        self.dangling_only
    }
}

/// Why an image is no candidate (P-3, P-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exclusion {
    /// It has children, and only heads were asked for.
    NotAHead,
    /// It has no references, but children.
    Intermediate,
    /// A filter keeps it.
    Filtered(Rejection),
    /// Its config cannot be read.
    Unreadable,
}

/// Chooses the candidates of one prune among the images listed for it.
///
/// # Errors
///
/// The cancellation's text, if the caller gives up meanwhile: it is asked once before each image, so that an
/// empty store never notices.
pub fn select<I: ImageStore, R: ReferenceStore, L, C>(
    stores: &Stores<I, R, L, C>,
    listed: Listed,
    request: &PruneRequest,
    order: &Order,
    cancel: &(impl Cancel + ?Sized),
) -> Result<Candidates> {
    let Listed { ids: listed, dangling_only } = listed;
    let mut ids = Vec::with_capacity(listed.len());
    let mut is_cancelled = false;
    // An image that cannot be read is not in moby's snapshot, hence not polled for (I-9).
    stores.images.visit(&listed, &mut |id, image, has_children| {
        if cancel.is_cancelled() {
            is_cancelled = true;
            return ControlFlow::Break(());
        }
        if exclusion_of_listed(stores, request, id, image, has_children).is_none() {
            ids.push(id);
        }
        ControlFlow::Continue(())
    });
    if is_cancelled {
        return Err(Error::cancelled(cancel.reason()).of_kind(Kind::PruneCancelled));
    }
    order.apply(&mut ids);
    Ok(Candidates { ids, dangling_only })
}

/// Why `id` is no candidate, none if it is one.
pub fn exclusion<I: ImageStore, R: ReferenceStore, L, C>(
    stores: &Stores<I, R, L, C>,
    request: &PruneRequest,
    id: ImageId,
) -> Option<Exclusion> {
    let Ok(image) = stores.images.get(id) else { return Some(Exclusion::Unreadable) };
    let has_children = stores.images.has_children(id);
    if request.dangling_only() && has_children {
        return Some(Exclusion::NotAHead);
    }
    exclusion_of_listed(stores, request, id, &image, has_children)
}

/// P-4, for an image of the snapshot.
fn exclusion_of_listed<I: ImageStore, R: ReferenceStore, L, C>(
    stores: &Stores<I, R, L, C>,
    request: &PruneRequest,
    id: ImageId,
    image: &Image,
    has_children: bool,
) -> Option<Exclusion> {
    if has_children && !stores.references.has_references(id) {
        return Some(Exclusion::Intermediate);
    }
    request.rejection(image).map(Exclusion::Filtered)
}

impl Order {
    fn apply(&self, ids: &mut Vec<ImageId>) {
        ids.sort_unstable_by(|a, b| a.leading().cmp(&b.leading()).then_with(|| a.cmp(b)));
        match self {
            Self::ById => {}
            Self::Given(first) => {
                let mut left: HashSet<ImageId> = ids.iter().copied().collect();
                let mut ordered: Vec<_> = first.iter().copied().filter(|id| left.remove(id)).collect();
                ordered.extend(ids.iter().filter(|id| left.contains(id)));
                *ids = ordered;
            }
            Self::Shuffled(seed) => shuffle(ids, *seed),
        }
    }
}
