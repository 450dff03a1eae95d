//! Data roots: the recorded ones, and the same ones damaged in every way that comes to mind.
//! Whatever a root holds, the answer is a world with warnings or an error that says what to do.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod containerd;
mod content;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use image_prune::data_root::{self, Options, Reading, WarningKind};
use image_prune::graph::store::Stores;
use image_prune::{Error, ImageId, Semantics};
use tempfile::TempDir;

const MOBY: Semantics = Semantics::MOBY_20_10;

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name)
}

/// Reads a root; what is read is always a world that the stores take.
fn read(root: &Path) -> Result<Reading, Error> {
    let reading = data_root::read(root, &MOBY, Options::default())?;
    Stores::load(reading.world.clone(), &MOBY).unwrap();
    Ok(reading)
}

fn kinds(reading: &Reading) -> Vec<WarningKind> {
    reading.warnings.iter().map(|warning| warning.kind).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (from, to) = {
            let entry = entry.unwrap();
            (entry.path(), to.join(entry.file_name()))
        };
        if from.is_dir() { copy(&from, &to) } else { fs::copy(from, to).map(drop).unwrap() }
    }
}

/// A copy of a recorded root that a test may damage: 8 images, 6 layers, 4 containers.
struct Root(TempDir);

impl Root {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(&testdata("roots/20.10-children-and-containers/root"), folder.path());
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn at(&self, name: &str) -> PathBuf {
        self.path().join("image/vfs").join(name)
    }

    /// The paths of the names in one folder, in order.
    fn all(&self, folder: &str) -> Vec<PathBuf> {
        let folder = if folder == "containers" { self.path().join(folder) } else { self.at(folder) };
        let mut all: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        all.sort();
        all
    }

    fn configs(&self) -> Vec<PathBuf> {
        self.all("imagedb/content/sha256")
    }

    fn layers(&self) -> Vec<PathBuf> {
        self.all("layerdb/sha256")
    }

    fn repositories(&self) -> PathBuf {
        self.at("repositories.json")
    }

    fn read(&self) -> Reading {
        read(self.path()).unwrap()
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

#[test]
fn recorded_roots_read_as_the_daemon_listed_them() {
    for (version, semantics) in [("moby-20.10", Semantics::MOBY_20_10), ("moby-26.1", Semantics::MOBY_26_1)] {
        let unpacked = tempfile::tempdir().unwrap();
        let archive = fs::File::open(testdata("vectors").join(version).join("daemon.tar.gz")).unwrap();
        tar::Archive::new(flate2::read::GzDecoder::new(archive)).unpack(unpacked.path()).unwrap();
        let mut roots = 0;
        for folder in fs::read_dir(unpacked.path()).unwrap() {
            let folder = folder.unwrap().path();
            agrees_with_recording(&folder, &semantics);
            roots += 1;
        }
        assert_eq!(roots, 39);
    }
}

#[test]
fn golden_roots_read_as_the_daemon_listed_them() {
    let mut roots = 0;
    for folder in fs::read_dir(testdata("roots")).unwrap() {
        let folder = folder.unwrap().path();
        let Some(semantics) = Semantics::ALL.into_iter().find(|semantics| {
            folder.is_dir()
                && semantics
                    .name
                    .strip_prefix("moby-")
                    .is_some_and(|version| name(&folder).starts_with(version))
        }) else {
            continue;
        };
        agrees_with_recording(&folder, &semantics);
        roots += 1;
    }
    assert_eq!(roots, 3);
}

/// The daemon's own lists: images, parents, tags, digests, sizes; containers and which of them run.
fn agrees_with_recording(folder: &Path, semantics: &Semantics) {
    let json = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap()
    };
    let (request, observed) = (json("request.json"), json("observed.json"));
    let reading = data_root::read(&folder.join("root"), semantics, Options::default()).unwrap();
    let (world, at) = (&reading.world, folder.display());
    assert_eq!(reading.warnings, [], "{at}");
    assert_eq!((reading.driver.as_str(), world.profile.as_str()), ("vfs", semantics.name));

    let texts = |value: &serde_json::Value| -> BTreeSet<String> {
        let all = value.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned());
        all.filter(|text| !text.contains("<none>")).collect()
    };
    let listed: BTreeSet<_> = observed["images_before"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| {
            let names = &texts(&image["RepoTags"]) | &texts(&image["RepoDigests"]);
            let text = |key: &str| image[key].as_str().unwrap().to_owned();
            (text("Id"), text("ParentId"), names, image["Size"].as_i64().unwrap())
        })
        .collect();
    let read: BTreeSet<_> = world
        .images
        .iter()
        .map(|image| {
            let familiar = |reference: &image_prune::world::Reference| {
                image_prune::Reference::parse(&reference.name, semantics).unwrap().familiar().to_owned()
            };
            let names =
                world.references.iter().filter(|reference| reference.id == image.id).map(familiar).collect();
            let parent = image.parent.map(|parent| parent.to_string()).unwrap_or_default();
            (image.id.to_string(), parent, names, size(&reading, image, semantics))
        })
        .collect();
    assert_eq!(read, listed, "{at}");

    let running: BTreeSet<_> = world
        .containers
        .iter()
        .filter(|container| container.running)
        .collect::<Vec<_>>()
        .iter()
        .map(|container| container.id.to_string())
        .collect();
    assert_eq!(running, texts(&request["running"]), "{at}");
    let folders = fs::read_dir(folder.join("root/containers")).map_or(0, Iterator::count);
    assert_eq!(world.containers.len(), folders, "{at}");
    assert!(world.containers.iter().all(|container| container.rw_layer_parent.is_some()), "{at}");
}

/// The sizes of an image's chain, added up.
fn size(reading: &Reading, image: &image_prune::world::Image, semantics: &Semantics) -> i64 {
    let mut chain = image_prune::Image::parse(image.config.clone(), semantics).unwrap().chain().unwrap();
    let mut size = 0;
    while let Some(id) = chain {
        let layer = reading.world.layers.iter().find(|layer| layer.chain_id == id).unwrap();
        size += layer.size;
        chain = layer.parent;
    }
    size
}

/// Each file, cut off and garbled at many places: the clear error, or a warning, or a world that still
/// makes sense; never a panic.
#[test]
fn every_file_damaged_everywhere() {
    for golden in ["20.10-all-mode-in-use", "26.1-tags-go-images-stay"] {
        let folder = tempfile::tempdir().unwrap();
        copy(&testdata("roots").join(golden).join("root"), folder.path());
        let sound = read(folder.path()).unwrap();
        let mut found = Vec::new();
        files(folder.path(), &mut found);
        assert!(found.len() > 20);
        for file in found {
            let content = fs::read(&file).unwrap();
            let step = (content.len() / 8).max(1);
            for at in (0..content.len()).step_by(step) {
                damaged(folder.path(), &file, &content[..at], &sound);
                for byte in [0, b'}', content[at] ^ 1] {
                    let mut garbled = content.clone();
                    if std::mem::replace(&mut garbled[at], byte) == byte {
                        continue;
                    }
                    damaged(folder.path(), &file, &garbled, &sound);
                }
            }
            fs::write(&file, &content).unwrap();
        }
        assert_eq!(read(folder.path()).unwrap(), sound);
    }
}

fn damaged(root: &Path, file: &Path, content: &[u8], sound: &Reading) {
    fs::write(file, content).unwrap();
    let at = file.display();
    match read(root) {
        Err(error) => {
            let is_fatal = file.ends_with("repositories.json") || file.ends_with("size");
            assert!(is_fatal && error.is_system(), "{at}: {error}");
            assert!(error.to_string().contains(file.to_str().unwrap()), "{at}: {error}");
        }
        Ok(reading) => {
            // A config's digest tells every change. Other files may change and stay sound.
            if file.parent().unwrap().ends_with("content/sha256") {
                let kinds = kinds(&reading);
                assert!(kinds.contains(&WarningKind::DigestMismatch), "{at}: {kinds:?}");
                assert_eq!(reading.world.images.len(), sound.world.images.len() - 1);
            }
            let known: BTreeSet<ImageId> = sound.world.images.iter().map(|image| image.id).collect();
            assert!(reading.world.images.iter().all(|image| known.contains(&image.id)), "{at}");
            if reading.world.images.len() < known.len() {
                assert!(!reading.warnings.is_empty(), "{at}");
            }
        }
    }
}

#[test]
fn digests_are_checked() {
    let root = Root::new();
    let configs = root.configs();
    fs::copy(&configs[1], &configs[0]).unwrap();
    let reading = root.read();
    assert_eq!(kinds(&reading), [WarningKind::DigestMismatch]);
    assert_eq!(reading.world.images.len(), configs.len() - 1);
    assert_eq!(reading.warnings[0].path, configs[0]);
}

#[test]
fn names_are_checked() {
    let root = Root::new();
    let config = root.configs().remove(0);
    let layer = root.layers().remove(0);
    let container = root.all("containers").remove(0);
    for (path, odd) in [
        (&config, name(&config).to_uppercase()),
        (&config, name(&config)[1..].to_owned()),
        (&config, format!("{}0", name(&config))),
        (&config, "x\u{1b}[31my".to_owned()),
        (&layer, name(&layer).to_uppercase()),
        (&container, "mine".to_owned()),
    ] {
        let odd = path.with_file_name(odd);
        let before = root.read();
        if path.is_dir() {
            copy(path, &odd);
        } else {
            fs::copy(path, &odd).map(drop).unwrap();
        }
        let reading = root.read();
        assert_eq!(kinds(&reading), [WarningKind::OddName], "{}", odd.display());
        assert_eq!(reading.world, before.world);
        if odd.is_dir() { fs::remove_dir_all(odd) } else { fs::remove_file(odd) }.unwrap();
    }
}

#[test]
fn names_that_are_not_utf8_are_passed_over() {
    use std::os::unix::ffi::OsStrExt as _;
    let root = Root::new();
    let before = root.read();
    let odd = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    for folder in ["imagedb/content/sha256", "layerdb/sha256", "layerdb/mounts"] {
        fs::create_dir(root.at(folder).join(odd)).unwrap();
    }
    fs::create_dir(root.path().join("containers").join(odd)).unwrap();
    let reading = root.read();
    assert_eq!(kinds(&reading), [WarningKind::OddName; 4]);
    assert_eq!(reading.world, before.world);
}

/// What a daemon leaves behind in the middle of its work is no reason to worry anybody.
#[test]
fn leftovers_are_passed_over_silently() {
    let root = Root::new();
    let before = root.read();
    let layer = root.layers().remove(0);
    fs::create_dir(layer.with_file_name(format!("{}-0123456789-removing", name(&layer)))).unwrap();
    fs::write(root.at("imagedb/content/sha256/.tmp-123456"), "{").unwrap();
    fs::create_dir_all(root.at("layerdb/tmp/write-set-1")).unwrap();
    assert_eq!(root.read(), before);
}

/// Puts something in the place of the first path; the second has its content.
type Place = fn(&Path, &Path);

#[test]
fn links_pipes_and_folders_are_not_read() {
    let outside = tempfile::tempdir().unwrap();
    let places: [(&str, Place); 4] = [
        ("link", |path, outside| symlink(outside, path).unwrap()),
        ("dangling link", |path, _| symlink("nowhere", path).unwrap()),
        ("folder", |path, _| fs::create_dir(path).unwrap()),
        ("pipe", |path, _| {
            let status = std::process::Command::new("mkfifo").arg(path).status().unwrap();
            assert!(status.success());
        }),
    ];
    for (what, place) in places {
        let targets: [fn(&Root) -> PathBuf; 5] = [
            |root| root.configs().remove(0),
            |root| root.layers().remove(0).join("size"),
            |root| root.all("layerdb/mounts").remove(0).join("mount-id"),
            |root| root.all("containers").remove(0).join("config.v2.json"),
            |root| root.repositories(),
        ];
        for target in targets {
            let root = Root::new();
            let path = target(&root);
            // The content is right: were it read, nothing would be wrong.
            let moved = outside.path().join("moved");
            fs::copy(&path, &moved).unwrap();
            fs::remove_file(&path).unwrap();
            place(&path, &moved);
            match read(root.path()) {
                Err(error) => {
                    assert!(path.ends_with("repositories.json"), "{what}: {error}");
                    assert!(error.to_string().contains("repositories.json"), "{what}: {error}");
                }
                Ok(reading) => {
                    let refused =
                        &reading.warnings.iter().find(|warning| warning.kind == WarningKind::RefusedFile);
                    assert_eq!(refused.map(|warning| &warning.path), Some(&path), "{what}");
                }
            }
        }
    }
}

#[test]
fn folders_that_are_links_are_errors() {
    for folder in [
        "image/vfs/imagedb/content/sha256",
        "image/vfs/layerdb/sha256",
        "image/vfs/layerdb/mounts",
        "containers",
        "image",
    ] {
        let root = Root::new();
        let path = root.path().join(folder);
        let moved = root.path().join("moved");
        fs::rename(&path, &moved).unwrap();
        symlink(&moved, &path).unwrap();
        let error = read(root.path()).unwrap_err();
        assert!(error.is_system() && error.to_string().contains("symbolic link"), "{error}");
    }
    let root = Root::new();
    let link = root.path().join("link-to-root");
    symlink(root.path(), &link).unwrap();
    assert_eq!(read(&link).unwrap().world, root.read().world);
}

#[test]
fn large_files_are_not_read() {
    let root = Root::new();
    let grow = |path: &Path| fs::File::options().write(true).open(path).unwrap().set_len(1 << 40).unwrap();
    grow(&root.configs()[0]);
    grow(&root.layers()[5].join("size"));
    grow(&root.all("containers")[0].join("config.v2.json"));
    let reading = root.read();
    assert_eq!(kinds(&reading).iter().filter(|kind| **kind == WarningKind::TooLarge).count(), 3);
    grow(&root.repositories());
    assert!(read(root.path()).unwrap_err().to_string().contains("64 MiB"));
}

#[test]
fn a_root_without_contents_is_an_empty_world() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("image/overlay2")).unwrap();
    let reading = read(root.path()).unwrap();
    assert_eq!((reading.driver.as_str(), reading.warnings), ("overlay2", vec![]));
    assert!(reading.world.images.is_empty() && reading.world.layers.is_empty());
}

#[test]
fn other_roots_are_told_apart() {
    for (folders, says) in [
        (&[][..], "no Docker data root"),
        (&["image"], "no Docker data root"),
        (
            &["image", "containerd/daemon/io.containerd.content.v1.content", "containers"],
            "containerd image store",
        ),
        (&["io.containerd.content.v1.content"], "containerd's own root"),
        (&["overlay-images", "overlay-layers", "libpod"], "Podman"),
        (&["imagedb", "layerdb"], "two folders up"),
    ] {
        let root = tempfile::tempdir().unwrap();
        for folder in folders {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        let error = read(root.path()).unwrap_err();
        let text = error.to_string();
        assert!(error.is_not_found() && text.contains(says), "{text}");
        assert!(text.contains(root.path().to_str().unwrap()), "{text}");
    }
    let nowhere = Path::new("/nowhere/at/all");
    let error = read(nowhere).unwrap_err();
    assert!(error.is_not_found() && error.to_string().contains("/nowhere/at/all"), "{error}");
    let error = read(&testdata("roots/README.md")).unwrap_err();
    assert!(error.is_system() && error.to_string().contains("README.md"), "{error}");
}

#[test]
fn one_of_several_drivers_is_chosen_by_name() {
    let root = Root::new();
    fs::create_dir_all(root.path().join("image/overlay2")).unwrap();
    let error = read(root.path()).unwrap_err();
    assert!(error.is_invalid_parameter(), "{error}");
    assert!(error.to_string().contains("overlay2, vfs") && error.to_string().contains("--driver"), "{error}");
    let with = |driver| data_root::read(root.path(), &MOBY, Options { driver: Some(driver), progress: None });
    assert_eq!(with("vfs").unwrap().world.images.len(), 8);
    assert_eq!(with("overlay2").unwrap().world.images.len(), 0);
    for wrong in ["aufs", "", ".", "..", "vfs/", "../image/vfs", "vfs\0"] {
        let error = with(wrong).unwrap_err();
        assert!(error.is_not_found() && error.to_string().contains("overlay2, vfs"), "{error}");
    }
}

#[test]
fn without_permission_it_says_so() {
    let root = Root::new();
    let folder = root.at("layerdb/sha256");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o000)).unwrap();
    // Root may read everything.
    if let Err(error) = read(root.path()) {
        assert!(error.is_system() && error.to_string().contains("run this as root"), "{error}");
    }
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn progress_ends_at_the_total() {
    let root = Root::new();
    let last = Cell::new(None);
    let progress = |progress| last.set(Some(progress));
    data_root::read(root.path(), &MOBY, Options { driver: None, progress: Some(&progress) }).unwrap();
    let total = root.configs().len() + root.layers().len() + 2 * root.all("containers").len();
    assert_eq!(last.get(), Some(data_root::Progress { done: total, total }));
}

/// A reader beside a writer that never rests: always an answer, and a warning when it is not of one
/// moment.
#[test]
fn a_root_that_changes_is_read_again() {
    let root = Root::new();
    let calls = Cell::new(0);
    let repositories = root.repositories();
    let write = |_| {
        calls.set(calls.get() + 1);
        let copy = repositories.with_extension("new");
        fs::copy(&repositories, &copy).unwrap();
        fs::rename(copy, &repositories).unwrap();
    };
    let options = Options { driver: None, progress: Some(&write) };
    let reading = data_root::read(root.path(), &MOBY, options).unwrap();
    assert_eq!(kinds(&reading), [WarningKind::ChangedWhileRead]);
    assert_eq!(reading.world.images.len(), 8);

    // One that rests after a while is read in peace.
    let rests = Cell::new(false);
    let write = |progress: data_root::Progress| {
        if !rests.get() && progress.done == progress.total {
            fs::remove_file(root.configs().remove(0)).unwrap();
            rests.set(true);
        }
    };
    let options = Options { driver: None, progress: Some(&write) };
    let reading = data_root::read(root.path(), &MOBY, options).unwrap();
    assert_eq!((reading.warnings, reading.world.images.len()), (vec![], 7));
}

#[test]
fn a_writer_in_another_thread_does_no_harm() {
    let root = Root::new();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let configs = root.configs();
    let container = root.all("containers").remove(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                for config in &configs {
                    let content = fs::read(config).unwrap();
                    fs::remove_file(config).unwrap();
                    fs::write(config, &content[..content.len() / 2]).unwrap();
                    fs::write(config, content).unwrap();
                }
                fs::rename(&container, container.with_extension("away")).unwrap();
                fs::rename(container.with_extension("away"), &container).unwrap();
            }
        });
        for _ in 0..100 {
            let reading = read(root.path()).unwrap();
            assert!(reading.world.images.len() <= configs.len());
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(root.read().warnings, []);
}
