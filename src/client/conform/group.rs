//! Rules, sorted into what a person would look at first.

use std::fmt;

use serde::Serialize;

use crate::oracle::check::{Contradiction, Holder};

/// A group of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Group {
    /// Filters as text: keys, shapes, odd JSON (rules F).
    Filters,
    /// `until` (T).
    Until,
    /// `label` and `label!` (L).
    Labels,
    /// Pruning what is dangling (P-3, P-5).
    Dangling,
    /// Pruning all that is unused (P-4, P-12).
    All,
    /// Parents and children (D-7, D-12, I-10).
    Children,
    /// Images in use (D-5.1, D-7).
    Containers,
    /// The records and their sequence (D-11, R-10).
    Records,
    /// The bytes, and the layers behind them (P-9, Y).
    Bytes,
    /// The events (E, D-13, P-10).
    Events,
    /// Status codes and bodies (H).
    Answers,
    /// `GET /system/df` before and after (U).
    DiskUsage,
    /// Whether the daemon holds what it was given: the prune is not to blame.
    Stores,
}

impl Group {
    /// All of them, in the order of a report.
    pub const ALL: [Self; 13] = [
        Self::Filters,
        Self::Until,
        Self::Labels,
        Self::Dangling,
        Self::All,
        Self::Children,
        Self::Containers,
        Self::Records,
        Self::Bytes,
        Self::Events,
        Self::Answers,
        Self::DiskUsage,
        Self::Stores,
    ];

    /// The name as reports write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Filters => "filters",
            Self::Until => "until",
            Self::Labels => "labels",
            Self::Dangling => "dangling",
            Self::All => "all",
            Self::Children => "children",
            Self::Containers => "containers",
            Self::Records => "records",
            Self::Bytes => "bytes",
            Self::Events => "events",
            Self::Answers => "answers",
            Self::DiskUsage => "disk-usage",
            Self::Stores => "stores",
        }
    }

    /// The group that a rule belongs to.
    fn of(rule: &str, holder: Option<Holder>, is_all: bool) -> Self {
        match holder {
            Some(Holder::Child) => return Self::Children,
            Some(Holder::Container) => return Self::Containers,
            None => {}
        }
        match rule.split('-').next().unwrap_or_default() {
            "F" => Self::Filters,
            "T" => Self::Until,
            "L" => Self::Labels,
            "H" => Self::Answers,
            "E" => Self::Events,
            "U" => Self::DiskUsage,
            "Y" => Self::Bytes,
            _ => match rule {
                "D-12" => Self::Children,
                "D-13" | "P-10" => Self::Events,
                "P-9" => Self::Bytes,
                "P-1" | "P-2" => Self::Answers,
                "D-11" | "I-10" | "R-8" => Self::Records,
                _ if is_all => Self::All,
                _ => Self::Dangling,
            },
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// One thing that a daemon did not do as moby does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What it is about.
    pub group: Group,
    /// Where it is.
    pub place: String,
    /// What was observed; none where something is missing.
    pub observed: Option<String>,
    /// What moby does instead; none where it does nothing.
    pub moby: Option<String>,
    /// The id of the rule; [`rules::find`](crate::api::rules::find) has its text.
    pub rule: &'static str,
    /// Why, in words.
    pub why: String,
}

impl Difference {
    /// A contradiction that the oracle found, in a prune of all images or of dangling ones.
    pub(super) fn new(contradiction: Contradiction, is_all: bool) -> Self {
        let Contradiction { place, observed, moby, rule, why, holder } = contradiction;
        let group = Group::of(rule, holder, is_all);
        Self { group, place: place.to_string(), observed, moby, rule, why }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |side: &Option<String>| side.as_ref().map_or("nothing".to_owned(), |it| format!("`{it}`"));
        let Self { place, observed, moby, rule, why, .. } = self;
        write!(formatter, "{place}: observed {}, moby has {}: ", text(observed), text(moby))?;
        write!(formatter, "{why} ({})", crate::api::rules::cite(rule))
    }
}
