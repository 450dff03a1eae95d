//! A daemon to be asked: its address, its version, and how a request becomes an answer or an error.

use std::fmt;
use std::io::Read;
use std::ops::ControlFlow;
use std::sync::OnceLock;

use hyper::Method;
use serde::de::DeserializeOwned;
use tokio::runtime::{Builder, Runtime};

use super::error::ClientError;
use super::host::Host;
use super::transport::{self, Body, Call, Response, Timeouts};

/// The newest API that is known here. Daemons speak older ones as well.
const NEWEST: ApiVersion = ApiVersion(1, 51);

/// A daemon, to be asked. Each request has a connection of its own.
pub struct Client {
    host: Host,
    timeouts: Timeouts,
    runtime: Runtime,
    version: OnceLock<ApiVersion>,
}

impl Client {
    /// The daemon at `host`. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// The system has no resources left for a runtime.
    pub fn new(host: Host) -> Result<Self, ClientError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime =
            runtime.map_err(|error| ClientError::invalid(format!("cannot start a runtime: {error}")))?;
        Ok(Self { host, timeouts: Timeouts::default(), runtime, version: OnceLock::new() })
    }

    /// The same client, waiting as long as this.
    #[must_use]
    pub fn with_timeouts(self, timeouts: Timeouts) -> Self {
        Self { timeouts, ..self }
    }

    /// Where the daemon listens.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// The API version that both sides speak, `1.41` for example. Asks the daemon the first time.
    ///
    /// # Errors
    ///
    /// The daemon cannot be asked.
    pub fn api_version(&self) -> Result<String, ClientError> {
        self.negotiate().map(|version| version.to_string())
    }

    /// Sends any request. `path` begins with a slash and has no version; a refusal is an answer, too.
    ///
    /// # Errors
    ///
    /// The daemon cannot be reached, or its answer does not arrive as a whole.
    pub fn call(
        &self,
        method: Method,
        path: &str,
        json: Option<&serde_json::Value>,
    ) -> Result<Response, ClientError> {
        let body = json.map_or(Body::Empty, |json| Body::Json(json.to_string().into_bytes()));
        let path = format!("/v{}{path}", self.negotiate()?);
        self.send(Call { method, path, body })
    }

    fn send(&self, call: Call<'_>) -> Result<Response, ClientError> {
        self.runtime.block_on(transport::answer(&self.host, call, self.timeouts))
    }

    fn negotiate(&self) -> Result<ApiVersion, ClientError> {
        if let Some(version) = self.version.get() {
            return Ok(*version);
        }
        let ping = self.send(Call { method: Method::GET, path: "/_ping".to_owned(), body: Body::Empty })?;
        if ping.status != 200 {
            return Err(transport::refusal("GET /_ping", ping.status, &ping.body));
        }
        let offered = ping.header("Api-Version").and_then(ApiVersion::parse).ok_or_else(|| {
            let message = format!("{}: not a Docker daemon: it does not tell its API version", self.host);
            ClientError::malformed(message)
        })?;
        Ok(*self.version.get_or_init(|| offered.min(NEWEST)))
    }

    /// A request whose refusal is an error.
    pub(super) fn ask(
        &self,
        method: Method,
        path: &str,
        json: Option<&serde_json::Value>,
    ) -> Result<Response, ClientError> {
        let asked = describe(&method, path);
        let answer = self.call(method, path, json)?;
        // 304: already in that state.
        if (200..300).contains(&answer.status) || answer.status == 304 {
            return Ok(answer);
        }
        Err(transport::refusal(&asked, answer.status, &answer.body))
    }

    pub(super) fn read<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        json: Option<&serde_json::Value>,
    ) -> Result<T, ClientError> {
        let asked = describe(&method, path);
        let answer = self.ask(method, path, json)?;
        serde_json::from_slice(&answer.body)
            .map_err(|error| ClientError::malformed(format!("{asked}: the answer cannot be read: {error}")))
    }

    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.read(Method::GET, path, None)
    }

    pub(super) fn stream(
        &self,
        path: &str,
        on_piece: &mut (dyn FnMut(&[u8]) -> ControlFlow<()> + Send),
    ) -> Result<(), ClientError> {
        let path = format!("/v{}{path}", self.negotiate()?);
        let call = Call { method: Method::GET, path, body: Body::Empty };
        self.runtime.block_on(transport::stream(&self.host, call, self.timeouts, on_piece))
    }

    /// Sends a tar, and reads all of the answer.
    pub(super) fn upload(&self, path: &str, tar: &mut (dyn Read + Send)) -> Result<Response, ClientError> {
        let path = format!("/v{}{path}", self.negotiate()?);
        self.send(Call { method: Method::POST, path, body: Body::Tar(tar) })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").field("host", &self.host).finish_non_exhaustive()
    }
}

fn describe(method: &Method, path: &str) -> String {
    format!("{method} {}", path.split('?').next().unwrap_or_default())
}

/// A version of the API: `1.41`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct ApiVersion(u32, u32);

impl ApiVersion {
    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.trim().split_once('.')?;
        Some(Self(major.parse().ok()?, minor.parse().ok()?))
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.0, self.1)
    }
}
