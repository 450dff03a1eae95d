//! Connections: who may connect, how long a client may take, and how a request becomes an answer.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinSet, spawn_blocking};

use super::answer::{Answer, Body};
use super::call::Head;
use super::daemon::Daemon;
use super::fault::Cut;
use super::hijack::Hijack;
use super::patience::Patience;
use super::route;
use super::transport::Transport;
use super::upload::{Download, Rest, Upload};
use super::visit::{Observer, Visit};
use crate::base::sync::Mutex;

/// Headers of one request.
const HEADERS: usize = 64;
/// Bytes of a request's head.
const HEAD: usize = 64 << 10;
/// What is read at least, to be thrown away, of a body that was refused.
const LEAST_LINGERED: u64 = 64 << 20;
/// How long requests in flight may take at the end.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long to wait where no connection can be accepted: descriptors are scarce.
const SCARCE: Duration = Duration::from_millis(50);

pub(super) enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// Serves until `stop` says so; then lets requests in flight end.
pub(super) async fn serve(daemon: Arc<Daemon>, listener: Listener, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(daemon.limits().connections.min(Semaphore::MAX_PERMITS)));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = async {
            // The semaphore is never closed.
            let permit = Arc::clone(&places).acquire_owned().await.ok();
            (permit, accept(&listener).await)
        };
        let (permit, socket) = tokio::select! {
            () = stopped(&mut stop) => break,
            accepted = accepted => accepted,
        };
        let talk = Talk { daemon: Arc::clone(&daemon), stop: stop.clone(), permit };
        match socket {
            Ok(Socket::Unix(socket)) => drop(connections.spawn(talk.over(socket))),
            Ok(Socket::Tcp(socket)) => drop(connections.spawn(talk.over(socket))),
            Err(_) => tokio::time::sleep(SCARCE).await,
        }
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    // Who has not ended by then is cut off.
    let _ = tokio::time::timeout(FAREWELL, all).await;
}

/// Ends when the daemon is to stop, or nobody is left to say so.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stopped| *stopped).await;
}

enum Socket {
    Unix(tokio::net::UnixStream),
    Tcp(tokio::net::TcpStream),
}

async fn accept(listener: &Listener) -> io::Result<Socket> {
    match listener {
        Listener::Unix(listener) => listener.accept().await.map(|(socket, _)| Socket::Unix(socket)),
        Listener::Tcp(listener) => listener.accept().await.map(|(socket, _)| Socket::Tcp(socket)),
    }
}

/// One connection.
struct Talk {
    daemon: Arc<Daemon>,
    stop: watch::Receiver<bool>,
    /// Held as long as the connection lives.
    permit: Option<OwnedSemaphorePermit>,
}

impl Talk {
    async fn over<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(mut self, socket: S) {
        let limits = self.daemon.limits();
        let asked =
            Asked { daemon: Arc::clone(&self.daemon), is_unread: Arc::default(), hijack: Arc::default() };
        let (is_unread, hijack) = (Arc::clone(&asked.is_unread), Arc::clone(&asked.hijack));
        let service = service_fn(move |request| observe(asked.clone(), request));
        let transport = Transport::new(socket, Patience::new(limits.piece, limits.rate));
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head)
            .max_headers(HEADERS)
            .max_buf_size(HEAD)
            // As Go writes them.
            .title_case_headers(true)
            .serve_connection(TokioIo::new(transport), service)
            .with_upgrades();
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = stopped(&mut self.stop) => {
                std::pin::Pin::new(&mut connection).graceful_shutdown();
                (&mut connection).await
            }
        };
        // A client that breaks off is no concern of the others; one that was refused may still be sending.
        let is_refused = ended.is_err_and(|error| error.is_parse());
        let hijack = hijack.lock().take();
        if let Some(hijack) = hijack {
            hijack.run().await;
        } else if (is_refused || is_unread.load(Ordering::Relaxed))
            && let Some(parts) = connection.into_parts()
        {
            let mut transport = parts.io.into_inner();
            transport.linger(Patience::new(limits.head, limits.rate), limits.body.max(LEAST_LINGERED)).await;
        }
        drop(self.permit);
    }
}

/// The connection is to end without an answer.
#[derive(Debug)]
struct CutOff;

impl fmt::Display for CutOff {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("cut off")
    }
}

impl std::error::Error for CutOff {}

/// Raised when the request is given up: hyper drops it where the client is gone (H-8).
struct Watch(Arc<AtomicBool>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

type Outgoing = BoxBody<Bytes, io::Error>;

/// Who is asked.
#[derive(Clone)]
struct Asked {
    daemon: Arc<Daemon>,
    /// Raised where a body was not read to its end: the connection ends behind the answer.
    is_unread: Arc<AtomicBool>,
    /// What becomes of the connection behind the answer.
    hijack: Arc<Mutex<Option<Hijack>>>,
}

/// Answers, and tells who wants to know.
async fn observe(asked: Asked, request: Request<Incoming>) -> Result<Response<Outgoing>, CutOff> {
    let Some(Observer(observer)) = asked.daemon.settings().observer.clone() else {
        return respond(asked, request).await;
    };
    let (method, path) = (request.method().to_string(), request.uri().to_string());
    let answer = respond(asked, request).await;
    let status = answer.as_ref().ok().map(|response| response.status().as_u16());
    observer(&Visit { method, path, status });
    answer
}

async fn respond(asked: Asked, request: Request<Incoming>) -> Result<Response<Outgoing>, CutOff> {
    let mut request = request;
    let upgrade = request.headers().contains_key("upgrade").then(|| hyper::upgrade::on(&mut request));
    let (parts, body) = request.into_parts();
    let rest = Rest::new(body, parts.headers.contains_key("expect"));
    let (mut answer, rest, cut) = answer(&asked.daemon, &parts, rest).await?;
    if !rest.drain(asked.daemon.limits().rate).await {
        asked.is_unread.store(true, Ordering::Relaxed);
        answer.headers.push(("Connection", "close".to_owned()));
    }
    if let Some(upgrade) = upgrade
        && matches!(answer.body, Body::Hijacked(_))
        && let Body::Hijacked(writer) = std::mem::replace(&mut answer.body, Body::Whole(Vec::new()))
    {
        answer.status = 101;
        answer.headers = vec![("Connection", "Upgrade".to_owned()), ("Upgrade", "tcp".to_owned())];
        *asked.hijack.lock() = Some(Hijack { upgrade, writer });
    }
    finish(&asked.daemon, answer, cut, &parts.method)
}

/// The answer, what is left of the body, and where to cut.
async fn answer(
    daemon: &Arc<Daemon>,
    parts: &Parts,
    rest: Rest,
) -> Result<(Answer, Rest, Option<Cut>), CutOff> {
    let head = match Head::read(parts, daemon) {
        Ok(head) => head,
        Err((refusal, form)) => return Ok((refusal.answer(form), rest, None)),
    };
    let strike = daemon.faults().strike(head.method.as_str(), &head.path);
    tokio::time::sleep(strike.delay).await;
    if strike.cut == Some(Cut::Before) {
        return Err(CutOff);
    }
    if let Some((status, message)) = strike.refusal {
        return Ok((Answer::refusal(status, &message, head.error_form), rest, strike.cut));
    }
    let limits = daemon.limits();
    let (body, returned) = Upload::new(rest, Patience::new(limits.piece, limits.rate), limits.body);
    let watch = Watch(Arc::new(AtomicBool::new(false)));
    let is_cancelled = Arc::clone(&watch.0);
    let form = head.error_form;
    let work = {
        let daemon = Arc::clone(daemon);
        move || {
            let answered = head.into_call(body, is_cancelled).and_then(|call| route::answer(&daemon, call));
            answered.unwrap_or_else(|refusal| refusal.answer(form))
        }
    };
    // A route that panics ends its connection, as in moby (H-7).
    let answer = spawn_blocking(work).await.map_err(|_| CutOff)?;
    let rest = returned.await.map_err(|_| CutOff)?;
    Ok((answer, rest, strike.cut))
}

fn finish(
    daemon: &Daemon,
    answer: Answer,
    cut: Option<Cut>,
    method: &Method,
) -> Result<Response<Outgoing>, CutOff> {
    if cut == Some(Cut::After) {
        return Err(CutOff);
    }
    let Answer { status, content_type, headers, body, is_routed } = answer;
    let mut response = Response::builder().status(status);
    if is_routed {
        response = response
            .header("Api-Version", format!("1.{}", daemon.api_version()))
            .header("Docker-Experimental", "false")
            .header("Ostype", "linux")
            .header("Server", daemon.server_name());
    }
    if let Some(content_type) = content_type {
        response = response.header("Content-Type", content_type);
    }
    for (name, value) in headers {
        response = response.header(name, value);
    }
    let is_cut = cut == Some(Cut::Middle);
    let body = match body {
        Body::Whole(bytes) => {
            // To be told even where half of it is sent, or nothing: HEAD.
            if status != 101 {
                response = response.header("Content-Length", bytes.len());
            }
            whole(bytes, is_cut, method)
        }
        Body::Streamed(writer) | Body::Hijacked(writer) => {
            let (mut download, pieces) = Download::new(is_cut.then_some(1));
            spawn_blocking(move || {
                if let Err(error) = writer(&mut download) {
                    download.abort(error);
                }
            });
            pieces.boxed()
        }
    };
    response.body(body).map_err(|_| CutOff)
}

fn whole(mut bytes: Vec<u8>, is_cut: bool, method: &Method) -> Outgoing {
    if is_cut && method != Method::HEAD {
        bytes.truncate(bytes.len() / 2);
        let (mut download, pieces) = Download::new(Some(1));
        spawn_blocking(move || io::Write::write_all(&mut download, &bytes));
        return pieces.boxed();
    }
    let full: Full<Bytes> = Full::new(bytes.into());
    full.map_err(|never: Infallible| match never {}).boxed()
}
