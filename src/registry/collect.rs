//! From a registry to an [`Inventory`].

use std::collections::{BTreeMap, BTreeSet};

use chrono::DateTime;
use serde::Deserialize;

use super::client::{CONFIG_SIZE, Fetched, Registry};
use super::inventory::{Entry, Inventory, Pointer, Repository, subject_in};
use super::rules::Rules;
use crate::base::created::says_when;
use crate::base::digest::Digest;
use crate::base::error::{Error, Result};
use crate::base::few;
use crate::base::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::document::manifest::{Descriptor, Manifest};

/// How many requests are under way at a time.
const WORKERS: usize = 8;
/// How deep indexes may list indexes.
const DEPTH: usize = 8;
/// How many manifests the indexes of a repository may list; each is a request.
const LISTED: usize = 200_000;
/// How many bytes the manifests of a repository may have together; they stay in memory.
const READ_BYTES: u64 = 1 << 30;

/// Called with the number of tags read and known, from several threads.
pub type Progress<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// Reads what the rules are about; with `others` all other repositories, too, whose images may need the same
/// layers.
///
/// # Errors
///
/// A list cannot be read as a whole, or the registry refuses us. A repository that does not exist is a note.
pub fn collect(
    registry: &Registry,
    rules: &Rules,
    others: bool,
    progress: Progress<'_>,
) -> Result<Inventory> {
    let mut inventory = Inventory { is_whole: others, ..Inventory::default() };
    let is_asked = others || rules.needs_catalog();
    let listed = match is_asked.then(|| registry.repositories()).transpose() {
        Ok(catalog) => catalog.unwrap_or_default(),
        Err(error) if rules.needs_catalog() => {
            let why = format!("{error}; without it, rules need the full names of repositories");
            return Err(error.reworded(why));
        }
        Err(error) => {
            inventory.is_whole = false;
            let why = format!("{error}: layers that other repositories need may be counted as freed");
            inventory.notes.push(why);
            BTreeSet::new()
        }
    };
    let mut names = rules.named_repositories();
    names.extend(listed.iter().filter(|name| others || rules.concern(name)).cloned());

    for name in names {
        let is_concerned = rules.concern(&name);
        let read = read_repository(registry, &name, rules, progress);
        match read {
            Ok(Some((repository, notes))) => {
                inventory.notes.extend(notes);
                inventory.repositories.push(repository);
            }
            Ok(None) if is_concerned => {
                inventory.notes.push(format!("repository `{name}` does not exist"));
            }
            Ok(None) => {}
            Err(error) if is_concerned => return Err(error),
            Err(error) => {
                inventory.is_whole = false;
                inventory.notes.push(format!("{error}: layers that it needs may be counted as freed"));
            }
        }
    }
    let unreadable = |entry: &Entry| matches!(entry, Entry::Unreadable { .. });
    let unknown = |pointer: &Pointer| matches!(pointer, Pointer::Unknown { .. });
    let is_blind = |repository: &Repository| {
        repository.manifests.values().any(unreadable) || repository.tags.values().any(unknown)
    };
    if inventory.repositories.iter().any(is_blind) {
        inventory.is_whole = false;
        inventory.notes.push("layers that unreadable manifests need may be counted as freed".to_owned());
    }
    note_missing_revisions(rules, &mut inventory);
    Ok(inventory)
}

/// One repository and notes about it; none where it does not exist.
pub(super) fn read_repository(
    registry: &Registry,
    name: &str,
    rules: &Rules,
    progress: Progress<'_>,
) -> Result<Option<(Repository, Vec<String>)>> {
    let Some(tags) = registry.tags(name)? else { return Ok(None) };
    read_tags(registry, name, tags.into_iter().collect(), rules, progress).map(Some)
}

/// These tags of a repository, what they lead to, and notes about them.
pub(super) fn read_tags(
    registry: &Registry,
    name: &str,
    tags: Vec<String>,
    rules: &Rules,
    progress: Progress<'_>,
) -> Result<(Repository, Vec<String>)> {
    let bytes = AtomicU64::new(0);
    let fetched =
        parallel(&tags, progress, |tag| within(&bytes, READ_BYTES, None, || registry.manifest(name, tag)))?;

    let mut repository = Repository { name: name.to_owned(), ..Repository::default() };
    let mut absent = Vec::new();
    for (tag, fetched) in tags.into_iter().zip(fetched) {
        let pointer = match fetched {
            Fetched::Missing => {
                absent.push(format!("`{name}:{tag}` is listed and does not exist"));
                continue;
            }
            Fetched::Read(content) => {
                let digest = content.digest;
                repository.manifests.insert(digest, Entry::of(*content));
                Pointer::To(digest)
            }
            Fetched::Unreadable { why, digest: Some(digest), may_list } => {
                repository.manifests.entry(digest).or_insert(Entry::Unreadable { why, may_list });
                Pointer::To(digest)
            }
            Fetched::Unreadable { why, digest: None, .. } => Pointer::Unknown { why },
        };
        repository.tags.insert(tag, pointer);
    }
    read_related(registry, &mut repository, &bytes, rules.concern(name))?;
    if rules.need_dates(name) {
        read_dates(registry, &mut repository)?;
    }
    let more = |more| format!("{more} more tags of `{name}` are listed and do not exist");
    Ok((repository, few::first(absent, more)))
}

/// Reads a manifest and counts its bytes, up to a limit. What is beyond counts as unreadable, so that nothing goes that it may
/// need.
fn within(
    bytes: &AtomicU64,
    limit: u64,
    digest: Option<Digest>,
    read: impl FnOnce() -> Result<Fetched>,
) -> Result<Fetched> {
    if bytes.load(Ordering::Relaxed) > limit {
        let why = format!("the manifests of this repository have more than {limit} bytes");
        return Ok(Fetched::Unreadable { why, digest, may_list: true });
    }
    let fetched = read()?;
    if let Fetched::Read(content) = &fetched {
        bytes.fetch_add(content.size, Ordering::Relaxed);
    }
    Ok(fetched)
}

/// What indexes list, and what signatures and the like are about, level by level. A platform that was never pushed is no
/// fault. What lies beyond the limits counts as unreadable, so that nothing goes that it may need.
fn read_related(
    registry: &Registry,
    repository: &mut Repository,
    bytes: &AtomicU64,
    asks_for_referrers: bool,
) -> Result<()> {
    let mut asked: BTreeSet<Digest> = repository.manifests.keys().copied().collect();
    let mut parents: Vec<Digest> = asked.iter().copied().collect();
    let mut named: Vec<Digest> = repository.tags.keys().filter_map(|tag| subject_in(tag)).collect();
    let mut has_referrers = asks_for_referrers;
    let mut listed = 0;
    for depth in 1.. {
        let entries = parents.iter().filter_map(|parent| repository.manifests.get(parent));
        let referrers = referrers(registry, &repository.name, &parents, &mut has_referrers)?;
        let related = entries
            .filter_map(Entry::manifest)
            .flat_map(|manifest| manifest.children().chain(&manifest.subject))
            .map(|related| related.digest)
            .chain(named.drain(..))
            .chain(referrers);
        let children: BTreeSet<Digest> = related.filter(|child| !asked.contains(child)).collect();
        let children: Vec<Digest> = children.into_iter().collect();
        if children.is_empty() {
            break;
        }
        listed += children.len();
        let beyond = match () {
            () if depth > DEPTH => Some(format!("indexes in indexes, more than {DEPTH} deep")),
            () if listed > LISTED => Some(format!("indexes that list more than {LISTED} manifests")),
            () => None,
        };
        let name = &repository.name;
        let fetched = parallel(&children, &|_, _| (), |child| {
            if let Some(why) = &beyond {
                return Ok(Fetched::Unreadable { why: why.clone(), digest: Some(*child), may_list: true });
            }
            within(bytes, READ_BYTES, Some(*child), || registry.manifest(name, &child.to_string()))
        })?;
        for (child, fetched) in children.iter().zip(fetched) {
            asked.insert(*child);
            let entry = match fetched {
                Fetched::Missing => {
                    repository.missing.insert(*child);
                    continue;
                }
                Fetched::Read(content) => Entry::of(*content),
                Fetched::Unreadable { why, may_list, .. } => Entry::Unreadable { why, may_list },
            };
            repository.manifests.insert(*child, entry);
        }
        parents = children;
    }
    Ok(())
}

/// What is about any of `subjects`, as far as the registry `has_referrers` to tell of. It is asked for one first.
fn referrers(
    registry: &Registry,
    name: &str,
    subjects: &[Digest],
    has_referrers: &mut bool,
) -> Result<Vec<Digest>> {
    let Some((first, others)) = subjects.split_first().filter(|_| *has_referrers) else {
        return Ok(Vec::new());
    };
    let Some(mut found) = registry.referrers(name, *first)? else {
        *has_referrers = false;
        return Ok(Vec::new());
    };
    let rest = parallel(others, &|_, _| (), |subject| registry.referrers(name, *subject))?;
    found.extend(rest.into_iter().flatten().flatten());
    Ok(found)
}

/// The age of images, from their configs; of an index, that of its newest image.
fn read_dates(registry: &Registry, repository: &mut Repository) -> Result<()> {
    let configs: BTreeSet<Digest> = repository.manifests.values().filter_map(config_of).collect();
    let configs: Vec<Digest> = configs.into_iter().collect();
    let name = repository.name.clone();
    let dates = parallel(&configs, &|_, _| (), |config| {
        // What cannot be read has no date, and stays.
        let text = registry.blob(&name, *config, CONFIG_SIZE).ok().flatten();
        Ok(text.and_then(|text| created(&text)))
    })?;
    let dates: BTreeMap<Digest, i64> =
        configs.into_iter().zip(dates).filter_map(|(config, date)| Some((config, date?))).collect();
    let date = |config: &Descriptor| dates.get(&config.digest).copied();
    let date_of = |entry: &Entry| match entry {
        Entry::Read { manifest, .. } => manifest.config.as_ref().and_then(date),
        Entry::Unreadable { .. } => None,
    };
    let images: BTreeMap<Digest, i64> =
        repository.manifests.iter().filter_map(|(digest, entry)| Some((*digest, date_of(entry)?))).collect();
    for entry in repository.manifests.values_mut() {
        if let Entry::Read { manifest, created, .. } = entry {
            *created = match &manifest.config {
                Some(config) => date(config),
                None => newest(manifest, &images),
            };
        }
    }
    Ok(())
}

fn config_of(entry: &Entry) -> Option<Digest> {
    match entry {
        Entry::Read { manifest, .. } => manifest.config.as_ref().map(|config| config.digest),
        Entry::Unreadable { .. } => None,
    }
}

/// The age of an index; none where that of one of its images is unknown. Attestations are no images.
fn newest(index: &Manifest, images: &BTreeMap<Digest, i64>) -> Option<i64> {
    let is_image = |listed: &&Descriptor| {
        listed.platform.as_ref().is_none_or(|platform| platform.architecture != "unknown")
    };
    let dates = index.children().filter(is_image).map(|listed| images.get(&listed.digest).copied());
    dates.collect::<Option<Vec<i64>>>()?.into_iter().max()
}

/// When a config says that its image was made. The dates that reproducible builds write are none.
fn created(config: &[u8]) -> Option<i64> {
    #[derive(Deserialize)]
    struct Config {
        created: Option<String>,
    }
    let config: Config = serde_json::from_slice(config).ok()?;
    let created = DateTime::parse_from_rfc3339(&config.created?).ok()?.timestamp();
    // Those that are yet to come are left to the plan, which is told the time.
    says_when(created, i64::MAX).then_some(created)
}

/// Tells of revisions that are to be kept and are not there: a slip of the pen would otherwise cost an image.
fn note_missing_revisions(rules: &Rules, inventory: &mut Inventory) {
    let has = |(name, tag): &(String, String)| {
        let repository = inventory.repositories.iter().find(|repository| repository.name == *name);
        repository.is_some_and(|repository| repository.tags.contains_key(tag))
    };
    let missing = rules.retained().filter(|(id, revision)| !rules.names_of(id, revision).iter().any(has));
    let notes: Vec<String> =
        missing.map(|(id, revision)| format!("no tag is revision {revision} of environment {id}")).collect();
    inventory.notes.extend(notes);
}

/// Does something for each item, several at a time; in their order, or the first error.
pub(super) fn parallel<T: Sync, U: Send>(
    items: &[T],
    progress: Progress<'_>,
    work: impl Fn(&T) -> Result<U> + Sync,
) -> Result<Vec<U>> {
    let (next, done, is_over) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let worker = || {
        let mut results = Vec::new();
        while is_over.load(Ordering::Relaxed) == 0 {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(place) else { break };
            let result = work(item);
            if result.is_err() {
                is_over.store(1, Ordering::Relaxed);
            }
            results.push((place, result));
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, items.len());
        }
        results
    };
    let mut results: Vec<(usize, Result<U>)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS.min(items.len())).map(|_| scope.spawn(worker)).collect();
        let joined = workers.into_iter().map(|worker| worker.join().unwrap_or_else(|_| lost()));
        joined.flatten().collect()
    });
    results.sort_by_key(|(place, _)| *place);
    results.into_iter().map(|(_, result)| result).collect()
}

/// What a thread leaves that panicked; nothing here does.
fn lost<U>() -> Vec<(usize, Result<U>)> {
    vec![(0, Err(Error::system("a thread was lost while the registry was read")))]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;
    use crate::registry::client::Content;

    #[test]
    fn dates_that_say_nothing() {
        for (config, date) in [
            (r#"{"created":"2024-01-01T00:00:00+01:00"}"#, Some(1_704_063_600)),
            (r#"{"created":"1970-01-01T00:00:00Z"}"#, None),
            (r#"{"created":"1980-01-01T00:00:01Z"}"#, None),
            (r#"{"created":"1980-01-02T00:00:00Z"}"#, Some(315_619_200)),
            (r#"{"created":"0001-01-01T00:00:00Z"}"#, None),
            (r#"{"created":null}"#, None),
            (r#"{"created":"yesterday"}"#, None),
            ("{}", None),
            ("", None),
        ] {
            assert_eq!(created(config.as_bytes()), date, "{config}");
        }
    }

    #[test]
    fn manifests_are_read_up_to_a_limit() {
        let bytes = AtomicU64::new(0);
        let digest = Digest::of(b"x");
        let manifest = Manifest::parse(br#"{"schemaVersion":2,"layers":[]}"#).unwrap();
        let content = Content { digest, size: 600, manifest };
        let mut reads = 0;
        for is_read in [true, true, false, false] {
            let fetched = within(&bytes, 1000, None, || {
                reads += 1;
                Ok(Fetched::Read(Box::new(content.clone())))
            });
            let is_unknown =
                |fetched| matches!(fetched, Fetched::Unreadable { digest: None, may_list: true, .. });
            assert_eq!(is_unknown(fetched.unwrap()), !is_read);
        }
        assert_eq!(reads, 2);
    }

    #[test]
    fn results_keep_their_order() {
        let items: Vec<usize> = (0..100).collect();
        let doubled = parallel(&items, &|_, _| (), |item| Ok(item * 2)).unwrap();
        assert_eq!(doubled, (0..100).map(|item| item * 2).collect::<Vec<_>>());
        let failing = |item: &usize| if *item == 50 { Err(Error::system("fifty")) } else { Ok(()) };
        assert_eq!(parallel(&items, &|_, _| (), failing).unwrap_err().to_string(), "fifty");
    }
}
