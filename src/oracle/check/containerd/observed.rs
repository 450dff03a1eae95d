//! What was seen of a prune, as JSON.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::super::observed::{EventMessage, ObservedAnswer, answer, present};
use super::Observed;

/// A misspelt field would go unjudged, so that there are no unknown ones.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ObservedText {
    status: Option<u16>,
    #[serde(default, deserialize_with = "present")]
    body: Option<Value>,
    #[serde(default)]
    closed: bool,
    events: Option<Vec<EventMessage>>,
    after: Option<AfterText>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum AfterText {
    List(Vec<Summary>),
    State(StateText),
}

/// A line of `GET /images/json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Summary {
    id: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct StateText {
    images: Option<Vec<Object>>,
    blobs: Option<Vec<Object>>,
    snapshots: Option<Vec<Object>>,
    leases: Option<Vec<Object>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Object {
    Key(String),
    Whole(BTreeMap<String, Value>),
}

impl TryFrom<ObservedText> for Observed {
    type Error = String;

    fn try_from(text: ObservedText) -> Result<Self, String> {
        let mut observed = Self::default();
        let answer = match (text.closed, text.status, text.body) {
            (true, None, None) => Some(ObservedAnswer::Closed),
            (true, ..) => return Err("`closed`: there is no status and no body then".to_owned()),
            (false, status, body) => answer(status, body)?,
        };
        match answer {
            None => {}
            Some(ObservedAnswer::Closed) => observed.status = Some((0, ObservedAnswer::Closed.to_string())),
            Some(ObservedAnswer::Refused { status, message }) => {
                observed.status = Some((status, message.unwrap_or_default()));
            }
            Some(ObservedAnswer::Done { records, space_reclaimed }) => {
                observed.status = Some((200, String::new()));
                (observed.records, observed.space_reclaimed) = (records, space_reclaimed);
            }
        }
        observed.events = text.events.map(|events| events.into_iter().map(Into::into).collect());
        match text.after {
            None => {}
            Some(AfterText::List(list)) => {
                let texts = |row: Summary| row.repo_tags.into_iter().flatten().chain([row.id]);
                // U-3: the placeholder of an image without names.
                let texts = list.into_iter().flat_map(texts).filter(|text| text != "<none>:<none>");
                observed.listed = Some(texts.collect());
            }
            Some(AfterText::State(StateText { images, blobs, snapshots, leases })) => {
                observed.names = keys("images", "name", images)?;
                observed.blobs = keys("blobs", "digest", blobs)?;
                observed.snapshots = keys("snapshots", "key", snapshots)?;
                observed.leases = keys("leases", "id", leases)?;
            }
        }
        Ok(observed)
    }
}

/// What identifies each of these objects.
fn keys(list: &str, field: &str, objects: Option<Vec<Object>>) -> Result<Option<BTreeSet<String>>, String> {
    let key = |object| match object {
        Object::Key(key) => Ok(key),
        Object::Whole(fields) => match fields.get(field) {
            Some(Value::String(key)) => Ok(key.clone()),
            _ => Err(format!("`after`: one of the `{list}` has no `{field}`")),
        },
    };
    objects.map(|objects| objects.into_iter().map(key).collect()).transpose()
}
