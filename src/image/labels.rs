//! Labels, packed: a store holds a million of them.

use std::fmt;
use std::sync::Arc;

/// The labels of an image, in one allocation that clones share.
///
/// ```
/// use image_prune::image::Labels;
///
/// let labels = Labels::from_iter([("stage", "build"), ("b", ""), ("stage", "prod")]);
/// assert_eq!(labels.iter().collect::<Vec<_>>(), [("b", ""), ("stage", "prod")]);
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Labels(
    /// For each label, by key: length of the key, key, length of the value, value.
    Arc<str>,
);

impl Labels {
    /// The labels, sorted by key, each key once.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || Some((take(&mut rest)?, take(&mut rest)?)))
    }

    /// The value of one label, by a walk over them.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find_map(|(k, value)| (k == key).then_some(value))
    }

    /// How many there are, by a walk over them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Returns true when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: AsRef<str>, V: AsRef<str>> FromIterator<(K, V)> for Labels {
    /// Of several values for a key the last one stays, as in a Go map.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut pairs: Vec<(K, V)> = pairs.into_iter().collect();
        pairs.sort_by(|(a, _), (b, _)| a.as_ref().cmp(b.as_ref()));
        let mut packed = String::new();
        let mut pairs = pairs.iter().peekable();
        while let Some((key, value)) = pairs.next() {
            if pairs.peek().is_none_or(|(next, _)| next.as_ref() != key.as_ref()) {
                put(&mut packed, key.as_ref());
                put(&mut packed, value.as_ref());
            }
        }
        Self(packed.into())
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.iter()).finish()
    }
}

/// Of a byte of a length, six bits count, the lowest first; this one says that more follow. All
/// such bytes are ASCII, so that the whole stays a `str`.
const MORE: usize = 0x40;

fn put(packed: &mut String, text: &str) {
    let mut length = text.len();
    while length >= MORE {
        push_ascii(packed, MORE + length % MORE);
        length /= MORE;
    }
    push_ascii(packed, length);
    packed.push_str(text);
}

fn push_ascii(packed: &mut String, byte: usize) {
    packed.extend(u8::try_from(byte).map(char::from));
}

fn take<'a>(packed: &mut &'a str) -> Option<&'a str> {
    let (mut length, mut digits) = (0, 0);
    for byte in packed.bytes().map(usize::from) {
        length |= (byte % MORE) << (6 * digits);
        digits += 1;
        if byte & MORE == 0 {
            break;
        }
    }
    let (text, rest) = packed.get(digits..)?.split_at_checked(length)?;
    *packed = rest;
    // An empty pack is the end; an empty text has its length in front of it.
    (digits > 0).then_some(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    #[test]
    fn holds_texts_of_every_length() {
        for length in [0, 1, 63, 64, 65, 4095, 4096, 4097, 300_000] {
            let (key, value) = ("é".repeat(length), "\u{0}\u{7f}".repeat(length));
            let labels = Labels::from_iter([(&*key, &*value), ("", ""), ("zz", "@")]);
            assert_eq!(labels.get(&key).unwrap(), if length == 0 { "" } else { &value });
            assert_eq!(labels.get("zz"), Some("@"));
            assert_eq!(labels.len(), if length == 0 { 2 } else { 3 });
        }
    }

    #[test]
    fn is_sorted_and_the_last_value_of_a_key_stays() {
        let labels = Labels::from_iter([("b", "1"), ("a-b", "2"), ("a", "3"), ("b", "4"), ("", "5")]);
        let pairs: Vec<_> = labels.iter().collect();
        assert_eq!(pairs, [("", "5"), ("a", "3"), ("a-b", "2"), ("b", "4")]);
        assert_eq!(labels, pairs.into_iter().rev().collect());
        assert_eq!(format!("{labels:?}"), r#"{"": "5", "a": "3", "a-b": "2", "b": "4"}"#);
        assert!(Labels::default().is_empty() && Labels::default().iter().next().is_none());
    }
}
