//! `GET /system/df` (U-6, rules I).

use serde::Serialize;

use super::answer::{Answer, Refusal, invalid};
use super::call::Call;
use super::containers::{self, Summary};
use super::daemon::Daemon;
use super::images::Line;
use super::volumes::{self, Shown};
use crate::base::error::{Error, Kind, Result};

/// The API version since which a client can ask for some types alone.
const TYPES_SINCE: u16 = 42;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DiskUsage<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    layers_size: Option<i64>,
    #[serde(skip_serializing_if = "List::is_omitted")]
    images: List<Line<'a>>,
    #[serde(skip_serializing_if = "List::is_omitted")]
    containers: List<Summary>,
    #[serde(skip_serializing_if = "List::is_omitted")]
    volumes: List<Shown>,
    #[serde(skip_serializing_if = "List::is_omitted")]
    build_cache: List<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    builder_size: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_usage: Option<Objects<Line<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container_usage: Option<Objects<Summary>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    volume_usage: Option<Objects<Shown>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    build_cache_usage: Option<Objects<()>>,
}

/// The objects of one type.
enum List<T> {
    Omitted,
    Null,
    Given(Vec<T>),
}

impl<T> List<T> {
    const fn is_omitted(&self) -> bool {
        matches!(self, Self::Omitted)
    }
}

impl<T: Serialize> Serialize for List<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Omitted | Self::Null => serializer.serialize_none(),
            Self::Given(items) => items.serialize(serializer),
        }
    }
}

/// What objects of one type take. What is 0 or empty is not written.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Objects<T> {
    #[serde(skip_serializing_if = "is_zero")]
    active_count: i64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    items: Vec<T>,
    #[serde(skip_serializing_if = "is_zero")]
    reclaimable: i64,
    #[serde(skip_serializing_if = "is_zero")]
    total_count: i64,
    #[serde(skip_serializing_if = "is_zero")]
    total_size: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde passes")]
const fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl<T> Objects<T> {
    fn of(items: Vec<T>, active: usize, with_items: bool) -> Self {
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        Self {
            active_count: count(active),
            total_count: count(items.len()),
            items: if with_items { items } else { Vec::new() },
            reclaimable: 0,
            total_size: 0,
        }
    }
}

/// The types of objects that are asked for.
#[expect(clippy::struct_excessive_bools, reason = "one for each type")]
struct Wanted {
    images: bool,
    containers: bool,
    volumes: bool,
    build_cache: bool,
}

impl Wanted {
    fn of(call: &Call) -> Result<Self, Refusal> {
        let types: Vec<_> = call.form.all("type").filter(|_| call.version >= TYPES_SINCE).collect();
        let known = ["image", "container", "volume", "build-cache"];
        if let Some(wrong) = types.iter().find(|kind| !known.contains(kind)) {
            return Err(invalid(format!("unknown object type: {wrong}")));
        }
        let is_wanted = |kind: &str| types.is_empty() || types.contains(&kind);
        let [images, containers, volumes, build_cache] = known.map(is_wanted);
        Ok(Self { images, containers, volumes, build_cache })
    }
}

pub(super) fn disk_usage(daemon: &Daemon, call: &Call) -> Result<Answer, Refusal> {
    let semantics = daemon.semantics();
    let wanted = Wanted::of(call)?;
    // Unlike the list of images: names that are not there stay null in each version of the API (U-3).
    let usage = daemon.service().usage().map_err(in_list)?;
    let has_objects = semantics.usage_objects_since.is_some_and(|since| call.version >= since);
    let verbose = call.form.get("verbose");
    let has_lists = !has_objects || verbose.is_empty();
    let with_items = verbose.is_empty() || call.form.flag("verbose");
    let is_omitted = |is_wanted: bool| !has_lists || (!is_wanted && semantics.usage_omits_other_types);
    let layers_size = if wanted.images { usage.total_size } else { 0 };
    let layers_are_omitted =
        is_omitted(wanted.images) || (layers_size == 0 && semantics.zero_layers_size_is_omitted);
    let lines = || Line::all(&usage.images, call.version);
    let running = || daemon.shelf.all().iter().filter(|record| record.state.is_running()).count();
    // Until BuildKit has a record there is no list in 20.10.
    let has_cache_list = wanted.build_cache && semantics.empty_build_cache_is_a_list;
    Ok(Answer::json(&DiskUsage {
        layers_size: (!layers_are_omitted).then_some(layers_size),
        images: list(is_omitted(wanted.images), wanted.images, lines),
        containers: list(is_omitted(wanted.containers), wanted.containers, || {
            containers::summaries(daemon, call.version)
        }),
        volumes: list(is_omitted(wanted.volumes), wanted.volumes, || volumes::usage(daemon)),
        build_cache: list(is_omitted(wanted.build_cache), has_cache_list, Vec::new),
        builder_size: (has_lists && !semantics.zero_builder_size_is_omitted).then_some(0),
        image_usage: (has_objects && wanted.images).then(|| {
            let active = usage.images.iter().filter(|image| image.containers > 0).count();
            let idle = usage.images.iter().filter(|image| image.containers == 0);
            Objects {
                reclaimable: idle.map(|image| image.size - image.shared_size).sum(),
                total_size: usage.total_size,
                ..Objects::of(lines(), active, with_items)
            }
        }),
        container_usage: (has_objects && wanted.containers)
            .then(|| Objects::of(containers::summaries(daemon, call.version), running(), with_items)),
        volume_usage: (has_objects && wanted.volumes).then(|| {
            let volumes = volumes::usage(daemon);
            let active = volumes.iter().filter(|volume| volume.is_used()).count();
            Objects::of(volumes, active, with_items)
        }),
        build_cache_usage: (has_objects && wanted.build_cache)
            .then(|| Objects::of(Vec::new(), 0, with_items)),
    }))
}

fn list<T>(is_omitted: bool, is_wanted: bool, items: impl FnOnce() -> Vec<T>) -> List<T> {
    match (is_omitted, is_wanted) {
        (true, _) => List::Omitted,
        (false, true) => List::Given(items()),
        (false, false) => List::Null,
    }
}

/// The daemon says at which of its steps the usage failed.
fn in_list(error: Error) -> Error {
    if error.kind() == Kind::LayerMissing {
        let text = format!("failed to retrieve image list: {error}");
        return error.reworded(text);
    }
    error
}
