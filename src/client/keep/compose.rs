//! The images that a compose file names.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

/// A file of any use is smaller.
const LARGEST: usize = 1 << 20;

#[derive(Deserialize)]
struct File {
    name: Option<String>,
    services: Option<BTreeMap<String, Option<Service>>>,
    include: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Service {
    image: Option<String>,
    build: Option<IgnoredAny>,
    extends: Option<Extends>,
    #[serde(default)]
    volumes: Option<Vec<Volume>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Extends {
    Other { file: Option<String> },
    Here(IgnoredAny),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Volume {
    Long { r#type: Option<String>, source: Option<String> },
    Short(IgnoredAny),
}

/// The images that the services are made of, and those that they mount. Says what is wrong with a text that is no
/// compose file, or not all of it: what is not known to be needed would go.
pub(super) fn images(text: &str) -> Result<Vec<String>, String> {
    if text.len() > LARGEST {
        return Err(format!("longer than {LARGEST} bytes"));
    }
    let file: File = serde_saphyr::from_str(text).map_err(|error| format!("not a compose file: {error}"))?;
    if file.include.is_some() {
        return Err(incomplete("include"));
    }
    let services = file.services.ok_or("it has no `services`: not a compose file")?;
    let project = file.name;
    let mut images = Vec::new();
    for (name, service) in services {
        let Some(service) = service else { continue };
        if let Some(Extends::Other { file: Some(_) }) = &service.extends {
            return Err(incomplete("extends"));
        }
        let Service { image, build, volumes, .. } = service;
        match (image, &project) {
            (Some(image), _) => images.push(image),
            // compose names what it builds after the project, with one of two separators.
            (None, Some(project)) if build.is_some() => {
                images.extend([format!("{project}-{name}"), format!("{project}_{name}")]);
            }
            (None, _) if build.is_some() => {
                return Err(format!(
                    "service {name} is built without an `image`, and the file has no `name`"
                ));
            }
            (None, _) => {}
        }
        let mounted = volumes.into_iter().flatten().filter_map(|volume| match volume {
            Volume::Long { r#type, source } if r#type.as_deref() == Some("image") => source,
            Volume::Long { .. } | Volume::Short(_) => None,
        });
        images.extend(mounted);
    }
    Ok(images)
}

fn incomplete(key: &str) -> String {
    format!("`{key}` refers to another file; name the output of `docker compose config` instead")
}
