//! `ImageDelete` (X).

use std::collections::BTreeSet;

use crate::digest::{Digest, short};
use crate::go::time::Now;
use crate::oci::{is_index, is_manifest, platform};
use crate::record::RecordText;
use crate::reference::{AnyReference, Reference};
use crate::world::containerd::{Container, ImageRecord, Labels, Platform};
use crate::{Error, ErrorClass, Result};

use super::{Answer, Model, PARENT, is_dangling};

/// Which of the checks of X-9 run beside (a).
#[derive(Clone, Copy)]
struct Checks {
    stopped: bool,
    several: bool,
}

impl Model {
    /// `ImageDelete`. With an error the report has what was done before it; without one it may be `None`.
    pub fn delete(
        &mut self,
        text: &str,
        force: bool,
        prune: bool,
        platforms: &[Platform],
        now: Now,
    ) -> Answer<Vec<RecordText>> {
        let mut records = Vec::new();
        let error = self.delete_into(&mut records, (text, force, prune, platforms), now).err();
        Answer { report: Some(records).filter(|records| !records.is_empty()), error }
    }

    fn delete_into(
        &mut self,
        records: &mut Vec<RecordText>,
        (text, force, prune, platforms): (&str, bool, bool, &[Platform]),
        now: Now,
    ) -> Result<()> {
        if !platforms.is_empty() && !force {
            return Err(Error::invalid_parameter(
                "Content will be removed from all images referencing this variant. Use —-force to force delete.",
            ));
        }
        let (found, all) = self.resolve(text)?;
        let Some(shown) = found.as_ref().or(all.first()).cloned() else { return Ok(()) };
        let id = shown.target.digest;
        let is_prefix = id.to_string().starts_with(text) || id.hex().starts_with(text);
        let mut checks = Checks { stopped: !force, several: !force };
        match found {
            //
            None => {
                let named = if is_prefix { None } else { Reference::parse(text, &self.semantics).ok() };
                let same = self.same_references(named.clone(), &all);
                match &named {
                    Some(named) if same.is_empty() => return Err(no_such_image(named.clone())),
                    Some(_) if same.len() < all.len() && platforms.is_empty() => {
                        self.untag(&same, records);
                        return Ok(());
                    }
                    _ => checks.several &= same.len() < all.len(),
                }
            }
            //
            Some(image) if !is_prefix => {
                let named = Reference::parse(&image.name, &self.semantics)?;
                let same = self.same_references(Some(named.clone()), &all);
                if same.len() < all.len() && platforms.is_empty() {
                    self.untag(&same, records); // b
                    return Ok(());
                }
                checks.several &= all.len() == 1; // b
                let user = self.world.containers.iter().find(|container| uses(container, id, platforms));
                if let Some(user) = user.filter(|_| !force) {
                    return Err(Error::conflict(format!(
                        "conflict: unable to delete {} (must be forced) - container {} is using its referenced \
                         image {}",
                        named.familiar(),
                        short(&user.id),
                        short(&id.to_string()),
                    ))); // c
                }
                if user.is_some() && platforms.is_empty() {
                    if all.len() == 1 {
                        self.ensure_dangling(&image, without_names(&image.labels), now);
                    }
                    self.remove_image(&image.name);
                    self.say("untag", id, named.familiar(), Labels::new());
                    records.push(RecordText::Untagged(named.familiar().to_owned()));
                    return Ok(()); // c
                }
            }
            Some(_) => {} // a
        }
        if !platforms.is_empty() {
            return self.delete_platforms(id, &shown, platforms, records);
        }
        self.delete_all(id, &all, checks, prune, now, records)
    }

    /// The record that the text names, and all records of its digest.
    fn resolve(&self, text: &str) -> Result<(Option<ImageRecord>, Vec<ImageRecord>)> {
        let parsed = Reference::parse_any(text, &self.semantics)?;
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        let is_id = (4..=64).contains(&digits.len())
            && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let (found, digest) = match parsed.clone() {
            // 1
            AnyReference::Digest(digest) if is_id => {
                let found = self.image(&digest).cloned();
                (found.clone(), found.map_or(digest, |image| image.target.digest.to_string()))
            }
            AnyReference::Digest(_) => return Err(Error::invalid_parameter("invalid name reference")), // 3
            // 2
            AnyReference::Named(named) if is_id => {
                let name = named.clone().tag_name_only();
                let is_candidate = |image: &&ImageRecord| {
                    image.name == name.as_str() || image.target.digest.hex().starts_with(digits)
                };
                let candidates: Vec<ImageRecord> =
                    self.world.images.iter().filter(is_candidate).cloned().collect();
                let Some(first) = candidates.first() else { return Err(no_such_image(named)) };
                if candidates.iter().any(|image| image.target.digest != first.target.digest) {
                    return Err(Error::not_found("ambiguous reference"));
                }
                let found = candidates.iter().find(|image| image.name == name.as_str()).cloned();
                if found.is_none() || candidates.len() > 1 {
                    return Ok((found, candidates));
                }
                (found, first.target.digest.to_string())
            }
            // 3
            AnyReference::Named(named) => match self.image(named.clone().tag_name_only().as_str()) {
                Some(image) => (Some(image.clone()), image.target.digest.to_string()),
                None => match named.digest() {
                    Some(digest) => (None, digest.to_owned()),
                    None => return Err(no_such_image(named)),
                },
            },
        };
        // 4
        let all = self.images_of(&digest);
        match parsed {
            AnyReference::Named(named) if all.is_empty() => Err(no_such_image(named)),
            AnyReference::Digest(digest) if all.is_empty() => {
                Err(Error::not_found(format!("No such image: {digest}")))
            }
            _ => Ok((found, all)),
        }
    }

    ///
    fn same_references(&self, named: Option<Reference>, all: &[ImageRecord]) -> Vec<ImageRecord> {
        let all_tags = named.as_ref().is_some_and(|named| named.tag().is_none() && named.is_canonical());
        let mut tag = named.as_ref().and_then(|named| named.tag().map(ToOwned::to_owned));
        let mut name = named.map(|named| named.name().to_owned());
        let mut same = Vec::new();
        let mut set_aside = Some(Vec::new());
        for image in all {
            let reference = if is_dangling(image) { None } else { self.strict(&image.name) };
            let Some(reference) = reference else {
                same.push(image.clone());
                continue;
            };
            let own_tag = reference.tag().map(ToOwned::to_owned);
            match &name {
                None => {
                    name = Some(reference.name().to_owned());
                    tag = own_tag;
                    same.push(image.clone());
                }
                Some(name) if name != reference.name() => {}
                Some(_) if all_tags => same.push(image.clone()),
                Some(_) if own_tag.is_none() => {
                    set_aside.iter_mut().for_each(|aside| aside.push(image.clone()))
                }
                Some(_) if tag.is_none() || tag == own_tag => {
                    tag = own_tag;
                    same.push(image.clone());
                }
                Some(_) => set_aside = None,
            }
        }
        same.extend(set_aside.unwrap_or_default());
        same
    }

    /// No collection follows.
    fn untag(&mut self, images: &[ImageRecord], records: &mut Vec<RecordText>) {
        for image in images {
            self.remove_image(&image.name);
            if let Ok(reference) = Reference::parse(&image.name, &self.semantics) {
                self.say("untag", image.target.digest, reference.familiar(), Labels::new());
                records.push(RecordText::Untagged(reference.familiar().to_owned()));
            }
        }
    }

    ///
    fn delete_all(
        &mut self,
        id: Digest,
        all: &[ImageRecord],
        checks: Checks,
        prune: bool,
        now: Now,
        records: &mut Vec<RecordText>,
    ) -> Result<()> {
        let parents = if prune { self.parents(id).unwrap_or_default() } else { Vec::new() };
        for image in all {
            self.delete_record(image, all.len(), checks, now, records)?;
        }
        self.say_deleted(id, records);
        //
        let checks = Checks { stopped: true, several: true };
        for parent in parents.iter().take_while(|parent| is_dangling(parent)) {
            if self.delete_record(parent, all.len(), checks, now, records).is_err() {
                break;
            }
            self.say_deleted(parent.target.digest, records);
        }
        Ok(())
    }

    fn delete_record(
        &mut self,
        image: &ImageRecord,
        names: usize,
        checks: Checks,
        now: Now,
        records: &mut Vec<RecordText>,
    ) -> Result<()> {
        let id = image.target.digest;
        self.check(id, names, checks)?;
        let plain = |error: Error| Error::new(ErrorClass::System, error.to_string());
        let parsed = Reference::parse_any(&image.name, &self.semantics).map_err(plain)?;
        let is_parent =
            |other: &ImageRecord| other.labels.get(PARENT).is_some_and(|parent| *parent == id.to_string());
        let is_last = names == 1 && !is_dangling(image) && checks.several;
        if is_last && self.world.images.iter().any(is_parent) {
            self.ensure_dangling(image, image.labels.clone(), now);
        }
        if !self.delete_and_collect(&image.name, now) {
            return Err(Error::not_found(format!("image \"{}\": not found", image.name)));
        }
        if !is_dangling(image) {
            let familiar = match &parsed {
                AnyReference::Digest(digest) => digest,
                AnyReference::Named(named) => named.familiar(),
            };
            self.say("untag", id, familiar, Labels::new());
            records.push(RecordText::Untagged(familiar.to_owned()));
        }
        Ok(())
    }

    ///
    fn check(&self, id: Digest, names: usize, checks: Checks) -> Result<()> {
        let short_id = short(&id.to_string()).to_owned();
        let user = |running| {
            self.world.containers.iter().find(|user| user.image_id == id && user.running == running)
        };
        if let Some(user) = user(true) {
            return Err(Error::conflict(format!(
                "conflict: unable to delete {short_id} (cannot be forced) - image is being used by running \
                 container {}",
                short(&user.id)
            )));
        }
        if let Some(user) = user(false).filter(|_| checks.stopped) {
            return Err(Error::conflict(format!(
                "conflict: unable to delete {short_id} (must be forced) - image is being used by stopped \
                 container {}",
                short(&user.id)
            )));
        }
        if checks.several && names > 1 {
            return Err(Error::conflict(format!(
                "conflict: unable to delete {short_id} (must be forced) - image is referenced in multiple \
                 repositories"
            )));
        }
        Ok(())
    }

    /// V-3
    fn say_deleted(&mut self, id: Digest, records: &mut Vec<RecordText>) {
        self.say("delete", id, &id.to_string(), self.labels_of(id));
        records.push(RecordText::Deleted(id.to_string()));
    }

    /// `None` where a link leads nowhere.
    fn parents(&self, id: Digest) -> Option<Vec<ImageRecord>> {
        let mut parents: Vec<ImageRecord> = Vec::new();
        let mut seen = BTreeSet::from([id]);
        let mut child = self.images_of(&id.to_string()).into_iter().next()?;
        while let Some(parent) = child.labels.get(PARENT) {
            let parent = self.images_of(parent).into_iter().next()?;
            // DIFFERENCE: moby follows a cycle until its memory ends.
            if !seen.insert(parent.target.digest) {
                return None;
            }
            parents.push(parent.clone());
            child = parent;
        }
        Some(parents)
    }

    ///
    fn delete_platforms(
        &mut self,
        id: Digest,
        image: &ImageRecord,
        platforms: &[Platform],
        records: &mut Vec<RecordText>,
    ) -> Result<()> {
        let mut deleted = Vec::new();
        for wanted in platforms {
            let platform = platform::text(wanted);
            let context = |error: &Error| {
                Error::new(
                    error.class(),
                    format!("failed to delete platform {platform} for image {id}: {error}"),
                )
            };
            let is_wanted =
                |platform: &Platform| platform::normalized(platform) == platform::normalized(wanted);
            let manifests = self.manifests(image).map_err(|error| context(&error))?;
            let Some((manifest, _)) = manifests.into_iter().find(|(_, platform)| is_wanted(platform)) else {
                let familiar = self.familiar(image);
                let text =
                    format!("image with reference {familiar} was found but does not provide any platform");
                return Err(context(&Error::not_found(text)));
            };
            for descriptor in self.present(manifest).map_err(|error| context(&error))? {
                let before = self.world.blobs.len();
                self.world.blobs.retain(|blob| blob.digest.to_string() != descriptor.digest);
                if self.world.blobs.len() < before
                    && (is_manifest(&descriptor.media_type) || is_index(&descriptor.media_type))
                {
                    deleted.push(RecordText::Deleted(descriptor.digest));
                }
            }
        }
        records.extend(deleted);
        Ok(())
    }
}

///
fn no_such_image(named: Reference) -> Error {
    Error::not_found(format!("No such image: {}", named.tag_name_only().familiar()))
}

/// X-7c, C-5
fn uses(container: &Container, id: Digest, platforms: &[Platform]) -> bool {
    let own = container.platform.clone().unwrap_or_default();
    let is_asked_for = platforms.is_empty()
        || platforms.iter().any(|wanted| platform::normalized(wanted) == platform::normalized(&own));
    let mounts =
        |mount: &crate::world::containerd::Mount| mount.kind == "image" && mount.source == id.to_string();
    (container.image_id == id && is_asked_for) || container.mounts.iter().any(mounts)
}

/// N-8
fn without_names(labels: &Labels) -> Labels {
    let mut labels = labels.clone();
    labels.remove("io.containerd.image.name");
    labels.remove("org.opencontainers.image.ref.name");
    labels
}
