//! Tells a server what runs did.

use std::collections::VecDeque;
use std::time::Duration;

use super::backoff::{Backoff, Jitter};
use super::clock::Clock;
use super::run::RunResult;
use crate::{Error, Result};

/// Reports that wait for a server that is away.
const WAITING: usize = 64;
/// How long one report may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends each result as JSON to a URL. What cannot be sent waits for the next time.
#[derive(Debug)]
pub struct Reporter {
    url: String,
    http: ureq::Agent,
    backoff: Backoff,
    jitter: Jitter,
    waiting: VecDeque<String>,
}

impl Reporter {
    /// Sends to this `http://` or `https://` URL.
    ///
    /// # Errors
    ///
    /// Another scheme, or no URL.
    pub fn new(url: &str, backoff: Backoff, seed: u64) -> Result<Self> {
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        if rest.is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) {
            return Err(Error::invalid_parameter(format!("report URL `{url}`: it is http://… or https://…")));
        }
        let http = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            // A report is for the server that was named.
            .max_redirects(0)
            .http_status_as_error(false)
            .build()
            .into();
        Ok(Self { url: url.to_owned(), http, backoff, jitter: Jitter::new(seed), waiting: VecDeque::new() })
    }

    /// Sends what waits and this result, in order.
    ///
    /// # Errors
    ///
    /// The server does not take them now; they wait for the next time. Of more than 64 the oldest is dropped.
    pub fn send(&mut self, result: &RunResult, clock: &dyn Clock) -> Result<()> {
        let text = serde_json::to_string(result).map_err(|error| Error::system(error.to_string()))?;
        if self.waiting.len() == WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back(text);
        while let Some(text) = self.waiting.front() {
            let mut attempt = 1;
            while let Err(problem) = self.post(text) {
                let wait = self.backoff.wait(attempt, &mut self.jitter).filter(|_| !clock.is_stopping());
                let Some(wait) = wait else {
                    return Err(Error::system(format!("cannot report to {}: {problem}", self.url)));
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
