//! Values of `label` and `label!`, ready to be held against a million images (SPEC.md F-6).

use std::collections::BTreeMap;

/// A conjunction of keys and `key=value` pairs.
#[derive(Debug, Clone, Default)]
pub(super) struct Pairs {
    /// Each key, and its value where one is asked for.
    wanted: BTreeMap<Box<str>, Option<Box<str>>>,
    /// Two values are asked for the same key, which has but one.
    is_contradiction: bool,
}

impl<'a> FromIterator<&'a str> for Pairs {
    fn from_iter<I: IntoIterator<Item = &'a str>>(values: I) -> Self {
        let mut pairs = Self::default();
        for text in values {
            let (key, value) = match text.split_once('=') {
                Some((key, value)) => (key, Some(value)),
                None => (text, None),
            };
            let known = pairs.wanted.entry(key.into()).or_default();
            match (&known, value) {
                (_, None) => {}
                (None, Some(value)) => *known = Some(value.into()),
                (Some(known), Some(value)) => pairs.is_contradiction |= **known != *value,
            }
        }
        pairs
    }
}

impl Pairs {
    /// Whether two values are asked for one key, which no map has.
    pub(super) fn is_contradiction(&self) -> bool {
        self.is_contradiction
    }

    /// Whether all pairs are in `map`, which has each key once. Nothing asked for is always there.
    pub(super) fn all_in<'m>(&self, map: impl IntoIterator<Item = (&'m str, &'m str)>) -> bool {
        if self.is_contradiction {
            return false;
        }
        let mut missing = self.wanted.len();
        if missing == 0 {
            return true;
        }
        for (key, value) in map {
            match self.wanted.get(key) {
                None => {}
                Some(Some(wanted)) if **wanted != *value => return false,
                Some(_) => missing -= 1,
            }
        }
        missing == 0
    }
}
