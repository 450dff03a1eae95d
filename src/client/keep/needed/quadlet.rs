//! Units of Podman's Quadlet.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::files::{Files, system};
use super::variables::unknown;
use super::{Named, at};
use crate::base::error::Result;

/// Whether a file is a unit, by its name as for Podman.
pub fn is_unit(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("container" | "image" | "build" | "volume" | "kube" | "pod" | "network"))
}

/// The images of a unit.
pub fn images(path: &Path, files: &Files<'_>) -> Result<Vec<Named>> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let settings = settings(path, files)?;
    let last = |key: &str| {
        let value = settings.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        value.filter(|value| !value.is_empty())
    };
    let refused = |problem: &str| at(path, problem);
    let mut names = Vec::new();
    match extension {
        "container" => {
            match (last("Image"), last("Rootfs")) {
                (Some(image), _) => names.push(resolve(path, image, files)?),
                (None, Some(_)) => {}
                (None, None) => return Err(refused("it has no `Image`")),
            }
            for (_, mount) in settings.iter().filter(|(key, _)| key == "Mount") {
                if let Some(source) = mounted(mount).map_err(|problem| refused(&problem))? {
                    names.push(resolve(path, source, files)?);
                }
            }
        }
        "image" => {
            let image = last("Image").ok_or_else(|| refused("it has no `Image`"))?;
            names.push(image.to_owned());
            names.extend(last("ImageTag").map(str::to_owned));
        }
        "build" => {
            let tags = settings.iter().filter(|(key, tag)| key == "ImageTag" && !tag.is_empty());
            names.extend(tags.map(|(_, tag)| tag.clone()));
            if names.is_empty() {
                return Err(refused("it has no `ImageTag`"));
            }
        }
        "volume" => names.extend(last("Image").map(|image| resolve(path, image, files)).transpose()?),
        _ => return Err(refused("units of this kind are not read; name the manifests or the containers")),
    }
    let images = names.iter().map(|name| {
        let names = vec![without_specifiers(name).map_err(|problem| refused(&problem))?];
        Ok(Named { file: path.to_owned(), names })
    });
    images.collect()
}

/// An image, or that of the unit that is named in its place.
fn resolve(path: &Path, image: &str, files: &Files<'_>) -> Result<String> {
    let unit = Path::new(image);
    if !matches!(unit.extension().and_then(|extension| extension.to_str()), Some("image" | "build")) {
        return Ok(image.to_owned());
    }
    let unit = path.with_file_name(image);
    let settings = settings(&unit, files)?;
    let last =
        |key: &str| settings.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.clone());
    let name = last("ImageTag").or_else(|| last("Image")).filter(|name| !name.is_empty());
    name.ok_or_else(|| at(&unit, "it names no image"))
}

/// The keys and values of a unit and of its drop-ins, in their order. Sections of systemd's own do not count.
fn settings(path: &Path, files: &Files<'_>) -> Result<Vec<(String, String)>> {
    let mut settings = Vec::new();
    let mut texts = vec![(path.to_owned(), files.read(path)?)];
    for drop_in in drop_ins(path)? {
        let text = files.read(&drop_in)?;
        texts.push((drop_in, text));
    }
    for (path, text) in texts {
        let mut is_ours = false;
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let mut line = line.trim().to_owned();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            while let Some(begun) = line.strip_suffix('\\') {
                // A comment within a line that goes on is left out.
                let next = lines.find(|next| !next.trim_start().starts_with(['#', ';'])).unwrap_or_default();
                line = format!("{} {}", begun.trim_end(), next.trim());
            }
            if let Some(section) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                is_ours = matches!(section, "Container" | "Image" | "Build" | "Volume");
            } else if let Some((key, value)) = line.split_once('=') {
                if is_ours {
                    let value = value.trim();
                    let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
                    settings.push((key.trim().to_owned(), unquoted.unwrap_or(value).to_owned()));
                }
            } else {
                return Err(at(&path, &format!("`{line}` is neither a section nor KEY=VALUE")));
            }
        }
    }
    Ok(settings)
}

/// The files in `NAME.container.d` beside a unit.
fn drop_ins(path: &Path) -> Result<Vec<PathBuf>> {
    let mut folder = OsString::from(path);
    folder.push(".d");
    let folder = PathBuf::from(folder);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(system(&folder, &error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| system(&folder, &error))?.path();
        if path.extension().is_some_and(|extension| extension == "conf") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The source of a mount of an image.
fn mounted(mount: &str) -> Result<Option<&str>, String> {
    let mut options =
        mount.split(',').map(|option| option.trim().split_once('=').unwrap_or((option.trim(), "")));
    if !options.clone().any(|option| option == ("type", "image")) {
        return Ok(None);
    }
    let source = options.find(|(key, _)| matches!(*key, "source" | "src"));
    source.map(|(_, source)| Some(source)).ok_or_else(|| format!("`Mount={mount}` has no source"))
}

/// What systemd fills in, `%i` and so on, is not known.
fn without_specifiers(name: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut characters = name.chars();
    while let Some(next) = characters.next() {
        match (next, if next == '%' { characters.next() } else { None }) {
            ('%', Some('%')) => out.push('%'),
            ('%', Some(specifier)) => out.push_str(&unknown(&format!("%{specifier}"))),
            ('%', None) => return Err(format!("`{name}` ends in `%`")),
            _ => out.push(next),
        }
    }
    Ok(out)
}
