//! Why moby does not do what was observed: the rule, and a sentence.

use crate::api::record::{Record, RecordText};
use crate::api::request::{PruneRequest, Rejection};
use crate::base::cancel::Never;
use crate::base::digest::{ChainId, ImageId};
use crate::document::image::Image;
use crate::document::reference::Reference;
use crate::document::world::World;
use crate::oracle::graph::Model;

use super::{Case, Holder, Left};

/// A rule's ID and a sentence.
pub(super) struct Reason {
    pub rule: &'static str,
    pub why: String,
    /// What the rule is about here, of those that are about both.
    pub holder: Option<Holder>,
}

impl Reason {
    pub fn new(rule: &'static str, why: impl Into<String>) -> Self {
        Self { rule, why: why.into(), holder: None }
    }

    pub fn held_by(self, holder: Holder) -> Self {
        Self { holder: Some(holder), ..self }
    }
}

/// What is known when something turns out to be wrong: the stores before and as a run of the model left them.
pub(super) struct Reasons<'a> {
    case: &'a Case<'a>,
    request: &'a PruneRequest,
    left: &'a World,
}

impl<'a> Reasons<'a> {
    pub fn new(case: &'a Case<'a>, request: &'a PruneRequest, left: &'a World) -> Self {
        Self { case, request, left }
    }

    /// Of the record at `at`, where moby has `expected`.
    pub fn of_record(&self, observed: &[RecordText], at: usize, expected: Option<&Record>) -> Reason {
        let (told, rest) = observed.split_at_checked(at).unwrap_or((observed, &[]));
        if let Some(record) = rest.first() {
            if told.contains(record) {
                return Reason::new("D-11", "this went already");
            }
            if self.stays(record) {
                return match record {
                    RecordText::Untagged(name) => self.of_reference(name),
                    RecordText::Deleted(id) => self.of_deleted(id),
                };
            }
        }
        let reason = match expected {
            Some(Record::Untagged(_)) => Reason::new("P-5", "the reference goes with a visit of its image"),
            Some(Record::Image(id)) if !self.is_candidate(*id) => {
                Reason::new("D-12", "the image goes in the wake of its child")
            }
            Some(Record::Image(_)) => {
                Reason::new("D-8", "the image goes with its last reference, or by its ID")
            }
            Some(Record::Layer(_)) => {
                Reason::new("Y-5", "the layer goes with the last that held it, top to base")
            }
            None => Reason::new("D-11", "this goes, but not so late"),
        };
        Reason { why: format!("{}, at this place", reason.why), ..reason }
    }

    /// Whether moby keeps what this record says is gone.
    fn stays(&self, record: &RecordText) -> bool {
        let (before, left) = (self.state(self.case.before), self.state(self.left));
        let goes = match record {
            RecordText::Untagged(name) => {
                let has = |state: &Left| state.references.as_ref().is_some_and(|all| all.contains_key(name));
                has(&before) && !has(&left)
            }
            RecordText::Deleted(id) => {
                let image = id.parse::<ImageId>().ok();
                let chain = id.parse::<ChainId>().ok();
                let has = |state: &Left| {
                    image.is_some_and(|id| state.images.as_ref().is_some_and(|all| all.contains(&id)))
                        || chain.is_some_and(|id| state.layers.as_ref().is_some_and(|all| all.contains(&id)))
                };
                has(&before) && !has(&left)
            }
        };
        !goes
    }

    fn state(&self, world: &World) -> Left {
        Left::of(world, self.case.semantics)
    }

    fn of_deleted(&self, id: &str) -> Reason {
        let image = id.parse().ok().filter(|id| self.case.before.images.iter().any(|image| image.id == *id));
        match (image, id.parse()) {
            (Some(id), _) => self.of_image(id),
            (None, Ok(chain)) if self.case.before.layers.iter().any(|layer| layer.chain_id == chain) => {
                self.of_layer(chain)
            }
            _ => Reason::new("I-10", "there is no such image and no such layer"),
        }
    }

    /// Why moby keeps the image, or that it does not.
    pub fn of_image(&self, id: ImageId) -> Reason {
        if !self.case.before.images.iter().any(|image| image.id == id) {
            return Reason::new("I-10", "there is no such image");
        }
        if !self.left.images.iter().any(|image| image.id == id) {
            let rule = if self.is_candidate(id) { "D-8" } else { "D-12" };
            return Reason::new(rule, "moby deletes this image");
        }
        self.of_staying(id)
    }

    /// Why moby keeps a reference in its familiar form, or that it does not.
    pub fn of_reference(&self, name: &str) -> Reason {
        let owner = self.case.before.references.iter().find(|stored| {
            let reference = Reference::parse(&stored.name, self.case.semantics);
            reference.is_ok_and(|reference| reference.familiar() == name)
        });
        let Some(owner) = owner else {
            return Reason::new("R-8", "there is no such reference");
        };
        if self.state(self.left).references.is_some_and(|left| !left.contains_key(name)) {
            return Reason::new("P-5", "moby removes this reference");
        }
        if self.is_candidate(owner.id) && self.is_used(owner.id) {
            return Reason::new(
                "D-5.1",
                format!("a container keeps the last reference of image {}", owner.id),
            )
            .held_by(Holder::Container);
        }
        self.of_staying(owner.id)
    }

    /// Why moby keeps a layer, or that it does not.
    pub fn of_layer(&self, chain: ChainId) -> Reason {
        if !self.case.before.layers.iter().any(|layer| layer.chain_id == chain) {
            return Reason::new("Y-5", "there is no such layer");
        }
        if self.left.layers.iter().any(|layer| layer.chain_id == chain) {
            return Reason::new("Y-5", "an image, a layer above or a container still holds this layer");
        }
        Reason::new("Y-5", "moby frees this layer: nothing holds it any more")
    }

    /// Why an image is still there.
    fn of_staying(&self, id: ImageId) -> Reason {
        let find = |world: &'a World| world.images.iter().find(|image| image.id == id);
        let Some(before) = find(self.case.before) else {
            return Reason::new("P-4", format!("there is no image {id}"));
        };
        let has_children = |world: &World| world.images.iter().any(|image| image.parent == Some(id));
        let names = |world: &'a World| world.references.iter().filter(move |reference| reference.id == id);
        let parsed = Image::parse(before.config.clone(), self.case.semantics);
        if let Some(rejection) = parsed.ok().and_then(|image| self.request.rejection(&image)) {
            return match rejection {
                Rejection::NewerThanUntil { .. } => {
                    Reason::new("T-10", format!("image {id} is newer than `until`"))
                }
                Rejection::Label => Reason::new("L-2", format!("a `label` does not match image {id}")),
                Rejection::NegatedLabel => Reason::new("L-3", format!("every `label!` matches image {id}")),
            };
        }
        if self.request.dangling_only() && has_children(self.case.before) {
            return Reason::new(
                "P-3",
                format!("image {id} has children, and only dangling images are asked for"),
            );
        }
        let is_tag = |reference: &crate::document::world::Reference| !reference.name.contains('@');
        if self.request.dangling_only() && names(self.case.before).any(is_tag) {
            return Reason::new(
                "P-5",
                format!("image {id} has a tag, and only dangling images are asked for"),
            );
        }
        if has_children(self.left) {
            return Reason::new("D-7", format!("image {id} has dependent child images"))
                .held_by(Holder::Child);
        }
        if self.is_used(id) {
            return Reason::new("D-7", format!("a container uses image {id}")).held_by(Holder::Container);
        }
        if names(self.left).next().is_some() {
            return Reason::new("D-5", format!("image {id} still has references"));
        }
        Reason::new("P-6", format!("the deletion of image {id} fails"))
    }

    fn is_used(&self, id: ImageId) -> bool {
        let is_user = |container: &crate::document::world::Container| {
            container.image == id
                || self.case.semantics.image_mounts_are_use && container.image_mounts.contains(&id)
        };
        self.case.before.containers.iter().any(is_user)
    }

    fn is_candidate(&self, id: ImageId) -> bool {
        let model = Model::new(self.case.before, self.case.semantics);
        let candidates = model.and_then(|model| model.candidates(self.request, &Never));
        candidates.is_ok_and(|candidates| candidates.contains(&id))
    }
}
