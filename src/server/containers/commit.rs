//! `POST /commit`: an image of a container's config. Its layers are those of the container's image, as nothing is ever
//! written (moby's `daemon/commit.go`).

use serde::Serialize;
use serde_json::{Map, Value};

use super::super::answer::{Answer, Refusal};
use super::super::call::Call;
use super::super::daemon::Daemon;
use super::super::images::{add_tag, apply_changes, history_of, named, raw_config};
use super::super::json;
use super::super::record::{Record, strings};
use super::super::shape::{CONFIG, HISTORY, Object, find};
use super::change::log;
use super::create::merge;
use crate::base::digest::ImageId;
use crate::base::error::{Error, ErrorClass, Result};
use crate::document::image::Image;

pub fn commit(daemon: &Daemon, call: &mut Call) -> Result<Answer, Refusal> {
    let name = call.form.get("container").to_owned();
    let body = call.json_or_nothing()?;
    if name.is_empty() {
        return Err(Error::invalid_parameter("invalid name or ID supplied: \"\"").into());
    }
    let record = daemon.shelf.find(&name)?;
    let mut config = if body.is_empty() { record.config.clone() } else { Object::new(CONFIG, &body) };
    apply_changes(&mut config, call.form.all("changes"))?;
    merge(&mut config, &record.config);
    let (repository, tag) = (call.form.get("repo"), call.form.get("tag"));
    let pauses =
        record.state.word() == "running" && (call.form.get("pause").is_empty() || call.form.flag("pause"));
    if pauses {
        log(daemon, &record, "pause", &[]);
    }
    let parent = record.image.map(|image| daemon.store.image(image)).transpose()?;
    let comment = call.form.get("comment");
    let text = describe(daemon, &record, parent.as_deref(), &config, call.form.get("author"), comment)?;
    let id = daemon.store.create(text)?;
    if let Some(image) = record.image {
        daemon.store.set_parent(id, image)?;
    }
    let mut shown = String::new();
    if !repository.is_empty() {
        // moby has made the image before it looks at the name.
        let reference = named(daemon, repository, tag, ErrorClass::System)?;
        reference.familiar().clone_into(&mut shown);
        add_tag(daemon, id, reference)?;
    }
    let attributes = [("comment", comment.to_owned()), ("imageID", id.to_string()), ("imageRef", shown)];
    log(daemon, &record, "commit", &attributes);
    if pauses {
        log(daemon, &record, "unpause", &[]);
    }
    Ok(Answer::json_with_status(201, &Committed { id }))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Committed {
    id: ImageId,
}

/// The config in the order in which moby writes it: its digest is the image's ID.
fn describe(
    daemon: &Daemon,
    record: &Record,
    parent: Option<&Image>,
    config: &Object,
    author: &str,
    comment: &str,
) -> Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Described<'a> {
        architecture: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        author: &'a str,
        config: &'a Object,
        container: String,
        container_config: &'a Object,
        created: &'a str,
        docker_version: &'a str,
        history: Vec<Object>,
        os: &'a str,
        rootfs: RootFs,
    }
    #[derive(Serialize)]
    struct RootFs {
        #[serde(rename = "type")]
        kind: &'static str,
        diff_ids: Vec<String>,
    }
    let raw = parent.map(raw_config).unwrap_or_default();
    let created = daemon.now().instant.rfc3339_nano(0).to_string();
    let mut step = Map::new();
    step.insert("created".to_owned(), created.clone().into());
    step.insert("author".to_owned(), author.into());
    step.insert("created_by".to_owned(), strings(record.config.get("Cmd")).join(" ").into());
    step.insert("comment".to_owned(), comment.into());
    // DIFFERENCE(commit-without-layer): nothing is written in a container.
    step.insert("empty_layer".to_owned(), true.into());
    let steps = history_of(&raw).into_iter().chain([&step]);
    let text = json::encode(&Described {
        architecture: find(&raw, "architecture").and_then(Value::as_str).unwrap_or_default(),
        author,
        config,
        container: record.id.to_string(),
        container_config: &record.config,
        created: &created,
        docker_version: daemon.version(),
        history: steps.map(|step| Object::new(HISTORY, step)).collect(),
        os: parent.map(Image::os).filter(|os| !os.is_empty()).unwrap_or("linux"),
        rootfs: RootFs { kind: "layers", diff_ids: parent.map(Image::diff_ids).unwrap_or_default() },
    });
    let mut text = text.map_err(|error| Error::system(error.to_string()))?;
    // The encoder's newline is no part of a config.
    text.pop();
    Ok(text)
}
