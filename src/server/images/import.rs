//! `POST /images/create?fromSrc=-`: `docker import` (moby's `daemon/images/image_import.go`).

use std::io::Read;

use serde::Serialize;

use super::super::answer::{Answer, Refusal, invalid};
use super::super::call::Call;
use super::super::daemon::Daemon;
use super::super::json;
use super::super::platform::Platform;
use super::super::shape::{CONFIG, Object};
use super::archive::{budget, decompress};
use super::change::{add_tag, log, named};
use super::changes;
use super::pull::pull;
use crate::base::digest::{DiffId, Digest};
use crate::base::error::{Error, ErrorClass, Result};

/// The architecture that an imported image is said to be for.
pub(in super::super) const ARCHITECTURE: &str = "amd64";

pub fn import(daemon: &Daemon, call: &mut Call) -> Result<Answer, Refusal> {
    if !call.form.get("fromImage").is_empty() {
        return pull(daemon, call);
    }
    if call.form.get("fromSrc") != "-" {
        return Err(Refusal::not_implemented("importing from another source than the body, fromSrc=-,"));
    }
    let platform = Platform::parse(call.form.get("platform"))?;
    if platform.as_ref().is_some_and(|platform| platform.os != "linux") {
        return Err(invalid("operating system is not supported"));
    }
    let platform = platform.filter(|_| daemon.semantics().import_takes_platform).unwrap_or_default();
    let (repository, tag) = (call.form.get("repo").to_owned(), call.form.get("tag").to_owned());
    let reference = if repository.is_empty() {
        None
    } else {
        let reference = named(daemon, &repository, "", ErrorClass::InvalidParameter)?;
        if reference.is_canonical() {
            return Err(invalid("cannot import digest reference"));
        }
        let with_tag = named(daemon, &repository, &tag, ErrorClass::InvalidParameter)?;
        Some(if tag.is_empty() { reference } else { with_tag })
    };
    let mut config = Object::new(CONFIG, &serde_json::Map::new());
    changes::apply(&mut config, call.form.all("changes"))?;
    let message = match call.form.get("message") {
        "" => "Imported from -".to_owned(),
        message => message.to_owned(),
    };
    let tar = read(call)?;
    let diff_id = DiffId::from(Digest::of(&tar));
    let mut held = daemon.store.hold();
    let chain = held.register(diff_id, None, &tar)?;
    held.keep(chain, tar);
    let config = describe(daemon, config, &message, &platform, diff_id)?;
    let id = daemon.store.create(config)?;
    drop(held);
    if let Some(reference) = reference {
        add_tag(daemon, id, reference)?;
    }
    log(daemon, id, &id.to_string(), "import");
    let status = format!("{{\"status\":\"{id}\"}}\r\n").into_bytes();
    Ok(Answer::messages(Box::new(move |out| out.write_all(&status))))
}

fn read(call: &mut Call) -> Result<Vec<u8>> {
    let (mut tar, budget) = (Vec::new(), budget());
    let read = decompress(budget.received(&mut call.body), &budget)?.read_to_end(&mut tar);
    read.map_err(|error| Error::system(format!("cannot read the archive: {error}")))?;
    Ok(tar)
}

/// The config in the order in which moby writes it: its digest is the image's ID.
fn describe(
    daemon: &Daemon,
    config: Object,
    message: &str,
    platform: &Platform,
    diff_id: DiffId,
) -> Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Described<'a> {
        comment: &'a str,
        created: &'a str,
        container_config: Object,
        docker_version: &'a str,
        config: Object,
        architecture: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        variant: &'a str,
        os: &'a str,
        rootfs: RootFs,
        history: [Step<'a>; 1],
    }
    #[derive(Serialize)]
    struct RootFs {
        #[serde(rename = "type")]
        kind: &'static str,
        diff_ids: [DiffId; 1],
    }
    #[derive(Serialize)]
    struct Step<'a> {
        created: &'a str,
        comment: &'a str,
    }
    let created = daemon.now().instant.rfc3339_nano(0).to_string();
    let text = json::encode(&Described {
        comment: message,
        created: &created,
        container_config: Object::new(CONFIG, &serde_json::Map::new()),
        docker_version: daemon.version(),
        config,
        architecture: if platform.architecture.is_empty() { ARCHITECTURE } else { &platform.architecture },
        variant: &platform.variant,
        os: "linux",
        rootfs: RootFs { kind: "layers", diff_ids: [diff_id] },
        history: [Step { created: &created, comment: message }],
    });
    let mut text = text.map_err(|error| Error::system(error.to_string()))?;
    // The encoder's newline is no part of a config.
    text.pop();
    Ok(text)
}
