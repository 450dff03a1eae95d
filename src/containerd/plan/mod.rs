//! The dry run: the same prune on a copy of the stores, and for every name what becomes of it and why.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use serde::ser::{SerializeMap, SerializeStruct, Serializer};

use super::image::Image;
use super::prune::{PRUNED_LEASE, PruneReport, delete_leases};
use super::request::Request;
use super::select::Order;
use super::store::walk::Walk;
use super::store::{Collection, Freed, LeaseStore as _, Stores};
use super::{Engine, usage};
use crate::api::event::{ImageEvent, Recorder};
use crate::api::warning::Warning;
use crate::base::cancel::Never;
use crate::base::digest::ImageId;
use crate::base::error::{Error, Result};
use crate::go::time::{Now, Timestamp};
use crate::semantics::Semantics;

mod explain;
mod warning;

/// What a prune would do, and why, without doing it.
///
/// ```
/// use image_prune::containerd::plan::{Verdict, plan};
/// use image_prune::containerd::{Order, store::Stores};
/// use image_prune::world::ContainerdWorld;
/// use image_prune::{Now, Semantics};
///
/// let world: ContainerdWorld = serde_json::from_str(r#"{"images":[{
///     "name":"docker.io/library/a:1","created_at":"2024-03-10T12:00:00Z","target":{
///         "mediaType":"application/vnd.oci.image.manifest.v1+json","size":2,
///         "digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}}]}"#).unwrap();
/// let semantics = Semantics::MOBY_29_CONTAINERD;
/// let stores = Stores::load(&world, &semantics)?;
/// let now = Now::utc(chrono::DateTime::UNIX_EPOCH);
/// let plan = plan(&stores, r#"{"dangling":["false"]}"#, &semantics, now, &Order::ByName)?;
/// assert_eq!((plan.names[0].shown.as_str(), plan.names[0].verdict), ("a:1", Verdict::Delete));
/// # Ok::<(), image_prune::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Plan {
    /// What the service would answer; over HTTP an error hides it (Q-12).
    pub report: PruneReport,
    /// The error that it would answer, too.
    pub error: Option<Error>,
    /// What the daemon would say meanwhile, in order.
    pub events: Vec<ImageEvent>,
    /// Every name, in byte order.
    pub names: Vec<NamePlan>,
    /// What would be gone from the disk, garbage and what no report counts included.
    pub freed: Freed,
    /// The leases that the prune takes away, whatever the filters (Q-5).
    pub leases: Vec<String>,
    /// What does not mean what it seems to.
    pub warnings: Vec<Warning>,
}

/// What becomes of one name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NamePlan {
    /// The name of the record.
    pub name: String,
    /// The name as moby shows it (N-6).
    pub shown: String,
    /// The digest that it points to.
    pub id: ImageId,
    /// Bytes of the image's content and snapshots, shared ones included: `docker image ls`'s disk usage. `None`
    /// where its content does not decode.
    pub disk_usage: Option<i64>,
    /// Bytes of the image's content, shared ones included.
    pub content_size: Option<i64>,
    /// What becomes of it.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// What goes with this name.
    pub freed: Freed,
}

/// What becomes of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It goes, and what it points to is gone.
    Delete,
    /// It goes, and what it points to stays.
    Untag,
    /// It stays.
    Keep,
}

/// Why a name goes or stays. As JSON an object with `kind`, the rule and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Goes: no container was made under it, and the request is for names like it.
    Unused,
    /// Goes, and its image stays: this name is left.
    OtherName(String),
    /// Goes, and its content stays: this lease holds it, a container's for example.
    Lease(String),
    /// Goes, and its content stays: something else refers to it, such as an index or a label.
    Referenced,
    /// Goes: its record has expired (B-6).
    Expired,
    /// Stays: it is not dangling, and only dangling ones were asked for.
    NotDangling,
    /// Stays: made at or after `until`.
    NewerThanUntil {
        /// When the name was made in this store.
        created: Timestamp,
        /// The limit.
        until: Timestamp,
    },
    /// Stays: no config of it matches the labels.
    Labels,
    /// Stays: a container was made under this name, whatever it points to now (C-3, C-4); or it is what a container's
    /// image has left (C-1).
    ContainerName {
        /// The container.
        id: String,
        /// Whether it is running.
        running: bool,
    },
    /// Stays: a container was made by the digest or a part of it, and this is the last name (C-2, Q-7).
    LastName {
        /// The container.
        id: String,
        /// Whether it is running.
        running: bool,
    },
    /// Stays, and always will: something in it does not decode (Q-8.2).
    Undecodable(String),
    /// Stays: something else failed.
    Failed(String),
}

impl Reason {
    /// The `kind` of the JSON form.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Unused => "unused",
            Self::OtherName(_) => "other_name",
            Self::Lease(_) => "lease",
            Self::Referenced => "referenced",
            Self::Expired => "expired",
            Self::NotDangling => "not_dangling",
            Self::NewerThanUntil { .. } => "newer_than_until",
            Self::Labels => "labels",
            Self::ContainerName { .. } => "container_name",
            Self::LastName { .. } => "last_name",
            Self::Undecodable(_) => "undecodable",
            Self::Failed(_) => "failed",
        }
    }

    /// The id of the rule behind it; [`rules::find`](crate::api::rules::find) has its text.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Unused | Self::Failed(_) => "Q-8",
            Self::OtherName(_) => "Q-9",
            Self::Lease(_) | Self::Referenced | Self::Expired => "B-6",
            Self::NotDangling => "Q-6",
            Self::NewerThanUntil { .. } => "Q-2",
            Self::Labels => "Q-3",
            Self::ContainerName { .. } => "C-3",
            Self::LastName { .. } => "Q-7",
            Self::Undecodable(_) => "Q-8.2",
        }
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut reason = serializer.serialize_map(None)?;
        reason.serialize_entry("kind", self.kind())?;
        reason.serialize_entry("rule", self.rule())?;
        match self {
            Self::OtherName(name) => reason.serialize_entry("name", name)?,
            Self::Lease(lease) => reason.serialize_entry("lease", lease)?,
            Self::NewerThanUntil { created, until } => {
                reason.serialize_entry("created", &created.to_string())?;
                reason.serialize_entry("until", &until.to_string())?;
            }
            Self::ContainerName { id, running } | Self::LastName { id, running } => {
                reason.serialize_entry("container", id)?;
                reason.serialize_entry("running", running)?;
            }
            Self::Undecodable(message) | Self::Failed(message) => {
                reason.serialize_entry("message", message)?;
            }
            Self::Unused | Self::Referenced | Self::Expired | Self::NotDangling | Self::Labels => {}
        }
        reason.end()
    }
}

impl Serialize for Plan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct ErrorText<'a> {
            class: &'a str,
            message: String,
        }
        let error = self.error.as_ref();
        let error =
            error.map(|error| ErrorText { class: error.class().as_str(), message: error.to_string() });
        let mut plan = serializer.serialize_struct("Plan", 7)?;
        plan.serialize_field("report", &self.report)?;
        plan.serialize_field("error", &error)?;
        plan.serialize_field("events", &self.events)?;
        plan.serialize_field("names", &self.names)?;
        plan.serialize_field("freed", &self.freed)?;
        plan.serialize_field("leases", &self.leases)?;
        plan.serialize_field("warnings", &self.warnings)?;
        plan.end()
    }
}

/// What a prune did to one record.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Step {
    pub freed: Freed,
    /// Bytes that were counted again for the same blob (Q-10).
    pub counted_again: i64,
}

impl Step {
    fn of(walk: &Walk) -> Self {
        let mut step = Self::default();
        let mut seen = HashMap::new();
        for blob in walk.blobs.iter().filter(|blob| blob.is_gone) {
            let times = seen.entry(blob.digest).or_insert(0_u32);
            *times += 1;
            if *times == 1 {
                step.freed.content = step.freed.content.saturating_add(blob.size);
            } else {
                step.counted_again = step.counted_again.saturating_add(blob.size);
            }
        }
        for snapshot in walk.snapshots.iter().filter(|snapshot| snapshot.is_gone) {
            step.freed.snapshots = step.freed.snapshots.saturating_add(snapshot.size);
        }
        step
    }
}

/// Runs a prune on a copy of the stores, and explains it.
///
/// # Errors
///
/// Where a prune would refuse the filters (Q-1). What fails later is part of the plan.
pub fn plan(stores: &Stores, filters: &str, semantics: &Semantics, now: Now, order: &Order) -> Result<Plan> {
    let request = Request::parse(filters, semantics, now)?;
    let leases = stores.metadata.leases_with_label(PRUNED_LEASE)?;
    let engine = Engine::new(stores.copy(), *semantics, Recorder::default());
    let mut steps: HashMap<Arc<str>, Step> = HashMap::new();
    let mut observe = |image: &Image, walk: &Walk| {
        steps.insert(image.name().into(), Step::of(walk));
    };
    let (report, error) = match engine.prune_observed(&request, order, &Never, &mut observe) {
        Ok(report) => (report, None),
        Err(error) => {
            let text = error.error().clone();
            (error.into_report().unwrap_or_default(), Some(text))
        }
    };
    let events = engine.events().take();
    let freed = stores.metadata.sizes() - engine.stores().metadata.sizes();
    // The filters see what the leases have left.
    let listed = stores.copy();
    delete_leases(&listed.metadata, Collection::Now(now.instant))?;
    let sizes = usage::sizes(stores, semantics)?;
    let explanation = explain::Explanation {
        before: stores,
        listed: &listed,
        after: engine.stores(),
        request: &request,
        report: &report,
        steps: &steps,
        sizes: &sizes,
        semantics,
    };
    let names = explanation.names()?;
    let warnings = warning::warnings(&explanation, &names, &leases)?;
    Ok(Plan { report, error, events, names, freed, leases, warnings })
}
