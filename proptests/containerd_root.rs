//! Recorded containerd roots of real daemons: every file is read, and what the daemon listed is there.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use image_prune::cancel::Never;
use image_prune::containerd::Engine;
use image_prune::data_root::containerd::{self, Options, Reading};
use image_prune::event::Recorder;
use image_prune::oracle::containerd::Model;
use image_prune::replay::containerd::{ListRow, Subject};
use image_prune::world::ContainerdWorld;
use image_prune::{Digest, Error, Now, Reference, Semantics};
use serde_json::{Value, json};

#[cfg(feature = "cli")]
use crate::support::containerd_root::ContainerdRoot;

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

#[test]
fn the_model_predicts_29_from_the_disk() {
    predicts::<Model>("moby-29-containerd");
}

#[test]
fn the_model_predicts_28_5_from_the_disk() {
    predicts::<Model>("moby-28.5-containerd");
}

#[test]
fn the_engine_predicts_29_from_the_disk() {
    predicts::<Engine<Recorder>>("moby-29-containerd");
}

#[test]
fn the_engine_predicts_28_5_from_the_disk() {
    predicts::<Engine<Recorder>>("moby-28.5-containerd");
}

/// From the files alone: the answer, the events, the store afterwards, the lists and the disk usage.
fn predicts<S: Subject>(profile: &str) {
    let (_unpacked, recordings) = recordings(profile);
    let wrong: Vec<String> =
        recordings.iter().flat_map(|recording| mismatches::<S>(recording, profile)).collect();
    assert!(wrong.is_empty(), "{} mismatches with {profile}:\n{}", wrong.len(), wrong.join("\n"));
}

fn mismatches<S: Subject>(recording: &Path, profile: &str) -> Vec<String> {
    let name = recording.file_name().unwrap().to_string_lossy();
    let json =
        |name: &str| -> Value { serde_json::from_slice(&fs::read(recording.join(name)).unwrap()).unwrap() };
    let (request, observed) = (json("request.json"), json("observed.json"));
    let mut world = read(recording).unwrap().world;
    measure_active_snapshots(&mut world, &observed["before"]["df"]);
    let semantics: Semantics = profile.parse().unwrap();
    let now = Now::utc(request["now"].as_str().unwrap().parse().unwrap());
    let mut wrong = Vec::new();
    let mut compare = |what: &str, expected: Value, got: Value| {
        if expected != got {
            wrong.push(format!("{name}: {what}: observed {expected}, got {got}"));
        }
    };

    let mut subject = S::load(&world, &semantics).unwrap();
    for (all, shared_size, listed) in [(true, true, "images"), (false, false, "images_default")] {
        let rows = subject.list(all, shared_size).unwrap();
        let mut rows: Vec<Value> = rows.iter().map(row_text).collect();
        let observed = observed["before"][listed].as_array().unwrap();
        let mut expected: Vec<Value> = observed.iter().map(|row| without_manifests(row.clone())).collect();
        let by_id = |row: &Value| row["Id"].as_str().unwrap().to_owned();
        rows.sort_by_key(by_id);
        expected.sort_by_key(by_id);
        compare(&format!("{listed}: number"), expected.len().into(), rows.len().into());
        for (expected, row) in expected.into_iter().zip(rows) {
            compare(listed, expected, row);
        }
    }
    let usage = observed["before"]["df"]["LayersSize"].as_i64().unwrap_or(0);
    compare("disk usage", usage.into(), subject.disk_usage().unwrap().into());

    let order = visited(&world, &observed["events"]);
    let filters = request["filters"].as_str().unwrap();
    let answer = subject.prune(filters, now, &order, &Never);
    let events: Vec<Value> = subject.take_events().iter().map(|event| json!(event)).collect();
    match (answer.error, answer.report) {
        (None, Some(report)) => {
            compare("status", observed["status"].clone(), 200.into());
            compare("body", observed["body"].clone(), json!(report));
        }
        (error, _) => {
            let error: Error = error.unwrap();
            compare("status", observed["status"].clone(), error.class().http_status().into());
            compare("message", message(&observed["body"]["message"]), message(&error.to_string().into()));
        }
    }
    let seen = observed["events"].as_array().unwrap().iter().map(|event| {
        let actor = &event["Actor"];
        json!({"Type": event["Type"], "Action": event["Action"], "ID": actor["ID"], "Attributes": actor["Attributes"]})
    });
    compare("events", seen.collect(), events.into());
    let left = subject.world();
    let names = json!({
        "images": sorted(left.images.iter().map(|image| image.name.clone())),
        "blobs": sorted(left.blobs.iter().map(|blob| blob.digest.to_string())),
        "snapshots": sorted(left.snapshots.iter().map(|snapshot| snapshot.key.clone())),
        "leases": sorted(left.leases.iter().map(|lease| lease.id.clone())),
    });
    let store_after = observed["store_after"].as_object().unwrap();
    let expected: Value = store_after
        .iter()
        .map(|(key, names)| (key.clone(), json!(texts(names))))
        .collect::<serde_json::Map<_, _>>()
        .into();
    compare("store afterwards", expected, names);
    wrong
}

/// The command on the files alone, with the daemon's order as it shows in its events.
#[cfg(feature = "cli")]
#[test]
fn plan_predicts_from_the_command_line() {
    for profile in ["moby-29-containerd", "moby-28.5-containerd"] {
        let (_unpacked, recordings) = recordings(profile);
        for recording in &recordings {
            let json = |name: &str| -> Value {
                serde_json::from_slice(&fs::read(recording.join(name)).unwrap()).unwrap()
            };
            let (request, observed) = (json("request.json"), json("observed.json"));
            let untagged =
                observed["events"].as_array().unwrap().iter().filter(|event| event["Action"] == "untag");
            let names: Vec<&str> =
                untagged.map(|event| event["Actor"]["Attributes"]["name"].as_str().unwrap()).collect();
            let order = recording.join("order");
            fs::write(&order, names.join("\n")).unwrap();
            let filters = Some(request["filters"].as_str().unwrap()).filter(|filters| !filters.is_empty());
            let output = std::process::Command::new(env!("CARGO_BIN_EXE_image-prune"))
                .args([
                    "plan",
                    "--format",
                    "json",
                    "--utc-offset",
                    "+00:00",
                    "--semantics",
                    profile,
                    "--data-root",
                ])
                .arg(recording.join("root/docker"))
                .arg("--containerd-root")
                .arg(recording.join("root/containerd"))
                .args([
                    "--now",
                    request["now"].as_str().unwrap(),
                    "--filters",
                    filters.unwrap_or("{}"),
                    "--order-file",
                ])
                .arg(&order)
                .output()
                .unwrap();
            let plan: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
            if observed["status"] == 200 {
                assert_eq!(plan["report"], observed["body"], "{}", recording.display());
            } else {
                let class: image_prune::ErrorClass =
                    serde_json::from_value(plan["error"]["class"].clone()).unwrap();
                assert_eq!(json!(class.http_status()), observed["status"], "{}", recording.display());
                let said = message(&plan["error"]["message"]);
                assert_eq!(said, message(&observed["body"]["message"]), "{}", recording.display());
            }
        }
    }
}

fn sorted(names: impl Iterator<Item = String>) -> BTreeSet<String> {
    names.collect()
}

/// The wording of Go's JSON decoder is not compared.
fn message(text: &Value) -> Value {
    let text = text.as_str().unwrap();
    text.split_once("could not deserialize image config: ").map_or(text, |(_, _)| "a config").into()
}

/// The names in the order in which the daemon untagged them.
fn visited(world: &ContainerdWorld, events: &Value) -> Vec<String> {
    let shown = |name: &str, digest: Digest| {
        if name == format!("moby-dangling@{digest}") {
            return digest.to_string();
        }
        let parsed = Reference::parse(name, &Semantics::MOBY_28_5).ok();
        parsed
            .filter(|one| one.as_str() == name)
            .map_or_else(|| name.to_owned(), |one| one.familiar().to_owned())
    };
    let untagged = events.as_array().unwrap().iter().filter(|event| event["Action"] == "untag");
    let find = |event: &Value| {
        let (name, id) = (event["Actor"]["Attributes"]["name"].as_str()?, event["Actor"]["ID"].as_str()?);
        let digest: Digest = id.parse().ok()?;
        let of_digest = world.images.iter().filter(|image| image.target.digest == digest);
        Some(of_digest.into_iter().find(|image| shown(&image.name, digest) == name)?.name.clone())
    };
    untagged.map(|event| find(event).unwrap_or_else(|| panic!("{event}"))).collect()
}

/// The recorded files have no folders to measure: the daemon told the sizes of containers, and an image mount is as
/// large as what it mounts in the native snapshotter.
fn measure_active_snapshots(world: &mut ContainerdWorld, df: &Value) {
    let sizes: std::collections::BTreeMap<String, i64> =
        world.snapshots.iter().map(|snapshot| (snapshot.key.clone(), snapshot.size)).collect();
    for snapshot in world.snapshots.iter_mut().filter(|snapshot| snapshot.active) {
        let containers = df["Containers"].as_array().into_iter().flatten();
        let of_container = containers.into_iter().find(|container| container["Id"] == snapshot.key.as_str());
        let parent = snapshot.parent.as_ref().and_then(|parent| sizes.get(parent));
        snapshot.size = match (of_container, parent) {
            (Some(container), _) => container["SizeRw"].as_i64().unwrap_or(0),
            (None, parent) => parent.copied().unwrap_or(0),
        };
    }
}

fn row_text(row: &ListRow) -> Value {
    without_manifests(json!(row))
}

/// Lists without what no rule is about; `null` and `[]` are one (W-5).
fn without_manifests(mut row: Value) -> Value {
    let fields = row.as_object_mut().unwrap();
    fields.remove("Manifests");
    for list in ["RepoTags", "RepoDigests"] {
        if fields[list].is_null() {
            fields.insert(list.to_owned(), json!([]));
        }
    }
    row
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

/// `k8s.io`: containerd's own containers protect by name, and keep their snapshots; no data root is needed.
#[cfg(feature = "cli")]
#[test]
fn another_namespace_is_planned_with_containerds_own_containers() {
    let folder = tempfile::tempdir().unwrap();
    let mut root = ContainerdRoot::new(folder.path(), "k8s.io", "overlayfs");
    let [used, unused, gone] =
        ["registry.k8s.io/used:1", "registry.k8s.io/unused:1", "registry.k8s.io/gone:1"];
    root.image(used, 1_700_000_000, 1000);
    root.image(unused, 1_700_000_000, 2000);
    let layer = Digest::of(unused.as_bytes()).to_string();
    // Its image's name is gone; what it stands on is unused otherwise.
    for (id, image, parent) in [("a", used, None), ("b", gone, Some(layer.as_str()))] {
        root.snapshot(id, parent, None);
        root.container(id, image);
    }
    root.write();
    let plan = |options: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_image-prune"));
        command.args(["plan", "-a", "--format", "json", "--now", "2026-01-01T00:00:00Z"]).args(options);
        command.arg("--data-root").arg(folder.path().join("no-docker-here"));
        command.arg("--containerd-root").arg(folder.path()).output().unwrap()
    };
    let output = plan(&["--namespace", "k8s.io"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        told.contains("the namespace `k8s.io` is the kubelet's, which deletes unused images by"),
        "{told}"
    );
    let plan_of_all: Value = serde_json::from_slice(&output.stdout).unwrap();
    let verdicts: Vec<_> = plan_of_all["names"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| (name["name"].as_str().unwrap(), name["verdict"].as_str().unwrap()))
        .collect();
    assert_eq!(verdicts, [(unused, "delete"), (used, "keep")], "{plan_of_all}");
    assert_eq!(plan_of_all["freed"]["snapshots"], 0, "a container stands on it: {plan_of_all}");
    let output = plan(&[]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("no namespace `moby`; there are: k8s.io"));
}
