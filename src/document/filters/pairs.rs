//! Values of `label` and `label!`, ready to be held against a million images (F-6).

use std::collections::BTreeMap;

/// A conjunction of keys and `key=value` pairs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pairs {
    /// Sorted, each key once.
    wanted: Box<[Wanted]>,
    /// Two values are asked for the same key, which has but one.
    is_contradiction: bool,
}

/// A key, and its value where one is asked for.
type Wanted = (Box<str>, Option<Box<str>>);

impl<'a> FromIterator<&'a str> for Pairs {
    fn from_iter<I: IntoIterator<Item = &'a str>>(values: I) -> Self {
        let mut wanted: BTreeMap<Box<str>, Option<Box<str>>> = BTreeMap::new();
        let mut is_contradiction = false;
        for text in values {
            let (key, value) = match text.split_once('=') {
                Some((key, value)) => (key, Some(value)),
                None => (text, None),
            };
            let known = wanted.entry(key.into()).or_default();
            match (&known, value) {
                (_, None) => {}
                (None, Some(value)) => *known = Some(value.into()),
                (Some(known), Some(value)) => is_contradiction |= **known != *value,
            }
        }
        Self { wanted: wanted.into_iter().collect(), is_contradiction }
    }
}

impl Pairs {
    /// Whether two values are asked for one key, which no map has.
    pub(crate) fn is_contradiction(&self) -> bool {
        self.is_contradiction
    }

    /// The value asked for `key`, if the key is asked for at all.
    fn find(&self, key: &[u8]) -> Option<&Option<Box<str>>> {
        // Few filters name more than a handful of labels.
        if self.wanted.len() <= 4 {
            return self.wanted.iter().find(|(wanted, _)| wanted.as_bytes() == key).map(|(_, value)| value);
        }
        let place = self.wanted.binary_search_by(|(wanted, _)| wanted.as_bytes().cmp(key)).ok()?;
        self.wanted.get(place).map(|(_, value)| value)
    }

    /// Whether all pairs are in `map`, which has each key once. Nothing asked for is always there.
    pub(crate) fn all_in<'m, T>(&self, map: impl IntoIterator<Item = (&'m T, &'m T)>) -> bool
    where
        T: AsRef<[u8]> + ?Sized + 'm,
    {
        if self.is_contradiction {
            return false;
        }
        let mut missing = self.wanted.len();
        let mut map = map.into_iter();
        while missing > 0 {
            let Some((key, value)) = map.next() else { return false };
            match self.find(key.as_ref()) {
                None => {}
                Some(Some(wanted)) if wanted.as_bytes() != value.as_ref() => return false,
                Some(_) => missing -= 1,
            }
        }
        true
    }
}
