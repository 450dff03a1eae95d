//! What was wrong with a root and did not stop the reading.

use std::fmt;
use std::path::PathBuf;

/// Makes the enumeration and its text from one list.
macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// What a [`FileWarning`] is about. The text is stable: programs may branch on it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[non_exhaustive]
        pub enum WarningKind {
            $($(#[$doc])* #[serde(rename = $text)] $variant,)*
        }

        impl WarningKind {
            /// The stable text, in kebab case.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

kinds! {
    /// A link, a pipe, a device, a folder where a file belongs or the other way round.
    RefusedFile = "refused-file",
    /// A file beyond its limit.
    TooLarge = "too-large",
    /// A file that the system fails to read.
    UnreadableFile = "unreadable-file",
    /// A name that no daemon writes.
    OddName = "odd-name",
    /// A config that is no image's.
    BadImage = "bad-image",
    /// A config whose digest is not its name.
    DigestMismatch = "digest-mismatch",
    /// An image with layers of another operating system.
    ForeignOs = "foreign-os",
    /// An image whose top layer is not there.
    MissingLayer = "missing-layer",
    /// A parent link that names no image.
    BadParentLink = "bad-parent-link",
    /// A layer that does not load, or is not what its name says.
    BadLayer = "bad-layer",
    /// A writable layer that the daemon does not load.
    BadMount = "bad-mount",
    /// A writable layer of no container: it holds its layers all the same.
    MountWithoutContainer = "mount-without-container",
    /// A reference that the daemon skips, or that points to no image ID.
    BadReference = "bad-reference",
    /// A reference that the daemon has and cannot find by name.
    OddReference = "odd-reference",
    /// A container that the daemon does not load, or loads against reason.
    BadContainer = "bad-container",
    /// A container of another storage driver.
    OtherDriver = "other-driver",
    /// The root has a graph driver's image store and containerd's.
    TwoImageStores = "two-image-stores",
    /// A containerd namespace of other clients than Docker.
    OtherNamespace = "other-namespace",
    /// A record of containerd's that is not understood.
    BadRecord = "bad-record",
    /// Content that is missing, too large, or not what its digest says.
    BadContent = "bad-content",
    /// The root kept changing.
    ChangedWhileRead = "changed-while-read",
}

impl fmt::Display for WarningKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// Something that a reading left out or took with a doubt.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct FileWarning {
    /// What it is about.
    pub kind: WarningKind,
    /// The file or folder. Its name may be anything: escape it before a terminal sees it.
    #[serde(serialize_with = "lossy")]
    pub path: PathBuf,
    /// What is wrong, and what comes of it, for a person.
    pub message: String,
}

fn lossy<S: serde::Serializer>(path: &std::path::Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

impl fmt::Display for FileWarning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.path.display(), self.message)
    }
}

impl FileWarning {
    pub(super) fn new(kind: WarningKind, path: PathBuf, message: impl Into<String>) -> Self {
        Self { kind, path, message: message.into() }
    }
}

/// What became of reading one thing: the thing, perhaps a doubt; or nothing.
#[derive(Debug)]
pub(super) struct Outcome<T> {
    pub(super) value: Option<T>,
    pub(super) warnings: Vec<FileWarning>,
}

impl<T> Outcome<T> {
    pub(super) fn left_out(warning: FileWarning) -> Self {
        Self { value: None, warnings: vec![warning] }
    }

    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U) -> Outcome<U> {
        Outcome { value: self.value.map(change), warnings: self.warnings }
    }
}

impl<T> From<T> for Outcome<T> {
    fn from(value: T) -> Self {
        Self { value: Some(value), warnings: Vec::new() }
    }
}
