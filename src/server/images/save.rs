//! `GET /images/get` and `/images/{name}/get`: `docker save` (moby's `image/tarexport/save.go`).

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::Arc;

use serde::Serialize;

use super::super::answer::{Answer, Refusal};
use super::super::call::Call;
use super::super::daemon::Daemon;
use super::super::platform::Platform;
use super::change::log;
use super::details::config;
use super::of_platform;
use crate::base::digest::{ChainId, DiffId, Digest, ImageId};
use crate::base::error::{Error, Result};
use crate::document::image::Image;
use crate::document::reference::{AnyReference, Reference};
use crate::go::time::Timestamp;

pub fn save(daemon: &Daemon, call: &Call, names: &[&str]) -> Result<Answer, Refusal> {
    let platform = of_platform::asked(call, "platform", of_platform::SAVE_SINCE)?;
    let chosen = choose(daemon, names)?;
    if let Some(platform) = &platform {
        check_platform(daemon, chosen.keys(), platform)?;
    }
    let mut files = Files::default();
    let mut items = Vec::new();
    let mut repositories: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (id, tags) in &chosen {
        let folders = files.add_image(daemon, *id)?;
        let top = folders.last().cloned().unwrap_or_default();
        for tag in tags {
            let of_name = repositories.entry(tag.familiar_name().to_owned()).or_default();
            of_name.insert(tag.tag().unwrap_or_default().to_owned(), top.clone());
        }
        let tags: Vec<_> = tags.iter().map(|tag| tag.familiar().to_owned()).collect();
        let parent = daemon.store.parent(*id).filter(|parent| chosen.contains_key(parent));
        items.push(Item {
            config: format!("{}.json", id.hex()),
            repo_tags: (!tags.is_empty()).then_some(tags),
            layers: folders.iter().map(|folder| format!("{folder}/layer.tar")).collect(),
            parent,
        });
        log(daemon, *id, &id.to_string(), "save");
    }
    // The list of the images is of no image's time.
    files.time = 0;
    // As Go writes a list that was never begun.
    files.add_json("manifest.json", &(!items.is_empty()).then_some(&items))?;
    if !repositories.is_empty() {
        files.add_json("repositories", &repositories)?;
    }
    Ok(Answer::tar(Box::new(move |out| files.write(out))))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<ImageId>,
}

/// # Errors
///
/// An image is for another platform.
fn check_platform<'a>(
    daemon: &Daemon,
    ids: impl Iterator<Item = &'a ImageId>,
    platform: &Platform,
) -> Result<()> {
    for id in ids {
        if of_platform::other(&config(&*daemon.store.image(*id)?), platform).is_some() {
            return Err(Error::system(format!("no suitable export target found for platform {platform}")));
        }
    }
    Ok(())
}

/// `parseNames`: the images, each with the tags it was asked for by.
fn choose(daemon: &Daemon, names: &[&str]) -> Result<BTreeMap<ImageId, BTreeSet<Reference>>> {
    let mut chosen: BTreeMap<ImageId, BTreeSet<Reference>> = BTreeMap::new();
    for name in names {
        let missing = || Error::not_found(format!("No such image: {name}"));
        let by_id = |text: &str| daemon.store.search(text).map_err(|_| missing());
        let of_class = |error: Error| Error::new(daemon.semantics().save_error_class, error.to_string());
        match Reference::parse_any(name, daemon.semantics()).map_err(of_class)? {
            AnyReference::Digest(digest) => {
                let id = digest.parse::<ImageId>().map_err(|_| missing())?;
                chosen.entry(id).or_default();
            }
            AnyReference::Named(reference) if reference.familiar_name() == "sha256" => {
                chosen.entry(by_id(name)?).or_default();
            }
            AnyReference::Named(reference) if reference.tag().is_none() && !reference.is_canonical() => {
                let of_name = daemon.store.of_repository(reference.familiar_name());
                if of_name.is_empty() {
                    chosen.entry(by_id(name)?).or_default();
                }
                for (reference, id) in of_name {
                    let tags = chosen.entry(id).or_default();
                    tags.extend((!reference.is_canonical()).then_some(reference));
                }
            }
            AnyReference::Named(reference) => {
                let id = daemon.store.named(&reference);
                let id = id.ok_or_else(|| Error::not_found("reference does not exist"))?;
                let tags = chosen.entry(id).or_default();
                tags.extend((!reference.is_canonical()).then_some(reference));
            }
        }
    }
    Ok(chosen)
}

/// The archive's files by their path; a folder has none.
#[derive(Default)]
struct Files {
    files: BTreeMap<String, File>,
    /// When the image was made whose files are added, in seconds since 1970.
    time: u64,
}

struct File {
    content: Option<Arc<[u8]>>,
    time: u64,
}

impl Files {
    /// The folders of the image's layers, base first.
    fn add_image(&mut self, daemon: &Daemon, id: ImageId) -> Result<Vec<String>> {
        let image = daemon.store.image(id);
        let image = image.map_err(|_| Error::not_found(format!("No such image: {id}")))?;
        let layers = contents(daemon, &image)?;
        let created = image.created().map_or(0, Timestamp::unix_seconds);
        self.time = u64::try_from(created).unwrap_or(0);
        let last =
            layers.len().checked_sub(1).ok_or_else(|| Error::system("empty export - not implemented"))?;
        let mut folders = Vec::new();
        let mut parent: Option<String> = None;
        for (number, (chain, tar)) in layers.into_iter().enumerate() {
            // Only that it is one of its own matters: nobody but `docker load` of old asked what it is made of.
            let of = if number == last { format!("{chain} {id}") } else { chain.to_string() };
            let folder = Digest::of(of.as_bytes()).hex();
            let legacy = Legacy { id: &folder, parent: parent.as_deref(), os: "linux" };
            self.put(format!("{folder}/"), None);
            self.add(format!("{folder}/VERSION"), b"1.0".to_vec());
            self.add_json(&format!("{folder}/json"), &legacy)?;
            self.put(format!("{folder}/layer.tar"), Some(tar));
            parent = Some(folder.clone());
            folders.push(folder);
        }
        self.add(format!("{}.json", id.hex()), image.config());
        Ok(folders)
    }

    fn put(&mut self, path: String, content: Option<Arc<[u8]>>) {
        self.files.insert(path, File { content, time: self.time });
    }

    fn add(&mut self, path: String, bytes: Vec<u8>) {
        self.put(path, Some(bytes.into()));
    }

    fn add_json(&mut self, path: &str, value: &impl Serialize) -> Result<()> {
        let mut bytes = serde_json::to_vec(value).map_err(|error| Error::system(error.to_string()))?;
        bytes.push(b'\n');
        self.add(path.to_owned(), bytes);
        Ok(())
    }

    fn write(self, out: &mut dyn Write) -> io::Result<()> {
        let mut tar = tar::Builder::new(out);
        for (path, File { content, time }) in self.files {
            let mut header = tar::Header::new_gnu();
            header.set_mtime(time);
            header.set_username("root")?;
            header.set_groupname("root")?;
            match content {
                None => {
                    header.set_entry_type(tar::EntryType::Directory);
                    header.set_mode(0o755);
                    header.set_size(0);
                    tar.append_data(&mut header, path, io::empty())?;
                }
                Some(bytes) => {
                    header.set_mode(0o644);
                    header.set_size(bytes.len() as u64);
                    tar.append_data(&mut header, path, &*bytes)?;
                }
            }
        }
        tar.into_inner().map(drop)
    }
}

#[derive(Serialize)]
struct Legacy<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<&'a str>,
    os: &'a str,
}

/// The layers of an image with their tars, base first.
fn contents(daemon: &Daemon, image: &Image) -> Result<Vec<(ChainId, Arc<[u8]>)>> {
    let mut chain = None;
    let mut layers = Vec::new();
    for diff_id in image.diff_ids() {
        let Ok(diff_id) = diff_id.parse::<DiffId>() else {
            return Err(Error::system("layer does not exist"));
        };
        let own = ChainId::on(chain, diff_id);
        // DIFFERENCE(layers-of-a-state): a state has no content of layers.
        let tar = daemon.store.tar(own).ok_or_else(|| {
            Error::system(format!(
                "layer {own} has no content here: the daemon was started from a description of it"
            ))
        })?;
        layers.push((own, tar));
        chain = Some(own);
    }
    Ok(layers)
}
