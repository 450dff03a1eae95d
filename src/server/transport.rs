//! The socket of one connection: who does not read is cut off, and who still sends hears the answer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, timeout};

use super::patience::Patience;

/// A socket to which writing fails once its client keeps it waiting for too long.
pub(super) struct Transport<S> {
    socket: S,
    patience: Patience,
    stall: Option<Stall>,
}

/// A write that waits for the client.
struct Stall {
    since: Instant,
    end: Pin<Box<Sleep>>,
}

impl<S> Transport<S> {
    pub const fn new(socket: S, patience: Patience) -> Self {
        Self { socket, patience, stall: None }
    }

    fn timed<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
        count: impl FnOnce(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        let Poll::Ready(result) = written else {
            let left = self.patience.left();
            let stall = self.stall.get_or_insert_with(|| Stall {
                since: Instant::now(),
                end: Box::pin(tokio::time::sleep(left)),
            });
            ready!(stall.end.as_mut().poll(context));
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")));
        };
        if let Some(stall) = self.stall.take() {
            self.patience.waited(stall.since.elapsed());
        }
        self.patience.moved(result.as_ref().map_or(0, count));
        Poll::Ready(result)
    }
}

impl<S: AsyncRead + Unpin> Transport<S> {
    /// Reads what the client still sends, to throw it away, until it has read its answer and closes its end. To
    /// close while something comes would reset the connection, and take the answer from the client.
    pub async fn linger(&mut self, mut patience: Patience, limit: u64) {
        let mut left = limit;
        let mut piece = vec![0; 16 << 10];
        loop {
            let since = Instant::now();
            let Ok(Ok(count @ 1..)) = timeout(patience.left(), self.socket.read(&mut piece)).await else {
                return;
            };
            patience.waited(since.elapsed());
            patience.moved(count);
            match left.checked_sub(count as u64) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Transport<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Transport<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.timed(context, written, |count| *count)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(context, pieces);
        self.timed(context, written, |count| *count)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.socket).poll_flush(context);
        self.timed(context, flushed, |()| 0)
    }

    /// Half of it: the client may go on to send.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
