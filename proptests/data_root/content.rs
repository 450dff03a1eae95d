//! What the daemon makes of layers, parent links, references and containers that are not as it writes
//! them. Each rule here was seen in a real daemon or read in its source.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use image_prune::data_root::{Reading, WarningKind};
use image_prune::{ChainId, DiffId, Digest};

use super::{Root, copy, kinds, name, read};

#[test]
fn bad_layers_take_those_above_along() {
    let root = Root::new();
    let base = root.layers().into_iter().find(|layer| !layer.join("parent").exists()).unwrap();
    for (file, content) in [
        ("diff", "sha256:0"),
        ("diff", ""),
        ("size", ""),
        ("size", "1\n"),
        ("size", "1_0"),
        ("size", "0x1"),
        ("size", "9223372036854775808"),
        ("cache-id", " \n"),
        ("parent", "none"),
        ("descriptor.json", "{"),
        ("descriptor.json", "[]"),
        ("descriptor.json", "{} x"),
    ] {
        let path = base.join(file);
        let before = fs::read(&path).ok();
        fs::write(&path, content).unwrap();
        let reading = root.read();
        assert_eq!(reading.world.layers, [], "{file}: {content}");
        assert_eq!((reading.world.images.len(), reading.world.containers.len()), (0, 0));
        let kinds = kinds(&reading);
        assert!(
            kinds.contains(&WarningKind::BadLayer) && kinds.contains(&WarningKind::MissingLayer),
            "{kinds:?}"
        );
        match before {
            Some(content) => fs::write(&path, content).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
    }
    for (file, content) in
        [("size", "+5"), ("size", "-5"), ("size", "4611686018427387904"), ("descriptor.json", "null")]
    {
        fs::write(base.join(file), content).unwrap();
        let reading = root.read();
        assert_eq!((kinds(&reading), reading.world.images.len()), (vec![], 8), "{file}: {content}");
    }
}

#[test]
fn cycles_of_layers_end() {
    let root = Root::new();
    for layer in root.layers() {
        fs::write(layer.join("parent"), format!("sha256:{}", name(&layer))).unwrap();
    }
    let reading = root.read();
    assert_eq!(reading.world.layers, []);
    assert_eq!(kinds(&reading).iter().filter(|kind| **kind == WarningKind::BadLayer).count(), 6);
}

/// Adds a chain of layers, each of `size`.
fn add_chain(root: &Root, depth: u32, size: &str) {
    let mut parent = None;
    for number in 0..depth {
        let diff = DiffId::from(Digest::of(&number.to_le_bytes()));
        let chain = ChainId::on(parent, diff);
        let layer = root.at("layerdb/sha256").join(chain.digest().hex());
        fs::create_dir(&layer).unwrap();
        fs::write(layer.join("diff"), format!("{diff}")).unwrap();
        fs::write(layer.join("size"), size).unwrap();
        fs::write(layer.join("cache-id"), "x").unwrap();
        if let Some(parent) = parent.replace(chain) {
            fs::write(layer.join("parent"), format!("{parent}")).unwrap();
        }
    }
}

#[test]
fn deep_chains_are_read() {
    let root = Root::new();
    add_chain(&root, 10_000, "1");
    let reading = root.read();
    assert_eq!((reading.world.layers.len(), reading.warnings.len()), (10_006, 0));
}

#[test]
fn sizes_beyond_all_disks_are_an_error() {
    let root = Root::new();
    add_chain(&root, 2, "9223372036854775807");
    let error = read(root.path()).unwrap_err();
    assert!(error.is_system() && error.to_string().contains("/size"), "{error}");
}

#[test]
fn layers_that_are_not_what_their_name_says_are_left_out() {
    let root = Root::new();
    let layer = root.layers().remove(0);
    fs::write(layer.join("diff"), Digest::of(b"another").to_string()).unwrap();
    let reading = root.read();
    assert!(kinds(&reading).contains(&WarningKind::BadLayer));
    assert_eq!(reading.world.layers.len(), 1, "all stand on this one but the base");
}

#[test]
fn parent_links_are_kept_or_dropped_as_they_stand() {
    let root = Root::new();
    let linked =
        |reading: &Reading| reading.world.images.iter().filter(|image| image.parent.is_some()).count();
    assert_eq!(linked(&root.read()), 4);
    let parents: BTreeSet<_> = root.read().world.images.iter().filter_map(|image| image.parent).collect();
    for parent in &parents {
        fs::remove_file(root.at("imagedb/content/sha256").join(parent.hex())).unwrap();
    }
    let reading = root.read();
    assert!(linked(&reading) > 0, "children keep links to images that are gone");
    assert_eq!(reading.warnings, []);

    let root = Root::new();
    for link in root.all("imagedb/metadata/sha256") {
        let content = fs::read_to_string(link.join("parent")).unwrap();
        fs::write(link.join("parent"), format!("{content}\n")).unwrap();
    }
    let reading = root.read();
    assert_eq!((linked(&reading), kinds(&reading)), (0, vec![WarningKind::BadParentLink; 4]));
    fs::remove_dir_all(root.at("imagedb/metadata")).unwrap();
    assert_eq!(root.read().warnings, []);
}

#[test]
fn references_are_read_as_the_daemon_keeps_them() {
    let root = Root::new();
    let id = format!("sha256:{}", name(&root.configs()[0]));
    let gone = format!("sha256:{}", "0".repeat(64));
    let file = serde_json::json!({"Repositories": {
        "sha256": {"sha256:1": id},
        "a": {"a:1": id, "a:2": gone, "a:3": "nothing", "a:4": null, "A:5": id, "": id},
        "b": {"docker.io/library/c:1": id, "c:2": id},
        "c": null,
    }});
    fs::write(root.repositories(), format!("{file} and so on")).unwrap();
    let reading = root.read();
    let references: Vec<_> =
        reading.world.references.iter().map(|reference| reference.name.as_str()).collect();
    let expected =
        ["docker.io/library/a:1", "docker.io/library/a:2", "docker.io/library/c:1", "docker.io/library/c:2"];
    assert_eq!(references, expected);
    let expected = [vec![WarningKind::BadReference; 5], vec![WarningKind::OddReference; 2]].concat();
    assert_eq!(kinds(&reading), expected);
    fs::remove_file(root.repositories()).unwrap();
    assert_eq!((root.read().world.references, root.read().warnings), (vec![], vec![]));
}

#[test]
fn damaged_references_say_what_to_do() {
    let root = Root::new();
    let sound = fs::read_to_string(root.repositories()).unwrap();
    for content in [
        "",
        "null",
        "[]",
        "{",
        "x",
        &sound[..sound.len() / 2],
        r#"{"Repositories":[]}"#,
        r#"{"Repositories":{"a":{"a:1":1}}}"#,
    ] {
        fs::write(root.repositories(), content).unwrap();
        let error = read(root.path()).unwrap_err();
        assert!(error.is_system(), "{content}");
        let path = root.repositories().display().to_string();
        assert!(error.to_string().contains(&path) && error.to_string().contains("good copy"), "{error}");
    }
}

/// Damages a root at one container's folder.
type Damage = fn(&Root, &Path);

#[test]
fn containers_are_loaded_as_the_daemon_does() {
    let cases: [(WarningKind, Damage); 8] = [
        (WarningKind::BadContainer, |_, container| {
            fs::remove_file(container.join("config.v2.json")).unwrap();
        }),
        (WarningKind::BadContainer, |_, container| fs::write(container.join("config.v2.json"), "{").unwrap()),
        (WarningKind::BadContainer, |_, container| {
            fs::write(container.join("hostconfig.json"), "{").unwrap();
        }),
        (WarningKind::BadContainer, |root, container| {
            fs::remove_dir_all(root.at("layerdb/mounts").join(name(container))).unwrap();
        }),
        (WarningKind::BadMount, |root, container| {
            fs::write(root.at("layerdb/mounts").join(name(container)).join("mount-id"), "x").unwrap();
        }),
        (WarningKind::BadContainer, |_, container| replace(container, "\"ID\":\"", "\"ID\":\"x")),
        (WarningKind::OtherDriver, |_, container| {
            replace(container, "\"Driver\":\"vfs\"", "\"Driver\":\"overlay2\"");
        }),
        (WarningKind::ForeignOs, |_, container| replace(container, "\"OS\":\"linux\"", "\"OS\":\"windows\"")),
    ];
    for (number, (kind, damage)) in cases.into_iter().enumerate() {
        let root = Root::new();
        let container = root.all("containers").remove(0);
        let sound = root.read();
        damage(&root, &container);
        let reading = root.read();
        assert!(kinds(&reading).contains(&kind), "{number}: {:?}", reading.warnings);
        let id = name(&container);
        let left = reading.world.containers.iter().find(|left| left.id.to_string() == id);
        let before = sound.world.containers.iter().find(|left| left.id.to_string() == id).unwrap();
        // The writable layer holds what is below it, whatever became of the container.
        let holds = kinds(&reading).contains(&WarningKind::MountWithoutContainer);
        assert_eq!(left.is_some(), holds, "{number}");
        if let Some(left) = left {
            assert_eq!(left.rw_layer_parent, before.rw_layer_parent);
            assert!(reading.world.images.iter().all(|image| image.id != left.image), "{number}");
        }
    }
}

fn replace(container: &Path, from: &str, to: &str) {
    let path = container.join("config.v2.json");
    let content = fs::read_to_string(&path).unwrap();
    assert!(content.contains(from));
    fs::write(path, content.replacen(from, to, 1)).unwrap();
}

#[test]
fn image_mounts_are_read() {
    let root = Root::new();
    let container = root.all("containers").remove(0);
    let image = root.read().world.images[0].id;
    let mounts = format!(r#""MountPoints":{{"/a":{{"Type":"image","Spec":{{"Source":"{image}"}}}}}}"#);
    replace(&container, r#""MountPoints":{}"#, &mounts);
    // Its writable layer is named after both.
    let mount = root.at("layerdb/mounts");
    copy(&mount.join(name(&container)), &mount.join(format!("{}-alpine", name(&container))));
    let reading = root.read();
    assert_eq!(reading.warnings, []);
    let mounting: Vec<_> =
        reading.world.containers.iter().flat_map(|container| &container.image_mounts).collect();
    assert_eq!((mounting, reading.world.containers.len()), (vec![&image], 5));
}
