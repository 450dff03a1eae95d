//! A repository between two deletions: somebody else may push to it meanwhile.

use std::collections::BTreeSet;

use super::client::Registry;
use super::collect::{parallel, read_tags};
use super::inventory::{Pointer, Repository};
use super::rules::Rules;
use crate::base::digest::Digest;
use crate::base::error::Result;

/// The number of tags that stay and are asked for before a deletion, on the average of many: two thousand deletions beside
/// five thousand such tags must take minutes, not hours.
const ASKED: usize = 100;

/// A repository that is looked at again right before each deletion.
///
/// A look lists the tags, which takes a request for each thousand, and asks where those point that stay: those that came
/// since the repository was read always, the others each time if they are up to a hundred. Of `n` they are asked for
/// before the first deletion, and then once in `n / 100`.
pub(super) struct Watch<'a> {
    registry: &'a Registry,
    rules: &'a Rules,
    repository: Repository,
    /// Tags that are listed and do not exist.
    absent: BTreeSet<String>,
    /// Looks since all tags that stay were asked for.
    looks: Option<usize>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(registry: &'a Registry, rules: &'a Rules, repository: Repository) -> Self {
        Self { registry, rules, repository, absent: BTreeSet::new(), looks: None }
    }

    /// The repository as it was at the last look.
    pub(super) fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Notes that a digest was deleted, and its tags with it.
    pub(super) fn deleted(&mut self, digest: Digest) {
        self.repository.tags.retain(|_, pointer| *pointer != Pointer::To(digest));
        self.repository.deleted.insert(digest);
    }

    /// Looks at the tags that stay: all but those `going`. True where any came, moved or went, so that a plan that was
    /// made before means nothing any more.
    // DIFFERENCE(tag-behind-the-look), DIFFERENCE(pushed-without-a-tag)
    pub(super) fn look(&mut self, going: &BTreeSet<String>) -> Result<bool> {
        let name = self.repository.name.clone();
        let listed = self.registry.tags(&name)?.unwrap_or_default();
        let staying: Vec<&String> = listed.iter().filter(|tag| !going.contains(*tag)).collect();
        // DIFFERENCE(tags-asked-in-turn)
        let is_due = self.looks.is_none_or(|looks| (looks + 1).saturating_mul(ASKED) >= staying.len());
        self.looks = if is_due { Some(0) } else { self.looks.map(|looks| looks + 1) };
        let is_known = |tag: &str| self.repository.tags.contains_key(tag) || self.absent.contains(tag);
        let asked: Vec<String> =
            staying.into_iter().filter(|tag| is_due || !is_known(tag)).cloned().collect();
        let found = parallel(&asked, &|_, _| (), |tag| self.registry.digest(&name, tag))?;

        let mut vanished: Vec<String> =
            self.repository.tags.keys().filter(|tag| !listed.contains(*tag)).cloned().collect();
        let mut changed = Vec::new();
        for (tag, found) in asked.into_iter().zip(found) {
            match (found, self.repository.tags.get(&tag)) {
                (Some(digest), Some(Pointer::To(known))) if *known == digest => {}
                (Some(_), _) => changed.push(tag),
                (None, known) => {
                    self.absent.insert(tag.clone());
                    vanished.extend(known.map(|_| tag));
                }
            }
        }
        self.absent.retain(|tag| listed.contains(tag));
        for tag in &vanished {
            self.repository.tags.remove(tag);
        }
        let is_changed = !changed.is_empty() || vanished.iter().any(|tag| !going.contains(tag));
        if !changed.is_empty() {
            self.read(changed)?;
        }
        Ok(is_changed)
    }

    /// Reads tags and what they lead to, beside what was read before.
    fn read(&mut self, tags: Vec<String>) -> Result<()> {
        let (read, _) =
            read_tags(self.registry, &self.repository.name, tags.clone(), self.rules, &|_, _| ())?;
        for tag in tags {
            self.absent.remove(&tag);
            self.repository.tags.remove(&tag);
        }
        let Repository { tags, manifests, missing, .. } = read;
        self.repository.tags.extend(tags);
        self.repository.deleted.retain(|digest| !manifests.contains_key(digest));
        self.repository.manifests.extend(manifests);
        self.repository.missing.extend(missing);
        let Repository { manifests, missing, .. } = &mut self.repository;
        missing.retain(|digest| !manifests.contains_key(digest));
        Ok(())
    }
}
