//! Opening what somebody else may have written: never follows a link, never leaves the root, never
//! waits for a pipe, never reads more than a limit.

use std::path::{Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::warning::{FileWarning, WarningKind};
use crate::base::error::{Error, Result};

/// DIFFERENCE(links-and-devices): the daemon follows them. A pipe must not block, a link must not be followed, a terminal must not become ours.
const FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);

/// A directory held open. All below it is named by plain components, resolved from here.
#[derive(Debug)]
pub(super) struct Folder {
    fd: OwnedFd,
    path: PathBuf,
    /// Whether the kernel keeps us inside the root, or we walk component by component.
    has_openat2: bool,
}

/// A file that is read in places, while somebody else may write to it.
#[derive(Debug)]
pub(super) struct File(OwnedFd);

impl File {
    /// Its length now, in bytes.
    pub(super) fn length(&self) -> u64 {
        rustix::fs::fstat(&self.0).ok().and_then(|stat| u64::try_from(stat.st_size).ok()).unwrap_or(0)
    }

    /// Fills `buffer` from `offset` on; false where the file ends before or cannot be read.
    pub(super) fn read_at(&self, mut offset: u64, mut buffer: &mut [u8]) -> bool {
        while !buffer.is_empty() {
            match rustix::io::pread(&self.0, &mut *buffer, offset) {
                Ok(0) => return false,
                Ok(count) => {
                    offset += count as u64;
                    buffer = buffer.get_mut(count..).unwrap_or_default();
                }
                Err(Errno::INTR) => {}
                Err(_) => return false,
            }
        }
        true
    }
}

/// Why something was not read.
#[derive(Debug)]
pub(super) enum OpenError {
    /// It does not exist.
    Missing,
    /// What is there is not to be trusted or cannot be read; the reason, for a person. The daemon
    /// would fail to read it, too, or we do not follow where it would.
    Refused(WarningKind, String),
    /// Nothing else can be read either.
    Fatal(Error),
}

impl OpenError {
    /// What a failure to read means where that which is missing is just as wrong as that which is
    /// refused; `consequence` is what comes of it.
    ///
    /// # Errors
    ///
    /// The fatal failures.
    pub(super) fn warning(
        self,
        missing: WarningKind,
        path: PathBuf,
        consequence: &str,
    ) -> Result<FileWarning> {
        match self {
            Self::Missing => Ok(FileWarning::new(missing, path, format!("it does not exist; {consequence}"))),
            Self::Refused(kind, reason) => {
                Ok(FileWarning::new(kind, path, format!("{reason}; {consequence}")))
            }
            Self::Fatal(error) => Err(error),
        }
    }
}

/// A failure that stops everything: there is no sense in a warning about a folder all depends on.
pub(super) fn fatal(failure: OpenError, path: &Path) -> Error {
    let path = path.display();
    match failure {
        OpenError::Fatal(error) => error,
        OpenError::Missing => Error::not_found(format!("{path} does not exist")),
        OpenError::Refused(_, reason) => Error::system(format!("{path}: {reason}")),
    }
}

/// One name in a directory.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) is_folder: bool,
}

/// What a directory holds: names in order, and the names that are not UTF-8.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) entries: Vec<Entry>,
    pub(super) not_utf8: Vec<PathBuf>,
}

/// Two equal stamps of one name mean: nothing happened to it in between. (The numbers have another
/// type on every platform.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp([i128; 7]);

impl Stamp {
    /// When the content was changed last: Unix seconds and nanoseconds.
    pub(super) const fn modified(&self) -> (i128, i128) {
        let [_, _, _, seconds, nanos, _, _] = self.0;
        (seconds, nanos)
    }
}

impl From<Stat> for Stamp {
    fn from(stat: Stat) -> Self {
        Self([
            stat.st_dev.into(),
            stat.st_ino.into(),
            stat.st_size.into(),
            stat.st_mtime.into(),
            stat.st_mtime_nsec.into(),
            stat.st_ctime.into(),
            stat.st_ctime_nsec.into(),
        ])
    }
}

impl Folder {
    /// Opens the root itself. It may be a link: the user named it.
    pub(super) fn root(path: &Path) -> Result<Self, OpenError> {
        let flags = (FLAGS | OFlags::DIRECTORY).difference(OFlags::NOFOLLOW);
        let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| failure(errno, path))?;
        let has_openat2 = probe_openat2(&fd);
        Ok(Self { fd, path: path.to_owned(), has_openat2 })
    }

    #[cfg(test)]
    pub(super) fn without_openat2(self) -> Self {
        Self { has_openat2: false, ..self }
    }

    /// The path of a name below, for messages.
    pub(super) fn path_of(&self, relative: &str) -> PathBuf {
        self.path.join(relative)
    }

    /// Opens a directory below.
    pub(super) fn folder(&self, relative: &str) -> Result<Self, OpenError> {
        let path = self.path_of(relative);
        let fd = self.open(relative, OFlags::DIRECTORY).map_err(|errno| failure(errno, &path))?;
        Ok(Self { fd, path, has_openat2: self.has_openat2 })
    }

    /// Lists a directory, by name.
    pub(super) fn list(&self) -> Result<Listing, OpenError> {
        let fail = |errno| failure(errno, &self.path);
        let mut listing = Listing::default();
        for entry in Dir::read_from(&self.fd).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = match entry.file_name().to_str() {
                Ok("." | "..") => continue,
                Ok(name) => name.to_owned(),
                Err(_) => {
                    let name = entry.file_name().to_string_lossy().into_owned();
                    listing.not_utf8.push(self.path.join(name));
                    continue;
                }
            };
            let kind = match entry.file_type() {
                // Some file systems do not say.
                FileType::Unknown => match rustix::fs::statat(&self.fd, &*name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                    Err(Errno::NOENT) => continue,
                    Err(errno) => return Err(fail(errno)),
                },
                kind => kind,
            };
            listing.entries.push(Entry { name, is_folder: kind == FileType::Directory });
        }
        listing.entries.sort_unstable();
        Ok(listing)
    }

    /// Appends a regular file's bytes to `buffer`, which is cleared first.
    pub(super) fn read(
        &self,
        relative: &str,
        limit: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<Stamp, OpenError> {
        let fail = |errno| failure(errno, &self.path_of(relative));
        buffer.clear();
        let file = self.open(relative, OFlags::empty()).map_err(fail)?;
        let stat = rustix::fs::fstat(&file).map_err(fail)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(refused_kind());
        }
        let size = usize::try_from(stat.st_size).unwrap_or(usize::MAX);
        if size > limit {
            return Err(too_large(limit));
        }
        // One byte more than expected: a full buffer says that the file has grown.
        buffer.reserve(size + 1);
        loop {
            match rustix::io::read(&file, rustix::buffer::spare_capacity(buffer)) {
                Ok(0) => break,
                Ok(_) if buffer.len() > limit => return Err(too_large(limit)),
                Ok(_) if buffer.len() == size => break,
                Ok(_) => buffer.reserve(4096),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(fail(errno)),
            }
        }
        Ok(stat.into())
    }

    /// The stamp of a name below, none where it does not exist.
    pub(super) fn stamp_of(&self, relative: &str) -> Result<Option<Stamp>, OpenError> {
        match rustix::fs::statat(&self.fd, relative, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat.into())),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(failure(errno, &self.path_of(relative))),
        }
    }

    /// Opens a regular file below, to be read in places.
    pub(super) fn file(&self, relative: &str) -> Result<File, OpenError> {
        let fail = |errno| failure(errno, &self.path_of(relative));
        let fd = self.open(relative, OFlags::empty()).map_err(fail)?;
        let stat = rustix::fs::fstat(&fd).map_err(fail)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(refused_kind());
        }
        Ok(File(fd))
    }

    fn open(&self, relative: &str, more: OFlags) -> Result<OwnedFd, Errno> {
        if self.has_openat2 {
            return openat2(&self.fd, relative, FLAGS | more);
        }
        if relative.split('/').any(|component| component == "..") {
            return Err(Errno::XDEV);
        }
        let Some((folders, name)) = relative.rsplit_once('/') else {
            return rustix::fs::openat(&self.fd, relative, FLAGS | more, Mode::empty());
        };
        let mut parent: Option<OwnedFd> = None;
        for component in folders.split('/') {
            let from = parent.as_ref().unwrap_or(&self.fd);
            parent = Some(rustix::fs::openat(from, component, FLAGS | OFlags::DIRECTORY, Mode::empty())?);
        }
        rustix::fs::openat(parent.as_ref().unwrap_or(&self.fd), name, FLAGS | more, Mode::empty())
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn openat2(folder: &OwnedFd, relative: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    use rustix::fs::ResolveFlags;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    loop {
        match rustix::fs::openat2(folder, relative, flags, Mode::empty(), resolve) {
            Err(Errno::INTR) => {}
            answer => return answer,
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn openat2(_: &OwnedFd, _: &str, _: OFlags) -> Result<OwnedFd, Errno> {
    Err(Errno::NOSYS)
}

/// Old kernels lack `openat2`, and old sandboxes forbid it.
fn probe_openat2(root: &OwnedFd) -> bool {
    openat2(root, ".", FLAGS | OFlags::DIRECTORY).is_ok()
}

fn failure(errno: Errno, path: &Path) -> OpenError {
    let path = path.display();
    match errno {
        Errno::NOENT => OpenError::Missing,
        Errno::ACCESS | Errno::PERM => OpenError::Fatal(Error::system(format!(
            "permission denied: {path}; a daemon's data root belongs to root: run this as root"
        ))),
        Errno::MFILE | Errno::NFILE => OpenError::Fatal(Error::system(format!(
            "{path}: {errno}; raise the limit of open files (`ulimit -n`) and try again"
        ))),
        Errno::NOMEM => OpenError::Fatal(Error::system(format!("{path}: {errno}"))),
        Errno::LOOP => OpenError::Refused(
            WarningKind::RefusedFile,
            "it is a symbolic link, which is not followed".into(),
        ),
        // `O_DIRECTORY | O_NOFOLLOW` on a link says "not a directory".
        Errno::NOTDIR => OpenError::Refused(
            WarningKind::RefusedFile,
            "it is a file or a symbolic link where a folder belongs".into(),
        ),
        Errno::XDEV => OpenError::Refused(WarningKind::RefusedFile, "it leads out of the data root".into()),
        Errno::NXIO | Errno::NODEV | Errno::ISDIR => refused_kind(),
        _ => OpenError::Refused(WarningKind::UnreadableFile, format!("it cannot be read: {errno}")),
    }
}

fn refused_kind() -> OpenError {
    OpenError::Refused(WarningKind::RefusedFile, "it is not a regular file".into())
}

fn too_large(limit: usize) -> OpenError {
    let limit =
        if limit >= 1 << 20 { format!("{} MiB", limit >> 20) } else { format!("{} KiB", limit >> 10) };
    OpenError::Refused(
        WarningKind::TooLarge,
        format!("it is larger than {limit}, which no daemon writes there"),
    )
}
