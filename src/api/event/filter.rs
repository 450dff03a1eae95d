//! Which events a client of `GET /events` wants (E-8, E-9; moby's `daemon/events/filter.go`).

use super::Event;
use crate::base::error::Result;
use crate::document::filters::Filters;
use crate::document::reference::Reference;
use crate::semantics::Semantics;

/// Keys that are held against an object's ID and name, as a prefix.
const OBJECTS: [&str; 9] =
    ["daemon", "container", "plugin", "volume", "network", "node", "service", "secret", "config"];

/// Actions that carry more behind them, `exec_start: sh`: asked for, all values are prefixes.
const OPEN_ENDED: [&str; 3] = ["health_status", "exec_create", "exec_start"];

/// Decides which events pass. All keys must match; unknown keys are ignored.
///
/// ```
/// use image_prune::event::{Event, EventFilter, ImageEvent};
/// use image_prune::{Semantics, Timestamp};
///
/// let semantics = Semantics::MOBY_20_10;
/// let filter = EventFilter::parse(r#"{"event":["prune"]}"#, &semantics)?;
/// assert!(filter.includes(&Event::new(&ImageEvent::Prune(0), Timestamp::ZERO)));
/// # Ok::<(), image_prune::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct EventFilter {
    filters: Filters,
    semantics: Semantics,
}

impl EventFilter {
    /// Reads the raw `filters` parameter.
    ///
    /// # Errors
    ///
    /// What [`Filters::parse`] refuses; no key is refused (E-7).
    pub fn parse(filters: &str, semantics: &Semantics) -> Result<Self> {
        Ok(Self { filters: Filters::parse(filters, semantics)?, semantics: *semantics })
    }

    /// Returns true when there is no key, so that every event passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// Whether the event passes.
    #[must_use]
    pub fn includes(&self, event: &Event) -> bool {
        self.includes_action(&event.action)
            && self.filters.exact_match("type", &event.kind)
            && self.filters.exact_match("scope", "local")
            && OBJECTS.iter().all(|key| self.includes_object(key, event))
            && self.includes_image(event)
            && self.includes_labels(event)
    }

    fn includes_action(&self, action: &str) -> bool {
        if self.filters.get("event").any(|value| OPEN_ENDED.contains(&value)) {
            return self.filters.fuzzy_match("event", action);
        }
        self.filters.exact_match("event", action)
    }

    fn includes_object(&self, key: &str, event: &Event) -> bool {
        self.filters.fuzzy_match(key, &event.actor.id)
            || self.filters.fuzzy_match(key, event.attribute("name").unwrap_or(""))
    }

    fn includes_image(&self, event: &Event) -> bool {
        let key = if event.kind == "image" { "name" } else { "image" };
        let id = event.actor.id.as_str();
        let name = event.attribute(key).unwrap_or("");
        let is_wanted = |text: &str| self.filters.exact_match("image", text);
        is_wanted(id) || is_wanted(name) || self.is_wanted_repository(id) || self.is_wanted_repository(name)
    }

    fn is_wanted_repository(&self, text: &str) -> bool {
        match Reference::parse(text, &self.semantics) {
            Ok(reference) => self.filters.exact_match("image", reference.familiar_name()),
            Err(_) => self.filters.exact_match("image", text),
        }
    }

    fn includes_labels(&self, event: &Event) -> bool {
        let attributes = event.actor.attributes.iter().flatten();
        self.filters.match_kv_list("label", attributes.map(|(key, value)| (key.as_str(), value.as_str())))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::super::{Actor, ImageEvent};
    use super::*;
    use crate::base::digest::{Digest, ImageId};
    use crate::document::image::Labels;
    use crate::go::time::Timestamp;

    fn events() -> [Event; 3] {
        let id = ImageId::from(Digest::from_bytes([0xaa; 32]));
        let untag = ImageEvent::Untag(id, Some([("k", "v")].into_iter().collect::<Labels>()));
        let tag = Event {
            kind: "image".into(),
            action: "tag".into(),
            actor: Actor {
                id: id.to_string(),
                attributes: Some([("name".to_owned(), "foo:1".to_owned())].into()),
            },
            time: Timestamp::ZERO,
        };
        [Event::new(&untag, Timestamp::ZERO), Event::new(&ImageEvent::Prune(5), Timestamp::ZERO), tag]
    }

    /// The table of E-9: filters, and whether `untag`, `prune` and `tag` pass.
    #[test]
    fn passes_what_moby_passes() {
        let table = [
            (r#"{"type":["image"]}"#, [true, true, true]),
            (r#"{"event":["unt"]}"#, [false, false, false]),
            (r#"{"event":["unt","exec_start"]}"#, [true, false, false]),
            (r#"{"image":["foo"]}"#, [false, false, true]),
            (r#"{"image":["foo:1"]}"#, [false, false, true]),
            (r#"{"image":["fo"]}"#, [false, false, false]),
            (r#"{"image":[""]}"#, [false, true, false]),
            (r#"{"label":["k=v"]}"#, [true, false, false]),
            (r#"{"label":["reclaimed=5"]}"#, [false, true, false]),
            (r#"{"container":["x"]}"#, [false, false, false]),
            (r#"{"container":["sha"]}"#, [true, false, true]),
            (r#"{"bogus":["x"]}"#, [true, true, true]),
            (r#"{"type":[]}"#, [true, true, true]),
            (r#"{"type":{"image":false}}"#, [false, false, false]),
        ];
        for (filters, expected) in table {
            let filter = EventFilter::parse(filters, &Semantics::MOBY_20_10).unwrap();
            assert_eq!(events().map(|event| filter.includes(&event)), expected, "{filters}");
        }
    }
}
