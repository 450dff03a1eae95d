//! Recorded containerd roots of real daemons: every file is read, and what the daemon listed is there.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use image_prune::Digest;
use image_prune::data_root::containerd::{self, Options, Reading};
use serde_json::Value;

/// The recordings of one version, unpacked for as long as the folder lives.
fn recordings(profile: &str) -> (tempfile::TempDir, Vec<PathBuf>) {
    let unpacked = tempfile::tempdir().unwrap();
    let archive = File::open(format!("testdata/vectors/{profile}/daemon.tar.gz")).unwrap();
    tar::Archive::new(GzDecoder::new(archive)).unpack(unpacked.path()).unwrap();
    let mut recordings: Vec<PathBuf> =
        fs::read_dir(unpacked.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    recordings.sort();
    assert_eq!(recordings.len(), 53, "recordings of {profile}");
    (unpacked, recordings)
}

fn read(recording: &Path) -> image_prune::Result<Reading> {
    let containerd_root = Some(recording.join("root/containerd"));
    containerd::read(&recording.join("root/docker"), &Options { containerd_root, ..Options::default() })
}

fn texts(value: &Value) -> BTreeSet<String> {
    value.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_recorded_root_of_29_is_read() {
    every_recorded_root_is_read("moby-29-containerd", "overlayfs");
}

#[test]
fn every_recorded_root_of_28_5_is_read() {
    every_recorded_root_is_read("moby-28.5-containerd", "native");
}

fn every_recorded_root_is_read(profile: &str, snapshotter: &str) {
    let (_unpacked, recordings) = recordings(profile);
    let (mut names, mut containers) = (0, 0);
    for recording in recordings {
        let reading = read(&recording).unwrap_or_else(|error| panic!("{}: {error}", recording.display()));
        assert_eq!(reading.warnings, [], "{}", recording.display());
        let world = &reading.world;
        let observed: Value =
            serde_json::from_slice(&fs::read(recording.join("observed.json")).unwrap()).unwrap();
        let listed: BTreeSet<String> = observed["before"]["images"]
            .as_array()
            .unwrap()
            .iter()
            .map(|image| image["Id"].as_str().unwrap().to_owned())
            .collect();
        let read: BTreeSet<String> =
            world.images.iter().map(|image| image.target.digest.to_string()).collect();
        assert_eq!(read, listed, "{}", recording.display());
        // A prune takes away and adds nothing, so that whatever it left was there before.
        let after = &observed["store_after"];
        let is_there = |left: &Value, there: BTreeSet<String>, what: &str| {
            let missing: Vec<String> = texts(left).difference(&there).cloned().collect();
            assert!(missing.is_empty(), "{}: {what} {missing:?}", recording.display());
        };
        is_there(&after["images"], world.images.iter().map(|image| image.name.clone()).collect(), "names");
        is_there(
            &after["blobs"],
            world.blobs.iter().map(|blob| blob.digest.to_string()).collect(),
            "content",
        );
        is_there(
            &after["snapshots"],
            world.snapshots.iter().map(|one| one.key.clone()).collect(),
            "snapshots",
        );
        is_there(&after["leases"], world.leases.iter().map(|lease| lease.id.clone()).collect(), "leases");
        assert!(
            world.blobs.iter().all(|blob| blob.raw.as_ref().is_none_or(|raw| Digest::of(raw) == blob.digest))
        );
        let mut seen = BTreeSet::new();
        for snapshot in &world.snapshots {
            assert!(
                snapshot.parent.as_ref().is_none_or(|parent| seen.contains(parent)),
                "parents come first"
            );
            seen.insert(snapshot.key.clone());
            assert!(snapshot.active || snapshot.size > 0, "{}: {snapshot:?}", recording.display());
        }
        assert_eq!(world.snapshotter, snapshotter);
        names += world.images.len();
        containers += world.containers.len();
    }
    assert!(names > 200 && containers > 20, "{names} names, {containers} containers");
}

/// A database in any state of damage is an error that names it, or is read; it never panics or hangs.
#[test]
fn damaged_databases_are_told() {
    let (_unpacked, recordings) = recordings("moby-29-containerd");
    let recording = &recordings[0];
    let path = recording.join("root/containerd/io.containerd.metadata.v1.bolt/meta.db");
    let whole = fs::read(&path).unwrap();
    let mut told = 0;
    for step in 0..400_usize {
        let mut damaged = whole.clone();
        if step % 4 == 0 {
            damaged.truncate(whole.len() / 100 * (step / 4));
        } else {
            // Multiples of a prime come everywhere; within pages that are in use something breaks.
            let at = step * 104_729 % whole.len();
            damaged[at..(at + 8).min(whole.len())].fill(u8::try_from(step % 256).unwrap());
        }
        fs::write(&path, damaged).unwrap();
        if let Err(error) = read(recording) {
            assert!(error.to_string().contains("meta.db"), "{error}");
            told += 1;
        }
    }
    assert!(told > 50, "only {told} of 400 were told");
}

#[test]
fn what_is_missing_is_said_with_what_to_do() {
    let (_unpacked, recordings) = recordings("moby-29-containerd");
    let containerd_root = Some(recordings[0].join("root/containerd"));
    let docker = recordings[0].join("root/docker");
    let fails = |options: Options| containerd::read(&docker, &options).unwrap_err().to_string();
    let namespace = Some("k8s.io".to_owned());
    let error = fails(Options { containerd_root: containerd_root.clone(), namespace, ..Options::default() });
    assert!(error.contains("no namespace `k8s.io`; there are: moby"), "{error}");
    let error = fails(Options { containerd_root: Some("/nowhere".into()), ..Options::default() });
    assert!(error.contains("/nowhere; --containerd-root names the folder"), "{error}");
    let snapshotter = Some("zfs".to_owned());
    let error = fails(Options { containerd_root, snapshotter, ..Options::default() });
    assert!(error.contains("no snapshotter `zfs`; there are: overlayfs"), "{error}");
}
