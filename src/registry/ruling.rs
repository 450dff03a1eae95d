//! Why a tag stays.

use std::fmt;

use crate::base::digest::Digest;

/// What the rules say about a tag, before anybody looks at what it points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ruling {
    /// No rule is about it.
    None,
    /// It stays.
    Keep(KeepReason),
    /// It may go.
    Delete,
}

impl Ruling {
    /// Two rules about one tag: it stays if either keeps it.
    pub(super) fn or_keep(self, other: Self) -> Self {
        match (self, other) {
            (kept @ Self::Keep(_), _) | (Self::None, kept) => kept,
            (Self::Delete, Self::None) => Self::Delete,
            (Self::Delete, other) => other,
        }
    }
}

/// Why a tag stays.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeepReason {
    /// Its revision is listed.
    Retained {
        /// The environment.
        environment: String,
        /// The revision.
        revision: String,
    },
    /// No rule is about it.
    NoRule,
    /// It is one of the newest.
    Newest {
        /// How many are kept.
        of: usize,
    },
    /// A `keep` clause matches.
    Matches {
        /// Its expression.
        regex: String,
    },
    /// It is not old enough.
    Young,
    /// Nobody knows how old it is.
    UnknownAge,
    /// A tag that stays points to the same digest: deleting one would delete both.
    SharedDigest {
        /// That tag.
        tag: String,
    },
    /// The index of a tag that stays lists it.
    InIndex {
        /// That tag.
        tag: String,
    },
    /// It is a signature or the like of a digest that stays.
    BelongsTo {
        /// A tag of that digest, or the digest itself.
        tag: String,
    },
    /// It is a signature or the like of a digest that this repository does not have, and another may.
    SubjectUnseen {
        /// That digest.
        digest: Digest,
    },
    /// Its manifest cannot be read.
    Unreadable {
        /// What is wrong.
        why: String,
    },
    /// What another tag points to cannot be read, and may list this one.
    HeldBack {
        /// That tag, or a digest.
        by: String,
    },
    /// It came to point to something else while we were working.
    Moved,
    /// The registry did not delete it.
    Failed {
        /// What it said.
        why: String,
    },
}

impl KeepReason {
    /// The stable name, in snake case.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Retained { .. } => "retained",
            Self::NoRule => "no_rule",
            Self::Newest { .. } => "newest",
            Self::Matches { .. } => "matches",
            Self::Young => "young",
            Self::UnknownAge => "unknown_age",
            Self::SharedDigest { .. } => "shared_digest",
            Self::InIndex { .. } => "in_index",
            Self::BelongsTo { .. } => "belongs_to",
            Self::SubjectUnseen { .. } => "subject_unseen",
            Self::Unreadable { .. } => "unreadable",
            Self::HeldBack { .. } => "held_back",
            Self::Moved => "moved",
            Self::Failed { .. } => "failed",
        }
    }
}

impl fmt::Display for KeepReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retained { environment, revision } => {
                write!(formatter, "revision {revision} of environment {environment} is to be kept")
            }
            Self::NoRule => formatter.write_str("no rule is about it"),
            Self::Newest { of } => write!(formatter, "one of the {of} newest"),
            Self::Matches { regex } => write!(formatter, "matches `{regex}`"),
            Self::Young => formatter.write_str("not old enough"),
            Self::UnknownAge => formatter.write_str("nobody knows how old it is"),
            Self::SharedDigest { tag } => {
                write!(
                    formatter,
                    "`{tag}`, which stays, points to the same digest; a registry deletes both or none"
                )
            }
            Self::InIndex { tag } => write!(formatter, "the index `{tag}`, which stays, lists it"),
            Self::BelongsTo { tag } => write!(formatter, "belongs to `{tag}`, which stays"),
            Self::SubjectUnseen { digest } => {
                write!(formatter, "belongs to {digest}, which may be in another repository")
            }
            Self::Unreadable { why } => write!(formatter, "its manifest cannot be read: {why}"),
            Self::HeldBack { by } => {
                write!(formatter, "`{by}` cannot be read, and may be an index that lists this one")
            }
            Self::Moved => formatter.write_str("it was pointed elsewhere meanwhile"),
            Self::Failed { why } => write!(formatter, "could not be deleted: {why}"),
        }
    }
}
