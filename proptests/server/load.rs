//! Archives go in and come out.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use image_prune::server::TestDaemon;
use image_prune::store::ImageStore;
use image_prune::{Digest, ImageId};
use serde_json::json;

use crate::support::http::{get, request};
use crate::support::image_tar::{ImageTar, TestLayer, append, complete};

fn load(daemon: &TestDaemon, tar: &[u8]) -> String {
    let reply = request(daemon.socket().unwrap(), "POST", "/images/load", "application/x-tar", tar);
    assert_eq!(reply.status, 200);
    reply.body
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn what_was_saved_can_be_loaded() {
    let (base, top) = (TestLayer::new("a", "hi\n"), TestLayer::new("b", "there\n"));
    let mut tar = ImageTar::new();
    let config = json!({ "created": "2020-01-01T00:00:00Z", "config": { "Labels": { "k": "v" } } });
    let parent = tar.image(config, std::slice::from_ref(&base), &["base:1"], None);
    let child = tar.image(json!({ "author": "me" }), &[base, top], &["app:1", "app:2"], Some(parent));
    let daemon = TestDaemon::builder().start().unwrap();
    let said = load(&daemon, &gzip(&tar.finish()));
    assert!(said.ends_with("{\"stream\":\"Loaded image: app:2\\n\"}\r\n"), "{said}");
    daemon.stores().validate().unwrap();

    let saved = |names: &str| {
        let mut stream = std::os::unix::net::UnixStream::connect(daemon.socket().unwrap()).unwrap();
        let head = format!("GET /images/get?{names} HTTP/1.0\r\nHost: x\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        std::io::Read::read_to_end(&mut stream, &mut answer).unwrap();
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
        answer.split_off(end + 4)
    };
    let archive = saved("names=base:1&names=app");
    let other = TestDaemon::builder().start().unwrap();
    load(&other, &archive);
    assert_eq!(other.world(), daemon.world());
    assert_eq!(other.stores().images.parent(child), Some(parent));
    // A parent that is not saved along is no parent afterwards.
    let alone = TestDaemon::builder().start().unwrap();
    load(&alone, &saved("names=app:1"));
    assert_eq!(alone.stores().images.parent(child), None);
    assert!(get(daemon.socket().unwrap(), "/images/get?names=nope").body.contains("No such image: nope"));

    // What a prune takes, its content goes with.
    request(
        other.socket().unwrap(),
        "POST",
        "/images/prune?filters=%7B%22dangling%22:%5B%220%22%5D%7D",
        "",
        b"",
    );
    assert!(other.stores().layers.is_empty());
    let said = load(&other, &archive);
    assert!(!said.contains("error"), "{said}");
}

#[test]
fn images_of_a_description_cannot_be_saved() {
    let daemon = TestDaemon::builder().start().unwrap();
    let layer = TestLayer::new("a", "hi\n");
    let mut tar = ImageTar::new();
    tar.image(json!({}), &[layer], &["a:1"], None);
    load(&daemon, &tar.finish());
    let copy = TestDaemon::builder().world(daemon.world()).start().unwrap();
    let reply = get(copy.socket().unwrap(), "/images/a:1/get");
    assert_eq!(reply.status, 500);
    assert!(reply.body.contains("has no content here"), "{}", reply.body);
}

/// An OCI layout with one image behind an index behind the index, its layer compressed.
fn layout(spoil: impl Fn(&mut Vec<u8>)) -> (ImageId, Vec<u8>) {
    let layer = TestLayer::new("a", "hi\n");
    let config = complete(json!({ "author": "oci" }), std::slice::from_ref(&layer)).to_string().into_bytes();
    let id = ImageId::of(&config);
    let mut tar = tar::Builder::new(Vec::new());
    let mut blob = |media_type: &str, bytes: Vec<u8>, annotations: serde_json::Value| {
        let digest = Digest::of(&bytes);
        let mut content = bytes.clone();
        spoil(&mut content);
        append(&mut tar, &format!("blobs/sha256/{}", digest.hex()), &content);
        let mut descriptor =
            json!({ "mediaType": media_type, "digest": digest.to_string(), "size": bytes.len() });
        if !annotations.is_null() {
            descriptor["annotations"] = annotations;
        }
        descriptor
    };
    let config = blob("application/vnd.oci.image.config.v1+json", config, json!(null));
    let layer = blob("application/vnd.oci.image.layer.v1.tar+gzip", gzip(layer.bytes()), json!(null));
    let manifest =
        json!({ "schemaVersion": 2, "config": config, "layers": [layer] }).to_string().into_bytes();
    let name = json!({ "io.containerd.image.name": "docker.io/library/oci:1" });
    let manifest = blob("application/vnd.oci.image.manifest.v1+json", manifest, name);
    let inner = json!({ "schemaVersion": 2, "manifests": [manifest] }).to_string().into_bytes();
    let inner = blob("application/vnd.oci.image.index.v1+json", inner, json!(null));
    let index = json!({ "schemaVersion": 2, "manifests": [inner] }).to_string();
    append(&mut tar, "index.json", index.as_bytes());
    append(&mut tar, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
    (id, tar.into_inner().unwrap())
}

#[test]
fn layouts_can_be_loaded() {
    let daemon = TestDaemon::builder().start().unwrap();
    let (id, tar) = layout(|_| ());
    let said = load(&daemon, &tar);
    assert_eq!(said, "{\"stream\":\"Loaded image: oci:1\\n\"}\r\n");
    assert!(daemon.stores().images.contains(id));
    daemon.stores().validate().unwrap();

    let spoiled = TestDaemon::builder().start().unwrap();
    let (_, tar) = layout(|bytes| bytes.push(b' '));
    let said = load(&spoiled, &tar);
    assert!(said.contains("of the layout has other content"), "{said}");
    assert!(spoiled.stores().layers.is_empty() && spoiled.stores().images.is_empty());
}

#[test]
fn archives_cut_off_anywhere_are_errors() {
    let daemon = TestDaemon::builder().start().unwrap();
    let mut tar = ImageTar::new();
    tar.image(json!({}), &[TestLayer::new("a", "hi\n")], &["a:1"], None);
    let whole = tar.finish();
    for end in (0..whole.len()).step_by(97) {
        let said = load(&daemon, &whole[..end]);
        // Behind the manifest all there is to read was read.
        assert!(said.contains("errorDetail") || said.contains("Loaded image: a:1"), "{end}: {said}");
        daemon.stores().validate().unwrap();
    }
}
