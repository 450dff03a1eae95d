//! `repositories.json` (moby `reference/store.go`).

use std::collections::BTreeMap;

use super::open::{Folder, OpenError, fatal};
use super::warning::{FileWarning, Outcome, WarningKind};
use super::{REPOSITORIES_FILE, json};
use crate::base::error::{Error, Result};
use crate::document::reference::Reference;
use crate::document::world;
use crate::semantics::Semantics;

const NAME: &str = "repositories.json";

/// Reads the references. The file is written whole or not at all, so a daemon that finds it damaged
/// does not start, and we do not guess.
///
/// # Errors
///
/// A file that cannot be read or decoded.
pub(super) fn read(driver: &Folder, semantics: &Semantics) -> Result<Outcome<Vec<world::Reference>>> {
    let path = driver.path_of(NAME);
    let mut buffer = Vec::new();
    match driver.read(NAME, REPOSITORIES_FILE, &mut buffer) {
        Ok(_) => {}
        Err(OpenError::Missing) => return Ok(Vec::new().into()),
        Err(failure) => return Err(fatal(failure, &path)),
    }
    let repositories = json::repositories(&buffer).map_err(|error| {
        let path = path.display();
        Error::system(format!(
            "{path} is damaged: {error}; a daemon does not start with it either: put a good copy in its place; \
             without the file it starts, and takes every image for untagged"
        ))
    })?;
    let mut warnings = Vec::new();
    let mut warn = |kind, key: &str, reason: &str| {
        let message = format!("reference `{}`: {reason}", key.escape_debug());
        warnings.push(FileWarning::new(kind, path.clone(), message));
    };
    let mut references = BTreeMap::new();
    // Keys in their right place come first: they are the ones that the daemon finds by name.
    let mut odd = Vec::new();
    for (repository, keys) in &repositories {
        for (key, id) in keys {
            let Ok(reference) = Reference::parse(key, semantics) else {
                warn(WarningKind::BadReference, key, "it does not parse; the daemon skips it");
                continue;
            };
            let Ok(id) = id.parse() else {
                let reason = "it does not point to an image ID; no image has it";
                warn(WarningKind::BadReference, key, reason);
                continue;
            };
            if reference.familiar_name() == "sha256" {
                // DIFFERENCE(reference-sha256): the daemon refuses to make such a reference and loads it all the same.
                warn(WarningKind::BadReference, key, "no daemon makes one of that name; it is left out");
                continue;
            }
            let found_as = reference.clone().tag_name_only().favor_digest();
            if found_as.familiar() == key && found_as.familiar_name() == repository {
                references.insert(found_as.as_str().to_owned(), id);
            } else {
                odd.push((key, found_as, id));
            }
        }
    }
    for (key, found_as, id) in odd {
        // DIFFERENCE(misplaced-reference): the daemon has such a reference for its image and cannot remove it.
        let reason =
            "it is not in the place that its name says; the daemon has it but does not find it by name";
        warn(WarningKind::OddReference, key, reason);
        references.entry(found_as.as_str().to_owned()).or_insert(id);
    }
    let value = references.into_iter().map(|(name, id)| world::Reference { name, id }).collect();
    Ok(Outcome { value: Some(value), warnings })
}
