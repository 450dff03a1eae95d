//! Can this outcome of a containerd image store be moby's?
//!
//! moby visits its candidates in the order of a Go map (K-2). Events and records tell which order
//! it was, but for candidates that stay because something in them does not decode: of those nothing is heard but a line
//! of the error, and what they would have seen may depend on their place (K-4). [`check`] runs the
//! [model](crate::oracle::containerd) in the order that is told, with the silent ones in every place between, until one
//! run agrees; after [`TRIES`] runs it gives up.
//!
//! ```
//! use image_prune::oracle::check::Asked;
//! use image_prune::oracle::check::containerd::{Observed, Verdict, check};
//! use image_prune::{Now, Semantics, world::ContainerdWorld};
//!
//! let asked = Asked::new("", Now::utc(chrono::DateTime::UNIX_EPOCH));
//! let observed = Observed { space_reclaimed: Some(7), ..Observed::default() };
//! let verdict = check(&ContainerdWorld::default(), &asked, &observed, &Semantics::MOBY_29_CONTAINERD)?;
//! let Verdict::Impossible(contradiction) = verdict else { panic!("{verdict:?}") };
//! assert_eq!(contradiction.rule, "Q-10");
//! # Ok::<(), image_prune::Error>(())
//! ```

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use crate::api::event::EventText;
use crate::api::record::{ListRow, RecordText};
use crate::base::cancel::{AfterPolls, Cancel, Never};
use crate::base::error::{Error, Result};
use crate::document::world::containerd::ContainerdWorld;
use crate::oracle::containerd::Model;
use crate::semantics::Semantics;

use super::compare::in_words;
use super::{Asked, is_other_value, is_same_failure, is_same_refusal};

mod observed;

/// How many runs of the model an explanation is searched in. A run costs more than one of the classic store, whose
/// [`TRIES`](super::TRIES) are four times as many.
pub const TRIES: usize = 1_000;

/// So many candidates of which nothing is heard are put into every place; more of them stay behind the others.
const MOST_SILENT: usize = 32;

/// What was seen of a prune. What is `None` was not observed, and is not judged.
///
/// As JSON it is what [`Observed`](super::Observed) of the classic store is, but for `after`: a state file of this store
/// or parts of one, in whose `images`, `blobs`, `snapshots` and `leases` a name, digest, key or ID may stand for each;
/// or the array that `GET /images/json?all=1` answers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "observed::ObservedText")]
pub struct Observed {
    /// The HTTP status and, where it is no 200, the message, empty where it was not observed. An error hides the report
    /// (Q-12). 0 stands for a connection that was cut.
    pub status: Option<(u16, String)>,
    /// The records, in order.
    pub records: Option<Vec<RecordText>>,
    /// The bytes of the report.
    pub space_reclaimed: Option<u64>,
    /// The events, oldest first.
    pub events: Option<Vec<EventText>>,
    /// The names that are left.
    pub names: Option<BTreeSet<String>>,
    /// The digests of the content that is left.
    pub blobs: Option<BTreeSet<String>>,
    /// The keys of the snapshots that are left.
    pub snapshots: Option<BTreeSet<String>>,
    /// The IDs of the leases that are left.
    pub leases: Option<BTreeSet<String>>,
    /// The IDs and the tags that a list of all images has afterwards (W-1).
    pub listed: Option<BTreeSet<String>>,
}

impl Observed {
    /// All that `world` has.
    #[must_use]
    pub fn left(self, world: &ContainerdWorld) -> Self {
        Self {
            names: Some(world.images.iter().map(|image| image.name.clone()).collect()),
            blobs: Some(world.blobs.iter().map(|blob| blob.digest.to_string()).collect()),
            snapshots: Some(world.snapshots.iter().map(|snapshot| snapshot.key.clone()).collect()),
            leases: Some(world.leases.iter().map(|lease| lease.id.clone()).collect()),
            ..self
        }
    }
}

/// Whether an outcome can be moby's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It can: moby does this when it visits its candidates in this order.
    Explained {
        /// The names in the order of their visits.
        order: Vec<String>,
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

/// The first thing that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contradiction {
    /// What it is about: the answer, a record or an event by its number, the bytes, something that is left.
    pub place: String,
    /// What was observed there; `None` where something is missing.
    pub observed: Option<String>,
    /// What moby would do instead; `None` where it would do nothing.
    pub moby: Option<String>,
    /// The id of the rule that says so; [`rules::find`](crate::api::rules::find) has its text.
    pub rule: &'static str,
    /// How much of the outcome agrees before it: orders runs by how near they came.
    #[serde(skip)]
    agreed: (u8, usize),
}

/// Says whether moby, asked this of a store like `before`, can have done what was observed. The faults of `asked` do not
/// count: nobody knows what containerd says where its database fails.
///
/// # Errors
///
/// Where `semantics` are those of the classic store ([`Model::new`]).
pub fn check(
    before: &ContainerdWorld,
    asked: &Asked,
    observed: &Observed,
    semantics: &Semantics,
) -> Result<Verdict> {
    let model = Model::new(before, semantics, asked.now)?;
    let is_busy =
        |(status, text): &(u16, String)| *status == 409 && text == "a prune operation is already running";
    if asked.busy && observed.status.as_ref().is_some_and(is_busy) {
        return Ok(Verdict::Explained { order: Vec::new() }); // Q-1; the rest is the other prune's
    }
    // A request that is refused has no candidates, and one run judges it.
    let candidates = model.candidates(&asked.filters).unwrap_or_default();
    let told = told(&model, &candidates, observed);
    let silent: Vec<_> = candidates.iter().filter(|name| !told.contains(name)).cloned().collect();
    let mut search = Search { model, asked, observed, semantics, tried: 0, nearest: None, explanation: None };
    let is_whole = if silent.len() > MOST_SILENT {
        let _ = search.attempt(&[told, silent].concat());
        false
    } else {
        search.interleave(&mut told.clone(), &silent).is_continue()
    };
    match (search.explanation, search.nearest) {
        (Some(order), _) => Ok(Verdict::Explained { order }),
        (None, Some(nearest)) if is_whole => Ok(Verdict::Impossible(nearest)),
        (None, Some(nearest)) => Ok(Verdict::GaveUp { tried: search.tried, nearest }),
        (None, None) => Err(Error::system("no run was tried")),
    }
}

/// The candidates in the order in which events or records speak of them.
fn told(model: &Model, candidates: &[String], observed: &Observed) -> Vec<String> {
    let events = observed.events.iter().flatten().filter(|event| event.action == "untag");
    let by_event =
        events.filter_map(|event| Some((event.attributes.get("name")?.as_str(), Some(event.id.as_str()))));
    let by_record = observed.records.iter().flatten().filter_map(|record| match record {
        RecordText::Untagged(name) => Some((name.as_str(), None)),
        RecordText::Deleted(_) => None,
    });
    let spoken: Vec<(&str, Option<&str>)> =
        if observed.events.is_some() { by_event.collect() } else { by_record.collect() };
    let mut order: Vec<String> = Vec::new();
    for (familiar, id) in spoken {
        // Two names may look alike; the first is taken, since the same is told of both.
        let is_it = |name: &&String| {
            model.world().image(name).is_some_and(|image| {
                model.familiar(image) == familiar
                    && id.is_none_or(|id| id == image.target.digest.to_string())
                    && !order.contains(*name)
            })
        };
        order.extend(candidates.iter().find(is_it).cloned());
    }
    order
}

/// The runs so far.
struct Search<'a> {
    model: Model,
    asked: &'a Asked,
    observed: &'a Observed,
    semantics: &'a Semantics,
    tried: usize,
    /// The run that agreed for longest.
    nearest: Option<Contradiction>,
    explanation: Option<Vec<String>>,
}

impl Search<'_> {
    /// Every order with `fixed` in its order and `free` anywhere between; breaks where one explains everything, and
    /// when it gives up.
    fn interleave(&mut self, fixed: &mut Vec<String>, free: &[String]) -> ControlFlow<()> {
        let Some((first, rest)) = free.split_first() else { return self.attempt(fixed) };
        for at in (0..=fixed.len()).rev() {
            fixed.insert(at, first.clone());
            let found = self.interleave(fixed, rest);
            fixed.remove(at);
            found?;
        }
        ControlFlow::Continue(())
    }

    /// One order; with a client that may have gone away, at every moment that it may have.
    fn attempt(&mut self, order: &[String]) -> ControlFlow<()> {
        self.run(order, &Never)?;
        if self.asked.cancelled {
            // Asked once at first, once for each record and once for each visit.
            for polls in 0..=1 + self.model.world().images.len() + order.len() {
                self.run(order, &AfterPolls::new(polls))?;
            }
        }
        ControlFlow::Continue(())
    }

    fn run(&mut self, order: &[String], cancel: &dyn Cancel) -> ControlFlow<()> {
        if self.tried == TRIES {
            return ControlFlow::Break(());
        }
        self.tried += 1;
        let mut model = self.model.clone();
        let answer = model.prune(&self.asked.filters, order, cancel);
        let status = answer
            .error
            .as_ref()
            .map_or((200, String::new()), |error| (error.class().http_status(), error.to_string()));
        let report = answer.report.filter(|_| status.0 == 200);
        let mut moby =
            Observed { status: Some(status), events: Some(model.events.clone()), ..Observed::default() };
        moby.space_reclaimed = report.as_ref().map(|report| report.space_reclaimed);
        moby.records = report.map(|report| report.images_deleted.unwrap_or_default());
        if self.observed.listed.is_some() {
            let rows = model.list(true, false).ok();
            let texts = |row: ListRow| row.repo_tags.into_iter().flatten().chain([row.id]);
            moby.listed = rows.map(|rows| rows.into_iter().flat_map(texts).collect());
        }
        match self.difference(&moby.left(model.world())) {
            None => {
                self.explanation = Some(order.to_vec());
                ControlFlow::Break(())
            }
            Some(found) => {
                if self.nearest.as_ref().is_none_or(|nearest| nearest.agreed < found.agreed) {
                    self.nearest = Some(found);
                }
                ControlFlow::Continue(())
            }
        }
    }

    /// The first thing that was observed otherwise than `moby` has it.
    fn difference(&self, moby: &Observed) -> Option<Contradiction> {
        let observed = self.observed;
        let found = |place, observed: Option<String>, moby: Option<String>, rule, agreed| {
            Some(Contradiction { place, observed, moby, rule, agreed })
        };
        if let (Some(seen), Some(has)) = (&observed.status, &moby.status)
            && !self.is_same_answer(has, seen)
        {
            let rule = if moby.records.is_some() { "Q-12" } else { "Q-1" };
            return found("answer".to_owned(), Some(words(seen)), Some(words(has)), rule, (0, 0));
        }
        if let Some((at, seen, has)) =
            first_other(observed.records.as_ref(), moby.records.as_ref(), RecordText::to_string)
        {
            return found(format!("record {at}"), seen, has, "Q-9", (1, at));
        }
        if observed.space_reclaimed.is_some() && observed.space_reclaimed != moby.space_reclaimed {
            let text = |bytes: Option<u64>| bytes.map(|bytes| bytes.to_string());
            let (seen, has) = (text(observed.space_reclaimed), text(moby.space_reclaimed));
            return found("space reclaimed".to_owned(), seen, has, "Q-10", (2, 0));
        }
        if let Some((at, seen, has)) = first_other(observed.events.as_ref(), moby.events.as_ref(), in_words) {
            return found(format!("event {at}"), seen, has, "V-2", (3, at));
        }
        let left = [
            ("name", &observed.names, &moby.names, "Q-8"),
            ("content", &observed.blobs, &moby.blobs, "B-6"),
            ("snapshot", &observed.snapshots, &moby.snapshots, "B-6"),
            ("lease", &observed.leases, &moby.leases, "Q-5"),
            ("image", &observed.listed, &moby.listed, "W-1"),
        ];
        left.into_iter().zip(4..).find_map(|((what, seen, has, rule), agreed)| {
            let (seen, has) = (seen.as_ref()?, has.as_ref()?);
            let key = seen.symmetric_difference(has).next()?;
            let told = |keys: &BTreeSet<String>| keys.contains(key).then(|| "there".to_owned());
            found(format!("{what} {key} afterwards"), told(seen), told(has), rule, (agreed, 0))
        })
    }

    fn is_same_answer(&self, (status, text): &(u16, String), (seen_status, seen): &(u16, String)) -> bool {
        let filters = &self.asked.filters;
        status == seen_status
            && (seen.is_empty()
                || is_same_failure(text, seen)
                || *status == 400 && is_same_refusal(filters, self.semantics, text, seen)
                || is_other_value(filters, self.semantics, text, seen))
    }
}

fn words((status, text): &(u16, String)) -> String {
    match status {
        0 => text.clone(),
        200 => "200".to_owned(),
        _ => format!("{status} {text}"),
    }
}

/// Where a list first differs from moby's, if it was observed.
fn first_other<T: PartialEq>(
    seen: Option<&Vec<T>>,
    has: Option<&Vec<T>>,
    text: impl Fn(&T) -> String,
) -> Option<(usize, Option<String>, Option<String>)> {
    let (seen, has) = (seen?, has.map(Vec::as_slice).unwrap_or_default());
    let at = (0..seen.len().max(has.len())).find(|at| seen.get(*at) != has.get(*at))?;
    Some((at, seen.get(at).map(&text), has.get(at).map(text)))
}
