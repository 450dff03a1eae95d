//! The engine: stores, events and the guard around the pipeline (rules P; moby's
//! `daemon/images/image_prune.go`).

use std::sync::Arc;

use crate::api::event::{EventSink, ImageEvent};
use crate::api::record::Record;
use crate::api::request::PruneRequest;
use crate::api::service::ListRequest;
use crate::base::cancel::Cancel;
use crate::base::digest::ImageId;
use crate::base::error::{Error, Result};
use crate::base::guard::Guard;
use crate::base::sync::atomic::AtomicBool;
use crate::document::filters::Filters;
use crate::document::image::Image;
use crate::go::time::Now;
use crate::graph::account::account;
use crate::graph::delete::{DeleteError, Deletion, Extent, delete_candidates};
use crate::graph::image_list;
use crate::graph::report::PruneReport;
use crate::graph::select::{Order, list, select};
use crate::graph::store::{
    ContainerStore, Containers, ImageStore, Images, LayerStore, Layers, ReferenceStore, References, Stores,
};
use crate::graph::usage::{ImageSummary, Usage, usage};
use crate::semantics::Semantics;

/// A daemon's image service: everything that `POST /images/prune` and `DELETE /images/{name}` do.
///
/// It can be shared between threads; its methods take `&self`.
#[derive(Debug)]
pub struct Engine<E, I = Images, R = References, L = Arc<Layers>, C = Containers> {
    stores: Stores<I, R, L, C>,
    events: E,
    semantics: Semantics,
    order: Order,
    is_pruning: AtomicBool,
    is_measuring: AtomicBool,
}

impl<E, I, R, L, C> Engine<E, I, R, L, C> {
    /// An engine over `stores` that behaves like one version of moby and tells `events`.
    pub const fn new(stores: Stores<I, R, L, C>, semantics: Semantics, events: E) -> Self {
        Self {
            stores,
            events,
            semantics,
            order: Order::ById,
            is_pruning: AtomicBool::new(false),
            is_measuring: AtomicBool::new(false),
        }
    }

    /// The same engine, visiting candidates in another order.
    #[must_use]
    pub fn with_order(self, order: Order) -> Self {
        Self { order, ..self }
    }

    /// Visits candidates in another order from now on.
    pub fn set_order(&mut self, order: Order) {
        self.order = order;
    }

    /// The stores.
    pub const fn stores(&self) -> &Stores<I, R, L, C> {
        &self.stores
    }

    /// The stores, given back.
    #[must_use]
    pub fn into_stores(self) -> Stores<I, R, L, C> {
        self.stores
    }

    /// The sink of the events.
    pub const fn events(&self) -> &E {
        &self.events
    }

    /// The version of moby that it equals.
    pub const fn semantics(&self) -> &Semantics {
        &self.semantics
    }
}

impl<E, I, R, L, C> Engine<E, I, R, L, C>
where
    E: EventSink,
    I: ImageStore,
    R: ReferenceStore,
    L: LayerStore,
    C: ContainerStore,
{
    /// Deletes unused images: moby's `ImagesPrune`.
    ///
    /// # Errors
    ///
    /// In this order (P-2): another prune is running; a filter is wrong; the caller gave up before
    /// anything was deleted.
    pub fn prune(&self, filters: &Filters, now: Now, cancel: &(impl Cancel + ?Sized)) -> Result<PruneReport> {
        let _guard = self.guard()?;
        let request = PruneRequest::from_filters(filters, &self.semantics, now)?;
        self.run(&request, &self.order, cancel)
    }

    /// [`Engine::prune`] with a request that was read before, and an order of its own.
    ///
    /// # Errors
    ///
    /// Another prune is running; the caller gave up before anything was deleted.
    pub fn prune_request(
        &self,
        request: &PruneRequest,
        order: &Order,
        cancel: &(impl Cancel + ?Sized),
    ) -> Result<PruneReport> {
        let _guard = self.guard()?;
        self.run(request, order, cancel)
    }

    fn run(
        &self,
        request: &PruneRequest,
        order: &Order,
        cancel: &(impl Cancel + ?Sized),
    ) -> Result<PruneReport> {
        // P-3: the images first. Of one loaded behind the sizes, no layer would count.
        let listed = list(&self.stores, request);
        let sizes = self.stores.layers.sizes();
        let candidates = select(&self.stores, listed, request, order, cancel)?;
        let log = delete_candidates(&self.deletion(), &candidates, cancel);
        let reclaimed = account(&sizes, &log);
        self.events.publish(ImageEvent::Prune(reclaimed));
        Ok(PruneReport::new(log, reclaimed))
    }

    /// Deletes one reference or image: moby's `ImageDelete` (rules D).
    ///
    /// # Errors
    ///
    /// Nothing is named by `reference_or_id`, a conflict, or a failure of a store.
    pub fn delete(&self, reference_or_id: &str, extent: Extent) -> Result<Vec<Record>, DeleteError> {
        self.deletion().delete(reference_or_id, extent)
    }

    /// The image that a reference, an ID or the beginning of one names (G-1).
    ///
    /// # Errors
    ///
    /// There is none; the text is no reference.
    pub fn image(&self, reference_or_id: &str) -> Result<(ImageId, Arc<Image>)> {
        self.deletion().find(reference_or_id).map_err(Error::from)
    }

    fn deletion(&self) -> Deletion<'_, I, R, L, C, E> {
        Deletion { stores: &self.stores, events: &self.events, semantics: &self.semantics }
    }

    /// The images that a request asks for (U-2, U-3): newest first, by ID among equals. Nothing is counted of intermediate
    /// images: their shared bytes stay −1, and they have no containers.
    ///
    /// # Errors
    ///
    /// A filter is wrong, or names an image that is not there; those of [`Engine::usage`], where something is counted.
    pub fn list(&self, request: &ListRequest<'_>) -> Result<Vec<ImageSummary>> {
        let mut images = image_list::images(&self.stores, &self.semantics, request)?;
        if request.containers || request.shared_size {
            image_list::count(&mut images, &self.usage()?, request);
        }
        Ok(images)
    }

    /// What images take on disk (rules U).
    ///
    /// # Errors
    ///
    /// Another computation is running, where that counts (U-1); a layer is missing.
    pub fn usage(&self) -> Result<Usage> {
        let guard = Guard::enter(&self.is_measuring);
        if guard.is_none() && self.semantics.concurrent_usage_is_refused {
            return Err(Error::system("a disk usage operation is already running"));
        }
        usage(&self.stores, &self.semantics)
    }

    /// P-1.
    fn guard(&self) -> Result<Guard<'_>> {
        Guard::of_prune(&self.is_pruning)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;
    use crate::api::event::Recorder;

    #[test]
    fn disk_usage_is_computed_one_at_a_time_in_20_10() {
        for semantics in Semantics::ALL {
            let engine = Engine::new(Stores::new(&semantics), semantics, Recorder::default());
            let other = Guard::enter(&engine.is_measuring);
            let answer = engine.usage().map_err(|error| error.to_string());
            if semantics == Semantics::MOBY_20_10 {
                assert_eq!(answer.unwrap_err(), "a disk usage operation is already running");
            } else {
                assert!(answer.is_ok());
            }
            drop(other);
            assert!(engine.usage().is_ok());
        }
    }
}
