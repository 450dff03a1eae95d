//! Volumes of a known size.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// A tmpfs, unmounted in the end.
pub struct Mount(pub TempDir);

impl Mount {
    /// None where we may not mount.
    pub fn new(size: &str) -> Option<Self> {
        Self::with(&format!("size={size}"))
    }

    /// With options of tmpfs.
    pub fn with(options: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(folder.path()).output();
        if !mounted.is_ok_and(|done| done.status.success()) {
            println!("skipped: no tmpfs can be mounted here");
            return None;
        }
        Some(Self(folder))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}
