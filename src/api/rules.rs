//! moby's behaviour as numbered rules, as [`_docs::rules`](crate::_docs::rules) has them.
//!
//! The ids stand in reasons, contradictions and messages; this module turns one into its text.
//!
//! ```
//! let rule = image_prune::rules::find("D-12").unwrap();
//! assert!(rule.summary().starts_with("A parent goes with its last child"));
//! assert!(rule.text().contains("Force is not passed on."));
//! ```

use std::fmt;

/// The pages, in reading order.
const PAGES: [&str; 13] = [
    include_str!("../docs/rules/filters.md"),
    include_str!("../docs/rules/until.md"),
    include_str!("../docs/rules/images.md"),
    include_str!("../docs/rules/layers.md"),
    include_str!("../docs/rules/references.md"),
    include_str!("../docs/rules/delete.md"),
    include_str!("../docs/rules/prune.md"),
    include_str!("../docs/rules/events.md"),
    include_str!("../docs/rules/usage.md"),
    include_str!("../docs/rules/containerd-store.md"),
    include_str!("../docs/rules/containerd-prune.md"),
    include_str!("../docs/rules/containerd-delete.md"),
    include_str!("../docs/rules/containerd-usage.md"),
];

/// One rule of moby's behaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    id: &'static str,
    text: &'static str,
}

impl Rule {
    /// The id: `D-12`.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        self.id
    }

    /// The first sentence, on one line.
    #[must_use]
    pub fn summary(&self) -> String {
        let paragraph = self.text.split("\n\n").next().unwrap_or_default();
        paragraph.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The whole rule as Markdown, with its source and without its heading.
    #[must_use]
    pub const fn text(&self) -> &'static str {
        self.text
    }
}

impl fmt::Display for Rule {
    /// The id and the whole text.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}\n\n{}", self.id, self.text)
    }
}

/// Every rule, in the order of the pages.
pub fn all() -> impl Iterator<Item = Rule> {
    PAGES.into_iter().flat_map(|page| page.split("\n### ").skip(1)).filter_map(|section| {
        let (id, text) = section.split_once('\n')?;
        // A section that follows the last rule of a part begins with a heading of its own.
        let text = text.split("\n## ").next().unwrap_or(text);
        Some(Rule { id: id.trim(), text: text.trim() })
    })
}

/// The rule with this id, in any case; `None` where there is none. A step of a rule, such as `Q-8.3` or
/// `X-7c`, is the rule's.
#[must_use]
pub fn find(id: &str) -> Option<Rule> {
    let exactly = |id: &str| all().find(|rule| rule.id.eq_ignore_ascii_case(id));
    let step = |id: &str| {
        id.split_once('.').map_or(id, |(rule, _)| rule).trim_end_matches(char::is_alphabetic).len()
    };
    exactly(id).or_else(|| exactly(id.get(..step(id))?))
}

/// The id with its rule's first sentence, for a person to read: `D-12: A parent goes with its last child …`. An id
/// that is no rule comes back alone.
#[must_use]
pub fn cite(id: &str) -> String {
    find(id).map_or_else(|| id.to_owned(), |rule| format!("{id}: {}", rule.summary()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_rule_has_a_sentence_and_a_source() {
        let mut seen = BTreeSet::new();
        for rule in all() {
            assert!(seen.insert(rule.id()), "{} stands twice", rule.id());
            let (letter, number) = rule.id().split_once('-').unwrap();
            assert!(
                letter.len() == 1 && number.starts_with(|first: char| first.is_ascii_digit()),
                "{}",
                rule.id()
            );
            let summary = rule.summary();
            assert!(summary.ends_with('.') || summary.ends_with("`."), "{}: {summary}", rule.id());
            assert!(summary.len() < 160, "{}: {summary}", rule.id());
            assert!(rule.text().contains("*Source:* "), "{} has no source", rule.id());
            assert!(!rule.text().contains("\n#"), "{} runs into the next part", rule.id());
        }
        assert!(seen.len() > 180, "{} rules", seen.len());
    }

    #[test]
    fn ids_are_found_in_any_case() {
        assert_eq!(find("d-5.4").unwrap().id(), "D-5.4");
        assert_eq!(find("q-8.3").unwrap().id(), "Q-8");
        assert_eq!(find("X-7c").unwrap().id(), "X-7");
        assert_eq!(find("I-2a").unwrap().id(), "I-2a");
        assert_eq!(find("D-"), None);
        assert_eq!(cite("D-"), "D-");
        assert!(cite("P-3").starts_with("P-3: The images are listed first"));
    }
}
