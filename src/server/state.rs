//! What a container does, or did.

use crate::base::units::human_duration;
use crate::go::time::Timestamp;

/// What a container does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Created,
    Running { since: Timestamp },
    Paused { since: Timestamp },
    Exited { started: Timestamp, finished: Timestamp, code: i32 },
}

impl State {
    /// It has a process, which may be paused.
    pub const fn is_running(self) -> bool {
        matches!(self, Self::Running { .. } | Self::Paused { .. })
    }

    pub const fn is_paused(self) -> bool {
        matches!(self, Self::Paused { .. })
    }

    pub const fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running { .. } => "running",
            Self::Paused { .. } => "paused",
            Self::Exited { .. } => "exited",
        }
    }

    /// As `docker ps` prints it.
    pub fn status(self, now: Timestamp) -> String {
        let since = |time: Timestamp| human_duration(now.unix_seconds().saturating_sub(time.unix_seconds()));
        match self {
            Self::Created => "Created".to_owned(),
            Self::Running { since: time } => format!("Up {}", since(time)),
            Self::Paused { since: time } => format!("Up {} (Paused)", since(time)),
            Self::Exited { finished, code, .. } => format!("Exited ({code}) {} ago", since(finished)),
        }
    }

    pub const fn started(self) -> Timestamp {
        match self {
            Self::Created => Timestamp::ZERO,
            Self::Running { since } | Self::Paused { since } => since,
            Self::Exited { started, .. } => started,
        }
    }

    pub const fn finished(self) -> Timestamp {
        match self {
            Self::Exited { finished, .. } => finished,
            _ => Timestamp::ZERO,
        }
    }

    pub const fn code(self) -> i32 {
        match self {
            Self::Exited { code, .. } => code,
            _ => 0,
        }
    }
}
