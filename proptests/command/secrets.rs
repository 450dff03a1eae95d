//! Passwords and tokens in addresses: whatever is wrong with one, it is not printed.

use std::process::{Command, Output};

use super::case::command;

/// Wrong in every way that an address can be.
const ADDRESSES: [&str; 7] = [
    "https://me:secret@127.0.0.1:1",
    "https://me:sec/secret@127.0.0.1:1",
    "me:secret@127.0.0.1:1",
    "https://127.0.0.1:secret",
    "https://127.0.0.1:1/secret/",
    "https://127.0.0.1:1/?token=secret",
    "ftp://127.0.0.1:1/secret",
];

fn refused(what: &str, command: &mut Command) {
    let has_formats = !what.starts_with("export") && !what.starts_with("fit index");
    for format in ["table", "json"].into_iter().take(if has_formats { 2 } else { 1 }) {
        let folder = tempfile::tempdir().unwrap();
        let state = include_str!("../../testdata/cases/cli/files/small.json");
        std::fs::write(folder.path().join("small.json"), state).unwrap();
        let Output { status, stdout, stderr } = command.current_dir(folder.path()).output().unwrap();
        let told = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
        assert_eq!(status.code(), Some(2), "{what} {format}: {told}");
        assert!(!told.contains("secret") && !told.contains("sec/"), "{what} {format}: {told}");
        assert!(told.contains('…'), "{what} {format}: it is about something else: {told}");
        command.args(["--format", "json"]);
    }
}

#[test]
fn no_password_in_an_address_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        "plan --host",
        "df --host",
        "export --host",
        "prune -f --host",
        "clean --images -f --host",
        "conform --host",
        "agent --once --journal j --host",
        "registry --rule a --registry",
        "registry --rule a --registry http://127.0.0.1:1 --token-server",
        "fit docker://127.0.0.1:1/app:1 --state small.json --token-server",
        "fit index docker://127.0.0.1:1/app:1 -o out --token-server",
    ] {
        for address in ADDRESSES {
            let what = format!("{arguments} {address}");
            refused(&what, command(folder.path()).args(what.split(' ')));
        }
    }
    for address in ADDRESSES {
        refused(
            &format!("DOCKER_HOST={address}"),
            command(folder.path()).arg("plan").env("DOCKER_HOST", address),
        );
    }
    for image in [
        "docker://me:secret@127.0.0.1:1/app:1",
        "docker://me:sec/secret@127.0.0.1:1/app:1",
        "docker://127.0.0.1:secret/app:1",
        "docker://127.0.0.1:1/app:1?token=secret",
        "docker://me:secret@127.0.0.1:1",
    ] {
        for arguments in ["fit --state small.json", "fit index -o out"] {
            let what = format!("{arguments} {image}");
            refused(&what, command(folder.path()).args(what.split(' ')));
        }
    }
}
