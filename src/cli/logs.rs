//! The files that a daemon writes the logs of its containers to.
//!
//! The daemon says where they are. A path counts only where it is that container's own log below the daemon's root
//! (`containers/ID/ID-json.log`), without links on the way, and only where it is a plain file with one name: whoever can
//! write there, or answers as the daemon, must not choose what is emptied.

use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use image_prune::Error;
use image_prune::client::{Client, Host};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, ftruncate, open, openat2};

use serde::Serialize;

use super::error::{Failure, Result};

/// The log of one container.
#[derive(Debug, Serialize)]
pub struct Log {
    pub container: String,
    pub name: String,
    pub path: PathBuf,
    /// Bytes, or why nobody knows.
    #[serde(rename = "bytes", serialize_with = "bytes_or_null")]
    pub size: std::result::Result<u64, String>,
    #[serde(skip)]
    root: PathBuf,
}

fn bytes_or_null<S: serde::Serializer>(
    size: &std::result::Result<u64, String>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    size.as_ref().ok().serialize(serializer)
}

/// The logs of all containers whose driver is `json-file`: others have no file, or one that the daemon does not tell.
pub fn all(client: &Client) -> Result<Vec<Log>> {
    if !matches!(client.host(), Host::Unix(_)) {
        let error =
            Error::invalid_parameter(format!("{}: logs are files of the daemon's machine", client.host()));
        return Err(Failure::from(error)
            .with_hint("a daemon on this machine has a socket, as in unix:///var/run/docker.sock"));
    }
    let root = PathBuf::from(client.info().map_err(Error::from)?.docker_root_dir);
    let mut logs = Vec::new();
    for container in client.containers(false).map_err(Error::from)? {
        let details = match client.container(&container.id) {
            // It went meanwhile.
            Err(error) if error.status() == Some(404) => continue,
            details => details.map_err(Error::from)?,
        };
        if details.log_path.is_empty() {
            continue;
        }
        let mut log = Log {
            container: container.id,
            name: details.name.trim_start_matches('/').to_owned(),
            path: details.log_path.into(),
            size: Ok(0),
            root: root.clone(),
        };
        log.size = log.measure();
        logs.push(log);
    }
    logs.sort_by(|a, b| b.bytes().cmp(&a.bytes()).then_with(|| a.container.cmp(&b.container)));
    Ok(logs)
}

impl Log {
    /// Bytes, where they are known.
    pub fn bytes(&self) -> Option<u64> {
        self.size.as_ref().ok().copied()
    }

    fn measure(&self) -> std::result::Result<u64, String> {
        let file = self.open(OFlags::RDONLY)?;
        let size = fstat(&file).map_err(|error| error.to_string())?.st_size;
        Ok(u64::try_from(size).unwrap_or(0))
    }

    /// Empties it. The daemon goes on at its end: it appends.
    pub fn truncate(&self) -> std::result::Result<(), String> {
        let file = self.open(OFlags::WRONLY)?;
        ftruncate(&file, 0).map_err(|error| error.to_string())
    }

    fn open(&self, how: OFlags) -> std::result::Result<OwnedFd, String> {
        let outside = || format!("it is not below the daemon's root {}", self.root.display());
        let below = self.path.strip_prefix(&self.root).map_err(|_| outside())?;
        if !is_log_of(&self.container, below) {
            let own = format!("containers/{0}/{0}-json.log", self.container);
            return Err(format!("it is not that container's own log, {own} below {}", self.root.display()));
        }
        open_below(&self.root, below, how).map_err(|error| match error {
            rustix::io::Errno::LOOP | rustix::io::Errno::XDEV => "there is a link on its way".to_owned(),
            error => error.to_string(),
        })
    }
}

/// `containers/ID/ID-json.log`, or one that was rotated. A path with `..` in it is none.
fn is_log_of(container: &str, below: &Path) -> bool {
    let parts: Vec<_> = below.components().map(Component::as_os_str).collect();
    let [folder, id, file] = parts.as_slice() else { return false };
    let is_id = container.len() == 64 && container.bytes().all(|byte| byte.is_ascii_hexdigit());
    let own = format!("{container}-json.log");
    let rest = file.to_str().and_then(|file| file.strip_prefix(&own));
    is_id
        && *folder == "containers"
        && *id == container
        && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn open_below(root: &Path, path: &Path, how: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let root = open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let file = openat2(root, path, flags | how, Mode::empty(), resolve)?;
    let found = fstat(&file)?;
    // A second name may be that of anything.
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile || found.st_nlink != 1 {
        return Err(rustix::io::Errno::LOOP);
    }
    Ok(file)
}
