//! A daemon that runs as long as somebody holds it.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::{self, Runtime};
use tokio::sync::watch;

use super::connection::{Listener, serve};
use super::daemon::Daemon;
use super::fault::Fault;
use super::limits::Limits;
use super::pull::Pull;
use super::settings::Settings;
use super::socket::{SocketFile, listen_at};
use super::visit::{Observer, Visit};
use crate::api::event::EventLog;
use crate::base::error::{Error, Result};
use crate::document::world::World;
use crate::go::time::Timestamp;
use crate::graph::select::Order;
use crate::graph::store::Stores;
use crate::semantics::Semantics;

/// How long a route may go on behind the end of its daemon.
const ABANDON: Duration = Duration::from_secs(1);

/// The most connections that have a thread each.
const MOST_THREADS: usize = 1 << 15;
const SPARE_THREADS: usize = 16;

/// A daemon that listens. Dropped, it ends: requests in flight get their answer, the socket goes.
///
/// See the [module](super) for an example.
pub struct TestDaemon {
    daemon: Arc<Daemon>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
    socket: Option<PathBuf>,
    address: Option<SocketAddr>,
    /// Removed behind the socket in it.
    folder: Option<TempDir>,
}

impl TestDaemon {
    /// A daemon to be set up: empty, as moby 20.10, on a socket in a folder of its own.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Its socket; none where it listens on an address.
    #[must_use]
    pub fn socket(&self) -> Option<&Path> {
        self.socket.as_deref()
    }

    /// Its address; none where it listens on a socket.
    #[must_use]
    pub const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// What `DOCKER_HOST` has to be for a client to find it.
    #[must_use]
    pub fn host(&self) -> String {
        match (&self.socket, self.address) {
            (Some(path), _) => format!("unix://{}", path.display()),
            (None, Some(address)) => format!("tcp://{address}"),
            (None, None) => String::new(),
        }
    }

    /// Its stores, to look into and to change.
    #[must_use]
    pub fn stores(&self) -> &Stores {
        self.daemon.store.stores()
    }

    /// Its events.
    #[must_use]
    pub fn events(&self) -> &EventLog {
        self.daemon.events()
    }

    /// Its state, as a state file describes it.
    #[must_use]
    pub fn world(&self) -> World {
        self.daemon.world()
    }

    /// Sets its clock, which then stands still; none lets it run with the system's.
    pub fn set_now(&self, now: Option<Timestamp>) {
        self.daemon.set_now(now);
    }

    /// Sets what a container is to have printed, on its standard output; by ID or name.
    ///
    /// # Errors
    ///
    /// There is no such container.
    pub fn set_logs(&self, container: &str, logs: impl Into<Vec<u8>>) -> Result<()> {
        self.daemon.set_logs(container, logs.into())
    }

    /// Ends a container's process with this exit code; false where none runs.
    ///
    /// # Errors
    ///
    /// There is no such container.
    pub fn exit(&self, container: &str, code: i32) -> Result<bool> {
        super::containers::exit(&self.daemon, container, code)
    }

    /// Makes requests fail from now on.
    pub fn add_fault(&self, fault: Fault) {
        self.daemon.faults().add(fault);
    }

    /// No request fails any more.
    pub fn clear_faults(&self) {
        self.daemon.faults().clear();
    }
}

impl Drop for TestDaemon {
    fn drop(&mut self) {
        self.daemon.stop();
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported already.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for TestDaemon {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TestDaemon").field("host", &self.host()).finish_non_exhaustive()
    }
}

/// Sets up a [`TestDaemon`].
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Builder {
    settings: Settings,
    api_version: Option<u16>,
    world: World,
    place: Place,
}

#[derive(Debug, Clone, Default)]
enum Place {
    /// A socket in a folder that is made for it.
    #[default]
    Temporary,
    Socket(PathBuf),
    Address(SocketAddr),
}

impl Builder {
    /// Starts with this state. Its layers have no content, so that its images cannot be saved.
    pub fn world(self, world: World) -> Self {
        Self { world, ..self }
    }

    /// Behaves as this version of moby.
    pub const fn semantics(mut self, semantics: Semantics) -> Self {
        self.settings.semantics = semantics;
        self
    }

    /// Speaks the API up to 1.`minor`, instead of what the version of moby does.
    pub const fn api_version(mut self, minor: u16) -> Self {
        self.api_version = Some(minor);
        self
    }

    /// Visits candidates in this order.
    pub fn order(mut self, order: Order) -> Self {
        self.settings.order = order;
        self
    }

    /// Chooses other IDs for containers.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// The clock stands still at this instant.
    pub const fn now(mut self, now: Timestamp) -> Self {
        self.settings.now = Some(now);
        self
    }

    /// The daemon's local zone, in seconds east of UTC, by which an `until` without a zone is read.
    pub const fn utc_offset_seconds(mut self, seconds: i32) -> Self {
        self.settings.utc_offset_seconds = seconds;
        self
    }

    /// What happens to images that are pulled and not there; an image that is there is up to date.
    pub fn pull(mut self, pull: Pull) -> Self {
        self.settings.pull = pull;
        self
    }

    /// Makes requests fail.
    pub fn fault(mut self, fault: Fault) -> Self {
        self.settings.faults.push(fault);
        self
    }

    /// Tells `observer` of every request, once it is answered. It is called in the thread of the connections, and
    /// should not wait.
    pub fn on_request(mut self, observer: impl Fn(&Visit) + Send + Sync + 'static) -> Self {
        self.settings.observer = Some(Observer(Arc::new(observer)));
        self
    }

    /// How much clients may ask.
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// Adds the routes below `/_control`: `GET`, `POST` and `DELETE faults`, `GET state`, `PUT now`,
    /// `PUT logs/CONTAINER`, `POST exit/CONTAINER?code=1`.
    pub const fn control(mut self) -> Self {
        self.settings.has_control = true;
        self
    }

    /// Answers to this host, too, where it listens on an address: requests for hosts that are no loopback ones are
    /// refused, as a web page can let a name of its own point to the machine. Pages of this host are let in.
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.settings.access.hosts.push(host.into().to_ascii_lowercase());
        self
    }

    /// Listens on a socket at this path, which has mode 0660. A socket that nobody listens on is replaced.
    pub fn socket(self, path: impl Into<PathBuf>) -> Self {
        Self { place: Place::Socket(path.into()), ..self }
    }

    /// Listens on this address, a loopback one; port 0 is any that is free.
    pub fn address(self, address: SocketAddr) -> Self {
        Self { place: Place::Address(address), ..self }
    }

    /// Starts the daemon. It can be asked when this returns.
    ///
    /// # Errors
    ///
    /// A state that no daemon can be in; an API version that this version of moby does not speak; an address that is
    /// not a loopback one; a socket or a port that cannot be had.
    pub fn start(self) -> Result<TestDaemon> {
        let Self { mut settings, api_version, world, place } = self;
        settings.access.checks_host = matches!(place, Place::Address(_));
        let (oldest, newest) = settings.semantics.api_versions;
        settings.api_version = api_version.unwrap_or(newest);
        if !(oldest..=newest).contains(&settings.api_version) {
            return Err(Error::invalid_parameter(format!(
                "API version 1.{}: {} speaks 1.{oldest} to 1.{newest}",
                settings.api_version, settings.semantics.name
            )));
        }
        let daemon = Arc::new(Daemon::new(settings, world)?);
        let failed = |error: std::io::Error| Error::system(format!("cannot start the server: {error}"));
        // A thread for each connection, for their bodies wait for clients; and a few for those just given up.
        let threads = daemon.limits().connections.clamp(1, MOST_THREADS).saturating_add(SPARE_THREADS);
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(threads)
            .build()
            .map_err(failed)?;
        let (stop, stopped) = watch::channel(false);
        let mut started =
            TestDaemon { daemon, stop, thread: None, socket: None, address: None, folder: None };
        let path = match place {
            Place::Address(address) => {
                let listener = listen_on(&runtime, address)?;
                started.address = Some(listener.local_addr().map_err(failed)?);
                started.run(runtime, Listener::Tcp(listener), stopped, None);
                return Ok(started);
            }
            Place::Socket(path) => path,
            Place::Temporary => {
                let folder = TempDir::with_prefix("image-prune-").map_err(failed)?;
                started.folder.insert(folder).path().join("docker.sock")
            }
        };
        let (listener, file) = listen_at(&path)?;
        let entered = runtime.enter();
        let listener = UnixListener::from_std(listener).map_err(failed)?;
        drop(entered);
        started.socket = Some(path);
        started.run(runtime, Listener::Unix(listener), stopped, Some(file));
        Ok(started)
    }
}

impl TestDaemon {
    fn run(
        &mut self,
        runtime: Runtime,
        listener: Listener,
        stopped: watch::Receiver<bool>,
        file: Option<SocketFile>,
    ) {
        let daemon = Arc::clone(&self.daemon);
        self.thread = Some(std::thread::spawn(move || {
            runtime.block_on(serve(daemon, listener, stopped));
            drop(file);
            runtime.shutdown_timeout(ABANDON);
        }));
    }
}

fn listen_on(runtime: &Runtime, address: SocketAddr) -> Result<TcpListener> {
    if !address.ip().is_loopback() {
        return Err(Error::invalid_parameter(format!(
            "address {address}: not a loopback address; whoever reaches this API can do everything"
        )));
    }
    let listening = runtime.block_on(TcpListener::bind(address));
    listening.map_err(|error| Error::system(format!("address {address}: {error}")))
}
