//! What cannot be reached from outside: the fallback of old kernels, chains of layers, Go's rules for
//! the two JSON files. Damaged roots as a whole are in `proptests/data_root.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    reason = "test code"
)]

use crate::document::world::containerd::Platform;
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::layer;
use super::open::{Folder, OpenError};
use super::warning::{FileWarning, Outcome, WarningKind};
use super::{SMALL_FILE, json};
use crate::base::digest::{ChainId, Digest};
use crate::document::world;

/// Both ways of opening: with `openat2`, and component by component.
fn both_ways(path: &Path) -> [Folder; 2] {
    let folder = || Folder::root(path).unwrap();
    [folder(), folder().without_openat2()]
}

fn refusal<T: std::fmt::Debug>(answer: Result<T, OpenError>) -> WarningKind {
    match answer {
        Err(OpenError::Refused(kind, _)) => kind,
        other => panic!("{other:?}"),
    }
}

#[test]
fn opens_nothing_but_plain_files_below_the_root() {
    let outside = tempfile::tempdir().unwrap();
    fs::create_dir(outside.path().join("folder")).unwrap();
    fs::write(outside.path().join("folder/secret"), "secret").unwrap();
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    fs::create_dir_all(at("a/b")).unwrap();
    fs::write(at("a/b/file"), "content").unwrap();
    symlink("file", at("a/b/link")).unwrap();
    symlink(outside.path().join("folder/secret"), at("a/b/absolute")).unwrap();
    symlink("b", at("a/inside")).unwrap();
    symlink(outside.path().join("folder"), at("a/outside")).unwrap();
    symlink("dangling", at("a/dangling")).unwrap();
    symlink("/proc/self/root", at("a/magic")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, at("a/pipe"), rustix::fs::Mode::RUSR).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(at("a/socket")).unwrap();

    for folder in both_ways(root.path()) {
        let read = |name: &str| {
            let mut buffer = b"what was there before".to_vec();
            folder.read(name, SMALL_FILE, &mut buffer).map(|_| buffer)
        };
        assert_eq!(read("a/b/file").unwrap(), b"content");
        for link in [
            "a/b/link",
            "a/b/absolute",
            "a/inside/file",
            "a/outside/secret",
            "a/dangling",
            "a/magic/etc/passwd",
            "a/pipe",
            "a/socket",
            "a/b",
            "a/b/file/more",
        ] {
            assert_eq!(refusal(read(link)), WarningKind::RefusedFile, "{link}");
        }
        for link in ["a/inside", "a/outside", "a/b/file", "a/magic"] {
            assert_eq!(refusal(folder.folder(link)), WarningKind::RefusedFile, "{link}");
        }
        for missing in ["nothing", "a/nothing", "nothing/nothing"] {
            assert!(matches!(read(missing), Err(OpenError::Missing)), "{missing}");
        }
        assert_eq!(refusal(read("../x")), WarningKind::RefusedFile);
    }
    drop(socket);
}

#[test]
fn reads_up_to_the_limit() {
    let root = tempfile::tempdir().unwrap();
    let sizes = [0, 1, SMALL_FILE - 1, SMALL_FILE, SMALL_FILE + 1];
    for size in sizes {
        fs::write(root.path().join(size.to_string()), vec![b'x'; size]).unwrap();
    }
    fs::File::create(root.path().join("sparse")).unwrap().set_len(1 << 40).unwrap();
    for folder in both_ways(root.path()) {
        let mut buffer = Vec::new();
        for size in sizes {
            let read = folder.read(&size.to_string(), SMALL_FILE, &mut buffer);
            if size > SMALL_FILE {
                assert_eq!(refusal(read), WarningKind::TooLarge);
            } else {
                read.unwrap();
                assert_eq!(buffer.len(), size);
            }
        }
        assert_eq!(refusal(folder.read("sparse", SMALL_FILE, &mut buffer)), WarningKind::TooLarge);
        assert!(buffer.capacity() < 1 << 20);
    }
}

/// Chains are named by their numbers.
fn chain(number: u64) -> ChainId {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    Digest::from_bytes(bytes).into()
}

/// Loads layers given as pairs of a number and its parent's.
fn load(pairs: &[(u64, Option<u64>)]) -> (HashMap<ChainId, world::Layer>, Vec<FileWarning>) {
    let read = pairs.iter().map(|&(number, parent)| layer::Read {
        chain_id: chain(number),
        diff_id: chain(number).digest().into(),
        size: 1,
        parent: parent.map(chain),
    });
    let Outcome { value, warnings } = layer::load(read.collect(), Path::new("layers"));
    (value.unwrap(), warnings)
}

#[test]
fn layers_load_with_all_below_them() {
    let (layers, warnings) =
        load(&[(3, Some(2)), (2, Some(1)), (1, None), (5, Some(4)), (6, Some(5)), (7, Some(1))]);
    let mut loaded = [1, 2, 3, 7].map(chain);
    loaded.sort_unstable();
    let mut found: Vec<_> = layers.into_keys().collect();
    found.sort_unstable();
    assert_eq!(found, loaded);
    // 6 fails with 5, about which there is a warning.
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].path.ends_with(format!("{}/parent", chain(5).digest().hex())), "{warnings:?}");
}

#[test]
fn cycles_of_layers_end() {
    for (pairs, left) in [
        (vec![(1, Some(1))], 0),
        (vec![(1, Some(2)), (2, Some(1)), (3, Some(2)), (4, None)], 1),
        ((0..10_000).map(|number| (number, Some((number + 1) % 10_000))).collect(), 0),
    ] {
        assert_eq!(load(&pairs).0.len(), left);
    }
}

#[test]
fn deep_chains_load_in_linear_time() {
    let pairs: Vec<_> = (0..100_000_u64).map(|number| (number, number.checked_sub(1))).collect();
    let (layers, warnings) = load(&pairs);
    assert_eq!((layers.len(), warnings.len()), (pairs.len(), 0));
    let backwards: Vec<_> = pairs.into_iter().rev().collect();
    assert_eq!(load(&backwards).0.len(), backwards.len());
}

#[test]
fn repositories_are_decoded_as_go_does() {
    let read = |text: &str| json::repositories(text.as_bytes()).map(|all| format!("{all:?}"));
    for (text, expected) in [
        ("{}", "{}"),
        (r#"{"Repositories":null}"#, "{}"),
        (r#"{"repositorieſ":{"a":{"a:1":"x","a:1":"y"}}}"#, r#"{"a": {"a:1": "y"}}"#),
        (r#"{"Repositories":{"a":{"a:1":"x"},"a":{"a:2":null}}}"#, r#"{"a": {"a:2": ""}}"#),
        (r#"{"Repositories":{"a":{}},"Repositories":{"b":null}}"#, r#"{"a": {}, "b": {}}"#),
        (r#"{"Repositories":{"a":{}},"Repositories":null}"#, "{}"),
        ("{\"a}\\\"{\":[{}]} } what follows is not looked at", "{}"),
    ] {
        assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
    }
    for text in
        ["", " ", "null", "[]", "5", "{", r#"{"Repositories":{"a":{"a:1":5}}}"#, r#"{"Repositories":[]}"#]
    {
        assert!(read(text).is_err(), "{text}");
    }
}

#[test]
fn containers_are_decoded_as_go_does() {
    let read = |text: &str| json::container(text.as_bytes(), "folder").unwrap();
    assert_eq!(read("null"), json::Container { id: "folder".into(), ..json::Container::default() });
    let full = read(
        r#"{"ID":"x","State":{"Running":true,"Paused":true},"Config":{"Image":"typed"},"image":"i",
            "ImageManifest":{"digest":"sha256:m","size":1},"ImagePlatform":{"architecture":"arm","os":"linux","variant":"v7"},"Driver":"vfs","OS":"linux",
            "MountPoints":{"/a":{"Type":"image","Source":"no","Spec":{"Type":"image","Source":"sha256:a"}},
                           "/b":{"Type":"bind","Spec":{"Source":"no"}},"/c":null}} trailing"#,
    );
    let expected = json::Container {
        id: "x".into(),
        image: "i".into(),
        running: true,
        driver: "vfs".into(),
        os: "linux".into(),
        image_mounts: vec!["sha256:a".into()],
        typed_image: "typed".into(),
        manifest: "sha256:m".into(),
        platform: Some(Platform {
            architecture: "arm".into(),
            os: "linux".into(),
            variant: "v7".into(),
            ..Platform::default()
        }),
    };
    assert_eq!(full, expected);
    assert!(read(r#"{"State":{"Running":true},"State":{"Pid":1}}"#).running);
    assert!(!read(r#"{"State":{"Running":true},"State":null}"#).running);
    assert!(read(r#"{"State":{"Running":true,"Running":null}}"#).running);
    assert!(json::container(br#"{"State":{"Running":"yes"}}"#, "").is_err());
    assert!(json::container(br#"{"ID":"x""#, "").is_err());
}
