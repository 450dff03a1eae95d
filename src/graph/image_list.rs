//! The list of images with its filters (U-2, U-3; moby's `daemon/images/images.go`). Reads the stores, changes nothing.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::api::request::until;
use crate::api::service::ListRequest;
use crate::base::digest::ImageId;
use crate::base::error::{Error, Result};
use crate::document::filters::Filters;
use crate::document::image::{Image, Labels};
use crate::document::reference::Reference;
use crate::go::path;
use crate::go::time::Timestamp;
use crate::graph::delete::Deletion;
use crate::graph::store::{ImageStore, LayerStore, ReferenceStore, Stores};
use crate::graph::usage::{ImageSummary, Usage};
use crate::semantics::Semantics;

/// The filters of a list of images; `until` came later.
const ACCEPTED: [&str; 5] = ["dangling", "label", "before", "since", "reference"];

/// The images that a request asks for, with nothing counted.
pub(super) fn images<I: ImageStore, R: ReferenceStore, L: LayerStore, C>(
    stores: &Stores<I, R, L, C>,
    semantics: &Semantics,
    request: &ListRequest<'_>,
) -> Result<Vec<ImageSummary>> {
    let list = List::new(stores, semantics, request)?;
    let mut images = Vec::new();
    for id in stores.images.ids(list.dangling == Some(true)) {
        // One that was deleted meanwhile is no fault.
        if let Ok(image) = stores.images.get(id)
            && let Some(line) = list.line(id, &image)?
        {
            images.push(line);
        }
    }
    images.sort_unstable_by_key(|image| (Reverse(image.created), image.id));
    Ok(images)
}

/// Fills in what takes a look at all images.
pub(super) fn count(images: &mut [ImageSummary], usage: &Usage, request: &ListRequest<'_>) {
    let known: HashMap<_, _> = usage.images.iter().map(|image| (image.id, image)).collect();
    for image in images {
        let found = known.get(&image.id);
        if request.containers {
            image.containers = found.map_or(0, |found| found.containers);
        }
        if let Some(found) = found.filter(|_| request.shared_size) {
            image.shared_size = found.shared_size;
        }
    }
}

struct List<'a, I, R, L, C> {
    stores: &'a Stores<I, R, L, C>,
    semantics: &'a Semantics,
    filters: &'a Filters,
    all: bool,
    dangling: Option<bool>,
    before: Option<Timestamp>,
    since: Option<Timestamp>,
    /// Of several limits the earliest counts.
    until: Option<Timestamp>,
}

impl<'a, I: ImageStore, R: ReferenceStore, L: LayerStore, C> List<'a, I, R, L, C> {
    fn new(
        stores: &'a Stores<I, R, L, C>,
        semantics: &'a Semantics,
        request: &ListRequest<'a>,
    ) -> Result<Self> {
        let filters = request.filters;
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
        let lookup = Deletion { stores, events: &(), semantics };
        // DIFFERENCE(before-and-since): of several values the last that Go's map gives counts; here the last in order.
        let created_of = |key: &str| {
            filters.get(key).try_fold(None, |_, name| {
                let (_, image) = lookup.find(name).map_err(Error::from)?;
                Ok::<_, Error>(Some(image.created().unwrap_or(Timestamp::ZERO)))
            })
        };
        let (before, since) = (created_of("before")?, created_of("since")?);
        let in_until = |error: Error| {
            Error::new(semantics.until_error_class, format!("{}{error}", semantics.until_error_prefix))
        };
        let limits = filters.get("until").map(|value| until::parse(value, request.now, semantics));
        let until = limits.collect::<Result<Vec<_>>>().map_err(in_until)?.into_iter().min();
        Ok(Self { stores, semantics, filters, all: request.all, dangling, before, since, until })
    }

    fn line(&self, id: ImageId, image: &Image) -> Result<Option<ImageSummary>> {
        if !self.is_in_time(image) || !self.has_labels(image) || !image.is_os_supported() {
            return Ok(None);
        }
        let Some(size) = self.stores.image_size(image) else { return Ok(None) };
        let images = &self.stores.images;
        let references = self.matching(self.stores.references.references(id))?;
        if references.is_empty() {
            let is_shown = self.all || !images.has_children(id);
            if !is_shown || self.dangling == Some(false) || self.filters.contains("reference") {
                return Ok(None);
            }
        } else if self.dangling == Some(true) && references.iter().any(|reference| !reference.is_canonical())
        {
            return Ok(None);
        }
        Ok(Some(ImageSummary::new((id, image), images.parent(id), &references, size, self.semantics)))
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
            let in_full = self.semantics.reference_filter_matches_canonical;
            let others = [reference.familiar_name(), reference.as_str(), reference.name()];
            let count = if in_full { others.len() } else { 1 };
            if whole || others.iter().take(count).any(|text| path::matches(pattern, text) == Ok(true)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
