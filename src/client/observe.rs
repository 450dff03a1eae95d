//! A prune, watched: when it was, what was answered, and what the daemon said meanwhile.

use std::ops::ControlFlow;
use std::time::SystemTime;

use chrono::{DateTime, TimeDelta, Utc};
use hyper::Method;
use serde_json::{Map, Value};

use super::api::Client;
use super::error::{ClientError, FailureKind};
use super::path::Query;
use super::state::system_time;
use super::transport::Response;
use crate::go::time::Now;

/// Beyond this the daemon's clock is not ours.
const SAME_CLOCK: TimeDelta = TimeDelta::seconds(1);

/// Watches prunes of one daemon.
#[derive(Debug)]
pub struct Observer<'a> {
    client: &'a Client,
    /// The daemon runs on another clock, and has to be asked each time.
    is_foreign: bool,
    utc_offset_seconds: i32,
}

/// What came of a prune.
#[derive(Debug)]
pub struct Observation {
    /// The daemon's clock, right before.
    pub now: Now,
    /// The answer, a refusal included; none where the connection was cut.
    pub answer: Option<Response>,
    /// The events of images, oldest first; a failure where the daemon does not tell them.
    pub events: Result<Vec<Value>, ClientError>,
}

impl<'a> Observer<'a> {
    /// Asks the daemon for its time.
    ///
    /// # Errors
    ///
    /// It cannot be asked.
    pub fn new(client: &'a Client) -> Result<Self, ClientError> {
        let before = now();
        let time = system_time(client)?;
        let is_same = time.to_utc() >= before - SAME_CLOCK && time.to_utc() <= now() + SAME_CLOCK;
        Ok(Self { client, is_foreign: !is_same, utc_offset_seconds: time.offset().local_minus_utc() })
    }

    /// `POST /images/prune` with the raw `filters`.
    ///
    /// # Errors
    ///
    /// The daemon cannot be asked. A refusal is an answer.
    pub fn prune(&self, filters: &str) -> Result<Observation, ClientError> {
        let since = self.now()?;
        let query = Query::new().add_given("filters", filters);
        let answer = match self.client.call(Method::POST, &format!("/images/prune{query}"), None) {
            Ok(answer) => Some(answer),
            Err(error) if error.kind() == FailureKind::Cut => None,
            Err(error) => return Err(error),
        };
        let events = self.now().and_then(|until| self.events(since, until));
        let now = Now { instant: since.into(), utc_offset_seconds: self.utc_offset_seconds };
        Ok(Observation { now, answer, events })
    }

    fn now(&self) -> Result<DateTime<Utc>, ClientError> {
        if self.is_foreign { system_time(self.client).map(|time| time.to_utc()) } else { Ok(now()) }
    }

    fn events(&self, since: DateTime<Utc>, until: DateTime<Utc>) -> Result<Vec<Value>, ClientError> {
        let text = |time: DateTime<Utc>| format!("{}.{:09}", time.timestamp(), time.timestamp_subsec_nanos());
        let filters = r#"{"type":["image"],"event":["untag","delete","prune"]}"#;
        let mut events = Vec::new();
        self.client.events(&text(since), &text(until), filters, &mut |event| {
            events.push(event);
            ControlFlow::Continue(())
        })?;
        Ok(events)
    }
}

fn now() -> DateTime<Utc> {
    SystemTime::now().into()
}

impl Observation {
    /// The same as [`Observed`](crate::oracle::check::Observed) reads it.
    #[must_use]
    pub fn to_json(&self) -> Map<String, Value> {
        let mut observed = Map::new();
        match &self.answer {
            None => drop(observed.insert("closed".to_owned(), true.into())),
            Some(answer) => {
                let text = || String::from_utf8_lossy(&answer.body).into();
                let body: Value = serde_json::from_slice(&answer.body).unwrap_or_else(|_| text());
                observed.insert("status".to_owned(), answer.status.into());
                observed.insert("body".to_owned(), body);
            }
        }
        if let Ok(events) = &self.events {
            observed.insert("events".to_owned(), events.clone().into());
        }
        observed
    }
}
