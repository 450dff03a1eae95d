//! Can this outcome be moby's?
//!
//! Go walks a map where a prune visits its candidates, so that one request has many right answers. By
//! O-1 they differ in the sequence of records and events alone, and that sequence betrays the order
//! that was taken: an image is spoken of when it is visited, and not before. [`check`] reads the order off,
//! runs the [model](super::graph) in it, and compares to the letter. Whatever was not observed is not compared.
//!
//! What this reading cannot tell is searched for, within [`TRIES`] runs: which deletion lost its records
//! (O-1's exceptions), which images a cancelled prune visited, which store calls failed. An outcome is called
//! impossible only where the reading is certain, or every run was tried.
//!
//! ```
//! use image_prune::oracle::check::{Asked, Observed, Verdict, check};
//! use image_prune::{Now, Semantics, World};
//!
//! let asked = Asked::new("", Now::utc(chrono::DateTime::UNIX_EPOCH));
//! let observed = r#"{"status":200,"body":{"ImagesDeleted":null,"SpaceReclaimed":7}}"#;
//! let observed: Observed = serde_json::from_str(observed).unwrap();
//! let verdict = check(&World::default(), &asked, &observed, &Semantics::MOBY_20_10)?;
//! let Verdict::Impossible(contradiction) = verdict else { panic!("{verdict}") };
//! assert_eq!(contradiction.rule, "P-9");
//! # Ok::<(), image_prune::Error>(())
//! ```

use std::fmt;

use serde::Serialize;

use crate::api::request::PruneRequest;
use crate::api::rules;
use crate::base::digest::{ChainId, ImageId};
use crate::base::error::{Error, Result};
use crate::document::filters::Filters;
use crate::document::world::World;
use crate::go::time::Now;
use crate::semantics::Semantics;

use super::graph::Model;

mod compare;
pub mod containerd;
mod freedom;
mod observed;
mod reason;
mod search;

#[cfg(test)]
mod tests;

pub use freedom::{is_other_value, is_same_failure, is_same_refusal};
pub use observed::{Left, Observed, ObservedAnswer};

/// How many runs of the model an explanation is searched in.
pub const TRIES: usize = 4_000;

/// What a daemon was asked, and what else is known of the circumstances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The raw `filters` of `POST /images/prune`.
    pub filters: String,
    /// The daemon's clock at the request, and its zone.
    pub now: Now,
    /// Another prune may have been running (P-1).
    pub busy: bool,
    /// The client may have gone away before the answer (P-4, P-5).
    pub cancelled: bool,
    /// So many calls of the stores may have failed (D-14).
    pub faults: usize,
}

impl Asked {
    /// An ordinary request: alone, waited for, on stores that work.
    #[must_use]
    pub fn new(filters: impl Into<String>, now: Now) -> Self {
        Self { filters: filters.into(), now, busy: false, cancelled: false, faults: 0 }
    }
}

/// Whether an outcome can be moby's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It can: moby does this when it visits its candidates in this order. Those that are left out do nothing.
    Explained {
        /// The candidates in the order of their visits.
        order: Vec<ImageId>,
    },
    /// It cannot, in any order.
    Impossible(Contradiction),
    /// Nobody knows: no run explained it, and there would have been more of them.
    GaveUp {
        /// The number of runs.
        tried: usize,
        /// What is wrong with the run that came nearest.
        nearest: Contradiction,
    },
}

impl Verdict {
    /// Returns true where it can be moby's.
    #[must_use]
    pub fn is_explained(&self) -> bool {
        matches!(self, Self::Explained { .. })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Explained { .. } => formatter.write_str("explained"),
            Self::Impossible(contradiction) => write!(formatter, "impossible: {contradiction}"),
            Self::GaveUp { tried, nearest } => {
                write!(formatter, "gave up after {tried} runs; the nearest is wrong at {nearest}")
            }
        }
    }
}

/// The first thing that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contradiction {
    /// Where it is.
    pub place: Place,
    /// What was observed there; none where something is missing.
    pub observed: Option<String>,
    /// What moby would do instead; none where it would do nothing.
    pub moby: Option<String>,
    /// The id of the rule that says so; [`rules::find`] has its text.
    pub rule: &'static str,
    /// Why, in words.
    pub why: String,
    /// The holder of the image, where the rule is about children and containers.
    #[serde(skip)]
    pub(crate) holder: Option<Holder>,
}

/// The kind of thing that keeps an image from going.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    Child,
    Container,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |side: &Option<String>| side.as_ref().map_or("nothing".to_owned(), |it| format!("`{it}`"));
        let (observed, moby) = (text(&self.observed), text(&self.moby));
        write!(formatter, "{}: observed {observed}, moby has {moby}: ", self.place)?;
        write!(formatter, "{} ({})", self.why, rules::cite(self.rule))
    }
}

/// Where something cannot be; in the order in which an outcome is compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The status, or the message of an error.
    Answer,
    /// A record of the report, counted from 0.
    Record(usize),
    /// The bytes of the report.
    SpaceReclaimed,
    /// An event, counted from 0.
    Event(usize),
    /// An image, afterwards.
    Image(ImageId),
    /// An image's link to its parent, afterwards.
    Parent(ImageId),
    /// A reference in its familiar form, afterwards.
    Reference(String),
    /// A layer, afterwards.
    Layer(ChainId),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer => formatter.write_str("answer"),
            Self::Record(at) => write!(formatter, "record {at}"),
            Self::SpaceReclaimed => formatter.write_str("space reclaimed"),
            Self::Event(at) => write!(formatter, "event {at}"),
            Self::Image(id) => write!(formatter, "image {id} afterwards"),
            Self::Parent(id) => write!(formatter, "parent of {id} afterwards"),
            Self::Reference(name) => write!(formatter, "reference {name} afterwards"),
            Self::Layer(chain) => write!(formatter, "layer {chain} afterwards"),
        }
    }
}

/// What is judged.
struct Case<'a> {
    before: &'a World,
    asked: &'a Asked,
    observed: &'a Observed,
    semantics: &'a Semantics,
}

/// Says whether moby, asked this of a store like `before`, can have done what was observed.
///
/// # Errors
///
/// Where no store can be as `before` says ([`Model::new`]).
pub fn check(before: &World, asked: &Asked, observed: &Observed, semantics: &Semantics) -> Result<Verdict> {
    let case = Case { before, asked, observed, semantics };
    let model = Model::new(before, semantics)?;
    if asked.busy && (observed.answer.is_none() || case.is_refused_as_busy()) {
        return Ok(Verdict::Explained { order: Vec::new() }); // P-1; the rest is the other prune's
    }
    Ok(match PruneRequest::parse(&asked.filters, semantics, asked.now) {
        Ok(request) if case.may_be_cancelled_early(&model, &request) && case.unchanged().is_explained() => {
            case.unchanged()
        }
        Ok(request) => case.search(&model, &request)?,
        Err(_) if case.panics() => case.closed(),
        Err(error) => case.refused(&error),
    })
}

impl Case<'_> {
    fn is_refused_as_busy(&self) -> bool {
        let Some(ObservedAnswer::Refused { status, message }) = &self.observed.answer else { return false };
        let is_text = |text: &String| text == "a prune operation is already running";
        *status == 409 && message.as_ref().is_none_or(is_text)
    }

    /// P-4: a prune that is given up while it chooses changes nothing; one that looks at no image never
    /// notices.
    fn may_be_cancelled_early(&self, model: &Model, request: &PruneRequest) -> bool {
        let is_text = |text: &String| text == "context canceled" || text == "context deadline exceeded";
        let is_answer = match &self.observed.answer {
            None => true,
            Some(ObservedAnswer::Refused { status, message }) => {
                *status == 500 && message.as_ref().is_none_or(is_text)
            }
            Some(_) => false,
        };
        self.asked.cancelled && is_answer && model.candidates(request, &|| true).is_err()
    }

    /// T-12: everything before `until` is right, and `until` has no value.
    fn panics(&self) -> bool {
        let Ok(filters) = Filters::parse(&self.asked.filters, self.semantics) else { return false };
        if !filters.contains("until") || filters.get("until").next().is_some() {
            return false;
        }
        let mut filled = filters;
        filled.add("until", "0s");
        PruneRequest::from_filters(&filled, self.semantics, self.asked.now).is_ok()
    }

    /// T-12, H-7: no answer at all.
    fn closed(&self) -> Verdict {
        match &self.observed.answer {
            None | Some(ObservedAnswer::Closed) => self.unchanged(),
            Some(answer) => Verdict::Impossible(Contradiction {
                place: Place::Answer,
                observed: Some(answer.to_string()),
                moby: Some(ObservedAnswer::Closed.to_string()),
                rule: "T-12",
                why: "an `until` without values makes moby panic".to_owned(),
                holder: None,
            }),
        }
    }

    /// H-9: nothing is done.
    fn refused(&self, error: &Error) -> Verdict {
        let status = error.class().http_status();
        let is_expected = match &self.observed.answer {
            None => true,
            Some(ObservedAnswer::Refused { status: observed, message }) => {
                let is_text = |text: &String| {
                    is_same_refusal(&self.asked.filters, self.semantics, &error.to_string(), text)
                };
                *observed == status && message.as_ref().is_none_or(is_text)
            }
            Some(_) => false,
        };
        if is_expected {
            return self.unchanged();
        }
        let moby = ObservedAnswer::Refused { status, message: Some(error.to_string()) };
        Verdict::Impossible(Contradiction {
            place: Place::Answer,
            observed: self.observed.answer.as_ref().map(ToString::to_string),
            moby: Some(moby.to_string()),
            rule: error.rule().unwrap_or("F-1"),
            why: "moby refuses these filters".to_owned(),
            holder: None,
        })
    }
}
