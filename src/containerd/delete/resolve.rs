//! What a deletion names.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::image::Image;
use super::super::store::{ContainerStore, MetadataStore};
use super::{Deletion, no_image_with, no_such_image};
use crate::api::event::EventSink;
use crate::base::digest::Digest;
use crate::base::error::{Error, Result};
use crate::document::reference::{AnyReference, Reference};

/// What a text names.
pub(super) struct Resolved {
    /// The record that it matches by its name.
    pub matched: Option<Arc<Image>>,
    /// The digest that is meant.
    pub id: Digest,
    /// The records of the digest, in the order of their names; never none.
    pub all: Vec<Arc<Image>>,
}

/// Whether a text is the beginning of an ID, with or without its algorithm.
pub(super) fn is_prefix(id: Digest, text: &str) -> bool {
    let id = id.text();
    id.as_str().starts_with(text) || id.hex().starts_with(text)
}

/// Whether a text may be the beginning of an ID.
fn digits(text: &str) -> Option<&str> {
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    ((4..=64).contains(&digits.len()) && digits.bytes().all(is_digit)).then_some(digits)
}

impl<S: MetadataStore, C: ContainerStore, E: EventSink> Deletion<'_, S, C, E> {
    pub(super) fn resolve(&self, text: &str) -> Result<Resolved> {
        let named = match Reference::parse_any(text, self.semantics)? {
            AnyReference::Digest(digest) => return self.resolve_digest(&digest),
            AnyReference::Named(reference) => reference,
        };
        let found = match digits(text) {
            Some(digits) => self.resolve_digits(digits, &named)?,
            None => self.resolve_name(&named)?,
        };
        found.ok_or_else(|| no_such_image(named))
    }

    fn resolve_digest(&self, text: &str) -> Result<Resolved> {
        let Ok(digest) = text.parse::<Digest>() else {
            return Err(Error::invalid_parameter("invalid name reference"));
        };
        let matched = self.stores.metadata.image(text)?;
        let id = matched.as_ref().map_or(digest, |image| image.digest());
        let all = self.stores.metadata.images_of(id)?;
        if all.is_empty() {
            return Err(no_image_with(text));
        }
        Ok(Resolved { matched, id, all })
    }

    /// The beginning of an ID, which may be a name as well.
    fn resolve_digits(&self, digits: &str, named: &Reference) -> Result<Option<Resolved>> {
        let metadata = &self.stores.metadata;
        let matched = metadata.image(named.clone().tag_name_only().as_str())?;
        let with_prefix = metadata.images_with_prefix(digits)?.into_iter();
        // Each once, in the order of the names.
        let candidates: BTreeMap<String, Arc<Image>> =
            with_prefix.chain(matched.clone()).map(|image| (image.name().to_owned(), image)).collect();
        let candidates: Vec<_> = candidates.into_values().collect();
        let Some(first) = candidates.first() else { return Ok(None) };
        let id = first.digest();
        if candidates.iter().any(|image| image.digest() != id) {
            return Err(Error::not_found("ambiguous reference"));
        }
        let all = match &matched {
            Some(image) if candidates.len() == 1 => metadata.images_of(image.digest())?,
            _ => candidates,
        };
        Ok(Some(Resolved { matched, id, all }))
    }

    fn resolve_name(&self, named: &Reference) -> Result<Option<Resolved>> {
        let metadata = &self.stores.metadata;
        let matched = metadata.image(named.clone().tag_name_only().as_str())?;
        let written = named.digest().and_then(|digest| digest.parse().ok());
        let Some(id) = matched.as_ref().map(|image| image.digest()).or(written) else { return Ok(None) };
        let all = metadata.images_of(id)?;
        Ok((!all.is_empty()).then_some(Resolved { matched, id, all }))
    }
}
