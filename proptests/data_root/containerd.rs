//! Roots that have containerd's image store, alone or beside a graph driver's.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use image_prune::data_root::{FileWarning, WarningKind};

use super::{Root, read};

const METADATA: &str = "containerd/daemon/io.containerd.metadata.v1.bolt/meta.db";
const BLOB: &str =
    "containerd/daemon/io.containerd.content.v1.content/blobs/sha256/5f70bf18a086007016e948b04aed3b82";
const SNAPSHOTS: &str = "containerd/daemon/io.containerd.snapshotter.v1.overlayfs/metadata.db";
const IDENTITIES: &str = "image/identity-cache.db";

fn make(root: &Path, files: &[&str]) {
    for name in files {
        let file = root.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "x").unwrap();
    }
}

/// Sets when a file or a folder changed: this many hours from now.
fn touch(path: &Path, hours: i64) {
    let hour = Duration::from_secs(3600) * u32::try_from(hours.abs()).unwrap();
    let time = if hours < 0 { SystemTime::now() - hour } else { SystemTime::now() + hour };
    File::open(path).unwrap().set_modified(time).unwrap();
}

fn two_stores(root: &Root) -> Option<FileWarning> {
    let mut warnings = root.read().warnings;
    warnings.retain(|warning| warning.kind == WarningKind::TwoImageStores);
    assert!(warnings.len() < 2);
    warnings.pop()
}

#[test]
fn of_two_stores_the_one_that_changed_last_is_told() {
    for (files, changed) in [
        (&[METADATA][..], METADATA),
        (&[METADATA, BLOB], Path::new(BLOB).parent().unwrap().to_str().unwrap()),
        (&[METADATA, BLOB, SNAPSHOTS], SNAPSHOTS),
        // Docker 29 with a containerd whose root is elsewhere.
        (&[IDENTITIES], IDENTITIES),
    ] {
        let root = Root::new();
        make(root.path(), files);
        for (hours, says) in [
            (1, "the daemon reads containerd's, and image/vfs, which is read here"),
            (-1, "the daemon reads image/vfs, which is read here"),
        ] {
            for name in files.iter().chain([&changed]).filter(|name| **name != changed) {
                touch(&root.path().join(name), -9);
            }
            touch(&root.path().join(changed), hours);
            if let Some(blobs) =
                root.path().join(BLOB).parent().filter(|blobs| blobs.exists() && changed == SNAPSHOTS)
            {
                touch(blobs, -9);
            }
            let warning = two_stores(&root).unwrap();
            assert!(warning.message.contains(says), "{files:?}: {warning}");
            assert!(warning.message.contains("changed"), "how it was decided: {warning}");
            assert_eq!(warning.path, root.path().join(changed), "{warning}");
        }
    }
}

/// A daemon that runs its own containerd has it keep its containers, whatever the image store.
#[test]
fn a_containerd_without_images_is_no_second_store() {
    let root = Root::new();
    make(root.path(), &[METADATA]);
    fs::create_dir_all(root.path().join("containerd/daemon/io.containerd.content.v1.content/ingest"))
        .unwrap();
    touch(&root.path().join(METADATA), 1);
    assert_eq!(two_stores(&root), None);
    assert_eq!(two_stores(&Root::new()), None);
}

#[test]
fn a_root_with_containerds_store_alone_is_refused() {
    for files in [
        // As 28.5 leaves it, and 29, which makes a file where folders of drivers would be.
        &["containers/.keep", METADATA, BLOB][..],
        &["containers/.keep", METADATA, BLOB, IDENTITIES],
        &["containers/.keep", IDENTITIES],
        &[IDENTITIES],
    ] {
        let root = tempfile::tempdir().unwrap();
        make(root.path(), files);
        let error = read(root.path()).unwrap_err();
        let text = error.to_string();
        assert!(error.is_not_found() && text.contains("the containerd image store"), "{files:?}: {text}");
        assert!(text.contains("docker system df"), "what to do next: {text}");
    }
}
