//! Whether an update fits on the disk.
