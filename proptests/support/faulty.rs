//! Stores of which one call fails: around the in-memory ones, through the traits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use image_prune::event::Recorder;
use image_prune::graph::Engine;
use image_prune::graph::store::{
    Containers, FreedLayer, ImageStore, Images, Layers, ReferenceStore, References, Stores,
};
use image_prune::oracle::graph::{Model, StoreCall};
use image_prune::replay::Subject;
use image_prune::{ChainId, Error, Image, ImageId, Reference, Result, Semantics, World};

/// Which call fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The nth call of any kind, counted from 0.
    Nth(usize),
    /// The first save of references.
    FirstSave,
    /// The second save of references.
    SecondSave,
    /// The first deletion of a lease.
    FirstLease,
    /// The deletion of this image's lease, whenever it is tried.
    Lease(ImageId),
    /// The first removal of a layer by the driver.
    FirstLayer,
    /// The driver's removal of this layer.
    Layer(ChainId),
}

/// Counts the calls and fails the one that is meant. Clones count together.
#[derive(Debug, Clone)]
pub struct Plan {
    fault: Fault,
    calls: Arc<AtomicUsize>,
    saves: Arc<AtomicUsize>,
    leases: Arc<AtomicUsize>,
    layers: Arc<AtomicUsize>,
}

impl Plan {
    /// `fault` is to come.
    pub fn new(fault: Fault) -> Self {
        let zero = || Arc::new(AtomicUsize::new(0));
        Self { fault, calls: zero(), saves: zero(), leases: zero(), layers: zero() }
    }

    /// The number of calls so far.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// Asked once per call, in moby's order.
    pub fn ask(&self, call: &StoreCall) -> Option<Error> {
        let count = |counter: &AtomicUsize| counter.fetch_add(1, Ordering::Relaxed);
        let all = count(&self.calls);
        let of_kind = count(match call {
            StoreCall::SaveReferences(_) => &self.saves,
            StoreCall::DeleteLease(_) => &self.leases,
            StoreCall::RemoveLayer(_) => &self.layers,
        });
        let fails = match (&self.fault, call) {
            (Fault::Nth(nth), _) => all == *nth,
            (Fault::FirstSave, StoreCall::SaveReferences(_))
            | (Fault::FirstLease, StoreCall::DeleteLease(_))
            | (Fault::FirstLayer, StoreCall::RemoveLayer(_)) => of_kind == 0,
            (Fault::SecondSave, StoreCall::SaveReferences(_)) => of_kind == 1,
            (Fault::Lease(id), StoreCall::DeleteLease(other)) => id == other,
            (Fault::Layer(chain), StoreCall::RemoveLayer(other)) => chain == other,
            _ => false,
        };
        fails.then(|| Error::system("injected"))
    }
}

/// Images whose lease may not go (I-11).
#[derive(Debug)]
pub struct FaultyImages(pub Images, Plan);

impl ImageStore for FaultyImages {
    fn ids(&self, heads_only: bool) -> Vec<ImageId> {
        self.0.ids(heads_only)
    }

    fn get(&self, id: ImageId) -> Result<Arc<Image>> {
        self.0.get(id)
    }

    fn search(&self, term: &str) -> Result<ImageId> {
        self.0.search(term)
    }

    fn has_children(&self, id: ImageId) -> bool {
        self.0.has_children(id)
    }

    fn parent(&self, id: ImageId) -> Option<ImageId> {
        self.0.parent(id)
    }

    fn delete(&self, id: ImageId) -> Result<Vec<FreedLayer>> {
        match self.1.ask(&StoreCall::DeleteLease(id)) {
            Some(error) => Err(Error::new(error.class(), format!("error deleting lease: {error}"))),
            None => self.0.delete(id),
        }
    }
}

/// References whose save may fail after the reference is gone.
#[derive(Debug)]
pub struct FaultyReferences(pub References, Plan);

impl ReferenceStore for FaultyReferences {
    fn references(&self, id: ImageId) -> Vec<Reference> {
        self.0.references(id)
    }

    fn get(&self, reference: &Reference) -> Option<ImageId> {
        self.0.get(reference)
    }

    fn delete(&self, reference: &Reference) -> Result<()> {
        self.0.delete(reference)?;
        self.1.ask(&StoreCall::SaveReferences(reference.clone())).map_or(Ok(()), Err)
    }
}

/// An engine over such stores.
pub type FaultyEngine<E = Recorder> = Engine<E, FaultyImages, FaultyReferences, Arc<Layers>, Containers>;

/// An engine over stores that fail as `plan` has it.
pub fn faulty_engine(world: &World, semantics: Semantics, plan: &Plan) -> FaultyEngine {
    let driver = plan.clone();
    let remove = move |chain| driver.ask(&StoreCall::RemoveLayer(chain)).map_or(Ok(()), Err);
    let Stores { images, references, layers, containers } =
        Stores::load_on(Layers::with_driver(remove), world.clone(), &semantics).unwrap();
    let images = FaultyImages(images, plan.clone());
    let references = FaultyReferences(references, plan.clone());
    Engine::new(Stores { images, references, layers, containers }, semantics, Recorder::default())
}

/// The stores of the engine, without what made them fail; its events are lost.
pub fn into_plain(engine: FaultyEngine) -> Stores {
    let Stores { images, references, layers, containers } = engine.into_stores();
    Stores { images: images.0, references: references.0, layers, containers }
}

/// A model that fails at the same calls.
pub fn faulty_model(world: &World, semantics: &Semantics, plan: &Plan) -> Model {
    let plan = plan.clone();
    <Model as Subject>::load(world, semantics).unwrap().with_faults(move |call: &StoreCall| plan.ask(call))
}
