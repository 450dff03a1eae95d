//! Labels, packed: a store holds a million of them.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The labels of an image, in one allocation that clones share. An image keeps its raw config behind them.
///
/// ```
/// use image_prune::image::Labels;
///
/// let labels = Labels::from_iter([("stage", "build"), ("b", ""), ("stage", "prod")]);
/// assert_eq!(labels.iter().collect::<Vec<_>>(), [("b", ""), ("stage", "prod")]);
/// ```
#[derive(Clone, Default)]
pub struct Labels(
    /// The length of the labels, the labels, and what an image keeps behind them. A label is the length of its
    /// key, the key, the length of its value, the value; they are sorted by key.
    Arc<[u8]>,
);

impl Labels {
    /// Packs the last value of each key, as a Go map has it, and puts the rest behind.
    pub(super) fn pack<K: AsRef<str>, V: AsRef<str>>(mut pairs: Vec<(K, V)>, behind: &[u8]) -> Self {
        pairs.sort_by(|(a, _), (b, _)| a.as_ref().cmp(b.as_ref()));
        let mut labels = Vec::new();
        let mut pairs = pairs.iter().peekable();
        while let Some((key, value)) = pairs.next() {
            if pairs.peek().is_none_or(|(next, _)| next.as_ref() != key.as_ref()) {
                put(&mut labels, key.as_ref().as_bytes());
                put(&mut labels, value.as_ref().as_bytes());
            }
        }
        Self::join(&labels, behind)
    }

    fn join(labels: &[u8], behind: &[u8]) -> Self {
        let mut packed = Vec::with_capacity(labels.len() + behind.len() + 10);
        put(&mut packed, labels);
        packed.extend_from_slice(behind);
        Self(packed.into())
    }

    /// The same labels with nothing behind them.
    pub(super) fn alone(&self) -> Self {
        Self::join(self.parts().0, &[])
    }

    /// What is behind the labels.
    pub(super) fn behind(&self) -> &[u8] {
        self.parts().1
    }

    /// The labels, and what is behind them.
    fn parts(&self) -> (&[u8], &[u8]) {
        let mut rest = &*self.0;
        let labels = take(&mut rest).unwrap_or_default();
        (labels, rest)
    }

    /// The labels, sorted by key, each key once.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
        self.bytes().map(move |(key, value)| (text(key), text(value)))
    }

    /// [`Labels::iter`], for those who only compare.
    pub(crate) fn bytes(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let (mut rest, _) = self.parts();
        std::iter::from_fn(move || Some((take(&mut rest)?, take(&mut rest)?)))
    }

    /// Reads the first byte.
    pub(super) fn fetch(&self) -> u8 {
        self.0.first().copied().unwrap_or(0)
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
        self.parts().0.is_empty()
    }
}

impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        self.parts().0 == other.parts().0
    }
}

impl Eq for Labels {}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().0.hash(state);
    }
}

impl<K: AsRef<str>, V: AsRef<str>> FromIterator<(K, V)> for Labels {
    /// Of several values for a key the last one stays, as in a Go map.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self::pack(pairs.into_iter().collect(), &[])
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.iter()).finish()
    }
}

/// Of a byte of a length, seven bits count, the lowest first; this one says that more follow.
const MORE: u8 = 0x80;

fn put(packed: &mut Vec<u8>, bytes: &[u8]) {
    let mut length = bytes.len();
    while length >= usize::from(MORE) {
        packed.push(MORE | length.to_le_bytes()[0]);
        length >>= 7;
    }
    packed.push(length.to_le_bytes()[0]);
    packed.extend_from_slice(bytes);
}

/// Takes what [`put`] has put; none at the end.
fn take<'a>(packed: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (mut length, mut bits) = (0, 0);
    loop {
        let (byte, rest) = packed.split_first()?;
        *packed = rest;
        length |= usize::from(byte & !MORE) << bits;
        bits += 7;
        if byte & MORE == 0 {
            break;
        }
    }
    let (bytes, rest) = packed.split_at_checked(length)?;
    *packed = rest;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    #[test]
    fn holds_texts_of_every_length() {
        for length in [0, 1, 63, 64, 127, 128, 8191, 8192, 16_383, 16_384, 300_000] {
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

    #[test]
    fn what_is_behind_is_no_label() {
        let labels = Labels::pack(vec![("a", "1"), ("b", "2")], &[0, 1, 255, 1, 65]);
        assert_eq!(labels.behind(), [0, 1, 255, 1, 65]);
        assert_eq!(labels.len(), 2);
        assert_eq!(labels, labels.alone());
        assert!(labels.alone().behind().is_empty() && Labels::default().behind().is_empty());
        let none = Labels::pack(Vec::<(&str, &str)>::new(), b"behind");
        assert!(none.is_empty() && none.iter().next().is_none() && none.get("").is_none());
    }
}
