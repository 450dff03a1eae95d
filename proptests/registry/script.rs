//! A registry that answers what a test says.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use image_prune::Digest;
use image_prune::registry::{Credentials, Options, Registry};

/// A request, as far as tests ask.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub authorization: Option<String>,
    /// How often this was asked before.
    pub before: usize,
}

/// Listens until the test ends.
pub struct Script {
    pub address: String,
    log: Arc<Mutex<Vec<Asked>>>,
}

impl Script {
    /// Answers each request with whole text, head and body, as `answer` says; an empty text closes.
    pub fn new(answer: impl Fn(&Asked) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let log: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (shared, answer) = (Arc::clone(&log), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (log, answer) = (Arc::clone(&shared), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream.unwrap(), &log, answer.as_ref()));
            }
        });
        Self { address, log }
    }

    pub fn log(&self) -> Vec<Asked> {
        self.log.lock().unwrap().clone()
    }

    /// How often a method was used.
    pub fn count(&self, method: &str) -> usize {
        self.log().iter().filter(|asked| asked.method == method).count()
    }

    /// A client that does not sleep.
    pub fn registry(&self) -> Registry {
        Registry::new(self.options()).unwrap()
    }

    pub fn registry_for(&self, user: &str, password: &str) -> Registry {
        let credentials = Credentials { user: user.to_owned(), password: password.to_owned() };
        Registry::new(Options { credentials: Some(credentials), ..self.options() }).unwrap()
    }

    pub fn options(&self) -> Options {
        Options { pause: Arc::new(|_| ()), ..Options::new(self.address.parse().unwrap()) }
    }
}

fn serve(stream: TcpStream, log: &Mutex<Vec<Asked>>, answer: &(dyn Fn(&Asked) -> String + Send + Sync)) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut stream = stream;
    // One request after the other on a connection, until an answer without a length.
    while let Some(Ok(first)) = lines.next() {
        let mut words = first.split(' ').map(str::to_owned);
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let mut authorization = None;
        for line in lines.by_ref() {
            let Ok(line) = line else { return };
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(": ")
                && name.eq_ignore_ascii_case("authorization")
            {
                authorization = Some(value.to_owned());
            }
        }
        let asked = {
            let mut log = log.lock().unwrap();
            let before = log.iter().filter(|other| other.method == method && other.path == path).count();
            log.push(Asked { method, path, authorization, before });
            log.last().unwrap().clone()
        };
        let text = answer(&asked);
        let _ = stream.write_all(text.as_bytes());
        if text.is_empty() || !text.contains("\r\ncontent-length: ") || text.contains("\r\nconnection: close")
        {
            let _ = stream.shutdown(std::net::Shutdown::Both);
            return;
        }
    }
}

/// An answer with a body and further headers.
pub fn answer(status: u16, headers: &[&str], body: &str) -> String {
    let length = format!("content-length: {}", body.len());
    let mut lines = vec![format!("HTTP/1.1 {status} Said"), length];
    lines.extend(headers.iter().map(|header| (*header).to_owned()));
    format!("{}\r\n\r\n{body}", lines.join("\r\n"))
}

/// An answer to HEAD.
pub fn head(digest: Digest) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\ndocker-content-digest: {digest}\r\n\r\n")
}

/// A manifest with one layer, which `mark` tells from others.
pub fn manifest(mark: &str) -> String {
    let layer = Digest::of(mark.as_bytes());
    format!(r#"{{"schemaVersion":2,"layers":[{{"digest":"{layer}","size":{}}}]}}"#, mark.len())
}

pub const JSON_MANIFEST: &str = "content-type: application/vnd.oci.image.manifest.v1+json";
