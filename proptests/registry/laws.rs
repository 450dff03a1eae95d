//! Laws of the plan, on made-up registries: whatever the rules are, nothing that stays loses anything.

use std::collections::{BTreeMap, BTreeSet};

use image_prune::Digest;
use image_prune::manifest::{Descriptor, Manifest};
use image_prune::registry::{
    Entry, Inventory, KeepReason, Pointer, Repository, RetentionPlan, Rules, Schemes, plan,
};
use proptest::prelude::*;

use crate::support::config;

/// The environment that is cleaned up; `domino-x` and the shared repository are concerned, `other` is not.
const NAMES: [&str; 4] = ["domino-x", "dominodatalab/environment", "team/app", "other"];
const NOW: i64 = 1_000;

/// What a manifest is made of: picks of layers, and of manifests made before.
#[derive(Debug, Clone)]
struct Made {
    layers: BTreeSet<u8>,
    lists: Vec<prop::sample::Index>,
    /// Layers that its list has beside manifests, as the index of a build cache.
    direct: BTreeSet<u8>,
    /// Something made before; or, by the second, an image that is gone.
    subject: (Option<prop::sample::Index>, bool),
    created: Option<i64>,
    /// Unreadable, and whether it may list others then.
    unreadable: Option<bool>,
}

#[derive(Debug, Clone)]
struct Tagged {
    name: String,
    /// None where even the digest is unknown.
    manifest: Option<prop::sample::Index>,
}

fn made() -> impl Strategy<Value = Made> {
    let layers = prop::collection::btree_set(0..6_u8, 0..4);
    let lists =
        prop_oneof![3 => Just(Vec::new()), 2 => prop::collection::vec(any::<prop::sample::Index>(), 1..4)];
    let direct = prop_oneof![3 => Just(BTreeSet::new()), 1 => prop::collection::btree_set(0..6_u8, 0..3)];
    let subject = (prop::option::weighted(0.3, any::<prop::sample::Index>()), prop::bool::weighted(0.1));
    let unreadable = prop_oneof![20 => Just(None), 1 => Just(Some(false)), 1 => Just(Some(true))];
    let created = prop::option::weighted(0.9, 1..NOW);
    (layers, lists, direct, subject, created, unreadable).prop_map(
        |(layers, lists, direct, subject, created, unreadable)| Made {
            layers,
            lists,
            direct,
            subject,
            created,
            unreadable,
        },
    )
}

fn tagged() -> impl Strategy<Value = Tagged> {
    let name = prop_oneof![
        (1..9_u8).prop_map(|n| n.to_string()),
        (1..9_u8).prop_map(|n| format!("x-{n}")),
        Just("v1".to_owned())
    ];
    let manifest = prop::option::weighted(0.98, any::<prop::sample::Index>());
    (name, manifest).prop_map(|(name, manifest)| Tagged { name, manifest })
}

fn descriptor(digest: Digest, size: u64) -> Descriptor {
    let (media_type, platform, urls, annotations) = <_>::default();
    Descriptor { media_type, digest, size, platform, urls, annotations }
}

fn repository(name: &str, made: &[Made], tagged: &[Tagged]) -> Repository {
    let mut known: Vec<Digest> = Vec::new();
    let mut repository = Repository { name: name.to_owned(), ..Repository::default() };
    repository.missing.insert(Digest::of(b"an image that is gone"));
    for one in made {
        let layers =
            one.layers.iter().map(|layer| descriptor(Digest::of(&[*layer]), 100 + u64::from(*layer)));
        let lists = one.lists.iter().filter(|_| !known.is_empty());
        let mut manifests: Vec<_> = lists.map(|pick| descriptor(*pick.get(&known), 10)).collect();
        // A platform that was never pushed.
        if one.lists.len() == 3 {
            manifests.push(descriptor(Digest::of(b"never pushed"), 10));
        }
        let kind = "application/vnd.oci.image.layer.v1.tar+gzip".to_owned();
        manifests.extend(one.direct.iter().map(|layer| Descriptor {
            media_type: kind.clone(),
            ..descriptor(Digest::of(&[*layer]), 100 + u64::from(*layer))
        }));
        let gone = descriptor(Digest::of(b"an image that is gone"), 10);
        let subject = match one.subject {
            (_, true) => Some(gone),
            (pick, _) => pick.filter(|_| !known.is_empty()).map(|pick| descriptor(*pick.get(&known), 10)),
        };
        let manifest = Manifest { layers: layers.collect(), manifests, subject, ..Manifest::default() };
        let text = serde_json::to_vec(&manifest).unwrap();
        let digest = Digest::of(&text);
        known.push(digest);
        repository.manifests.insert(
            digest,
            match one.unreadable {
                Some(may_list) => Entry::Unreadable { why: "odd".to_owned(), may_list },
                None => Entry::Read {
                    size: text.len() as u64,
                    manifest: Box::new(manifest),
                    created: one.created,
                },
            },
        );
    }
    for tag in tagged {
        let pointer = match &tag.manifest {
            Some(pick) if !known.is_empty() => Pointer::To(*pick.get(&known)),
            _ => Pointer::Unknown { why: "odd".to_owned() },
        };
        repository.tags.insert(tag.name.clone(), pointer);
    }
    repository
}

fn inventory() -> impl Strategy<Value = Inventory> {
    let one = (prop::collection::vec(made(), 0..8), prop::collection::vec(tagged(), 0..8));
    prop::collection::vec(one, NAMES.len()).prop_map(|repositories| {
        let repositories = NAMES.iter().zip(repositories);
        let repositories =
            repositories.map(|(name, (made, tagged))| repository(name, &made, &tagged)).collect();
        Inventory { repositories, is_whole: true, notes: Vec::new() }
    })
}

fn rules() -> impl Strategy<Value = String> {
    let revisions = prop::collection::vec(1..9_u8, 0..5);
    let clause =
        prop_oneof![Just("keep-last 2"), Just("keep ^[12]$"), Just("older-than 400s"), Just("keep-last 0")];
    let clauses = prop::collection::vec(clause, 1..3);
    (revisions, clauses).prop_map(|(revisions, clauses)| {
        let revisions: Vec<String> = revisions.iter().map(ToString::to_string).collect();
        format!("x {}\nteam/* {}", revisions.join(" "), clauses.join(" "))
    })
}

/// A registry as far as deletions go.
struct Simulated<'a> {
    repository: &'a Repository,
    tags: BTreeMap<&'a str, Digest>,
    gone: BTreeSet<Digest>,
}

impl<'a> Simulated<'a> {
    /// After the plan's deletions; a digest takes all its tags along.
    fn after(repository: &'a Repository, plan: &RetentionPlan) -> Self {
        let own = plan.delete.iter().filter(|deletion| deletion.repository == repository.name);
        let gone: BTreeSet<Digest> = own
            .flat_map(|deletion| {
                deletion.images.iter().chain(&deletion.referrers).copied().chain([deletion.digest])
            })
            .collect();
        let tags = repository.tags.iter().filter_map(|(tag, pointer)| match pointer {
            Pointer::To(digest) if !gone.contains(digest) => Some((tag.as_str(), *digest)),
            _ => None,
        });
        Self { tags: tags.collect(), repository, gone }
    }

    /// Whether nothing below a digest that was there is gone. Recursive on purpose: another way than the plan's.
    fn is_whole(&self, digest: Digest) -> bool {
        if self.gone.contains(&digest) {
            return false;
        }
        match self.repository.manifests.get(&digest) {
            Some(Entry::Read { manifest, .. }) => {
                manifest.manifests.iter().all(|child| self.is_whole(child.digest))
            }
            _ => true,
        }
    }

    /// Everything that tags lead to that stay: by what they point to, by lists, and by subjects. Until nothing comes to it.
    fn needed(&self, going: &BTreeSet<&str>) -> BTreeSet<Digest> {
        let staying = self.repository.tags.iter().filter(|(tag, _)| !going.contains(tag.as_str()));
        let mut needed: BTreeSet<Digest> = staying
            .filter_map(|(_, pointer)| match pointer {
                Pointer::To(digest) => Some(*digest),
                Pointer::Unknown { .. } => None,
            })
            .collect();
        loop {
            let before = needed.len();
            for (digest, entry) in &self.repository.manifests {
                let Entry::Read { manifest, .. } = entry else { continue };
                if needed.contains(digest) {
                    needed.extend(manifest.manifests.iter().map(|child| child.digest));
                }
                if manifest.subject.as_ref().is_some_and(|subject| {
                    needed.contains(&subject.digest)
                        && self.repository.manifests.contains_key(&subject.digest)
                }) {
                    needed.insert(*digest);
                }
            }
            if needed.len() == before {
                return needed;
            }
        }
    }
}

proptest! {
    #![proptest_config(config("proptests/regressions/registry.txt", 1000))]

    #[test]
    fn what_stays_loses_nothing(inventory in inventory(), text in rules()) {
        let rules = Rules::parse(&text, Schemes::default()).unwrap();
        let plan = plan(&inventory, &rules, NOW);
        for repository in &inventory.repositories {
            let after = Simulated::after(repository, &plan);
            let going: BTreeSet<&str> = plan.delete.iter()
                .filter(|deletion| deletion.repository == repository.name)
                .map(|deletion| deletion.tag.as_str()).collect();
            for (tag, pointer) in &repository.tags {
                if let (Pointer::To(digest), false) = (pointer, going.contains(tag.as_str())) {
                    prop_assert_eq!(after.tags.get(tag.as_str()), Some(digest), "{} went, unasked", tag);
                    prop_assert!(after.is_whole(*digest), "{} lost something", tag);
                }
            }
            let needed = after.needed(&going);
            prop_assert!(after.gone.is_disjoint(&needed), "{:?} of {:?}", after.gone, needed);
            // Somebody unreadable might need anything.
            let is_unknown = |(tag, pointer): (&String, &Pointer)| {
                !going.contains(tag.as_str()) && matches!(pointer, Pointer::Unknown { .. })
            };
            let is_blind = |digest: &Digest| matches!(repository.manifests.get(digest),
                Some(Entry::Unreadable { may_list: true, .. }));
            let may_need_all = repository.tags.iter().any(is_unknown) || needed.iter().any(is_blind);
            prop_assert!(going.is_empty() || !may_need_all);
        }
    }

    #[test]
    fn each_tag_goes_or_stays_for_a_reason_that_holds(inventory in inventory(), text in rules()) {
        let rules = Rules::parse(&text, Schemes::default()).unwrap();
        let plan = plan(&inventory, &rules, NOW);
        let name = |repository: &str, tag: &str| format!("{repository}:{tag}");
        let mut seen: Vec<String> = plan.delete.iter().map(|gone| name(&gone.repository, &gone.tag)).collect();
        seen.extend(plan.keep.iter().map(|kept| name(&kept.repository, &kept.tag)));
        seen.sort();
        let concerned = inventory.repositories.iter().filter(|repository| rules.concern(&repository.name));
        let mut all: Vec<String> = concerned
            .flat_map(|repository| repository.tags.keys().map(|tag| name(&repository.name, tag))).collect();
        all.sort();
        prop_assert_eq!(seen, all);
        let retained: BTreeSet<&str> = text.lines().next().unwrap().split(' ').skip(1).collect();
        for gone in &plan.delete {
            let revision = match gone.repository.as_str() {
                "domino-x" => Some(gone.tag.as_str()),
                "dominodatalab/environment" => gone.tag.strip_prefix("x-"),
                _ => continue,
            };
            let is_along = gone.follows.is_some_and(|subject| !subject.is_gone);
            prop_assert!(is_along || revision.is_some_and(|revision| !retained.contains(revision)), "{gone:?}");
        }
        for kept in &plan.keep {
            let stays = |tag: &str| plan.keep.iter()
                .find(|other| other.repository == kept.repository && other.tag == tag);
            match &kept.reason {
                KeepReason::SharedDigest { tag } => {
                    prop_assert_eq!(stays(tag).and_then(|other| other.digest), kept.digest);
                }
                KeepReason::InIndex { tag } => prop_assert!(stays(tag).is_some()),
                _ => {}
            }
        }
    }

    #[test]
    fn what_is_about_something_goes_and_stays_with_it(inventory in inventory(), text in rules()) {
        let rules = Rules::parse(&text, Schemes::default()).unwrap();
        let plan = plan(&inventory, &rules, NOW);
        for repository in inventory.repositories.iter().filter(|repository| rules.concern(&repository.name)) {
            let after = Simulated::after(repository, &plan);
            let own = plan.keep.iter().filter(|kept| kept.repository == repository.name);
            for kept in own {
                let Some(Entry::Read { manifest, .. }) = kept.digest.and_then(|digest| repository.manifests.get(&digest))
                else { continue };
                let Some(subject) = &manifest.subject else { continue };
                // Its own age and its place in a row are no reason.
                let kind = kept.reason.kind();
                prop_assert!(!["newest", "young", "unknown_age"].contains(&kind), "{kept:?}");
                if after.gone.contains(&subject.digest) {
                    // An index that stays with something else may list it.
                    let is_listed = repository.manifests.iter().any(|(digest, entry)| {
                        let Entry::Read { manifest, .. } = entry else { return false };
                        let mut lists = manifest.manifests.iter().map(|listed| Some(listed.digest));
                        !after.gone.contains(digest) && lists.any(|listed| listed == kept.digest)
                    });
                    let is_for_another = kind == "belongs_to" && is_listed;
                    prop_assert!(is_for_another || !["no_rule", "belongs_to"].contains(&kind), "{kept:?}");
                }
            }
            for gone in plan.delete.iter().filter(|gone| gone.repository == repository.name) {
                let Some(subject) = gone.follows else { continue };
                let exists = repository.manifests.contains_key(&subject.digest);
                prop_assert_eq!(subject.is_gone, !exists);
                prop_assert!(!exists || after.gone.contains(&subject.digest), "{gone:?}");
            }
        }
    }

    #[test]
    fn bytes_are_those_that_nobody_needs_any_more(inventory in inventory(), text in rules()) {
        let rules = Rules::parse(&text, Schemes::default()).unwrap();
        let plan = plan(&inventory, &rules, NOW);
        let all = |after: bool| -> BTreeMap<Digest, u64> {
            let mut blobs = BTreeMap::new();
            for repository in &inventory.repositories {
                let gone = Simulated::after(repository, &plan).gone;
                for (digest, entry) in &repository.manifests {
                    if let Entry::Read { size, manifest, .. } = entry && !(after && gone.contains(digest)) {
                        blobs.insert(*digest, *size);
                        blobs.extend(manifest.layers.iter().map(|layer| (layer.digest, layer.size)));
                        let direct = manifest.manifests.iter().filter(|listed| !listed.media_type.is_empty());
                        blobs.extend(direct.map(|layer| (layer.digest, layer.size)));
                    }
                }
            }
            blobs
        };
        let sum = |blobs: BTreeMap<Digest, u64>| blobs.into_values().sum::<u64>();
        prop_assert_eq!(plan.bytes, sum(all(false)) - sum(all(true)));
    }

    #[test]
    fn no_input_file_makes_it_panic(text in "([a-z0-9./*{}\\[\\]#, -]|keep|keep-last|older-than|\\PC|\n){0,60}") {
        if let Ok(rules) = Rules::parse(&text, Schemes::default()) {
            let _ = (rules.named_repositories(), rules.concern("a/b"));
        }
    }
}
