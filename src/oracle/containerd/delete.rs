//! `ImageDelete` (X).

use std::collections::BTreeSet;

use crate::api::service::{DeleteRequest, RecordText, Returned};
use crate::base::digest::{Digest, short};
use crate::base::error::{Error, Result};
use crate::document::oci::platform;
use crate::document::reference::{AnyReference, Reference};
use crate::document::world::containerd::{Container, ImageRecord, Platform};

use super::{Model, PARENT};

impl Model {
    /// `ImageDelete`. With an error the report has what was done before it; without one it may be `None`.
    pub fn delete(&mut self, request: &DeleteRequest<'_>) -> Returned<Vec<RecordText>> {
        let error = self.delete_for(request).err();
        // where one of the platforms fails, nothing is recorded.
        let is_told =
            |records: &Vec<_>| !records.is_empty() && (error.is_none() || request.platforms.is_empty());
        let report = Some(std::mem::take(&mut self.records)).filter(is_told);
        Returned { report, error }
    }

    fn delete_for(&mut self, request: &DeleteRequest<'_>) -> Result<()> {
        let DeleteRequest { reference: text, force, prune, platforms } = *request;
        if !platforms.is_empty() && !force {
            return Err(Error::invalid_parameter(
                "Content will be removed from all images referencing this variant. Use —-force to force delete.",
            ));
        }
        let (found, all) = self.resolve(text)?;
        let Some(shown) = found.as_ref().or(all.first()) else { return Ok(()) };
        let id = shown.target.digest;
        let is_prefix = id.to_string().starts_with(text) || id.hex().starts_with(text);
        let named = match &found {
            _ if is_prefix => None,                                               // X-5, X-7a
            Some(found) => Some(Reference::parse(&found.name, &self.semantics)?), // X-7b
            None => Reference::parse(text, &self.semantics).ok(),
        };
        let mut checks = (!force, !force);
        if found.is_none() || !is_prefix {
            let same = self.same_references(named.as_ref(), &all);
            match &named {
                Some(named) if same.is_empty() => {
                    let named = named.clone().tag_name_only();
                    return Err(Error::not_found(format!("No such image: {}", named.familiar())));
                }
                Some(_) if same.len() < all.len() && platforms.is_empty() => {
                    return same.iter().try_for_each(|image| self.untag(image));
                }
                // X-5, X-7b: one record with a name of its own may still leave its children a dangling record.
                _ => checks.1 &= same.len() < all.len() || found.is_some() && all.len() == 1,
            }
        }
        let user = self.world.containers.iter().find(|container| uses(container, id, platforms));
        match (&found, &named, user) {
            (Some(_), Some(named), Some(user)) if !force => {
                let (user, id) = (short(&user.id), id.to_string());
                let cause = format!("container {user} is using its referenced image {}", short(&id));
                Err(conflict(named.familiar(), "must", &cause)) // X-7c
            }
            (Some(found), Some(_), Some(_)) if platforms.is_empty() => self.soft_delete(found, all.len()),
            _ if platforms.is_empty() => self.delete_all(id, &all, prune, checks),
            _ => platforms.iter().try_for_each(|wanted| {
                let what = format!("failed to delete platform {} for image {id}", platform::text(wanted));
                self.delete_platform(shown, wanted).map_err(|error| error.wrapped(what))
            }),
        }
    }

    /// The record that the text names, and all records of its digest.
    fn resolve(&self, text: &str) -> Result<(Option<ImageRecord>, Vec<ImageRecord>)> {
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let is_id = (4..=64).contains(&digits.len()) && digits.bytes().all(is_digit);
        let named = Reference::parse_any(text, &self.semantics)?.tag_name_only();
        if matches!(named, AnyReference::Digest(_)) && !is_id {
            return Err(Error::invalid_parameter("invalid name reference")); // 3
        }
        let missing = || Error::not_found(format!("No such image: {}", named.familiar()));
        let found = self.world.image(named.as_str()).cloned();
        // 2
        if is_id && digits.len() < 64 {
            let mut hits = self.world.images.clone();
            hits.retain(|one| one.name == named.as_str() || one.target.digest.hex().starts_with(digits));
            let digests: BTreeSet<Digest> = hits.iter().map(|image| image.target.digest).collect();
            match hits.len() {
                0 => return Err(missing()),
                _ if digests.len() > 1 => return Err(Error::not_found("ambiguous reference")),
                1 if found.is_some() => {}
                _ => return Ok((found, hits)),
            }
        }
        // 3, 4
        let digest = found.as_ref().map(|image| image.target.digest.to_string());
        let digest = digest.or(named.digest().map(ToOwned::to_owned));
        let all = digest.map(|digest| self.images_of(&digest)).unwrap_or_default();
        if all.is_empty() { Err(missing()) } else { Ok((found, all)) }
    }

    ///
    fn same_references(&self, named: Option<&Reference>, all: &[ImageRecord]) -> Vec<ImageRecord> {
        let mut name = named.map(|named| named.name().to_owned());
        let mut tag = named.and_then(Reference::tag).map(ToOwned::to_owned);
        let all_tags = tag.is_none() && named.is_some_and(Reference::is_canonical);
        let (mut same, mut set_aside, mut is_other_tag) = (Vec::new(), Vec::new(), false);
        for image in all {
            let own = self.strict(&image.name).filter(|_| !image.is_dangling());
            let own_tag = own.as_ref().and_then(Reference::tag).map(ToOwned::to_owned);
            let is_first = name.is_none();
            match own.map(|own| own.name().to_owned()) {
                None => same.push(image.clone()),
                Some(own) if *name.get_or_insert(own.clone()) != own => {}
                Some(_) if is_first || all_tags || own_tag.is_some() && (tag.is_none() || tag == own_tag) => {
                    tag = own_tag;
                    same.push(image.clone());
                }
                Some(_) if own_tag.is_none() => set_aside.push(image.clone()),
                Some(_) => is_other_tag = true,
            }
        }
        same.extend(set_aside.into_iter().filter(|_| !is_other_tag));
        same
    }

    /// No collection follows.
    fn untag(&mut self, image: &ImageRecord) -> Result<()> {
        self.remove(&image.name)?;
        if let Ok(reference) = Reference::parse(&image.name, &self.semantics) {
            self.untagged(image, reference.familiar());
        }
        Ok(())
    }

    /// X-7c
    fn soft_delete(&mut self, image: &ImageRecord, names: usize) -> Result<()> {
        let (name, digest) = (&image.name, image.target.digest);
        let failed = |what: String| move |error: Error| Error::system(format!("failed to {what}: {error}"));
        if names == 1 {
            let mut labels = image.labels.clone();
            labels.remove("io.containerd.image.name"); // N-8
            labels.remove("org.opencontainers.image.ref.name");
            let what = format!("create a dangling image for the replaced image {name} with digest {digest}");
            self.ensure_dangling(image, labels).map_err(failed(what))?;
        }
        self.untag(image).map_err(failed(format!("delete image {name} which existed a moment before")))
    }

    ///
    fn delete_all(
        &mut self,
        id: Digest,
        all: &[ImageRecord],
        prune: bool,
        checks: (bool, bool),
    ) -> Result<()> {
        let parents = if prune { self.parents(id).unwrap_or_default() } else { Vec::new() };
        all.iter().try_for_each(|image| self.delete_record(image, all.len(), checks))?;
        self.deleted(id);
        //
        for parent in parents.iter().take_while(|parent| parent.is_dangling()) {
            if self.delete_record(parent, all.len(), (true, true)).is_err() {
                break;
            }
            self.deleted(parent.target.digest);
        }
        Ok(())
    }

    /// (a) always, (b) and (c) where they are checked. The digest has `names` records.
    fn delete_record(&mut self, image: &ImageRecord, names: usize, checks: (bool, bool)) -> Result<()> {
        let id = image.target.digest.to_string();
        let users = self.world.containers.iter().filter(|user| user.image_id == image.target.digest);
        let users = users.filter(|user| user.running || checks.0);
        if let Some(user) = users.min_by_key(|user| !user.running) {
            let (state, force) = if user.running { ("running", "cannot") } else { ("stopped", "must") };
            let cause = format!("image is being used by {state} container {}", short(&user.id));
            return Err(conflict(short(&id), force, &cause));
        }
        if checks.1 && names > 1 {
            return Err(conflict(short(&id), "must", "image is referenced in multiple repositories"));
        }
        let reference = Reference::parse_any(&image.name, &self.semantics);
        let reference = reference.map_err(|error| Error::system(error.to_string()))?;
        let is_child = |other: &ImageRecord| other.labels.get(PARENT) == Some(&id);
        let is_last = names == 1 && !image.is_dangling() && checks.1;
        if is_last && self.world.images.iter().any(is_child) {
            let ensured = self.ensure_dangling(image, image.labels.clone());
            ensured.map_err(|error| error.wrapped("failed to create dangling image"))?;
        }
        if !self.remove(&image.name)? {
            return Err(Error::not_found(format!("image \"{}\": not found", image.name)));
        }
        self.collect();
        if !image.is_dangling() {
            self.untagged(image, reference.familiar());
        }
        Ok(())
    }

    /// V-3
    fn deleted(&mut self, id: Digest) {
        self.say("delete", id, &id.to_string(), self.labels_of(id));
        self.records.push(RecordText::Deleted(id.to_string()));
    }

    /// `None` where a link leads nowhere.
    fn parents(&self, id: Digest) -> Option<Vec<ImageRecord>> {
        let mut line = vec![self.images_of(&id.to_string()).into_iter().next()?];
        while let Some(parent) = line.last().and_then(|child| child.labels.get(PARENT)) {
            let parent = self.images_of(parent).into_iter().next()?;
            // DIFFERENCE(cycle-of-parents): moby follows a cycle until its memory ends.
            if line.iter().any(|child| child.target.digest == parent.target.digest) {
                return None;
            }
            line.push(parent);
        }
        Some(line.split_off(1))
    }

    ///
    fn delete_platform(&mut self, image: &ImageRecord, wanted: &Platform) -> Result<()> {
        let mut manifests = self.manifests(image)?.into_iter();
        let (manifest, _) = manifests.find(|(_, own)| platform::is_same(own, wanted)).ok_or_else(|| {
            let familiar = self.familiar(image);
            let text = format!("image with reference {familiar} was found but does not provide any platform");
            Error::not_found(text)
        })?;
        for descriptor in self.walk(&manifest, &mut |_| Ok(true))? {
            self.change()?;
            let is_document = descriptor.is_manifest() || descriptor.is_index();
            if is_document && self.world.blob(&descriptor.digest).is_some() {
                self.records.push(RecordText::Deleted(descriptor.digest.clone()));
            }
            self.world.blobs.retain(|blob| blob.digest.to_string() != descriptor.digest);
        }
        Ok(())
    }
}

/// X-7c, X-9
fn conflict(what: &str, force: &str, cause: &str) -> Error {
    Error::conflict(format!("conflict: unable to delete {what} ({force} be forced) - {cause}"))
}

/// X-7c, C-5
fn uses(container: &Container, id: Digest, platforms: &[Platform]) -> bool {
    let own = container.platform.clone().unwrap_or_default();
    let is_asked_for = platforms.is_empty() || platforms.iter().any(|wanted| platform::is_same(&own, wanted));
    let mut mounts = container.mounts.iter();
    container.image_id == id && is_asked_for
        || mounts.any(|mount| mount.kind == "image" && mount.source == id.to_string())
}
