//! Long lists for people: of each kind the first ten items, and the number of the rest.

use std::collections::BTreeMap;

/// The number of items of a kind that are shown.
pub const SHOWN: usize = 10;

/// Items that come one after the other, counted by kind.
///
/// ```
/// use image_prune::few::Few;
///
/// let mut few = Few::default();
/// let shown = (0..500).filter(|_| few.shows("image")).count();
/// assert_eq!(shown, 10);
/// assert_eq!(few.rest().collect::<Vec<_>>(), [("image", 490)]);
/// ```
#[derive(Debug, Clone)]
pub struct Few<K> {
    counts: BTreeMap<K, usize>,
}

impl<K> Default for Few<K> {
    fn default() -> Self {
        Self { counts: BTreeMap::new() }
    }
}

impl<K: Ord + Clone> Few<K> {
    /// Counts one more item of a kind; returns true for the first ten.
    pub fn shows(&mut self, kind: K) -> bool {
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        *count <= SHOWN
    }

    /// The kinds of which more came than were shown, each with the number of those that were not.
    pub fn rest(&self) -> impl Iterator<Item = (K, usize)> {
        let rest = |(kind, count): (&K, &usize)| Some((kind.clone(), count.checked_sub(SHOWN)?));
        self.counts.iter().filter_map(rest).filter(|(_, more)| *more > 0)
    }
}

/// The first ten items of each kind in their order, and behind them what `rest` makes of the number of the others.
pub fn first_of_each<T, K: Ord + Clone>(
    items: impl IntoIterator<Item = T>,
    kind: impl Fn(&T) -> K,
    rest: impl Fn(K, usize) -> T,
) -> Vec<T> {
    let mut few = Few::default();
    let mut shown: Vec<T> = items.into_iter().filter(|item| few.shows(kind(item))).collect();
    shown.extend(few.rest().map(|(kind, more)| rest(kind, more)));
    shown
}

/// The first ten of these texts, which are of one kind, and behind them what `rest` makes of the number of the others.
pub fn first(texts: impl IntoIterator<Item = String>, rest: impl Fn(usize) -> String) -> Vec<String> {
    first_of_each(texts, |_| (), |(), more| rest(more))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_is_a_number() {
        let texts = |count: usize| (0..count).map(|number| number.to_string());
        let shown = |count| first(texts(count), |more| format!("{more} more"));
        assert_eq!(shown(0), Vec::<String>::new());
        assert_eq!(shown(10), texts(10).collect::<Vec<_>>());
        assert_eq!(shown(11), texts(10).chain(["1 more".to_owned()]).collect::<Vec<_>>());
        let mixed = first_of_each(0..100, |number| number % 2, |kind, more| 1000 * kind + more);
        assert_eq!(mixed, (0..20).chain([40, 1040]).collect::<Vec<_>>());
    }
}
