//! `ImagePrune` (Q) and who uses what (C).

use std::collections::{BTreeMap, BTreeSet};

use crate::api::request;
use crate::api::service::{PruneText, RecordText, Returned};
use crate::base::cancel::{Cancel, Never};
use crate::base::error::{Error, Result};
use crate::document::filters::Filters;
use crate::document::oci::{Descriptor, View};
use crate::document::reference::Reference;
use crate::document::world::containerd::{ImageRecord, Labels, Lease};
use crate::go::time::Timestamp;

use super::Model;

/// The filters, read: dangling images only, the limits of `until`, and the checks.
type Request = (bool, Vec<Timestamp>, Vec<Check>);

/// One value of `label` or `label!`: the key, the value if it is asked for, and whether it must not be so.
type Check = (String, Option<String>, bool);

impl Model {
    /// `ImagePrune` with the raw `filters`. The candidates are visited as `order` has their names, and the others
    /// behind them in name order (K-5). `cancel` is asked before anything is done, before each record is held against
    /// the filters, and before each visit.
    pub fn prune(&mut self, filters: &str, order: &[String], cancel: &dyn Cancel) -> Returned<PruneText> {
        let mut visits = match self.request(filters).and_then(|request| self.choose(&request, cancel)) {
            Ok(candidates) => candidates,
            Err(error) => return Returned { report: None, error: Some(error) },
        };
        visits.sort_by_key(|image| order.iter().position(|name| *name == image.name).unwrap_or(order.len()));
        let (mut space_reclaimed, mut errors) = (0, Vec::new());
        for image in &visits {
            if cancel.is_cancelled() {
                errors.push(Error::cancelled(cancel.reason()));
                break;
            }
            errors.extend(self.prune_one(image, &mut space_reclaimed).err());
        }
        let images_deleted = Some(std::mem::take(&mut self.records)).filter(|records| !records.is_empty());
        let report = Some(PruneText { images_deleted, space_reclaimed });
        Returned { report, error: self.versions.join(errors.iter()) }
    }

    /// The names that a prune would visit, in their order.
    pub(crate) fn candidates(&self, filters: &str) -> Result<Vec<String>> {
        let candidates = self.clone().choose(&self.request(filters)?, &Never)?;
        Ok(candidates.into_iter().map(|image| image.name).collect())
    }

    /// All that can be wrong with the request, in moby's order.
    fn request(&self, filters: &str) -> Result<Request> {
        let filters = Filters::parse(filters, &self.semantics)?;
        filters.validate(&request::ACCEPTED, &self.semantics)?;
        let dangling_only = request::dangling_only(&filters, &self.semantics)?; // F-8
        let prefix = self.semantics.until_error_prefix;
        let refused = |error: Error| Error::new(error.class(), format!("{prefix}{error}"));
        let until = |value| request::until::parse(value, self.now, &self.semantics).map_err(refused);
        let until = filters.get("until").map(until).collect::<Result<_>>()?;
        let labels = filters.get("label").map(|value| check(value, false));
        let negated = filters.get("label!").map(|value| check(value, true));
        Ok((dangling_only, until, labels.chain(negated).collect::<Result<_>>()?))
    }

    /// The candidates in the order of their names.
    fn choose(&mut self, request: &Request, cancel: &dyn Cancel) -> Result<Vec<ImageRecord>> {
        let (dangling_only, until, checks) = request;
        if cancel.is_cancelled() {
            return Err(Error::cancelled(cancel.reason()));
        }
        //
        let count = self.world.leases.len();
        let is_pruned = |lease: &Lease| lease.labels.contains_key("moby/prune.images");
        while let Some(at) = self.world.leases.iter().position(is_pruned) {
            self.change()?;
            self.world.leases.remove(at);
        }
        if self.world.leases.len() < count {
            self.collect();
        }
        //
        let (mut names, mut candidates, mut has_gone) = (BTreeMap::new(), Vec::new(), false);
        for image in &self.world.images {
            *names.entry(image.target.digest).or_insert(0) += 1;
            if *dangling_only && !image.is_dangling() {
                continue;
            }
            // With checks the store is asked, which fails once the client has gone.
            has_gone = has_gone || cancel.is_cancelled();
            let is_old = until.iter().all(|limit| image.created_at < *limit);
            if is_old && (checks.is_empty() || !has_gone && self.matches(image, checks)) {
                candidates.push(image.clone());
            }
        }
        let (mut used, mut used_by_id) = (BTreeSet::new(), BTreeSet::new());
        for container in &self.world.containers {
            let (id, typed) = (container.image_id, container.image.as_str());
            used.insert(ImageRecord::dangling_name(id)); // C-1
            let digits = typed.strip_prefix("sha256:").unwrap_or(typed);
            if id.hex().starts_with(digits) || typed.ends_with(&format!("@{id}")) {
                used_by_id.insert(id); // C-2
            }
            // C-3
            if let Ok(named) = Reference::parse(typed, &self.semantics) {
                let without_digest = named.tag().filter(|_| named.is_canonical());
                used.extend(without_digest.map(|tag| format!("{}:{tag}", named.name())));
                used.insert(named.tag_name_only().to_string());
            }
        }
        candidates.retain(|image: &ImageRecord| !used.contains(&image.name));
        //
        candidates.retain(|image| {
            let left = names.entry(image.target.digest).or_insert(0);
            *left -= 1;
            *left > 0 || !used_by_id.contains(&image.target.digest)
        });
        Ok(candidates)
    }

    /// The first config that matches decides, and so does the first blob that does not decode.
    fn matches(&self, image: &ImageRecord, checks: &[Check]) -> bool {
        let holds = |labels: &Labels, (key, wanted, negate): &Check| match (wanted, labels.get(key)) {
            (None, label) => label.is_some() != *negate,
            (Some(_), None) => *negate && self.versions.absent_label_passes_negated_value,
            (Some(wanted), Some(value)) => (value == wanted) != *negate,
        };
        let mut matches = false;
        let _ = self.walk(&Descriptor::from(&image.target), &mut |descriptor| {
            if descriptor.is_config() && !matches {
                let labels = self.config(descriptor, View::Labels)?.labels.unwrap_or_default();
                matches = checks.iter().all(|check| holds(&labels, check));
            }
            let is_attestation = descriptor.is_manifest() && descriptor.is_attestation();
            Ok(!is_attestation || !self.versions.label_filters_skip_attestations)
        });
        matches
    }

    ///
    fn prune_one(&mut self, image: &ImageRecord, bytes: &mut u64) -> Result<()> {
        // 1, 2
        let mut snapshots = BTreeMap::new();
        let mut noted = self.walk(&Descriptor::from(&image.target), &mut |descriptor| {
            if descriptor.is_config() && self.versions.prune_decodes_configs {
                for chain in self.config(descriptor, View::Image)?.chain_ids() {
                    let size = self.world.snapshot(&chain).map_or(0, |snapshot| snapshot.size);
                    snapshots.insert(chain, size);
                }
            }
            Ok(true)
        })?;
        // 3
        if self.remove(&image.name)? {
            self.collect();
        }
        // 4
        let familiar = self.familiar(image);
        self.untagged(image, &familiar);
        // 5
        noted.retain(|descriptor| self.world.blob(&descriptor.digest).is_none());
        let documents = noted.iter().filter(|descriptor| descriptor.is_manifest() || descriptor.is_index());
        let deleted: Vec<_> = documents.map(|one| RecordText::Deleted(one.digest.clone())).collect();
        // 6
        snapshots.retain(|id, _| self.versions.snapshots_are_reclaimed && self.world.snapshot(id).is_none());
        let sizes = noted.iter().map(|descriptor| descriptor.size).chain(snapshots.into_values());
        *bytes = sizes.fold(*bytes, u64::wrapping_add_signed);
        // 7
        if !deleted.is_empty() {
            self.say("delete", image.target.digest, &familiar, Labels::new());
        }
        self.records.extend(deleted);
        Ok(())
    }
}

///
fn check(value: &str, negate: bool) -> Result<Check> {
    let (key, wanted) = value.split_once('=').map_or((value, None), |(key, value)| (key, Some(value)));
    let length = key.len() + wanted.map_or(0, str::len);
    if length > 4096 {
        let shown = String::from_utf8_lossy(key.as_bytes().get(..64).unwrap_or(key.as_bytes()));
        let text = format!("label key and value length ({length} bytes) greater than maximum size");
        let text = format!("{text} (4096 bytes), key: {shown}: invalid argument");
        return Err(Error::invalid_parameter(text));
    }
    let bare = key.strip_suffix('!');
    Ok((bare.unwrap_or(key).to_owned(), wanted.map(ToOwned::to_owned), negate != bare.is_some()))
}
