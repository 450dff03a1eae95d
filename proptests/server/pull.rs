//! Images that are pulled: from what is there, made up, or out of a folder.

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use image_prune::Digest;
use image_prune::server::{Pull, TestDaemon};
use serde_json::{Value, json};

use crate::support::http::{Reply, get, post, request};
use crate::support::image_tar::{ImageTar, TestLayer, complete};

fn pull(daemon: &TestDaemon, query: &str) -> Reply {
    post(daemon.socket().unwrap(), &format!("/images/create?{query}"))
}

#[test]
fn an_image_that_is_there_is_up_to_date() {
    let daemon = TestDaemon::builder().start().unwrap();
    let mut tar = ImageTar::new();
    tar.image(json!({ "architecture": "amd64" }), &[TestLayer::new("a", "b")], &["base:1", "base:2"], None);
    request(daemon.socket().unwrap(), "POST", "/images/load", "application/x-tar", &tar.finish());
    for query in [
        "fromImage=base&tag=1",
        "fromImage=base:1",
        "fromImage=docker.io/library/base&tag=1",
        "fromImage=base:1&platform=linux/amd64",
    ] {
        let reply = pull(&daemon, query);
        assert_eq!(
            reply.body,
            "{\"status\":\"Pulling from library/base\",\"id\":\"1\"}\r\n\
             {\"status\":\"Status: Image is up to date for base:1\"}\r\n",
            "{query}"
        );
    }
    let all = pull(&daemon, "fromImage=base");
    assert_eq!(all.body.matches("Pulling from").count(), 2, "{}", all.body);
    let events = daemon.events().history();
    let last = events.last().unwrap();
    assert_eq!((&*last.action, &*last.actor.id, last.attribute("name")), ("pull", "base:2", Some("base")));

    for query in ["fromImage=base&tag=3", "fromImage=nope", "fromImage=base:1&platform=linux/arm64"] {
        let reply = pull(&daemon, query);
        assert_eq!(reply.status, 404, "{query}: {}", reply.body);
        assert!(
            reply.body.contains("repository does not exist or may require 'docker login'"),
            "{}",
            reply.body
        );
    }
}

#[test]
fn stubs_are_the_same_for_the_same_name() {
    let start = || TestDaemon::builder().pull(Pull::Stub).start().unwrap();
    let (one, two) = (start(), start());
    for daemon in [&one, &two] {
        let reply = pull(daemon, "fromImage=alpine&tag=3.20");
        assert_eq!(reply.status, 200);
        assert!(reply.body.contains("Status: Downloaded newer image for alpine:3.20"), "{}", reply.body);
        assert!(pull(daemon, "fromImage=alpine&tag=3.20").body.contains("up to date"));
        daemon.stores().validate().unwrap();
    }
    assert_eq!(one.world(), two.world());
    let socket = one.socket().unwrap();
    let image: Value = serde_json::from_str(&get(socket, "/images/alpine:3.20/json").body).unwrap();
    assert_eq!(image["RepoTags"], json!(["alpine:3.20"]));
    let digest = image["RepoDigests"][0].as_str().unwrap();
    assert!(digest.starts_with("alpine@sha256:"), "{digest}");
    assert!(
        pull(&one, &format!("fromImage=alpine&tag={}", &digest["alpine@".len()..]))
            .body
            .contains("up to date")
    );
    pull(&one, "fromImage=alpine&tag=3.20&platform=linux/arm64/v8");
    let other: Value = serde_json::from_str(&get(socket, "/images/alpine:3.20/json").body).unwrap();
    assert_eq!(other["Architecture"], "arm64");
    assert_ne!(other["Id"], image["Id"]);
    let made =
        request(socket, "POST", "/containers/create", "application/json", br#"{"Image":"alpine:3.20"}"#);
    assert_eq!(made.status, 201, "{}", made.body);
    post(socket, "/containers/prune");
    post(socket, "/images/prune?filters=%7B%22dangling%22:%5B%220%22%5D%7D");
    assert!(one.stores().images.is_empty() && one.stores().layers.is_empty());
}

/// The blobs of an index of two platforms, each with one compressed layer; the index itself.
fn blobs() -> (Vec<Vec<u8>>, Value) {
    let mut blobs = Vec::new();
    let mut add = |bytes: Vec<u8>| {
        let descriptor = json!({ "digest": Digest::of(&bytes).to_string(), "size": bytes.len() });
        blobs.push(bytes);
        descriptor
    };
    let mut manifests = Vec::new();
    for architecture in ["amd64", "arm64"] {
        let layer = TestLayer::new("for", architecture);
        let config = complete(json!({ "architecture": architecture }), std::slice::from_ref(&layer));
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(layer.bytes()).unwrap();
        let (config, layer) = (add(config.to_string().into_bytes()), add(encoder.finish().unwrap()));
        let manifest = json!({ "schemaVersion": 2, "config": config, "layers": [layer] });
        let mut entry = add(manifest.to_string().into_bytes());
        entry["platform"] = json!({ "os": "linux", "architecture": architecture });
        manifests.push(entry);
    }
    let index = add(json!({ "schemaVersion": 2, "manifests": manifests }).to_string().into_bytes());
    (blobs, index)
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn layout(folder: &Path, name: &str) {
    let (blobs, mut index) = blobs();
    for blob in blobs {
        write(&folder.join("blobs/sha256").join(Digest::of(&blob).hex()), &blob);
    }
    index["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
    write(&folder.join("index.json"), json!({ "manifests": [index] }).to_string().as_bytes());
    write(&folder.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#);
}

fn registry(folder: &Path) -> String {
    let (blobs, index) = blobs();
    let storage = folder.join("docker/registry/v2");
    for blob in blobs {
        let hex = Digest::of(&blob).hex();
        write(&storage.join("blobs/sha256").join(&hex[..2]).join(&hex).join("data"), &blob);
    }
    let digest = index["digest"].as_str().unwrap().to_owned();
    let manifests = storage.join("repositories/team/app/_manifests");
    write(&manifests.join("tags/1/current/link"), digest.as_bytes());
    write(&manifests.join("revisions").join(digest.replace(':', "/")).join("link"), digest.as_bytes());
    digest
}

#[test]
fn folders_are_pulled_from() {
    let folder = tempfile::tempdir().unwrap();
    layout(&folder.path().join("layout"), "team/app:1");
    let digest = registry(&folder.path().join("registry"));
    for kind in ["layout", "registry"] {
        let source: Pull = format!("oci:{}", folder.path().join(kind).display()).parse().unwrap();
        let daemon = TestDaemon::builder().pull(source).start().unwrap();
        let reply = pull(&daemon, "fromImage=team/app&tag=1");
        assert!(reply.body.contains("Downloaded newer image for team/app:1"), "{kind}: {}", reply.body);
        assert!(reply.body.contains(&format!("Digest: {digest}")), "{kind}: {}", reply.body);
        let socket = daemon.socket().unwrap();
        let image: Value = serde_json::from_str(&get(socket, "/images/team/app:1/json").body).unwrap();
        assert_eq!(image["Architecture"], "amd64");
        assert_eq!(image["RepoDigests"], json!([format!("team/app@{digest}")]));
        pull(&daemon, "fromImage=team/app&tag=1&platform=linux/arm64");
        let image: Value = serde_json::from_str(&get(socket, "/images/team/app:1/json").body).unwrap();
        assert_eq!(image["Architecture"], "arm64");
        let none = pull(&daemon, "fromImage=team/app&tag=1&platform=linux/s390x");
        assert!(
            none.status == 404 && none.body.contains("no matching manifest for linux/s390x"),
            "{}",
            none.body
        );
        assert_eq!(pull(&daemon, "fromImage=team/app&tag=2").status, 404);
        assert_eq!(pull(&daemon, "fromImage=team/other&tag=1").status, 404);
        daemon.stores().validate().unwrap();
        let fresh = TestDaemon::builder().pull(Pull::From(folder.path().join(kind))).start().unwrap();
        assert_eq!(pull(&fresh, &format!("fromImage=team/app&tag={digest}")).status, 200);
    }
}

#[test]
fn folders_that_are_not_whole_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let pulled = |path: &Path| {
        let daemon = TestDaemon::builder().pull(Pull::From(path.to_owned())).start().unwrap();
        let reply = pull(&daemon, "fromImage=team/app&tag=1");
        assert_eq!(daemon.stores().images.is_empty(), reply.status != 200);
        assert_eq!(daemon.stores().layers.is_empty(), reply.status != 200);
        (reply.status, reply.body)
    };
    let (status, body) = pulled(folder.path());
    assert!(status == 500 && body.contains("neither an OCI layout"), "{body}");
    layout(folder.path(), "1");
    let blobs: Vec<_> =
        fs::read_dir(folder.path().join("blobs/sha256")).unwrap().map(Result::unwrap).collect();
    let mut problems = Vec::new();
    for blob in blobs {
        let whole = fs::read(blob.path()).unwrap();
        fs::write(blob.path(), [&whole[..], b" "].concat()).unwrap();
        problems.push(pulled(folder.path()));
        fs::remove_file(blob.path()).unwrap();
        problems.push(pulled(folder.path()));
        fs::write(blob.path(), whole).unwrap();
    }
    // Those of the other platform are not looked at.
    assert_eq!(problems.iter().filter(|(status, _)| *status == 200).count(), 6, "{problems:?}");
    assert_eq!(
        problems.iter().filter(|(_, body)| body.contains("has other content")).count(),
        4,
        "{problems:?}"
    );
    assert_eq!(problems.iter().filter(|(_, body)| body.contains("is missing")).count(), 4, "{problems:?}");
}
