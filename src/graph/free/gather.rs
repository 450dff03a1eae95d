//! A set of many images, put together one after the other.

use std::collections::BinaryHeap;

use super::Sharing;
use super::gone::Gone;

/// An image that could go next: what it frees now, what it promises, and its place.
type Rated = (u64, u64, usize);

/// Takes the image that frees most, then the next, until that is enough; in the end gives back what is not needed.
/// All that may go where it is not enough.
pub(super) fn gather(sharing: &Sharing, bytes: u64) -> Vec<usize> {
    let promises = promises(sharing);
    let mut gone = Gone::new(sharing);
    let rate = |gone: &mut Gone<'_>, place: usize| -> Option<Rated> {
        let before = gone.freed();
        let family = gone.take(place);
        let freed = (!gone.frees_needed()).then(|| gone.freed().saturating_sub(before));
        gone.undo(&family);
        Some((freed?, promises.get(place).copied().unwrap_or(0), place))
    };
    let leaves: Vec<usize> = (0..sharing.images.len()).filter(|place| gone.is_leaf(*place)).collect();
    let mut next: BinaryHeap<Rated> = leaves.into_iter().filter_map(|place| rate(&mut gone, place)).collect();
    let mut taken: Vec<Vec<usize>> = Vec::new();
    while gone.freed() < bytes
        && let Some((_, _, place)) = next.pop()
    {
        // It may be there twice, with what it freed earlier.
        if !gone.is_leaf(place) {
            continue;
        }
        let Some((gain, ..)) = rate(&mut gone, place) else { continue };
        let missing = bytes - gone.freed();
        let mut best = place;
        if gain >= missing {
            // Of those that are enough the smallest.
            let others = next.drain().map(|(.., other)| other).filter(|other| *other != place);
            let others: Vec<usize> = others.filter(|other| gone.is_leaf(*other)).collect();
            let rated = others.into_iter().filter_map(|other| rate(&mut gone, other));
            let enough = rated.filter(|(gain, ..)| *gain >= missing);
            let smallest = enough.min_by_key(|(gain, promise, _)| (*gain, std::cmp::Reverse(*promise)));
            best = smallest.filter(|(other, ..)| *other < gain).map_or(place, |(.., place)| place);
        }
        let family = gone.take(best);
        for place in gone.improved(&family) {
            next.extend(rate(&mut gone, place));
        }
        taken.push(family);
    }
    if gone.freed() >= bytes {
        // Parents went behind their children.
        for family in taken.iter().rev() {
            if family.last().is_some_and(|last| gone.is_orphan(*last)) {
                continue;
            }
            gone.undo(family);
            if gone.freed() < bytes {
                for place in family {
                    gone.release(*place);
                }
            }
        }
    }
    gone.places()
}

/// For each image the bytes of its layers, each by the share of one holder: what to let go where nothing is freed yet.
fn promises(sharing: &Sharing) -> Vec<u64> {
    let places = 0..sharing.images.len();
    let mut holders = vec![0_u64; sharing.layers.len()];
    for place in places.clone() {
        for (at, _) in sharing.held(place) {
            holders.get_mut(at).into_iter().for_each(|holders| *holders += 1);
        }
    }
    let share = |(at, layer): (usize, &super::SharedLayer)| {
        layer.bytes / holders.get(at).copied().unwrap_or(1).max(1)
    };
    places.map(|place| sharing.held(place).map(share).fold(0, u64::saturating_add)).collect()
}
