//! A prune request: the filters, read and checked before anything is looked at.

use super::image::Image;
use crate::api::request::{ACCEPTED, dangling_only, until};
use crate::base::error::{Error, Kind, Result};
use crate::document::filters::Filters;
use crate::document::image::Labels;
use crate::go::time::{Now, Timestamp};
use crate::semantics::{Containerd, Semantics};

/// The longest label that containerd stores: its key and its value, in bytes.
const MAX_LABEL: usize = 4096;

/// How much of a key that is too long an error shows.
const SHOWN_KEY: usize = 64;

/// What a prune was asked for.
#[derive(Debug, Clone)]
pub struct Request {
    filters: Filters,
    now: Now,
    dangling_only: bool,
    until: Vec<Timestamp>,
    labels: Vec<LabelCheck>,
    with_attestations: bool,
}

/// One value of `label` or `label!`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelCheck {
    /// The key.
    pub key: String,
    /// The value; `None` where any will do.
    pub value: Option<String>,
    /// Set where the label must not be there, or not with this value.
    pub negated: bool,
    absent_passes: bool,
}

impl Request {
    /// Reads the raw `filters` parameter, in moby's order of failure.
    ///
    /// # Errors
    ///
    /// What [`Filters::parse`] and [`from_filters`](Self::from_filters) refuse.
    pub fn parse(filters: impl AsRef<[u8]>, semantics: &Semantics, now: Now) -> Result<Self> {
        Self::from_filters(&Filters::parse(filters, semantics)?, semantics, now)
    }

    /// Checks filters that were read already.
    ///
    /// # Errors
    ///
    /// The first of: a key that is no filter, a bad `dangling`, a bad `until`, a label that is too long; all with
    /// moby's texts.
    pub fn from_filters(filters: &Filters, semantics: &Semantics, now: Now) -> Result<Self> {
        let containerd = semantics.containerd.unwrap_or(Containerd::MOBY_29);
        filters.validate(&ACCEPTED, semantics)?;
        let dangling_only = dangling_only(filters, semantics)?;
        let prefixed = |error: Error| {
            let text = format!("{}{error}", semantics.until_error_prefix);
            error.reworded(text)
        };
        let until = filters.get("until").map(|value| until::parse(value, now, semantics).map_err(prefixed));
        let until: Result<_> = until.collect();
        let checks =
            |filter| filters.get(filter).map(move |value| LabelCheck::parse(filter, value, &containerd));
        let labels: Result<_> = checks("label").chain(checks("label!")).collect();
        Ok(Self {
            filters: filters.clone(),
            now,
            dangling_only,
            until: until?,
            labels: labels?,
            with_attestations: !containerd.label_filters_skip_attestations,
        })
    }

    /// Only dangling records, or all.
    #[must_use]
    pub fn dangling_only(&self) -> bool {
        self.dangling_only
    }

    /// The instants before all of which a name must have been made.
    #[must_use]
    pub fn until(&self) -> &[Timestamp] {
        &self.until
    }

    /// The checks of labels, all of which must hold.
    #[must_use]
    pub fn labels(&self) -> &[LabelCheck] {
        &self.labels
    }

    /// Whether configs of attestations are held against label filters.
    #[must_use]
    pub fn with_attestations(&self) -> bool {
        self.with_attestations
    }

    /// The filters it was made of.
    #[must_use]
    pub fn filters(&self) -> &Filters {
        &self.filters
    }

    /// The clock at the call.
    #[must_use]
    pub fn now(&self) -> Now {
        self.now
    }

    /// The first instant before which the record was not made; equal is kept.
    #[must_use]
    pub fn newer_than(&self, image: &Image) -> Option<Timestamp> {
        self.until.iter().copied().find(|until| image.created_at() >= *until)
    }

    /// Whether the labels of one config pass all checks.
    #[must_use]
    pub fn matches(&self, labels: Option<&Labels>) -> bool {
        self.labels.iter().all(|check| check.holds(labels))
    }
}

impl LabelCheck {
    fn parse(filter: &str, text: &str, containerd: &Containerd) -> Result<Self> {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (text, None),
        };
        let length = key.len() + value.map_or(0, str::len);
        if length > MAX_LABEL {
            let shown = String::from_utf8_lossy(key.as_bytes().get(..SHOWN_KEY).unwrap_or(key.as_bytes()));
            return Err(Error::invalid_parameter(format!(
                "label key and value length ({length} bytes) greater than maximum size ({MAX_LABEL} bytes), key: \
                 {shown}: invalid argument"
            ))
            .of_kind(Kind::LabelTooLong));
        }
        let negated = filter.ends_with('!');
        let (key, negated) = match key.strip_suffix('!') {
            Some(key) => (key, !negated),
            None => (key, negated),
        };
        Ok(Self {
            key: key.to_owned(),
            value: value.map(str::to_owned),
            negated,
            absent_passes: containerd.absent_label_passes_negated_value,
        })
    }

    fn holds(&self, labels: Option<&Labels>) -> bool {
        let found = labels.and_then(|labels| labels.get(&self.key));
        match (&self.value, found) {
            (None, found) => found.is_some() != self.negated,
            (Some(_), None) => self.negated && self.absent_passes,
            (Some(wanted), Some(found)) => (found == wanted) != self.negated,
        }
    }
}
