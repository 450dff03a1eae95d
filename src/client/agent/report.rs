//! Tells a server what runs did.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use super::backoff::{Backoff, Jitter};
use super::clock::Clock;
use super::run::RunResult;
use crate::base::error::{Error, Result};
use crate::base::terminal;

/// Reports that wait for a server that is away.
const WAITING: usize = 64;
/// How long one report may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends each result as JSON to a URL. What cannot be sent waits for the next time.
pub struct Reporter {
    url: String,
    /// What may be printed of the URL.
    server: String,
    http: ureq::Agent,
    backoff: Backoff,
    jitter: Jitter,
    waiting: VecDeque<String>,
}

impl Reporter {
    /// Sends to this `http://` or `https://` URL. Its password, path and query are never printed: a token may be in
    /// each.
    ///
    /// # Errors
    ///
    /// Another scheme, or no URL.
    pub fn new(url: &str, backoff: Backoff, seed: u64) -> Result<Self> {
        let server = server_of(url).ok_or_else(|| {
            Error::invalid_parameter(
                "the report URL, not shown since it may hold a password, has no http:// or https:// or no host: write it \
                 like https://HOST/PATH",
            )
        })?;
        let http = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            // A report is for the server that was named.
            .max_redirects(0)
            .http_status_as_error(false)
            .build()
            .into();
        Ok(Self {
            url: url.to_owned(),
            server,
            http,
            backoff,
            jitter: Jitter::new(seed),
            waiting: VecDeque::new(),
        })
    }

    /// Sends what waits and this result, in order.
    ///
    /// # Errors
    ///
    /// The server does not take them now; they wait for the next time. Of more than 64 the oldest is dropped.
    pub fn send(&mut self, result: &RunResult, clock: &dyn Clock) -> Result<()> {
        let text = terminal::json(result).map_err(|error| Error::system(error.to_string()))?;
        if self.waiting.len() == WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back(text);
        while let Some(text) = self.waiting.front() {
            let mut attempt = 1;
            while let Err(problem) = self.post(text) {
                let wait = self.backoff.wait(attempt, &mut self.jitter).filter(|_| !clock.is_stopping());
                let Some(wait) = wait else {
                    let problem = problem.replace(&self.url, "the URL");
                    return Err(Error::system(format!("cannot report to {}: {problem}", self.server)));
                };
                clock.sleep(wait);
                attempt += 1;
            }
            self.waiting.pop_front();
        }
        Ok(())
    }

    fn post(&self, text: &str) -> std::result::Result<(), String> {
        let request = self.http.post(&self.url).header("Content-Type", "application/json");
        match request.send(text) {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(format!("status {}", answer.status().as_u16())),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Reporter").field("server", &self.server).finish_non_exhaustive()
    }
}

/// Scheme, host and port of a URL. A user, a password, a path or a query may be a secret.
fn server_of(url: &str) -> Option<String> {
    let url: ureq::http::Uri = url.parse().ok()?;
    let scheme = url.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https"))?;
    let host = url.host().filter(|host| !host.is_empty())?;
    let port = url.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
    let server = format!("{host}{port}");
    // `http://user:pass/word@host` has a port that is none.
    let authority = url.authority()?.as_str();
    let is_whole = authority.rsplit_once('@').map_or(authority, |(_, host)| host) == server;
    is_whole.then(|| format!("{scheme}://{server}"))
}
