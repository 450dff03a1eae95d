//! The images that files name which describe what a machine runs.
//!
//! What a file is not known to need would be deleted, so that whatever is not understood is an error.

use std::fs;
use std::path::{Path, PathBuf, absolute};

mod compose;
mod dotenv;
mod edge;
mod files;
mod kubernetes;
mod quadlet;
mod service;
pub(super) mod variables;
mod yaml;

use compose::Source;
use files::{Files, Read};
use variables::Variables;

use crate::base::error::{Error, Result};

/// compose's default names, and those of the file that is merged over it, each in the order of preference.
const DEFAULTS: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
const OVERRIDES: [&str; 4] = [
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];

/// An image that a file needs.
#[derive(Debug)]
pub(super) struct Named {
    pub file: PathBuf,
    /// The names that it may have, [`variables::UNKNOWN`] around each variable that is not known.
    pub names: Vec<String>,
}

/// The images that a text names which stands for itself.
pub(super) fn of_text(file: &str, text: &str) -> Result<Vec<Named>> {
    let environment = Variables::new();
    let path = Path::new(file);
    of_documents(path, text, None, &Files::new(&environment, None, None))
}

/// The images that files name, and warnings: `FILE`, `FILE:FILE` as in `COMPOSE_FILE`, or a folder.
pub(super) fn of_argument(
    argument: &Path,
    environment: &Variables,
    read: Read<'_>,
) -> Result<(Vec<Named>, Vec<String>)> {
    if argument == Path::new("-") {
        let folder = real(Path::new("."))?;
        let files = Files::new(environment, Some(read), Some(folder.clone()));
        return Ok((of_documents(Path::new("stdin"), &read(argument)?, Some(&folder), &files)?, Vec::new()));
    }
    let is_folder = fs::metadata(argument).is_ok_and(|metadata| metadata.is_dir());
    let paths = if is_folder {
        of_folder(argument, environment, read)?
    } else if fs::symlink_metadata(argument).is_ok() {
        vec![argument.to_owned()]
    } else {
        separated(&argument.to_string_lossy(), environment, Path::new(""))
    };
    let first = paths.first().cloned().unwrap_or_else(|| argument.to_owned());
    if quadlet::is_unit(&first) && paths.len() == 1 {
        return Ok((quadlet::images(&first, &Files::new(environment, Some(read), None))?, Vec::new()));
    }
    let parent = if is_folder { argument.to_owned() } else { parent(&first) };
    // A missing file is the file's error, not its folder's.
    let mut texts = Vec::new();
    for path in &paths {
        let text = read(path)?;
        files::check_length(path, &text)?;
        texts.push(text);
    }
    let folder = named_folder(&parent)?;
    let files = Files::new(environment, Some(read), Some(real(&parent)?));
    if let ([path], [text]) = (paths.as_slice(), texts.as_slice()) {
        let warnings = if is_folder { Vec::new() } else { not_read(path) };
        return Ok((of_documents(path, text, Some(&folder), &files)?, warnings));
    }
    let mut sources = Vec::new();
    for (path, text) in paths.iter().zip(&texts) {
        let documents = compose::documents(path, text)?;
        sources.push(Source { path: path.clone(), documents });
    }
    Ok((compose::images(&sources, Some(&folder), &files)?, Vec::new()))
}

fn of_documents(path: &Path, text: &str, folder: Option<&Path>, files: &Files<'_>) -> Result<Vec<Named>> {
    files::check_length(path, text)?;
    let refused = |problem: String| at(path, &problem);
    let documents = compose::documents(path, text)?;
    let named = |name| Named { file: path.to_owned(), names: vec![name] };
    let first = documents.iter().find(|document| !document.is_null());
    let is_manifest =
        first.is_some_and(|first| first.get("apiVersion").is_some() && first.get("kind").is_some());
    if is_manifest {
        let mut all = Vec::new();
        for document in documents.iter().filter(|document| !document.is_null()) {
            all.extend(kubernetes::images(document).map_err(refused)?.into_iter().map(named));
        }
        return Ok(all);
    }
    if let Some(content) = first.and_then(|first| edge::modules_content(first)) {
        if documents.len() > 1 {
            return Err(at(path, "a deployment manifest is one document"));
        }
        return Ok(edge::images(content).map_err(refused)?.into_iter().map(named).collect());
    }
    compose::images(&[Source { path: path.to_owned(), documents }], folder, files)
}

/// The files of a project that a folder holds, as compose finds them.
fn of_folder(folder: &Path, environment: &Variables, read: Read<'_>) -> Result<Vec<PathBuf>> {
    let files = Files::new(environment, Some(read), None);
    let mut variables = environment.clone();
    compose::read_env_files(&mut variables, folder, &files)?;
    if let Some(named) = variables.get("COMPOSE_FILE").filter(|named| !named.is_empty()) {
        if named.contains(variables::UNKNOWN) {
            return Err(at(folder, "a variable in COMPOSE_FILE is not set"));
        }
        return Ok(separated(named, &variables, folder));
    }
    let mut found = Vec::new();
    for names in [DEFAULTS, OVERRIDES] {
        for name in names {
            if let Some(path) = files.if_there(folder.join(name))? {
                found.push(path);
                break;
            }
        }
        if found.is_empty() {
            return Err(at(folder, &format!("no compose file is in this folder: {}", DEFAULTS.join(", "))));
        }
    }
    Ok(found)
}

fn separated(named: &str, variables: &Variables, folder: &Path) -> Vec<PathBuf> {
    let separator = variables.get("COMPOSE_PATH_SEPARATOR").filter(|separator| !separator.is_empty());
    named.split(separator.map_or(":", String::as_str)).map(|path| folder.join(path)).collect()
}

/// Warns of a file beside one with a default name that compose would merge over it.
fn not_read(path: &Path) -> Vec<String> {
    let is_default = path.file_name().is_some_and(|name| DEFAULTS.iter().any(|default| name == *default));
    let beside =
        OVERRIDES.iter().map(|name| path.with_file_name(name)).find(|path| is_default && path.exists());
    let told = |beside: PathBuf| {
        let folder = parent(path);
        format!("{} is not read; name the folder {} to read both", beside.display(), folder.display())
    };
    beside.map(told).into_iter().collect()
}

fn parent(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or_else(|| Path::new(".")).to_owned()
}

fn real(path: &Path) -> Result<PathBuf> {
    fs::canonicalize(path).map_err(|error| files::system(path, &error))
}

/// The folder by the name that it is reached by, a link's included, as compose takes it.
fn named_folder(path: &Path) -> Result<PathBuf> {
    if path.components().any(|part| part == std::path::Component::ParentDir) {
        return real(path);
    }
    absolute(path).map_err(|error| files::system(path, &error))
}

fn at(path: &Path, problem: &str) -> Error {
    Error::invalid_parameter(format!("{}: {problem}", path.display()))
}
