//! `POST /images/load`: the tar of `docker save`, or an OCI layout (moby's `image/tarexport/load.go`).

use std::io::{Read, Write};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::super::answer::Answer;
use super::super::call::Call;
use super::super::daemon::Daemon;
use super::super::store::Held;
use super::archive::{Archive, budget, decompress};
use super::change::{log, named};
use super::details::{config, history_of};
use super::legacy;
use crate::base::archive::Budget;
use crate::base::digest::{ChainId, DiffId, Digest, ImageId};
use crate::base::error::{Error, ErrorClass, Result};
use crate::document::image::Image;
use crate::document::manifest::{Descriptor, Manifest, OCI_INDEX};
use crate::document::reference::Reference;

/// The media type of Docker's own index.
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// One image of the archive.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Item {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
    parent: String,
}

pub fn load(daemon: &Daemon, call: &mut Call) -> Answer {
    let budget = budget();
    let mut loading = Loading { daemon, budget: &budget, messages: Vec::new(), held: daemon.store.hold() };
    let loaded = Archive::read(&mut call.body, &budget).and_then(|archive| loading.load(&archive));
    // DIFFERENCE(progress-of-load): nothing takes long, so that there is nothing to tell between the messages.
    let messages = loading.end(loaded.err());
    Answer::messages(Box::new(move |out| out.write_all(&messages)))
}

/// A load under way: what it says, and the layers that must not go before their image is there.
pub(super) struct Loading<'a> {
    pub daemon: &'a Daemon,
    /// For the archive and for its layers, which may be compressed again.
    pub budget: &'a Budget,
    messages: Vec<u8>,
    pub held: Held<'a>,
}

impl Loading<'_> {
    fn load(&mut self, archive: &Archive) -> Result<()> {
        let items: Vec<Item> = match archive.get("manifest.json") {
            Some(manifest) => {
                serde_json::from_slice(&manifest).map_err(|error| Error::system(error.to_string()))?
            }
            None if archive.get("repositories").is_some() => return legacy::load(self, archive),
            None => items_of_layout(archive)?,
        };
        let mut links = Vec::new();
        let mut unnamed = String::new();
        let mut has_tags = false;
        for item in &items {
            let id = self.load_image(archive, item)?;
            unnamed.extend(["Loaded image ID: ", &id.to_string(), "\n"]);
            has_tags = false;
            for tag in item.repo_tags.iter().flatten() {
                self.add_tag(id, tag)?;
                has_tags = true;
            }
            links.push((id, item.parent.parse::<ImageId>().ok()));
            log(self.daemon, id, &id.to_string(), "load");
        }
        self.link_parents(&links)?;
        // moby asks the last image alone.
        if !has_tags && !unnamed.is_empty() {
            self.say(&unnamed);
        }
        Ok(())
    }

    fn load_image(&mut self, archive: &Archive, item: &Item) -> Result<ImageId> {
        let config = archive.require(&item.config)?;
        let image = Image::parse(config.to_vec(), self.daemon.semantics())?;
        if image.os() == "windows" {
            return Err(Error::system("cannot load windows image on linux"));
        }
        let layers = item.layers.as_deref().unwrap_or_default();
        let diff_ids = image.diff_ids();
        if layers.len() != diff_ids.len() {
            return Err(Error::system(format!(
                "invalid manifest, layers length mismatch: expected {}, got {}",
                layers.len(),
                diff_ids.len()
            )));
        }
        let mut chain = None;
        for (number, (path, diff_id)) in layers.iter().zip(&diff_ids).enumerate() {
            chain = Some(self.load_layer(archive, number, path, diff_id, chain)?);
        }
        let id = ImageId::of(&config);
        // One that comes anew was never tagged.
        if !self.daemon.store.contains(id) {
            self.daemon.set_tagged(id, None);
        }
        self.daemon.store.create(config.to_vec())
    }

    fn load_layer(
        &mut self,
        archive: &Archive,
        number: usize,
        path: &str,
        expected: &str,
        parent: Option<ChainId>,
    ) -> Result<ChainId> {
        let expected_id = expected.parse::<DiffId>().ok();
        let chain = expected_id.map(|diff_id| ChainId::on(parent, diff_id));
        if let Some(chain) = chain
            && self.held.get(chain)
        {
            return Ok(chain);
        }
        let tar = plain_tar(archive.require(path)?.as_ref(), self.budget)?;
        let diff_id = DiffId::from(Digest::of(&tar));
        let chain = self.held.register(diff_id, parent, &tar)?;
        if expected_id != Some(diff_id) {
            return Err(Error::system(format!(
                "invalid diffID for layer {number}: expected \"{expected}\", got \"{diff_id}\""
            )));
        }
        self.held.keep(chain, tar);
        Ok(chain)
    }

    /// `setLoadedTag`: what fails there is not told.
    fn add_tag(&mut self, id: ImageId, tag: &str) -> Result<()> {
        let reference = named(self.daemon, tag, "", ErrorClass::System)?;
        if reference.tag().is_none() {
            return Err(Error::system(format!("invalid tag \"{tag}\"")));
        }
        let shown = self.move_tag(id, reference);
        self.say(&format!("Loaded image: {shown}\n"));
        Ok(())
    }

    /// Gives an image a tag that another may have; the name.
    pub fn move_tag(&mut self, id: ImageId, reference: Reference) -> String {
        let shown = reference.familiar().to_owned();
        if let Some(previous) = self.daemon.store.named(&reference).filter(|previous| *previous != id) {
            self.say(&format!(
                "The image {shown} already exists, renaming the old one with ID {previous} to empty string\n"
            ));
        }
        let _ = self.daemon.store.move_tag(reference, id);
        shown
    }

    /// Links between images of the archive alone.
    fn link_parents(&self, links: &[(ImageId, Option<ImageId>)]) -> Result<()> {
        let store = &self.daemon.store;
        for (child, parent) in links {
            let is_here = |parent: &ImageId| links.iter().any(|(id, _)| id == parent && id != child);
            let Some(parent) = parent.filter(is_here) else { continue };
            let (image, above) = (store.image(*child)?, store.image(parent)?);
            if !is_one_step(&history(&image), &history(&above)) {
                return Err(Error::system(format!("image {parent} is not a valid parent for {child}")));
            }
            store.set_parent(*child, parent)?;
        }
        Ok(())
    }

    fn say(&mut self, text: &str) {
        #[derive(Serialize)]
        struct Message<'a> {
            stream: &'a str,
        }
        self.write(&Message { stream: text });
    }

    fn write(&mut self, message: &impl Serialize) {
        // Writing to memory does not fail; what is not JSON is not said.
        if let Ok(text) = serde_json::to_vec(message) {
            self.messages.extend_from_slice(&text);
            let _ = self.messages.write_all(b"\r\n");
        }
    }

    /// Lets the layers go that are held by an image now, or by nobody. An error is the last message: 200 was said.
    fn end(mut self, error: Option<Error>) -> Vec<u8> {
        if let Some(error) = error {
            let message = error.to_string();
            self.write(&StreamError { error_detail: Detail { message: &message }, error: &message });
        }
        self.messages
    }
}

/// `streamformatter.FormatError`.
#[derive(Serialize)]
pub(super) struct StreamError<'a> {
    #[serde(rename = "errorDetail")]
    pub error_detail: Detail<'a>,
    pub error: &'a str,
}

#[derive(Serialize)]
pub(super) struct Detail<'a> {
    pub message: &'a str,
}

pub(super) fn plain_tar(source: impl Read, budget: &Budget) -> Result<Vec<u8>> {
    let mut tar = Vec::new();
    let read = decompress(source, budget)?.read_to_end(&mut tar);
    read.map_err(|error| Error::system(format!("cannot read the layer: {error}")))?;
    Ok(tar)
}

/// The steps of an image, as far as Go's `DeepEqual` tells them apart.
fn history(image: &Image) -> Vec<Map<String, Value>> {
    let is_said =
        |(_, value): &(String, Value)| !matches!(value, Value::Null | Value::Bool(false)) && value != "";
    let normalized = |step: &Map<String, Value>| {
        let fields = step.clone().into_iter().map(|(key, value)| (key.to_ascii_lowercase(), value));
        fields.filter(is_said).collect()
    };
    history_of(&config(image)).into_iter().map(normalized).collect()
}

/// `checkValidParent`.
fn is_one_step(child: &[Map<String, Value>], parent: &[Map<String, Value>]) -> bool {
    (child.is_empty() && parent.is_empty()) || (child.len() == parent.len() + 1 && child.starts_with(parent))
}

/// The images of an OCI layout, as if `docker save` had written them. DIFFERENCE(oci-layouts): moby 20.10 loads no layouts.
fn items_of_layout(archive: &Archive) -> Result<Vec<Item>> {
    let Some(index) = archive.get("index.json").filter(|_| archive.get("oci-layout").is_some()) else {
        return Err(Error::system(
            "the archive has neither a manifest.json, as docker save writes it, nor an oci-layout and an index.json",
        ));
    };
    let mut items = Vec::new();
    let mut waiting = parse_index(&index)?;
    // An index may list indexes; each is looked at once.
    let mut seen = std::collections::HashSet::new();
    while let Some(descriptor) = waiting.pop() {
        let blob = blob(archive, &descriptor)?;
        if !seen.insert(Digest::of(&blob)) {
            continue;
        }
        if [OCI_INDEX, DOCKER_LIST].contains(&descriptor.media_type.as_str()) {
            waiting.extend(parse_index(&blob)?);
        } else {
            items.push(item_of_manifest(archive, &descriptor, &blob)?);
        }
    }
    items.reverse();
    Ok(items)
}

fn parse_index(bytes: &[u8]) -> Result<Vec<Descriptor>> {
    let index = Manifest::parse(bytes)
        .map_err(|error| Error::system(format!("an index of the layout cannot be read: {error}")))?;
    Ok(index.manifests)
}

fn item_of_manifest(archive: &Archive, descriptor: &Descriptor, bytes: &[u8]) -> Result<Item> {
    let unreadable =
        |problem: String| Error::system(format!("manifest {} cannot be read: {problem}", descriptor.digest));
    let manifest = Manifest::parse(bytes).map_err(|error| unreadable(error.to_string()))?;
    let config = manifest.config.ok_or_else(|| unreadable("it names no config".to_owned()))?;
    for part in std::iter::once(&config).chain(&manifest.layers) {
        blob(archive, part)?;
    }
    let annotation = |name: &str| descriptor.annotations.get(name).cloned();
    // containerd's whole name counts before OCI's, which may be a tag alone.
    let name = annotation("io.containerd.image.name")
        .or_else(|| annotation("org.opencontainers.image.ref.name").filter(|name| name.contains([':', '/'])));
    Ok(Item {
        config: blob_path(&config),
        repo_tags: name.map(|name| vec![name]),
        layers: Some(manifest.layers.iter().map(blob_path).collect()),
        parent: String::new(),
    })
}

fn blob_path(descriptor: &Descriptor) -> String {
    format!("blobs/sha256/{}", descriptor.digest.hex())
}

/// A blob, and it is what its name says.
fn blob(archive: &Archive, descriptor: &Descriptor) -> Result<Arc<[u8]>> {
    let bytes = archive.require(&blob_path(descriptor))?;
    if Digest::of(&bytes) != descriptor.digest {
        return Err(Error::system(format!("blob {} of the layout has other content", descriptor.digest)));
    }
    Ok(bytes)
}
