//! Files that a person names and that have no end.

use std::fs::{self, File};
use std::process::{Command, Output};

use super::case::command;

const DEVICE: &str = "/dev/zero";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let state = include_str!("../../testdata/cases/cli/files/small.json");
    fs::write(folder.path().join("small.json"), state).unwrap();
    folder
}

fn refused(arguments: &str, command: &mut Command) {
    let Output { status, stdout, stderr } = command.args(arguments.split(' ')).output().unwrap();
    let told = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    assert_eq!(status.code(), Some(1), "{arguments}: {told}");
    assert!(told.contains("longer than 1 MiB"), "{arguments}: {told}");
}

#[test]
fn a_device_without_an_end_is_an_error() {
    for arguments in [
        "plan --state DEVICE",
        "df --state DEVICE",
        "export --state DEVICE",
        "prune -f --state DEVICE --output new.json",
        "serve --socket s --state DEVICE",
        "plan --state small.json --order-file DEVICE",
        "df --state small.json --free 1kB --needed-by DEVICE",
        "agent --once --journal j --needed-by DEVICE",
        "agent --once --journal j --config DEVICE",
        "check --before DEVICE --request small.json --observed small.json",
        "check --before small.json --request DEVICE --observed small.json",
        "registry --registry http://127.0.0.1:1 --environments DEVICE",
        "registry --registry http://127.0.0.1:1 --rule x --username u --password-file DEVICE",
        "registry --registry https://127.0.0.1:1 --rule x --ca-file DEVICE",
        "fit DEVICE --state small.json",
        "fit index DEVICE -o out",
        "replay DEVICE",
    ] {
        let folder = folder();
        refused(&arguments.replace("DEVICE", DEVICE), &mut command(folder.path()));
    }
}

#[test]
fn a_stdin_without_an_end_is_an_error() {
    for arguments in ["plan --state -", "replay -", "registry --registry http://127.0.0.1:1 --environments -"]
    {
        let folder = folder();
        refused(arguments, command(folder.path()).stdin(File::open(DEVICE).unwrap()));
    }
}

#[test]
fn a_file_that_says_that_it_is_too_long_is_not_read() {
    let folder = folder();
    // Sparse: it takes no disk, and reading it would take minutes.
    File::create(folder.path().join("huge.json")).unwrap().set_len(1 << 40).unwrap();
    let output = command(folder.path()).args(["plan", "--state", "huge.json"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("huge.json: it is longer than 1024 MiB"), "{told}");
}
