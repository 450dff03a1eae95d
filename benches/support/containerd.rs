//! The containerd stores that the benches prune.

use image_prune::containerd::Engine;
use image_prune::containerd::store::{Bytes, Containers, ImageStore, Metadata, Stores};
use image_prune::event::EventLog;
use image_prune::world::containerd::{
    Blob, Container, ImageRecord, Labels, Lease, Platform, Snapshot, Target,
};
use image_prune::{Digest, Semantics, Timestamp};

use super::store::now;

pub const SEMANTICS: Semantics = Semantics::MOBY_29_CONTAINERD;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const STATEMENT: &str = "application/vnd.in-toto+json";

/// Base chains, and layers in each.
const BASES: usize = 16;
const BASE_DEPTH: usize = 5;

/// N images, each an index with two platforms, one of them present, and an attestation; two layers of its own above one
/// of 16 bases; two names on every fourth, a container for every twentieth.
pub fn stores(images: usize, bytes: Bytes) -> Stores {
    let metadata = Metadata::new("overlayfs", &SEMANTICS).keeping(bytes);
    let containers = Containers::new();
    for number in 0..images {
        let (index, manifest) = add_image(&metadata, number);
        let name = |tag| format!("registry.example.com/team{}/app{number}:{tag}", number % 50);
        for tag in ["v1", "latest"].into_iter().take(1 + usize::from(number.is_multiple_of(4))) {
            let created_at = Timestamp::from(now()).saturating_add(-3_600_000_000_000 * age_in_hours(number));
            let target =
                Target { media_type: INDEX.into(), digest: index, size: 1_600, annotations: [].into() };
            let (labels, updated_at) = (Labels::new(), created_at);
            let record = ImageRecord { name: name(tag), target, labels, created_at, updated_at };
            metadata.create_image(record.into()).unwrap();
        }
        if number % 20 == 0 {
            let id = Digest::of(format!("container {number}").as_bytes()).hex();
            let mut lease = Lease { id: id.clone(), ..Lease::default() };
            lease.snapshots.push(chain(number, BASE_DEPTH + 2).pop().unwrap().to_string());
            metadata.add_lease(lease).unwrap();
            containers.add(Container {
                id,
                image: name("v1"),
                image_id: index,
                running: false,
                mounts: Vec::new(),
                platform: None,
                image_manifest: Some(manifest),
            });
        }
    }
    let host_platform = Platform { architecture: "amd64".into(), os: "linux".into(), ..Platform::default() };
    Stores { metadata, containers, host_platform }
}

pub fn engine(images: usize, bytes: Bytes) -> Engine<EventLog> {
    Engine::new(stores(images, bytes), SEMANTICS, EventLog::new(|| Timestamp::new(1_767_225_600, 0)))
}

fn age_in_hours(number: usize) -> i64 {
    i64::try_from(number % 2000).unwrap()
}

/// Of an image's layers, base first.
fn layer_name(number: usize, depth: usize) -> String {
    if depth < BASE_DEPTH {
        format!("base {} {depth}", number % BASES)
    } else {
        format!("layer {number} {depth}")
    }
}

fn diff(number: usize, depth: usize) -> Digest {
    Digest::of(format!("diff of {}", layer_name(number, depth)).as_bytes())
}

fn chain(number: usize, depth: usize) -> Vec<Digest> {
    let mut chain: Vec<Digest> = Vec::new();
    for depth in 0..depth {
        let diff = diff(number, depth);
        let next = match chain.last() {
            None => diff,
            Some(below) => Digest::of(format!("{below} {diff}").as_bytes()),
        };
        chain.push(next);
    }
    chain
}

fn add(metadata: &Metadata, raw: &str, labels: Labels) -> (Digest, usize) {
    let digest = Digest::of(raw.as_bytes());
    let size = i64::try_from(raw.len()).unwrap();
    metadata.add_blob(&Blob { digest, size, raw: Some(raw.as_bytes().into()), labels }).unwrap();
    (digest, raw.len())
}

fn descriptor(media_type: &str, (digest, size): (Digest, usize), rest: &str) -> String {
    format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size}{rest}}}"#)
}

fn reference(rest: &str, digest: Digest) -> (String, String) {
    (format!("containerd.io/gc.ref.{rest}"), digest.to_string())
}

/// The index of an image, and its manifest.
fn add_image(metadata: &Metadata, number: usize) -> (Digest, Digest) {
    let depth = BASE_DEPTH + 2;
    let chain = chain(number, depth);
    for (at, key) in chain.iter().enumerate() {
        let parent = at.checked_sub(1).map(|below| chain[below].to_string());
        let size = 2_000 + i64::try_from(at).unwrap();
        let (key, labels) = (key.to_string(), Labels::new());
        metadata.add_snapshot(&Snapshot { key, parent, size, active: false, labels }).unwrap();
    }
    let diffs: Vec<String> = (0..depth).map(|depth| format!("\"{}\"", diff(number, depth))).collect();
    let env = ["prod", "test", "dev", "stage", "qa"][number % 5];
    let config = format!(
        r#"{{"architecture":"amd64","config":{{"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"Cmd":["/bin/sh"],"Labels":{{"env":"{env}","n":"{number}"}}}},"created":"2025-01-01T00:00:00Z","os":"linux","rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
        diffs.join(",")
    );
    let top = *chain.last().unwrap();
    let config = add(metadata, &config, [reference("snapshot.overlayfs", top)].into());
    let layers: Vec<_> =
        (0..depth).map(|depth| (Digest::of(layer_name(number, depth).as_bytes()), 1_000 + depth)).collect();
    let manifest = add_manifest(metadata, config, &layers, LAYER);

    let statement = (Digest::of(format!("statement {number}").as_bytes()), 900);
    let statements = format!(
        r#"{{"architecture":"unknown","os":"unknown","config":{{}},"rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
        statement.0
    );
    let statements = add(metadata, &statements, Labels::new());
    let attestation = add_manifest(metadata, statements, &[statement], STATEMENT);
    let absent = (Digest::of(format!("arm64 {number}").as_bytes()), 1_000);

    let about = format!(
        r#","annotations":{{"vnd.docker.reference.digest":"{}","vnd.docker.reference.type":"attestation-manifest"}},"platform":{{"architecture":"unknown","os":"unknown"}}"#,
        manifest.0
    );
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{},{},{}]}}"#,
        descriptor(MANIFEST, manifest, r#","platform":{"architecture":"amd64","os":"linux"}"#),
        descriptor(MANIFEST, absent, r#","platform":{"architecture":"arm64","os":"linux"}"#),
        descriptor(MANIFEST, attestation, &about),
    );
    let labels = [
        reference("content.m.0", manifest.0),
        reference("content.m.1", absent.0),
        reference("content.m.2", attestation.0),
    ];
    (add(metadata, &index, labels.into()).0, manifest.0)
}

fn add_manifest(
    metadata: &Metadata,
    config: (Digest, usize),
    layers: &[(Digest, usize)],
    media_type: &str,
) -> (Digest, usize) {
    let mut labels = Labels::from([reference("content.config", config.0)]);
    let mut descriptors = Vec::new();
    for (at, layer) in layers.iter().enumerate() {
        let (digest, size) = (layer.0, i64::try_from(layer.1).unwrap());
        metadata.add_blob(&Blob { digest, size, raw: None, labels: Labels::new() }).unwrap();
        labels.extend([reference(&format!("content.l.{at}"), digest)]);
        descriptors.push(descriptor(media_type, *layer, ""));
    }
    let raw = format!(
        r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{},"layers":[{}]}}"#,
        descriptor(CONFIG, config, ""),
        descriptors.join(",")
    );
    add(metadata, &raw, labels)
}
