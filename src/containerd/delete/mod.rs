//! `ImageDelete`: one name or image goes, and what hangs on it (rules X; moby's
//! `daemon/containerd/image_delete.go`).

use std::fmt;
use std::sync::Arc;

use super::image::Image;
use super::manifests;
use super::record::Record;
use super::store::{Collection, ContainerStore, MetadataStore, Stores};
use crate::api::event::{EventSink, ImageEvent};
use crate::base::digest::Digest;
use crate::base::error::{Error, Kind, Result};
use crate::document::image::Labels;
use crate::document::reference::{AnyReference, Reference};
use crate::document::world::containerd::Platform;
use crate::go::time::Timestamp;
use crate::semantics::Semantics;

mod conflict;
mod parents;
mod platforms;
mod resolve;
mod same;

use conflict::Checks;
use resolve::{Resolved, is_prefix};

/// The labels that a dangling record does not take over from the name that it stands in for (N-8).
const LABELS_OF_NAMES: [&str; 2] = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

/// How far a deletion goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// Overrides soft conflicts: several names, and containers that do not run.
    pub force: bool,
    /// Takes parents of the classic builder along that nothing needs any more.
    pub prune: bool,
    /// Deletes the content of these platforms alone, and no names.
    pub platforms: Vec<Platform>,
}

/// A deletion that failed, with the records that were made before it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteError {
    error: Error,
    records: Vec<Record>,
}

impl DeleteError {
    /// Why it failed.
    #[must_use]
    pub const fn error(&self) -> &Error {
        &self.error
    }

    /// What was deleted all the same. Over HTTP the error hides it.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }
}

impl fmt::Display for DeleteError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(formatter)
    }
}

impl std::error::Error for DeleteError {}

impl From<DeleteError> for Error {
    fn from(error: DeleteError) -> Self {
        error.error
    }
}

/// What a deletion works on: the stores, and who hears of it.
#[derive(Debug)]
pub(super) struct Deletion<'a, S, C, E> {
    pub stores: &'a Stores<S, C>,
    pub events: &'a E,
    pub semantics: &'a Semantics,
    pub now: Timestamp,
}

impl<S: MetadataStore, C: ContainerStore, E: EventSink> Deletion<'_, S, C, E> {
    /// Deletes what `text` names.
    pub(super) fn delete(&self, text: &str, options: &Options) -> Result<Vec<Record>, DeleteError> {
        let mut records = Vec::new();
        match self.run(text, options, &mut records) {
            Ok(()) => Ok(records),
            Err(error) => Err(DeleteError { error, records }),
        }
    }

    /// The digest that `text` names.
    pub(super) fn find(&self, text: &str) -> Result<Digest> {
        self.resolve(text).map(|resolved| resolved.id)
    }

    fn run(&self, text: &str, options: &Options, records: &mut Vec<Record>) -> Result<()> {
        // moby's em dash and hyphen.
        if !options.platforms.is_empty() && !options.force {
            return Err(Error::invalid_parameter(
                "Content will be removed from all images referencing this variant. Use \u{2014}-force to force \
                 delete.",
            ));
        }
        let Resolved { matched, id, all } = self.resolve(text)?;
        match matched {
            None => self.delete_unmatched(text, id, &all, options, records),
            Some(image) => self.delete_matched(text, &image, &all, options, records),
        }
    }

    /// an ID, or a digest in a repository.
    fn delete_unmatched(
        &self,
        text: &str,
        id: Digest,
        all: &[Arc<Image>],
        options: &Options,
        records: &mut Vec<Record>,
    ) -> Result<()> {
        let named = if is_prefix(id, text) { None } else { Reference::parse(text, self.semantics).ok() };
        let same = same::same(named.as_ref(), all, self.semantics);
        if let Some(named) = named.as_ref().filter(|_| same.is_empty()) {
            return Err(no_such_image(named.clone()));
        }
        if !options.platforms.is_empty() {
            *records = self.delete_platforms(all.first(), &options.platforms)?;
            return Ok(());
        }
        if named.is_some() && same.len() < all.len() {
            return self.untag(&same, records);
        }
        let mut checks = Checks::new(options.force);
        checks.names &= same.len() != all.len();
        self.delete_all(id, all, checks, options.prune, records)
    }

    /// a record by its name.
    fn delete_matched(
        &self,
        text: &str,
        image: &Arc<Image>,
        all: &[Arc<Image>],
        options: &Options,
        records: &mut Vec<Record>,
    ) -> Result<()> {
        let id = image.digest();
        if !options.platforms.is_empty() {
            *records = self.delete_platforms(Some(image), &options.platforms)?;
            return Ok(());
        }
        let mut checks = Checks::new(options.force);
        if is_prefix(id, text) {
            return self.delete_all(id, all, checks, options.prune, records);
        }
        let reference = Reference::parse(image.name(), self.semantics)?;
        let same = same::same(Some(&reference), all, self.semantics);
        if same.len() < all.len() {
            return self.untag(&same, records);
        }
        checks.names &= all.len() <= 1;
        let Some(container) = self.stores.containers.first_using(id) else {
            return self.delete_all(id, all, checks, options.prune, records);
        };
        if !options.force {
            return Err(conflict::used(reference.familiar(), id, &container));
        }
        self.soft_delete(image, all)?;
        self.untagged(image, reference.familiar().into(), records);
        Ok(())
    }

    /// X-7c: a name goes; the last one leaves a dangling record behind. One that went meanwhile is no error.
    pub(super) fn soft_delete(&self, image: &Image, all: &[Arc<Image>]) -> Result<()> {
        let (name, digest) = (image.name(), image.digest());
        if all.len() == 1 {
            let mut labels = image.labels().clone();
            labels.retain(|key, _| !LABELS_OF_NAMES.contains(&key.as_str()));
            self.stores.metadata.create_image(image.dangling(labels, self.now)).map_err(|error| {
                Error::system(format!(
                    "failed to create a dangling image for the replaced image {name} with digest {digest}: {error}"
                ))
            })?;
        }
        self.stores.metadata.delete_image(name, Collection::Later).map_err(|error| {
            Error::system(format!("failed to delete image {name} which existed a moment before: {error}"))
        })?;
        Ok(())
    }

    ///
    fn untag(&self, images: &[Arc<Image>], records: &mut Vec<Record>) -> Result<()> {
        for image in images {
            self.delete_record(image, Collection::Later)?;
            if let Ok(reference) = Reference::parse(image.name(), self.semantics) {
                self.untagged(image, reference.familiar().into(), records);
            }
        }
        Ok(())
    }

    ///
    fn delete_all(
        &self,
        id: Digest,
        all: &[Arc<Image>],
        checks: Checks,
        prune: bool,
        records: &mut Vec<Record>,
    ) -> Result<()> {
        // Parents that cannot be read are none; moby logs why.
        let parents = if prune { self.parents(id).unwrap_or_default() } else { Vec::new() };
        for image in all {
            self.delete_one(image, all, checks, records)?;
        }
        self.deleted(id, records);
        self.delete_parents(&parents, all, records);
        Ok(())
    }

    fn delete_one(
        &self,
        image: &Arc<Image>,
        all: &[Arc<Image>],
        checks: Checks,
        records: &mut Vec<Record>,
    ) -> Result<()> {
        self.check(image.digest(), all.len(), checks)?;
        let plain = |error: Error| Error::system(error.to_string());
        let name: Arc<str> = match Reference::parse_any(image.name(), self.semantics).map_err(plain)? {
            AnyReference::Digest(digest) => digest.into(),
            AnyReference::Named(reference) => reference.familiar().into(),
        };
        let is_last_name = all.len() == 1 && !image.is_dangling() && checks.names;
        if is_last_name && self.stores.metadata.has_children(image.digest())? {
            let dangling = image.dangling(image.labels().clone(), self.now);
            self.stores.metadata.create_image(dangling).map_err(|error| {
                Error::new(error.class(), format!("failed to create dangling image: {error}"))
            })?;
        }
        self.delete_record(image, Collection::Now(self.now))?;
        if !image.is_dangling() {
            self.untagged(image, name, records);
        }
        Ok(())
    }

    fn delete_record(&self, image: &Image, collection: Collection) -> Result<()> {
        if self.stores.metadata.delete_image(image.name(), collection)? {
            return Ok(());
        }
        Err(Error::not_found(format!("image \"{}\": not found", image.name())))
    }

    /// V-1.
    fn untagged(&self, image: &Image, name: Arc<str>, records: &mut Vec<Record>) {
        self.events.publish(ImageEvent::UntagName(image.id(), Arc::clone(&name)));
        records.push(Record::Untagged(name));
    }

    /// V-3: the labels come along where the image can still be found.
    fn deleted(&self, id: Digest, records: &mut Vec<Record>) {
        self.events.publish(ImageEvent::DeleteImage(id.into(), self.labels_of(id).ok().flatten()));
        records.push(Record::Deleted(id));
    }

    pub(super) fn labels_of(&self, id: Digest) -> Result<Option<Labels>> {
        let Some(image) = self.first_of(id)? else { return Ok(None) };
        let Some(best) = manifests::best(&self.stores.metadata, &image, &self.stores.host_platform)? else {
            return Ok(None);
        };
        Ok(manifests::config(&self.stores.metadata, &best)?.labels.map(Labels::from_iter))
    }

    /// The first record of a digest, in the order of the names.
    pub(super) fn first_of(&self, id: Digest) -> Result<Option<Arc<Image>>> {
        Ok(self.stores.metadata.images_of(id)?.into_iter().next())
    }
}

/// moby's error about an ID that no image has.
pub(super) fn no_image_with(id: &str) -> Error {
    Error::not_found(format!("No such image: {id}")).of_kind(Kind::NoSuchContainerdImage)
}

/// moby's error about a reference that names nothing.
fn no_such_image(reference: Reference) -> Error {
    Error::not_found(format!("No such image: {}", reference.tag_name_only().familiar()))
        .of_kind(Kind::NoSuchContainerdImage)
}
