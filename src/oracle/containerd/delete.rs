//! `ImageDelete` (X).

use std::collections::BTreeSet;

use crate::api::record::RecordText;
use crate::base::digest::{Digest, short};
use crate::base::error::{Error, ErrorClass, Result};
use crate::document::oci::{Descriptor, is_index, is_manifest, platform};
use crate::document::reference::{AnyReference, Reference};
use crate::document::world::containerd::{Container, ImageRecord, Labels, Platform};
use crate::go::time::Now;

use super::{Answer, Model, PARENT, is_dangling};

/// One call, and what it has recorded so far.
struct Call<'a> {
    force: bool,
    prune: bool,
    platforms: &'a [Platform],
    now: Now,
    records: Vec<RecordText>,
}

impl Model {
    /// `ImageDelete`. With an error the report has what was done before it; without one it may be `None`.
    pub fn delete(
        &mut self,
        text: &str,
        (force, prune): (bool, bool),
        platforms: &[Platform],
        now: Now,
    ) -> Answer<Vec<RecordText>> {
        let mut call = Call { force, prune, platforms, now, records: Vec::new() };
        let error = self.delete_for(&mut call, text).err();
        Answer { report: Some(call.records).filter(|records| !records.is_empty()), error }
    }

    fn delete_for(&mut self, call: &mut Call<'_>, text: &str) -> Result<()> {
        if !call.platforms.is_empty() && !call.force {
            return Err(Error::invalid_parameter(
                "Content will be removed from all images referencing this variant. Use —-force to force delete.",
            ));
        }
        let (found, all) = self.resolve(text)?;
        let Some(shown) = found.as_ref().or(all.first()) else { return Ok(()) };
        let id = shown.target.digest;
        let is_prefix = id.to_string().starts_with(text) || id.hex().starts_with(text);
        // X-5, X-7a
        let mut named = if is_prefix { None } else { Reference::parse(text, &self.semantics).ok() };
        let mut checks_several = !call.force;
        if let Some(found) = found.as_ref().filter(|_| !is_prefix) {
            named = Some(Reference::parse(&found.name, &self.semantics)?); // X-7b
        }
        if found.is_none() || !is_prefix {
            let same = self.same_references(named.clone(), &all);
            match named.clone() {
                Some(named) if same.is_empty() => return Err(no_such_image(named)),
                Some(_) if same.len() < all.len() && call.platforms.is_empty() => {
                    for image in &same {
                        self.untag(image, call)?;
                    }
                    return Ok(());
                }
                // X-5, X-7b: one record with a name of its own may still leave its children a dangling record.
                _ => checks_several &= same.len() < all.len() || found.is_some() && all.len() == 1,
            }
        }
        let user = self.world.containers.iter().find(|container| uses(container, id, call.platforms));
        if let (Some(found), Some(named), Some(user)) = (&found, &named, user) {
            let (named, user, short_id) = (named.familiar(), short(&user.id), id.to_string());
            if !call.force {
                return Err(Error::conflict(format!(
                    "conflict: unable to delete {named} (must be forced) - container {user} is using its \
                     referenced image {}",
                    short(&short_id),
                ))); // X-7c
            }
            if call.platforms.is_empty() {
                let (name, digest) = (&found.name, found.target.digest);
                if all.len() == 1 {
                    self.ensure_dangling(found, without_names(&found.labels), call.now).map_err(|error| {
                        Error::system(format!(
                            "failed to create a dangling image for the replaced image {name} with digest \
                             {digest}: {error}"
                        ))
                    })?;
                }
                return self.untag(found, call).map_err(|error| {
                    let text =
                        format!("failed to delete image {name} which existed a moment before: {error}");
                    Error::system(text)
                }); // X-7c
            }
        }
        if call.platforms.is_empty() {
            self.delete_all(call, id, &all, checks_several)
        } else {
            self.delete_platforms(call, &shown.clone())
        }
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
        let (mut set_aside, mut can_be_set_aside) = (Vec::new(), true);
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
                Some(_) if own_tag.is_none() => set_aside.extend(can_be_set_aside.then(|| image.clone())),
                Some(_) if tag.is_none() || tag == own_tag => {
                    tag = own_tag;
                    same.push(image.clone());
                }
                Some(_) => can_be_set_aside = false,
            }
        }
        same.extend(set_aside.into_iter().filter(|_| can_be_set_aside));
        same
    }

    /// No collection follows.
    fn untag(&mut self, image: &ImageRecord, call: &mut Call<'_>) -> Result<()> {
        self.remove_image(&image.name)?;
        if let Ok(reference) = Reference::parse(&image.name, &self.semantics) {
            self.say_untagged(call, image, reference.familiar());
        }
        Ok(())
    }

    ///
    fn delete_all(
        &mut self,
        call: &mut Call<'_>,
        id: Digest,
        all: &[ImageRecord],
        checks_several: bool,
    ) -> Result<()> {
        let parents = if call.prune { self.parents(id).unwrap_or_default() } else { Vec::new() };
        for image in all {
            self.delete_record(call, image, all.len(), (!call.force, checks_several))?;
        }
        self.say_deleted(call, id);
        //
        for parent in parents.iter().take_while(|parent| is_dangling(parent)) {
            if self.delete_record(call, parent, all.len(), (true, true)).is_err() {
                break;
            }
            self.say_deleted(call, parent.target.digest);
        }
        Ok(())
    }

    /// (a) always, (b) and (c) where they are checked. The digest has `names` records.
    fn delete_record(
        &mut self,
        call: &mut Call<'_>,
        image: &ImageRecord,
        names: usize,
        (checks_stopped, checks_several): (bool, bool),
    ) -> Result<()> {
        let id = image.target.digest.to_string();
        let user = |running| {
            let is_user = |user: &&Container| user.image_id == image.target.digest && user.running == running;
            self.world.containers.iter().find(is_user).map(|user| short(&user.id))
        };
        let conflict = |force: &str, cause: &str| {
            let id = short(&id);
            Err(Error::conflict(format!(
                "conflict: unable to delete {id} ({force} be forced) - image is {cause}"
            )))
        };
        if let Some(user) = user(true) {
            return conflict("cannot", &format!("being used by running container {user}"));
        }
        if let Some(user) = user(false).filter(|_| checks_stopped) {
            return conflict("must", &format!("being used by stopped container {user}"));
        }
        if checks_several && names > 1 {
            return conflict("must", "referenced in multiple repositories");
        }
        let plain = |error: Error| Error::new(ErrorClass::System, error.to_string());
        let parsed = Reference::parse_any(&image.name, &self.semantics).map_err(plain)?;
        let is_child = |other: &ImageRecord| other.labels.get(PARENT) == Some(&id);
        let is_last = names == 1 && !is_dangling(image) && checks_several;
        if is_last && self.world.images.iter().any(is_child) {
            self.ensure_dangling(image, image.labels.clone(), call.now).map_err(|error| {
                Error::new(error.class(), format!("failed to create dangling image: {error}"))
            })?;
        }
        if !self.delete_and_collect(&image.name, call.now)? {
            return Err(Error::not_found(format!("image \"{}\": not found", image.name)));
        }
        let familiar = match &parsed {
            AnyReference::Digest(digest) => digest,
            AnyReference::Named(reference) => reference.familiar(),
        };
        if !is_dangling(image) {
            self.say_untagged(call, image, familiar);
        }
        Ok(())
    }

    fn say_untagged(&mut self, call: &mut Call<'_>, image: &ImageRecord, familiar: &str) {
        self.say("untag", image.target.digest, familiar, Labels::new());
        call.records.push(RecordText::Untagged(familiar.to_owned()));
    }

    /// V-3
    fn say_deleted(&mut self, call: &mut Call<'_>, id: Digest) {
        self.say("delete", id, &id.to_string(), self.labels_of(id));
        call.records.push(RecordText::Deleted(id.to_string()));
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
    fn delete_platforms(&mut self, call: &mut Call<'_>, image: &ImageRecord) -> Result<()> {
        let mut deleted = Vec::new();
        for platform in call.platforms {
            deleted.extend(self.delete_platform(image, platform).map_err(|error| {
                let (id, platform) = (image.target.digest, platform::text(platform));
                let text = format!("failed to delete platform {platform} for image {id}: {error}");
                Error::new(error.class(), text)
            })?);
        }
        call.records.extend(deleted);
        Ok(())
    }

    fn delete_platform(&mut self, image: &ImageRecord, wanted: &Platform) -> Result<Vec<RecordText>> {
        let mut manifests = self.manifests(image)?;
        manifests.retain(|(_, platform)| platform::normalized(platform) == platform::normalized(wanted));
        let Some((manifest, _)) = manifests.into_iter().next() else {
            let familiar = self.familiar(image);
            let text = format!("image with reference {familiar} was found but does not provide any platform");
            return Err(Error::not_found(text));
        };
        let mut deleted = Vec::new();
        for Descriptor { media_type, digest, .. } in self.present(manifest)? {
            self.change()?;
            let is_named = is_manifest(&media_type) || is_index(&media_type);
            if self.blob(&digest).is_some() && is_named {
                deleted.push(RecordText::Deleted(digest.clone()));
            }
            self.world.blobs.retain(|blob| blob.digest.to_string() != digest);
        }
        Ok(deleted)
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
    let mut mounts = container.mounts.iter();
    (container.image_id == id && is_asked_for)
        || mounts.any(|mount| mount.kind == "image" && mount.source == id.to_string())
}

/// N-8
fn without_names(labels: &Labels) -> Labels {
    let mut labels = labels.clone();
    labels.remove("io.containerd.image.name");
    labels.remove("org.opencontainers.image.ref.name");
    labels
}
