//! `GET /images/json`.

use serde::Serialize;

use super::super::answer::{Answer, Refusal, invalid};
use super::super::call::Call;
use super::super::daemon::Daemon;
use crate::api::service::{ListRequest, ListRow};
use crate::base::error::Result;
use crate::document::filters::Filters;

pub fn list(daemon: &Daemon, call: &Call) -> Result<Answer, Refusal> {
    let mut filters = Filters::parse(call.form.get("filters"), daemon.semantics())?;
    let legacy = call.form.get("filter");
    if call.version < 41 && !legacy.is_empty() {
        filters.add("reference", legacy);
    }
    if call.version >= IDENTITY_SINCE && call.form.flag("identity") && !call.form.flag("manifests") {
        return Err(invalid("conflicting options: identity requires manifests=1"));
    }
    let mut images = daemon.service().list(&ListRequest {
        filters: &filters,
        all: call.form.flag("all"),
        shared_size: call.version >= SHARED_SIZE_SINCE && call.form.flag("shared-size"),
        containers: call.version >= CONTAINERS_SINCE,
        now: daemon.now(),
    })?;
    for image in &mut images {
        shape(image, call.version);
    }
    Ok(Answer::json(&Line::all(&images, call.version)))
}

/// The API versions since which a list tells shared sizes where that is asked for, counts containers, and knows identities.
const SHARED_SIZE_SINCE: u16 = 42;
const CONTAINERS_SINCE: u16 = 51;
const IDENTITY_SINCE: u16 = 54;

/// What the version of the API wants.
fn shape(image: &mut ListRow, version: u16) {
    // Since 1.43 nothing stands for a name that is not there.
    if version >= 43 {
        let unnamed = |names: &mut Option<Vec<String>>| {
            let names = names.get_or_insert_default();
            names.retain(|name| name != "<none>:<none>" && name != "<none>@<none>");
        };
        unnamed(&mut image.repo_tags);
        unnamed(&mut image.repo_digests);
    }
}

/// A line of the list.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct Line<'a> {
    #[serde(flatten)]
    image: &'a ListRow,
    /// The size once more, as it was written before 1.44.
    #[serde(skip_serializing_if = "Option::is_none")]
    virtual_size: Option<i64>,
}

impl<'a> Line<'a> {
    pub fn all(images: &'a [ListRow], version: u16) -> Vec<Self> {
        let virtual_size = |image: &ListRow| (version < 44).then_some(image.size);
        images.iter().map(|image| Self { image, virtual_size: virtual_size(image) }).collect()
    }
}
