//! From a [`RetentionPlan`] to deletions.
//!
//! A registry deletes digests, and with a digest all its tags. So everything is looked at again right before:
//! each repository is read and planned anew, and its tags are before each request; where any came, moved or went, the
//! rest is planned anew. An interrupted run leaves nothing behind that the next one does not see: the images of an index go
//! before the index itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::client::{Deletion as Outcome, Registry};
use super::collect::read_repository;
use super::http::HttpError;
use super::inventory::Inventory;
use super::plan::{Deletion, KeptTag, RetentionPlan, bytes, plan_repository};
use super::rules::Rules;
use super::ruling::KeepReason;
use super::watch::Watch;
use crate::base::digest::Digest;
use crate::base::error::{Error, Result};

/// How often a deletion is tried.
const ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The number of plans that may come to nothing, one after the other, since others changed the repository.
const PLANS: usize = 20;
/// The longest pause that a registry may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What was done of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedPlan {
    /// The tags that are gone, those that stay, and what that frees.
    pub plan: RetentionPlan,
    /// Why it ended early; run it again to go on.
    pub stopped: Option<Error>,
}

impl AppliedPlan {
    /// How many tags could not be deleted, though they should.
    #[must_use]
    pub fn failed(&self) -> usize {
        let is_failed = |kept: &&KeptTag| matches!(kept.reason, KeepReason::Failed { .. });
        self.plan.keep.iter().filter(is_failed).count()
    }
}

/// Deletes what `plan`, made of `inventory` at `now`, says, as far as that still holds. `progress` is told the
/// number of tags done.
#[must_use]
pub fn apply(
    registry: &Registry,
    rules: &Rules,
    inventory: &Inventory,
    plan: RetentionPlan,
    now: i64,
    progress: &mut dyn FnMut(usize),
) -> AppliedPlan {
    let mut planned: BTreeMap<String, Vec<Deletion>> = BTreeMap::new();
    for deletion in &plan.delete {
        planned.entry(deletion.repository.clone()).or_default().push(deletion.clone());
    }
    let mut run = Run { registry, inventory, deleted: Vec::new(), kept: plan.keep, stopped: None, progress };
    for (name, deletions) in planned {
        run.repository(&name, deletions, rules, now);
    }
    let Run { mut deleted, mut kept, stopped, .. } = run;
    deleted.sort();
    kept.sort_by(|a, b| (&a.repository, &a.tag).cmp(&(&b.repository, &b.tag)));
    let (bytes, is_exact) = bytes(inventory, &deleted);
    let bytes_exact = inventory.is_whole && is_exact;
    AppliedPlan { plan: RetentionPlan { delete: deleted, keep: kept, bytes, bytes_exact, ..plan }, stopped }
}

struct Run<'a> {
    registry: &'a Registry,
    inventory: &'a Inventory,
    deleted: Vec<Deletion>,
    kept: Vec<KeptTag>,
    stopped: Option<Error>,
    progress: &'a mut dyn FnMut(usize),
}

impl Run<'_> {
    fn repository(&mut self, name: &str, deletions: Vec<Deletion>, rules: &Rules, now: i64) {
        if let Some(error) = &self.stopped {
            let why = format!("not tried: {error}");
            return self.keep_all(deletions, &KeepReason::Failed { why });
        }
        let read = read_repository(self.registry, name, rules, &|_, _| ());
        let repository = match read {
            Ok(Some((repository, _))) => repository,
            // It vanished, and its tags with it.
            Ok(None) => return self.deleted.extend(deletions),
            Err(error) => {
                self.keep_all(deletions, &KeepReason::Failed { why: error.to_string() });
                self.stopped = Some(error);
                return;
            }
        };
        let mut watch = Watch::new(self.registry, rules, repository);
        let (mut pending, mut gone, mut idle) = (deletions, BTreeSet::new(), 0);
        // A plan holds until somebody changes the repository.
        while idle < PLANS {
            let repository = watch.repository();
            let (fresh, staying) = plan_repository(repository, self.inventory, rules, now);
            let (going, changed) = split(pending, &fresh);
            for deletion in changed {
                match staying.iter().find(|kept| kept.tag == deletion.tag) {
                    Some(kept) => self.kept.push(kept.clone()),
                    None if repository.tags.contains_key(&deletion.tag) => {
                        self.keep_all(vec![deletion], &KeepReason::Moved);
                    }
                    None => self.deleted.push(deletion),
                }
            }
            let before = gone.len();
            pending = self.digests(&mut watch, going, &mut gone);
            if pending.is_empty() {
                return self.add_new(name, staying);
            }
            idle = if gone.len() > before { 0 } else { idle + 1 };
        }
        let why = "others change the repository all the time; run it again later".to_owned();
        self.keep_all(pending, &KeepReason::Failed { why });
    }

    /// Tells of tags that came meanwhile and stay.
    fn add_new(&mut self, name: &str, staying: Vec<KeptTag>) {
        let kept = self.kept.iter().map(|kept| (&kept.repository, &kept.tag));
        let deleted = self.deleted.iter().map(|deletion| (&deletion.repository, &deletion.tag));
        let told: BTreeSet<String> = kept
            .chain(deleted)
            .filter(|(repository, _)| *repository == name)
            .map(|(_, tag)| tag.clone())
            .collect();
        self.kept.extend(staying.into_iter().filter(|kept| !told.contains(&kept.tag)));
    }

    /// Deletes digest by digest, an index before what it lists; what is left once the plan does not hold any more.
    fn digests(
        &mut self,
        watch: &mut Watch<'_>,
        going: Vec<Deletion>,
        gone: &mut BTreeSet<Digest>,
    ) -> Vec<Deletion> {
        let mut by_digest: BTreeMap<Digest, Vec<Deletion>> = BTreeMap::new();
        for deletion in going {
            by_digest.entry(deletion.digest).or_default().push(deletion);
        }
        let mut digests: Vec<Digest> = by_digest.keys().copied().collect();
        // What is about another manifest goes behind it: if that could not be deleted, it needs its signatures.
        let subjects: BTreeMap<Digest, Vec<Digest>> = by_digest
            .iter()
            .map(|(digest, tags)| (*digest, tags.iter().filter_map(subject_to_come).collect()))
            .collect();
        let repository = watch.repository();
        digests.sort_by_cached_key(|digest| {
            (depth(*digest, &subjects, 0), std::cmp::Reverse(repository.closure(*digest).len()))
        });
        let parents = repository.parents();
        let mut going_tags: BTreeSet<String> =
            by_digest.values().flatten().map(|deletion| deletion.tag.clone()).collect();
        for digest in digests {
            let tags = by_digest.remove(&digest).unwrap_or_default();
            let stays = subjects.get(&digest).into_iter().flatten().find(|subject| !gone.contains(*subject));
            if let Some(subject) = stays {
                self.keep_all(tags, &KeepReason::BelongsTo { tag: subject.to_string() });
                continue;
            }
            let own: Vec<String> = tags.iter().map(|deletion| deletion.tag.clone()).collect();
            let mut left = self.digest(watch, digest, tags, &going_tags, &parents, gone);
            for tag in own {
                going_tags.remove(&tag);
            }
            (self.progress)(self.deleted.len());
            if !left.is_empty() {
                left.extend(by_digest.into_values().flatten());
                return left;
            }
        }
        Vec::new()
    }

    /// Deletes one digest with its tags, behind the images that it alone lists. `going` are all tags that are
    /// to go. Its tags are left where the plan does not hold any more.
    fn digest(
        &mut self,
        watch: &mut Watch<'_>,
        digest: Digest,
        mut tags: Vec<Deletion>,
        going: &BTreeSet<String>,
        parents: &BTreeMap<Digest, Vec<Digest>>,
        gone: &mut BTreeSet<Digest>,
    ) -> Vec<Deletion> {
        if let Some(error) = &self.stopped {
            let why = format!("not tried: {error}");
            self.keep_all(tags, &KeepReason::Failed { why });
            return Vec::new();
        }
        let name = watch.repository().name.clone();
        let of_all = |along: fn(&Deletion) -> &Vec<Digest>| -> BTreeSet<Digest> {
            tags.iter().flat_map(along).copied().collect()
        };
        let (referrers, images) = (of_all(|tag| &tag.referrers), of_all(|tag| &tag.images));
        for next in referrers.into_iter().chain(images).chain([digest]) {
            let mut listed_by = parents.get(&next).into_iter().flatten();
            let listed_by = listed_by.find(|parent| **parent != digest && !gone.contains(*parent));
            match listed_by {
                None if gone.contains(&next) => continue,
                None => {}
                // Its turn comes with that index; or never, where the index could not be deleted.
                Some(_) if next != digest => continue,
                Some(parent) => {
                    self.keep_all(tags, &KeepReason::InIndex { tag: parent.to_string() });
                    return Vec::new();
                }
            }
            // Its own tags first: of those that stay the last is asked for right before the deletion.
            let mut holds = |run: &mut Self| {
                run.reread(&name, digest, &mut tags)?;
                Ok(!tags.is_empty() && !watch.look(going)?)
            };
            match self.delete(&name, next, &mut holds) {
                Ok(true) => {
                    gone.insert(next);
                    watch.deleted(next);
                }
                Ok(false) => return tags,
                Err((error, is_fatal)) => {
                    self.keep_all(tags, &KeepReason::Failed { why: error.to_string() });
                    self.stopped = is_fatal.then_some(error);
                    return Vec::new();
                }
            }
        }
        self.deleted.extend(tags);
        Vec::new()
    }

    /// Deletes a manifest as long as `may_go`, which is asked right before each attempt, says so; `Ok(false)` where it
    /// does not any more. Failures come with a flag: whether the rest has no chance, either.
    fn delete(
        &mut self,
        name: &str,
        next: Digest,
        may_go: &mut dyn FnMut(&mut Self) -> Result<bool>,
    ) -> Result<bool, (Error, bool)> {
        let mut pause = FIRST_PAUSE;
        for _ in 0..ATTEMPTS {
            if !may_go(self).map_err(|error| (error, false))? {
                return Ok(false);
            }
            match self.registry.delete(name, next) {
                Ok(Outcome::Done | Outcome::Missing) => return Ok(true),
                Ok(Outcome::Later(Some(asked))) if asked > LONGEST_PAUSE => {
                    let seconds = asked.as_secs();
                    let why = format!("the registry asks to wait {seconds} seconds; run it again later");
                    return Err((Error::system(why), true));
                }
                Ok(Outcome::Later(asked)) => self.registry.pause(asked.unwrap_or(pause)),
                Err(HttpError::Status { status: 405, .. }) => return Err((disabled(), true)),
                Err(
                    failure @ (HttpError::Unauthorized(_)
                    | HttpError::Anonymous
                    | HttpError::TokenServer(_)
                    | HttpError::Unreachable(_)
                    | HttpError::Untrusted(_)),
                ) => {
                    return Err((failure.during(&format!("{name}@{next}")), true));
                }
                Err(failure @ HttpError::Status { status: 401 | 403, .. }) => {
                    return Err((failure.during(&format!("{name}@{next}: we may not delete")), true));
                }
                Err(failure) => return Err((failure.during(&format!("{name}@{next}")), false)),
            }
            pause *= 2;
        }
        Err((Error::system(format!("{name}@{next}: the registry fails again and again")), false))
    }

    /// Takes out the tags that do not point to `digest` any more.
    fn reread(&mut self, name: &str, digest: Digest, tags: &mut Vec<Deletion>) -> Result<()> {
        for deletion in std::mem::take(tags) {
            match self.registry.digest(name, &deletion.tag) {
                Ok(Some(found)) if found == digest => tags.push(deletion),
                Ok(Some(_)) => self.keep_all(vec![deletion], &KeepReason::Moved),
                Ok(None) => self.deleted.push(deletion),
                Err(error) => {
                    tags.push(deletion);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn keep_all(&mut self, deletions: Vec<Deletion>, reason: &KeepReason) {
        let kept = |Deletion { repository, tag, digest, .. }| KeptTag {
            repository,
            tag,
            digest: Some(digest),
            reason: reason.clone(),
        };
        self.kept.extend(deletions.into_iter().map(kept));
    }
}

/// What a tag is about, if that goes in the same run.
fn subject_to_come(deletion: &Deletion) -> Option<Digest> {
    deletion.follows.filter(|subject| !subject.is_gone).map(|subject| subject.digest)
}

/// How many subjects a digest has, one about the other, that go in the same run.
fn depth(digest: Digest, subjects: &BTreeMap<Digest, Vec<Digest>>, above: usize) -> usize {
    let own = subjects.get(&digest).into_iter().flatten();
    // A digest cannot be about itself, in any number of steps, but a tag's name may say so.
    let deeper =
        own.filter(|_| above <= subjects.len()).map(|subject| depth(*subject, subjects, above + 1) + 1);
    deeper.max().unwrap_or(0)
}

/// What both plans say, with the images that the fresh one says go along; and the rest.
fn split(planned: Vec<Deletion>, fresh: &[Deletion]) -> (Vec<Deletion>, Vec<Deletion>) {
    let (mut both, mut rest) = (Vec::new(), Vec::new());
    for deletion in planned {
        let same = |other: &&Deletion| other.tag == deletion.tag && other.digest == deletion.digest;
        match fresh.iter().find(same) {
            Some(fresh) => both.push(fresh.clone()),
            None => rest.push(deletion),
        }
    }
    (both, rest)
}

fn disabled() -> Error {
    Error::conflict(
        "the registry has deletion disabled: set `storage: {delete: {enabled: true}}` in its configuration, or \
         REGISTRY_STORAGE_DELETE_ENABLED=true in its environment, and restart it",
    )
}
