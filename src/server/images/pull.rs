//! `POST /images/create?fromImage=`: `docker pull`.

use serde_json::{Value, json};

use super::super::answer::{Answer, Refusal};
use super::super::call::Call;
use super::super::daemon::Daemon;
use super::super::platform::Platform;
use super::super::pull::Pull;
use super::archive::budget;
use super::change::{log_as, named};
use super::import::ARCHITECTURE;
use super::load::plain_tar;
use super::source;
use crate::base::digest::{DiffId, Digest, ImageId};
use crate::base::error::{Error, ErrorClass, Result};
use crate::document::image::Image;
use crate::document::reference::Reference;

pub fn pull(daemon: &Daemon, call: &Call) -> Result<Answer, Refusal> {
    let platform = Platform::parse(call.form.get("platform"))?;
    let (name, tag) = (call.form.get("fromImage"), call.form.get("tag"));
    let reference = if tag.contains(':') {
        Reference::parse(&format!("{name}@{tag}"), daemon.semantics())
            .map_err(|error| Error::invalid_parameter(error.to_string()))?
    } else {
        named(daemon, name, tag, ErrorClass::InvalidParameter)?
    };
    if reference.tag().is_none() && reference.digest().is_none() {
        return pull_all(daemon, &reference);
    }
    let mut said = Said::default();
    said.pulling(&reference);
    let existing = daemon.store.named(&reference).filter(|id| suits(daemon, *id, platform.as_ref()));
    let (id, status) = match existing {
        Some(id) => (id, "Image is up to date for"),
        None => (fetch(daemon, &reference, platform, &mut said)?, "Downloaded newer image for"),
    };
    said.end(daemon, id, &reference, status);
    Ok(said.answer())
}

/// An image without a platform that was asked for is pulled anew.
fn suits(daemon: &Daemon, id: ImageId, platform: Option<&Platform>) -> bool {
    let Some(platform) = platform else { return true };
    daemon.store.image(id).is_ok_and(|image| {
        let raw = super::details::config(&image);
        let text = |name: &str| raw.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        platform.takes(&text("os"), &text("architecture"), &text("variant"))
    })
}

/// All tags of a repository: those that are here are up to date, and others are not known.
fn pull_all(daemon: &Daemon, name: &Reference) -> Result<Answer, Refusal> {
    let of_name = daemon.store.of_repository(name.familiar_name());
    let tags: Vec<_> = of_name.into_iter().filter(|(reference, _)| !reference.is_canonical()).collect();
    if tags.is_empty() {
        return Err(denied(name).into());
    }
    let mut said = Said::default();
    for (reference, id) in &tags {
        said.pulling(reference);
        log_as(daemon, *id, reference.familiar(), reference.familiar_name(), "pull");
    }
    said.say(&json!({ "status": format!("Status: Image is up to date for {}", name.familiar_name()) }));
    Ok(said.answer())
}

/// DIFFERENCE(no-network): a daemon would ask the registry.
fn denied(reference: &Reference) -> Error {
    Error::not_found(format!(
        "pull access denied for {}, repository does not exist or may require 'docker login': denied: requested access to \
         the resource is denied",
        reference.familiar_name()
    ))
}

fn fetch(
    daemon: &Daemon,
    reference: &Reference,
    platform: Option<Platform>,
    said: &mut Said,
) -> Result<ImageId> {
    let mut platform = platform.unwrap_or_default();
    for (part, default) in [(&mut platform.os, "linux"), (&mut platform.architecture, ARCHITECTURE)] {
        if part.is_empty() {
            default.clone_into(part);
        }
    }
    let found = match &daemon.settings().pull {
        Pull::Never => None,
        Pull::Stub => Some(stub(reference, &platform)?),
        Pull::From(folder) => source::find(folder, reference, &platform)?,
    };
    let found = found.ok_or_else(|| denied(reference))?;
    let id = register(daemon, &found, said)?;
    let canonical = Reference::parse(&format!("{}@{}", reference.name(), found.digest), daemon.semantics())?;
    daemon.store.move_digest(canonical, id)?;
    if reference.tag().is_some() {
        daemon.store.move_tag(reference.clone(), id)?;
    }
    said.say(&json!({ "status": format!("Digest: {}", found.digest) }));
    Ok(id)
}

/// Puts an image into the stores. Its layers are held until it holds them itself.
fn register(daemon: &Daemon, found: &source::Found, said: &mut Said) -> Result<ImageId> {
    let image = Image::parse(found.config.clone(), daemon.semantics())?;
    let diff_ids = image.diff_ids();
    if diff_ids.len() != found.layers.len() {
        return Err(Error::system("the config and the manifest of the image list another number of layers"));
    }
    let mut held = daemon.store.hold();
    let budget = budget();
    let mut parent = None;
    for (bytes, expected) in found.layers.iter().zip(&diff_ids) {
        let tar = plain_tar(budget.received(bytes.as_slice()), &budget)?;
        let diff_id = DiffId::from(Digest::of(&tar));
        if diff_id.to_string() != *expected {
            return Err(Error::system(format!("filesystem layer verification failed for digest {expected}")));
        }
        let chain = held.register(diff_id, parent, &tar)?;
        held.keep(chain, tar);
        said.layer(bytes);
        parent = Some(chain);
    }
    daemon.store.create(found.config.clone())
}

/// An image that is made up: the same for the same name and platform.
fn stub(reference: &Reference, platform: &Platform) -> Result<source::Found> {
    let failed = |error: std::io::Error| Error::system(format!("cannot make a layer up: {error}"));
    let mut layer = tar::Builder::new(Vec::new());
    let content = format!("{}\n", reference.familiar());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(content.len() as u64);
    layer.append_data(&mut header, "pulled", content.as_bytes()).map_err(failed)?;
    let layer = layer.into_inner().map_err(failed)?;
    let config = json!({
        "architecture": platform.architecture,
        "config": { "Cmd": ["/bin/sh"], "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"] },
        "created": "2020-01-01T00:00:00Z",
        "history": [{ "created": "2020-01-01T00:00:00Z", "created_by": "made up by image-prune serve --pull stub" }],
        "os": platform.os,
        "rootfs": { "type": "layers", "diff_ids": [DiffId::from(Digest::of(&layer))] },
    });
    let config = match config {
        Value::Object(mut config) if !platform.variant.is_empty() => {
            config.insert("variant".to_owned(), platform.variant.clone().into());
            Value::Object(config)
        }
        config => config,
    };
    let config = config.to_string().into_bytes();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", &layer)],
    });
    let digest = Digest::of(manifest.to_string().as_bytes()).to_string();
    Ok(source::Found { config, layers: vec![layer], digest })
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": Digest::of(bytes).to_string(), "size": bytes.len() })
}

/// What a client is told meanwhile.
#[derive(Default)]
struct Said(Vec<u8>);

impl Said {
    fn say(&mut self, message: &Value) {
        self.0.extend_from_slice(message.to_string().as_bytes());
        self.0.extend_from_slice(b"\r\n");
    }

    fn pulling(&mut self, reference: &Reference) {
        let id = reference.tag().or_else(|| reference.digest()).unwrap_or_default();
        // As Go's struct has them.
        let path = Value::from(format!("Pulling from {}", reference.path()));
        self.0.extend_from_slice(format!("{{\"status\":{path},\"id\":{}}}\r\n", Value::from(id)).as_bytes());
    }

    fn layer(&mut self, bytes: &[u8]) {
        let id = crate::base::digest::short(&Digest::of(bytes).to_string()).to_owned();
        let line = format!("{{\"status\":\"Pull complete\",\"progressDetail\":{{}},\"id\":\"{id}\"}}\r\n");
        self.0.extend_from_slice(line.as_bytes());
    }

    fn end(&mut self, daemon: &Daemon, id: ImageId, reference: &Reference, status: &str) {
        let shown = reference.familiar();
        self.say(&json!({ "status": format!("Status: {status} {shown}") }));
        log_as(daemon, id, shown, reference.familiar_name(), "pull");
    }

    fn answer(self) -> Answer {
        let said = self.0;
        Answer::messages(Box::new(move |out| out.write_all(&said)))
    }
}
