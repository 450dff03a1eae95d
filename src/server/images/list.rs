//! `GET /images/json` (moby's `daemon/images/images.go`).

use std::cmp::Reverse;
use std::collections::HashMap;

use serde::Serialize;

use super::super::answer::{Answer, Refusal, invalid};
use super::super::call::Call;
use super::super::daemon::Daemon;
use crate::api::request::until;
use crate::base::digest::ImageId;
use crate::base::error::{Error, Result};
use crate::document::filters::Filters;
use crate::document::image::{Image, Labels};
use crate::document::reference::Reference;
use crate::go::path;
use crate::go::time::Timestamp;
use crate::graph::store::{ImageStore, ReferenceStore};
use crate::graph::usage::ImageSummary;

/// The filters of a list of images; `until` came later.
const ACCEPTED: [&str; 5] = ["dangling", "label", "before", "since", "reference"];

pub fn list(daemon: &Daemon, call: &Call) -> Result<Answer, Refusal> {
    let mut filters = Filters::parse(call.form.get("filters"), daemon.semantics())?;
    let legacy = call.form.get("filter");
    if call.version < 41 && !legacy.is_empty() {
        filters.add("reference", legacy);
    }
    if call.version >= IDENTITY_SINCE && call.form.flag("identity") && !call.form.flag("manifests") {
        return Err(invalid("conflicting options: identity requires manifests=1"));
    }
    let list = List::new(daemon, filters, call.form.flag("all"))?;
    let mut images = list.images()?;
    count(daemon, call, &mut images)?;
    for image in &mut images {
        shape(image, call.version);
    }
    Ok(Answer::json(&Line::all(&images, call.version)))
}

/// The API versions since which a list tells shared sizes where that is asked for, counts containers, and knows identities.
const SHARED_SIZE_SINCE: u16 = 42;
const CONTAINERS_SINCE: u16 = 51;
const IDENTITY_SINCE: u16 = 54;

/// Fills in what takes a look at all images.
fn count(daemon: &Daemon, call: &Call, images: &mut [ImageSummary]) -> Result<()> {
    let counts_containers = call.version >= CONTAINERS_SINCE;
    let shares = call.version >= SHARED_SIZE_SINCE && call.form.flag("shared-size");
    if !counts_containers && !shares {
        return Ok(());
    }
    let usage = daemon.engine().usage()?;
    let known: HashMap<_, _> = usage.images.iter().map(|image| (image.id, image)).collect();
    for image in images {
        let found = known.get(&image.id);
        if counts_containers {
            image.containers = found.map_or(0, |found| found.containers);
        }
        if let Some(found) = found.filter(|_| shares) {
            image.shared_size = found.shared_size;
        }
    }
    Ok(())
}

/// What the version of the API wants.
fn shape(image: &mut ImageSummary, version: u16) {
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

/// A line of the list: since 1.44 without the size that was written twice.
pub(in super::super) struct Line<'a> {
    image: &'a ImageSummary,
    version: u16,
}

impl<'a> Line<'a> {
    pub fn all(images: &'a [ImageSummary], version: u16) -> Vec<Self> {
        images.iter().map(|image| Self { image, version }).collect()
    }
}

impl Serialize for Line<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.version < 44 {
            return self.image.serialize(serializer);
        }
        self.image.serialize_without_virtual_size(serializer)
    }
}

struct List<'a> {
    daemon: &'a Daemon,
    filters: Filters,
    all: bool,
    dangling: Option<bool>,
    before: Option<Timestamp>,
    since: Option<Timestamp>,
    /// Of several limits the earliest counts.
    until: Option<Timestamp>,
}

impl<'a> List<'a> {
    fn new(daemon: &'a Daemon, filters: Filters, all: bool) -> Result<Self> {
        let semantics = daemon.semantics();
        let until = semantics.image_list_takes_until.then_some("until");
        let accepted: Vec<_> = ACCEPTED.into_iter().chain(until).collect();
        filters.validate(&accepted, semantics)?;
        let dangling = if !filters.contains("dangling") {
            None
        } else if filters.exact_match("dangling", "true") {
            Some(true)
        } else if filters.exact_match("dangling", "false") {
            Some(false)
        } else {
            let values: Vec<_> = filters.get("dangling").collect();
            let message = format!("{} 'dangling=[{}]'", semantics.invalid_filter_prefix, values.join(" "));
            return Err(Error::invalid_parameter(message));
        };
        // DIFFERENCE(before-and-since): of several values the last that Go's map gives counts; here the last in order.
        let created_of = |key: &str| {
            filters.get(key).try_fold(None, |_, name| {
                daemon.image(name).map(|(_, image)| Some(image.created().unwrap_or(Timestamp::ZERO)))
            })
        };
        let (before, since) = (created_of("before")?, created_of("since")?);
        let in_until = |error: Error| {
            Error::new(semantics.until_error_class, format!("{}{error}", semantics.until_error_prefix))
        };
        let limits = filters.get("until").map(|value| until::parse(value, daemon.now(), semantics));
        let until = limits.collect::<Result<Vec<_>>>().map_err(in_until)?.into_iter().min();
        Ok(Self { daemon, filters, all, dangling, before, since, until })
    }

    /// U-2, U-3.
    fn images(&self) -> Result<Vec<ImageSummary>> {
        let stores = self.daemon.stores();
        let mut images = Vec::new();
        for id in stores.images.ids(self.dangling == Some(true)) {
            // One that was deleted meanwhile is no fault.
            if let Ok(image) = stores.images.get(id)
                && let Some(line) = self.line(id, &image)?
            {
                images.push(line);
            }
        }
        images.sort_unstable_by_key(|image| (Reverse(image.created), image.id));
        Ok(images)
    }

    fn line(&self, id: ImageId, image: &Image) -> Result<Option<ImageSummary>> {
        if !self.is_in_time(image) || !self.has_labels(image) || !image.is_os_supported() {
            return Ok(None);
        }
        let stores = self.daemon.stores();
        let size = match image.chain() {
            Ok(None) => Some(0),
            Ok(Some(chain)) => stores.layers.chain_size(chain),
            Err(_) => None,
        };
        let Some(size) = size else { return Ok(None) };
        let references = self.matching(stores.references.references(id))?;
        if references.is_empty() {
            let is_shown = self.all || !stores.images.has_children(id);
            if !is_shown || self.dangling == Some(false) || self.filters.contains("reference") {
                return Ok(None);
            }
        } else if self.dangling == Some(true) && references.iter().any(|reference| !reference.is_canonical())
        {
            return Ok(None);
        }
        let parent = stores.images.parent(id);
        Ok(Some(ImageSummary::new((id, image), parent, &references, size, self.daemon.semantics())))
    }

    fn is_in_time(&self, image: &Image) -> bool {
        let created = image.created().unwrap_or(Timestamp::ZERO);
        self.before.is_none_or(|before| created < before)
            && self.since.is_none_or(|since| created > since)
            && self.until.is_none_or(|until| image.created().is_some_and(|created| created < until))
    }

    fn has_labels(&self, image: &Image) -> bool {
        if !self.filters.contains("label") {
            return true;
        }
        let labels = image.labels().into_iter().flat_map(Labels::iter);
        image.has_config() && self.filters.match_kv_list("label", labels)
    }

    fn matching(&self, references: Vec<Reference>) -> Result<Vec<Reference>> {
        if !self.filters.contains("reference") {
            return Ok(references);
        }
        let mut found = Vec::new();
        for reference in references {
            if self.is_wanted(&reference)? {
                found.push(reference);
            }
        }
        Ok(found)
    }

    /// `reference.FamiliarMatch`: the whole reference, or its name alone; since 29.5 also as they are in full.
    fn is_wanted(&self, reference: &Reference) -> Result<bool> {
        for pattern in self.filters.get("reference") {
            let whole = path::matches(pattern, reference.familiar());
            let whole = whole.map_err(|error| Error::system(error.to_string()))?;
            let in_full = self.daemon.semantics().reference_filter_matches_canonical;
            let others = [reference.familiar_name(), reference.as_str(), reference.name()];
            let count = if in_full { others.len() } else { 1 };
            if whole || others.iter().take(count).any(|text| path::matches(pattern, text) == Ok(true)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
