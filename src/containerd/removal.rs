//! What deletions do, told before they happen.
//!
//! The engine does them on a copy of the stores, so that no second piece of code can disagree with it; then garbage is
//! collected, as containerd's own scheduler does a moment later (B-7).

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::delete::Options;
use super::engine::Engine;
use super::free::Sharing;
use super::record::Record;
use super::store::{Freed, ImageStore as _, MetadataStore as _, Stores};
use crate::api::event::Recorder;
use crate::api::warning::{Warning, WarningKind};
use crate::base::digest::Digest;
use crate::base::error::Result;
use crate::document::reference::Reference;
use crate::go::time::Now;
use crate::semantics::Semantics;

/// What deletions do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Removal {
    /// What goes from the disk; garbage that goes anyway is not among it.
    pub freed: Freed,
    /// What the daemon answers, one deletion behind the other.
    pub records: Vec<Record>,
    /// What was to go and stays, and moby's words why.
    pub stays: Vec<(String, String)>,
    /// What surprises: names that go along, records that are left.
    pub warnings: Vec<Warning>,
}

/// Deletes what each of these texts names, a reference or an ID, one after the other.
///
/// ```
/// use image_prune::containerd::removal::remove;
/// use image_prune::containerd::{Options, store::Stores};
/// use image_prune::world::ContainerdWorld;
/// use image_prune::{Now, Semantics};
///
/// let semantics = Semantics::MOBY_29_CONTAINERD;
/// let stores = Stores::load(&ContainerdWorld::default(), &semantics)?;
/// let now = Now::utc(chrono::DateTime::UNIX_EPOCH);
/// let removal = remove(&stores, &["a:1".to_owned()], &Options::default(), &semantics, now)?;
/// assert_eq!(removal.stays, [("a:1".to_owned(), "No such image: a:1".to_owned())]);
/// # Ok::<(), image_prune::Error>(())
/// ```
///
/// # Errors
///
/// The store cannot be read.
pub fn remove(
    stores: &Stores,
    texts: &[String],
    options: &Options,
    semantics: &Semantics,
    now: Now,
) -> Result<Removal> {
    let engine = Engine::new(stores.copy(), *semantics, Recorder::default());
    let metadata = &engine.stores().metadata;
    // What is garbage already is nobody's doing.
    metadata.collect(now.instant)?;
    let size = metadata.sizes();
    let mut removal = Removal::default();
    for text in texts {
        let before = names(engine.stores())?;
        match engine.delete(text, options, now) {
            Ok(records) => removal.records.extend(records),
            Err(error) => {
                removal.records.extend_from_slice(error.records());
                removal.stays.push((text.clone(), error.to_string()));
            }
        }
        removal.warnings.extend(surprises(text, &before, &names(engine.stores())?, semantics));
    }
    metadata.collect(now.instant)?;
    removal.freed = size - metadata.sizes();
    Ok(removal)
}

/// Deletes every name of these images, without force. What a container uses stays.
///
/// # Errors
///
/// The store cannot be read.
pub fn remove_images(stores: &Stores, images: &[Digest], semantics: &Semantics, now: Now) -> Result<Removal> {
    let engine = Engine::new(stores.copy(), *semantics, Recorder::default());
    let metadata = &engine.stores().metadata;
    metadata.collect(now.instant)?;
    let size = metadata.sizes();
    let mut removal = Removal::default();
    for digest in images.iter().collect::<BTreeSet<_>>() {
        while let Some(image) = metadata.images_of(*digest)?.first().cloned() {
            let left = metadata.images_of(*digest)?.len();
            let by_name = image.reference(semantics).map(|reference| reference.as_str().to_owned());
            match engine.delete(&by_name.unwrap_or_else(|| digest.to_string()), &Options::default(), now) {
                Ok(records) => removal.records.extend(records),
                Err(error) => {
                    removal.stays.push((digest.to_string(), error.to_string()));
                    break;
                }
            }
            if metadata.images_of(*digest)?.len() == left {
                removal.stays.push((digest.to_string(), "a record is left that no name leads to".to_owned()));
                break;
            }
        }
    }
    metadata.collect(now.instant)?;
    removal.freed = size - metadata.sizes();
    Ok(removal)
}

/// Every image, by digest, with the bytes that deleting all its names alone frees; none for one that a container uses.
///
/// # Errors
///
/// The store cannot be read.
pub fn marginal(stores: &Stores, now: Now) -> Result<Vec<(Digest, Freed)>> {
    let images = stores.metadata.images()?;
    let all: BTreeSet<Digest> = images.iter().map(|image| image.digest()).collect();
    let sharing = Sharing::new(stores, &all.iter().copied().collect::<Vec<_>>(), now)?;
    let mut alone: BTreeMap<Digest, Freed> = sharing.alone().collect();
    Ok(all.into_iter().map(|digest| (digest, alone.remove(&digest).unwrap_or_default())).collect())
}

/// A name, and whether it is dangling.
type Name = (String, bool);

fn names(stores: &Stores) -> Result<BTreeSet<Name>> {
    let images = stores.metadata.images()?;
    Ok(images.iter().map(|image| (image.name().to_owned(), image.is_dangling())).collect())
}

fn surprises(
    text: &str,
    before: &BTreeSet<Name>,
    after: &BTreeSet<Name>,
    semantics: &Semantics,
) -> Vec<Warning> {
    let warn = |message| Warning { kind: WarningKind::OtherNames, message };
    let asked = Reference::parse(text, semantics).map(Reference::tag_name_only);
    let is_asked = |name: &str| asked.as_ref().is_ok_and(|asked| asked.as_str() == name);
    let gone: Vec<_> = before.difference(after).filter(|(name, _)| !is_asked(name)).collect();
    let is_by_name = before.iter().any(|(name, _)| is_asked(name));
    let along = gone
        .into_iter()
        .filter(|_| is_by_name)
        .map(|(name, _)| warn(format!("deleting `{text}` takes `{name}` along, which names the same image")));
    let left = after.difference(before).filter(|(_, is_dangling)| *is_dangling).map(|(name, _)| {
        warn(format!(
            "deleting `{text}` leaves `{name}`: something was made from the image, and no prune takes it while that is \
             there"
        ))
    });
    along.chain(left).collect()
}
