//! What can go wrong between here and a daemon.

use std::fmt;

use crate::base::error::{Error, ErrorClass};

/// What went wrong, for a caller that wants to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureKind {
    /// The request could not be made: a wrong argument.
    Invalid,
    /// Nobody listens, or not on this machine, or not for this user. Nothing was sent.
    Unreachable,
    /// Nothing came for too long. What was asked may have happened.
    TimedOut,
    /// The connection broke before the answer was complete. What was asked may have happened.
    Cut,
    /// The daemon refused, with this status.
    Refused(u16),
    /// The answer is not what this API promises.
    Malformed,
    /// The daemon is of a kind that is not known here: it has the containerd image store.
    Unsupported,
}

/// A request to a daemon that failed. Its text says what was asked, of whom, and what happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientError {
    kind: FailureKind,
    message: String,
}

impl ClientError {
    /// A failure with its text.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// A wrong argument.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Invalid, message)
    }

    /// An answer that no daemon gives.
    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Malformed, message)
    }

    /// What went wrong.
    #[must_use]
    pub const fn kind(&self) -> FailureKind {
        self.kind
    }

    /// The status of the daemon's refusal; none where it did not answer.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match self.kind {
            FailureKind::Refused(status) => Some(status),
            _ => None,
        }
    }

    /// Whether the same request may succeed later: the daemon is away, slow, busy or broken, not the request.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self.kind {
            FailureKind::Unreachable | FailureKind::TimedOut | FailureKind::Cut => true,
            FailureKind::Refused(status) => matches!(status, 409 | 429 | 500..=599),
            FailureKind::Invalid | FailureKind::Malformed | FailureKind::Unsupported => false,
        }
    }

    /// True where the request may have been carried out all the same: it was sent, and the daemon did not refuse it.
    #[must_use]
    pub const fn may_have_happened(&self) -> bool {
        match self.kind {
            FailureKind::TimedOut | FailureKind::Cut | FailureKind::Malformed => true,
            // A daemon that fails half-way says so with one of these (D-14).
            FailureKind::Refused(status) => status >= 500,
            FailureKind::Invalid | FailureKind::Unreachable | FailureKind::Unsupported => false,
        }
    }

    /// The same failure, saying what it was about.
    #[must_use]
    pub fn in_context(self, context: impl fmt::Display) -> Self {
        Self { message: format!("{context}: {}", self.message), ..self }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for ClientError {}

impl From<ClientError> for Error {
    fn from(error: ClientError) -> Self {
        let class = match error.kind {
            FailureKind::Invalid | FailureKind::Unsupported | FailureKind::Refused(400) => {
                ErrorClass::InvalidParameter
            }
            FailureKind::Refused(404) => ErrorClass::NotFound,
            FailureKind::Refused(409) => ErrorClass::Conflict,
            _ => ErrorClass::System,
        };
        Self::new(class, error.message)
    }
}
