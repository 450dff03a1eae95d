//! Closed pipes, full disks, folders that cannot be written, terminals, and stores of great depth.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;

use image_prune::{ChainId, DiffId, ImageId, World, world};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tempfile::TempDir;

use super::case::command;

const SMALL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/cases/cli/files/small.json");

/// A folder with `state.json` in it.
fn with_state() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(SMALL, folder.path().join("state.json")).unwrap();
    folder
}

fn run(folder: &Path, args: &[&str]) -> Output {
    command(folder).args(args).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let folder = with_state();
    let row = r#"{"value":"1h","now":"2024-01-01T00:00:00Z","utc_offset_seconds":0}"#;
    fs::write(folder.path().join("rows.jsonl"), format!("{row}\n").repeat(50_000)).unwrap();
    for args in [
        &["replay", "--rows", "until", "rows.jsonl"][..],
        &["plan", "--state", "state.json"],
        &["plan", "--state", "state.json", "--format", "json"],
        &["plan", "--state", "state.json", "--why", "app:1"],
        &["df", "--state", "state.json"],
        &["export", "--state", "state.json"],
        &["completions", "bash"],
        &["man"],
        &["--help"],
    ] {
        let mut child: Child =
            command(folder.path()).args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {stderr}");
        assert!(!stderr.contains("panicked") && !stderr.contains("error"), "{args:?}: {stderr}");
    }
}

#[test]
fn a_full_disk_is_an_error() {
    let folder = with_state();
    for args in [
        &["plan", "--state", "state.json"][..],
        &["plan", "--state", "state.json", "-q"],
        &["plan", "--state", "state.json", "--format", "json"],
        &["plan", "--state", "state.json", "--why", "app:1"],
        &["df", "--state", "state.json", "-v"],
        &["export", "--state", "state.json"],
    ] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = command(folder.path()).args(args).stdout(full).output().unwrap();
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {stderr}");
        assert!(
            stderr.contains("error: cannot write to stdout: No space left on device"),
            "{args:?}: {stderr}"
        );
    }
    let output = run(folder.path(), &["export", "--state", "state.json", "-o", "/dev/full"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("error: /dev/full: cannot be written: No space left"));
}

#[test]
fn a_prune_that_cannot_write_changes_nothing() {
    let folder = with_state();
    let before = fs::read(folder.path().join("state.json")).unwrap();
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o555)).unwrap();
    let closed = closed.join("new.json");
    // Permissions do not stop root; what the kernel makes up does.
    let is_root = File::create(closed.with_file_name("probe")).is_ok();
    let closed = if is_root { "/proc/new.json" } else { closed.to_str().unwrap() };
    for target in [closed, "no/such/folder/new.json", "/dev/full"] {
        let output = run(folder.path(), &["prune", "-f", "--state", "state.json", "-o", target]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{target}: {stderr}");
        assert!(stderr.contains(&format!("error: {target}: cannot be written: ")), "{stderr}");
        assert_eq!(output.stdout, b"", "{target}");
        assert_eq!(fs::read(folder.path().join("state.json")).unwrap(), before);
    }
}

#[test]
fn a_replaced_state_keeps_its_permissions_and_its_link() {
    let folder = with_state();
    let (state, link) = (folder.path().join("state.json"), folder.path().join("link.json"));
    fs::set_permissions(&state, Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("state.json", &link).unwrap();
    let before = fs::read(&state).unwrap();
    assert_eq!(run(folder.path(), &["prune", "-f", "-a", "--state", "link.json"]).status.code(), Some(0));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&state).unwrap().permissions().mode() & 0o777, 0o640);
    assert_ne!(fs::read(&state).unwrap(), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "something was left behind");
}

#[test]
fn a_killed_prune_leaves_the_old_or_the_new_state() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state.json");
    let old = serde_json::to_vec(&deep(300)).unwrap();
    fs::write(&state, &old).unwrap();
    let args = ["prune", "-f", "--state", "state.json"];
    let started = Instant::now();
    assert_eq!(run(folder.path(), &args).status.code(), Some(0));
    let (whole, new) = (started.elapsed(), fs::read(&state).unwrap());
    assert_ne!(old, new);
    for step in 0..60 {
        fs::write(&state, &old).unwrap();
        let mut child = command(folder.path()).args(args).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole * step / 50);
        child.kill().unwrap();
        child.wait().unwrap();
        let found = fs::read(&state).unwrap();
        assert!(found == old || found == new, "step {step}: {} bytes of neither", found.len());
    }
}

#[test]
fn a_terminal_is_asked_first() {
    for (answer, args, is_done) in [
        ("y\n", &["prune", "--state", "state.json"][..], true),
        ("Y\n", &["prune", "--state", "state.json", "-a"], true),
        ("n\n", &["prune", "--state", "state.json"], false),
        ("yes\n", &["prune", "--state", "state.json"], false),
        ("\n", &["prune", "--state", "state.json"], false),
    ] {
        let folder = with_state();
        let before = fs::read(folder.path().join("state.json")).unwrap();
        let (mut person, terminal) = terminal();
        person.write_all(answer.as_bytes()).unwrap();
        let output = command(folder.path()).args(args).stdin(terminal).output().unwrap();
        let stdout = text(&output.stdout);
        let what = if args.contains(&"-a") {
            "all images without at least one container associated to them"
        } else {
            "all dangling images"
        };
        let question =
            format!("WARNING! This will remove {what}.\nAre you sure you want to continue? [y/N] ");
        let stderr = text(&output.stderr);
        assert!(stderr.ends_with(&question), "{answer:?}: {stderr}");
        assert_eq!(stdout.contains("Deleted Images:"), is_done, "{answer:?}: {stdout}");
        assert!(stdout.contains("Total reclaimed space: "), "{answer:?}: {stdout}");
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(fs::read(folder.path().join("state.json")).unwrap() != before, is_done, "{answer:?}");
    }
}

/// A person's end and the command's end.
pub fn terminal() -> (File, File) {
    let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&person).unwrap();
    unlockpt(&person).unwrap();
    let name = ptsname(&person, Vec::new()).unwrap();
    let terminal = OpenOptions::new().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    (person.into(), terminal)
}

#[test]
fn only_a_terminal_gets_colours() {
    let folder = with_state();
    let colourful = |no_color: &str| {
        let (mut person, terminal) = terminal();
        let mut command = command(folder.path());
        command.args(["plan", "--state", "state.json"]).env("TERM", "xterm").env("NO_COLOR", no_color);
        let status = command.stdout(terminal).stderr(Stdio::null()).status().unwrap();
        assert!(status.success());
        drop(command);
        let mut seen = [0; 4096];
        let length = person.read(&mut seen).unwrap();
        seen.get(..length).unwrap().contains(&0x1b)
    };
    assert!(colourful(""));
    assert!(!colourful("1"));
    assert!(!run(folder.path(), &["plan", "--state", "state.json"]).stdout.contains(&0x1b));
}

#[test]
fn depth_does_not_matter() {
    const DEPTH: u32 = 10_000;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("deep.json"), serde_json::to_vec(&deep(DEPTH)).unwrap()).unwrap();
    for (args, expected) in [
        (&["plan", "--state", "deep.json", "-q"][..], 1),
        (&["plan", "--state", "deep.json"], 4),
        (&["df", "--state", "deep.json"], 2),
        (&["prune", "-f", "--state", "deep.json"], 2 * usize::try_from(DEPTH).unwrap() + 3),
    ] {
        let output = run(folder.path(), args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
        assert_eq!(text(&output.stdout).lines().count(), expected, "{args:?}");
    }
}

/// Images in a chain of parents, and the last on a chain of layers.
fn deep(depth: u32) -> World {
    let mut world = World::default();
    let mut chain = None;
    for number in 0..depth {
        let diff_id: DiffId = format!("sha256:{number:064x}").parse().unwrap();
        let layer = world::Layer { chain_id: ChainId::on(chain, diff_id), diff_id, parent: chain, size: 1 };
        chain = Some(layer.chain_id);
        world.layers.push(layer);
    }
    let mut parent = None;
    for number in 0..depth {
        let diffs: Vec<String> = if number + 1 == depth {
            world.layers.iter().map(|layer| format!("\"{}\"", layer.diff_id)).collect()
        } else {
            Vec::new()
        };
        let diffs = diffs.join(",");
        let config =
            format!(r#"{{"os":"linux","n":{number},"rootfs":{{"type":"layers","diff_ids":[{diffs}]}}}}"#);
        let id = ImageId::of(config.as_bytes());
        world.images.push(world::Image { id, config: config.into_bytes().into(), parent });
        parent = Some(id);
    }
    world
}

/// A warning for each of hundreds of thousands of names helps nobody.
#[test]
fn many_warnings_of_a_kind_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/roots/20.10-all-mode-in-use/root");
    let copied = Command::new("cp").arg("-r").arg(recorded).arg(folder.path().join("root")).status().unwrap();
    assert!(copied.success());
    for number in 0..500 {
        fs::write(folder.path().join(format!("root/image/vfs/imagedb/content/sha256/odd-{number}")), "")
            .unwrap();
    }
    let output = run(folder.path(), &["plan", "--data-root", "root", "--format", "json"]);
    assert!(output.status.success());
    let stderr = text(&output.stderr);
    assert_eq!(stderr.matches("odd-").count(), 10 + 1, "{stderr}");
    assert!(stderr.contains("root: 490 more of the kind odd-name"), "{stderr}");
    let plan: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let warnings = plan["warnings"].as_array().unwrap();
    assert_eq!(warnings.iter().filter(|warning| warning["kind"] == "odd-name").count(), 11);
}
