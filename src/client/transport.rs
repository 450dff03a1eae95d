//! One request and its answer, over a connection of its own.

use std::convert::Infallible;
use std::future::Future;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::client::conn::http1;
use hyper::{HeaderMap, Method, Request};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::error::{ClientError, FailureKind};
use super::host::Host;

/// The most that an answer may hold, where it is kept in memory.
const LARGEST_ANSWER: usize = 256 << 20;
/// The most that a refusal's text may hold.
const LARGEST_REFUSAL: usize = 64 << 10;
/// Bytes of an upload that are read at once.
const PIECE: usize = 64 << 10;

/// How long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection.
    pub connect: Duration,
    /// For the beginning of an answer, and for each piece of it. A prune answers when it is done.
    pub answer: Duration,
}

impl Default for Timeouts {
    /// 10 seconds, and 10 minutes.
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), answer: Duration::from_secs(600) }
    }
}

/// What is sent along.
pub(super) enum Body<'a> {
    /// Nothing.
    Empty,
    /// A JSON document.
    Json(Vec<u8>),
    /// A tar, read as it goes.
    Tar(&'a mut (dyn Read + Send)),
}

/// A request, before it has a connection.
pub(super) struct Call<'a> {
    pub method: Method,
    /// With the version in front, and the query behind.
    pub path: String,
    pub body: Body<'a>,
}

impl Call<'_> {
    fn describe(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        format!("{} {path}", self.method)
    }
}

/// An answer that is there as a whole.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status; a refusal is one, too.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Response {
    /// A header as text; none where it is missing or not text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Sends a request and reads all of the answer, a refusal included.
pub(super) async fn answer(host: &Host, call: Call<'_>, timeouts: Timeouts) -> Result<Response, ClientError> {
    let asked = call.describe();
    exchange(host, call, timeouts, async |response| {
        let (head, mut body) = response.into_parts();
        let body = collect(&mut body, LARGEST_ANSWER, &asked, timeouts).await?;
        Ok(Response { status: head.status.as_u16(), headers: head.headers, body })
    })
    .await
}

/// Sends a request and hands the body over piece by piece, until it ends or `on_piece` has enough.
pub(super) async fn stream(
    host: &Host,
    call: Call<'_>,
    timeouts: Timeouts,
    on_piece: &mut (dyn FnMut(&[u8]) -> ControlFlow<()> + Send),
) -> Result<(), ClientError> {
    let asked = call.describe();
    exchange(host, call, timeouts, async |response| {
        let (head, mut body) = response.into_parts();
        if !head.status.is_success() {
            let text = collect(&mut body, LARGEST_REFUSAL, &asked, timeouts).await?;
            return Err(refusal(&asked, head.status.as_u16(), &text));
        }
        while let Some(piece) = next_piece(&mut body, &asked, timeouts).await? {
            if on_piece(&piece).is_break() {
                break;
            }
        }
        Ok(())
    })
    .await
}

/// The daemon's own words where it has some.
pub(super) fn refusal(asked: &str, status: u16, body: &[u8]) -> ClientError {
    #[derive(serde::Deserialize)]
    struct Message {
        message: String,
    }
    let text = String::from_utf8_lossy(body);
    let message =
        serde_json::from_slice(body).map_or_else(|_| text.trim().to_owned(), |Message { message }| message);
    let message =
        if message.is_empty() { format!("status {status}") } else { format!("{message} ({status})") };
    ClientError::new(FailureKind::Refused(status), format!("{asked}: {message}"))
}

async fn exchange<T>(
    host: &Host,
    call: Call<'_>,
    timeouts: Timeouts,
    read: impl AsyncFnOnce(hyper::Response<Incoming>) -> Result<T, ClientError>,
) -> Result<T, ClientError> {
    let unreachable = |error: &dyn std::fmt::Display| {
        ClientError::new(FailureKind::Unreachable, format!("cannot reach {host}: {error}"))
    };
    let connecting = async {
        match host {
            Host::Unix(path) => UnixStream::connect(path).await.map(Connection::Unix),
            Host::Tcp(address) => TcpStream::connect(address).await.map(Connection::Tcp),
        }
    };
    let connected = timeout(timeouts.connect, connecting).await;
    match connected.map_err(|_| unreachable(&"no answer"))?.map_err(|error| unreachable(&error))? {
        Connection::Unix(socket) => over(socket, host, call, timeouts, read).await,
        Connection::Tcp(socket) => over(socket, host, call, timeouts, read).await,
    }
}

enum Connection {
    Unix(UnixStream),
    Tcp(TcpStream),
}

async fn over<S, T>(
    socket: S,
    host: &Host,
    call: Call<'_>,
    timeouts: Timeouts,
    read: impl AsyncFnOnce(hyper::Response<Incoming>) -> Result<T, ClientError>,
) -> Result<T, ClientError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let asked = call.describe();
    let cut = |error: &hyper::Error| broken(&asked, error);
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(socket)).await.map_err(|error| cut(&error))?;
    let (body, upload) = split(call.body);
    let request = Request::builder()
        .method(call.method)
        .uri(call.path)
        .header("Host", authority(host))
        .header("User-Agent", concat!("image-prune/", env!("CARGO_PKG_VERSION")));
    let request = match upload {
        Upload::None => request,
        Upload::Json => request.header("Content-Type", "application/json"),
        Upload::Tar(..) => request.header("Content-Type", "application/x-tar"),
    };
    let request = request.body(body).map_err(|error| ClientError::invalid(format!("{asked}: {error}")))?;
    let talk = async {
        let response = timeout(timeouts.answer, sender.send_request(request)).await;
        let response = response.map_err(|_| silent(&asked, timeouts.answer))?.map_err(|error| cut(&error))?;
        read(response).await
    };
    let exchange = async {
        match upload {
            Upload::Tar(source, pieces) => {
                // The upload ends early where the daemon has heard enough and closes its end.
                let (talked, sent) = tokio::join!(talk, send_pieces(source, pieces));
                sent.map_err(|error| {
                    ClientError::invalid(format!("{asked}: cannot read what to send: {error}"))
                })?;
                talked
            }
            Upload::None | Upload::Json => talk.await,
        }
    };
    drive(connection, exchange).await
}

/// Runs the connection as long as somebody talks over it.
async fn drive<T>(
    connection: impl Future<Output = hyper::Result<()>>,
    exchange: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    tokio::pin!(connection, exchange);
    tokio::select! {
        biased;
        talked = &mut exchange => talked,
        // The answer may have been read already, or the exchange knows best what was lost.
        _ = &mut connection => exchange.await,
    }
}

enum Upload<'a> {
    None,
    Json,
    Tar(&'a mut (dyn Read + Send), mpsc::Sender<Bytes>),
}

type Outgoing = BoxBody<Bytes, Infallible>;

fn split(body: Body<'_>) -> (Outgoing, Upload<'_>) {
    match body {
        Body::Empty => (Empty::new().boxed(), Upload::None),
        Body::Json(bytes) => (Full::new(bytes.into()).boxed(), Upload::Json),
        Body::Tar(source) => {
            let (sender, receiver) = mpsc::channel(1);
            (StreamBody::new(Pieces(receiver)).boxed(), Upload::Tar(source, sender))
        }
    }
}

/// What is read of an upload, as a stream.
struct Pieces(mpsc::Receiver<Bytes>);

impl futures_core::Stream for Pieces {
    type Item = Result<Frame<Bytes>, Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// Reads in between: a file or a tar in memory, never something that waits for long.
async fn send_pieces(source: &mut (dyn Read + Send), pieces: mpsc::Sender<Bytes>) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        let read = match source.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        let piece = Bytes::copy_from_slice(buffer.get(..read).unwrap_or_default());
        if read == 0 || pieces.send(piece).await.is_err() {
            return Ok(());
        }
    }
}

async fn collect(
    body: &mut Incoming,
    limit: usize,
    asked: &str,
    timeouts: Timeouts,
) -> Result<Bytes, ClientError> {
    let mut all = Vec::new();
    while let Some(piece) = next_piece(body, asked, timeouts).await? {
        if all.len() + piece.len() > limit {
            let message = format!("{asked}: the answer is longer than {limit} bytes");
            return Err(ClientError::malformed(message));
        }
        all.extend_from_slice(&piece);
    }
    Ok(all.into())
}

async fn next_piece(
    body: &mut Incoming,
    asked: &str,
    timeouts: Timeouts,
) -> Result<Option<Bytes>, ClientError> {
    loop {
        let frame = timeout(timeouts.answer, body.frame()).await;
        match frame.map_err(|_| silent(asked, timeouts.answer))? {
            None => return Ok(None),
            Some(Err(error)) => return Err(broken(asked, &error)),
            // Trailers carry nothing that anybody asks for.
            Some(Ok(frame)) => {
                if let Ok(piece) = frame.into_data() {
                    return Ok(Some(piece));
                }
            }
        }
    }
}

fn authority(host: &Host) -> &str {
    match host {
        Host::Unix(_) => "docker",
        Host::Tcp(address) => address,
    }
}

fn broken(asked: &str, error: &hyper::Error) -> ClientError {
    let kind = if error.is_parse() { FailureKind::Malformed } else { FailureKind::Cut };
    ClientError::new(kind, format!("{asked}: the connection broke before the answer was complete: {error}"))
}

fn silent(asked: &str, patience: Duration) -> ClientError {
    let message = format!("{asked}: no answer for {} seconds", patience.as_secs_f64());
    ClientError::new(FailureKind::TimedOut, message)
}
