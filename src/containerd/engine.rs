//! The engine: stores, events and the guard around prunes (moby's `daemon/containerd`).

use super::delete::{DeleteError, Deletion, Options};
use super::image::Image;
use super::prune::{PruneError, PruneReport, prune};
use super::record::Record;
use super::request::Request;
use super::select::Order;
use super::store::walk::Walk;
use super::store::{ContainerStore, Containers, Metadata, MetadataStore, Stores};
use super::usage::{self, ImageRow};
use crate::api::event::EventSink;
use crate::base::cancel::Cancel;
use crate::base::digest::ImageId;
use crate::base::error::Result;
use crate::base::guard::Guard;
use crate::base::sync::atomic::AtomicBool;
use crate::document::filters::Filters;
use crate::document::reference::Reference;
use crate::go::time::{Now, Timestamp};
use crate::semantics::Semantics;

/// The image service of a daemon that keeps its images in containerd: everything that `POST /images/prune` and
/// `DELETE /images/{name}` do.
///
/// It can be shared between threads; its methods take `&self`.
#[derive(Debug)]
pub struct Engine<E, S = Metadata, C = Containers> {
    stores: Stores<S, C>,
    events: E,
    semantics: Semantics,
    order: Order,
    is_pruning: AtomicBool,
}

impl<E, S, C> Engine<E, S, C> {
    /// An engine over `stores` that behaves like one version of moby and tells `events`.
    pub const fn new(stores: Stores<S, C>, semantics: Semantics, events: E) -> Self {
        Self { stores, events, semantics, order: Order::ByName, is_pruning: AtomicBool::new(false) }
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
    pub const fn stores(&self) -> &Stores<S, C> {
        &self.stores
    }

    /// The stores, given back.
    #[must_use]
    pub fn into_stores(self) -> Stores<S, C> {
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

impl<E: EventSink, S: MetadataStore, C: ContainerStore> Engine<E, S, C> {
    /// Deletes unused names, and what no name holds any more: moby's `ImagePrune`.
    ///
    /// # Errors
    ///
    /// In this order: another prune is running; a filter is wrong; the store cannot be read; records that
    /// could not be deleted, with the report of those that were.
    pub fn prune(
        &self,
        filters: &Filters,
        now: Now,
        cancel: &(impl Cancel + ?Sized),
    ) -> Result<PruneReport, PruneError> {
        let _guard = Guard::of_prune(&self.is_pruning)?;
        let request = Request::from_filters(filters, &self.semantics, now)?;
        self.run(&request, &self.order, cancel, &mut |_, _| {})
    }

    /// [`Engine::prune`] with a request that was read before, and an order of its own.
    ///
    /// # Errors
    ///
    /// Those of [`Engine::prune`], but for the filters.
    pub fn prune_request(
        &self,
        request: &Request,
        order: &Order,
        cancel: &(impl Cancel + ?Sized),
    ) -> Result<PruneReport, PruneError> {
        self.prune_observed(request, order, cancel, &mut |_, _| {})
    }

    /// [`Engine::prune_request`], with somebody who sees what each record took along.
    pub(super) fn prune_observed(
        &self,
        request: &Request,
        order: &Order,
        cancel: &(impl Cancel + ?Sized),
        observe: &mut dyn FnMut(&Image, &Walk),
    ) -> Result<PruneReport, PruneError> {
        let _guard = Guard::of_prune(&self.is_pruning)?;
        self.run(request, order, cancel, observe)
    }

    fn run(
        &self,
        request: &Request,
        order: &Order,
        cancel: &(impl Cancel + ?Sized),
        observe: &mut dyn FnMut(&Image, &Walk),
    ) -> Result<PruneReport, PruneError> {
        prune(&self.stores, &self.events, &self.semantics, request, order, cancel, observe)
    }

    /// Deletes one name or image: moby's `ImageDelete` (rules X). `now` is when a record is
    /// made that keeps what has lost its last name.
    ///
    /// # Errors
    ///
    /// Nothing is named by `reference_or_id`, a conflict, or a failure of a store; with the records made so far.
    pub fn delete(
        &self,
        reference_or_id: &str,
        options: &Options,
        now: Now,
    ) -> Result<Vec<Record>, DeleteError> {
        self.deletion(now.instant).delete(reference_or_id, options)
    }

    /// Gives an image a name, which another image may lose: moby's `TagImage` (N-9). A reference without a tag means
    /// `latest`. `now` is when records are made: of the name, and of what has lost its last one.
    ///
    /// # Errors
    ///
    /// There is no such image; the store cannot be read or written.
    pub fn tag(&self, id: ImageId, reference: Reference, now: Now) -> Result<()> {
        self.deletion(now.instant).tag(id, reference)
    }

    /// The image that a reference, an ID, or the beginning of one names.
    ///
    /// # Errors
    ///
    /// There is none, or more than one; the text is no reference; the store cannot be read.
    pub fn find(&self, reference_or_id: &str) -> Result<ImageId> {
        // To look makes no record, so that no time is needed.
        self.deletion(Timestamp::ZERO).find(reference_or_id).map(ImageId::from)
    }

    fn deletion(&self, now: Timestamp) -> Deletion<'_, S, C, E> {
        Deletion { stores: &self.stores, events: &self.events, semantics: &self.semantics, now }
    }

    /// The images, as `GET /images/json` without filters lists them (W-1 to W-3): newest first, by digest among
    /// equals. Parents of the classic builder that have no name are among them where `all` says so, and sizes that
    /// images share where `shared_size` does.
    ///
    /// # Errors
    ///
    /// An index does not decode; the store cannot be read.
    pub fn list(&self, all: bool, shared_size: bool) -> Result<Vec<ImageRow>> {
        usage::list(&self.stores, &self.semantics, all, shared_size)
    }

    /// The bytes that all images take (W-4).
    ///
    /// # Errors
    ///
    /// A manifest or an index does not decode; the store cannot be read.
    pub fn disk_usage(&self) -> Result<i64> {
        usage::disk_usage(&self.stores, &self.semantics)
    }
}
