//! Compose files: what `docker compose config` would make of them (compose-go's `loader`), as far as it names images.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::files::Files;
use super::service;
use super::variables::{UNKNOWN, Variables, substitute};
use super::yaml::{self, Mapping, Node};
use super::{Named, at, dotenv};
use crate::base::error::{Error, Result};

/// The limit of `extends` and of `include` within each other.
const DEEPEST: usize = 32;
/// The variable that names the project.
const PROJECT_NAME: &str = "COMPOSE_PROJECT_NAME";
/// What a compose file has at its top; `x-` stands before what is not compose's.
const TOP_LEVEL: [&str; 9] =
    ["version", "name", "include", "services", "models", "networks", "volumes", "secrets", "configs"];

/// A file with its documents.
pub struct Source {
    pub path: PathBuf,
    pub documents: Vec<Rc<Node>>,
}

/// The images that the services of a project are made of, and those that they mount. `folder` is the project's.
pub fn images(sources: &[Source], folder: Option<&Path>, files: &Files<'_>) -> Result<Vec<Named>> {
    let mut variables = files.environment.clone();
    if let Some(folder) = folder {
        read_env_files(&mut variables, folder, files)?;
    }
    let project = project_name(sources, folder, &variables)?;
    if let Some(project) = &project {
        variables.insert(PROJECT_NAME.to_owned(), project.clone());
    }
    let label = sources.first().map_or_else(|| Path::new("-"), |source| source.path.as_path());
    let services = load(sources, folder, &variables, files, 0)?
        .ok_or_else(|| at(label, "it has no `services`: not a compose file"))?;
    let mut named = Vec::new();
    for (name, node) in &services {
        let images =
            service::images(name, node, project.as_deref()).map_err(|problem| at(label, &problem))?;
        named.extend(images.into_iter().map(|names| Named { file: label.to_owned(), names }));
    }
    Ok(named)
}

/// Adds the variables of `.env`, or of the files that the environment names instead; the environment counts more.
pub fn read_env_files(variables: &mut Variables, folder: &Path, files: &Files<'_>) -> Result<()> {
    let is_true = |value: &String| matches!(value.as_str(), "1" | "t" | "T" | "true" | "TRUE" | "True");
    if variables.get("COMPOSE_DISABLE_ENV_FILE").is_some_and(is_true) {
        return Ok(());
    }
    let named = variables.get("COMPOSE_ENV_FILES").filter(|named| !named.is_empty());
    let paths: Vec<PathBuf> = match named {
        Some(named) => named.split(',').map(PathBuf::from).collect(),
        None => files.if_there(folder.join(".env"))?.into_iter().collect(),
    };
    add_env_files(variables, &paths, files)
}

fn add_env_files(variables: &mut Variables, paths: &[PathBuf], files: &Files<'_>) -> Result<()> {
    let mut of_files = Variables::new();
    for path in paths {
        let text = files.read(path)?;
        dotenv::read(&text, variables, &mut of_files).map_err(|problem| at(path, &problem))?;
    }
    for (name, value) in of_files {
        variables.entry(name).or_insert(value);
    }
    Ok(())
}

/// The environment's, the last file's, or that of the folder.
fn project_name(sources: &[Source], folder: Option<&Path>, variables: &Variables) -> Result<Option<String>> {
    if let Some(name) = variables.get(PROJECT_NAME).filter(|name| !name.is_empty()) {
        if *name != normalized(name) {
            let problem =
                format!("{PROJECT_NAME} is `{name}`: lower-case letters, digits, `-` and `_` alone");
            return Err(Error::invalid_parameter(problem));
        }
        return Ok(Some(name.clone()));
    }
    let of_folder = folder.and_then(Path::file_name).map(|name| normalized(&name.to_string_lossy()));
    let mut found = of_folder.filter(|name| !name.is_empty());
    for source in sources {
        for name in source.documents.iter().filter_map(|document| document.get("name")) {
            let name = name.scalar().ok_or_else(|| at(&source.path, "`name` is no text"))?;
            let name = substitute(name, &|name| variables.get(name).cloned());
            let name = normalized(&name.map_err(|problem| at(&source.path, &problem))?);
            if !name.is_empty() {
                found = Some(name);
            }
        }
    }
    Ok(found)
}

/// As compose spells a project's name; what is not known stays.
fn normalized(name: &str) -> String {
    let parts = name.split(UNKNOWN).enumerate();
    let parts = parts.map(|(place, part)| {
        if place % 2 == 1 {
            return part.to_owned();
        }
        let lower = part.to_lowercase();
        lower.chars().filter(|next| matches!(next, 'a'..='z' | '0'..='9' | '_' | '-')).collect()
    });
    let normalized = parts.collect::<Vec<String>>().join(&UNKNOWN.to_string());
    normalized.trim_start_matches(['_', '-']).to_owned()
}

/// The services of files that are merged in their order; `None` if none has any.
fn load(
    sources: &[Source],
    folder: Option<&Path>,
    variables: &Variables,
    files: &Files<'_>,
    depth: usize,
) -> Result<Option<Mapping>> {
    let mut all: Option<Mapping> = None;
    for source in sources {
        for document in source.documents.iter().filter(|document| !document.is_null()) {
            let refused = |problem: String| at(&source.path, &problem);
            let mut services = services(document, variables).map_err(refused)?;
            for included in included(document, folder, variables, &source.path, files, depth)? {
                let services = services.get_or_insert_default();
                for (name, node) in included {
                    let over = services.get(&name).unwrap_or(&node);
                    let merged = service::merged(Some(&node), over).map_err(refused)?;
                    merged.and_then(|merged| services.insert(name, merged));
                }
            }
            let Some(services) = services else { continue };
            let all = all.get_or_insert_default();
            for name in services.keys() {
                let node = extended(name, &services, &source.path, variables, files, 0)?;
                match service::merged(all.get(name), &node).map_err(refused)? {
                    Some(node) => all.insert(name.clone(), node),
                    None => all.remove(name),
                };
            }
        }
    }
    Ok(all)
}

/// The services as a document has them.
fn services(document: &Node, variables: &Variables) -> Result<Option<Mapping>, String> {
    let top = document.mapping().ok_or("not a compose file: it is no mapping")?;
    if let Some(key) = top.keys().find(|key| !TOP_LEVEL.contains(&key.as_str()) && !key.starts_with("x-")) {
        let problem = if top.contains_key("services") { "" } else { ", and there are no `services`" };
        return Err(format!("not a compose file: the key `{key}` is not known{problem}"));
    }
    let Some(services) = top.get("services").filter(|services| !services.is_null()) else { return Ok(None) };
    let services = services.mapping().ok_or("not a compose file: `services` is no mapping")?;
    let reduced =
        services.iter().map(|(name, node)| Ok((name.clone(), service::reduced(name, node, variables)?)));
    reduced.collect::<Result<_, String>>().map(Some)
}

/// A service with what it extends.
fn extended(
    name: &str,
    services: &Mapping,
    path: &Path,
    variables: &Variables,
    files: &Files<'_>,
    depth: usize,
) -> Result<Rc<Node>> {
    let refused = |problem: &str| at(path, &format!("service {name}: {problem}"));
    let node = services.get(name).ok_or_else(|| refused("it is extended, and is not there"))?;
    let Some(extends) = node.get("extends") else { return Ok(Rc::clone(node)) };
    if depth == DEEPEST {
        return Err(refused("it extends itself, or too many others in a row"));
    }
    let text = |node: Option<&Rc<Node>>| node.and_then(|node| node.scalar()).map(str::to_owned);
    let base = text(Some(extends)).or_else(|| text(extends.get("service")));
    let base = base.ok_or_else(|| refused("`extends` names no service"))?;
    let base = if let Some(file) = extends.get("file") {
        let file = file.scalar().ok_or_else(|| refused("`extends.file` is no text"))?;
        let file = files.within(path.parent().unwrap_or_else(|| Path::new("")), file, path)?;
        let mut others = Mapping::new();
        for document in documents(&file, &files.read(&file)?)? {
            let found = self::services(&document, variables).map_err(|problem| at(&file, &problem))?;
            for (name, node) in found.unwrap_or_default() {
                let merged = service::merged(others.get(&name), &node);
                merged.map_err(|problem| at(&file, &problem))?.and_then(|node| others.insert(name, node));
            }
        }
        extended(&base, &others, &file, variables, files, depth + 1)?
    } else {
        extended(&base, services, path, variables, files, depth + 1)?
    };
    let merged = service::merged(Some(&base), node).map_err(|problem| refused(&problem))?;
    Ok(merged.unwrap_or_else(|| Rc::clone(node)))
}

/// The services of each project that a document includes.
fn included(
    document: &Node,
    folder: Option<&Path>,
    variables: &Variables,
    path: &Path,
    files: &Files<'_>,
    depth: usize,
) -> Result<Vec<Mapping>> {
    let Some(include) = document.get("include") else { return Ok(Vec::new()) };
    let refused = |problem: &str| at(path, &format!("`include`: {problem}"));
    if depth == DEEPEST {
        return Err(refused("the file includes itself, or too many others in a row"));
    }
    let around =
        folder.ok_or_else(|| refused("it refers to another file, which cannot be found from here"))?;
    let mut all = Vec::new();
    for entry in include.sequence().ok_or_else(|| refused("it is no list"))? {
        let entry = service::filled(entry, variables).map_err(|problem| refused(&problem))?;
        let paths = if entry.scalar().is_some() {
            texts(Some(&entry))
        } else {
            texts(entry.get("path").map(Rc::as_ref))
        };
        let paths =
            paths.filter(|paths| !paths.is_empty()).ok_or_else(|| refused("an entry without `path`"))?;
        let keys = entry.mapping().into_iter().flat_map(|entry| entry.keys());
        if let Some(key) =
            keys.into_iter().find(|key| !["path", "project_directory", "env_file"].contains(&key.as_str()))
        {
            return Err(refused(&format!("the key `{key}` is not known")));
        }
        let mut sources = Vec::new();
        for file in &paths {
            let file = files.within(around, file, path)?;
            sources.push(Source { documents: documents(&file, &files.read(&file)?)?, path: file });
        }
        let first = sources.first().and_then(|source| source.path.parent()).unwrap_or(around);
        let inner = match entry.get("project_directory") {
            Some(folder) => {
                around.join(folder.scalar().ok_or_else(|| refused("`project_directory` is no text"))?)
            }
            None => first.to_owned(),
        };
        let mut env_files = Vec::new();
        match entry.get("env_file") {
            None => env_files.extend(files.if_there(inner.join(".env"))?),
            Some(named) => {
                let named = texts(Some(named)).ok_or_else(|| refused("`env_file` is no text and no list"))?;
                for file in named.iter().filter(|file| *file != "/dev/null") {
                    env_files.push(files.within(around, file, path)?);
                }
            }
        }
        let mut inner_variables = variables.clone();
        add_env_files(&mut inner_variables, &env_files, files)?;
        all.extend(load(&sources, Some(&inner), &inner_variables, files, depth + 1)?);
    }
    Ok(all)
}

/// A text, or a list of texts.
fn texts(node: Option<&Node>) -> Option<Vec<String>> {
    let node = node?;
    match node.sequence() {
        None => Some(vec![node.scalar()?.to_owned()]),
        Some(items) => items.iter().map(|item| item.scalar().map(str::to_owned)).collect(),
    }
}

/// The documents of a text.
pub fn documents(path: &Path, text: &str) -> Result<Vec<Rc<Node>>> {
    yaml::documents(text).map_err(|problem| at(path, &problem))
}
