//! What a run is going to delete, and why all else stays.

use std::collections::HashMap;

use serde::Serialize;

use crate::api::event::Recorder;
use crate::api::record::Record;
use crate::api::request::{PruneRequest, Rejection};
use crate::base::digest::ImageId;
use crate::base::error::{Error, Result};
use crate::base::few;
use crate::graph::delete::Extent;
use crate::graph::engine::Engine;
use crate::graph::plan::{ImagePlan, Reason, Verdict, plan};
use crate::graph::removal::children_first;
use crate::graph::select::Order;
use crate::graph::store::ImageStore;

use super::super::deletion::Step;
use super::super::keep::{KeepReason, KeepRules, Keeping};
use super::super::view::View;

/// What a run is going to delete.
#[derive(Debug, Clone, Serialize)]
pub struct RunPlan {
    /// How.
    pub how: How,
    /// The images that go, in order.
    pub delete: Vec<ImageId>,
    /// The references that go, familiar, in order.
    pub untag: Vec<String>,
    /// The most bytes that come back.
    pub bytes_foretold: u64,
    /// The least, where the API does not tell the sizes of layers or what else holds them; else the same.
    pub bytes_at_least: u64,
    /// All other images, by ID.
    pub kept: Vec<KeptImage>,
    /// What does not mean what it seems to.
    pub warnings: Vec<String>,
}

/// How a plan is carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// One `POST /images/prune`.
    Request,
    /// One deletion after the other.
    Steps(Vec<Step>),
}

/// An image that stays.
#[derive(Debug, Clone, Serialize)]
pub struct KeptImage {
    /// The image.
    pub id: ImageId,
    /// Its references, familiar.
    pub references: Vec<String>,
    /// Why.
    pub why: Why,
}

/// Why an image stays.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Why {
    /// A rule of the agent's keeps it.
    Rule(KeepReason),
    /// A prune would not take it.
    Prune(Reason),
}

impl RunPlan {
    /// Plans a run. With rules it is made of steps, and never more than what a prune with these filters would delete.
    ///
    /// # Errors
    ///
    /// Wrong filters; stores that cannot be rehearsed on.
    pub fn new(view: &View, filters: &str, rules: &KeepRules) -> Result<Self> {
        let request = PruneRequest::parse(filters, &view.semantics, view.now)?;
        let prune = plan(&view.stores, filters, &view.semantics, view.now, &Order::ById)?;
        let mut warnings: Vec<String> = prune.warnings.iter().map(ToString::to_string).collect();
        warnings.extend(view.doubts.iter().cloned());
        if rules.is_empty() {
            let delete = images_of(&prune.report.images_deleted);
            let kept = prune.images.into_iter().filter(|image| image.verdict != Verdict::Delete);
            let kept = kept.map(|image| KeptImage::new(&image, Why::Prune(image.reason.clone()))).collect();
            let (bytes_at_least, bytes_foretold) = view.bytes(&prune.report.images_deleted);
            return Ok(Self {
                how: How::Request,
                untag: references_of(&prune.report.images_deleted),
                delete,
                bytes_foretold,
                bytes_at_least,
                kept,
                warnings,
            });
        }
        let keeping = rules.apply(&view.stores, view.now.instant);
        warnings.extend(keeping.warnings.iter().cloned());
        let idle =
            keeping.idle.iter().map(|rule| format!("{rule} keeps nothing here: is it what was meant?"));
        warnings.extend(few::first(idle, |more| format!("{more} more rules keep nothing here")));
        let rehearsal = Rehearsal::run(view, &request, &prune.images, &keeping)?;
        let kept = prune.images.iter().filter(|image| rehearsal.engine.stores().images.contains(image.id));
        let kept = kept.map(|image| KeptImage::new(image, rehearsal.why(image, &keeping))).collect();
        let delete = images_of(&rehearsal.records);
        let (bytes_at_least, bytes_foretold) = view.bytes(&rehearsal.records);
        Ok(Self {
            untag: references_of(&rehearsal.records),
            delete,
            bytes_foretold,
            bytes_at_least,
            kept,
            warnings,
            how: How::Steps(rehearsal.steps),
        })
    }

    /// Whether nothing goes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.delete.is_empty() && self.untag.is_empty()
    }
}

impl KeptImage {
    fn new(image: &ImagePlan, why: Why) -> Self {
        let references = image.references.iter().map(|reference| reference.familiar().to_owned()).collect();
        Self { id: image.id, references, why }
    }
}

fn images_of(records: &[Record]) -> Vec<ImageId> {
    let image = |record: &Record| if let Record::Image(id) = record { Some(*id) } else { None };
    records.iter().filter_map(image).collect()
}

fn references_of(records: &[Record]) -> Vec<String> {
    let reference = |record: &Record| match record {
        Record::Untagged(reference) => Some(reference.familiar().to_owned()),
        Record::Image(_) | Record::Layer(_) => None,
    };
    records.iter().filter_map(reference).collect()
}

/// The steps, tried out on a copy.
struct Rehearsal<'a> {
    view: &'a View,
    request: &'a PruneRequest,
    engine: Engine<Recorder>,
    steps: Vec<Step>,
    records: Vec<Record>,
}

impl<'a> Rehearsal<'a> {
    /// Deletes what a prune would delete and no rule keeps, children first.
    fn run(
        view: &'a View,
        request: &'a PruneRequest,
        images: &[ImagePlan],
        keeping: &Keeping,
    ) -> Result<Self> {
        let engine = Engine::new(view.stores.copy(), view.semantics, Recorder::default());
        let mut rehearsal = Self { view, request, engine, steps: Vec::new(), records: Vec::new() };
        let by_id: HashMap<ImageId, &ImagePlan> = images.iter().map(|image| (image.id, image)).collect();
        let goes =
            |image: &&ImagePlan| image.verdict == Verdict::Delete && !keeping.images.contains_key(&image.id);
        let candidates: Vec<ImageId> = images.iter().filter(goes).map(|image| image.id).collect();
        for id in children_first(&view.stores.images, &candidates) {
            let is_filtered = by_id.get(&id).is_some_and(|image| rehearsal.rejection(image).is_some());
            if !is_filtered && !rehearsal.engine.stores().images.has_children(id) {
                rehearsal.delete(id)?;
            }
        }
        Ok(rehearsal)
    }

    /// The filter that keeps an unnamed parent. A prune does not ask (L-6); here nothing goes that a filter
    /// keeps.
    fn rejection(&self, image: &ImagePlan) -> Option<Rejection> {
        if !matches!(image.reason, Reason::ParentOfDeleted(_)) {
            return None;
        }
        self.request.rejection(self.view.stores.images.get(image.id).ok()?.as_ref())
    }

    fn delete(&mut self, id: ImageId) -> Result<()> {
        let step = Step::new(self.engine.stores(), id);
        let gone = self.engine.delete(&id.to_string(), Extent { force: step.force, prune: false });
        self.records.extend(gone.map_err(|error| {
            let error = Error::from(error);
            Error::new(error.class(), format!("cannot rehearse the deletion of {id}: {error}"))
        })?);
        self.steps.push(step);
        Ok(())
    }

    /// Why an image is still there.
    fn why(&self, image: &ImagePlan, keeping: &Keeping) -> Why {
        if let Some(reason) = keeping.images.get(&image.id) {
            return Why::Rule(reason.clone());
        }
        if image.verdict != Verdict::Delete {
            return Why::Prune(image.reason.clone());
        }
        if let Some(child) = self.engine.stores().images.children(image.id).into_iter().min() {
            return Why::Prune(Reason::HasChild(child));
        }
        Why::Prune(match self.rejection(image) {
            Some(Rejection::Label) => Reason::Label,
            Some(Rejection::NewerThanUntil { created, until }) => Reason::NewerThanUntil { created, until },
            _ => Reason::NegatedLabel,
        })
    }
}
