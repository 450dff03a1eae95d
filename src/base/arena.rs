//! A hash map from digests to values whose entries keep their place until they are removed, so that
//! entries can name each other by place: four bytes instead of a digest and a lookup.
//!
//! It grows a little with each insertion, never all at once: whoever waits for a store's lock does not wait longer
//! in a store of millions. Entries lie in parts of a fixed size, and of the buckets one is split at a time (linear
//! hashing).

use std::num::NonZeroU32;

use super::hash::DigestState;
use crate::base::digest::Digest;

/// The place of an entry in its arena, valid until the entry is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place(
    /// One more than the index, so that an optional entry that has a place in it needs no flag.
    NonZeroU32,
);

impl Place {
    /// The first place of all.
    pub(crate) const FIRST: Self = Self(NonZeroU32::MIN);

    /// No place at all: the end of a list.
    pub(crate) const NONE: Self = Self(NonZeroU32::MAX);

    fn new(index: usize) -> Option<Self> {
        let place = Self(NonZeroU32::new(u32::try_from(index).ok()?.checked_add(1)?)?);
        place.some()
    }

    fn index(self) -> usize {
        self.0.get() as usize - 1
    }

    /// The place itself, or none for [`Place::NONE`].
    pub(crate) fn some(self) -> Option<Self> {
        (self != Self::NONE).then_some(self)
    }
}

#[derive(Debug, Clone)]
struct Entry<K, V> {
    key: K,
    /// The next entry of the same bucket; of a free place, the next free place.
    next: Place,
    /// None in a free place.
    value: Option<V>,
}

/// See the module. Entries are visited in the order of their places.
#[derive(Debug, Clone)]
pub(crate) struct Arena<K, V> {
    entries: Parts<Entry<K, V>>,
    /// Heads of the lists of entries; at least as many as entries.
    buckets: Vec<Place>,
    free: Place,
    len: usize,
    state: DigestState,
}

impl<K: Copy + Eq + Into<Digest>, V> Arena<K, V> {
    pub(crate) fn new() -> Self {
        Self {
            entries: Parts::new(),
            buckets: vec![Place::NONE; 8],
            free: Place::NONE,
            len: 0,
            state: DigestState::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn find(&self, key: K) -> Option<Place> {
        let mut place = self.buckets.get(self.bucket(key)).copied()?;
        while let Some(entry) = self.entries.get(place.index()) {
            if entry.key == key {
                return Some(place);
            }
            place = entry.next;
        }
        None
    }

    /// Fetches the entries of these keys from memory, all at once instead of one behind the other: `look` is to
    /// read what hangs on an entry. Takes a sixth off a prune of 250,000 images, and nothing off one of 64,000.
    pub(crate) fn fetch(&self, keys: &[K], look: impl Fn(&V) -> u8) {
        // A batch that fits into the processor's window of outstanding loads.
        for keys in keys.chunks(16) {
            let mut heads = [Place::NONE; 16];
            for (head, key) in heads.iter_mut().zip(keys) {
                *head = self.buckets.get(self.bucket(*key)).copied().unwrap_or(Place::NONE);
            }
            // A third of the keys are not the first of their buckets.
            let next = |head: &Place| Some(self.entries.get(head.index())?.next.0.get());
            let next = heads.iter().filter_map(next).fold(0, u32::wrapping_add);
            let entries = keys.iter().filter_map(|key| self.get(*key));
            std::hint::black_box((next, entries.fold(0, |sum: u8, value| sum.wrapping_add(look(value)))));
        }
    }

    pub(crate) fn get(&self, key: K) -> Option<&V> {
        self.at(self.find(key)?)
    }

    pub(crate) fn at(&self, place: Place) -> Option<&V> {
        self.entries.get(place.index())?.value.as_ref()
    }

    pub(crate) fn at_mut(&mut self, place: Place) -> Option<&mut V> {
        self.entries.get_mut(place.index())?.value.as_mut()
    }

    pub(crate) fn key(&self, place: Place) -> Option<K> {
        let entry = self.entries.get(place.index())?;
        entry.value.is_some().then_some(entry.key)
    }

    pub(crate) fn places(&self) -> impl Iterator<Item = Place> {
        let entries = self.entries.iter().enumerate();
        entries.filter_map(|(index, entry)| entry.value.as_ref().and(Place::new(index)))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.entries.iter().filter_map(|entry| Some((entry.key, entry.value.as_ref()?)))
    }

    /// Adds an entry under a key that must not be there yet. None where four billion places are taken.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<Place> {
        debug_assert!(self.find(key).is_none(), "the key is there already");
        if self.len == self.buckets.len() {
            self.split_bucket();
        }
        let place = self.take_place(key, value)?;
        self.link(key, place);
        self.len += 1;
        Some(place)
    }

    pub(crate) fn remove(&mut self, place: Place) -> Option<(K, V)> {
        let entry = self.entries.get_mut(place.index())?;
        let value = entry.value.take()?;
        let key = entry.key;
        let next = std::mem::replace(&mut entry.next, self.free);
        self.unlink(key, place, next);
        self.free = place;
        self.len -= 1;
        Some((key, value))
    }

    fn take_place(&mut self, key: K, value: V) -> Option<Place> {
        let entry = Entry { key, next: Place::NONE, value: Some(value) };
        if let Some(free) = self.entries.get_mut(self.free.index()) {
            let place = std::mem::replace(&mut self.free, free.next);
            *free = entry;
            return Some(place);
        }
        let place = Place::new(self.entries.len())?;
        self.entries.push(entry);
        Some(place)
    }

    fn link(&mut self, key: K, place: Place) {
        let bucket = self.bucket(key);
        if let (Some(head), Some(entry)) = (self.buckets.get_mut(bucket), self.entries.get_mut(place.index()))
        {
            entry.next = std::mem::replace(head, place);
        }
    }

    /// Takes a place from the list of its bucket; `next` is what came behind it.
    fn unlink(&mut self, key: K, place: Place, next: Place) {
        let bucket = self.bucket(key);
        let Some(head) = self.buckets.get_mut(bucket) else { return };
        if *head == place {
            *head = next;
            return;
        }
        let mut before = *head;
        while let Some(entry) = self.entries.get_mut(before.index()) {
            if entry.next == place {
                entry.next = next;
                return;
            }
            before = entry.next;
        }
    }

    /// Adds a bucket, for entries of the one whose number lacks its highest bit.
    fn split_bucket(&mut self) {
        let new = self.buckets.len();
        self.buckets.push(Place::NONE);
        let Some(split) = self.buckets.get_mut(new - (1 << new.ilog2())) else { return };
        let mut place = std::mem::replace(split, Place::NONE);
        while let Some(entry) = self.entries.get(place.index()) {
            let (key, next) = (entry.key, entry.next);
            self.link(key, place);
            place = next;
        }
    }

    #[inline]
    fn bucket(&self, key: K) -> usize {
        let digest: Digest = key.into();
        #[expect(clippy::cast_possible_truncation, reason = "the mask keeps fewer bits than that")]
        let hash = self.state.hash(digest.words()) as usize;
        let mask = usize::MAX >> (self.buckets.len() - 1).leading_zeros();
        let bucket = hash & mask;
        // Where that bucket is still to come, its entries are in the one that it will be split from.
        if bucket < self.buckets.len() { bucket } else { bucket & (mask >> 1) }
    }
}

/// A list in parts that stay where they are, each of so many items.
#[derive(Debug, Clone)]
struct Parts<T>(Vec<Vec<T>>);

const PART: usize = 1024;

impl<T> Parts<T> {
    const fn new() -> Self {
        Self(Vec::new())
    }

    fn len(&self) -> usize {
        self.0.last().map_or(0, |last| (self.0.len() - 1) * PART + last.len())
    }

    #[inline]
    fn get(&self, index: usize) -> Option<&T> {
        self.0.get(index / PART)?.get(index % PART)
    }

    #[inline]
    fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.0.get_mut(index / PART)?.get_mut(index % PART)
    }

    fn push(&mut self, item: T) {
        match self.0.last_mut() {
            Some(last) if last.len() < PART => last.push(item),
            _ => {
                // The first part may stay small.
                let mut part = Vec::with_capacity(if self.0.is_empty() { 0 } else { PART });
                part.push(item);
                self.0.push(part);
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

    use super::*;
    use crate::base::digest::ChainId;

    fn key(number: u32) -> ChainId {
        Digest::of(&number.to_le_bytes()).into()
    }

    #[test]
    fn behaves_like_a_map_and_reuses_places() {
        let mut arena = Arena::new();
        let places: Vec<_> = (0..1000).map(|n| arena.insert(key(n), n).unwrap()).collect();
        for n in (0..1000).step_by(3) {
            assert_eq!(arena.remove(places[n as usize]), Some((key(n), n)));
            assert_eq!(arena.remove(places[n as usize]), None);
        }
        for n in 0..1000 {
            assert_eq!(arena.get(key(n)).copied(), (n % 3 != 0).then_some(n));
        }
        for n in (0..1000).step_by(3) {
            arena.insert(key(n), n + 1).unwrap();
        }
        assert_eq!(arena.len(), 1000);
        assert_eq!(arena.entries.len(), 1000);
        assert_eq!(arena.iter().map(|(_, n)| u64::from(*n)).sum::<u64>(), 499_500 + 334);
    }

    #[test]
    fn grows_a_little_at_a_time() {
        let mut arena = Arena::new();
        let places: Vec<_> = (0..5000)
            .map(|n| {
                let buckets = arena.buckets.len();
                let first = arena.at(Place::new(0).unwrap()).map(std::ptr::from_ref::<u32>);
                let place = arena.insert(key(n), n).unwrap();
                assert!(arena.buckets.len() <= buckets + 1);
                // Behind the first part, no entry moves any more.
                let moved =
                    first.is_some() && first != arena.at(Place::new(0).unwrap()).map(std::ptr::from_ref);
                assert!(!moved || (n as usize) < PART, "{n}");
                for old in (0..=n).step_by(97) {
                    assert_eq!(arena.get(key(old)), Some(&old), "{n}");
                }
                place
            })
            .collect();
        assert_eq!((arena.buckets.len(), arena.entries.len()), (5000, 5000));
        assert!(places.iter().zip(0..).all(|(place, n)| arena.at(*place) == Some(&n)));
        assert!(arena.iter().map(|(_, n)| *n).eq(0..5000));
    }

    #[test]
    fn digests_alike_in_most_bytes_stay_apart() {
        let mut arena = Arena::<ChainId, usize>::new();
        for n in 0..4096_usize {
            let mut bytes = [7; 32];
            bytes[30..].copy_from_slice(&u16::try_from(n).unwrap().to_le_bytes());
            arena.insert(Digest::from_bytes(bytes).into(), n).unwrap();
        }
        let longest = arena.buckets.iter().map(|head| {
            std::iter::successors(head.some(), |place| arena.entries.get(place.index())?.next.some()).count()
        });
        assert!(longest.max() < Some(20));
    }
}
