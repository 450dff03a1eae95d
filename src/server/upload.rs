//! Bodies, between hyper's tasks and the routes' threads.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Buf, Bytes, Frame, Incoming};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// The body of a request. Reading waits for the client, in the thread of a route.
pub(super) struct Upload {
    body: Incoming,
    piece: Bytes,
    runtime: Handle,
    patience: Duration,
    left: u64,
}

impl Upload {
    /// At most `limit` bytes, each piece within `patience`.
    pub fn new(body: Incoming, patience: Duration, limit: u64) -> Self {
        Self { body, piece: Bytes::new(), runtime: Handle::current(), patience, left: limit }
    }

    fn next_piece(&mut self) -> io::Result<bool> {
        loop {
            let frame = self.runtime.block_on(tokio::time::timeout(self.patience, self.body.frame()));
            let slow = |_| io::Error::new(io::ErrorKind::TimedOut, "the client is too slow");
            let Some(frame) = frame.map_err(slow)? else { return Ok(false) };
            if let Ok(piece) = frame.map_err(io::Error::other)?.into_data() {
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
