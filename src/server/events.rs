//! `GET /events` (E-7).

use std::io::{self, Write};
use std::num::IntErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::answer::{Answer, Refusal};
use super::call::Call;
use super::daemon::Daemon;
use super::event_form::EventForm;
use crate::api::event::{Event, EventFilter, Predicate, Subscription};
use crate::api::request::until::unix;
use crate::base::error::{Error, Result};
use crate::go::quote;
use crate::go::time::Timestamp;
use crate::semantics::{Semantics, Unicode};

/// How long it takes at most to notice that the client is gone.
const PULSE: Duration = Duration::from_millis(100);

pub(super) fn stream(daemon: &Arc<Daemon>, call: &Call) -> Result<Answer, Refusal> {
    let semantics = daemon.semantics();
    let named = |name: &str| {
        let text = call.form.get(name);
        if semantics.event_time_errors_name_parameter {
            time_as_text(name, text, semantics)
        } else {
            time(text)
        }
    };
    let (since, until) = (named("since")?, named("until")?);
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
    let (form, content_type) = EventForm::new(daemon.semantics(), call.version, &call.accept);
    let mut answer = Answer::messages(Box::new(move |out| send(&daemon, form, &past, &live, end, out)));
    answer.content_type = Some(content_type);
    Ok(answer)
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
    form: EventForm,
    past: &[Event],
    live: &Subscription,
    end: End,
    out: &mut dyn Write,
) -> io::Result<()> {
    for event in past {
        out.write_all(&form.encode(event)?)?;
    }
    while end != End::Now && !daemon.is_stopping() {
        let now = Instant::now();
        let deadline = match end {
            End::At(end) if end <= now => break,
            End::At(end) => end.min(now + PULSE),
            _ => now + PULSE,
        };
        match live.next_until(deadline) {
            Some(event) => out.write_all(&form.encode(&event)?)?,
            None => out.flush()?,
        }
    }
    Ok(())
}

/// Unix seconds with a fraction; none where it is empty or −1 (T-7).
pub(super) fn time(text: &str) -> Result<Option<Timestamp>> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || {
        let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
        // The seconds are read first.
        let part = if seconds.parse::<i64>().is_ok() { fraction } else { seconds };
        let cause = match part.parse::<i64>().map_err(|error| *error.kind()) {
            Err(IntErrorKind::PosOverflow | IntErrorKind::NegOverflow) => "value out of range",
            _ => "invalid syntax",
        };
        let part = quote::quote(part.as_bytes(), Unicode::V13);
        Error::system(format!("strconv.ParseInt: parsing {part}: {cause}"))
    };
    let time = unix::through_float(text).ok_or_else(wrong)?;
    Ok(Some(time).filter(|time| time.unix_seconds() != -1))
}

/// The same as text, with errors that name the parameter (E-7).
fn time_as_text(name: &str, text: &str, semantics: &Semantics) -> Result<Option<Timestamp>> {
    if text.is_empty() {
        return Ok(None);
    }
    unix::as_text(text).map(Some).map_err(|error| {
        let quoted = quote::quote(text.as_bytes(), semantics.unicode);
        let cause = error.text(semantics.unicode);
        Error::invalid_parameter(format!("invalid value for '{name}': invalid timestamp {quoted}: {cause}"))
    })
}
