//! Connections that stop to speak HTTP: `attach` takes them over for a container's streams.

use http_body_util::BodyExt;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::spawn_blocking;

use super::answer::Writer;
use super::upload::Download;

/// A connection that is taken over once its answer, 101, is sent.
pub(super) struct Hijack {
    pub upgrade: OnUpgrade,
    pub writer: Writer,
}

impl Hijack {
    /// Sends what the writer writes, until it ends. What the client sends is thrown away: there is no process to read it.
    pub async fn run(self) {
        let Ok(upgraded) = self.upgrade.await else { return };
        let (mut input, mut output) = tokio::io::split(TokioIo::new(upgraded));
        let (mut download, mut pieces) = Download::new(None);
        let writer = self.writer;
        spawn_blocking(move || {
            if let Err(error) = writer(&mut download) {
                download.abort(error);
            }
        });
        let mut thrown_away = vec![0; 4 << 10];
        let mut is_open = true;
        loop {
            tokio::select! {
                piece = pieces.frame() => {
                    let Some(Ok(frame)) = piece else { break };
                    let Ok(bytes) = frame.into_data() else { continue };
                    if output.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                // A client without an input closes its half at once, and listens on.
                count = input.read(&mut thrown_away), if is_open => is_open = matches!(count, Ok(1..)),
            }
        }
        // Who has left needs no end.
        let _ = output.shutdown().await;
    }
}
