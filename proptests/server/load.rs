//! Archives go in and come out.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use image_prune::graph::store::ImageStore;
use image_prune::server::TestDaemon;
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

/// A gzip of zeros, made of members of a mebibyte each.
fn gzip_of_zeros(mebibytes: usize, before: &[u8], after: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![0; 1 << 20]).unwrap();
    let part = encoder.finish().unwrap();
    let mut whole = gzip(before);
    (0..mebibytes).for_each(|_| whole.extend_from_slice(&part));
    whole.extend_from_slice(&gzip(after));
    whole
}

/// The header of a file.
fn header(kind: tar::EntryType, path: &str, size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path(path).unwrap();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_cksum();
    header.as_bytes().to_vec()
}

/// A layer of 400 MiB of zeros in 420 kB, once as `docker save | gzip` and once compressed itself; an archive of 2 GiB
/// of zeros; and a name of 400 MiB.
fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let file = |size: usize| header(tar::EntryType::Regular, "layer", (size as u64) << 20);
    let end = [0; 1024];
    let layer = gzip_of_zeros(400, &file(400), &end);
    assert!(layer.len() < 450_000, "{}", layer.len());
    let in_plain = |layer: &[u8]| {
        let mut tar = tar::Builder::new(Vec::new());
        let config = json!({"os": "linux", "rootfs": {"diff_ids": [Digest::of(b"").to_string()]}});
        append(&mut tar, "config.json", config.to_string().as_bytes());
        append(&mut tar, "layer", layer);
        let manifest = json!([{"Config": "config.json", "RepoTags": ["a:1"], "Layers": ["layer"]}]);
        append(&mut tar, "manifest.json", manifest.to_string().as_bytes());
        tar.into_inner().unwrap()
    };
    let name = header(tar::EntryType::GNULongName, "././@LongLink", 400 << 20);
    vec![
        ("a layer", in_plain(&layer)),
        ("a layer in an archive that is compressed, too", gzip(&in_plain(&layer))),
        ("an archive", gzip_of_zeros(2048, &file(2048), &end)),
        ("a name", gzip_of_zeros(400, &name, &end)),
    ]
}

#[test]
fn what_unpacks_to_a_thousand_times_its_size_is_refused() {
    for (name, archive) in bombs() {
        let daemon = TestDaemon::builder().start().unwrap();
        let said = load(&daemon, &archive);
        let expected =
            if name == "a name" { "describes an entry in more than" } else { "more than is allowed" };
        assert!(said.contains("errorDetail") && said.contains(expected), "{name}: {said}");
        assert!(daemon.stores().layers.is_empty() && daemon.stores().images.is_empty());
        let path = "/images/create?fromSrc=-";
        let reply = request(daemon.socket().unwrap(), "POST", path, "application/x-tar", &archive);
        if name.contains("archive") && !name.contains("layer") {
            assert!(reply.body.contains("more than is allowed"), "{name}: {}", reply.body);
        }
    }
    // What compresses as well and is no larger than a test's layer may be is loaded.
    let daemon = TestDaemon::builder().start().unwrap();
    let file = header(tar::EntryType::Regular, "zeros", 64 << 20);
    let archive = gzip_of_zeros(64, &file, &[0; 1024]);
    let path = "/images/create?fromSrc=-&repo=zeros";
    let reply = request(daemon.socket().unwrap(), "POST", path, "application/x-tar", &archive);
    assert!(reply.body.contains("status"), "{}", reply.body);
}

/// The most memory that `serve` had, by the kernel's count.
#[test]
#[cfg(all(feature = "cli", target_os = "linux"))]
fn a_small_archive_does_not_fill_the_memory() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s.sock");
    let mut child = Command::new(env!("CARGO_BIN_EXE_image-prune"))
        .args(["serve", "--socket"])
        .arg(&socket)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
    let peak = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_ascii_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    };
    let mut peaks = Vec::new();
    for (_, archive) in bombs() {
        request(&socket, "POST", "/images/load", "application/x-tar", &archive);
        peaks.push(peak());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let limit = 900 << 20;
    assert!(peaks.iter().all(|peak| *peak < limit), "{peaks:?} bytes");
}
