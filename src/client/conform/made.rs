//! Whether a daemon holds what it was given.

use crate::base::digest::ImageId;
use crate::client::state::names_of;
use crate::client::{ClientError, ImageSummary};
use crate::document::reference::Reference;
use crate::document::world::{self, World};
use crate::semantics::Semantics;

use super::group::{Difference, Group};

/// A store, made.
pub(super) struct Made {
    /// What the daemon says that it holds.
    pub before: World,
    /// What was there before, and is not ours to remove.
    pub others: World,
    /// Where that is not what it was given.
    pub differences: Vec<Difference>,
}

impl Made {
    /// Holds what is listed against what was made. What is listed counts from then on.
    pub fn compare(
        expected: &World,
        others: World,
        listed: &[ImageSummary],
        semantics: &Semantics,
    ) -> Result<Self, ClientError> {
        let mut before = World { references: Vec::new(), ..expected.clone() };
        let mut differences = Vec::new();
        before.images.clear();
        for image in &expected.images {
            let Some(found) = listed.iter().find(|found| is_same(&found.id, image.id)) else {
                differences.push(of_store(image.id, "an image that was loaded", "missing"));
                continue;
            };
            let names = names_of(found).map(|name| normalized(name, semantics));
            let mut names = names.collect::<Result<Vec<_>, _>>()?;
            names.sort();
            differences.extend(different_image(image, found, &names, expected, semantics));
            before.images.push(world::Image { parent: found.parent_id.parse().ok(), ..image.clone() });
            before.references.extend(names.into_iter().map(|name| world::Reference { name, id: image.id }));
        }
        let is_left = |id: &ImageId| before.images.iter().any(|image| image.id == *id);
        before.containers.retain(|container| is_left(&container.image));
        add(&mut before, &others);
        Ok(Self { before, others, differences })
    }
}

/// What is otherwise with an image than it was made.
fn different_image(
    image: &world::Image,
    found: &ImageSummary,
    names: &[String],
    expected: &World,
    semantics: &Semantics,
) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut compare = |what: &str, made: String, found: String| {
        if made != found {
            let (made, found) = (format!("{what} `{made}`"), format!("{what} `{found}`"));
            differences.push(of_store(image.id, &made, &found));
        }
    };
    compare("ID", image.id.to_string(), found.id.clone());
    let parent = image.parent.map(|parent| parent.to_string()).unwrap_or_default();
    compare("parent", parent, found.parent_id.clone());
    compare("size", size_of(image, expected, semantics).to_string(), found.size.to_string());
    let given = expected.references.iter().filter(|reference| reference.id == image.id);
    let mut given: Vec<_> = given.map(|reference| reference.name.clone()).collect();
    given.sort();
    compare("names", given.join(" "), names.join(" "));
    differences
}

/// Puts others' images beside ours.
fn add(world: &mut World, others: &World) {
    let is_new = |layer: &&world::Layer| !world.layers.iter().any(|had| had.chain_id == layer.chain_id);
    let layers: Vec<_> = others.layers.iter().filter(is_new).cloned().collect();
    world.layers.extend(layers);
    world.images.extend(others.images.iter().cloned());
    world.references.extend(others.references.iter().cloned());
    world.containers.extend(others.containers.iter().cloned());
    world.stand_ins.extend(&others.stand_ins);
}

/// Some daemons leave the algorithm out.
fn is_same(listed: &str, id: ImageId) -> bool {
    listed == id.to_string() || listed == id.hex()
}

pub(super) fn normalized(name: &str, semantics: &Semantics) -> Result<String, ClientError> {
    let reference = Reference::parse(name, semantics);
    let reference =
        reference.map_err(|error| ClientError::malformed(format!("`{name}` is no reference: {error}")))?;
    Ok(reference.as_str().to_owned())
}

fn size_of(image: &world::Image, world: &World, semantics: &Semantics) -> i64 {
    let parsed = crate::document::image::Image::parse(image.config.clone(), semantics).ok();
    let mut next = parsed.and_then(|image| image.top_layer());
    let mut size = 0_i64;
    while let Some(layer) = next.and_then(|chain| world.layers.iter().find(|layer| layer.chain_id == chain)) {
        size = size.saturating_add(layer.size);
        next = layer.parent;
    }
    size
}

fn of_store(id: ImageId, made: &str, found: &str) -> Difference {
    Difference {
        group: Group::Stores,
        place: format!("image {id} as made"),
        observed: Some(found.to_owned()),
        moby: Some(made.to_owned()),
        rule: "I-7",
        why: "moby keeps what it loads".to_owned(),
    }
}
