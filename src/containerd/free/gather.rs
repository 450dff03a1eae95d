//! A set of many images, put together one after the other.

use std::collections::{BTreeSet, HashSet};

use super::Sharing;
use super::gone::Gone;

/// Takes the image that frees most, then the next; in the end gives back what is not needed. What nobody frees alone is
/// taken by its share.
pub(super) fn gather(sharing: &Sharing, bytes: i64) -> Vec<usize> {
    let mut gone = Gone::new(sharing);
    let mut left = Left::new(sharing);
    let shares = shares(sharing);
    let rank = |left: &Left, place: usize| (left.own(place), shares.get(place).copied().unwrap_or(0), place);
    let mut ranks: Vec<(i64, i64, usize)> =
        (0..sharing.images.len()).map(|place| rank(&left, place)).collect();
    let mut next: BTreeSet<(i64, i64, usize)> = ranks.iter().copied().collect();
    let mut taken = Vec::new();
    while gone.freed().total() < bytes
        && let Some((_, _, place)) = next.pop_last()
    {
        gone.take(place);
        taken.push(place);
        for improved in left.take(place) {
            if let Some(old) = ranks.get_mut(improved)
                && next.remove(old)
            {
                *old = rank(&left, improved);
                next.insert(*old);
            }
        }
    }
    if gone.freed().total() >= bytes {
        taken.retain(|place| !gone.give_back(*place, bytes));
    }
    taken
}

/// For each image its bytes, and of what several reach a share: those that lead somewhere share it evenly.
fn shares(sharing: &Sharing) -> Vec<i64> {
    let mut shares: Vec<i64> = sharing.parts.iter().map(|part| part.freed.total()).collect();
    // What is led to has the higher number.
    for (at, part) in sharing.parts.iter().enumerate().rev() {
        let count = i64::try_from(part.led_by.len()).unwrap_or(i64::MAX).max(1);
        let share = shares.get(at).copied().unwrap_or(0) / count;
        for leader in &part.led_by {
            shares.get_mut(*leader).into_iter().for_each(|sum| *sum = sum.saturating_add(share));
        }
    }
    shares.truncate(sharing.images.len());
    shares
}

/// The images that are left, and what they alone reach by now: a part that only one other leads to is part of that.
struct Left {
    images: usize,
    /// In bytes.
    own: Vec<i64>,
    led_by: Vec<HashSet<usize>>,
    leads_to: Vec<HashSet<usize>>,
}

impl Left {
    fn new(sharing: &Sharing) -> Self {
        let set = |numbers: &Vec<usize>| -> HashSet<usize> { numbers.iter().copied().collect() };
        Self {
            images: sharing.images.len(),
            own: sharing.parts.iter().map(|part| part.freed.total()).collect(),
            led_by: sharing.parts.iter().map(|part| set(&part.led_by)).collect(),
            leads_to: sharing.leads_to.iter().map(set).collect(),
        }
    }

    /// The bytes that taking an image frees now.
    fn own(&self, place: usize) -> i64 {
        self.own.get(place).copied().unwrap_or(0)
    }

    /// Takes an image; returns those that would free more by now.
    fn take(&mut self, place: usize) -> BTreeSet<usize> {
        let mut improved = BTreeSet::new();
        let mut next = Vec::new();
        for led in self.leads_to.get_mut(place).map(std::mem::take).unwrap_or_default() {
            self.unlink(place, led, &mut next);
        }
        while let Some(at) = next.pop() {
            let Some(only) = self.led_by.get_mut(at).and_then(|led_by| led_by.drain().next()) else {
                continue;
            };
            let bytes = std::mem::take(self.own.get_mut(at).unwrap_or(&mut 0));
            self.own.get_mut(only).into_iter().for_each(|own| *own = own.saturating_add(bytes));
            let led = self.leads_to.get_mut(at).map(std::mem::take).unwrap_or_default();
            if let Some(leads_to) = self.leads_to.get_mut(only) {
                leads_to.remove(&at);
                leads_to.extend(&led);
            }
            for led in led {
                if let Some(led_by) = self.led_by.get_mut(led) {
                    led_by.insert(only);
                }
                self.unlink(at, led, &mut next);
            }
            if only < self.images {
                improved.insert(only);
            }
        }
        improved
    }

    /// Lets one part no longer lead to another; notes that one where a single part does now.
    fn unlink(&mut self, leader: usize, led: usize, next: &mut Vec<usize>) {
        if let Some(led_by) = self.led_by.get_mut(led)
            && led_by.remove(&leader)
            && led_by.len() == 1
        {
            next.push(led);
        }
    }
}
