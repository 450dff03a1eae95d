//! Volumes: how large, how full, and how full they may get.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::base::error::{Error, Result};

/// A mounted file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// A folder on it.
    pub path: PathBuf,
    /// Its size in bytes.
    pub capacity: u64,
    /// The bytes that an unprivileged user may still write.
    pub available: u64,
    /// The size of a block: files take whole ones.
    pub block: u64,
    /// The inodes that an unprivileged user may still use; `None` where the file system makes them as needed.
    pub inodes: Option<u64>,
    /// The device, equal for folders on the same volume.
    pub device: u64,
}

/// How full a volume may get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// In percent of the capacity.
    pub watermark: u8,
    /// Bytes that must stay available.
    pub min_free: u64,
}

impl Default for Policy {
    /// Four fifths.
    fn default() -> Self {
        Self { watermark: 80, min_free: 0 }
    }
}

impl Volume {
    /// The volume of a folder; of the nearest folder above, where it does not exist yet.
    ///
    /// # Errors
    ///
    /// The system does not say.
    pub fn of(path: &Path) -> Result<Self> {
        let wrong = |error: std::io::Error| Error::system(format!("{}: {error}", path.display()));
        let whole = std::path::absolute(path).map_err(wrong)?;
        let is_there = |folder: &&Path| folder.exists();
        let folder = whole.ancestors().find(is_there).unwrap_or(Path::new("/"));
        let device = fs::metadata(folder).map_err(wrong)?.dev();
        let stat = rustix::fs::statvfs(folder).map_err(|error| wrong(error.into()))?;
        let block = stat.f_frsize.max(1);
        Ok(Self {
            path: path.to_owned(),
            capacity: stat.f_blocks.saturating_mul(block),
            available: stat.f_bavail.saturating_mul(block),
            block,
            inodes: (stat.f_files > 0).then_some(stat.f_favail),
            device,
        })
    }

    /// The bytes that may be added under a policy. What root alone may use counts as used. Never below zero,
    /// however full it is.
    #[must_use]
    pub fn allowed(&self, policy: Policy) -> u64 {
        let used = self.capacity.saturating_sub(self.available);
        let limit = u128::from(self.capacity) * u128::from(policy.watermark.min(100)) / 100;
        let below_mark = u64::try_from(limit).unwrap_or(u64::MAX).saturating_sub(used);
        below_mark.min(self.available.saturating_sub(policy.min_free))
    }

    /// The bytes that have to be freed before `needed` more fit; more than what is missing, where the volume is
    /// fuller already than it may be.
    #[must_use]
    pub fn shortfall(&self, policy: Policy, needed: u64) -> u64 {
        if needed <= self.allowed(policy) {
            return 0;
        }
        let used = u128::from(self.capacity.saturating_sub(self.available));
        let limit = u128::from(self.capacity) * u128::from(policy.watermark.min(100)) / 100;
        let above_mark = (used + u128::from(needed)).saturating_sub(limit);
        let below_min =
            (u128::from(needed) + u128::from(policy.min_free)).saturating_sub(self.available.into());
        u64::try_from(above_mark.max(below_min)).unwrap_or(u64::MAX)
    }

    /// `bytes` in whole blocks.
    #[must_use]
    pub fn round(&self, bytes: u64) -> u64 {
        bytes.checked_next_multiple_of(self.block.max(1)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(capacity: u64, available: u64) -> Volume {
        Volume { path: PathBuf::new(), capacity, available, block: 4096, inodes: None, device: 0 }
    }

    #[test]
    fn nothing_wraps() {
        let policy = |watermark, min_free| Policy { watermark, min_free };
        for (capacity, available, watermark, min_free, allowed) in [
            (100, 50, 80, 0, 30),
            (100, 50, 100, 0, 50),
            (100, 50, 100, 20, 30),
            (100, 20, 80, 0, 0),
            (100, 19, 80, 0, 0),
            (100, 0, 80, 0, 0),
            (100, 50, 80, 51, 0),
            (100, 50, 0, 0, 0),
            (100, 50, 255, 0, 50),
            // Odd file systems, and odd overrides.
            (0, 0, 80, 0, 0),
            (0, u64::MAX, 80, 0, 0),
            (u64::MAX, u64::MAX, 100, 0, u64::MAX),
            (u64::MAX, 1, 100, u64::MAX, 0),
        ] {
            let found = volume(capacity, available).allowed(policy(watermark, min_free));
            assert_eq!(found, allowed, "{capacity} {available} {watermark} {min_free}");
        }
        assert_eq!([0, 1, 4096, 4097].map(|bytes| volume(1, 1).round(bytes)), [0, 4096, 4096, 8192]);
        assert_eq!(volume(1, 1).round(u64::MAX), u64::MAX);
        assert_eq!(Volume { block: 0, ..volume(1, 1) }.round(7), 7);
    }

    #[test]
    fn freeing_the_shortfall_is_enough_and_no_byte_less_is() {
        for available in [0, 5, 19, 20, 21, 50, 100] {
            for (watermark, min_free) in [(80, 0), (80, 30), (100, 0), (100, 7), (50, 0)] {
                let policy = Policy { watermark, min_free };
                for needed in 0..=40 {
                    let short = volume(100, available).shortfall(policy, needed);
                    let after =
                        |freed: u64| volume(100, available.saturating_add(freed)).allowed(policy) >= needed;
                    let what = format!("{available} {watermark} {min_free} {needed}: {short}");
                    // More than everything cannot be freed.
                    assert!(short > 100 - available || after(short), "{what}");
                    assert!(short == 0 || !after(short - 1), "{what}");
                }
            }
        }
        let full = volume(u64::MAX, 0).shortfall(Policy { watermark: 0, min_free: u64::MAX }, u64::MAX);
        assert_eq!(full, u64::MAX);
    }

    #[test]
    fn folders_that_do_not_exist_yet_are_on_the_volume_above() -> Result<()> {
        let (there, not_yet) = (Volume::of(Path::new("/"))?, Volume::of(Path::new("/no/such/folder"))?);
        assert_eq!((there.capacity, there.device), (not_yet.capacity, not_yet.device));
        assert_eq!(not_yet.path, Path::new("/no/such/folder"));
        Ok(())
    }
}
