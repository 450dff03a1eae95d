//! The values of a filter as regular expressions.

use regex::{Regex, RegexBuilder};

use crate::base::pattern::refuse_long;
use crate::document::filters::Filters;

/// The most bytes that one expression is compiled to.
const PROGRAM: usize = 1 << 20;
/// The most bytes that the expressions of a filter are compiled to, together.
const PROGRAMS: usize = 8 << 20;
/// The bytes that the shortest expression counts for.
const LEAST: usize = 16 << 10;
/// The most bytes that an expression remembers while it searches.
const CACHE: usize = 64 << 10;

/// The values of a filter as regular expressions (moby's `filters.Args.Match`).
pub(super) struct Patterns {
    exact: Vec<String>,
    expressions: Vec<Regex>,
}

impl Patterns {
    /// Text that is no expression matches itself alone.
    // DIFFERENCE(large-expressions)
    pub fn new(filters: &Filters, key: &str) -> Self {
        let exact: Vec<_> = filters.get(key).map(str::to_owned).collect();
        let mut left = PROGRAMS;
        let expressions = exact.iter().filter_map(|text| compile(text, &mut left)).collect();
        Self { exact, expressions }
    }

    pub fn include(&self, text: &str) -> bool {
        self.exact.is_empty()
            || self.exact.iter().any(|exact| exact == text)
            || self.expressions.iter().any(|expression| expression.is_match(text))
    }
}

/// Compiles an expression to no more than there is `left`. What it is compiled to nobody tells, so that it counts for as
/// much as it may have: some hundred times its length, unless it repeats itself.
fn compile(text: &str, left: &mut usize) -> Option<Regex> {
    refuse_long(text).ok()?;
    [LEAST + 256 * text.len(), PROGRAM].into_iter().find_map(|size| {
        let rest = left.checked_sub(size)?;
        let regex = RegexBuilder::new(text).size_limit(size).dfa_size_limit(CACHE).build().ok()?;
        *left = rest;
        Some(regex)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;
    use crate::semantics::Semantics;

    fn patterns(values: &[String]) -> Patterns {
        let json = serde_json::json!({ "name": values }).to_string();
        Patterns::new(&Filters::parse(json, &Semantics::MOBY_28_5).unwrap(), "name")
    }

    #[test]
    fn expressions_are_compiled_to_a_limit_together() {
        let one = patterns(&["^a{1,9}b|[é-ü]+$".to_owned()]);
        assert!(one.include("aab") && one.include("éé") && !one.include("b"));
        let broken = patterns(&["(".to_owned()]);
        assert!(broken.include("(") && !broken.include("x"));

        let long = "a|".repeat(3000);
        let long = patterns(std::slice::from_ref(&long));
        assert!(!long.include("a") && long.include(&"a|".repeat(3000)));
        for large in ["(a{1000}){1000}", "\\pL{1000}"] {
            assert!(patterns(&[large.to_owned()]).expressions.is_empty(), "{large}");
        }
        let many = patterns(&(0..20_000).map(|number| format!("^{number}-")).collect::<Vec<_>>());
        assert!(many.expressions.len() > 100 && many.expressions.len() <= PROGRAMS / LEAST);
        assert!(many.include("0-x") && many.include("^19999-") && !many.include("none"));
    }
}
