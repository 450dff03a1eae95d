//! Bodies, between hyper's tasks and the routes' threads.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body as _, Buf, Bytes, Frame, Incoming};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use super::patience::Patience;

/// The body of a request. Reading waits for the client, in the thread of a route.
pub(super) struct Upload {
    /// None once it has gone back.
    rest: Option<Rest>,
    back: Option<oneshot::Sender<Rest>>,
    piece: Bytes,
    runtime: Handle,
    patience: Patience,
    left: u64,
}

impl Upload {
    /// At most `limit` bytes, as long as patience lasts. What a route leaves of it comes back through the receiver.
    pub fn new(rest: Rest, patience: Patience, limit: u64) -> (Self, oneshot::Receiver<Rest>) {
        let (back, returned) = oneshot::channel();
        let (rest, back) = (Some(rest), Some(back));
        (
            Self { rest, back, piece: Bytes::new(), runtime: Handle::current(), patience, left: limit },
            returned,
        )
    }

    fn next_piece(&mut self) -> io::Result<bool> {
        let Some(rest) = &mut self.rest else { return Ok(false) };
        rest.is_begun = true;
        loop {
            let since = Instant::now();
            let frame = self.runtime.block_on(timeout(self.patience.left(), rest.body.frame()));
            let slow = |_| io::Error::new(io::ErrorKind::TimedOut, "the client is too slow");
            let Some(frame) = frame.map_err(slow)? else { return Ok(false) };
            self.patience.waited(since.elapsed());
            if let Ok(piece) = frame.map_err(io::Error::other)?.into_data() {
                self.patience.moved(piece.len());
                self.left = self.left.checked_sub(piece.len() as u64).ok_or_else(|| {
                    io::Error::new(io::ErrorKind::FileTooLarge, "the body is larger than this daemon takes")
                })?;
                self.piece = piece;
                return Ok(true);
            }
        }
    }
}

impl Read for Upload {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.piece.has_remaining() {
            if !self.next_piece()? {
                return Ok(0);
            }
        }
        (&mut self.piece).reader().read(buffer)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let (Some(rest), Some(back)) = (self.rest.take(), self.back.take()) {
            // Nobody waits for it where the client is gone.
            let _ = back.send(rest);
        }
    }
}

/// What nobody has read of a request's body.
pub(super) struct Rest {
    body: Incoming,
    /// The client has been told to send it, or was not asked whether to.
    is_begun: bool,
}

/// The most that is read of a body for the sake of the connection alone; as in Go.
const MOST_DRAINED: usize = 256 << 10;
/// How long a client may pause meanwhile.
const SILENCE: Duration = Duration::from_millis(500);

impl Rest {
    /// `waits`: the client sends nothing before it is told to (`Expect: 100-continue`).
    pub const fn new(body: Incoming, waits: bool) -> Self {
        Self { body, is_begun: !waits }
    }

    /// Reads to the end of a body, to throw it away; false where there is more than is worth it.
    pub async fn drain(mut self, rate: u64) -> bool {
        let mut patience = Patience::new(SILENCE, rate);
        let mut drained = 0;
        while !self.body.is_end_stream() {
            if !self.is_begun || drained > MOST_DRAINED {
                return false;
            }
            let since = Instant::now();
            match timeout(patience.left(), self.body.frame()).await {
                Ok(None) => return true,
                Ok(Some(Ok(frame))) => {
                    let count = frame.data_ref().map_or(0, Bytes::len);
                    patience.waited(since.elapsed());
                    patience.moved(count);
                    drained += count;
                }
                Ok(Some(Err(_))) | Err(_) => return false,
            }
        }
        true
    }
}

/// The body of an answer that a route writes while it is sent.
pub(super) struct Download(mpsc::Sender<io::Result<Bytes>>);

/// The other end of a [`Download`].
pub(super) struct Pieces {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    /// Ends the connection behind this many pieces.
    cut_behind: Option<usize>,
    /// Runs once the cut is due: what was sent before has to leave first.
    pause: Pin<Box<tokio::time::Sleep>>,
}

/// How long a cut waits for what was sent before it.
const PAUSE: Duration = Duration::from_millis(20);

impl Download {
    pub fn new(cut_behind: Option<usize>) -> (Self, Pieces) {
        let (sender, receiver) = mpsc::channel(8);
        let pause = Box::pin(tokio::time::sleep(PAUSE));
        (Self(sender), Pieces { receiver, cut_behind, pause })
    }

    /// Ends the connection without the end of the body, so that the client sees that something is missing.
    pub fn abort(&self, error: io::Error) {
        // A client that is gone needs no abort.
        let _ = self.0.blocking_send(Err(error));
    }
}

impl Write for Download {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map(|()| bytes.len()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// Fails where the client is gone.
    fn flush(&mut self) -> io::Result<()> {
        if self.0.is_closed() { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.cut_behind == Some(0) {
            std::task::ready!(self.pause.as_mut().poll(context));
            return Poll::Ready(Some(Err(io::Error::other("injected cut"))));
        }
        let piece = std::task::ready!(self.receiver.poll_recv(context));
        if let Some(left) = &mut self.cut_behind {
            *left -= 1;
            self.pause.as_mut().reset(tokio::time::Instant::now() + PAUSE);
        }
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }
}
