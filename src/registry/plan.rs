//! From rules and an [`Inventory`] to what goes and what stays. No network: what is decided here can be tested
//! with made-up registries.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::inventory::{Entry, Inventory, Pointer, Repository};
use super::rules::{Dated, Rules};
use super::ruling::{KeepReason, Ruling};
use crate::base::created::is_to_come;
use crate::base::digest::Digest;

/// What would be deleted, and what stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RetentionPlan {
    /// The tags that go, by repository and tag.
    pub delete: Vec<Deletion>,
    /// The tags that stay in the same repositories.
    pub keep: Vec<KeptTag>,
    /// What a person should know.
    pub notes: Vec<String>,
    /// The bytes that the registry's garbage collection frees afterwards, beside what was garbage before: manifests,
    /// configs and layers that nothing needs any more.
    pub bytes: u64,
    /// Whether that is exact; an upper limit otherwise, as the notes say.
    pub bytes_exact: bool,
}

/// A tag that goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Deletion {
    /// The repository.
    pub repository: String,
    /// The tag.
    pub tag: String,
    /// What it points to, and what is deleted.
    #[serde(serialize_with = "as_text")]
    pub digest: Digest,
    /// Bytes of the image, shared layers included.
    pub size: u64,
    /// The images of an index, which go along: no other tag needs them.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_texts")]
    pub images: Vec<Digest>,
    /// Manifests without a tag that are about it or its images, such as signatures, and go along.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_texts")]
    pub referrers: Vec<Digest>,
    /// What it is about, where it goes for that reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follows: Option<Subject>,
}

/// What a signature or the like is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Subject {
    /// Its digest.
    #[serde(serialize_with = "as_text")]
    pub digest: Digest,
    /// Whether it is gone already; it goes with this plan otherwise.
    pub is_gone: bool,
}

/// A tag that stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptTag {
    /// The repository.
    pub repository: String,
    /// The tag.
    pub tag: String,
    /// What it points to; none where that is unknown.
    pub digest: Option<Digest>,
    /// Why it stays.
    pub reason: KeepReason,
}

impl Serialize for KeptTag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut kept = serializer.serialize_map(None)?;
        kept.serialize_entry("repository", &self.repository)?;
        kept.serialize_entry("tag", &self.tag)?;
        kept.serialize_entry("digest", &self.digest.map(|digest| digest.to_string()))?;
        kept.serialize_entry("kind", self.reason.kind())?;
        kept.serialize_entry("reason", &self.reason.to_string())?;
        kept.end()
    }
}

fn as_text<S: Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(digest)
}

fn as_texts<S: Serializer>(digests: &[Digest], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(digests.iter().map(Digest::to_string))
}

/// What would be deleted of `inventory` at `now`, in Unix seconds, and what stays.
///
/// Never in it: a digest that a tag that stays points to, that the index of such a tag lists, or whose subject stays.
#[must_use]
pub fn plan(inventory: &Inventory, rules: &Rules, now: i64) -> RetentionPlan {
    let concerned = inventory.repositories.iter().filter(|repository| rules.concern(&repository.name));
    let (mut delete, mut keep) = (Vec::new(), Vec::new());
    for repository in concerned {
        let (going, staying) = plan_repository(repository, inventory, rules, now);
        delete.extend(going);
        keep.extend(staying);
    }
    let (bytes, is_exact) = bytes(inventory, &delete);
    let mut notes = inventory.notes.clone();
    if !is_exact {
        notes.push("layers that may lie elsewhere, by their `urls`, are counted as freed".to_owned());
    }
    RetentionPlan { delete, keep, notes, bytes, bytes_exact: inventory.is_whole && is_exact }
}

/// What a garbage collection frees once these are deleted, and whether that is exact.
pub(super) fn bytes(inventory: &Inventory, deleted: &[Deletion]) -> (u64, bool) {
    let gone = |deletion: &Deletion| {
        let along = deletion.images.iter().chain(&deletion.referrers);
        let digests: Vec<_> = along.chain([&deletion.digest]).copied().collect();
        // The name has to live as long as the inventory.
        let named = inventory.repositories.iter().find(|repository| repository.name == deletion.repository);
        digests.into_iter().filter_map(move |digest| Some((named?.name.as_str(), digest)))
    };
    let gone: HashSet<(&str, Digest)> = deleted.iter().flat_map(gone).collect();
    inventory.freed(&gone)
}

/// The tags of one repository that go and that stay; `inventory` has the other ones.
pub(super) fn plan_repository(
    repository: &Repository,
    inventory: &Inventory,
    rules: &Rules,
    now: i64,
) -> (Vec<Deletion>, Vec<KeptTag>) {
    let mut sorting = Sorting::new(repository, inventory, rules, now);
    while sorting.protect() {}
    // Behind it: what came to stay may be unreadable, too.
    sorting.hold_back();
    sorting.finish()
}

/// Why a digest stays.
#[derive(Debug, Clone, Copy)]
struct Need<'a> {
    /// A tag that stays.
    tag: &'a str,
    link: Link,
}

/// How a tag leads to a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Link {
    /// It points there.
    Tag,
    /// An index lists it.
    List,
    /// It is about something that the tag leads to.
    Subject,
}

/// Tags of a repository, being told apart.
struct Sorting<'a> {
    repository: &'a Repository,
    referrers: BTreeMap<Digest, Vec<Digest>>,
    /// What tags point to.
    tagged: BTreeSet<Digest>,
    going: BTreeMap<&'a str, Digest>,
    /// By tag, what those are about that follow it.
    following: BTreeMap<&'a str, Subject>,
    staying: BTreeMap<&'a str, (Option<Digest>, KeepReason)>,
}

impl<'a> Sorting<'a> {
    /// By what the rules say, and by what can be read.
    fn new(repository: &'a Repository, inventory: &Inventory, rules: &Rules, now: i64) -> Self {
        let pointed = repository.tags.iter().filter_map(|(tag, pointer)| match pointer {
            Pointer::To(digest) => Some((tag.as_str(), *digest)),
            Pointer::Unknown { .. } => None,
        });
        // What is about another manifest uses up no place among the newest.
        let (about, own): (Vec<_>, Vec<_>) =
            pointed.partition(|(tag, digest)| repository.subject_of(tag, *digest).is_some());
        // cosign can be told to keep the signatures of all images in one repository.
        let is_elsewhere = |digest: Digest| {
            own.is_empty() || inventory.repositories.iter().any(|other| other.manifests.contains_key(&digest))
        };
        let dated: Vec<Dated<'a>> = own
            .iter()
            .map(|(tag, image)| {
                let created = repository.manifests.get(image).and_then(Entry::created);
                let created = created.filter(|created| !is_to_come(*created, now));
                Dated { tag, image: *image, created }
            })
            .collect();
        let mut rulings = rules.rule(&repository.name, &dated, now);
        let mut following = BTreeMap::new();
        for (tag, digest) in about {
            let Some(subject) = repository.subject_of(tag, digest) else { continue };
            let is_gone = repository.missing.contains(&subject);
            let ruling = match rules.rule_by_name(&repository.name, tag) {
                // It goes with its subject without a rule of its own; if that is gone already, only with one.
                Ruling::None if !is_gone => Ruling::Delete,
                Ruling::Delete if is_gone && is_elsewhere(subject) => {
                    Ruling::Keep(KeepReason::SubjectUnseen { digest: subject })
                }
                ruling => ruling,
            };
            following.insert(tag, Subject { digest: subject, is_gone });
            rulings.insert(tag, ruling);
        }
        let tagged = repository.tags.values().filter_map(|pointer| match pointer {
            Pointer::To(digest) => Some(*digest),
            Pointer::Unknown { .. } => None,
        });
        let mut sorting = Self {
            repository,
            referrers: repository.referrers(),
            tagged: tagged.collect(),
            going: BTreeMap::new(),
            following,
            staying: BTreeMap::new(),
        };
        for (tag, pointer) in &repository.tags {
            let (digest, unreadable) = match pointer {
                Pointer::Unknown { why } => (None, Some(why)),
                Pointer::To(digest) => match repository.manifests.get(digest) {
                    Some(Entry::Unreadable { why, .. }) => (Some(*digest), Some(why)),
                    _ => (Some(*digest), None),
                },
            };
            let reason = match (rulings.remove(tag.as_str()), unreadable) {
                (Some(Ruling::Keep(reason)), _) => reason,
                (Some(Ruling::Delete) | None, Some(why)) => KeepReason::Unreadable { why: why.clone() },
                (Some(Ruling::None) | None, _) => KeepReason::NoRule,
                (Some(Ruling::Delete), None) => {
                    sorting.going.extend(digest.map(|digest| (tag.as_str(), digest)));
                    continue;
                }
            };
            sorting.staying.insert(tag, (digest, reason));
        }
        sorting
    }

    /// Where something that stays cannot be read and may be an index, anything may be on its list.
    fn hold_back(&mut self) {
        let is_blind = |digest: &Digest| {
            matches!(self.repository.manifests.get(digest), Some(Entry::Unreadable { may_list: true, .. }))
        };
        let mut staying = self.staying.iter();
        let unknown = staying.find(|(_, (digest, _))| digest.is_none()).map(|(tag, _)| *tag);
        let blind =
            || self.needed().into_iter().find(|(digest, _)| is_blind(digest)).map(|(_, need)| need.tag);
        let Some(by) = unknown.or_else(blind).map(str::to_owned) else { return };
        for (tag, digest) in std::mem::take(&mut self.going) {
            self.staying.insert(tag, (Some(digest), KeepReason::HeldBack { by: by.clone() }));
        }
    }

    /// All that the tags that stay need: what they point to, what that lists, and what is about any of it.
    fn needed(&self) -> BTreeMap<Digest, Need<'a>> {
        let mut needed = BTreeMap::new();
        let of_tag = |(tag, (digest, _)): (&&'a str, &(Option<Digest>, KeepReason))| {
            Some(((*digest)?, Need { tag, link: Link::Tag }))
        };
        let mut listed: Vec<(Digest, Need<'a>)> = self.staying.iter().rev().filter_map(of_tag).collect();
        let mut referring = Vec::new();
        // Lists before subjects: being listed is the stronger reason. Tags before both.
        for (digest, need) in listed.iter().rev() {
            needed.entry(*digest).or_insert(*need);
        }
        let mut seen = BTreeSet::new();
        while let Some((digest, need)) = listed.pop().or_else(|| referring.pop()) {
            let Some(entry) = self.repository.manifests.get(&digest).filter(|_| seen.insert(digest)) else {
                continue;
            };
            let need = *needed.entry(digest).or_insert(need);
            let below = if need.link == Link::Subject { Link::Subject } else { Link::List };
            listed.extend(entry.listed().map(|child| (child, Need { link: below, ..need })));
            let referrers = self.referrers.get(&digest).into_iter().flatten();
            referring.extend(referrers.map(|referrer| (*referrer, Need { link: Link::Subject, ..need })));
        }
        needed
    }

    /// What goes along with a digest: what it lists, and what is about any of it, as far as no tag points there and
    /// nothing that stays needs it.
    fn along(&self, digest: Digest, needed: &BTreeMap<Digest, Need<'a>>) -> BTreeSet<Digest> {
        let mut found = BTreeSet::new();
        let mut next = vec![digest];
        while let Some(at) = next.pop() {
            let Some(entry) = self.repository.manifests.get(&at) else { continue };
            let is_along =
                entry.manifest().is_some() && !needed.contains_key(&at) && !self.tagged.contains(&at);
            if at == digest || (is_along && found.insert(at)) {
                next.extend(entry.listed());
                next.extend(self.referrers.get(&at).into_iter().flatten());
            }
        }
        found
    }

    /// What is deleted if it stays at this: what tags point to that go, and what goes along.
    fn gone(&self, needed: &BTreeMap<Digest, Need<'a>>) -> BTreeSet<Digest> {
        let digests: BTreeSet<Digest> = self.going.values().copied().collect();
        let along = digests.iter().flat_map(|digest| self.along(*digest, needed));
        along.chain(digests.iter().copied()).collect()
    }

    /// Moves to those that stay what these need; true where there was something.
    fn protect(&mut self) -> bool {
        let needed = self.needed();
        let gone = self.gone(&needed);
        let reason = |tag: &str, digest: &Digest| {
            if let Some(Need { tag, link }) = needed.get(digest) {
                let tag = (*tag).to_owned();
                return Some(match link {
                    Link::Tag => KeepReason::SharedDigest { tag },
                    Link::List => KeepReason::InIndex { tag },
                    Link::Subject => KeepReason::BelongsTo { tag },
                });
            }
            let subject = self.following.get(tag).filter(|subject| !subject.is_gone)?.digest;
            let by = || needed.get(&subject).map_or_else(|| subject.to_string(), |need| need.tag.to_owned());
            let stays = !gone.contains(&subject) && !self.repository.deleted.contains(&subject);
            stays.then(|| KeepReason::BelongsTo { tag: by() })
        };
        let found: Vec<(&'a str, Digest, KeepReason)> = self
            .going
            .iter()
            .filter_map(|(tag, digest)| Some((*tag, *digest, reason(tag, digest)?)))
            .collect();
        let is_any = !found.is_empty();
        for (tag, digest, reason) in found {
            self.going.remove(tag);
            self.staying.insert(tag, (Some(digest), reason));
        }
        is_any
    }

    fn finish(self) -> (Vec<Deletion>, Vec<KeptTag>) {
        let repository = self.repository;
        let needed = self.needed();
        let deletion = |(tag, digest): (&&str, &Digest)| {
            let listed = repository.closure(*digest);
            let (images, referrers) =
                self.along(*digest, &needed).into_iter().partition(|along| listed.contains(along));
            Deletion {
                repository: repository.name.clone(),
                tag: (*tag).to_owned(),
                digest: *digest,
                size: repository.size(*digest),
                images,
                referrers,
                follows: self.following.get(tag).copied(),
            }
        };
        let delete = self.going.iter().map(deletion).collect();
        let kept = |(tag, (digest, reason)): (&str, (Option<Digest>, KeepReason))| KeptTag {
            repository: repository.name.clone(),
            tag: tag.to_owned(),
            digest,
            reason,
        };
        (delete, self.staying.into_iter().map(kept).collect())
    }
}
