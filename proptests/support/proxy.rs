//! A socket in front of a daemon in memory: looks at each request, and answers some of them itself.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use image_prune::server::TestDaemon;
use serde_json::Value;
use tempfile::TempDir;

/// What is done with a request, `GET /info` for example: the API version and the query are taken off.
type Hook = dyn Fn(&str) -> Option<Value> + Send + Sync;

/// Listens until it is dropped.
pub struct Proxy {
    folder: TempDir,
    is_over: Arc<AtomicBool>,
}

impl Proxy {
    /// Calls `hook` before each request is passed on, on that request's thread. A value is the answer, with status
    /// 200; `None` passes the request on.
    pub fn new(daemon: &TestDaemon, hook: impl Fn(&str) -> Option<Value> + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("socket")).unwrap();
        let behind = PathBuf::from(daemon.host().strip_prefix("unix://").unwrap());
        let hook: Arc<Hook> = Arc::new(hook);
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        std::thread::spawn(move || {
            for client in listener.incoming().take_while(|_| !ends.load(Ordering::Acquire)) {
                let (hook, behind) = (Arc::clone(&hook), behind.clone());
                // A client that goes away early is no failure of the test's.
                std::thread::spawn(move || pass(client?, &behind, hook.as_ref()));
            }
        });
        Self { folder, is_over }
    }

    /// As `--host` and `DOCKER_HOST` take it.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        // Wakes who waits for the next client.
        let _ = UnixStream::connect(self.socket());
    }
}

fn pass(mut client: UnixStream, behind: &Path, hook: &Hook) -> io::Result<()> {
    let mut head = Vec::new();
    let mut piece = [0; 4096];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match client.read(&mut piece)? {
            0 => return Ok(()),
            read => head.extend_from_slice(&piece[..read]),
        }
    }
    if let Some(answer) = hook(&request_of(&head)) {
        let body = answer.to_string();
        let length = body.len();
        return write!(
            client,
            "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\nConnection: close\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
    }
    let mut daemon = UnixStream::connect(behind)?;
    daemon.write_all(&head)?;
    let (mut from_client, mut to_daemon) = (client.try_clone()?, daemon.try_clone()?);
    std::thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_daemon);
        to_daemon.shutdown(Shutdown::Write)
    });
    io::copy(&mut daemon, &mut client)?;
    client.shutdown(Shutdown::Both)
}

/// `GET /v1.41/info?x=1` is `GET /info`.
fn request_of(head: &[u8]) -> String {
    let head = std::str::from_utf8(head).unwrap();
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let path = target.split('?').next().unwrap();
    let plain = path.strip_prefix("/v1.").and_then(|rest| rest.find('/').map(|slash| &rest[slash..]));
    format!("{method} {}", plain.unwrap_or(path))
}
