//! The cheapest prune after which it fits.

use image_prune::ImageId;
use image_prune::client::{Client, ClientError};
use image_prune::fit::{Fit, Source};
use image_prune::free::Sharing;
use image_prune::plan::{Verdict, plan};
use image_prune::store::ReferenceStore;
use image_prune::{Error, Reference};
use serde::Serialize;

use super::State;
use super::args::FitArgs;
use crate::cli::error::Result;
use crate::cli::request::Selection;
use crate::cli::{host, render};

/// Images whose deletion makes room.
#[derive(Debug, Serialize)]
pub struct MakeRoom {
    pub images: Vec<Going>,
    /// Bytes that this frees.
    pub freed: u64,
    /// Bytes that are short.
    pub shortfall: u64,
    /// Whether it fits afterwards.
    #[serde(rename = "enough")]
    pub is_enough: bool,
    /// Whether no smaller set would do.
    #[serde(rename = "exact")]
    pub is_exact: bool,
    /// Whether it was done.
    pub applied: bool,
}

/// An image that goes, with all its references.
#[derive(Debug, Serialize)]
pub struct Going {
    pub id: ImageId,
    pub references: Vec<String>,
    pub size: i64,
    /// As the daemon knows them.
    #[serde(skip)]
    names: Vec<Reference>,
}

/// The smallest set of images under the keep rules that makes room; `None` where the data root is not what is full, and
/// where no prune can make room for layers of unknown size.
pub fn find(args: &FitArgs, state: &State, answer: &Fit) -> Result<Option<MakeRoom>> {
    let mut selection = args.prune.selection.clone();
    selection.all |= selection.filters.is_none();
    let selection = Selection::new(&selection, &state.semantics, state.utc_offset)?;
    let plan = plan(&state.stores, &selection.filters, &state.semantics, selection.now, &selection.order)?;
    let going = plan.images.iter().filter(|image| image.verdict == Verdict::Delete);
    let candidates: Vec<ImageId> = going.clone().map(|image| image.id).collect();
    let Some((root, others)) = answer.volumes.split_first() else { return Ok(None) };
    let shortfall = root.shortfall;
    let is_helpful = others.iter().all(|room| room.shortfall == 0);
    if shortfall == 0 {
        return Ok(None);
    }
    let found = Sharing::new(&state.stores, &candidates, &answer.reused).smallest(shortfall);
    if !found.is_enough && answer.missing.source == Source::Bound {
        return Ok(None);
    }
    let images = going.filter(|image| found.images.contains(&image.id)).map(|image| Going {
        id: image.id,
        references: image.references.iter().map(|reference| reference.familiar().to_owned()).collect(),
        size: image.size,
        names: state.stores.references.references(image.id),
    });
    Ok(Some(MakeRoom {
        images: images.collect(),
        freed: found.freed,
        shortfall,
        is_enough: found.is_enough && is_helpful,
        is_exact: found.is_exact,
        applied: false,
    }))
}

/// Deletes them from the daemon, unforced, reference by reference. What came into use meanwhile stays.
pub fn make(args: &FitArgs, room: &mut MakeRoom) -> Result<()> {
    let client = host::client(&host::or_standard(args.source.host.as_deref()))?;
    // A child goes before its parent: whoever fails for its children is tried again behind them.
    let mut left: Vec<&Going> = room.images.iter().collect();
    while !left.is_empty() {
        let before = left.len();
        let mut again = Vec::new();
        for image in left {
            match remove(&client, image) {
                Ok(()) => {}
                Err(error) if error.status() == Some(409) => again.push((image, error)),
                Err(error) => return Err(Error::from(error).into()),
            }
        }
        if again.len() == before {
            for (image, error) in again {
                render::line_to_stderr("warning", &format!("{} stays: {error}", image.id));
            }
            break;
        }
        left = again.into_iter().map(|(image, _)| image).collect();
    }
    room.applied = true;
    Ok(())
}

fn remove(client: &Client, image: &Going) -> std::result::Result<(), ClientError> {
    let names: Vec<String> = image.names.iter().map(|name| name.familiar().to_owned()).collect();
    let id = image.id.to_string();
    // A digest goes along with the last tag of its repository, and the image with its last reference.
    for name in names.iter().chain([&id]) {
        match client.remove_image(name, false, false) {
            Err(error) if error.status() != Some(404) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
