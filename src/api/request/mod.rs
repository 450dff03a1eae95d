//! A prune request: the filters, read and checked before anything is looked at.

use crate::base::error::{Error, Kind, Result};
use crate::document::image::{Image, Labels};
use crate::go::time::{Now, Timestamp};
use crate::semantics::Semantics;

mod dangling;

pub(crate) use dangling::dangling_only;
mod lint;
pub mod until;

#[cfg(test)]
mod tests;

use crate::document::filters::{Filters, Pairs};

/// The filters that a prune of images takes (F-2).
pub const ACCEPTED: [&str; 4] = ["dangling", "label", "label!", "until"];

/// What a prune was asked for.
///
/// ```
/// use image_prune::{Now, PruneRequest, Semantics};
///
/// let now = Now::utc(chrono::DateTime::UNIX_EPOCH);
/// let request = PruneRequest::parse(r#"{"dangling":["0"]}"#, &Semantics::MOBY_20_10, now)?;
/// assert!(!request.dangling_only());
/// # Ok::<(), image_prune::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct PruneRequest {
    filters: Filters,
    now: Now,
    dangling_only: bool,
    until: Option<Timestamp>,
    label: Pairs,
    negated_label: Option<Pairs>,
    created_is_optional: bool,
}

/// Why a filter keeps an image (P-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// Created after `until` (T-10), or without `created` where that counts (T-11).
    NewerThanUntil {
        /// When it was created; `None` where the config does not say.
        created: Option<Timestamp>,
        /// The limit.
        until: Timestamp,
    },
    /// A `label` does not match (L-2).
    Label,
    /// All `label!` match (L-3).
    NegatedLabel,
}

impl PruneRequest {
    /// Reads the raw `filters` parameter, in moby's order of failure (P-2).
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
    /// The first of: a key that is no filter (F-2), a bad `dangling` (F-8), several or bad `until`
    /// (T-1, T-2), all with moby's texts.
    pub fn from_filters(filters: &Filters, semantics: &Semantics, now: Now) -> Result<Self> {
        filters.validate(&ACCEPTED, semantics)?;
        let dangling_only = dangling_only(filters, semantics)?;
        let until = until_limit(filters, semantics, now, semantics.until_error_prefix)?;
        let label = filters.get("label").collect();
        let negated_label = filters.contains("label!").then(|| filters.get("label!").collect());
        let created_is_optional = semantics.created_is_optional;
        let filters = filters.clone();
        Ok(Self { filters, now, dangling_only, until, label, negated_label, created_is_optional })
    }

    /// Only dangling images, or all (F-8).
    #[must_use]
    pub fn dangling_only(&self) -> bool {
        self.dangling_only
    }

    /// The effective limit; none where the filter is off (T-11).
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// The clock that it was read by.
    #[must_use]
    pub fn now(&self) -> Now {
        self.now
    }

    /// The filters it was made of.
    #[must_use]
    pub fn filters(&self) -> &Filters {
        &self.filters
    }

    /// Why the filters keep `image`, none where it may go (P-4).
    #[must_use]
    pub fn rejection(&self, image: &Image) -> Option<Rejection> {
        if let Some(until) = self.until
            && self.is_newer(image.created(), until)
        {
            return Some(Rejection::NewerThanUntil { created: image.created(), until });
        }
        if !image.has_config() {
            return None; // L-1
        }
        let labels = || image.labels().into_iter().flat_map(Labels::bytes);
        if !self.label.all_in(labels()) {
            return Some(Rejection::Label);
        }
        let negated = self.negated_label.as_ref().is_some_and(|pairs| pairs.all_in(labels()));
        negated.then_some(Rejection::NegatedLabel)
    }

    fn is_newer(&self, created: Option<Timestamp>, limit: Timestamp) -> bool {
        match created {
            Some(created) => created > limit,
            // T-11: kept, or as old as Go's zero time.
            None => self.created_is_optional || Timestamp::ZERO > limit,
        }
    }
}

/// `getUntilFromPruneFilters` (T-1, T-11, T-12). `prefix` stands in front of errors about the value.
pub(crate) fn until_limit(
    filters: &Filters,
    semantics: &Semantics,
    now: Now,
    prefix: &str,
) -> Result<Option<Timestamp>> {
    if !filters.contains("until") {
        return Ok(None);
    }
    let mut values = filters.get("until");
    match (values.next(), values.next()) {
        (Some(value), None) => {
            let limit = until::parse(value, now, semantics).map_err(|error| {
                let text = format!("{prefix}{error}");
                error.reworded(text)
            })?;
            Ok(Some(limit).filter(|limit| !limit.is_zero()))
        }
        (Some(_), Some(_)) => {
            let error = Error::new(semantics.until_error_class, "more than one until filter specified");
            Err(error.of_kind(Kind::UntilRepeated))
        }
        // DIFFERENCE(until-without-values): moby panics and closes the connection (T-12).
        (None, _) => {
            let error = Error::invalid_parameter("no until filter specified: the list is empty");
            Err(error.of_kind(Kind::UntilEmpty))
        }
    }
}
