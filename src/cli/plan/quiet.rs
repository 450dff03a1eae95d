//! `plan -q`: what `docker rmi` takes, one after the other.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufWriter, Write};

use image_prune::graph::plan::{ImagePlan, Plan, Verdict};
use image_prune::graph::store::{ImageStore, ReferenceStore, Stores};
use image_prune::{ImageId, Record};

use super::super::error::Result;
use super::super::render::{escape, identifier};

/// Build steps go with what they led to (D-12) and are left out. No image goes before its children, so that the
/// order of the records serves `docker rmi` as well.
pub fn print(plan: &Plan, stores: &Stores, is_whole: bool) -> Result<()> {
    let image_of = |record: &Record| if let Record::Image(id) = record { Some(*id) } else { None };
    let order: HashMap<ImageId, usize> =
        plan.report.images_deleted.iter().filter_map(image_of).zip(0..).collect();
    let is_step = |image: &ImagePlan| image.references.is_empty() && stores.images.has_children(image.id);
    let goes = |image: &&ImagePlan| image.verdict == Verdict::Delete && !is_step(image);
    let mut images: Vec<&ImagePlan> = plan.images.iter().filter(goes).collect();
    images.sort_by_key(|image| order.get(&image.id));
    let mut out = BufWriter::new(io::stdout().lock());
    for image in images {
        for name in arguments(image, stores, is_whole) {
            writeln!(out, "{}", escape(&name))?;
        }
    }
    Ok(out.flush()?)
}

/// An ID takes the references of one repository along, of several it is refused (D-4); a tag takes the digests
/// of its repository along (D-5.4).
fn arguments(image: &ImagePlan, stores: &Stores, is_whole: bool) -> Vec<String> {
    if image.references.is_empty() || stores.references.has_single_reference(image.id) {
        return vec![identifier(image.id, is_whole)];
    }
    let (digests, tags): (Vec<_>, Vec<_>) = image.references.iter().partition(|name| name.is_canonical());
    let tagged: HashSet<&str> = tags.iter().map(|tag| tag.name()).collect();
    let alone = digests.into_iter().filter(|digest| !tagged.contains(digest.name()));
    tags.iter().copied().chain(alone).map(|name| name.familiar().to_owned()).collect()
}
