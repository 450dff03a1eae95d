//! A daemon that others use, too: something happens between two requests of a client.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use tempfile::TempDir;

/// Stands before a daemon, hands each request over, and tells of it before and after. Clients come one after the other.
pub struct Between {
    folder: TempDir,
    thread: Option<JoinHandle<()>>,
}

/// Hears of every request, its number, its method and its path without the API's version, and may change the answer.
pub trait Script: Send {
    fn before(&mut self, number: usize, request: &str);
    fn after(&mut self, number: usize, request: &str, answer: &mut Vec<u8>);
}

impl Between {
    /// Stands before the daemon that listens on `socket`.
    pub fn start(socket: &Path, mut script: impl Script + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("docker.sock")).unwrap();
        let daemon = socket.to_owned();
        let thread = std::thread::spawn(move || {
            for number in 0.. {
                let (mut client, _) = listener.accept().unwrap();
                let head = head(&mut client);
                // Nobody else connects without saying anything: the end.
                let Some(head) = head else { return };
                let line = head.lines().next().unwrap();
                let mut words = line.split(' ');
                let (method, path) = (words.next().unwrap(), words.next().unwrap());
                let request = format!("{method} {}", without_version(path));
                script.before(number, &request);
                let mut backend = UnixStream::connect(&daemon).unwrap();
                let head = head.replacen("\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1);
                backend.write_all(head.as_bytes()).unwrap();
                let mut answer = Vec::new();
                backend.read_to_end(&mut answer).unwrap();
                script.after(number, &request, &mut answer);
                // A client that was killed meanwhile hears nothing.
                let _ = client.write_all(&answer);
            }
        });
        Self { folder, thread: Some(thread) }
    }

    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    /// Waits until the last request is over. Panics where the script did.
    pub fn end(mut self) {
        self.stop().unwrap();
    }

    fn stop(&mut self) -> std::thread::Result<()> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        if let Ok(socket) = UnixStream::connect(self.socket()) {
            let _ = socket.shutdown(Shutdown::Both);
        }
        thread.join()
    }
}

impl Drop for Between {
    fn drop(&mut self) {
        // A failure was told by `end`, or a test fails already.
        let _ = self.stop();
    }
}

/// The head of a request, which has no body; nothing where the connection ends first.
fn head(client: &mut UnixStream) -> Option<String> {
    let (mut head, mut piece) = (Vec::new(), [0; 4096]);
    // A client waits for the answer: nothing comes behind the head.
    while !head.ends_with(b"\r\n\r\n") {
        let read = client.read(&mut piece).unwrap();
        if read == 0 {
            return None;
        }
        head.extend_from_slice(&piece[..read]);
    }
    Some(String::from_utf8(head).unwrap())
}

fn without_version(path: &str) -> String {
    match path.strip_prefix("/v1.").and_then(|rest| rest.split_once('/')) {
        Some((_, rest)) => format!("/{rest}"),
        None => path.to_owned(),
    }
}
