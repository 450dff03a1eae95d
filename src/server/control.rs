//! `/_control`: what a test does to the daemon itself. Off unless it was asked for.

use std::io::Read;
use std::sync::Arc;

use hyper::Method;

use super::answer::{Answer, Refusal};
use super::call::Call;
use super::daemon::Daemon;
use crate::Error;

/// The most that a rule or a time may hold.
const LARGEST: u64 = 64 << 10;

/// `GET`, `POST` and `DELETE faults`; `GET state`; `PUT now`.
pub(super) fn answer(daemon: &Arc<Daemon>, call: &mut Call, what: &str) -> Result<Answer, Refusal> {
    match (call.method.clone(), what) {
        (Method::GET, "faults") => Ok(Answer::json(&daemon.faults().list())),
        (Method::POST, "faults") => {
            let rules: Result<Vec<_>, Error> =
                text(call)?.lines().filter(|line| !line.trim().is_empty()).map(str::parse).collect();
            for fault in rules? {
                daemon.faults().add(fault);
            }
            Ok(Answer::empty(204))
        }
        (Method::DELETE, "faults") => {
            daemon.faults().clear();
            Ok(Answer::empty(204))
        }
        (Method::GET, "state") => Ok(Answer::json(&daemon.world())),
        (Method::PUT, "now") => {
            let text = text(call)?;
            let now = match text.trim() {
                "" => None,
                text => Some(chrono::DateTime::parse_from_rfc3339(text).map_err(|error| {
                    Error::invalid_parameter(format!("now `{text}`: {error}; it is RFC 3339, or empty"))
                })?),
            };
            daemon.set_now(now.map(Into::into));
            Ok(Answer::empty(204))
        }
        _ => Err(Refusal::NoRoute),
    }
}

fn text(call: &mut Call) -> Result<String, Refusal> {
    let mut bytes = Vec::new();
    let read = (&mut call.body).take(LARGEST).read_to_end(&mut bytes);
    read.map_err(|error| Refusal::Status(400, format!("the body cannot be read: {error}")))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
