//! Podman behind the Docker API, where deleting an image means something else there (`docs/podman.md`).

use hyper::Method;
use serde::Deserialize;

use super::api::Client;
use super::error::ClientError;
use super::transport::Response;
use crate::base::digest::ImageId;
use crate::graph::store::{ImageStore, ReferenceStore, Stores};

/// The first release whose API heeds `noprune`.
const HEEDS_NOPRUNE: (u32, u32) = (4, 6);

/// A Podman that answers in the place of a Docker daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Podman {
    /// As it says itself; empty where it does not say.
    version: String,
}

impl Client {
    /// The Podman behind this API; `None` for any other daemon.
    ///
    /// # Errors
    ///
    /// As of [`Client::version`].
    pub(super) fn podman(&self) -> Result<Option<Podman>, ClientError> {
        let answer = self.ask(Method::GET, "/version", None)?;
        let read = serde_json::from_slice(&answer.body);
        let told: Told = read.map_err(|error| {
            ClientError::malformed(format!("GET /version: the answer cannot be read: {error}"))
        })?;
        Ok(Podman::of(&answer, told))
    }
}

/// The part of `GET /version` that tells who answers.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Told {
    version: Option<String>,
    components: Option<Vec<Component>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Component {
    name: String,
    version: Option<String>,
}

impl Podman {
    /// Any of its marks is enough: a proxy may take a header away.
    fn of(answer: &Response, told: Told) -> Option<Self> {
        let engine =
            told.components.into_iter().flatten().find(|component| component.name == "Podman Engine");
        let has_header = answer.header("Libpod-Api-Version").is_some()
            || answer.header("Server").is_some_and(|server| server.starts_with("Libpod/"));
        if engine.is_none() && !has_header {
            return None;
        }
        let version = engine.and_then(|engine| engine.version).or(told.version);
        Some(Self { version: version.unwrap_or_default() })
    }

    /// The reason why an image of these stores cannot be deleted here without something else; `None` where it can.
    pub(super) fn obstacle(&self, image: ImageId, force: bool, stores: &Stores) -> Option<String> {
        if force {
            return Some(
                "it has several names: Podman deletes such an image by force alone, and force removes its containers, \
                 too. Take all names but one away with `podman untag`, then it can go"
                    .to_owned(),
            );
        }
        let children = stores.images.children(image);
        if let Some(child) = children.into_iter().min() {
            return Some(format!("image {child} is built on it, for which Podman would not keep it"));
        }
        let parent = stores.images.parent(image).filter(|_| !self.heeds_noprune())?;
        let goes_along =
            !stores.references.has_references(parent) && stores.images.children(parent).len() == 1;
        goes_along.then(|| {
            format!(
                "Podman {} would delete its parent {parent} along, which has no name: give that one a name with \
                 `podman tag`, or use Podman 4.6 or later",
                self.version
            )
        })
    }

    fn heeds_noprune(&self) -> bool {
        let mut numbers = self.version.split('.').map(str::parse::<u32>);
        let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else { return false };
        (major, minor) >= HEEDS_NOPRUNE
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use hyper::HeaderMap;

    use super::*;

    fn told(header: Option<(&'static str, &'static str)>, body: &str) -> Option<Podman> {
        let headers = header.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let headers: HeaderMap = headers.into_iter().collect();
        let answer = Response { status: 200, headers, body: body.to_owned().into() };
        Podman::of(&answer, serde_json::from_str(body).unwrap())
    }

    #[test]
    fn podman_is_known_by_each_of_its_marks() {
        let component = r#"{"Version":"x","Components":[{"Name":"Podman Engine","Version":"4.3.1"}]}"#;
        assert_eq!(told(None, component).unwrap().version, "4.3.1");
        for header in [("Libpod-Api-Version", "5.0.0"), ("Server", "Libpod/5.0.0 (linux)")] {
            assert_eq!(
                told(Some(header), r#"{"Version":"5.0.0","Components":null}"#).unwrap().version,
                "5.0.0"
            );
            assert!(told(Some(header), "{}").is_some());
        }
        for header in [None, Some(("Server", "Docker/20.10.24 (linux)"))] {
            for docker in ["{}", r#"{"Version":"4.3.1","Components":[{"Name":"Engine","Version":"4.3.1"}]}"#]
            {
                assert_eq!(told(header, docker), None);
            }
        }
    }

    #[test]
    fn a_version_that_says_nothing_heeds_nothing() {
        for (version, heeds) in [
            ("4.3.1", false),
            ("4.6.0", true),
            ("4.10.0", true),
            ("5.0.0-rc1", true),
            ("", false),
            ("x.9", false),
        ] {
            assert_eq!(Podman { version: version.to_owned() }.heeds_noprune(), heeds, "{version}");
        }
    }
}
