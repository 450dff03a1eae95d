//! The look at a daemon right before a deletion.

use std::collections::BTreeMap;

use serde_json::json;

use crate::base::digest::ImageId;
use crate::client::answer::ContainerSummary;
use crate::client::api::Client;
use crate::client::error::ClientError;
use crate::client::state::{image_id, names_of};
use crate::client::view::View;
use crate::document::image::Labels;
use crate::document::world::{Image, Reference, World};
use crate::graph::store::Stores;
use crate::semantics::Semantics;

/// The state of a daemon that decides about a deletion.
pub(super) struct Look {
    /// The containers, those that do not run included.
    pub containers: Vec<ContainerSummary>,
    /// All images with their references, parents, dates and labels, without layers; the problem where a reference was
    /// listed for two images, as it moved meanwhile.
    pub stores: Result<Stores, String>,
}

/// Looks at a daemon again and again.
pub(super) struct Watch<'a> {
    client: &'a Client,
    semantics: Semantics,
    /// The parts of configs that rules read. They never change under an ID.
    configs: BTreeMap<ImageId, Vec<u8>>,
}

impl<'a> Watch<'a> {
    pub fn new(client: &'a Client, view: &View) -> Self {
        let images = view.stores.images.images().into_iter();
        let configs = images.map(|(id, image, _)| {
            let labels = image.labels().into_iter().flat_map(Labels::iter);
            let created = image.created().map(|created| created.to_string());
            (id, config(created, &labels.collect()))
        });
        Self { client, semantics: view.semantics, configs: configs.collect() }
    }

    /// Looks until no image is new. The references come last: a daemon refuses to delete what a running container uses,
    /// and asks no rule about a reference.
    pub fn look(&mut self) -> Result<Look, ClientError> {
        loop {
            let containers = self.client.containers(false)?;
            let images = self.client.images(true)?;
            let mut world = World::default();
            let mut has_new = false;
            for summary in &images {
                let id = image_id(&summary.id)?;
                has_new |= self.learn(id)?;
                let config = self.configs.get(&id).cloned().unwrap_or_default();
                let parent = Some(&summary.parent_id).filter(|parent| !parent.is_empty());
                let parent = parent.map(|parent| image_id(parent)).transpose()?;
                world.images.push(Image { id, config: config.into(), parent });
                world.stand_ins.insert(id);
                let names = names_of(summary).map(|name| Reference { name: name.clone(), id });
                world.references.extend(names);
            }
            if has_new {
                continue;
            }
            let stores = Stores::load(world, &self.semantics);
            return Ok(Look {
                containers,
                stores: stores
                    .map_err(|problem| format!("the daemon's list of images makes no sense: {problem}")),
            });
        }
    }

    /// Asks for an image that was not there before; true for one.
    fn learn(&mut self, id: ImageId) -> Result<bool, ClientError> {
        if self.configs.contains_key(&id) {
            return Ok(false);
        }
        let config = match self.client.image(&id.to_string()) {
            // It went meanwhile, or cannot be read: its age is unknown.
            Err(error) if error.status() == Some(404) => config(None, &BTreeMap::new()),
            details => {
                let details = details?;
                let labels = details.config.and_then(|config| config.labels).unwrap_or_default();
                let labels = labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
                config(Some(details.created).filter(|created| !created.is_empty()), &labels.collect())
            }
        };
        self.configs.insert(id, config);
        Ok(true)
    }
}

fn config(created: Option<String>, labels: &BTreeMap<&str, &str>) -> Vec<u8> {
    let mut config = json!({ "config": { "Labels": labels }, "rootfs": { "type": "layers" } });
    if let (Some(created), Some(fields)) = (created, config.as_object_mut()) {
        fields.insert("created".to_owned(), created.into());
    }
    config.to_string().into_bytes()
}
