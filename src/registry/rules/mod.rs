//! What is to stay: the input file.
//!
//! ```text
//! # environments: an ID, and the revisions to keep
//! 62798b9bee0eb12322fc97e8 4 7 8
//! 62798b9bee0eb12322fc97e9
//! # other repositories: a tag goes that no clause of any matching line keeps
//! team/*      keep-last 5  keep ^release-
//! ci/**       older-than 30days
//! # streams: the newest of each; `only` says which tags a line is about
//! app/web     keep-last 3 of ^main-  keep-last 1 of ^dev-
//! app/api     only ^pr-  older-than 14days
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use globset::GlobSet;
use regex::{Regex, RegexBuilder};

use super::names::is_repository;
use super::ruling::{KeepReason, Ruling};
use crate::base::error::{Error, Result};
use crate::base::glob;
use crate::base::tag::is_tag;

/// The repository that all environments share in the second scheme.
pub const SHARED_REPOSITORY: &str = "dominodatalab/environment";
/// What the names of environments' own repositories begin with in the first scheme.
pub const OWN_PREFIX: &str = "domino-";

/// How images of environments are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schemes {
    /// `domino-<id>:<revision>`.
    pub own_repository: bool,
    /// `dominodatalab/environment:<id>-<revision>`.
    pub shared_repository: bool,
}

impl Default for Schemes {
    fn default() -> Self {
        Self { own_repository: true, shared_repository: true }
    }
}

/// Which tags are to go, and which stay. What no rule is about stays.
///
/// ```
/// use image_prune::registry::{Rules, Schemes};
///
/// let rules = Rules::parse("62798b9bee0eb12322fc97e8 4 7 8\nteam/* keep-last 5", Schemes::default())?;
/// assert!(rules.concern("domino-62798b9bee0eb12322fc97e8"));
/// assert!(!rules.concern("domino-62798b9bee0eb12322fc97e9"));
///
/// let error = Rules::parse("team/* keep-lost 5 keep x", Schemes::default()).unwrap_err();
/// assert!(error.to_string().starts_with("line 1: `team/*`"));
/// # Ok::<(), image_prune::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Rules {
    schemes: Schemes,
    /// By environment, the revisions to keep.
    environments: BTreeMap<String, BTreeSet<String>>,
    patterns: Vec<PatternRule>,
}

/// A line about repositories: what no clause keeps goes.
#[derive(Debug, Clone)]
struct PatternRule {
    /// The name itself, where the pattern has nothing to match.
    literal: Option<String>,
    matcher: GlobSet,
    /// The tags that it is about, where not all are.
    only: Option<Regex>,
    clauses: Vec<Clause>,
}

#[derive(Debug, Clone)]
enum Clause {
    /// The newest of all, or of a stream: the tags that match an expression.
    KeepLast {
        count: usize,
        of: Option<Regex>,
    },
    Keep(Regex),
    OlderThan(Duration),
}

/// The first words of clauses.
const CLAUSES: [&str; 4] = ["keep-last", "keep", "older-than", "only"];
/// The limit of an expression's program, in bytes. Matching is linear in its input.
const PROGRAM: usize = 1 << 20;

/// A tag, as far as a rule asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dated<'a> {
    pub tag: &'a str,
    /// Two tags of one image count as one.
    pub image: crate::base::digest::Digest,
    /// Unix seconds; none where nobody knows.
    pub created: Option<i64>,
}

impl Rules {
    /// Reads the input file.
    ///
    /// # Errors
    ///
    /// A line that is neither an environment nor a rule; the error names it.
    pub fn parse(text: &str, schemes: Schemes) -> Result<Self> {
        let mut rules = Self::default_in(schemes);
        rules.add(text)?;
        Ok(rules)
    }

    /// No rules yet.
    #[must_use]
    pub fn default_in(schemes: Schemes) -> Self {
        Self { schemes, environments: BTreeMap::new(), patterns: Vec::new() }
    }

    /// Adds what another input file says.
    ///
    /// # Errors
    ///
    /// Those of [`Rules::parse`]; the lines before the wrong one are added.
    pub fn add(&mut self, text: &str) -> Result<()> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (line, number) in text.lines().zip(1..) {
            self.add_line(line).map_err(|why| Error::invalid_parameter(format!("line {number}: {why}")))?;
        }
        Ok(())
    }

    /// Adds one line.
    fn add_line(&mut self, line: &str) -> Result<(), String> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let mut words =
            line.split(|character: char| character.is_whitespace()).filter(|word| !word.is_empty());
        let first = words.next().unwrap_or_default();
        let rest: Vec<&str> = words.collect();
        if rest.first().is_some_and(|word| CLAUSES.contains(word)) {
            self.patterns.push(PatternRule::parse(first, &rest)?);
            return Ok(());
        }
        // In this form commas separate, too.
        let mut words = line.split([',', ' ', '\t']).map(str::trim).filter(|word| !word.is_empty());
        let id = words.next().unwrap_or_default();
        if !is_repository(id) || id.contains('/') || id.starts_with(OWN_PREFIX) {
            return Err(format!(
                "`{id}` is neither an environment ID (lower-case letters and digits) nor the pattern of a rule \
                 (`PATTERN keep-last N`, `PATTERN keep REGEX`, `PATTERN older-than 30days`)"
            ));
        }
        let kept = self.environments.entry(id.to_owned()).or_default();
        for revision in words {
            if !is_tag(revision) {
                return Err(format!(
                    "`{revision}` is no revision; `#` makes a comment of a whole line only, at its beginning"
                ));
            }
            kept.insert(revision.to_owned());
        }
        Ok(())
    }

    /// Whether there is no rule at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.environments.is_empty() && self.patterns.is_empty()
    }

    /// The repositories that are named in full, which need no list of all to be found.
    #[must_use]
    pub fn named_repositories(&self) -> BTreeSet<String> {
        let mut named: BTreeSet<String> =
            self.patterns.iter().filter_map(|rule| rule.literal.clone()).collect();
        if self.schemes.own_repository {
            named.extend(self.environments.keys().map(|id| format!("{OWN_PREFIX}{id}")));
        }
        if self.schemes.shared_repository && !self.environments.is_empty() {
            named.insert(SHARED_REPOSITORY.to_owned());
        }
        named
    }

    /// Whether a pattern has to be held against the list of all repositories.
    #[must_use]
    pub fn needs_catalog(&self) -> bool {
        self.patterns.iter().any(|rule| rule.literal.is_none())
    }

    /// Whether any rule is about this repository.
    #[must_use]
    pub fn concern(&self, repository: &str) -> bool {
        let is_shared = repository == SHARED_REPOSITORY
            && self.schemes.shared_repository
            && !self.environments.is_empty();
        is_shared
            || self.own_repository_of(repository).is_some()
            || self.patterns.iter().any(|rule| rule.is_about(repository))
    }

    /// Whether a rule about this repository asks for the age of images.
    #[must_use]
    pub fn need_dates(&self, repository: &str) -> bool {
        let is_timed = |clause: &Clause| !matches!(clause, Clause::Keep(_));
        let mut rules = self.patterns.iter().filter(|rule| rule.is_about(repository));
        rules.any(|rule| rule.clauses.iter().any(is_timed))
    }

    /// Every revision that is to stay, with its environment.
    pub(super) fn retained(&self) -> impl Iterator<Item = (&str, &str)> {
        self.environments
            .iter()
            .flat_map(|(id, kept)| kept.iter().map(move |revision| (id.as_str(), revision.as_str())))
    }

    /// The tags under which a revision may stand, as `(repository, tag)`.
    pub(super) fn names_of(&self, id: &str, revision: &str) -> Vec<(String, String)> {
        let own = (format!("{OWN_PREFIX}{id}"), revision.to_owned());
        let shared = (SHARED_REPOSITORY.to_owned(), format!("{id}-{revision}"));
        let own = self.schemes.own_repository.then_some(own);
        own.into_iter().chain(self.schemes.shared_repository.then_some(shared)).collect()
    }

    /// What is to become of the tags of a repository, as far as names and ages say.
    pub(super) fn rule<'a>(
        &self,
        repository: &str,
        tags: &[Dated<'a>],
        now: i64,
    ) -> BTreeMap<&'a str, Ruling> {
        let by_name = tags.iter().map(|dated| (dated.tag, self.rule_by_name(repository, dated.tag)));
        let mut rulings: BTreeMap<&str, Ruling> = by_name.collect();
        // What a name keeps uses up no place among the newest, whichever line says so.
        let is_counted = |dated: &Dated<'a>| !matches!(rulings.get(dated.tag), Some(Ruling::Keep(_)));
        let counted: Vec<Dated<'a>> = tags.iter().copied().filter(is_counted).collect();
        for rule in self.patterns.iter().filter(|rule| rule.is_about(repository)) {
            for (tag, ruling) in rule.rule(tags, &counted, now) {
                let before = rulings.remove(tag).unwrap_or(Ruling::None);
                rulings.insert(tag, before.or_keep(ruling));
            }
        }
        rulings
    }

    /// What the names of a tag's repository and of itself say, whatever its age: for what follows another manifest.
    pub(super) fn rule_by_name(&self, repository: &str, tag: &str) -> Ruling {
        let rules = self.patterns.iter().filter(|rule| rule.is_about(repository) && rule.judges(tag));
        rules.fold(self.rule_environment(repository, tag), |before, rule| {
            let mut reasons = rule.clauses.iter().filter_map(|clause| clause.keeps_name(tag));
            before.or_keep(reasons.next().map_or(Ruling::Delete, Ruling::Keep))
        })
    }

    fn own_repository_of(&self, repository: &str) -> Option<(&str, &BTreeSet<String>)> {
        let id = repository.strip_prefix(OWN_PREFIX).filter(|_| self.schemes.own_repository)?;
        self.environments.get_key_value(id).map(|(id, kept)| (id.as_str(), kept))
    }

    fn rule_environment(&self, repository: &str, tag: &str) -> Ruling {
        let found = if repository == SHARED_REPOSITORY && self.schemes.shared_repository {
            // The last dash: an ID may have dashes, a revision is a number.
            tag.rsplit_once('-').and_then(|(id, revision)| {
                self.environments.get_key_value(id).map(|(id, kept)| (id.as_str(), kept, revision))
            })
        } else {
            self.own_repository_of(repository).map(|(id, kept)| (id, kept, tag))
        };
        match found {
            None => Ruling::None,
            Some((id, kept, revision)) if kept.contains(revision) => Ruling::Keep(KeepReason::Retained {
                environment: id.to_owned(),
                revision: revision.to_owned(),
            }),
            Some(_) => Ruling::Delete,
        }
    }
}

impl PatternRule {
    fn parse(pattern: &str, words: &[&str]) -> Result<Self, String> {
        let matcher = glob::compile(pattern, true)
            .map_err(|problem| format!("`{}` is no pattern: {problem}", glob::shown(pattern)))?;
        let literal = is_repository(pattern).then(|| pattern.to_owned());
        let (mut only, mut clauses) = (None, Vec::new());
        let mut words = words.iter().filter(|word| **word != "|").copied().peekable();
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("`{word}` needs a value behind it"))?;
            if word == "only" {
                if only.replace(expression("only", value)?).is_some() {
                    return Err("`only` stands once in a line; `a|b` matches either".to_owned());
                }
                continue;
            }
            let of = words.next_if_eq(&"of").map(|_| words.next().ok_or("`of` needs a value behind it"));
            clauses.push(Clause::parse(word, value, of.transpose()?)?);
        }
        Ok(Self { literal, matcher, only, clauses })
    }

    fn is_about(&self, repository: &str) -> bool {
        self.matcher.is_match(repository)
    }

    /// Whether a tag goes that no clause keeps: not one that `only` leaves out, nor one outside all streams of a line
    /// that counts in streams alone.
    fn judges(&self, tag: &str) -> bool {
        let is_named = self.only.as_ref().is_none_or(|only| only.is_match(tag));
        let mut counting = self.clauses.iter().filter(|clause| !matches!(clause, Clause::Keep(_))).peekable();
        let is_counted = counting.peek().is_none() || counting.any(|clause| clause.counts(tag));
        is_named && (is_counted || self.clauses.iter().any(|clause| clause.keeps_name(tag).is_some()))
    }

    /// What this rule says about the age of each tag. Of `counted` it takes the newest.
    fn rule<'a>(&self, tags: &[Dated<'a>], counted: &[Dated<'a>], now: i64) -> Vec<(&'a str, Ruling)> {
        let counted: Vec<Dated<'a>> =
            counted.iter().copied().filter(|dated| self.judges(dated.tag)).collect();
        let limits: Vec<Option<i64>> =
            self.clauses.iter().map(|clause| clause.oldest_kept(&counted)).collect();
        let of_tag = |dated: &Dated<'a>| {
            if !self.judges(dated.tag) {
                return (dated.tag, Ruling::None);
            }
            let mut clauses = self.clauses.iter().zip(&limits);
            let kept = clauses.find_map(|(clause, limit)| clause.keeps(dated, *limit, now));
            (dated.tag, kept.map_or(Ruling::Delete, Ruling::Keep))
        };
        tags.iter().map(of_tag).collect()
    }
}

/// An expression over tags.
fn expression(word: &str, value: &str) -> Result<Regex, String> {
    // Linear in its input; the limit is for memory.
    let regex = glob::refuse_long(value).and_then(|()| {
        RegexBuilder::new(value).size_limit(PROGRAM).build().map_err(|error| error.to_string())
    });
    regex.map_err(|problem| format!("`{word} {}`: {problem}", glob::shown(value)))
}

impl Clause {
    fn parse(word: &str, value: &str, of: Option<&str>) -> Result<Self, String> {
        if let Some(of) = of.filter(|_| word != "keep-last") {
            return Err(format!("`{word} {value} of {of}`: only `keep-last` counts in a stream"));
        }
        match word {
            "keep-last" => match value.parse() {
                Ok(count) => Ok(Self::KeepLast { count, of: of.map(|of| expression("of", of)).transpose()? }),
                Err(_) => Err(format!("`keep-last {value}`: not a number of images")),
            },
            "keep" => expression("keep", value).map(Self::Keep),
            "older-than" => match humantime::parse_duration(value) {
                Ok(age) => Ok(Self::OlderThan(age)),
                Err(error) => Err(format!("`older-than {value}`: {error}; write it like 30days or 36h")),
            },
            other => Err(format!("`{other}` is none of {}", CLAUSES.join(", "))),
        }
    }

    /// Whether a tag is of its stream; every one is, where it has none.
    fn counts(&self, tag: &str) -> bool {
        match self {
            Self::KeepLast { of: Some(of), .. } => of.is_match(tag),
            Self::KeepLast { of: None, .. } | Self::OlderThan(_) => true,
            Self::Keep(_) => false,
        }
    }

    /// The age of the last image that `keep-last` keeps. Images of unknown age are kept, and do not count.
    fn oldest_kept(&self, tags: &[Dated<'_>]) -> Option<i64> {
        let Self::KeepLast { count, .. } = self else { return None };
        let tags = tags.iter().filter(|dated| self.counts(dated.tag));
        let images: BTreeMap<_, _> = tags.filter_map(|dated| Some((dated.image, dated.created?))).collect();
        let mut ages: Vec<i64> = images.into_values().collect();
        ages.sort_unstable_by_key(|created| std::cmp::Reverse(*created));
        let last = count.checked_sub(1)?;
        ages.get(last).or(ages.last()).copied()
    }

    /// Why this clause keeps a tag by its name.
    fn keeps_name(&self, tag: &str) -> Option<KeepReason> {
        let Self::Keep(regex) = self else { return None };
        regex.is_match(tag).then(|| KeepReason::Matches { regex: regex.as_str().to_owned() })
    }

    /// Why this clause keeps a tag for its age; none where it does not. Of images of one age all are kept or none.
    fn keeps(&self, dated: &Dated<'_>, oldest_kept: Option<i64>, now: i64) -> Option<KeepReason> {
        match (self, dated.created) {
            (Self::Keep(_), _) => None,
            _ if !self.counts(dated.tag) => None,
            (Self::KeepLast { .. } | Self::OlderThan(_), None) => Some(KeepReason::UnknownAge),
            (Self::KeepLast { count, .. }, Some(created)) => {
                let is_kept = oldest_kept.is_some_and(|oldest| created >= oldest);
                is_kept.then_some(KeepReason::Newest { of: *count })
            }
            (Self::OlderThan(limit), Some(created)) => {
                let limit = i64::try_from(limit.as_secs()).unwrap_or(i64::MAX);
                let is_young = now.saturating_sub(created) <= limit;
                is_young.then_some(KeepReason::Young)
            }
        }
    }
}

#[cfg(test)]
mod tests;
