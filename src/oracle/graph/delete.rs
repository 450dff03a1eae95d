//! `ImageDelete` (rules D): `daemon/images/image_delete.go`.

use crate::api::event::ImageEvent;
use crate::api::record::Record;
use crate::base::digest::{ImageId, short};
use crate::base::error::{Error, Result};
use crate::document::reference::Reference;
use crate::document::world::Container;

use super::Model;

/// A deletion that failed. What it changed before stays changed (D-14).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Why.
    pub error: Error,
    /// What it did before; empty in every case but one: the save that fails while digest references
    /// are cleaned up (D-14, row 5).
    pub records: Vec<Record>,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, records: Vec::new() }
    }
}

/// Why an image may not be deleted (D-7).
struct Conflict {
    error: Error,
    /// A container uses the image.
    used: bool,
}

impl Model {
    /// Deletes what `text` names: a reference, and the image with its last one, or an image by its
    /// ID. With `force` soft conflicts do not count, with `prune` its parents go along.
    ///
    /// # Errors
    ///
    /// Every row of D-14 and D-7.
    pub fn delete(&mut self, text: &str, force: bool, prune: bool) -> Result<Vec<Record>, Failed> {
        let mut records = Vec::new();
        let id = self.get_image(text)?; // D-1
        if self.semantics.os_is_checked_on_delete
            && self.image(id).is_some_and(|stored| !stored.image.is_os_supported())
        {
            let text = "unable to delete image: \"operating system is not supported\""; // D-2
            return Err(Error::system(text).into());
        }
        let references = self.references_of(id);
        // D-3: the text decides, not how the image was found.
        let by_reference = !id.to_string().starts_with(text) && !id.hex().starts_with(text);
        if by_reference {
            if !force && is_single(&references) {
                self.refuse_last_reference(text, id)?;
            }
            let removed = Reference::parse(text, &self.semantics)?.tag_name_only();
            self.remove_reference(&removed)?; // D-5.2
            self.events.push(self.untag_event(id));
            records.push(Record::Untagged(removed.clone())); // D-5.3
            if let Err(error) = self.clean_up_digests(id, &removed, &mut records) {
                return Err(Failed { error, records });
            }
            if !self.references_of(id).is_empty() {
                return Ok(records); // D-5.5
            }
        } else if is_single(&references) {
            // D-6: several references stay here, and the helper refuses or removes them.
            if let Some(conflict) = self.conflict(id, false, !force) {
                return Err(conflict.error.into()); // D-6.1
            }
            self.untag_all(id, &mut records)?;
        }
        self.delete_with_parents(id, force, prune, by_reference, &mut records)?; // D-5.6, D-6
        Ok(records)
    }

    /// D-5.1: a container keeps the last reference of its image.
    fn refuse_last_reference(&self, text: &str, id: ImageId) -> Result<()> {
        let uses = |container: &&Container| {
            container.image == id
                || self.semantics.image_mounts_are_use && container.image_mounts.contains(&id)
        };
        let Some(container) = self.containers.iter().find(uses) else { return Ok(()) };
        Err(Error::conflict(format!(
            "conflict: unable to remove repository reference \"{text}\" (must force) - \
             container {} is using its referenced image {}",
            short(&container.id.to_string()),
            short(&id.to_string()),
        )))
    }

    /// D-5.4: with a repository's last tag its digest references go, without events.
    fn clean_up_digests(
        &mut self,
        id: ImageId,
        removed: &Reference,
        records: &mut Vec<Record>,
    ) -> Result<()> {
        let mut rest = self.references_of(id);
        rest.retain(|reference| reference.name() == removed.name());
        if removed.is_canonical() || rest.iter().any(|reference| !reference.is_canonical()) {
            return Ok(());
        }
        for reference in rest {
            self.remove_reference(&reference)?;
            records.push(Record::Untagged(reference));
        }
        Ok(())
    }

    /// Deletes every reference of the image, with an event and a record each (D-6.1, D-8).
    fn untag_all(&mut self, id: ImageId, records: &mut Vec<Record>) -> Result<()> {
        for reference in self.references_of(id) {
            self.remove_reference(&reference)?;
            self.events.push(self.untag_event(id));
            records.push(Record::Untagged(reference));
        }
        Ok(())
    }

    /// D-13: labels while the image is readable.
    fn untag_event(&self, id: ImageId) -> ImageEvent {
        let labels = self.image(id).and_then(|stored| stored.image.labels().cloned());
        ImageEvent::Untag(id, labels)
    }

    /// The helper (D-8), and the helper on the parent, and on its parent (D-12).
    fn delete_with_parents(
        &mut self,
        mut id: ImageId,
        mut force: bool,
        prune: bool,
        mut quiet: bool,
        records: &mut Vec<Record>,
    ) -> Result<()> {
        loop {
            if let Some(conflict) = self.conflict(id, !force, !force) {
                let dangling = self.references_of(id).is_empty() && !self.has_children(id);
                let ignored = quiet && (!dangling || conflict.used);
                return if ignored { Ok(()) } else { Err(conflict.error) };
            }
            let parent = self.image(id).and_then(|stored| stored.parent);
            self.untag_all(id, records)?;
            let layers = self.delete_image(id)?; // D-10: fails on a parent that names no image
            self.events.push(ImageEvent::Delete(id));
            records.push(Record::Image(id));
            records.extend(layers.into_iter().map(Record::Layer));
            let (true, Some(parent)) = (prune, parent) else { return Ok(()) };
            // D-12, L-6: no filter is asked, force is not inherited, and the first ancestor that may not go ends it quietly.
            (id, force, quiet) = (parent, false, true);
        }
    }

    /// `checkImageDeleteConflict` (D-7), in its order. Children and running containers always count.
    fn conflict(&self, id: ImageId, references_count: bool, stopped_count: bool) -> Option<Conflict> {
        let conflict = |severity: &str, used: bool, reason: &str| {
            let image = id.to_string();
            let text = format!("conflict: unable to delete {} ({severity}) - {reason}", short(&image));
            Some(Conflict { error: Error::conflict(text), used })
        };
        let user = |running: bool| {
            let container = self.containers.iter().find(|one| one.image == id && one.running == running)?;
            Some(short(&container.id.to_string()).to_owned())
        };
        if self.has_children(id) {
            return conflict("cannot be forced", false, "image has dependent child images");
        }
        if let Some(container) = user(true) {
            return conflict(
                "cannot be forced",
                true,
                &format!("image is being used by running container {container}"),
            );
        }
        if references_count && !self.references_of(id).is_empty() {
            return conflict("must be forced", false, "image is referenced in multiple repositories");
        }
        if let (true, Some(container)) = (stopped_count, user(false)) {
            return conflict(
                "must be forced",
                true,
                &format!("image is being used by stopped container {container}"),
            );
        }
        None
    }
}

/// `isSingleReference` (D-4): all of one repository, with at most one tag among them; not none.
fn is_single(references: &[Reference]) -> bool {
    let Some(first) = references.first() else { return false };
    let tags = references.iter().filter(|reference| !reference.is_canonical()).count();
    tags <= 1 && references.iter().all(|reference| reference.name() == first.name())
}
