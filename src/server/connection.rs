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
use super::route;
use super::upload::{Download, Upload};
use super::visit::{Observer, Visit};

/// Headers of one request.
const HEADERS: usize = 64;
/// Bytes of a request's head.
const HEAD: usize = 64 << 10;
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
    let places = Arc::new(Semaphore::new(daemon.limits().connections));
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
        let daemon = Arc::clone(&self.daemon);
        let service = service_fn(move |request| observe(Arc::clone(&daemon), request));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head)
            .max_headers(HEADERS)
            .max_buf_size(HEAD)
            // As Go writes them.
            .title_case_headers(true)
            .serve_connection(TokioIo::new(socket), service);
        tokio::pin!(connection);
        tokio::select! {
            // A client that breaks off is no concern of the others.
            _ = &mut connection => {}
            () = stopped(&mut self.stop) => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
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

/// Raised when the request is given up: hyper drops it where the client is gone (SPEC.md H-8).
struct Watch(Arc<AtomicBool>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

type Outgoing = BoxBody<Bytes, io::Error>;

/// Answers, and tells who wants to know.
async fn observe(daemon: Arc<Daemon>, request: Request<Incoming>) -> Result<Response<Outgoing>, CutOff> {
    let Some(Observer(observer)) = daemon.settings().observer.clone() else {
        return respond(daemon, request).await;
    };
    let (method, path) = (request.method().to_string(), request.uri().to_string());
    let answer = respond(daemon, request).await;
    let status = answer.as_ref().ok().map(|response| response.status().as_u16());
    observer(&Visit { method, path, status });
    answer
}

async fn respond(daemon: Arc<Daemon>, request: Request<Incoming>) -> Result<Response<Outgoing>, CutOff> {
    let (parts, body) = request.into_parts();
    let head = match Head::read(&parts, daemon.api_version(), daemon.semantics()) {
        Ok(head) => head,
        Err((refusal, form)) => return finish(&daemon, refusal.answer(form), None, &parts.method),
    };
    let strike = daemon.faults().strike(head.method.as_str(), &head.path);
    tokio::time::sleep(strike.delay).await;
    if strike.cut == Some(Cut::Before) {
        return Err(CutOff);
    }
    if let Some((status, message)) = strike.refusal {
        let answer = Answer::refusal(status, &message, head.error_form);
        return finish(&daemon, answer, strike.cut, &parts.method);
    }
    let limits = daemon.limits();
    let body = Upload::new(body, limits.piece, limits.body);
    let watch = Watch(Arc::new(AtomicBool::new(false)));
    let is_cancelled = Arc::clone(&watch.0);
    let form = head.error_form;
    let work = {
        let daemon = Arc::clone(&daemon);
        move || {
            let answered = head.into_call(body, is_cancelled).and_then(|call| route::answer(&daemon, call));
            answered.unwrap_or_else(|refusal| refusal.answer(form))
        }
    };
    // A route that panics ends its connection, as in moby (SPEC.md H-7).
    let answer = spawn_blocking(work).await.map_err(|_| CutOff)?;
    finish(&daemon, answer, strike.cut, &parts.method)
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
            response = response.header("Content-Length", bytes.len());
            whole(bytes, is_cut, method)
        }
        Body::Streamed(writer) => {
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
