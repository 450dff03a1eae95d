//! Debian's `docker-registry` on loopback, filled by the test.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use image_prune::Digest;
use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::Agent;

use crate::support::dockerd::is_installed;

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// How a registry is set up.
#[derive(Clone, Copy, Default)]
pub struct Setup {
    pub no_deletion: bool,
    pub user: Option<(&'static str, &'static str)>,
    /// Speak TLS, with a certificate of the authority in `ca.pem`.
    pub tls: bool,
}

pub struct Peer {
    child: Child,
    pub folder: TempDir,
    pub address: String,
    agent: Agent,
    authorization: Option<String>,
}

/// Whether a program is there; says what is skipped where it is not.
pub fn has(program: &str) -> bool {
    let is_there = is_installed(program);
    if !is_there {
        println!("skipped: {program} is not installed");
    }
    is_there
}

impl Peer {
    /// A registry that answers; none where there is no such program.
    pub fn start(setup: Setup) -> Option<Self> {
        if !has("docker-registry") || (setup.user.is_some() && !has("htpasswd")) {
            return None;
        }
        if setup.tls && !has("openssl") {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let mut config = json!({
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": true}},
            "storage": {
                "filesystem": {"rootdirectory": folder.path().join("data")},
                "delete": {"enabled": !setup.no_deletion},
                "maintenance": {"uploadpurging": {"enabled": false}},
            },
            "health": {"storagedriver": {"enabled": false}},
        });
        if let Some((user, password)) = setup.user {
            let file = folder.path().join("htpasswd");
            let made = Command::new("htpasswd").args(["-Bbn", user, password]).output().unwrap();
            fs::write(&file, made.stdout).unwrap();
            config["auth"] = json!({"htpasswd": {"realm": "test", "path": file}});
        }
        // Another process may take the port in between.
        (0..5)
            .find_map(|_| {
                let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
                config["http"] = json!({"addr": format!("127.0.0.1:{port}")});
                if setup.tls {
                    config["http"]["tls"] = certificates(folder.path());
                }
                fs::write(folder.path().join("config.yml"), config.to_string()).unwrap();
                let child = serve(folder.path());
                wait_for(child, port).map(|child| (child, port))
            })
            .map(|(child, port)| {
                let agent = Agent::config_builder().http_status_as_error(false).build().new_agent();
                let authorization = setup.user.map(|(user, password)| {
                    let plain = format!("{user}:{password}");
                    format!(
                        "Basic {}",
                        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, plain)
                    )
                });
                Self { child, folder, address: format!("127.0.0.1:{port}"), agent, authorization }
            })
    }

    /// Sends something; the status and the answer.
    pub fn send(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
        let url =
            if path.starts_with("http") { path.to_owned() } else { format!("http://{}{path}", self.address) };
        let mut request = ureq::http::Request::builder().method(method).uri(url);
        if !kind.is_empty() {
            request = request.header("content-type", kind).header("accept", kind);
        }
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let response = if matches!(method, "PUT" | "POST") {
            self.agent.run(request.body(body).unwrap()).unwrap()
        } else {
            self.agent.run(request.body(()).unwrap()).unwrap()
        };
        let status = response.status().as_u16();
        let location = response.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
        (status, location.unwrap_or_default(), response.into_body().read_to_vec().unwrap())
    }

    pub fn push_blob(&self, repository: &str, content: &[u8]) -> Value {
        let (status, location, _) = self.send("POST", &format!("/v2/{repository}/blobs/uploads/"), "", b"");
        assert_eq!(status, 202);
        let digest = Digest::of(content);
        let (status, ..) =
            self.send("PUT", &format!("{location}&digest={digest}"), "application/octet-stream", content);
        assert_eq!(status, 201);
        json!({"mediaType": "application/octet-stream", "digest": digest.to_string(), "size": content.len()})
    }

    /// Puts a manifest under a tag, or under its digest alone.
    pub fn push_manifest(&self, repository: &str, tag: Option<&str>, kind: &str, manifest: &Value) -> Value {
        let text = manifest.to_string();
        let digest = Digest::of(text.as_bytes()).to_string();
        let path = format!("/v2/{repository}/manifests/{}", tag.unwrap_or(&digest));
        let (status, _, answer) = self.send("PUT", &path, kind, text.as_bytes());
        assert_eq!(status, 201, "{}", String::from_utf8_lossy(&answer));
        json!({"mediaType": kind, "digest": digest, "size": text.len()})
    }

    /// An image of these layers; its config says when it was made.
    pub fn push_image(&self, repository: &str, tag: Option<&str>, layers: &[&str], created: &str) -> Value {
        let config =
            json!({"created": created, "architecture": "amd64", "os": "linux", "of": repository, "tag": tag});
        let config = self.push_blob(repository, config.to_string().as_bytes());
        let layers: Vec<Value> =
            layers.iter().map(|layer| self.push_blob(repository, layer.as_bytes())).collect();
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
        self.push_manifest(repository, tag, MANIFEST, &manifest)
    }

    /// An index of images that were pushed before.
    pub fn push_index(&self, repository: &str, tag: &str, images: &[Value]) -> Value {
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": images});
        self.push_manifest(repository, Some(tag), INDEX, &index)
    }

    /// Lets another tag point to the same digest.
    pub fn retag(&self, repository: &str, digest: &Value, tag: &str) {
        let (_, _, text) = self.send(
            "GET",
            &format!("/v2/{repository}/manifests/{}", digest["digest"].as_str().unwrap()),
            digest["mediaType"].as_str().unwrap(),
            b"",
        );
        let kind = digest["mediaType"].as_str().unwrap();
        let (status, ..) = self.send("PUT", &format!("/v2/{repository}/manifests/{tag}"), kind, &text);
        assert_eq!(status, 201);
    }

    /// Every tag that can be pulled, all that it needs included, as `repository:tag`, with its digest.
    pub fn whole_tags(&self, repository: &str) -> BTreeMap<String, String> {
        self.tags(repository, true)
    }

    /// The same, without a look at config and layers, which no deletion touches.
    pub fn listed_tags(&self, repository: &str) -> BTreeMap<String, String> {
        self.tags(repository, false)
    }

    fn tags(&self, repository: &str, with_blobs: bool) -> BTreeMap<String, String> {
        let (status, _, text) = self.send("GET", &format!("/v2/{repository}/tags/list"), "", b"");
        if status == 404 {
            return BTreeMap::new();
        }
        let list: Value = serde_json::from_slice(&text).unwrap();
        let tags = list["tags"].as_array().cloned().unwrap_or_default();
        let mut found = BTreeMap::new();
        for tag in tags {
            let tag = tag.as_str().unwrap();
            if let Some(digest) = self.pull(repository, tag, with_blobs) {
                found.insert(format!("{repository}:{tag}"), digest);
            }
        }
        found
    }

    /// The digest of a manifest, if it and everything below it is there.
    fn pull(&self, repository: &str, reference: &str, with_blobs: bool) -> Option<String> {
        let accept = image_prune::manifest::ACCEPT;
        let (status, _, text) =
            self.send("GET", &format!("/v2/{repository}/manifests/{reference}"), accept, b"");
        if status != 200 {
            return None;
        }
        let manifest: Value = serde_json::from_slice(&text).unwrap();
        let list = |name: &str| manifest[name].as_array().cloned().unwrap_or_default();
        let digest = |value: &Value| value["digest"].as_str().unwrap().to_owned();
        for child in list("manifests") {
            self.pull(repository, &digest(&child), with_blobs)?;
        }
        let layers = list("layers");
        for blob in layers.iter().chain(manifest.get("config")).filter(|_| with_blobs) {
            let path = format!("/v2/{repository}/blobs/{}", digest(blob));
            if self.send("HEAD", &path, "", b"").0 != 200 {
                return None;
            }
        }
        Some(Digest::of(&text).to_string())
    }

    /// Bytes of all blobs on its disk.
    pub fn blob_bytes(&self) -> u64 {
        fn below(folder: &Path) -> u64 {
            let Ok(entries) = fs::read_dir(folder) else { return 0 };
            let size = |entry: fs::DirEntry| {
                if entry.file_type().unwrap().is_dir() {
                    below(&entry.path())
                } else {
                    entry.metadata().unwrap().len()
                }
            };
            entries.map(|entry| size(entry.unwrap())).sum()
        }
        below(&self.data().join("blobs"))
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data/docker/registry/v2")
    }

    /// The registry's own garbage collection; it stops for that, and starts again.
    pub fn collect_garbage(&mut self) {
        self.stop();
        let config = self.folder.path().join("config.yml");
        let done = Command::new("docker-registry").arg("garbage-collect").arg(config).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let port = self.address.rsplit_once(':').unwrap().1.parse().unwrap();
        self.child = wait_for(serve(self.folder.path()), port).unwrap();
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// An authority, and a certificate of it for this machine.
fn certificates(folder: &Path) -> Value {
    let openssl = |line: &str| {
        let done = Command::new("openssl").args(line.split(' ')).current_dir(folder).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n").unwrap();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -days 30 -subj /CN=authority"));
    openssl(&format!("req {key} -keyout own.key -out own.csr -subj /CN=registry"));
    openssl(
        "x509 -req -in own.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out own.pem -days 30 -extfile names",
    );
    json!({"certificate": folder.join("own.pem"), "key": folder.join("own.key")})
}

fn serve(folder: &Path) -> Child {
    Command::new("docker-registry")
        .arg("serve")
        .arg(folder.join("config.yml"))
        .env("OTEL_TRACES_EXPORTER", "none")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The child, once it listens; none where it died.
fn wait_for(mut child: Child, port: u16) -> Option<Child> {
    let started = Instant::now();
    loop {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return child.try_wait().unwrap().is_none().then_some(child);
        }
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "the registry does not start");
        std::thread::sleep(Duration::from_millis(10));
    }
}
