//! Archives of `docker save` before 1.10: a folder for each image of one layer, and `repositories` (moby's `legacyLoad`).

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::shape::{HISTORY, Object};
use super::archive::Archive;
use super::change::named;
use super::details::config;
use super::load::{Loading, plain_tar};
use crate::base::digest::{DiffId, Digest, ImageId};
use crate::base::error::{Error, ErrorClass, Result};

/// The description of an image in its folder's `json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Description {
    os: String,
    parent: String,
    created: Option<String>,
    author: String,
    comment: String,
    container_config: Option<ContainerConfig>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ContainerConfig {
    cmd: Option<Vec<String>>,
}

/// Loads all images of an archive, parents first, and gives them their names. moby says nothing of either.
pub fn load(loading: &mut Loading, archive: &Archive) -> Result<()> {
    let mut loaded = HashMap::new();
    for folder in archive.folders_with("json") {
        load_image(loading, archive, &folder, &mut loaded)?;
    }
    let repositories: BTreeMap<String, BTreeMap<String, String>> = parse(&archive.require("repositories")?)?;
    for (name, tags) in repositories {
        for (tag, folder) in tags {
            let id = loaded
                .get(&folder)
                .copied()
                .ok_or_else(|| Error::system(format!("invalid target ID: {folder}")))?;
            let reference = named(loading.daemon, &name, &tag, ErrorClass::System)?;
            loading.move_tag(id, reference);
        }
    }
    Ok(())
}

/// Loads the image of a folder, and before it those above it that are not loaded yet.
fn load_image(
    loading: &mut Loading,
    archive: &Archive,
    folder: &str,
    loaded: &mut HashMap<String, ImageId>,
) -> Result<()> {
    let mut waiting: Vec<(String, Description)> = Vec::new();
    let mut next = folder.to_owned();
    while !next.is_empty() && !loaded.contains_key(&next) {
        if waiting.iter().any(|(other, _)| *other == next) {
            return Err(Error::system(format!("image {next} of the archive is above itself")));
        }
        let description: Description = parse(&archive.require(&format!("{next}/json"))?)?;
        let above = description.parent.clone();
        waiting.push((next, description));
        next = above;
    }
    while let Some((folder, description)) = waiting.pop() {
        let parent = loaded.get(&description.parent).copied();
        let id = make(loading, archive, &folder, &description, parent)?;
        loaded.insert(folder, id);
    }
    Ok(())
}

fn make(
    loading: &mut Loading,
    archive: &Archive,
    folder: &str,
    description: &Description,
    parent: Option<ImageId>,
) -> Result<ImageId> {
    if description.os == "windows" {
        return Err(Error::system("cannot load windows image on linux"));
    }
    let store = &loading.daemon.store;
    let (mut chain, mut diff_ids, mut history) = (None, Vec::new(), Vec::new());
    if let Some(parent) = parent {
        let image = store.image(parent)?;
        chain = image.top_layer();
        diff_ids = image.diff_ids();
        let of_parent = config(&image);
        history.extend(
            super::details::history_of(&of_parent).into_iter().map(|step| Object::new(HISTORY, step)),
        );
    }
    let tar = plain_tar(archive.require(&format!("{folder}/layer.tar"))?.as_ref(), loading.budget)?;
    let diff_id = DiffId::from(Digest::of(&tar));
    let chain = loading.held.register(diff_id, chain, &tar)?;
    loading.held.keep(chain, tar);
    diff_ids.push(diff_id.to_string());
    history.push(step(description));
    let text = describe(&archive.require(&format!("{folder}/json"))?, &diff_ids, &history)?;
    let id = ImageId::of(&text);
    if !store.contains(id) {
        loading.daemon.set_tagged(id, None);
    }
    let id = store.create(text)?;
    if let Some(parent) = parent {
        store.set_parent(id, parent)?;
    }
    Ok(id)
}

/// `v1.HistoryFromConfig`
fn step(description: &Description) -> Object {
    let command = description.container_config.as_ref().and_then(|config| config.cmd.as_deref());
    let mut fields = serde_json::Map::new();
    for (name, value) in [
        ("created", description.created.clone().unwrap_or_default()),
        ("author", description.author.clone()),
        ("created_by", command.unwrap_or_default().join(" ")),
        ("comment", description.comment.clone()),
    ] {
        if !value.is_empty() {
            fields.insert(name.to_owned(), value.into());
        }
    }
    Object::new(HISTORY, &fields)
}

/// `v1.MakeConfigFromV1Config`: what the folder's `json` says as it stands, its keys sorted, with layers and history.
/// DIFFERENCE(compressions): moby reads images of before 1.8.3 into a newer form first.
fn describe(json: &[u8], diff_ids: &[String], history: &[Object]) -> Result<Vec<u8>> {
    let mut fields: BTreeMap<String, Box<RawValue>> = parse(json)?;
    for name in ["id", "parent", "Size", "parent_id", "layer_id", "throwaway"] {
        fields.remove(name);
    }
    let of_go = |error: serde_json::Error| Error::system(error.to_string());
    let layers =
        format!(r#"{{"type":"layers","diff_ids":{}}}"#, serde_json::to_string(diff_ids).map_err(of_go)?);
    fields.insert("rootfs".to_owned(), RawValue::from_string(layers).map_err(of_go)?);
    fields.insert("history".to_owned(), serde_json::value::to_raw_value(history).map_err(of_go)?);
    let text = serde_json::to_string(&fields).map_err(of_go)?;
    // Go escapes these, which stand in strings alone.
    let text = text.replace('&', r"\u0026").replace('<', r"\u003c").replace('>', r"\u003e");
    Ok(text.replace('\u{2028}', r"\u2028").replace('\u{2029}', r"\u2029").into_bytes())
}

fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| Error::system(error.to_string()))
}
