//! `GET /events` (SPEC.md E-7).

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::answer::{Answer, Refusal};
use super::call::Call;
use super::daemon::Daemon;
use super::json;
use crate::event::{Event, EventFilter, Predicate, Subscription};
use crate::go::quote;
use crate::go::time::Timestamp;
use crate::request::until::unix;
use crate::semantics::Unicode;
use crate::{Error, Result};

/// How long it takes at most to notice that the client is gone.
const PULSE: Duration = Duration::from_millis(100);

pub(super) fn stream(daemon: &Arc<Daemon>, call: &Call) -> Result<Answer, Refusal> {
    let since = time(call.form.get("since"))?;
    let until = time(call.form.get("until"))?;
    if let (Some(since), Some(until)) = (since, until)
        && until < since
    {
        return Err(super::answer::invalid(format!(
            "`since` time ({}) cannot be after `until` time ({})",
            call.form.get("since"),
            call.form.get("until")
        )));
    }
    let filter = EventFilter::parse(call.form.get("filters"), daemon.semantics())?;
    if daemon.events().subscribers() >= daemon.limits().subscribers {
        return Err(Refusal::Status(503, "too many clients listen to events".to_owned()));
    }
    let predicate =
        (!filter.is_empty()).then(|| Arc::new(move |event: &Event| filter.includes(event)) as Predicate);
    let (past, live) = daemon.events().subscribe_filtered(since, until, predicate);
    let end = match until {
        None => End::Never,
        Some(until) => match until.unix_nanos().checked_sub(daemon.now().instant.unix_nanos()) {
            Some(left) if left > 0 => {
                let left = Duration::from_nanos(left.unsigned_abs());
                Instant::now().checked_add(left).map_or(End::Never, End::At)
            }
            _ => End::Now,
        },
    };
    let daemon = Arc::clone(daemon);
    Ok(Answer::messages(Box::new(move |out| send(&daemon, &past, &live, end, out))))
}

/// When the stream ends by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Now,
    At(Instant),
    Never,
}

fn send(
    daemon: &Daemon,
    past: &[Event],
    live: &Subscription,
    end: End,
    out: &mut dyn Write,
) -> io::Result<()> {
    for event in past {
        write(event, out)?;
    }
    while end != End::Now && !daemon.is_stopping() {
        let now = Instant::now();
        let deadline = match end {
            End::At(end) if end <= now => break,
            End::At(end) => end.min(now + PULSE),
            _ => now + PULSE,
        };
        match live.next_until(deadline) {
            Some(event) => write(&event, out)?,
            None => out.flush()?,
        }
    }
    Ok(())
}

fn write(event: &Event, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(&json::encode(event)?)
}

/// Unix seconds with a fraction; none where it is empty or −1 (SPEC.md T-7).
pub(super) fn time(text: &str) -> Result<Option<Timestamp>> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || {
        let seconds = text.split('.').next().unwrap_or_default();
        let seconds = quote::quote(seconds.as_bytes(), Unicode::V13);
        Error::system(format!("strconv.ParseInt: parsing {seconds}: invalid syntax"))
    };
    let time = unix::through_float(text).ok_or_else(wrong)?;
    Ok(Some(time).filter(|time| time.unix_seconds() != -1))
}
