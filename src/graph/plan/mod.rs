//! The dry run: the same pipeline on an overlay over the stores, and for every image what becomes of it and why.

use serde::Serialize;
use serde::ser::SerializeMap;

use crate::api::event::{ImageEvent, Recorder};
use crate::api::request::PruneRequest;
use crate::api::warning::Warning;
use crate::base::cancel::Never;
use crate::base::digest::{ContainerId, ImageId};
use crate::base::error::Result;
use crate::document::reference::Reference;
use crate::go::time::{Now, Timestamp};
use crate::graph::engine::Engine;
use crate::graph::report::PruneReport;
use crate::graph::select::Order;
use crate::graph::store::{ContainerStore, ImageStore, LayerStore, ReferenceStore, Stores};
use crate::semantics::Semantics;

mod explain;
mod otherwise;
mod warning;

/// What a prune would do, and why, without doing it.
///
/// ```
/// use image_prune::graph::plan::{Verdict, plan};
/// use image_prune::graph::select::Order;
/// use image_prune::graph::store::Stores;
/// use image_prune::{Now, Semantics};
///
/// let stores = Stores::default();
/// let id = stores.images.create(r#"{"rootfs":{"type":"layers"}}"#)?;
/// let now = Now::utc(chrono::DateTime::UNIX_EPOCH);
/// let plan = plan(&stores, "", &Semantics::MOBY_20_10, now, &Order::ById)?;
/// assert_eq!(plan.images[0].verdict, Verdict::Delete);
/// assert_eq!(stores.images.len(), 1);
/// # Ok::<(), image_prune::Error>(())
/// ```
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// What the daemon would answer.
    pub report: PruneReport,
    /// What it would say meanwhile, in order.
    pub events: Vec<ImageEvent>,
    /// Every image, by ID.
    pub images: Vec<ImagePlan>,
    /// What does not mean what it seems to.
    pub warnings: Vec<Warning>,
}

/// What becomes of one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImagePlan {
    /// The image.
    pub id: ImageId,
    /// Its references before the prune, sorted by their normalized text.
    #[serde(serialize_with = "familiar")]
    pub references: Vec<Reference>,
    /// Bytes of all its layers, shared ones included.
    pub size: i64,
    /// What becomes of it.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
}

/// What becomes of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It goes.
    Delete,
    /// It stays, but loses references.
    Untag,
    /// It stays as it is.
    Keep,
}

/// Why an image goes or stays. As JSON an object with `kind` and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Goes: no container uses it, and the request is for images like it.
    Unused,
    /// Goes in the wake of its child (D-12). The filters are not asked (L-6).
    ParentOfDeleted(ImageId),
    /// Stays: it has this tag, and only dangling images were asked for.
    Tagged(Reference),
    /// Stays: it has this digest reference, so that it does not go with its child (D-12).
    Referenced(Reference),
    /// Stays: a container uses it.
    Container {
        /// One that does.
        id: ContainerId,
        /// Whether it is running.
        running: bool,
    },
    /// Stays: this image has it as its parent.
    HasChild(ImageId),
    /// Stays: newer than `until`.
    NewerThanUntil {
        /// When it was created; none where that is unknown.
        created: Option<Timestamp>,
        /// The limit.
        until: Timestamp,
    },
    /// Stays: a `label` filter does not match.
    Label,
    /// Stays: the `label!` filters match.
    NegatedLabel,
    /// Stays: something failed.
    Failed(String),
}

impl Reason {
    /// The `kind` of the JSON form.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Unused => "unused",
            Self::ParentOfDeleted(_) => "parent_of_deleted",
            Self::Tagged(_) => "tagged",
            Self::Referenced(_) => "referenced",
            Self::Container { .. } => "container",
            Self::HasChild(_) => "has_child",
            Self::NewerThanUntil { .. } => "newer_than_until",
            Self::Label => "label",
            Self::NegatedLabel => "negated_label",
            Self::Failed(_) => "failed",
        }
    }

    /// The id of the rule behind it; [`rules::find`](crate::api::rules::find) has its text.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Unused | Self::Tagged(_) => "P-5",
            Self::ParentOfDeleted(_) | Self::Referenced(_) => "D-12",
            Self::Container { .. } | Self::HasChild(_) => "D-7",
            Self::NewerThanUntil { created: Some(_), .. } => "T-10",
            Self::NewerThanUntil { created: None, .. } => "T-11",
            Self::Label => "L-2",
            Self::NegatedLabel => "L-3",
            Self::Failed(_) => "P-6",
        }
    }
}

impl Serialize for Reason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut reason = serializer.serialize_map(None)?;
        reason.serialize_entry("kind", self.kind())?;
        match self {
            Self::ParentOfDeleted(child) | Self::HasChild(child) => reason.serialize_entry("child", child)?,
            Self::Tagged(reference) | Self::Referenced(reference) => {
                reason.serialize_entry("reference", reference.familiar())?;
            }
            Self::Container { id, running } => {
                reason.serialize_entry("container", id)?;
                reason.serialize_entry("running", running)?;
            }
            Self::NewerThanUntil { created, until } => {
                reason.serialize_entry("created", &created.map(|created| created.to_string()))?;
                reason.serialize_entry("until", &until.to_string())?;
            }
            Self::Failed(message) => reason.serialize_entry("message", message)?,
            Self::Unused | Self::Label | Self::NegatedLabel => {}
        }
        reason.end()
    }
}

fn familiar<S: serde::Serializer>(references: &[Reference], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(references.iter().map(Reference::familiar))
}

/// Runs a prune on an [overlay](Stores::overlay) over the stores, whichever they are, and explains it.
///
/// Of stores that others change meanwhile the plan is of several moments; a [copy](Stores::copy) is of one.
///
/// # Errors
///
/// Where a prune would refuse the filters (P-2).
pub fn plan<I: ImageStore, R: ReferenceStore, L: LayerStore, C: ContainerStore>(
    stores: &Stores<I, R, L, C>,
    filters: &str,
    semantics: &Semantics,
    now: Now,
    order: &Order,
) -> Result<Plan> {
    let request = PruneRequest::parse(filters, semantics, now)?;
    let (report, events, images) = run(stores, &request, semantics, order)?;
    let mut warnings = request.warnings();
    warnings.retain(|found| warning::comes_true(found.kind, stores, &images));
    warnings.extend(warning::of_images(&request, &images));
    warnings.extend(otherwise::of_until(stores, &request, semantics, order, &images)?);
    Ok(Plan { report, events, images, warnings })
}

/// What a prune answers and says, and what becomes of every image.
fn run<I: ImageStore, R: ReferenceStore, L: LayerStore, C: ContainerStore>(
    stores: &Stores<I, R, L, C>,
    request: &PruneRequest,
    semantics: &Semantics,
    order: &Order,
) -> Result<(PruneReport, Vec<ImageEvent>, Vec<ImagePlan>)> {
    let engine = Engine::new(stores.overlay(), *semantics, Recorder::default());
    let report = engine.prune_request(request, order, &Never)?;
    let images = explain::explain(stores, engine.stores(), request, &report);
    Ok((report, engine.events().take(), images))
}
