//! `/_control`: what a test does to the daemon itself. Off unless it was asked for.

use std::io::Read;
use std::sync::Arc;

use hyper::Method;

use super::answer::{Answer, Refusal};
use super::call::Call;
use super::containers;
use super::daemon::Daemon;
use crate::base::error::Error;

/// The most that a rule or a time may hold.
const LARGEST: u64 = 64 << 10;
/// The most that a container is told to have printed.
const LARGEST_LOG: u64 = 16 << 20;

/// `GET`, `POST` and `DELETE faults`; `GET state`; `PUT now`; `PUT logs/CONTAINER`; `POST exit/CONTAINER`.
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
        (Method::PUT, what) if what.starts_with("logs/") => {
            let logs = bytes(call, LARGEST_LOG)?;
            daemon.set_logs(what.trim_start_matches("logs/"), logs)?;
            Ok(Answer::empty(204))
        }
        (Method::POST, what) if what.starts_with("exit/") => {
            let name = what.trim_start_matches("exit/");
            let text = call.form.get("code");
            let code = if text.is_empty() { Ok(0) } else { text.parse() };
            let code = code.map_err(|_| {
                Error::invalid_parameter(format!("code `{text}`: not a number; write it like code=1"))
            })?;
            if !containers::exit(daemon, name, code)? {
                return Err(Error::conflict(format!("container {name} does not run")).into());
            }
            Ok(Answer::empty(204))
        }
        _ => Err(Refusal::NoRoute),
    }
}

fn text(call: &mut Call) -> Result<String, Refusal> {
    Ok(String::from_utf8_lossy(&bytes(call, LARGEST)?).into_owned())
}

fn bytes(call: &mut Call, limit: u64) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    let read = (&mut call.body).take(limit).read_to_end(&mut bytes);
    read.map_err(|error| Refusal::Status(400, format!("the body cannot be read: {error}")))?;
    Ok(bytes)
}
