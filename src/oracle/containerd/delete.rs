//! `ImageDelete` (X).

use std::collections::BTreeSet;

use crate::api::record::RecordText;
use crate::api::service::Returned;
use crate::base::digest::{Digest, short};
use crate::base::error::{Error, Result};
use crate::document::oci::{Descriptor, is_index, is_manifest, platform};
use crate::document::reference::{AnyReference, Reference};
use crate::document::world::containerd::{Container, ImageRecord, Platform};
use crate::go::time::Now;

use super::{Model, PARENT, is_dangling};

/// What is asked, but for the name.
struct Asked<'a> {
    force: bool,
    prune: bool,
    platforms: &'a [Platform],
    now: Now,
}

impl Model {
    /// `ImageDelete`. With an error the report has what was done before it; without one it may be `None`.
    pub fn delete(
        &mut self,
        text: &str,
        (force, prune): (bool, bool),
        platforms: &[Platform],
        now: Now,
    ) -> Returned<Vec<RecordText>> {
        self.records.clear();
        let error = self.delete_for(text, &Asked { force, prune, platforms, now }).err();
        let records = std::mem::take(&mut self.records);
        Returned { report: Some(records).filter(|records| !records.is_empty()), error }
    }

    fn delete_for(&mut self, text: &str, asked: &Asked<'_>) -> Result<()> {
        if !asked.platforms.is_empty() && !asked.force {
            return Err(Error::invalid_parameter(
                "Content will be removed from all images referencing this variant. Use —-force to force delete.",
            ));
        }
        let (found, all) = self.resolve(text)?;
        let Some(shown) = found.clone().or(all.first().cloned()) else { return Ok(()) };
        let id = shown.target.digest;
        let is_prefix = id.to_string().starts_with(text) || id.hex().starts_with(text);
        let named = match &found {
            _ if is_prefix => None,                                               // X-5, X-7a
            Some(found) => Some(Reference::parse(&found.name, &self.semantics)?), // X-7b
            None => Reference::parse(text, &self.semantics).ok(),
        };
        let mut checks_several = !asked.force;
        if found.is_none() || !is_prefix {
            let same = self.same_references(named.as_ref(), &all);
            match &named {
                Some(named) if same.is_empty() => return Err(no_such_image(named)),
                Some(_) if same.len() < all.len() && asked.platforms.is_empty() => {
                    return same.iter().try_for_each(|image| self.untag(image));
                }
                // X-5, X-7b: one record with a name of its own may still leave its children a dangling record.
                _ => checks_several &= same.len() < all.len() || found.is_some() && all.len() == 1,
            }
        }
        let user = self.world.containers.iter().find(|container| uses(container, id, asked.platforms));
        match (&found, &named, user) {
            (Some(_), Some(named), Some(user)) if !asked.force => {
                let (named, user, id) = (named.familiar(), short(&user.id), id.to_string());
                let cause = format!("container {user} is using its referenced image {}", short(&id));
                Err(conflict(named, "must", &cause)) // X-7c
            }
            (Some(found), Some(_), Some(_)) if asked.platforms.is_empty() => {
                self.soft_delete(found, all.len(), asked.now)
            }
            _ if asked.platforms.is_empty() => self.delete_all(asked, id, &all, checks_several),
            _ => self.delete_platforms(asked, &shown),
        }
    }

    /// The record that the text names, and all records of its digest.
    fn resolve(&self, text: &str) -> Result<(Option<ImageRecord>, Vec<ImageRecord>)> {
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        let is_id = (4..=64).contains(&digits.len())
            && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let named = match Reference::parse_any(text, &self.semantics)? {
            AnyReference::Named(named) => named,
            AnyReference::Digest(_) if !is_id => {
                return Err(Error::invalid_parameter("invalid name reference"));
            } // 3
            AnyReference::Digest(digest) => {
                // 1, 4
                let found = self.image(&digest).cloned();
                let all = found.as_ref().map(|image| image.target.digest.to_string());
                let all = self.images_of(&all.unwrap_or_else(|| digest.clone()));
                let missing = || Error::not_found(format!("No such image: {digest}"));
                return if all.is_empty() { Err(missing()) } else { Ok((found, all)) };
            }
        };
        let name = named.clone().tag_name_only();
        let found = self.image(name.as_str()).cloned();
        if is_id {
            // 2
            let mut candidates = self.world.images.clone();
            candidates
                .retain(|image| image.name == name.as_str() || image.target.digest.hex().starts_with(digits));
            let digests: BTreeSet<Digest> = candidates.iter().map(|image| image.target.digest).collect();
            match candidates.len() {
                0 => return Err(no_such_image(&named)),
                _ if digests.len() > 1 => return Err(Error::not_found("ambiguous reference")),
                1 if found.is_some() => {}
                _ => return Ok((found, candidates)),
            }
        }
        // 3, 4
        let digest = found.as_ref().map(|image| image.target.digest.to_string());
        let digest = digest.or(named.digest().map(ToOwned::to_owned));
        let all = digest.map(|digest| self.images_of(&digest)).unwrap_or_default();
        if all.is_empty() { Err(no_such_image(&named)) } else { Ok((found, all)) }
    }

    ///
    fn same_references(&self, named: Option<&Reference>, all: &[ImageRecord]) -> Vec<ImageRecord> {
        let mut name = named.map(|named| named.name().to_owned());
        let mut tag = named.and_then(Reference::tag).map(ToOwned::to_owned);
        let all_tags = tag.is_none() && named.is_some_and(Reference::is_canonical);
        let (mut same, mut set_aside, mut is_other_tag) = (Vec::new(), Vec::new(), false);
        for image in all {
            let Some(reference) = self.strict(&image.name).filter(|_| !is_dangling(image)) else {
                same.push(image.clone());
                continue;
            };
            let (is_first, own_tag) = (name.is_none(), reference.tag().map(ToOwned::to_owned));
            if *name.get_or_insert_with(|| reference.name().to_owned()) != *reference.name() {
                continue;
            }
            if is_first || all_tags || own_tag.is_some() && (tag.is_none() || tag == own_tag) {
                tag = own_tag;
                same.push(image.clone());
            } else if own_tag.is_none() {
                set_aside.push(image.clone());
            } else {
                is_other_tag = true;
            }
        }
        same.extend(set_aside.into_iter().filter(|_| !is_other_tag));
        same
    }

    /// No collection follows.
    fn untag(&mut self, image: &ImageRecord) -> Result<()> {
        self.remove(&image.name, None)?;
        if let Ok(reference) = Reference::parse(&image.name, &self.semantics) {
            self.untagged(image, reference.familiar());
        }
        Ok(())
    }

    /// X-7c
    fn soft_delete(&mut self, image: &ImageRecord, names: usize, now: Now) -> Result<()> {
        let (name, digest) = (&image.name, image.target.digest);
        let failed = |what: &str, error: &Error| Error::system(format!("failed to {what}: {error}"));
        if names == 1 {
            let mut labels = image.labels.clone();
            labels.remove("io.containerd.image.name"); // N-8
            labels.remove("org.opencontainers.image.ref.name");
            let what = format!("create a dangling image for the replaced image {name} with digest {digest}");
            self.ensure_dangling(image, labels, now).map_err(|error| failed(&what, &error))?;
        }
        let what = format!("delete image {name} which existed a moment before");
        self.untag(image).map_err(|error| failed(&what, &error))
    }

    ///
    fn delete_all(
        &mut self,
        asked: &Asked<'_>,
        id: Digest,
        all: &[ImageRecord],
        checks_several: bool,
    ) -> Result<()> {
        let parents = if asked.prune { self.parents(id).unwrap_or_default() } else { Vec::new() };
        for image in all {
            self.delete_record(image, all.len(), (!asked.force, checks_several), asked.now)?;
        }
        self.deleted(id);
        //
        for parent in parents.iter().take_while(|parent| is_dangling(parent)) {
            if self.delete_record(parent, all.len(), (true, true), asked.now).is_err() {
                break;
            }
            self.deleted(parent.target.digest);
        }
        Ok(())
    }

    /// (a) always, (b) and (c) where they are checked. The digest has `names` records.
    fn delete_record(
        &mut self,
        image: &ImageRecord,
        names: usize,
        (checks_stopped, checks_several): (bool, bool),
        now: Now,
    ) -> Result<()> {
        let id = image.target.digest.to_string();
        let user = |running| {
            let is_user = |user: &&Container| user.image_id == image.target.digest && user.running == running;
            self.world.containers.iter().find(is_user).map(|user| short(&user.id))
        };
        let in_use = |state: &str, by: &str| format!("image is being used by {state} container {by}");
        if let Some(container) = user(true) {
            return Err(conflict(short(&id), "cannot", &in_use("running", container)));
        }
        if let Some(container) = user(false).filter(|_| checks_stopped) {
            return Err(conflict(short(&id), "must", &in_use("stopped", container)));
        }
        if checks_several && names > 1 {
            return Err(conflict(short(&id), "must", "image is referenced in multiple repositories"));
        }
        let plain = |error: Error| Error::system(error.to_string());
        let familiar = match Reference::parse_any(&image.name, &self.semantics).map_err(plain)? {
            AnyReference::Digest(digest) => digest,
            AnyReference::Named(reference) => reference.familiar().to_owned(),
        };
        let is_child = |other: &ImageRecord| other.labels.get(PARENT) == Some(&id);
        let is_last = names == 1 && !is_dangling(image) && checks_several;
        if is_last && self.world.images.iter().any(is_child) {
            self.ensure_dangling(image, image.labels.clone(), now).map_err(|error| {
                Error::new(error.class(), format!("failed to create dangling image: {error}"))
            })?;
        }
        if !self.remove(&image.name, Some(now))? {
            return Err(Error::not_found(format!("image \"{}\": not found", image.name)));
        }
        if !is_dangling(image) {
            self.untagged(image, &familiar);
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
        let mut parents: Vec<ImageRecord> = Vec::new();
        let mut seen = BTreeSet::from([id]);
        let mut child = self.images_of(&id.to_string()).into_iter().next()?;
        while let Some(parent) = child.labels.get(PARENT) {
            let parent = self.images_of(parent).into_iter().next()?;
            // DIFFERENCE(cycle-of-parents): moby follows a cycle until its memory ends.
            if !seen.insert(parent.target.digest) {
                return None;
            }
            parents.push(parent.clone());
            child = parent;
        }
        Some(parents)
    }

    /// Where one of the platforms fails, nothing is recorded.
    fn delete_platforms(&mut self, asked: &Asked<'_>, image: &ImageRecord) -> Result<()> {
        for platform in asked.platforms {
            self.delete_platform(image, platform).map_err(|error| {
                self.records.clear();
                let (id, platform) = (image.target.digest, platform::text(platform));
                let text = format!("failed to delete platform {platform} for image {id}: {error}");
                Error::new(error.class(), text)
            })?;
        }
        Ok(())
    }

    fn delete_platform(&mut self, image: &ImageRecord, wanted: &Platform) -> Result<()> {
        let mut manifests = self.manifests(image)?.into_iter();
        let is_wanted = |own: &Platform| platform::normalized(own) == platform::normalized(wanted);
        let Some((manifest, _)) = manifests.find(|(_, own)| is_wanted(own)) else {
            let familiar = self.familiar(image);
            let text = format!("image with reference {familiar} was found but does not provide any platform");
            return Err(Error::not_found(text));
        };
        for Descriptor { media_type, digest, .. } in self.present(manifest)? {
            self.change()?;
            if self.blob(&digest).is_some() && (is_manifest(&media_type) || is_index(&media_type)) {
                self.records.push(RecordText::Deleted(digest.clone()));
            }
            self.world.blobs.retain(|blob| blob.digest.to_string() != digest);
        }
        Ok(())
    }
}

/// X-7c, X-9
fn conflict(what: &str, force: &str, cause: &str) -> Error {
    Error::conflict(format!("conflict: unable to delete {what} ({force} be forced) - {cause}"))
}

///
fn no_such_image(named: &Reference) -> Error {
    Error::not_found(format!("No such image: {}", named.clone().tag_name_only().familiar()))
}

/// X-7c, C-5
fn uses(container: &Container, id: Digest, platforms: &[Platform]) -> bool {
    let own = container.platform.clone().unwrap_or_default();
    let is_asked_for = platforms.is_empty()
        || platforms.iter().any(|wanted| platform::normalized(wanted) == platform::normalized(&own));
    let mut mounts = container.mounts.iter();
    (container.image_id == id && is_asked_for)
        || mounts.any(|mount| mount.kind == "image" && mount.source == id.to_string())
}
