//! Which records a prune deletes (Q-6, Q-7, C). Reads the stores, changes nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::image::{DANGLING, Image};
use super::request::Request;
use super::store::{ContainerStore, MetadataStore, Stores};
use crate::base::cancel::Cancel;
use crate::base::digest::Digest;
use crate::base::error::{Error, Kind, Result};
use crate::base::shuffle::shuffle;
use crate::document::reference::Reference;
use crate::document::world::containerd::Container;
use crate::semantics::Semantics;

/// The order in which candidates are visited. moby walks a map: any order can be its own (K-2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Order {
    /// By the bytes of their names: two runs are alike.
    #[default]
    ByName,
    /// These first, in this order, then the others by name. Replays what a daemon did.
    Given(Vec<String>),
    /// Shuffled; the same seed gives the same order.
    Shuffled(u64),
}

/// Why the filters keep a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// It is not dangling, and only dangling ones were asked for.
    NotDangling,
    /// The name was not made before `until`.
    NewerThanUntil(crate::go::time::Timestamp),
    /// No config matches the labels.
    Labels,
}

/// What a container's creation under a text protects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Protection {
    /// The names that it keeps from being candidates (C-1, C-3).
    pub names: Vec<String>,
    /// Whether it keeps the last name of its image (C-2).
    pub by_id: bool,
}

/// What a container protects.
pub(super) fn protection(container: &Container, semantics: &Semantics) -> Protection {
    let (digest, text) = (container.image_id, &container.image);
    let mut names = vec![format!("{DANGLING}{digest}")];
    if let Ok(reference) = Reference::parse(text, semantics) {
        if reference.is_canonical() && reference.tag().is_some() {
            let digest = reference.digest().map_or(0, str::len) + 1;
            let without = reference.as_str().len().saturating_sub(digest);
            names.extend(reference.as_str().get(..without).map(str::to_owned));
        }
        names.push(reference.tag_name_only().as_str().to_owned());
    }
    Protection { names, by_id: is_by_id(digest, text) }
}

/// What all containers protect, and one container each that does.
#[derive(Debug, Default)]
pub(super) struct Protections {
    pub names: HashMap<String, Arc<Container>>,
    /// Digests of which the last name stays.
    pub ids: HashMap<Digest, Arc<Container>>,
}

impl Protections {
    pub(super) fn of<S, C: ContainerStore>(stores: &Stores<S, C>, semantics: &Semantics) -> Self {
        let mut protections = Self::default();
        for container in stores.containers.containers() {
            let protection = protection(&container, semantics);
            for name in protection.names {
                protections.names.entry(name).or_insert_with(|| Arc::clone(&container));
            }
            if protection.by_id {
                protections.ids.entry(container.image_id).or_insert(container);
            }
        }
        protections
    }
}

/// C-2: any beginning of the digits will do, even none at all.
fn is_by_id(digest: Digest, text: &str) -> bool {
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    let digest = digest.text();
    digest.hex().starts_with(digits)
        || text.strip_suffix(digest.as_str()).is_some_and(|text| text.ends_with('@'))
}

/// Why the filters keep a record, if they do.
pub(super) fn rejection<S: MetadataStore>(
    metadata: &S,
    request: &Request,
    image: &Image,
) -> Option<Rejection> {
    if request.dangling_only() && !image.is_dangling() {
        return Some(Rejection::NotDangling);
    }
    if let Some(until) = request.newer_than(image) {
        return Some(Rejection::NewerThanUntil(until));
    }
    if request.labels().is_empty() {
        return None;
    }
    // What does not decode matches nothing; moby logs why.
    let found =
        metadata.any_labels(image, request.with_attestations(), &mut |labels| request.matches(labels));
    (!found.unwrap_or(false)).then_some(Rejection::Labels)
}

/// Chooses the records that one prune deletes, in the order in which it will. `cancel` is asked once for each record
/// that the filters are held against; once it says so, none of them matches a label any more.
///
/// # Errors
///
/// The records cannot be listed.
pub fn select<S: MetadataStore, C: ContainerStore>(
    stores: &Stores<S, C>,
    request: &Request,
    semantics: &Semantics,
    order: &Order,
    cancel: &(impl Cancel + ?Sized),
) -> Result<Vec<Arc<Image>>> {
    let images = stores.metadata.images()?;
    let mut is_cancelled = false;
    let mut candidates = Vec::with_capacity(images.len());
    for image in &images {
        if request.dangling_only() && !image.is_dangling() {
            continue;
        }
        is_cancelled = is_cancelled || cancel.is_cancelled();
        let is_unreadable = is_cancelled && !request.labels().is_empty();
        if !is_unreadable && rejection(&stores.metadata, request, image).is_none() {
            candidates.push(image);
        }
    }
    let protections = Protections::of(stores, semantics);
    candidates.retain(|image| !protections.names.contains_key(image.name()));
    if !protections.ids.is_empty() {
        keep_last_names(&images, &mut candidates, &protections.ids);
    }
    let mut candidates: Vec<_> = candidates.into_iter().cloned().collect();
    order.apply(&mut candidates);
    Ok(candidates)
}

/// of a digest that a container uses by its ID, the last in byte order of the candidates stays, and only where no
/// other record of the digest does.
fn keep_last_names(
    images: &[Arc<Image>],
    candidates: &mut Vec<&Arc<Image>>,
    used: &HashMap<Digest, Arc<Container>>,
) {
    let mut left: HashMap<Digest, usize> = used.keys().map(|digest| (*digest, 0)).collect();
    for image in images {
        if let Some(left) = left.get_mut(&image.digest()) {
            *left += 1;
        }
    }
    candidates.retain(|image| match left.get_mut(&image.digest()) {
        Some(1) => false,
        Some(left) => {
            *left -= 1;
            true
        }
        None => true,
    });
}

impl Order {
    /// Orders candidates that are sorted by name.
    fn apply(&self, candidates: &mut Vec<Arc<Image>>) {
        match self {
            Self::ByName => {}
            Self::Given(first) => {
                let mut left: BTreeMap<&str, &Arc<Image>> =
                    candidates.iter().map(|image| (image.name(), image)).collect();
                let mut ordered: Vec<_> =
                    first.iter().filter_map(|name| left.remove(name.as_str()).cloned()).collect();
                ordered.extend(left.into_values().cloned());
                *candidates = ordered;
            }
            Self::Shuffled(seed) => shuffle(candidates, *seed),
        }
    }
}

/// The error of a caller who gave up.
pub(super) fn cancelled(cancel: &(impl Cancel + ?Sized)) -> Error {
    Error::cancelled(cancel.reason()).of_kind(Kind::PruneCancelled)
}
