//! The one error of the library: a class that callers branch on, and moby's text.

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

/// A failure as moby reports it. `Display` is moby's text, byte for byte.
///
/// The class is all that callers should branch on; the predicates say it in words.
///
/// ```
/// # use image_prune::{PruneRequest, Semantics};
/// # let now = image_prune::Now::utc(chrono::DateTime::UNIX_EPOCH);
/// let error = PruneRequest::parse(r#"{"bogus":["1"]}"#, &Semantics::MOBY_20_10, now).unwrap_err();
/// assert!(error.is_invalid_parameter());
/// assert_eq!(error.to_string(), "Invalid filter 'bogus'");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    class: ErrorClass,
    message: Cow<'static, str>,
}

impl Error {
    /// An error of `class` with this text.
    pub fn new(class: ErrorClass, message: impl Into<Cow<'static, str>>) -> Self {
        Self { class, message: message.into() }
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

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// A result of the library.
pub type Result<T, E = Error> = std::result::Result<T, E>;
