//! What a user can do about a registry that refuses.

use crate::base::error::{Error, Kind};

/// A refusal that an option of the caller answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The registry asks for a user and a password, and there are no [`Credentials`](super::Credentials).
    CredentialsMissing,
    /// The registry sends passwords to a server that [`Options`](super::Options) does not name.
    TokenServerUnnamed,
    /// No authority that [`Options`](super::Options) trusts vouches for the registry.
    Untrusted,
}

impl Refusal {
    /// The refusal behind an error of this module; `None` for any other failure.
    ///
    /// ```
    /// use image_prune::registry::Refusal;
    ///
    /// assert_eq!(Refusal::of(&image_prune::Error::system("the disk is full")), None);
    /// ```
    #[must_use]
    pub fn of(error: &Error) -> Option<Self> {
        match error.kind() {
            Kind::CredentialsMissing => Some(Self::CredentialsMissing),
            Kind::TokenServerUnnamed => Some(Self::TokenServerUnnamed),
            Kind::Untrusted => Some(Self::Untrusted),
            _ => None,
        }
    }
}
