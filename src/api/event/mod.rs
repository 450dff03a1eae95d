//! Events: what a prune says while it works, the ring that remembers them, and their subscribers.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize};

use crate::base::digest::ImageId;
use crate::base::sync::Mutex;
use crate::document::image::Labels;
use crate::go::time::Timestamp;

mod filter;
mod log;
mod subscription;

pub use filter::EventFilter;
pub use log::{EventClock, EventLog};
pub use subscription::{Predicate, Subscription};

/// What a prune says, before it has a time (D-13, P-10). Cheap to make and to clone: its text
/// is written when somebody reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImageEvent {
    /// A reference of the image is gone; the labels of its config, where it is still readable.
    Untag(ImageId, Option<Labels>),
    /// The image is gone.
    Delete(ImageId),
    /// A prune has ended, having reclaimed this many bytes.
    Prune(u64),
    /// A name of the image is gone from containerd's image store, as moby shows it (V-1).
    UntagName(ImageId, Arc<str>),
    /// Something of the image is gone from containerd's image store with this name (V-2).
    DeleteName(ImageId, Arc<str>),
    /// The image was deleted from containerd's image store; the labels of its config, where it is still readable
    /// (V-3).
    DeleteImage(ImageId, Option<Labels>),
    /// The image was given a name. Behind a pointer, since a prune keeps many events and none of these.
    Tag(ImageId, Arc<Tagged>),
}

/// The part of an event that tells the name which an image was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tagged {
    /// The name, familiar; without `:latest` in a classic store where nobody wrote it.
    pub name: Box<str>,
    /// The labels of the image's config, where it is readable.
    pub labels: Option<Labels>,
}

impl ImageEvent {
    /// `untag`, `delete`, `prune` or `tag`.
    #[must_use]
    pub const fn action(&self) -> &'static str {
        match self {
            Self::Untag(..) | Self::UntagName(..) => "untag",
            Self::Delete(_) | Self::DeleteName(..) | Self::DeleteImage(..) => "delete",
            Self::Prune(_) => "prune",
            Self::Tag(..) => "tag",
        }
    }

    /// The image it is about; none for `prune`.
    #[must_use]
    pub const fn image(&self) -> Option<ImageId> {
        match self {
            Self::Untag(id, _)
            | Self::Delete(id)
            | Self::UntagName(id, _)
            | Self::DeleteName(id, _)
            | Self::DeleteImage(id, _)
            | Self::Tag(id, _) => Some(*id),
            Self::Prune(_) => None,
        }
    }

    /// The actor's attributes: the labels, then `name`, which overwrites a label of that name.
    #[must_use]
    pub fn attributes(&self) -> BTreeMap<String, String> {
        let mut attributes = BTreeMap::new();
        let labels = match self {
            Self::Untag(_, labels) | Self::DeleteImage(_, labels) => labels.as_ref(),
            Self::Tag(_, tagged) => tagged.labels.as_ref(),
            Self::Delete(_) | Self::Prune(_) | Self::UntagName(..) | Self::DeleteName(..) => None,
        };
        let pairs = labels.into_iter().flat_map(Labels::iter);
        attributes.extend(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())));
        match self {
            Self::Untag(id, _) | Self::Delete(id) | Self::DeleteImage(id, _) => {
                attributes.insert("name".to_owned(), id.to_string())
            }
            Self::UntagName(_, name) | Self::DeleteName(_, name) => {
                attributes.insert("name".to_owned(), name.to_string())
            }
            Self::Tag(_, tagged) => attributes.insert("name".to_owned(), tagged.name.to_string()),
            Self::Prune(bytes) => attributes.insert("reclaimed".to_owned(), bytes.to_string()),
        };
        attributes
    }
}

/// Takes the events of a prune, in order, in the engine's thread.
///
/// [`EventLog`] is moby's; a closure will do where neither a ring nor subscribers are wanted.
pub trait EventSink {
    /// Takes one event.
    fn publish(&self, event: ImageEvent);
}

impl<F: Fn(ImageEvent)> EventSink for F {
    fn publish(&self, event: ImageEvent) {
        self(event);
    }
}

/// Keeps every event of a prune, however many. What [`EventLog`] does not: it forgets, and drops.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<Vec<ImageEvent>>);

impl Recorder {
    /// The events since it was asked last, oldest first.
    pub fn take(&self) -> Vec<ImageEvent> {
        std::mem::take(&mut self.0.lock())
    }
}

impl EventSink for Recorder {
    fn publish(&self, event: ImageEvent) {
        self.0.lock().push(event);
    }
}

/// Who an event is about (E-2).
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Actor {
    /// The image ID as text, a container's ID, or empty.
    #[serde(rename = "ID")]
    pub id: String,
    /// Sorted by key. None is written as `null`.
    pub attributes: Option<BTreeMap<String, String>>,
}

/// One event as a client sees it. As JSON it is moby's message, legacy fields included (E-2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// `image`, `container`, ….
    pub kind: Cow<'static, str>,
    /// `untag`, `delete`, `prune`, ….
    pub action: Cow<'static, str>,
    /// Who it is about.
    pub actor: Actor,
    /// When it was logged.
    pub time: Timestamp,
}

impl Event {
    /// The event that `event` is at `time`.
    #[must_use]
    pub fn new(event: &ImageEvent, time: Timestamp) -> Self {
        let id = event.image().map(|id| id.to_string()).unwrap_or_default();
        Self {
            kind: "image".into(),
            action: event.action().into(),
            actor: Actor { id, attributes: Some(event.attributes()) },
            time,
        }
    }

    /// The value of one of the actor's attributes.
    #[must_use]
    pub fn attribute(&self, key: &str) -> Option<&str> {
        self.actor.attributes.as_ref()?.get(key).map(String::as_str)
    }
}

impl serde::Serialize for Event {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut message = serializer.serialize_map(None)?;
        // E-1: the legacy fields are for images and containers alone.
        if matches!(&*self.kind, "image" | "container") {
            message.serialize_entry("status", &self.action)?;
            if !self.actor.id.is_empty() {
                message.serialize_entry("id", &self.actor.id)?;
            }
        }
        if self.kind == "container"
            && let Some(image) = self.attribute("image").filter(|image| !image.is_empty())
        {
            message.serialize_entry("from", image)?;
        }
        message.serialize_entry("Type", &self.kind)?;
        message.serialize_entry("Action", &self.action)?;
        message.serialize_entry("Actor", &self.actor)?;
        message.serialize_entry("scope", "local")?;
        if self.time.unix_seconds() != 0 {
            message.serialize_entry("time", &self.time.unix_seconds())?;
        }
        if self.time.unix_nanos() != 0 {
            message.serialize_entry("timeNano", &self.time.unix_nanos())?;
        }
        message.end()
    }
}

/// An [`ImageEvent`] without its time, as the recorded vectors write one.
impl serde::Serialize for ImageEvent {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        EventText::from(self).serialize(serializer)
    }
}

/// An [`ImageEvent`] as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct EventText {
    /// `image`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// `untag`, `delete`, `prune` or `tag`.
    pub action: String,
    /// The image ID, empty for `prune`.
    #[serde(rename = "ID")]
    pub id: String,
    /// The actor's attributes.
    pub attributes: BTreeMap<String, String>,
}

impl From<&ImageEvent> for EventText {
    fn from(event: &ImageEvent) -> Self {
        Self {
            kind: "image".to_owned(),
            action: event.action().to_owned(),
            id: event.image().map(|id| id.to_string()).unwrap_or_default(),
            attributes: event.attributes(),
        }
    }
}
