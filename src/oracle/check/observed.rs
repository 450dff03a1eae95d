//! What was seen of a prune: any part may be missing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::api::event::EventText;
use crate::api::record::RecordText;
use crate::base::digest::{ChainId, ImageId};
use crate::document::reference::Reference;
use crate::document::world::World;
use crate::semantics::Semantics;

/// What a daemon answered, said and left. What is absent was not observed, and is not judged.
///
/// As JSON, with every field optional:
///
/// * `status`, the HTTP status, and `body`, the body: a report or `{"message":…}`. `closed`: true where the
///   connection was cut instead.
/// * `events`: what `GET /events` told, from the request to the `prune` event. Of each are read `Type`,
///   `Action`, and `Actor` or its `ID` and `Attributes` alone.
/// * `after`: what is left, as a state file or parts of one, lists of IDs instead of `images` and `layers`
///   included; or the array that `GET /images/json?all=1&digests=1` answers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "ObservedText")]
pub struct Observed {
    /// The answer.
    pub answer: Option<ObservedAnswer>,
    /// The events, oldest first.
    pub events: Option<Vec<EventText>>,
    /// What is left.
    pub after: Left,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObservedAnswer {
    /// 200.
    Done {
        /// The records, in order.
        records: Option<Vec<RecordText>>,
        /// Bytes.
        space_reclaimed: Option<u64>,
    },
    /// An error.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The message.
        message: Option<String>,
    },
    /// The connection was closed without an answer.
    Closed,
}

impl fmt::Display for ObservedAnswer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done { .. } => formatter.write_str("200"),
            Self::Refused { status, message: Some(message) } => write!(formatter, "{status} {message}"),
            Self::Refused { status, message: None } => write!(formatter, "{status}"),
            Self::Closed => formatter.write_str("connection closed"),
        }
    }
}

/// What is left in the stores.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Left {
    /// The images.
    pub images: Option<BTreeSet<ImageId>>,
    /// The links to parents that exist, by child.
    pub parents: Option<BTreeMap<ImageId, ImageId>>,
    /// The references, by their familiar form.
    pub references: Option<BTreeMap<String, ImageId>>,
    /// The layers.
    pub layers: Option<BTreeSet<ChainId>>,
}

impl Left {
    /// All that `world` has, but the containers: a prune never touches one.
    #[must_use]
    pub fn of(world: &World, semantics: &Semantics) -> Self {
        let familiar = |name: &str| match Reference::parse(name, semantics) {
            Ok(reference) => reference.familiar().to_owned(),
            Err(_) => name.to_owned(),
        };
        let references = world.references.iter();
        Self {
            images: Some(world.images.iter().map(|image| image.id).collect()),
            parents: Some(world.images.iter().filter_map(|image| Some((image.id, image.parent?))).collect()),
            references: Some(references.map(|reference| (familiar(&reference.name), reference.id)).collect()),
            layers: Some(world.layers.iter().map(|layer| layer.chain_id).collect()),
        }
    }
}

/// A misspelt field would go unjudged, so that there are no unknown ones.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ObservedText {
    status: Option<u16>,
    #[serde(default, deserialize_with = "present")]
    body: Option<Value>,
    #[serde(default)]
    closed: bool,
    events: Option<Vec<EventMessage>>,
    after: Option<LeftText>,
}

/// `null` is a body, too.
pub(super) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl TryFrom<ObservedText> for Observed {
    type Error = String;

    fn try_from(text: ObservedText) -> Result<Self, String> {
        let answer = match (text.closed, text.status, text.body) {
            (true, None, None) => Some(ObservedAnswer::Closed),
            (true, ..) => return Err("`closed`: there is no status and no body then".to_owned()),
            (false, status, body) => answer(status, body)?,
        };
        let events = text.events.map(|events| events.into_iter().map(Into::into).collect());
        Ok(Self { answer, events, after: text.after.unwrap_or_default().try_into()? })
    }
}

pub(super) fn answer(status: Option<u16>, body: Option<Value>) -> Result<Option<ObservedAnswer>, String> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Body {
        Report {
            #[serde(rename = "ImagesDeleted")]
            records: Option<Vec<RecordText>>,
            #[serde(rename = "SpaceReclaimed")]
            space_reclaimed: u64,
        },
        Failure {
            message: String,
        },
    }
    let body = body.map(serde_json::from_value).transpose();
    let body =
        body.map_err(|_| "`body` is neither the report of a prune nor an error with `message`".to_owned())?;
    Ok(Some(match (status, body) {
        (None, None) => return Ok(None),
        (Some(200), None) => ObservedAnswer::Done { records: None, space_reclaimed: None },
        (None | Some(200), Some(Body::Report { records, space_reclaimed })) => ObservedAnswer::Done {
            records: Some(records.unwrap_or_default()),
            space_reclaimed: Some(space_reclaimed),
        },
        (Some(status), None) => ObservedAnswer::Refused { status, message: None },
        (Some(status), Some(Body::Failure { message })) => {
            ObservedAnswer::Refused { status, message: Some(message) }
        }
        (None, Some(Body::Failure { .. })) => {
            return Err("`body` is an error; `status` is missing".to_owned());
        }
        (Some(status), Some(Body::Report { .. })) => {
            return Err(format!("`status` is {status}, but `body` is a report"));
        }
    }))
}

/// moby's message, or the flat form of the recorded scenarios.
#[derive(Deserialize)]
pub(super) struct EventMessage {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(rename = "Action")]
    action: String,
    #[serde(rename = "Actor")]
    actor: Option<crate::api::event::Actor>,
    #[serde(rename = "ID")]
    id: Option<String>,
    #[serde(rename = "Attributes")]
    attributes: Option<BTreeMap<String, String>>,
}

impl From<EventMessage> for EventText {
    fn from(message: EventMessage) -> Self {
        let EventMessage { kind, action, actor, id, attributes } = message;
        let (id, attributes) = actor.map_or((id, attributes), |actor| (Some(actor.id), actor.attributes));
        Self { kind, action, id: id.unwrap_or_default(), attributes: attributes.unwrap_or_default() }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum LeftText {
    List(Vec<Summary>),
    State(StateText),
}

impl Default for LeftText {
    fn default() -> Self {
        Self::State(StateText::default())
    }
}

/// A line of `GET /images/json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Summary {
    id: ImageId,
    #[serde(default)]
    parent_id: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    repo_digests: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
struct StateText {
    images: Option<Vec<ImageText>>,
    parents: Option<BTreeMap<ImageId, ImageId>>,
    references: Option<Vec<ReferenceText>>,
    layers: Option<Vec<LayerText>>,
}

#[derive(Deserialize)]
struct ReferenceText {
    name: String,
    id: ImageId,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ImageText {
    Id(ImageId),
    Whole { id: ImageId, parent: Option<ImageId> },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum LayerText {
    Chain(ChainId),
    Whole { chain_id: ChainId },
}

impl TryFrom<LeftText> for Left {
    type Error = String;

    fn try_from(text: LeftText) -> Result<Self, String> {
        match text {
            LeftText::List(list) => of_list(list),
            LeftText::State(state) => of_state(state),
        }
    }
}

fn of_list(list: Vec<Summary>) -> Result<Left, String> {
    let (mut images, mut parents, mut references) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
    for summary in list {
        images.insert(summary.id);
        if !summary.parent_id.is_empty() {
            let parent = summary.parent_id.parse();
            let parent = parent.map_err(|_| format!("`ParentId` is `{}`, no image ID", summary.parent_id))?;
            parents.insert(summary.id, parent);
        }
        let names = summary.repo_tags.into_iter().chain(summary.repo_digests).flatten();
        // U-3: the placeholders of an image without references.
        let names = names.filter(|name| name != "<none>:<none>" && name != "<none>@<none>");
        references.extend(names.map(|name| (name, summary.id)));
    }
    Ok(Left { images: Some(images), parents: Some(parents), references: Some(references), layers: None })
}

fn of_state(state: StateText) -> Result<Left, String> {
    let mut left = Left { parents: state.parents, ..Left::default() };
    if let Some(list) = state.images {
        // Parents are known where the images are described.
        let is_described = list.iter().any(|image| matches!(image, ImageText::Whole { .. }));
        let mut parents = BTreeMap::new();
        let mut images = BTreeSet::new();
        for image in list {
            match image {
                ImageText::Id(id) => images.insert(id),
                ImageText::Whole { id, parent } => {
                    parents.extend(parent.map(|parent| (id, parent)));
                    images.insert(id)
                }
            };
        }
        left.images = Some(images);
        left.parents = left.parents.or(Some(parents).filter(|_| is_described));
    }
    if let Some(list) = state.references {
        let familiar = |reference: ReferenceText| {
            // Which version reads it makes no difference to a name that a daemon has.
            let parsed = Reference::parse(&reference.name, &Semantics::MOBY_28_5);
            let parsed = parsed.map_err(|error| format!("reference `{}`: {error}", reference.name))?;
            Ok((parsed.familiar().to_owned(), reference.id))
        };
        left.references = Some(list.into_iter().map(familiar).collect::<Result<_, String>>()?);
    }
    let chain = |layer| match layer {
        LayerText::Chain(chain) | LayerText::Whole { chain_id: chain } => chain,
    };
    left.layers = state.layers.map(|layers| layers.into_iter().map(chain).collect());
    Ok(left)
}
