//! The requests, one method each.

use std::io::{Read, Write};
use std::ops::ControlFlow;

use hyper::Method;

use super::answer::{
    ContainerDetails, ContainerSummary, ContainersReport, Created, DeletedItem, DiskUsage, HistoryItem,
    ImageDetails, ImageSummary, ImagesReport, Info, Version,
};
use super::api::Client;
use super::error::{ClientError, FailureKind};
use super::lines::Lines;
use super::path::{Query, segment};
use super::transport;
use crate::semantics::Semantics;

/// The most bytes of one event. It tells an image's labels, and has a line of its own.
const LONGEST_EVENT: usize = 1 << 20;
/// The most bytes of all events up to a moment. A daemon remembers a few hundred.
const LARGEST_EVENTS: usize = 16 << 20;

/// What a daemon knows.
impl Client {
    /// `GET /version`.
    ///
    /// # Errors
    ///
    /// The daemon cannot be reached, refuses, or answers in another shape.
    pub fn version(&self) -> Result<Version, ClientError> {
        self.get("/version")
    }

    /// The profile of the daemon's version, or of its API where it names no release.
    ///
    /// # Errors
    ///
    /// As of [`Client::version`].
    pub fn semantics(&self) -> Result<Semantics, ClientError> {
        let Version { version, api_version, .. } = self.version()?;
        let by_api = || {
            let minor = api_version.split_once('.').and_then(|(_, minor)| minor.parse().ok());
            Semantics::of_api(minor.unwrap_or_default())
        };
        Ok(Semantics::of_version(&version).unwrap_or_else(by_api))
    }

    /// `GET /info`.
    ///
    /// # Errors
    ///
    /// As of [`Client::version`].
    pub fn info(&self) -> Result<Info, ClientError> {
        self.get("/info")
    }

    /// `GET /images/json`; with `all` intermediate images, too.
    ///
    /// # Errors
    ///
    /// As of [`Client::version`].
    pub fn images(&self, all: bool) -> Result<Vec<ImageSummary>, ClientError> {
        self.get(&format!("/images/json{}", Query::new().add_flag("all", all)))
    }

    /// `GET /images/{name}/json`.
    ///
    /// # Errors
    ///
    /// As of [`Client::version`]; no such image.
    pub fn image(&self, name: &str) -> Result<ImageDetails, ClientError> {
        self.get(&format!("/images/{}/json", segment(name)))
    }

    /// `GET /images/{name}/history`, newest first.
    ///
    /// # Errors
    ///
    /// As of [`Client::image`].
    pub fn history(&self, name: &str) -> Result<Vec<HistoryItem>, ClientError> {
        self.get(&format!("/images/{}/history", segment(name)))
    }

    /// `GET /containers/json`, those that do not run included; with `sizes` the bytes of each.
    ///
    /// # Errors
    ///
    /// As of [`Client::version`].
    pub fn containers(&self, sizes: bool) -> Result<Vec<ContainerSummary>, ClientError> {
        self.get(&format!("/containers/json{}", Query::new().add("all", "1").add_flag("size", sizes)))
    }

    /// `GET /containers/{id}/json`.
    ///
    /// # Errors
    ///
    /// As of [`Client::version`]; no such container.
    pub fn container(&self, id: &str) -> Result<ContainerDetails, ClientError> {
        self.get(&format!("/containers/{}/json", segment(id)))
    }

    /// `GET /system/df`.
    ///
    /// # Errors
    ///
    /// As of [`Client::version`].
    pub fn disk_usage(&self) -> Result<DiskUsage, ClientError> {
        self.get("/system/df")
    }

    /// `GET /images/get`: `docker save` of these images, as a tar.
    ///
    /// # Errors
    ///
    /// As of [`Client::image`]; `output` cannot be written.
    pub fn save(&self, names: &[&str], output: &mut (dyn Write + Send)) -> Result<(), ClientError> {
        let query = names.iter().fold(Query::new(), |query, name| query.add("names", name));
        let mut written = Ok(());
        self.stream(&format!("/images/get{query}"), &mut |piece| {
            written = output.write_all(piece);
            if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        written.map_err(|error| ClientError::invalid(format!("cannot write the saved images: {error}")))
    }

    /// `GET /events`: hands each event over as JSON, until the stream ends or `on_event` has enough. `since` and
    /// `until` are unix seconds or RFC 3339, empty for none.
    ///
    /// # Errors
    ///
    /// As of [`Client::version`]; a time or a filter that the daemon does not understand; an event of more than 1 MiB,
    /// and more than 16 MiB of events where `until` says that they end.
    pub fn events(
        &self,
        since: &str,
        until: &str,
        filters: &str,
        on_event: &mut (dyn FnMut(serde_json::Value) -> ControlFlow<()> + Send),
    ) -> Result<(), ClientError> {
        let query =
            Query::new().add_given("since", since).add_given("until", until).add_given("filters", filters);
        let mut lines = Lines::new(LONGEST_EVENT, (!until.is_empty()).then_some(LARGEST_EVENTS));
        let mut problem = None;
        let mut on_line = |line: &[u8]| match serde_json::from_slice(line) {
            Ok(event) => on_event(event),
            Err(error) => {
                problem = Some(format!("an event cannot be read: {error}"));
                ControlFlow::Break(())
            }
        };
        let mut too_long = None;
        self.stream(&format!("/events{query}"), &mut |piece| match lines.add(piece, &mut on_line) {
            Ok(flow) => flow,
            Err(limit) => {
                too_long = Some(limit);
                ControlFlow::Break(())
            }
        })?;
        let torn = || lines.is_torn().then(|| "the last event has no end".to_owned());
        let problem = problem.or_else(|| too_long.map(|limit| limit.to_string())).or_else(torn);
        problem.map_or(Ok(()), |problem| Err(ClientError::malformed(format!("GET /events: {problem}"))))
    }
}

/// What a daemon can be told to do.
impl Client {
    /// `POST /images/prune`. `filters` is the raw value, empty for none.
    ///
    /// # Errors
    ///
    /// As of [`Client::version`]; wrong filters; a prune is running.
    pub fn prune_images(&self, filters: &str) -> Result<ImagesReport, ClientError> {
        let query = Query::new().add_given("filters", filters);
        self.read(Method::POST, &format!("/images/prune{query}"), None)
    }

    /// `POST /containers/prune`.
    ///
    /// # Errors
    ///
    /// As of [`Client::prune_images`].
    pub fn prune_containers(&self, filters: &str) -> Result<ContainersReport, ClientError> {
        let query = Query::new().add_given("filters", filters);
        self.read(Method::POST, &format!("/containers/prune{query}"), None)
    }

    /// `DELETE /images/{name}`. With `keep_parents` untagged parents stay.
    ///
    /// # Errors
    ///
    /// As of [`Client::image`]; a conflict.
    pub fn remove_image(
        &self,
        name: &str,
        force: bool,
        keep_parents: bool,
    ) -> Result<Vec<DeletedItem>, ClientError> {
        let query = Query::new().add_flag("force", force).add_flag("noprune", keep_parents);
        self.read(Method::DELETE, &format!("/images/{}{query}", segment(name)), None)
    }

    /// `POST /images/{name}/tag`.
    ///
    /// # Errors
    ///
    /// As of [`Client::image`]; no valid repository or tag.
    pub fn tag(&self, name: &str, repository: &str, tag: &str) -> Result<(), ClientError> {
        let query = Query::new().add("repo", repository).add_given("tag", tag);
        self.ask(Method::POST, &format!("/images/{}/tag{query}", segment(name)), None).map(drop)
    }

    /// `POST /images/load`: `docker load` of a tar. The daemon's messages, one JSON object a line.
    ///
    /// # Errors
    ///
    /// As of [`Client::version`]; the tar cannot be read; the daemon cannot load it, which it says in its stream.
    pub fn load(&self, tar: &mut (dyn Read + Send)) -> Result<String, ClientError> {
        let answer = self.upload("/images/load?quiet=1", tar)?;
        if answer.status != 200 {
            return Err(transport::refusal("POST /images/load", answer.status, &answer.body));
        }
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        match text.lines().find_map(stream_error) {
            Some(error) => {
                Err(ClientError::new(FailureKind::Refused(500), format!("POST /images/load: {error}")))
            }
            None => Ok(text),
        }
    }

    /// `POST /containers/create`. `body` is the API's container config; an empty name lets the daemon choose.
    ///
    /// # Errors
    ///
    /// As of [`Client::image`]; the name is taken.
    pub fn create_container(&self, name: &str, body: &serde_json::Value) -> Result<Created, ClientError> {
        let query = Query::new().add_given("name", name);
        self.read(Method::POST, &format!("/containers/create{query}"), Some(body))
    }

    /// `POST /containers/{id}/start`.
    ///
    /// # Errors
    ///
    /// As of [`Client::container`]; it cannot be started.
    pub fn start_container(&self, id: &str) -> Result<(), ClientError> {
        self.ask(Method::POST, &format!("/containers/{}/start", segment(id)), None).map(drop)
    }

    /// `POST /containers/{id}/stop`; the daemon kills it after this many seconds.
    ///
    /// # Errors
    ///
    /// As of [`Client::container`].
    pub fn stop_container(&self, id: &str, seconds: u32) -> Result<(), ClientError> {
        let query = Query::new().add("t", &seconds.to_string());
        self.ask(Method::POST, &format!("/containers/{}/stop{query}", segment(id)), None).map(drop)
    }

    /// `DELETE /containers/{id}`.
    ///
    /// # Errors
    ///
    /// As of [`Client::container`]; it is running, and nobody forces it.
    pub fn remove_container(&self, id: &str, force: bool) -> Result<(), ClientError> {
        let query = Query::new().add_flag("force", force);
        self.ask(Method::DELETE, &format!("/containers/{}{query}", segment(id)), None).map(drop)
    }

    /// `DELETE /volumes/{name}`, not forced.
    ///
    /// # Errors
    ///
    /// As of [`Client::version`]; no such volume; a container uses it.
    pub fn remove_volume(&self, name: &str) -> Result<(), ClientError> {
        self.ask(Method::DELETE, &format!("/volumes/{}", segment(name)), None).map(drop)
    }
}

/// The error of a line like `{"errorDetail":{"message":"…"},"error":"…"}`.
fn stream_error(line: &str) -> Option<String> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    message.get("error")?.as_str().map(str::to_owned)
}
