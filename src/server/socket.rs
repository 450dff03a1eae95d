//! The server's socket in the file system: only for its owner and group, never in the place of a live one or of
//! another file, and gone at the end.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, OFlags, chmod, flock, open};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};

use crate::base::error::{Error, Result};

/// Clients that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// A socket file that was made here; dropped, it goes.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode: what another process puts in its place is not ours to remove.
    identity: (u64, u64),
    lock: PathBuf,
    /// Held against a second server that finds the socket stale at the same moment.
    _locked: OwnedFd,
}

/// Listens on a new socket at `path`.
///
/// # Errors
///
/// Somebody listens there already; there is something else than a socket, a link for example; the system refuses.
pub(super) fn listen_at(path: &Path) -> Result<(UnixListener, SocketFile)> {
    let at = |problem: &dyn std::fmt::Display| Error::system(format!("socket {}: {problem}", path.display()));
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    let lock = PathBuf::from(lock);
    let flags = OFlags::CREATE | OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let locked =
        open(&lock, flags, Mode::from_raw_mode(0o600)).map_err(|error| at(&io::Error::from(error)))?;
    flock(&locked, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| Error::conflict(format!("socket {}: another server has it", path.display())))?;
    remove_stale(path)?;
    let listener = listen_privately(path).map_err(|error| at(&error))?;
    let metadata = fs::symlink_metadata(path).map_err(|error| at(&error))?;
    let identity = (metadata.dev(), metadata.ino());
    Ok((listener, SocketFile { path: path.to_owned(), identity, lock, _locked: locked }))
}

fn remove_stale(path: &Path) -> Result<()> {
    let at = |problem: &dyn std::fmt::Display| format!("socket {}: {problem}", path.display());
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        metadata => metadata.map_err(|error| Error::system(at(&error)))?,
    };
    if !metadata.file_type().is_socket() {
        let what = if metadata.is_symlink() { "is a symbolic link" } else { "is there and no socket" };
        return Err(Error::conflict(at(&format!("{what}; choose another path or remove it"))));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(Error::conflict(at(&"a live server listens there"))),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|error| Error::system(at(&error)))
        }
        Err(error) => Err(Error::system(at(&error))),
    }
}

/// Nobody can connect before the permissions are set: connecting takes a socket that listens.
fn listen_privately(path: &Path) -> io::Result<UnixListener> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    chmod(path, Mode::from_raw_mode(0o660))?;
    listen(&socket, BACKLOG)?;
    Ok(UnixListener::from(socket))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.identity);
        if is_ours {
            // Nobody is left to be told.
            let _ = fs::remove_file(&self.path);
        }
        let _ = fs::remove_file(&self.lock);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn replaces_what_is_stale_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let (listener, file) = listen_at(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert!(listen_at(&path).unwrap_err().is_conflict());
        drop((listener, file));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

        drop(UnixListener::bind(&path).unwrap());
        let (listener, file) = listen_at(&path).unwrap();
        UnixStream::connect(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "not ours").unwrap();
        drop((listener, file));
        assert_eq!(fs::read_to_string(&path).unwrap(), "not ours");

        let live = folder.path().join("live");
        let _live = UnixListener::bind(&live).unwrap();
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        for (taken, expected) in [(&path, "no socket"), (&live, "a live server"), (&link, "a symbolic link")]
        {
            let error = listen_at(taken).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let long = folder.path().join("x".repeat(200));
        assert!(listen_at(&long).unwrap_err().is_system());
        assert!(listen_at(&folder.path().join("missing/s")).unwrap_err().is_system());
    }
}
