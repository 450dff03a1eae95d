//! The outcome of a request: the lines that docker prints, and what follows from them.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::event::{EventText, ImageEvent};
use crate::api::record::RecordText;
use crate::base::digest::{ChainId, ImageId, short};
use crate::base::error::ErrorClass;
use crate::document::reference::Reference;
use crate::document::world;
use crate::replay::scenario::{Action, After, ErrorText, Outcome, PruneText, Report, Returned};

use super::line::{Line, Problem, known};
use super::stores::Described;

const CLASSES: [ErrorClass; 5] = [
    ErrorClass::InvalidParameter,
    ErrorClass::Conflict,
    ErrorClass::NotFound,
    ErrorClass::Cancelled,
    ErrorClass::System,
];

/// The contents of the stores after the requests so far, as a script tells them.
pub(super) struct Left<'a> {
    described: &'a Described,
    images: BTreeSet<ImageId>,
    parents: BTreeMap<ImageId, ImageId>,
    references: BTreeMap<Reference, ImageId>,
    layers: BTreeSet<ChainId>,
}

/// The lines of one request.
#[derive(Default)]
struct Said {
    records: Vec<RecordText>,
    events: Vec<EventText>,
    reclaimed: Option<u64>,
    error: Option<ErrorText>,
    /// The image and the repository of a tag that went in the line before.
    tag: Option<(ImageId, String)>,
}

impl<'a> Left<'a> {
    pub fn of(described: &'a Described) -> Self {
        let world = &described.world;
        let parse = |reference: &world::Reference| {
            Some((Reference::parse(&reference.name, &described.semantics).ok()?, reference.id))
        };
        Self {
            described,
            images: world.images.iter().map(|image| image.id).collect(),
            parents: world.images.iter().filter_map(|image| Some((image.id, image.parent?))).collect(),
            references: world.references.iter().filter_map(parse).collect(),
            layers: world.layers.iter().map(|layer| layer.chain_id).collect(),
        }
    }

    /// The outcome that `lines` tell of a request; `None` where there are none.
    pub fn outcome(
        &mut self,
        request: &Line<'_>,
        action: &Action,
        lines: &[Line<'_>],
    ) -> Result<Option<Outcome>, Problem> {
        if lines.is_empty() {
            return Ok(None);
        }
        let mut said = Said::default();
        for line in lines {
            match line.keyword {
                "reclaimed" => said.reclaimed = Some(bytes(line)?),
                "error" => said.error = Some(self.error(line)?),
                "lost" => {
                    self.gone(&line.behind(), action, &mut said)?;
                }
                _ => {
                    let record = self.gone(line, action, &mut said)?;
                    said.records.push(record);
                }
            }
        }
        let answer = answer(request, action, &mut said)?;
        Ok(Some(Outcome { answer, events: said.events, after: self.after() }))
    }

    /// Takes away what a line says is gone, and says so in an event.
    fn gone(&mut self, line: &Line<'_>, action: &Action, said: &mut Said) -> Result<RecordText, Problem> {
        let is_tag = line.keyword == "untagged";
        if !is_tag && line.keyword != "deleted" {
            return Err(line.problem("`lost` stands in front of `untagged` or `deleted`"));
        }
        let mut words = line.words()?;
        let first = words.next().ok_or_else(|| line.problem(format!("`{}` needs a name", line.keyword)))?;
        match first.as_str() {
            _ if is_tag => {
                words.end("a reference")?;
                self.untagged(line, &first, action, said)
            }
            "layer" => {
                let layer =
                    words.next().ok_or_else(|| line.problem("which layer is gone? `deleted layer A`"))?;
                words.end("the name of a layer")?;
                let chain = self.described.chain(line, &layer)?;
                if !self.layers.remove(&chain) {
                    return Err(line.problem(format!("the layer `{layer}` is gone already")));
                }
                said.tag = None;
                Ok(RecordText::Deleted(chain.to_string()))
            }
            image => {
                words.end("the name of an image, or `layer` and the name of a layer")?;
                let id = self.described.find(line, image)?.id;
                if !self.images.remove(&id) {
                    return Err(line.problem(format!("the image `{image}` is not there any more")));
                }
                // I-10: a link goes with either end.
                self.parents.retain(|child, parent| *child != id && *parent != id);
                said.tag = None;
                said.events.push((&ImageEvent::Delete(id)).into());
                Ok(RecordText::Deleted(id.to_string()))
            }
        }
    }

    fn untagged(
        &mut self,
        line: &Line<'_>,
        text: &str,
        action: &Action,
        said: &mut Said,
    ) -> Result<RecordText, Problem> {
        let told = self.described.reference(line, text)?;
        let gone = told.clone().favor_digest();
        let id = self.references.remove(&gone).ok_or_else(|| {
            let left = known(self.references.keys().map(Reference::familiar));
            line.problem(format!("no image is called `{text}` at this point; {left}"))
        })?;
        let owner = (id, gone.name().to_owned());
        // D-5.4: the digests of a repository go with its last tag, and only the tag has an event.
        let is_by_id = matches!(action, Action::Delete { reference, .. } if *reference == id.to_string());
        let goes_along = gone.is_canonical() && !is_by_id && said.tag.as_ref() == Some(&owner);
        if !goes_along {
            said.events.push(self.untag_event(id));
            said.tag = (!gone.is_canonical()).then_some(owner);
        }
        Ok(RecordText::Untagged(told.familiar().to_owned()))
    }

    /// D-13: with the labels, as long as the config is there.
    fn untag_event(&self, id: ImageId) -> EventText {
        let mut event = EventText::from(&ImageEvent::Untag(id, None));
        let labels = self.described.labels.get(&id).filter(|_| self.images.contains(&id));
        for (key, value) in labels.into_iter().flatten() {
            event.attributes.entry(key.clone()).or_insert_with(|| value.clone());
        }
        event
    }

    /// `error CLASS TEXT`; `{A}` is the short ID of an image or a container.
    fn error(&self, line: &Line<'_>) -> Result<ErrorText, Problem> {
        let (name, text) = line.rest.split_once(char::is_whitespace).unwrap_or((line.rest, ""));
        let class = CLASSES.into_iter().find(|class| class.as_str() == name).ok_or_else(|| {
            let classes = known(CLASSES.iter().map(|class| class.as_str()));
            line.problem(format!("`{name}` is no class of an error; {classes}"))
        })?;
        let mut parts = text.trim().split('{');
        let mut message = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, text) = part
                .split_once('}')
                .ok_or_else(|| line.problem("a brace is open: `{A}` is an image's ID"))?;
            let id = match self.described.containers.get(name) {
                Some(container) => container.to_string(),
                None => self.described.find(line, name)?.id.to_string(),
            };
            message.push_str(short(&id));
            message.push_str(text);
        }
        Ok(ErrorText { class, message })
    }

    fn after(&self) -> After {
        let of = |(reference, id): (&Reference, &ImageId)| {
            let name = reference.as_str().to_owned();
            world::Reference { name, id: *id }
        };
        After {
            images: self.images.iter().copied().collect(),
            parents: self.parents.clone(),
            references: self.references.iter().map(of).collect(),
            layers: self.layers.iter().copied().collect(),
        }
    }
}

fn bytes(line: &Line<'_>) -> Result<u64, Problem> {
    let mut words = line.words()?;
    let bytes = words.next().and_then(|bytes| bytes.parse().ok());
    words.end("a number of bytes")?;
    bytes.ok_or_else(|| line.problem("`reclaimed` needs a number of bytes: `reclaimed 10`"))
}

fn answer(request: &Line<'_>, action: &Action, said: &mut Said) -> Result<Returned, Problem> {
    let records = std::mem::take(&mut said.records);
    match (action, said.reclaimed, said.error.take()) {
        (_, None, Some(error)) if records.is_empty() => Ok(Returned::Error(error)),
        (_, None, Some(_)) => {
            Err(request.problem("an error has no records: write `lost` in front of what goes all the same"))
        }
        (_, Some(_), Some(_)) => Err(request.problem("an error reclaims nothing: leave out `reclaimed`")),
        (Action::Prune { .. }, None, None) => {
            Err(request.problem("a prune says what it reclaimed: `reclaimed 0`, or an `error`"))
        }
        (Action::Prune { .. }, Some(space_reclaimed), None) => {
            said.events.push((&ImageEvent::Prune(space_reclaimed)).into());
            let images_deleted = (!records.is_empty()).then_some(records);
            Ok(Returned::Report(Report::Prune(PruneText { images_deleted, space_reclaimed })))
        }
        (Action::Delete { .. }, None, None) => Ok(Returned::Report(Report::Delete(records))),
        (Action::Delete { .. }, Some(_), None) => {
            Err(request.problem("a deletion does not say what it reclaimed: leave out `reclaimed`"))
        }
    }
}
