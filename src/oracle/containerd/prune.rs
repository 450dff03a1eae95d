//! `ImagePrune` (Q) and who uses what (C).

use std::collections::{BTreeMap, BTreeSet};

use crate::api::record::RecordText;
use crate::api::request;
use crate::api::service::Returned;
use crate::base::error::{Error, Result};
use crate::document::filters::Filters;
use crate::document::oci::{Descriptor, View, is_config, is_index, is_manifest};
use crate::document::reference::Reference;
use crate::document::world::containerd::{ImageRecord, Labels, Lease};
use crate::go::time::{Now, Timestamp};

use super::{Model, dangling_name, is_dangling};

/// When the client goes away. From then on every call of the store fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancellation {
    /// It stays.
    Never,
    /// Before anything is done.
    AtOnce,
    /// When so many records have been held against the filters.
    AfterConsidered(usize),
    /// When the loop has visited so many candidates.
    AfterVisited(usize),
}

/// What a prune did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pruned {
    /// What went, step by step.
    pub records: Vec<RecordText>,
    /// Bytes.
    pub space_reclaimed: u64,
}

/// The filters, read: dangling images only, the limits of `until`, and the checks.
type Request = (bool, Vec<Timestamp>, Vec<Check>);

/// One value of `label` or `label!`: the key, the value if it is asked for, and whether it must not be so.
type Check = (String, Option<String>, bool);

impl Model {
    /// `ImagePrune` with the raw `filters`. The candidates are visited as `order` has their names, and the others
    /// behind them in name order (K-5).
    pub fn prune(
        &mut self,
        filters: &str,
        now: Now,
        order: &[String],
        cancellation: Cancellation,
    ) -> Returned<Pruned> {
        self.records.clear();
        match self.prune_all(filters, now, order, cancellation) {
            Err(error) => Returned { report: None, error: Some(error) },
            Ok((space_reclaimed, errors)) => {
                let records = std::mem::take(&mut self.records);
                let error = self.versions.join(errors.iter());
                Returned { report: Some(Pruned { records, space_reclaimed }), error }
            }
        }
    }

    /// The bytes, and the errors of single records.
    fn prune_all(
        &mut self,
        filters: &str,
        now: Now,
        order: &[String],
        cancellation: Cancellation,
    ) -> Result<(u64, Vec<Error>)> {
        let cancelled = || Error::cancelled("context canceled");
        let request = self.request(filters, now)?;
        if cancellation == Cancellation::AtOnce {
            return Err(cancelled());
        }
        let (mut candidates, has_gone) = self.choose(&request, now, cancellation)?;
        let mut visits: Vec<ImageRecord> = order.iter().filter_map(|name| candidates.remove(name)).collect();
        visits.extend(candidates.into_values());
        let (mut bytes, mut errors) = (0, Vec::new());
        for (visited, image) in visits.iter().enumerate() {
            if has_gone || cancellation == Cancellation::AfterVisited(visited) {
                errors.push(cancelled());
                break;
            }
            errors.extend(self.prune_one(image, now, &mut bytes).err());
        }
        Ok((bytes, errors))
    }

    /// The names that a prune would visit, in their order.
    ///
    /// # Errors
    ///
    /// What is wrong with the filters.
    pub fn candidates(&self, filters: &str, now: Now) -> Result<Vec<String>> {
        let request = self.request(filters, now)?;
        Ok(self.clone().choose(&request, now, Cancellation::Never)?.0.into_keys().collect())
    }

    /// All that can be wrong with the request, in moby's order.
    fn request(&self, filters: &str, now: Now) -> Result<Request> {
        let filters = Filters::parse(filters, &self.semantics)?;
        filters.validate(&request::ACCEPTED, &self.semantics)?;
        let dangling_only = request::dangling_only(&filters, &self.semantics)?; // F-8
        //
        let prefix = self.semantics.until_error_prefix;
        let refused = |error: Error| Error::new(error.class(), format!("{prefix}{error}"));
        let until = |value| request::until::parse(value, now, &self.semantics).map_err(refused);
        let until = filters.get("until").map(until).collect::<Result<_>>()?;
        let labels = filters.get("label").map(|value| check(value, false));
        let negated = filters.get("label!").map(|value| check(value, true));
        Ok((dangling_only, until, labels.chain(negated).collect::<Result<_>>()?))
    }

    /// C-1 to C-3; and whether the client has gone by now.
    fn choose(
        &mut self,
        (dangling_only, until, checks): &Request,
        now: Now,
        cancellation: Cancellation,
    ) -> Result<(BTreeMap<String, ImageRecord>, bool)> {
        //
        let is_pruned = |lease: &&Lease| lease.labels.contains_key("moby/prune.images");
        let leases = self.world.leases.iter().filter(is_pruned);
        let leases: BTreeSet<String> = leases.map(|lease| lease.id.clone()).collect();
        for id in &leases {
            self.change()?;
            self.world.leases.retain(|lease| lease.id != *id);
        }
        if !leases.is_empty() {
            self.collect(now);
        }
        let (mut count, mut candidates, mut considered) = (BTreeMap::new(), BTreeMap::new(), 0);
        let is_cancelled = |considered| cancellation == Cancellation::AfterConsidered(considered);
        let mut has_gone = is_cancelled(0);
        for image in &self.world.images {
            *count.entry(image.target.digest).or_insert(0) += 1;
            if *dangling_only && !is_dangling(image) {
                continue;
            }
            // With checks the store is asked, which fails once the client has gone.
            if until.iter().all(|limit| image.created_at < *limit)
                && (checks.is_empty() || !has_gone && self.matches(image, checks))
            {
                candidates.insert(image.name.clone(), image.clone());
            }
            considered += 1;
            has_gone |= is_cancelled(considered);
        }
        let mut used_by_id = BTreeSet::new();
        for container in &self.world.containers {
            let (id, typed) = (container.image_id, container.image.as_str());
            candidates.remove(&dangling_name(id)); // C-1
            let digits = typed.strip_prefix("sha256:").unwrap_or(typed);
            if id.hex().starts_with(digits) || typed.ends_with(&format!("@{id}")) {
                used_by_id.insert(id); // C-2
            }
            if let Ok(reference) = Reference::parse(typed, &self.semantics) {
                if let (Some(tag), true) = (reference.tag(), reference.is_canonical()) {
                    candidates.remove(&format!("{}:{tag}", reference.name())); // C-3
                }
                candidates.remove(reference.tag_name_only().as_str()); // C-3
            }
        }
        candidates.retain(|_, image: &mut ImageRecord| match count.get_mut(&image.target.digest) {
            Some(left) if *left > 1 => {
                *left -= 1;
                true
            }
            _ => !used_by_id.contains(&image.target.digest),
        });
        Ok((candidates, has_gone))
    }

    /// The first config that matches decides, and so does the first blob that does not decode.
    fn matches(&self, image: &ImageRecord, checks: &[Check]) -> bool {
        let is_attestation = |descriptor: &Descriptor| {
            self.versions.label_filters_skip_attestations
                && is_manifest(&descriptor.media_type)
                && descriptor.annotations.contains_key("vnd.docker.reference.type")
        };
        let (visited, _) = self.walk(Descriptor::from(&image.target), is_attestation);
        for descriptor in visited.iter().filter(|descriptor| is_config(&descriptor.media_type)) {
            let (config, Ok(())) = self.config(descriptor, View::Labels) else { return false };
            let labels = config.labels.unwrap_or_default();
            let holds = |(key, wanted, negate): &Check| match (wanted, labels.get(key)) {
                (None, label) => label.is_some() != *negate,
                (Some(_), None) => *negate && self.versions.absent_label_passes_negated_value,
                (Some(wanted), Some(value)) => (value == wanted) != *negate,
            };
            if checks.iter().all(holds) {
                return true;
            }
        }
        false
    }

    ///
    fn prune_one(&mut self, image: &ImageRecord, now: Now, bytes: &mut u64) -> Result<()> {
        // 1, 2
        let (visited, end) = self.walk(Descriptor::from(&image.target), |_| false);
        let mut snapshots = BTreeMap::new();
        if self.versions.prune_decodes_configs {
            for descriptor in visited.iter().filter(|descriptor| is_config(&descriptor.media_type)) {
                let (config, decoded) = self.config(descriptor, View::Image);
                decoded?;
                for chain in config.chain_ids() {
                    let size = self.snapshot(&chain).map_or(0, |snapshot| snapshot.size);
                    snapshots.insert(chain, size);
                }
            }
        }
        end?;
        // 3
        self.remove(&image.name, Some(now))?;
        // 4
        let familiar = self.familiar(image);
        self.untagged(image, &familiar);
        // 5
        let before = self.records.len();
        for Descriptor { media_type, digest, size, .. } in &visited {
            if self.blob(digest).is_some() {
                continue;
            }
            if is_manifest(media_type) || is_index(media_type) {
                self.records.push(RecordText::Deleted(digest.clone()));
            }
            *bytes = bytes.wrapping_add_signed(*size);
        }
        // 6
        if self.versions.snapshots_are_reclaimed {
            for (_, size) in snapshots.iter().filter(|(chain, _)| self.snapshot(chain).is_none()) {
                *bytes = bytes.wrapping_add_signed(*size);
            }
        }
        // 7
        if self.records.len() > before {
            self.say("delete", image.target.digest, &familiar, Labels::new());
        }
        Ok(())
    }
}

///
fn check(value: &str, negate: bool) -> Result<Check> {
    let (key, wanted) = value.split_once('=').map_or((value, None), |(key, value)| (key, Some(value)));
    let length = key.len() + wanted.map_or(0, str::len);
    if length > 4096 {
        let shown = String::from_utf8_lossy(key.as_bytes().get(..64).unwrap_or(key.as_bytes()));
        let text =
            format!("label key and value length ({length} bytes) greater than maximum size (4096 bytes)");
        return Err(Error::invalid_parameter(format!("{text}, key: {shown}: invalid argument")));
    }
    let (key, flips) = key.strip_suffix('!').map_or((key, false), |key| (key, true));
    Ok((key.to_owned(), wanted.map(ToOwned::to_owned), negate != flips))
}
