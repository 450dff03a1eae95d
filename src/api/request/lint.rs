//! Filters that do not mean what they seem to.

use super::PruneRequest;
use crate::api::warning::{Warning, WarningKind};
use crate::go::time::Timestamp;

impl PruneRequest {
    /// What about this request may not be as its author thinks, in the order of [`WarningKind`].
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Warnings { request: self, found: Vec::new() };
        warnings.dangling();
        warnings.labels();
        warnings.negated_labels();
        warnings.globs();
        if self.filters.get("label").chain(self.filters.get("label!")).next().is_some() {
            warnings.add(
                WarningKind::ImagesWithoutConfig,
                "images without a `config` object pass every label filter",
            );
        }
        warnings.flags();
        warnings.until();
        if ["label", "label!", "until"].iter().any(|key| self.filters.contains(key)) {
            warnings.add(
                WarningKind::UnfilteredParents,
                "parents that are removed along with an image are not held against `label`, `label!` and \
                 `until`",
            );
        }
        warnings.found
    }
}

struct Warnings<'a> {
    request: &'a PruneRequest,
    found: Vec<Warning>,
}

impl Warnings<'_> {
    fn add(&mut self, kind: WarningKind, message: impl Into<String>) {
        self.found.push(Warning { kind, message: message.into() });
    }

    fn dangling(&mut self) {
        let filters = &self.request.filters;
        if !filters.contains("dangling") {
            return;
        }
        let says =
            |words: [&str; 2]| filters.flags("dangling").any(|(value, flag)| flag && words.contains(&value));
        let is_contradiction = says(["false", "0"]) && says(["true", "1"]);
        let is_word = |value: &str| ["0", "1", "false", "true"].contains(&value);
        let ignored: Vec<_> = filters
            .flags("dangling")
            .filter(|(value, flag)| !flag || !is_word(value))
            .map(|(value, _)| value)
            .collect();
        if filters.get("dangling").next().is_none() {
            self.add(
                WarningKind::EmptyDangling,
                "`dangling` without a value prunes ALL unused images, tagged ones too",
            );
        }
        if is_contradiction {
            self.add(
                WarningKind::ContradictoryDangling,
                "`dangling` is both true and false: false wins, and ALL unused images are pruned",
            );
        }
        if !ignored.is_empty() {
            self.add(
                WarningKind::IgnoredDanglingValue,
                format!("values of `dangling` that are ignored: {}", list(&ignored)),
            );
        }
    }

    fn labels(&mut self) {
        let request = self.request;
        let values: Vec<_> = request.filters.get("label").collect();
        if request.label.is_contradiction() {
            self.add(
                WarningKind::ContradictoryLabels,
                format!("no image can have all of these labels at once: {}", list(&values)),
            );
        } else if values.len() > 1 {
            self.add(
                WarningKind::SeveralLabels,
                format!(
                    "only images with ALL of these labels are pruned, not those with one of them: {}",
                    list(&values)
                ),
            );
        }
        if values.is_empty() && request.filters.contains("label") {
            self.add(WarningKind::EmptyLabel, "`label` without a value filters nothing");
        }
    }

    fn negated_labels(&mut self) {
        let request = self.request;
        let Some(pairs) = &request.negated_label else { return };
        let values: Vec<_> = request.filters.get("label!").collect();
        if pairs.is_contradiction() {
            self.add(
                WarningKind::ContradictoryNegatedLabels,
                format!(
                    "no image can have all of these labels at once, so `label!` keeps none: {}",
                    list(&values)
                ),
            );
        } else if values.len() > 1 {
            self.add(
                WarningKind::SeveralNegatedLabels,
                format!(
                    "only images with ALL of these labels are kept; with one of them they are pruned: {}",
                    list(&values)
                ),
            );
        }
        if values.is_empty() {
            self.add(
                WarningKind::EmptyNegatedLabel,
                "`label!` without a value keeps every image that has a `config` object",
            );
        }
    }

    fn globs(&mut self) {
        let filters = &self.request.filters;
        let globs: Vec<_> = filters
            .get("label")
            .chain(filters.get("label!"))
            .filter(|value| value.contains(['*', '?', '[']))
            .collect();
        if !globs.is_empty() {
            self.add(
                WarningKind::LabelGlob,
                format!("labels are compared as they stand, without patterns: {}", list(&globs)),
            );
        }
    }

    fn flags(&mut self) {
        let filters = &self.request.filters;
        for key in ["label", "label!", "until"] {
            let values: Vec<_> =
                filters.flags(key).filter(|(_, flag)| !flag).map(|(value, _)| value).collect();
            if !values.is_empty() {
                self.add(
                    WarningKind::FalseFlag,
                    format!("`false` does not turn a value of `{key}` off: {}", list(&values)),
                );
            }
        }
    }

    fn until(&mut self) {
        let request = self.request;
        let Some(value) = request.filters.get("until").next() else { return };
        match request.until {
            None => self.add(
                WarningKind::UntilOff,
                format!("`until` {value:?} is Go's zero time, which turns the filter off"),
            ),
            Some(limit) if limit < Timestamp::ZERO => {
                self.add(
                    WarningKind::UntilBeforeYearOne,
                    format!("`until` {value:?} is before year 1 and keeps every image"),
                );
            }
            Some(limit) if limit > request.now.instant => {
                self.add(
                    WarningKind::UntilInFuture,
                    format!("`until` {value:?} is in the future and keeps no image of today"),
                );
            }
            Some(_) => {}
        }
        if looks_like_date(value) {
            self.add(
                WarningKind::UntilLooksLikeDate,
                format!(
                    "`until` {value:?} is a number of seconds since 1970, not a date; write dates with `-`"
                ),
            );
        }
    }
}

/// `2006`, `200601`, `20060102` and so on down to the second, of years that images have.
fn looks_like_date(value: &str) -> bool {
    let part = |from: usize, to: usize| value.get(from..to).and_then(|digits| digits.parse::<u16>().ok());
    let is_within = |from, to, low, high| part(from, to).is_none_or(|number| (low..=high).contains(&number));
    matches!(value.len(), 4 | 6 | 8 | 12 | 14)
        && value.bytes().all(|byte| byte.is_ascii_digit())
        && is_within(0, 4, 1970, 2100)
        && is_within(4, 6, 1, 12)
        && is_within(6, 8, 1, 31)
        && is_within(8, 10, 0, 23)
        && is_within(10, 12, 0, 59)
        && is_within(12, 14, 0, 59)
}

/// Values for a person, quoted so that nothing in them reaches a terminal as it is.
fn list(values: &[&str]) -> String {
    let quoted: Vec<_> = values.iter().map(|value| format!("{value:?}")).collect();
    quoted.join(", ")
}
