//! The state of one daemon: the engine, and what the API shows beside it.

use std::collections::HashMap;
use std::sync::Arc;

use super::containers::Execs;
use super::fault::Faults;
use super::ids::Ids;
use super::limits::Limits;
use super::networks::Networks;
use super::record::Shelf;
use super::settings::Settings;
use super::store::{Service, Store};
use super::volumes::Volumes;
use crate::api::event::EventLog;
use crate::base::digest::ImageId;
use crate::base::error::Result;
use crate::base::sync::Mutex;
use crate::base::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use crate::document::world::World;
use crate::go::time::{Now, Timestamp};
use crate::semantics::Semantics;

/// A daemon in memory. Routes share it between threads.
pub(super) struct Daemon {
    pub store: Store,
    settings: Settings,
    clock: Arc<DaemonClock>,
    pub shelf: Shelf,
    pub ids: Ids,
    pub networks: Networks,
    pub volumes: Volumes,
    pub execs: Execs,
    /// When an image was given a tag last; moby keeps it beside the image.
    tagged: Mutex<HashMap<ImageId, Timestamp>>,
    faults: Faults,
    /// Prunes of containers and networks exclude each other, as in moby.
    is_pruning: AtomicBool,
    is_stopping: AtomicBool,
}

impl Daemon {
    pub fn new(settings: Settings, world: World) -> Result<Self> {
        let clock = Arc::new(DaemonClock::new(settings.now));
        let shelf = Shelf::of(&world, clock.now(), settings.seed);
        let ids = Ids::new(settings.seed);
        let networks = Networks::new(&ids, clock.now());
        let events = {
            let clock = Arc::clone(&clock);
            Arc::new(EventLog::new(move || clock.now()))
        };
        let store = Store::new(world, &settings, events)?;
        let faults = Faults::default();
        settings.faults.iter().cloned().for_each(|fault| faults.add(fault));
        Ok(Self {
            store,
            settings,
            clock,
            shelf,
            ids,
            networks,
            volumes: Volumes::default(),
            execs: Execs::default(),
            tagged: Mutex::default(),
            faults,
            is_pruning: AtomicBool::new(false),
            is_stopping: AtomicBool::new(false),
        })
    }

    /// The image service, whichever image store is behind it.
    pub const fn service(&self) -> &Service {
        self.store.service()
    }

    pub fn events(&self) -> &EventLog {
        self.service().events()
    }

    pub const fn semantics(&self) -> &Semantics {
        &self.settings.semantics
    }

    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    pub const fn limits(&self) -> Limits {
        self.settings.limits
    }

    pub const fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The minor number of the newest API version that is spoken.
    pub const fn api_version(&self) -> u16 {
        self.settings.api_version
    }

    /// The version that the daemon says it is.
    pub const fn version(&self) -> &'static str {
        self.settings.semantics.version
    }

    pub fn server_name(&self) -> String {
        format!("Docker/{} (linux)", self.version())
    }

    pub fn now(&self) -> Now {
        Now { instant: self.clock.now(), utc_offset_seconds: self.settings.utc_offset_seconds }
    }

    pub fn set_now(&self, now: Option<Timestamp>) {
        self.clock.set(now);
    }

    /// The image that a reference, an ID or the beginning of one names.
    ///
    /// # Errors
    ///
    /// No such image; no reference at all.
    pub fn find(&self, name: &str) -> Result<ImageId> {
        self.service().find(name)
    }

    /// Notes when an image was given a tag last, or that it never was; the note before.
    pub fn set_tagged(&self, image: ImageId, time: Option<Timestamp>) -> Option<Timestamp> {
        let mut tagged = self.tagged.lock();
        match time {
            Some(time) => tagged.insert(image, time),
            None => tagged.remove(&image),
        }
    }

    pub fn last_tagged(&self, image: ImageId) -> Timestamp {
        self.tagged.lock().get(&image).copied().unwrap_or(Timestamp::ZERO)
    }

    /// The state, as a state file describes it.
    pub fn world(&self) -> World {
        let mut world = self.store.world();
        self.semantics().name.clone_into(&mut world.profile);
        world.utc_offset_seconds = self.settings.utc_offset_seconds;
        world
    }

    /// Sets what a container is to have printed.
    ///
    /// # Errors
    ///
    /// There is no such container.
    pub fn set_logs(&self, container: &str, logs: Vec<u8>) -> Result<()> {
        let id = self.shelf.find(container)?.id;
        self.shelf.update(id, |record| record.logs = logs.into());
        Ok(())
    }

    /// The flag of prunes other than of images.
    pub const fn is_pruning(&self) -> &AtomicBool {
        &self.is_pruning
    }

    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
    }

    pub fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }
}

/// The daemon's clock: the system's, or one that stands still until it is set.
struct DaemonClock {
    /// Nanoseconds since 1970; [`RUNNING`] for the system's clock.
    fixed: AtomicI64,
}

const RUNNING: i64 = i64::MIN;

impl DaemonClock {
    fn new(fixed: Option<Timestamp>) -> Self {
        let clock = Self { fixed: AtomicI64::new(RUNNING) };
        clock.set(fixed);
        clock
    }

    fn set(&self, fixed: Option<Timestamp>) {
        self.fixed.store(fixed.map_or(RUNNING, Timestamp::unix_nanos), Ordering::Release);
    }

    fn now(&self) -> Timestamp {
        match self.fixed.load(Ordering::Acquire) {
            RUNNING => chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now()).into(),
            nanos => Timestamp::new(0, 0).saturating_add(nanos),
        }
    }
}
