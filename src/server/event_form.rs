//! Events as a version of the API writes them (E-2, rules L).

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::json;
use crate::api::event::Event;
use crate::semantics::Semantics;

/// How events are written to one client.
#[derive(Debug, Clone, Copy)]
pub(super) struct EventForm {
    fields: Fields,
    /// Each begins with the ASCII record separator (RFC 7464).
    has_separators: bool,
}

#[derive(Debug, Clone, Copy)]
enum Fields {
    /// With `status`, `id` and `from`, in the order of moby's struct.
    Legacy,
    /// With these, keys sorted, none left out.
    Sorted,
    /// Without these.
    Plain,
}

impl EventForm {
    /// The form, and its content type, for a client that accepts these.
    pub fn new(semantics: &Semantics, version: u16, accept: &str) -> (Self, &'static str) {
        let fields = match semantics.legacy_event_fields_until {
            None => Fields::Legacy,
            Some(until) if version < until => Fields::Sorted,
            Some(_) => Fields::Plain,
        };
        let is_new = semantics.json_lines_since.is_some_and(|since| version >= since);
        let (content_type, has_separators) = match accept {
            "application/x-ndjson" if is_new => ("application/x-ndjson", false),
            "application/json-seq" if is_new => ("application/json-seq", true),
            _ if is_new => ("application/jsonl", false),
            _ => ("application/json", false),
        };
        (Self { fields, has_separators }, content_type)
    }

    pub fn encode(self, event: &Event) -> Result<Vec<u8>, serde_json::Error> {
        let is_legacy_kind = matches!(&*event.kind, "image" | "container");
        let mut text = match self.fields {
            Fields::Legacy => json::encode(event)?,
            Fields::Sorted if is_legacy_kind => json::encode(&sorted(event))?,
            Fields::Sorted | Fields::Plain => json::encode(&Plain(event))?,
        };
        if self.has_separators {
            text.insert(0, 0x1e);
        }
        Ok(text)
    }
}

/// A map of `serde_json` has its keys sorted.
fn sorted(event: &Event) -> Value {
    let message = json!({
        "Action": event.action,
        "Actor": { "Attributes": event.actor.attributes, "ID": event.actor.id },
        "Type": event.kind,
        "id": event.actor.id,
        "scope": "local",
        "status": event.action,
        "time": event.time.unix_seconds(),
        "timeNano": event.time.unix_nanos(),
    });
    let Value::Object(mut message) = message else { return message };
    if event.kind == "container" {
        message.insert("from".to_owned(), event.attribute("image").unwrap_or_default().into());
    }
    Value::Object(message)
}

struct Plain<'a>(&'a Event);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(event) = self;
        let mut message = serializer.serialize_map(None)?;
        message.serialize_entry("Type", &event.kind)?;
        message.serialize_entry("Action", &event.action)?;
        message.serialize_entry("Actor", &event.actor)?;
        message.serialize_entry("scope", "local")?;
        if event.time.unix_seconds() != 0 {
            message.serialize_entry("time", &event.time.unix_seconds())?;
        }
        if event.time.unix_nanos() != 0 {
            message.serialize_entry("timeNano", &event.time.unix_nanos())?;
        }
        message.end()
    }
}
