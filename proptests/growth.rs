//! What the questions of `df` cost grows with the number of images, not with its square.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::HashSet;
use std::fs;
use std::hint::black_box;

use allocation_counter::measure;
use image_prune::graph::free::Sharing;
use image_prune::graph::removal::{marginal, remove};
use image_prune::graph::store::Stores;
use image_prune::{ImageId, Semantics};

use crate::cost::store::{SEMANTICS, build_image, config_of, diff};

/// How images are related.
#[derive(Debug, Clone, Copy)]
enum Family {
    /// Each the child of the one before; only the last has a name.
    Chain,
    /// The same, and each has a name.
    NamedChain,
    /// All children of the first.
    Star,
    /// A chain whose links have another child each.
    Comb,
    /// None; all have two layers in common.
    Strangers,
}

const FAMILIES: [Family; 5] =
    [Family::Chain, Family::NamedChain, Family::Star, Family::Comb, Family::Strangers];

fn stores(family: Family, count: usize) -> (Stores, Vec<ImageId>) {
    let stores = Stores::new(&SEMANTICS);
    let mut ids: Vec<ImageId> = Vec::new();
    for number in 0..count {
        let own = diff(&format!("layer {number}"));
        let diffs: Vec<_> = (0..2).map(|base| diff(&format!("base {base}"))).chain([own]).collect();
        let config = config_of(number, "test", 0, &diffs).into_bytes();
        let id = build_image(&stores, (diffs, config));
        let parent = match family {
            Family::Chain | Family::NamedChain => ids.last(),
            Family::Star => ids.first(),
            Family::Comb => ids.get(number.saturating_sub(2) / 2 * 2),
            Family::Strangers => None,
        };
        if let Some(parent) = parent {
            stores.images.set_parent(id, *parent).unwrap();
        }
        if matches!(family, Family::NamedChain) || number + 1 == count {
            let name = format!("app{number}:1");
            stores.references.add_tag(image_prune::Reference::parse(&name, &SEMANTICS).unwrap(), id).unwrap();
        }
        ids.push(id);
    }
    (stores, ids)
}

/// The processor's time that this thread had, in nanoseconds: not what others on the machine had.
fn processor_time() -> u64 {
    std::thread::yield_now();
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

type Work = fn(&Stores, &[ImageId], &Semantics);

const WORKS: [(&str, Work); 5] = [
    ("each image alone", |stores, _, semantics| drop(black_box(marginal(stores, semantics)))),
    ("few images that free enough", |stores, ids, _| {
        drop(black_box(Sharing::new(stores, ids, &HashSet::new()).smallest(5_000)));
    }),
    ("half of the bytes", |stores, ids, _| {
        let sharing = Sharing::new(stores, ids, &HashSet::new());
        drop(black_box(sharing.smallest(sharing.freed(ids) / 2)));
    }),
    ("more than there is", |stores, ids, _| {
        let found = Sharing::new(stores, ids, &HashSet::new()).smallest(u64::MAX);
        assert_eq!((found.is_enough, found.images.len()), (false, ids.len()));
    }),
    ("the deletion of all", |stores, ids, semantics| assert_eq!(remove(stores, ids, semantics).stays, [])),
];

/// Bytes allocated, and time.
fn cost(work: Work, (stores, ids): &(Stores, Vec<ImageId>)) -> [u64; 2] {
    let before = processor_time();
    let bytes = measure(|| work(stores, ids, &SEMANTICS)).bytes_total;
    [bytes, processor_time() - before]
}

/// Four times as many images may cost nine times as much; the square would be sixteen. Time is measured up to three
/// times.
#[test]
fn four_times_the_images_cost_far_less_than_sixteen_times_as_much() {
    for family in FAMILIES {
        let sizes = [1_000, 4_000].map(|count| stores(family, count));
        for (what, work) in WORKS {
            let mut costs = Vec::new();
            let is_linear = (0..3).any(|_| {
                let [small, large] = sizes.each_ref().map(|stores| cost(work, stores));
                costs.push((small, large));
                small.iter().zip(large).all(|(small, large)| large <= 9 * small)
            });
            assert!(is_linear, "{what}, {family:?}: {costs:?}");
            println!("{what}, {family:?}: {costs:?}");
        }
    }
}
