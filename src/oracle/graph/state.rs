//! The stores: images (rules I), references (R), layers (Y), and how an image is found (G).

use crate::base::digest::{ChainId, ImageId};
use crate::base::error::{Error, Result};
use crate::document::image::Image;
use crate::document::reference::Reference;
use crate::document::world;
use crate::go::quote::quote;

use super::{Model, StoreCall, StoredImage, StoredReference};

/// Loading: what a store must have checked to hold what it holds.
impl Model {
    pub(super) fn load_layers(&mut self, layers: &[world::Layer]) -> Result<()> {
        for layer in layers {
            let known = |chain| layers.iter().any(|other| other.chain_id == chain);
            // Y-1. A chain ID that is the digest of the chain below it also rules out cycles.
            if layer.chain_id != ChainId::on(layer.parent, layer.diff_id) {
                let id = layer.chain_id;
                return Err(Error::system(format!("layer {id}: not the chain of its parent and diff ID")));
            }
            // Y-2
            if layer.parent.is_some_and(|parent| !known(parent)) {
                return Err(Error::system("layer does not exist"));
            }
            if self.layer(layer.chain_id).is_some() {
                return Err(Error::system(format!("layer {}: described twice", layer.chain_id)));
            }
            self.layers.push(layer.clone());
        }
        Ok(())
    }

    pub(super) fn add_image(&mut self, described: &world::Image) -> Result<()> {
        let id = described.id;
        // I-1, I-6
        if id != ImageId::of(&described.config) && !self.header.stand_ins.contains(&id) {
            return Err(Error::system(format!("failed to verify: {id}")));
        }
        if self.image(id).is_some() {
            return Err(Error::system(format!("image {id}: described twice")));
        }
        let image = Image::parse(described.config.clone(), &self.semantics)?;
        // I-5: no diff IDs, no layer, and then any operating system.
        let missing =
            |chain: String| Error::system(format!("failed to get layer {chain}: layer does not exist"));
        let top = image.chain().map_err(missing)?;
        if let Some(chain) = top {
            // I-3
            if !image.is_os_supported() {
                return Err(Error::system("operating system is not supported"));
            }
            if self.layer(chain).is_none() {
                return Err(missing(chain.to_string()));
            }
        }
        self.images.push(StoredImage { id, image, top, parent: described.parent });
        Ok(())
    }

    /// `AddTag` without force, and `AddDigest`.
    pub(super) fn add_reference(&mut self, name: &str, image: ImageId) -> Result<()> {
        let reference = key(Reference::parse(name, &self.semantics)?);
        if reference.familiar_name() == "sha256" {
            let text = "refusing to create an ambiguous tag using digest algorithm as name";
            return Err(Error::invalid_parameter(text));
        }
        let Some(old) = self.lookup(&reference) else {
            self.references.push(StoredReference { reference, image });
            return Ok(());
        };
        if old == image {
            return Ok(());
        }
        let new_texts = self.semantics.new_tag_conflict_texts;
        let tag = reference.familiar();
        Err(Error::conflict(match reference.digest() {
            Some(digest) if new_texts => format!("cannot overwrite digest {digest}"),
            Some(digest) => format!("Cannot overwrite digest {digest}"),
            None if new_texts => {
                format!("tag {tag} is already set to image {old}, use the force option to replace it")
            }
            None => format!(
                "Conflict: Tag {tag} is already set to image {old}, \
                 if you want to replace it, please use the force option"
            ),
        }))
    }

    pub(super) fn add_container(&mut self, container: &world::Container) -> Result<()> {
        if self.containers.iter().any(|other| other.id == container.id) {
            return Err(Error::system("mount already exists with name")); // Y-9
        }
        if container.rw_layer_parent.is_some_and(|chain| self.layer(chain).is_none()) {
            return Err(Error::system("layer does not exist")); // Y-9
        }
        self.containers.push(container.clone());
        Ok(())
    }
}

/// The image store.
impl Model {
    pub(super) fn image(&self, id: ImageId) -> Option<&StoredImage> {
        self.images.iter().find(|stored| stored.id == id)
    }

    /// I-9. An unknown image has no children, though a link may name it.
    pub(super) fn has_children(&self, id: ImageId) -> bool {
        self.image(id).is_some() && self.images.iter().any(|stored| stored.parent == Some(id))
    }

    /// `Search` (I-12): the only image that the term is a prefix of; ambiguity is a miss to G-1.
    fn search(&self, term: &str) -> Option<ImageId> {
        // G-1 (2) has refused an algorithm without digits; another algorithm's `:` matches no hex.
        let prefix = term.strip_prefix("sha256:").unwrap_or(term);
        let mut found = self.images.iter().map(|stored| stored.id).filter(|id| id.hex().starts_with(prefix));
        let first = found.next()?;
        if found.next().is_some() { None } else { Some(first) }
    }

    /// `GetImage` (G-1).
    pub(super) fn get_image(&self, text: &str) -> Result<ImageId> {
        // (1) R-5
        if let Some(digest) = as_digest(text) {
            let id = digest.parse().ok().filter(|id| self.image(*id).is_some());
            return id.ok_or_else(|| Error::not_found(format!("No such image: {digest}")));
        }
        // (2)
        let reference = Reference::parse(text, &self.semantics)?;
        // (3) A reference to a missing image falls through.
        if let Some(id) = self.lookup(&reference)
            && self.image(id).is_some()
        {
            return Ok(id);
        }
        // (4) with the text as it was given, (5)
        self.search(text).ok_or_else(|| {
            Error::not_found(format!("No such image: {}", reference.tag_name_only().familiar()))
        })
    }

    /// `Delete` (I-10) behind the lease (I-11). Returns the layers that went with it, top first.
    pub(super) fn delete_image(&mut self, id: ImageId) -> Result<Vec<ChainId>> {
        if let Some(error) = self.faults.fault(&StoreCall::DeleteLease(id)) {
            return Err(Error::new(error.class(), format!("error deleting lease: {error}")));
        }
        let Some(at) = self.images.iter().position(|stored| stored.id == id) else {
            return Err(Error::system(format!("unrecognized image ID {id}")));
        };
        let stored = self.images.remove(at);
        if self.semantics.os_is_checked_on_delete && !stored.image.is_os_supported() {
            let os = quote(stored.image.os().as_bytes(), self.semantics.unicode);
            let text = format!("unsupported image operating system {os}");
            self.images.insert(at, stored);
            return Err(Error::system(text));
        }
        for child in &mut self.images {
            if child.parent == Some(id) {
                child.parent = None;
            }
        }
        // A failing driver comes back with the image already gone.
        match stored.top {
            Some(top) => self.release(top),
            None => Ok(Vec::new()),
        }
    }
}

/// The reference store.
impl Model {
    /// `Get`.
    pub(super) fn lookup(&self, reference: &Reference) -> Option<ImageId> {
        let key = key(reference.clone());
        let found = self.references.iter().find(|stored| stored.reference.familiar() == key.familiar());
        found.map(|stored| stored.image)
    }

    /// `References`: sorted by their normalized text.
    pub(super) fn references_of(&self, id: ImageId) -> Vec<Reference> {
        let of_image = self.references.iter().filter(|stored| stored.image == id);
        let mut references: Vec<Reference> = of_image.map(|stored| stored.reference.clone()).collect();
        references.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        references
    }

    /// `Delete`. The reference is gone even where the save fails.
    pub(super) fn remove_reference(&mut self, reference: &Reference) -> Result<()> {
        let key = key(reference.clone());
        let at = self.references.iter().position(|stored| stored.reference.familiar() == key.familiar());
        let Some(at) = at else {
            return Err(Error::not_found("reference does not exist"));
        };
        let removed = self.references.remove(at);
        self.faults.fault(&StoreCall::SaveReferences(removed.reference)).map_or(Ok(()), Err)
    }
}

/// The layer store.
impl Model {
    pub(super) fn layer(&self, chain: ChainId) -> Option<&world::Layer> {
        self.layers.iter().find(|layer| layer.chain_id == chain)
    }

    /// Who holds a layer: layers above it (Y-2), images whose top it is (Y-3, Y-10), containers' writable
    /// layers (Y-9), and counts that were lost (Y-6).
    fn holders(&self, chain: ChainId) -> usize {
        self.layers.iter().filter(|layer| layer.parent == Some(chain)).count()
            + self.images.iter().filter(|image| image.top == Some(chain)).count()
            + self.containers.iter().filter(|container| container.rw_layer_parent == Some(chain)).count()
            + self.leaks.iter().filter(|leak| **leak == chain).count()
    }

    /// The cascade (Y-5), after a holder of `chain` is gone from its list.
    fn release(&mut self, chain: ChainId) -> Result<Vec<ChainId>> {
        let mut removed = Vec::new();
        let mut next = Some(chain);
        while let Some(chain) = next {
            if self.holders(chain) > 0 {
                break;
            }
            let Some(at) = self.layers.iter().position(|layer| layer.chain_id == chain) else { break };
            let layer = self.layers.remove(at);
            if let Some(error) = self.faults.fault(&StoreCall::RemoveLayer(chain)) {
                // Y-6: out of the map, its parent never released, what went before forgotten.
                self.leaks.extend(layer.parent);
                return Err(error);
            }
            removed.push(chain);
            next = layer.parent;
        }
        Ok(removed)
    }
}

/// What the reference store keeps of a reference.
fn key(reference: Reference) -> Reference {
    reference.favor_digest().tag_name_only()
}

/// The digest that `text` names all alone, with its algorithm.
fn as_digest(text: &str) -> Option<String> {
    let is_hex = |hex: &str, digits: usize| {
        hex.len() == digits && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    if is_hex(text, 64) {
        return Some(format!("sha256:{text}"));
    }
    let (algorithm, hex) = text.split_once(':')?;
    let digits = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return None,
    };
    is_hex(hex, digits).then(|| text.to_owned())
}
