//! `/metrics`, for whoever is on this machine.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::sync::Mutex;

/// The most that a request's head may hold.
const LARGEST_HEAD: usize = 8 << 10;
/// How long a client may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many clients are waited for at once. More are turned away: a scrape comes once in some seconds.
const CLIENTS: usize = 64;

/// Answers `GET /metrics`. A client that sends nothing keeps nobody else waiting.
#[derive(Debug)]
pub struct Endpoint {
    text: Arc<Mutex<String>>,
    address: SocketAddr,
}

impl Endpoint {
    /// Listens on a loopback address; port 0 is any that is free.
    ///
    /// # Errors
    ///
    /// The address is not a loopback one, or cannot be had.
    pub fn listen(address: SocketAddr) -> io::Result<Self> {
        if !address.ip().is_loopback() {
            let message = "not a loopback address: metrics are for this machine alone";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let text = Arc::new(Mutex::new(String::new()));
        let shown = Arc::clone(&text);
        std::thread::Builder::new().name("metrics".to_owned()).spawn(move || {
            let clients = Arc::new(());
            // Ends with the process.
            for client in listener.incoming().flatten() {
                let place = Arc::clone(&clients);
                if Arc::strong_count(&place) > CLIENTS + 1 {
                    continue;
                }
                let shown = Arc::clone(&shown);
                let answering = move || {
                    let text = shown.lock().clone();
                    // A client that goes away early is its own affair.
                    let _ = answer(&client, &text);
                    drop(place);
                };
                // Without a thread for it the client is turned away.
                let _ = std::thread::Builder::new().name("scrape".to_owned()).spawn(answering);
            }
        })?;
        Ok(Self { text, address })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it answers from now on.
    pub fn show(&self, text: String) {
        *self.text.lock() = text;
    }
}

fn answer(mut client: &TcpStream, text: &str) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let left = deadline.saturating_duration_since(Instant::now());
        // A timeout of zero would be none.
        client.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        let read = client.read(&mut piece)?;
        head.extend_from_slice(piece.get(..read).unwrap_or_default());
        if read == 0 || head.len() > LARGEST_HEAD || left.is_zero() {
            return Ok(());
        }
    }
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let mut words = line.split(' ');
    let path = (words.next(), words.next().map(|target| target.split('?').next().unwrap_or_default()));
    let (status, body) = match path {
        (Some("GET"), Some("/metrics")) => ("200 OK", text),
        (Some("GET"), _) => ("404 Not Found", "there is /metrics\n"),
        _ => ("405 Method Not Allowed", "there is GET /metrics\n"),
    };
    let length = body.len();
    client.set_write_timeout(Some(PATIENCE))?;
    write!(
        client,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )
}
