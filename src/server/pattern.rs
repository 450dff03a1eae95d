//! The values of a filter as regular expressions.

use regex::Regex;

use crate::document::filters::Filters;

/// The values of a filter as regular expressions (moby's `filters.Args.Match`).
pub(super) struct Patterns {
    exact: Vec<String>,
    expressions: Vec<Regex>,
}

impl Patterns {
    /// Text that is no expression matches itself alone.
    pub fn new(filters: &Filters, key: &str) -> Self {
        let exact: Vec<_> = filters.get(key).map(str::to_owned).collect();
        let expressions = exact.iter().filter_map(|text| Regex::new(text).ok()).collect();
        Self { exact, expressions }
    }

    pub fn include(&self, text: &str) -> bool {
        self.exact.is_empty()
            || self.exact.iter().any(|exact| exact == text)
            || self.expressions.iter().any(|expression| expression.is_match(text))
    }
}
