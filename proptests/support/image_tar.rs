//! Small images as `docker save` writes them.

use image_prune::{DiffId, Digest, ImageId};
use serde_json::{Value, json};

/// An archive that grows.
pub struct ImageTar {
    tar: tar::Builder<Vec<u8>>,
    manifest: Vec<Value>,
}

/// One layer: a tar with one file.
#[derive(Debug, Clone)]
pub struct TestLayer(Vec<u8>);

impl TestLayer {
    /// A file with this name and content.
    pub fn new(name: &str, content: &str) -> Self {
        let mut tar = tar::Builder::new(Vec::new());
        append(&mut tar, name, content.as_bytes());
        Self(tar.into_inner().unwrap())
    }

    /// Any tar.
    pub const fn of(tar: Vec<u8>) -> Self {
        Self(tar)
    }

    pub fn diff_id(&self) -> DiffId {
        Digest::of(&self.0).into()
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl ImageTar {
    pub fn new() -> Self {
        Self { tar: tar::Builder::new(Vec::new()), manifest: Vec::new() }
    }

    /// Adds an image: `config` gets `rootfs` and a step of history for each layer.
    pub fn image(
        &mut self,
        config: Value,
        layers: &[TestLayer],
        tags: &[&str],
        parent: Option<ImageId>,
    ) -> ImageId {
        let config = complete(config, layers);
        let text = serde_json::to_vec(&config).unwrap();
        let id = ImageId::of(&text);
        let mut paths = Vec::new();
        for layer in layers {
            let path = format!("{}.tar", layer.diff_id().digest().hex());
            append(&mut self.tar, &path, &layer.0);
            paths.push(path);
        }
        let name = format!("{}.json", id.hex());
        append(&mut self.tar, &name, &text);
        let mut item = json!({ "Config": name, "RepoTags": tags, "Layers": paths });
        if let Some(parent) = parent {
            item["Parent"] = json!(parent);
        }
        self.manifest.push(item);
        id
    }

    pub fn finish(mut self) -> Vec<u8> {
        let manifest = serde_json::to_vec(&self.manifest).unwrap();
        append(&mut self.tar, "manifest.json", &manifest);
        self.tar.into_inner().unwrap()
    }
}

/// A config with the fields that belong to its layers.
pub fn complete(mut config: Value, layers: &[TestLayer]) -> Value {
    let diff_ids: Vec<_> = layers.iter().map(TestLayer::diff_id).collect();
    let step =
        |number: usize| json!({ "created": "2020-01-01T00:00:00Z", "created_by": format!("step {number}") });
    config["rootfs"] = json!({ "type": "layers", "diff_ids": diff_ids });
    config["history"] = (0..layers.len()).map(step).collect();
    for (key, value) in [("architecture", "amd64"), ("os", "linux")] {
        if config[key].is_null() {
            config[key] = json!(value);
        }
    }
    config
}

pub fn append<W: std::io::Write>(tar: &mut tar::Builder<W>, path: &str, bytes: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(bytes.len() as u64);
    tar.append_data(&mut header, path, bytes).unwrap();
}
