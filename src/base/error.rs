//! The one error of the library: a class that callers branch on, the rule behind it where it is known, and moby's text.

use std::borrow::Cow;
use std::fmt;

/// What kind of failure an [`Error`] is: moby's `errdefs` classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorClass {
    /// The request itself is wrong; HTTP 400.
    InvalidParameter,
    /// The state does not allow it now; HTTP 409.
    Conflict,
    /// What was named does not exist; HTTP 404.
    NotFound,
    /// The caller gave up; HTTP 500.
    Cancelled,
    /// Everything else, the rules' *plain*; HTTP 500.
    System,
}

impl ErrorClass {
    /// The class as the recorded vectors write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidParameter => "invalid_parameter",
            Self::Conflict => "conflict",
            Self::NotFound => "not_found",
            Self::Cancelled => "cancelled",
            Self::System => "system",
        }
    }

    /// The HTTP status that the daemon answers for this class (`api/server/httpstatus`).
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::InvalidParameter => 400,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::Cancelled | Self::System => 500,
        }
    }
}

/// What this crate's own code branches on beyond the class, so that no code reads texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing more is known than the class.
    Plain,
    /// Another prune is running.
    PruneRunning,
    /// A prune that its caller gave up.
    PruneCancelled,
    /// An image that children, containers or references hold.
    ImageInUse,
    /// The last reference of an image that a container uses.
    LastReference,
    /// The same two of the containerd store.
    ContainerdImageInUse,
    ContainerdLastReference,
    /// A name that no image has.
    NoSuchImage,
    /// A name that no image of the containerd store has.
    NoSuchContainerdImage,
    /// Filters that are no JSON, or of another shape.
    FiltersMalformed,
    /// A key that is no filter.
    FilterUnknown,
    /// A value of `dangling` that is no boolean.
    DanglingInvalid,
    /// Several `until`.
    UntilRepeated,
    /// An `until` without values.
    UntilEmpty,
    /// An `until` that is no time.
    UntilInvalid,
    /// An `until` that looks like a date and is none.
    UntilInvalidDate,
    /// A label filter that containerd could not store.
    LabelTooLong,
    /// A layer that an image names and the store does not have.
    LayerMissing,
    /// The registry asks for credentials and none were given.
    #[cfg(feature = "registry")]
    CredentialsMissing,
    /// The registry names a token server that the user did not.
    #[cfg(feature = "registry")]
    TokenServerUnnamed,
    /// No authority that is trusted vouches for the registry.
    #[cfg(feature = "registry")]
    Untrusted,
}

impl Kind {
    const fn rule(self) -> Option<&'static str> {
        Some(match self {
            Self::PruneRunning => "P-1",
            Self::PruneCancelled => "P-4",
            Self::ImageInUse => "D-7",
            Self::LastReference => "D-5.1",
            Self::ContainerdImageInUse => "X-9",
            Self::ContainerdLastReference => "X-7",
            Self::NoSuchImage => "G-1",
            Self::NoSuchContainerdImage => "X-3",
            Self::FiltersMalformed => "F-1",
            Self::FilterUnknown => "F-2",
            Self::DanglingInvalid => "F-8",
            Self::UntilRepeated => "T-1",
            Self::UntilEmpty => "T-12",
            Self::UntilInvalid => "T-2",
            Self::UntilInvalidDate => "T-6",
            Self::LabelTooLong => "Q-3",
            Self::LayerMissing => "U-4",
            Self::Plain => return None,
            #[cfg(feature = "registry")]
            Self::CredentialsMissing | Self::TokenServerUnnamed | Self::Untrusted => return None,
        })
    }
}

/// A failure as moby reports it. `Display` is moby's text, byte for byte.
///
/// Callers branch on the class, for which there are predicates, and on the [rule](Self::rule); never on the text. Two errors
/// are equal when class and text are.
///
/// ```
/// # use image_prune::{PruneRequest, Semantics};
/// # let now = image_prune::Now::utc(chrono::DateTime::UNIX_EPOCH);
/// let error = PruneRequest::parse(r#"{"bogus":["1"]}"#, &Semantics::MOBY_20_10, now).unwrap_err();
/// assert!(error.is_invalid_parameter());
/// assert_eq!(error.to_string(), "Invalid filter 'bogus'");
/// assert_eq!(error.rule(), Some("F-2"));
/// ```
#[derive(Debug, Clone)]
pub struct Error {
    class: ErrorClass,
    kind: Kind,
    message: Cow<'static, str>,
}

impl Error {
    /// An error of `class` with this text.
    pub fn new(class: ErrorClass, message: impl Into<Cow<'static, str>>) -> Self {
        Self { class, kind: Kind::Plain, message: message.into() }
    }

    /// A wrong request.
    pub fn invalid_parameter(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorClass::InvalidParameter, message)
    }

    /// A state that does not allow it now.
    pub fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorClass::Conflict, message)
    }

    /// Something that does not exist.
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorClass::NotFound, message)
    }

    /// A request that its caller gave up.
    pub fn cancelled(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorClass::Cancelled, message)
    }

    /// Any other failure.
    pub fn system(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorClass::System, message)
    }

    /// The same failure, known to be of this kind.
    pub(crate) fn of_kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// The same failure in other words, as moby wraps errors.
    pub(crate) fn reworded(self, message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into(), ..self }
    }

    /// The same failure behind what failed by it, as Go wraps errors.
    pub(crate) fn wrapped(self, what: impl fmt::Display) -> Self {
        Self { message: format!("{what}: {}", self.message).into(), ..self }
    }

    /// What is known of the failure beyond its class.
    #[cfg_attr(not(feature = "server"), allow(dead_code, reason = "the server alone decides by it"))]
    pub(crate) const fn kind(&self) -> Kind {
        self.kind
    }

    /// The id of the rule that the failure stands on, where that is known; [`rules::find`](crate::rules::find) has its text.
    ///
    /// ```
    /// # use image_prune::{PruneRequest, Semantics, rules};
    /// # let now = image_prune::Now::utc(chrono::DateTime::UNIX_EPOCH);
    /// let refused = |filters| PruneRequest::parse(filters, &Semantics::MOBY_29, now).unwrap_err();
    /// assert_eq!(refused(r#"{"dangling":["maybe"]}"#).rule(), Some("F-8"));
    /// assert_eq!(refused(r#"{"until":["1h","2h"]}"#).rule(), Some("T-1"));
    /// assert!(refused(r#"{"until":["soon"]}"#).rule().and_then(rules::find).is_some());
    /// ```
    #[must_use]
    pub const fn rule(&self) -> Option<&'static str> {
        self.kind.rule()
    }

    /// The class of the failure.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        self.class
    }

    /// Returns true when the request itself was wrong.
    #[must_use]
    pub fn is_invalid_parameter(&self) -> bool {
        self.class == ErrorClass::InvalidParameter
    }

    /// Returns true when the state did not allow it: an image in use, or another prune running.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.class == ErrorClass::Conflict
    }

    /// Returns true when what was named does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.class == ErrorClass::NotFound
    }

    /// Returns true when the caller gave the request up.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.class == ErrorClass::Cancelled
    }

    /// Returns true for every other failure.
    #[must_use]
    pub fn is_system(&self) -> bool {
        self.class == ErrorClass::System
    }
}

/// An engine and a specification that say the same are equal, whichever of them knows the rule.
impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        self.class == other.class && self.message == other.message
    }
}

impl Eq for Error {}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// A result of the library.
pub type Result<T, E = Error> = std::result::Result<T, E>;
