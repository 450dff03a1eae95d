#![cfg_attr(not(feature = "cli"), allow(dead_code, reason = "only tests of the command use it"))]
//! Roots of containerd that no daemon made.

use std::fs;
use std::path::Path;

use image_prune::Digest;
use serde_json::json;

use super::bolt::{Bucket, time, varint};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A root that grows, with one snapshotter and its own database.
pub struct ContainerdRoot<'a> {
    folder: &'a Path,
    namespace: String,
    snapshotter: String,
    metadata: Bucket,
    snapshots: Bucket,
    number: u32,
}

impl<'a> ContainerdRoot<'a> {
    pub fn new(folder: &'a Path, namespace: &str, snapshotter: &str) -> Self {
        let mut metadata = Bucket::default();
        metadata.put(&["v1", "version"], varint(4));
        fs::create_dir_all(folder.join("io.containerd.content.v1.content/blobs/sha256")).unwrap();
        Self {
            folder,
            namespace: namespace.to_owned(),
            snapshotter: snapshotter.to_owned(),
            metadata,
            snapshots: Bucket::default(),
            number: 0,
        }
    }

    /// An image with one layer of this many bytes, as an archive and unpacked; the digest of its manifest.
    pub fn image(&mut self, name: &str, seconds: i64, size: i64) -> Digest {
        let layer = Digest::of(name.as_bytes());
        let config = json!({
            "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": [layer] },
        });
        let config = serde_json::to_vec(&config).unwrap();
        let snapshot = format!("containerd.io/gc.ref.snapshot.{}", self.snapshotter);
        let config_digest = self.blob(&config, &[(&snapshot, layer)]);
        self.layer(layer, size);
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": { "mediaType": CONFIG, "digest": config_digest, "size": config.len() },
            "layers": [{ "mediaType": LAYER, "digest": layer, "size": size }],
        });
        let manifest = serde_json::to_vec(&manifest).unwrap();
        let labels = [
            ("containerd.io/gc.ref.content.config", config_digest),
            ("containerd.io/gc.ref.content.l.0", layer),
        ];
        let digest = self.blob(&manifest, &labels);
        self.snapshot(&layer.to_string(), None, Some(size));
        let image = self.metadata.bucket(&["v1", &self.namespace, "images", name]);
        image.put(&["createdat"], time(seconds));
        image.put(&["updatedat"], time(seconds));
        image.put(&["target", "digest"], digest.to_string());
        image.put(&["target", "mediatype"], MANIFEST);
        image.put(&["target", "size"], varint(i64::try_from(manifest.len()).unwrap()));
        digest
    }

    fn blob(&mut self, bytes: &[u8], labels: &[(&str, Digest)]) -> Digest {
        let digest = Digest::of(bytes);
        fs::write(
            self.folder.join("io.containerd.content.v1.content/blobs/sha256").join(digest.hex()),
            bytes,
        )
        .unwrap();
        self.layer(digest, i64::try_from(bytes.len()).unwrap());
        let text = digest.to_string();
        let blob = self.metadata.bucket(&["v1", &self.namespace, "content", "blob", &text]);
        for (key, value) in labels {
            blob.put(&["labels", key], value.to_string());
        }
        digest
    }

    /// Content that nobody reads.
    fn layer(&mut self, digest: Digest, size: i64) {
        let path = ["v1", &self.namespace, "content", "blob", &digest.to_string(), "size"];
        self.metadata.put(&path, varint(size));
    }

    /// A snapshot; without a size it is active. Returns the number of its folder.
    pub fn snapshot(&mut self, key: &str, parent: Option<&str>, size: Option<i64>) -> u32 {
        self.number += 1;
        let name = format!("{}/{}/{key}", self.namespace, self.number);
        let named = self.metadata.bucket(&["v1", &self.namespace, "snapshots", &self.snapshotter, key]);
        named.put(&["name"], name.as_str());
        named.put(&["parent"], parent.unwrap_or_default());
        let stored = self.snapshots.bucket(&["v1", "snapshots", &name]);
        stored.put(&["id"], uvarint(self.number.into()));
        stored.put(&["kind"], [if size.is_some() { 3 } else { 2 }]);
        if let Some(size) = size {
            stored.put(&["size"], varint(size));
        }
        self.number
    }

    /// A container of containerd's own.
    pub fn container(&mut self, id: &str, image: &str) {
        let snapshotter = self.snapshotter.clone();
        let container = self.metadata.bucket(&["v1", &self.namespace, "containers", id]);
        container.put(&["image"], image);
        container.put(&["snapshotter"], snapshotter);
        container.put(&["snapshotKey"], id);
    }

    pub fn write(self) {
        for (name, bucket) in [
            ("io.containerd.metadata.v1.bolt/meta.db".to_owned(), self.metadata),
            (format!("io.containerd.snapshotter.v1.{}/metadata.db", self.snapshotter), self.snapshots),
        ] {
            let path = self.folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bucket.to_file()).unwrap();
        }
    }
}

/// A number as Go's `binary.PutUvarint` writes it.
fn uvarint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push((number & 0x7f) as u8);
    bytes
}
