//! The four stores: one narrow trait each, and in-memory stores that implement them.
//!
//! A runtime that links the crate implements the traits over its own state; everybody else uses
//! [`Stores`] as it comes. Methods take `&self`: stores are shared between threads, and no lock ever
//! leaves a method. A store may call stores behind it in this order, never back:
//! images → layers. References and containers call nobody.
//!
//! A store of your own takes the place of one of ours, the engine does not notice. Nor do
//! [`plan`](crate::graph::plan), [`removal`](crate::graph::removal) and [`free`](crate::graph::free), which say what would
//! happen, and change nothing:
//!
//! ```
//! use image_prune::cancel::Never;
//! use image_prune::event::Recorder;
//! use image_prune::graph::plan::{Verdict, plan};
//! use image_prune::graph::select::Order;
//! use image_prune::graph::store::{ContainerState, ContainerStore, Stores};
//! use image_prune::{ContainerId, Digest, Filters, graph::Engine, ImageId, Now, Semantics};
//!
//! /// A runtime that runs everything from one image.
//! struct Runtime {
//!     image: ImageId,
//!     process: ContainerId,
//! }
//!
//! impl ContainerStore for Runtime {
//!     fn first(&self, image: ImageId, state: ContainerState) -> Option<ContainerId> {
//!         (image == self.image && state != ContainerState::Stopped).then_some(self.process)
//!     }
//!
//!     fn count(&self, image: ImageId) -> usize {
//!         usize::from(image == self.image)
//!     }
//! }
//!
//! let Stores { images, references, layers, .. } = Stores::default();
//! let used = images.create(r#"{"rootfs":{"type":"layers"}}"#)?;
//! let unused = images.create(r#"{"rootfs":{"type":"layers"},"author":"me"}"#)?;
//! let containers = Runtime { image: used, process: Digest::of(b"a process").into() };
//!
//! let stores = Stores { images, references, layers, containers };
//! let now = Now::utc(chrono::DateTime::UNIX_EPOCH);
//! let plan = plan(&stores, "", &Semantics::MOBY_20_10, now, &Order::ById)?;
//! let goes: Vec<_> = plan.images.iter().filter(|image| image.verdict == Verdict::Delete).collect();
//! assert_eq!((goes.len(), goes[0].id, stores.images.len()), (1, unused, 2));
//!
//! let engine = Engine::new(stores, Semantics::MOBY_20_10, Recorder::default());
//! let report = engine.prune(&Filters::default(), now, &Never)?;
//! assert_eq!(report.images_deleted[0].to_string(), format!("deleted: {unused}"));
//! assert!(engine.stores().images.contains(used));
//! # Ok::<(), image_prune::Error>(())
//! ```

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::base::digest::{ChainId, ContainerId, DiffId, ImageId};
use crate::base::error::Result;
use crate::document::image::Image;
use crate::document::reference::Reference;
use crate::semantics::Semantics;

mod container;
mod image;
mod layer;
mod load;
mod overlay;
mod reference;

pub use container::{Container, Containers};
pub use image::Images;
pub use layer::{LayerHandle, LayerSnapshot, Layers, Mount};
pub use load::LoadError;
pub use overlay::{Overlay, OverlayImages, OverlayLayers, OverlayReferences, OverlaySizes};
pub use reference::References;

/// The image store (rules I; moby's `image/store.go`).
pub trait ImageStore {
    /// The IDs of all images, or of the heads only: images without children (I-9). One
    /// snapshot, in any order.
    fn ids(&self, heads_only: bool) -> Vec<ImageId>;

    /// The image, if it is there and readable (I-6).
    ///
    /// # Errors
    ///
    /// Any error means that the image cannot be read; its text is not shown.
    fn get(&self, id: ImageId) -> Result<Arc<Image>>;

    /// The one image whose ID begins with `term` (I-12).
    ///
    /// # Errors
    ///
    /// Where there is none, or more than one.
    fn search(&self, term: &str) -> Result<ImageId>;

    /// Whether another image has this one as its parent (I-9).
    fn has_children(&self, id: ImageId) -> bool;

    /// The stored parent link; it may name an image that is gone (I-8).
    fn parent(&self, id: ImageId) -> Option<ImageId>;

    /// The children of an image, in any order (I-9). A prune does not ask, a plan does, for each image with children;
    /// this looks at every image, so that a store that knows better should say.
    fn children(&self, id: ImageId) -> Vec<ImageId> {
        if !self.has_children(id) {
            return Vec::new();
        }
        self.ids(false).into_iter().filter(|child| self.parent(*child) == Some(id)).collect()
    }

    /// Some images in their order, and whether each has children; those that cannot be read are left out. Ends
    /// when `visit` says so.
    fn visit(&self, ids: &[ImageId], visit: &mut dyn FnMut(ImageId, &Image, bool) -> ControlFlow<()>) {
        for &id in ids {
            if let Ok(image) = self.get(id)
                && visit(id, &image, self.has_children(id)).is_break()
            {
                return;
            }
        }
    }

    /// Whether [`delete`](ImageStore::delete) would take the image out, as far as that can be told before. Only plans
    /// ask; a store that refuses what it can read should say so here, too.
    ///
    /// # Errors
    ///
    /// Where the image is unknown or must not go.
    fn check_delete(&self, id: ImageId) -> Result<()> {
        self.get(id).map(drop)
    }

    /// Takes the image out and releases its layers: those that went, top to base (I-10).
    ///
    /// # Errors
    ///
    /// Where the image is unknown or must not go, and where a layer could not be removed.
    fn delete(&self, id: ImageId) -> Result<Vec<FreedLayer>>;

    /// [`ImageStore::delete`], the layers that went added to a list that lives on; the
    /// [parent](ImageStore::parent) that the image had.
    ///
    /// # Errors
    ///
    /// Those of [`ImageStore::delete`]; nothing is added then.
    fn delete_into(&self, id: ImageId, freed: &mut Vec<FreedLayer>) -> Result<Option<ImageId>> {
        let parent = self.parent(id);
        freed.extend(self.delete(id)?);
        Ok(parent)
    }

    /// Tells the store which images will be asked for next, so that it can have them at hand.
    fn announce(&self, ids: &[ImageId]) {
        let _ = ids;
    }
}

/// The reference store (rules R-6 to R-11; moby's `reference/store.go`).
pub trait ReferenceStore {
    /// All references to an image, sorted by their normalized text (R-10).
    fn references(&self, id: ImageId) -> Vec<Reference>;

    /// The image that a reference names; a name alone means its tag `latest` (R-8).
    fn get(&self, reference: &Reference) -> Option<ImageId>;

    /// Takes a reference out (R-8).
    ///
    /// # Errors
    ///
    /// `reference does not exist` where it is not there; any other where it could not be saved.
    fn delete(&self, reference: &Reference) -> Result<()>;

    /// [`ReferenceStore::references`], added to a list that lives on.
    fn references_into(&self, id: ImageId, references: &mut Vec<Reference>) {
        references.extend(self.references(id));
    }

    /// Tells the store the references of which images will be asked for next.
    fn announce(&self, ids: &[ImageId]) {
        let _ = ids;
    }

    /// Whether the image has any reference.
    fn has_references(&self, id: ImageId) -> bool {
        !self.references(id).is_empty()
    }

    /// [`ReferenceStore::delete`], and what the image has left then.
    ///
    /// # Errors
    ///
    /// Those of [`ReferenceStore::delete`].
    fn untag(&self, id: ImageId, reference: &Reference) -> Result<Remaining> {
        self.delete(reference)?;
        Ok(Remaining::behind(reference, &self.references(id)))
    }

    /// Whether all references of the image are of one repository, with at most one tag among them
    /// (D-4). False for none.
    fn has_single_reference(&self, id: ImageId) -> bool {
        is_single_reference(&self.references(id))
    }
}

/// What an image has left of which a reference is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remaining {
    /// Whether it has any reference.
    pub any: bool,
    /// The digests of the repository of a tag that is gone, sorted; none as long as another tag of that repository
    /// is left, and none where a digest is gone (D-5.4).
    pub orphaned_digests: Vec<Reference>,
}

impl Remaining {
    /// Where `removed` is gone and `left` are the references left, sorted.
    #[must_use]
    pub fn behind(removed: &Reference, left: &[Reference]) -> Self {
        Self { any: !left.is_empty(), orphaned_digests: orphaned_digests(removed, left) }
    }
}

fn orphaned_digests(removed: &Reference, left: &[Reference]) -> Vec<Reference> {
    if left.is_empty() || removed.is_canonical() {
        return Vec::new();
    }
    // R-10: a repository's references stand side by side, its tags first.
    let (before, behind) = left.split_at(left.partition_point(|reference| reference < removed));
    let is_beside = |reference: &&Reference| reference.name() == removed.name();
    let mut beside = before.last().into_iter().chain(behind.first()).filter(is_beside);
    if beside.any(|reference| !reference.is_canonical()) {
        return Vec::new();
    }
    behind.iter().take_while(is_beside).cloned().collect()
}

/// The layer store, as far as a prune looks into it (rules Y; moby's `layer/layer_store.go`).
/// Layers are released by the image store, not by the engine.
pub trait LayerStore {
    /// What [`LayerStore::sizes`] gives.
    type Sizes: LayerSizes;

    /// The sizes of all layers as they are now (P-3, Y-8).
    fn sizes(&self) -> Self::Sizes;

    /// One layer.
    fn layer(&self, chain: ChainId) -> Option<Layer>;

    /// Visits a layer and those below it, top to base, until `visit` says false. All are to be of one moment: as
    /// long as others delete layers, one call for each would see half a chain.
    fn walk(&self, top: ChainId, visit: &mut dyn FnMut(ChainId, Layer) -> bool) {
        let mut next = Some(top);
        while let Some(chain) = next
            && let Some(layer) = self.layer(chain)
            && visit(chain, layer)
        {
            next = layer.parent;
        }
    }

    /// The size of a chain: the layer and all below it (Y-7). `None` for an unknown layer.
    fn chain_size(&self, chain: ChainId) -> Option<i64> {
        let mut size = None;
        self.walk(chain, &mut |_, layer| {
            size = Some(size.unwrap_or(0_i64).wrapping_add(layer.diff_size));
            true
        });
        size
    }
}

/// The sizes of layers at one moment.
pub trait LayerSizes {
    /// The layer's own size in bytes; none where there was no such layer.
    fn diff_size(&self, chain: ChainId) -> Option<i64>;

    /// The layers freed since that had come since, where the store can tell. Then [`diff_size`](Self::diff_size)
    /// need not know a layer above another: those freed are known by what their deletion said, and no image has
    /// the ID of one. Asked once, behind the last deletion.
    fn newcomers(&self) -> Option<HashSet<ChainId>> {
        None
    }
}

/// The container store, as far as a prune looks into it.
pub trait ContainerStore {
    /// A container made from the image that has the state asked for. Where several have, it may be
    /// any of them (O-5).
    fn first(&self, image: ImageId, state: ContainerState) -> Option<ContainerId>;

    /// A running and a stopped container made from the image, of one moment.
    fn users(&self, image: ImageId) -> Users {
        Users {
            running: self.first(image, ContainerState::Running),
            stopped: self.first(image, ContainerState::Stopped),
        }
    }

    /// The number of containers made from the image, in any state (U-3).
    fn count(&self, image: ImageId) -> usize;

    /// A container that mounts the image and has the state asked for (D-5.1, since moby 28.0).
    fn first_mounting(&self, image: ImageId, state: ContainerState) -> Option<ContainerId> {
        let _ = (image, state);
        None
    }
}

/// Containers that use an image, one of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Users {
    /// One that is running.
    pub running: Option<ContainerId>,
    /// One that is not.
    pub stopped: Option<ContainerId>,
}

/// Which containers are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerState {
    /// Their running flag is set; so it is for paused and restarting ones (D-7).
    Running,
    /// All others, created and dead ones included.
    Stopped,
    /// All.
    Any,
}

/// One layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer {
    /// The layer's own tar.
    pub diff_id: DiffId,
    /// The chain below.
    pub parent: Option<ChainId>,
    /// The layer's own size in bytes.
    pub diff_size: i64,
    /// How many hold it: layers above it, images and others that asked for it, writable layers (Y-5). It goes with the
    /// last of them.
    pub holders: usize,
}

/// A layer that went with the last that held it (Y-5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FreedLayer {
    /// The layer and all below it.
    pub chain_id: ChainId,
    /// The layer's own tar.
    pub diff_id: DiffId,
    /// The layer's own size in bytes.
    pub diff_size: i64,
}

/// The four stores of a daemon.
///
/// [`Stores::default`] and [`Stores::load`] give the in-memory ones.
#[derive(Debug)]
pub struct Stores<I = Images, R = References, L = Arc<Layers>, C = Containers> {
    /// The images.
    pub images: I,
    /// The references.
    pub references: R,
    /// The layers.
    pub layers: L,
    /// The containers.
    pub containers: C,
}

impl<I, R, L: LayerStore, C> Stores<I, R, L, C> {
    /// The bytes of all layers of an image; `None` where its top layer is missing (U-2).
    pub(crate) fn image_size(&self, image: &Image) -> Option<i64> {
        match image.chain() {
            Ok(None) => Some(0),
            Ok(Some(chain)) => self.layers.chain_size(chain),
            Err(_) => None,
        }
    }
}

impl Stores {
    /// Empty in-memory stores.
    #[must_use]
    pub fn new(semantics: &Semantics) -> Self {
        Self::on(Layers::new(), semantics)
    }

    fn on(layers: Layers, semantics: &Semantics) -> Self {
        let layers = Arc::new(layers);
        Self {
            images: Images::new(Arc::clone(&layers), semantics),
            references: References::new(semantics),
            layers,
            containers: Containers::new(),
        }
    }

    /// Empty in-memory stores that will throw raw configs away: see [`Images::without_configs`].
    #[must_use]
    pub fn without_configs(semantics: &Semantics) -> Self {
        let stores = Self::new(semantics);
        Self { images: stores.images.without_configs(), ..stores }
    }

    /// A copy that shares nothing that can change: images and layers as they are at one moment, references and
    /// containers as they are a moment later, without the layers' driver.
    #[must_use]
    pub fn copy(&self) -> Self {
        let images = self.images.copy();
        Self {
            layers: images.layers(),
            images,
            references: self.references.clone(),
            containers: self.containers.clone(),
        }
    }

    /// Checks what must always hold: counts, links and indexes agree. For tests.
    ///
    /// # Errors
    ///
    /// The first invariant that is broken, in words.
    pub fn validate(&self) -> Result<(), String> {
        self.images.validate()?;
        self.references.validate()?;
        self.containers.validate()?;
        self.layers.validate(&self.images.held_layers())
    }
}

impl Default for Stores {
    fn default() -> Self {
        Self::new(&Semantics::default())
    }
}

/// D-4: whether all references are of one repository, with at most one tag among them. False for none.
fn is_single_reference(references: &[Reference]) -> bool {
    let mut tags = references.iter().filter(|reference| !reference.is_canonical());
    let (tag, other_tag) = (tags.next(), tags.next());
    let Some(single) = tag.or_else(|| references.first()) else { return false };
    other_tag.is_none() && references.iter().all(|reference| reference.name() == single.name())
}

impl<S: std::hash::BuildHasher> LayerSizes for std::collections::HashMap<ChainId, i64, S> {
    fn diff_size(&self, chain: ChainId) -> Option<i64> {
        self.get(&chain).copied()
    }
}
