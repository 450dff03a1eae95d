//! What the questions of `df` cost grows with the number of images, not with its square.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::HashSet;
use std::fs;
use std::hint::black_box;

use allocation_counter::measure;
use image_prune::graph::free::Sharing;
use image_prune::graph::removal::{marginal, remove};
use image_prune::graph::store::Stores;
use image_prune::world::ContainerdWorld;
use image_prune::{Digest, ImageId, Now, Semantics, containerd};
use serde_json::json;

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
fn cost<T>(of: &T, work: impl Fn(&T)) -> [u64; 2] {
    let before = processor_time();
    let bytes = measure(|| work(of)).bytes_total;
    [bytes, processor_time() - before]
}

/// Four times as many images may cost nine times as much; the square would be sixteen. Time is measured up to three
/// times.
fn assert_is_linear<T>(what: &str, [small, large]: &[T; 2], work: impl Fn(&T)) {
    let mut costs = Vec::new();
    let is_linear = (0..3).any(|_| {
        let [small, large] = [small, large].map(|of| cost(of, &work));
        costs.push((small, large));
        small.iter().zip(large).all(|(small, large)| large <= 9 * small)
    });
    assert!(is_linear, "{what}: {costs:?}");
    println!("{what}: {costs:?}");
}

#[test]
fn four_times_the_images_cost_far_less_than_sixteen_times_as_much() {
    for family in FAMILIES {
        let sizes = [1_000, 4_000].map(|count| stores(family, count));
        for (what, work) in WORKS {
            let what = format!("{what}, {family:?}");
            assert_is_linear(&what, &sizes, |(stores, ids)| work(stores, ids, &SEMANTICS));
        }
    }
}

/// How the images of a containerd store are related. Each has content of its own.
#[derive(Debug, Clone, Copy)]
enum ContainerdFamily {
    /// The snapshot of each stands on that of the one before.
    Chain,
    /// All stand on one snapshot.
    Strangers,
    /// Each stands on one of a few, and names another's content.
    Mixed,
}

fn containerd_stores(family: ContainerdFamily, count: usize) -> containerd::store::Stores {
    let digest = |what: &str, number: usize| Digest::of(format!("{what} {number}").as_bytes());
    let (mut images, mut blobs, mut snapshots) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..count {
        let (target, layer, chain) =
            (digest("manifest", number), digest("layer", number), digest("chain", number));
        let below = match family {
            ContainerdFamily::Chain => number.checked_sub(1),
            ContainerdFamily::Strangers => (number > 0).then_some(0),
            ContainerdFamily::Mixed => (number >= 10).then_some(number % 10),
        };
        let other = match family {
            ContainerdFamily::Mixed => digest("layer", number / 2),
            _ => layer,
        };
        images.push(json!({
            "name": format!("docker.io/library/app:{number}"),
            "target": {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": target},
            "created_at": "2024-01-01T00:00:00Z",
        }));
        blobs.push(json!({"digest": layer, "size": 5 + number % 7}));
        blobs.push(json!({"digest": target, "size": 3, "labels": {
            "containerd.io/gc.ref.content.0": layer,
            "containerd.io/gc.ref.content.1": other,
            "containerd.io/gc.ref.snapshot.overlayfs": chain,
        }}));
        let parent = below.map(|below| digest("chain", below));
        snapshots.push(json!({"key": chain, "parent": parent, "size": 2}));
    }
    let world = json!({"snapshotter": "overlayfs", "images": images, "blobs": blobs, "snapshots": snapshots});
    let world: ContainerdWorld = serde_json::from_value(world).unwrap();
    containerd::store::Stores::load(&world, &Semantics::MOBY_29_CONTAINERD).unwrap()
}

#[test]
fn the_questions_about_a_containerd_store_cost_what_it_holds() {
    type Work = fn(&containerd::store::Stores, Now);
    fn all(stores: &containerd::store::Stores, now: Now) -> containerd::free::Sharing {
        let alone = containerd::removal::marginal(stores, now).unwrap();
        let images: Vec<Digest> = alone.into_iter().map(|(digest, _)| digest).collect();
        containerd::free::Sharing::new(stores, &images, now).unwrap()
    }
    let works: [(&str, Work); 4] = [
        ("each image alone", |stores, now| {
            drop(black_box(containerd::removal::marginal(stores, now).unwrap()));
        }),
        ("few images that free enough", |stores, now| drop(black_box(all(stores, now).smallest(5_000)))),
        ("half of the bytes", |stores, now| {
            let sharing = all(stores, now);
            let bytes = sharing.freed(sharing.images()).total() / 2;
            assert!(sharing.smallest(bytes.try_into().unwrap()).is_enough);
        }),
        ("more than there is", |stores, now| {
            let sharing = all(stores, now);
            let found = sharing.smallest(u64::MAX);
            assert_eq!((found.is_enough, found.images.len()), (false, sharing.images().len()));
        }),
    ];
    let now = Now::utc(chrono::DateTime::UNIX_EPOCH);
    for family in [ContainerdFamily::Chain, ContainerdFamily::Strangers, ContainerdFamily::Mixed] {
        let sizes = [1_000, 4_000].map(|count| containerd_stores(family, count));
        for (what, work) in works {
            assert_is_linear(&format!("{what}, containerd {family:?}"), &sizes, |stores| work(stores, now));
        }
    }
}
