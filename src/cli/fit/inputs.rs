//! From the names of images to what they consist of.

use std::io::Read;
use std::path::Path;

use image_prune::fit::{Content, Files, Layout, Wanted};
use image_prune::manifest::{Descriptor, MANIFEST_SIZE, Platform};
use image_prune::registry::{Address, CONFIG_SIZE, Fetched, Registry};
use image_prune::{Digest, Error, ErrorClass};

use crate::cli::error::{Failure, Result};
use crate::cli::read::{self, named};
use crate::cli::registry::args::LoginArgs;
use crate::cli::registry::login;

/// What the layers of `images` are, on a platform. With a block size, those at hand are counted.
pub fn wanted(images: &[String], platform: &Platform, login: &LoginArgs, block: u64) -> Result<Wanted> {
    let (mut wanted, mut files, mut texts) = (Wanted::default(), Files::default(), Vec::new());
    for image in images {
        match Input::parse(image) {
            Input::Layout(folder, name) => add_layout(&mut wanted, image, folder, name, platform, block)?,
            Input::Registry(rest) => add_registry(&mut wanted, image, rest, platform, login)?,
            Input::File(file) => {
                texts.push((named(file).display().to_string(), read::bytes(file, MANIFEST_SIZE)?));
            }
        }
    }
    // A file may list another that is named behind it; such a one stands for nothing itself.
    for (_, text) in &texts {
        files.add(text.clone());
    }
    let children: Vec<Digest> = texts.iter().flat_map(|(_, text)| listed(text)).collect();
    for (name, text) in texts.iter().filter(|(_, text)| !children.contains(&Digest::of(text))) {
        wanted.add(name, text, platform, &files, None)?;
    }
    Ok(wanted)
}

/// What a name says where the image is.
enum Input<'a> {
    Layout(&'a Path, Option<&'a str>),
    Registry(&'a str),
    File(&'a Path),
}

impl<'a> Input<'a> {
    fn parse(image: &'a str) -> Self {
        if let Some(rest) = image.strip_prefix("docker://") {
            return Self::Registry(rest);
        }
        let (rest, is_layout) = image.strip_prefix("oci:").map_or((image, false), |rest| (rest, true));
        if Path::new(rest).is_dir() {
            return Self::Layout(Path::new(rest), None);
        }
        match rest.rsplit_once(':') {
            Some((folder, name)) if is_layout => Self::Layout(Path::new(folder), Some(name)),
            _ if is_layout => Self::Layout(Path::new(rest), None),
            _ => Self::File(Path::new(rest)),
        }
    }
}

fn add_layout(
    wanted: &mut Wanted,
    image: &str,
    folder: &Path,
    name: Option<&str>,
    platform: &Platform,
    block: u64,
) -> Result<()> {
    let layout = Layout::open(folder)?;
    for found in layout.images(name)? {
        let Some(text) = layout.read(found, MANIFEST_SIZE)? else {
            let missing = format!("{} is listed and not there", found.digest);
            return Err(Failure::at(folder, ErrorClass::NotFound, missing));
        };
        wanted.add(image, &text, platform, &layout, Some(block))?;
    }
    Ok(())
}

fn add_registry(
    wanted: &mut Wanted,
    image: &str,
    rest: &str,
    platform: &Platform,
    login: &LoginArgs,
) -> Result<()> {
    let usage = |why: &str| {
        let shown = Address::shown(image);
        Failure::Usage(format!("`{shown}`: {why}; write it like docker://host:port/name:tag"))
    };
    let (host, path) = rest.split_once('/').ok_or_else(|| usage("no host"))?;
    let address: Address = host.parse().map_err(|error: Error| usage(&error.to_string()))?;
    let (repository, reference) = match path.split_once('@') {
        Some((repository, digest)) => (repository, digest),
        None => path.rsplit_once(':').unwrap_or((path, "latest")),
    };
    if path.contains(['?', '#']) {
        return Err(usage("a name and a tag, nothing behind them"));
    }
    let registry = login::open(&address, login)?;
    let content = Remote { registry: &registry, repository };
    let Some(text) = content.manifest(reference)? else {
        return Err(Error::not_found(format!("{image}: does not exist")).into());
    };
    Ok(wanted.add(image, &text, platform, &content, None)?)
}

/// A repository of a registry; layers are not downloaded.
struct Remote<'a> {
    registry: &'a Registry,
    repository: &'a str,
}

impl Remote<'_> {
    fn manifest(&self, reference: &str) -> image_prune::Result<Option<Vec<u8>>> {
        match self.registry.manifest_text(self.repository, reference)? {
            (Fetched::Missing, _) => Ok(None),
            (Fetched::Read(_), text) => Ok(Some(text)),
            (Fetched::Unreadable { why, .. }, _) => {
                Err(Error::system(format!("{} {reference}: {why}", self.repository)))
            }
        }
    }
}

impl Content for Remote<'_> {
    fn read(&self, wanted: &Descriptor, limit: usize) -> image_prune::Result<Option<Vec<u8>>> {
        if wanted.media_type.contains("manifest") || wanted.media_type.contains("index") {
            return self.manifest(&wanted.digest.to_string());
        }
        self.registry.blob(self.repository, wanted.digest, limit.min(CONFIG_SIZE))
    }

    fn open(&self, _wanted: &Descriptor) -> image_prune::Result<Option<Box<dyn Read + '_>>> {
        Ok(None)
    }
}

/// The manifests that a file lists.
fn listed(text: &[u8]) -> Vec<Digest> {
    let manifest = image_prune::manifest::Manifest::parse(text);
    manifest.map(|manifest| manifest.manifests.iter().map(|child| child.digest).collect()).unwrap_or_default()
}
