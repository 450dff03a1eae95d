//! Requests and their answers: limits, retries, redirects, and who gets to see the password.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use ureq::http::header::{ACCEPT, AUTHORIZATION, DATE, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use ureq::http::{HeaderMap, HeaderValue, Method, Request, Uri};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Timeout};

use super::address::{Address, Origin, resolve};
use super::auth::{Challenge, Credentials, query_value, token};
use crate::base::error::{Error, Kind, Result};
use crate::base::sync::Mutex;
use crate::base::sync::atomic::{AtomicUsize, Ordering};

/// How often a request is tried that fails for reasons that pass.
const ATTEMPTS: u32 = 5;
/// After so many requests that failed in all their attempts, nothing is tried again.
const PATIENCE: usize = 10;
/// The longest pause that a registry may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The pause before the second attempt, where the registry asks for none; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const REDIRECTS: usize = 5;
const ERROR_BODY: usize = 64 << 10;
const TOKEN_BODY: usize = 1 << 20;

/// Waits between attempts; [`std::thread::sleep`] unless a test has better things to do.
pub type Pause = Arc<dyn Fn(Duration) + Send + Sync>;

/// How to talk to a registry.
#[derive(Clone)]
pub struct Options {
    /// Where it is.
    pub address: Address,
    /// Who we are; none for a registry that does not ask.
    pub credentials: Option<Credentials>,
    /// A token server on another origin that may have the password, too.
    pub token_server: Option<Address>,
    /// Certificates to trust instead of Mozilla's, in PEM.
    pub authorities: Option<Vec<u8>>,
    /// Waits between attempts.
    pub pause: Pause,
}

impl Options {
    /// Without credentials, with the usual certificates.
    #[must_use]
    pub fn new(address: Address) -> Self {
        let pause: Pause = Arc::new(std::thread::sleep);
        Self { address, credentials: None, token_server: None, authorities: None, pause }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, credentials, token_server, .. } = self;
        formatter
            .debug_struct("Options")
            .field("address", address)
            .field("credentials", credentials)
            .field("token_server", token_server)
            .finish_non_exhaustive()
    }
}

/// What a request is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Purpose<'a> {
    /// The repository, for the token; empty for the catalog.
    pub repository: &'a str,
    /// The media types that are understood; empty for any.
    pub accept: &'a str,
    /// The limit of the answer's body, in bytes.
    pub limit: usize,
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// Where it came from, behind redirects.
    pub uri: Uri,
}

impl Response {
    /// A header as text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The failure that a status of 300 or more stands for.
    pub(super) fn into_failure(self) -> HttpError {
        match self.status {
            404 => HttpError::Missing,
            status => HttpError::Status { status, message: message(&self.body) },
        }
    }

    fn is_passing(&self) -> bool {
        matches!(self.status, 408 | 429 | 500 | 502 | 503 | 504)
    }

    /// The pause that the registry asks for, in seconds or as a date beside its own (RFC 9110).
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let value = self.header(RETRY_AFTER.as_str())?;
        if let Ok(seconds) = value.trim().parse() {
            return Some(Duration::from_secs(seconds));
        }
        let date = |text: &str| chrono::DateTime::parse_from_rfc2822(text).ok();
        let until = date(value)?.signed_duration_since(date(self.header(DATE.as_str())?)?);
        Some(until.to_std().unwrap_or_default())
    }
}

/// Why there is no answer to work with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HttpError {
    /// There is no such thing.
    Missing,
    /// Another answer than was hoped for.
    Status { status: u16, message: String },
    /// We may not.
    Unauthorized(String),
    /// It asks who we are, and nobody said.
    Anonymous,
    /// The password would go to this origin, which nobody named.
    TokenServer(Origin),
    /// Nobody there.
    Unreachable(String),
    /// Somebody there, but nobody knows who.
    Untrusted(String),
    /// No whole answer, or too much of it.
    Broken(String),
}

impl HttpError {
    /// The error of a run, `doing` this.
    pub(super) fn during(self, doing: &str) -> Error {
        let message = format!("{doing}: {self}");
        match self {
            Self::Missing => Error::not_found(message),
            Self::Anonymous => Error::system(message).of_kind(Kind::CredentialsMissing),
            Self::TokenServer(_) => Error::system(message).of_kind(Kind::TokenServerUnnamed),
            Self::Untrusted(_) => Error::system(message).of_kind(Kind::Untrusted),
            _ => Error::system(message),
        }
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => formatter.write_str("does not exist"),
            Self::Status { status, message } => {
                write!(formatter, "the registry answers {status}")?;
                if message.is_empty() { Ok(()) } else { write!(formatter, ", {message}") }
            }
            Self::Unauthorized(why) | Self::Broken(why) => formatter.write_str(why),
            Self::Anonymous => formatter.write_str("the registry asks for a user and a password"),
            Self::TokenServer(origin) => {
                write!(
                    formatter,
                    "the registry wants the password to be sent to {origin}, which was not named"
                )
            }
            Self::Unreachable(why) => write!(formatter, "the registry cannot be reached: {why}"),
            Self::Untrusted(why) => write!(formatter, "the registry cannot be trusted: {why}"),
        }
    }
}

/// What the body of an error says, cut where it is long.
fn message(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Body {
        errors: Vec<Entry>,
    }
    #[derive(serde::Deserialize)]
    struct Entry {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let Ok(body) = serde_json::from_slice::<Body>(body) else { return String::new() };
    let Some(first) = body.errors.into_iter().next() else { return String::new() };
    format!("{}: {}", first.code, first.message).chars().take(300).collect()
}

/// A connection to one registry. Shared between threads.
pub(super) struct Http {
    agent: Agent,
    options: Options,
    /// `Authorization` by repository, one for reading and one for deleting.
    authorizations: Mutex<HashMap<(String, bool), String>>,
    patience: AtomicUsize,
}

impl Http {
    pub(super) fn new(options: Options) -> Result<Self> {
        let roots = options.authorities.as_deref().map(authorities).transpose()?.unwrap_or(RootCerts::WebPki);
        let agent = Agent::config_builder()
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("image-prune/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            .timeout_per_call(Some(Duration::from_secs(300)))
            .build()
            .new_agent();
        let authorizations = Mutex::new(HashMap::new());
        Ok(Self { agent, options, authorizations, patience: AtomicUsize::new(PATIENCE) })
    }

    pub(super) fn origin(&self) -> &Origin {
        self.options.address.origin()
    }

    pub(super) fn pause(&self, pause: Duration) {
        (self.options.pause)(pause);
    }

    /// Reads something. What may pass is tried again; redirects are followed.
    pub(super) fn read(
        &self,
        method: &Method,
        uri: &Uri,
        purpose: Purpose<'_>,
    ) -> Result<Response, HttpError> {
        let attempts = if self.patience.load(Ordering::Relaxed) == 0 { 1 } else { ATTEMPTS };
        let mut attempt = 1;
        loop {
            let result = self.follow(method, uri, purpose);
            let asked = match &result {
                Ok(answer) if answer.is_passing() => answer.retry_after(),
                Err(HttpError::Broken(_) | HttpError::Unreachable(_)) => None,
                _ => return result,
            };
            if let Some(asked) = asked.filter(|asked| *asked > LONGEST_PAUSE) {
                let why = format!("the registry asks to wait {} seconds; try again later", asked.as_secs());
                return Err(HttpError::Broken(why));
            }
            if attempt == attempts {
                let less = |patience: usize| patience.checked_sub(1);
                let _ = self.patience.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
                return result;
            }
            self.pause(asked.unwrap_or(FIRST_PAUSE * 2_u32.pow(attempt - 1)));
            attempt += 1;
        }
    }

    /// One attempt, redirects followed. Nothing of ours goes to another origin.
    fn follow(&self, method: &Method, uri: &Uri, purpose: Purpose<'_>) -> Result<Response, HttpError> {
        let mut answer = self.once(method, uri, purpose)?;
        for _ in 0..REDIRECTS {
            if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            let target = answer.header(LOCATION.as_str()).and_then(|target| resolve(&answer.uri, target));
            let Some((target, origin)) =
                target.and_then(|target| Some((target.clone(), Origin::of(&target)?)))
            else {
                return Err(HttpError::Broken("a redirect that leads nowhere".to_owned()));
            };
            if self.origin().is_tls() && !origin.is_tls() {
                return Err(HttpError::Broken(format!("a redirect away from https, to {origin}: refused")));
            }
            answer = if origin == *self.origin() {
                self.once(method, &target, purpose)?
            } else {
                self.send(method, &target, purpose, None)?
            };
        }
        Err(HttpError::Broken("one redirect after the other".to_owned()))
    }

    /// One attempt, no redirect, with a second one where the registry asks who we are.
    pub(super) fn once(
        &self,
        method: &Method,
        uri: &Uri,
        purpose: Purpose<'_>,
    ) -> Result<Response, HttpError> {
        let key = (purpose.repository.to_owned(), *method == Method::DELETE);
        let known = self.authorizations.lock().get(&key).cloned();
        let answer = self.send(method, uri, purpose, known.as_deref())?;
        if answer.status != 401 {
            return Ok(answer);
        }
        let authorization = self.authorize(&answer)?;
        let answer = self.send(method, uri, purpose, Some(&authorization))?;
        if answer.status == 401 {
            let user = self.options.credentials.as_ref().map_or("anybody", |credentials| &credentials.user);
            let why = match message(&answer.body) {
                why if why.is_empty() => why,
                why => format!(" ({why})"),
            };
            return Err(HttpError::Unauthorized(format!("the registry refuses the user `{user}`{why}")));
        }
        self.authorizations.lock().insert(key, authorization);
        Ok(answer)
    }

    /// What to answer to a registry that asks who we are.
    fn authorize(&self, answer: &Response) -> Result<String, HttpError> {
        let headers = answer.headers.get_all(WWW_AUTHENTICATE);
        match Challenge::choose(headers.iter().filter_map(|value| value.to_str().ok())) {
            None => {
                let why = "the registry asks for a kind of password that is not known here";
                Err(HttpError::Unauthorized(why.to_owned()))
            }
            Some(Challenge::Basic) => match &self.options.credentials {
                Some(credentials) => Ok(credentials.basic()),
                None => Err(HttpError::Anonymous),
            },
            Some(Challenge::Bearer { realm, service, scope }) => {
                let mut target = realm.clone();
                for (name, value) in [("service", service), ("scope", scope)] {
                    if let Some(value) = value {
                        let mark = if target.contains('?') { '&' } else { '?' };
                        target = format!("{target}{mark}{name}={}", query_value(&value));
                    }
                }
                self.token(&target).map(|token| format!("Bearer {token}"))
            }
        }
    }

    fn token(&self, target: &str) -> Result<String, HttpError> {
        let refused = |why: String| HttpError::Unauthorized(why);
        let uri: Option<Uri> = target.parse().ok();
        let Some((uri, origin)) = uri.and_then(|uri| Origin::of(&uri).map(|origin| (uri, origin))) else {
            return Err(refused("the registry names no sound address for tokens".to_owned()));
        };
        let named = self.options.token_server.as_ref().map(Address::origin);
        let is_ours = origin == *self.origin() || named == Some(&origin);
        if !is_ours && self.options.credentials.is_some() {
            return Err(HttpError::TokenServer(origin));
        }
        if !is_ours && !origin.is_tls() {
            return Err(refused(format!("tokens from {origin}, without https: refused")));
        }
        let credentials = self.options.credentials.as_ref().filter(|_| is_ours).map(Credentials::basic);
        let purpose = Purpose { repository: "", accept: "", limit: TOKEN_BODY };
        let answer = self.send(&Method::GET, &uri, purpose, credentials.as_deref())?;
        match answer.status {
            200 => token(&answer.body).ok_or_else(|| refused(format!("no token in the answer of {origin}"))),
            429 | 500.. => Err(HttpError::Broken(format!("{origin} answers {} for a token", answer.status))),
            status => Err(refused(format!("{origin} answers {status} for a token"))),
        }
    }

    fn send(
        &self,
        method: &Method,
        uri: &Uri,
        purpose: Purpose<'_>,
        authorization: Option<&str>,
    ) -> Result<Response, HttpError> {
        let mut request = Request::builder().method(method).uri(uri);
        if !purpose.accept.is_empty() {
            request = request.header(ACCEPT, purpose.accept);
        }
        if let Some(authorization) = authorization {
            let value = HeaderValue::from_str(authorization);
            let mut value =
                value.map_err(|_| HttpError::Unauthorized("a password with odd characters".into()))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let request = request.body(()).map_err(|error| HttpError::Broken(error.to_string()))?;
        let (parts, mut body) = self.agent.run(request).map_err(|error| failure(&error))?.into_parts();
        let status = parts.status.as_u16();
        let limit = if status < 300 { purpose.limit } else { ERROR_BODY };
        let mut answer = Response { status, headers: parts.headers, body: Vec::new(), uri: uri.clone() };
        if *method == Method::HEAD {
            return Ok(answer);
        }
        // One more, to tell a body of the limit from a longer one.
        let read = body.with_config().limit(limit as u64 + 1).read_to_vec();
        match read {
            Ok(body) if body.len() <= limit => answer.body = body,
            // What an error says is for people; its status is what counts.
            _ if status >= 300 => {}
            Ok(_) | Err(ureq::Error::BodyExceedsLimit(_)) => {
                return Err(HttpError::Broken(format!("an answer of more than {limit} bytes")));
            }
            Err(error) => return Err(failure(&error)),
        }
        Ok(answer)
    }
}

fn failure(error: &ureq::Error) -> HttpError {
    match error {
        ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed
        | ureq::Error::Timeout(Timeout::Connect) => HttpError::Unreachable(error.to_string()),
        ureq::Error::Io(io) if io.kind() == io::ErrorKind::ConnectionRefused => {
            HttpError::Unreachable(io.to_string())
        }
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) => HttpError::Untrusted(error.to_string()),
        // rustls hides behind errors of invalid data.
        ureq::Error::Io(io) if io.kind() == io::ErrorKind::InvalidData => {
            HttpError::Untrusted(io.to_string())
        }
        _ => HttpError::Broken(format!("no whole answer: {error}")),
    }
}

fn authorities(pem: &[u8]) -> Result<RootCerts> {
    let wrong = |why: String| Error::invalid_parameter(format!("certificates: {why}"));
    let mut found = Vec::new();
    for item in parse_pem(pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => found.push(certificate),
            Ok(_) => {}
            Err(error) => return Err(wrong(error.to_string())),
        }
    }
    if found.is_empty() {
        return Err(wrong("none in the file; it takes PEM".to_owned()));
    }
    Ok(RootCerts::new_with_certs(&found))
}
