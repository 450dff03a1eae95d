//! Images made by the test: real layers, configs that say what they are.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use image_prune::Digest;
use serde_json::{Value, json};

/// Bytes that do not compress, the same for the same seed.
pub fn noise(seed: &str, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 32);
    let mut block = Digest::of(seed.as_bytes());
    while bytes.len() < length {
        bytes.extend_from_slice(block.as_bytes());
        block = Digest::of(block.as_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// A tar with one file.
pub fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, name, content).unwrap();
    builder.into_inner().unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An OCI layout, written by hand.
pub struct Layout<'a> {
    pub folder: &'a Path,
}

impl Layout<'_> {
    pub fn blob(&self, content: &[u8], kind: &str) -> Value {
        let folder = self.folder.join("blobs/sha256");
        fs::create_dir_all(&folder).unwrap();
        let digest = Digest::of(content);
        fs::write(folder.join(digest.hex()), content).unwrap();
        json!({"mediaType": kind, "digest": digest.to_string(), "size": content.len()})
    }

    /// An image of these layers, as `(name, bytes of its file)`.
    pub fn image(&self, architecture: &str, layers: &[(&str, usize)], labels: &Value) -> Value {
        let tars: Vec<Vec<u8>> = layers.iter().map(|(name, size)| tar(name, &noise(name, *size))).collect();
        let diff_ids: Vec<String> = tars.iter().map(|tar| Digest::of(tar).to_string()).collect();
        let config = json!({
            "created": "2024-01-01T00:00:00Z", "architecture": architecture, "os": "linux",
            "config": {"Labels": labels}, "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let config = self.blob(config.to_string().as_bytes(), "application/vnd.oci.image.config.v1+json");
        let kind = "application/vnd.oci.image.layer.v1.tar+gzip";
        let layers: Vec<Value> = tars.iter().map(|tar| self.blob(&gzip(tar), kind)).collect();
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers});
        let mut descriptor = self.blob(manifest.to_string().as_bytes(), kind);
        descriptor["platform"] = json!({"os": "linux", "architecture": architecture});
        descriptor
    }

    pub fn index(&self, manifests: &[Value]) -> Value {
        let kind = "application/vnd.oci.image.index.v1+json";
        let index = json!({"schemaVersion": 2, "mediaType": kind, "manifests": manifests});
        self.blob(index.to_string().as_bytes(), kind)
    }

    /// Writes `index.json`, with a name for each image.
    pub fn finish(&self, images: &[(&str, Value)]) {
        let named = images.iter().map(|(name, image)| {
            let mut image = image.clone();
            image["annotations"] = json!({"org.opencontainers.image.ref.name": name});
            image
        });
        let index = json!({"schemaVersion": 2, "manifests": named.collect::<Vec<_>>()});
        fs::write(self.folder.join("index.json"), index.to_string()).unwrap();
        fs::write(self.folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    }
}

/// Has skopeo copy an image.
pub fn skopeo(args: &[&str]) {
    let done = Command::new("skopeo").arg("--insecure-policy").arg("copy").args(args).output().unwrap();
    assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
}
