//! The images of a case: what they are called, and the tar that `docker load` takes.

use std::collections::BTreeMap;

use serde_json::json;

use crate::base::digest::{ChainId, DiffId, Digest, ImageId};
use crate::client::ClientError;
use crate::document::world::{Image, Layer, World};

use super::sketch::{CONTENTS, ImageSketch, Sketch};

/// The contents that layers have: one file each, so that a layer's size is the file's.
pub(super) struct Contents(Vec<Content>);

struct Content {
    tar: Vec<u8>,
    diff_id: DiffId,
    size: usize,
}

impl Contents {
    pub fn new() -> Result<Self, ClientError> {
        let contents = (0..CONTENTS).map(|number| {
            let size = 100 + 37 * usize::from(number);
            let tar = tar_of(&[(format!("file-{number}"), vec![b'a' + number; size])])?;
            Ok(Content { diff_id: DiffId::from(Digest::of(&tar)), tar, size })
        });
        contents.collect::<Result<_, ClientError>>().map(Self)
    }

    fn of<'a>(&'a self, image: &'a ImageSketch) -> impl Iterator<Item = (u8, &'a Content)> {
        image.layers.iter().filter_map(|number| Some((*number, self.0.get(usize::from(*number))?)))
    }

    fn config(&self, image: &ImageSketch) -> Vec<u8> {
        let ImageSketch { number, created, config, .. } = image;
        let diffs: Vec<String> =
            self.of(image).map(|(_, content)| format!("\"{}\"", content.diff_id)).collect();
        let diffs = diffs.join(",");
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux","comment":"image-prune conform {number}"{created}{config},"rootfs":{{"type":"layers","diff_ids":[{diffs}]}}}}"#
        );
        config.into_bytes()
    }

    /// The images with their layers and parents, as a daemon ought to hold them.
    pub fn world(&self, sketch: &Sketch) -> World {
        let mut layers: BTreeMap<ChainId, Layer> = BTreeMap::new();
        let mut ids: BTreeMap<usize, ImageId> = BTreeMap::new();
        let mut images = Vec::new();
        for image in &sketch.images {
            let mut parent = None;
            for (_, content) in self.of(image) {
                let chain_id = ChainId::on(parent, content.diff_id);
                let size = i64::try_from(content.size).unwrap_or(i64::MAX);
                layers.insert(chain_id, Layer { chain_id, diff_id: content.diff_id, parent, size });
                parent = Some(chain_id);
            }
            let config = self.config(image);
            let id = ImageId::of(&config);
            ids.insert(image.number, id);
            let parent = image.parent.and_then(|parent| ids.get(&parent).copied());
            images.push(Image { id, config: config.into(), parent });
        }
        World { layers: layers.into_values().collect(), images, ..World::default() }
    }

    /// What `docker load` takes: the images without their tags.
    pub fn archive(&self, sketch: &Sketch) -> Result<Vec<u8>, ClientError> {
        let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let mut ids: BTreeMap<usize, ImageId> = BTreeMap::new();
        let mut manifest = Vec::new();
        for image in &sketch.images {
            let config = self.config(image);
            let id = ImageId::of(&config);
            ids.insert(image.number, id);
            let mut layers = Vec::new();
            for (number, content) in self.of(image) {
                let path = format!("layer-{number}/layer.tar");
                files.entry(path.clone()).or_insert_with(|| content.tar.clone());
                layers.push(path);
            }
            let path = format!("{}.json", id.hex());
            let mut item = json!({ "Config": path, "RepoTags": null, "Layers": layers });
            let parent = image.parent.and_then(|parent| ids.get(&parent));
            if let (Some(parent), Some(item)) = (parent, item.as_object_mut()) {
                item.insert("Parent".to_owned(), parent.to_string().into());
            }
            manifest.push(item);
            files.insert(path, config);
        }
        files.insert("manifest.json".to_owned(), json!(manifest).to_string().into_bytes());
        tar_of(&files.into_iter().collect::<Vec<_>>())
    }
}

fn tar_of(files: &[(String, Vec<u8>)]) -> Result<Vec<u8>, ClientError> {
    let failed = |error: std::io::Error| ClientError::invalid(format!("cannot make a tar: {error}"));
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len().try_into().unwrap_or(u64::MAX));
        header.set_mode(0o644);
        builder.append_data(&mut header, path, content.as_slice()).map_err(failed)?;
    }
    builder.into_inner().map_err(failed)
}
