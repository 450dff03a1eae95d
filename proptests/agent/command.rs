//! `image-prune agent`, as an administrator runs it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use image_prune::server::TestDaemon;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{image, left, lines};
use crate::command::case::command;
use crate::support::eventually;

fn agent(folder: &Path, daemon: &TestDaemon, args: &[&str]) -> Command {
    let mut command = command(folder);
    command.args(["agent", "--journal", "journal", "--host", &daemon.host()]).args(args);
    command
}

fn run(folder: &Path, daemon: &TestDaemon, args: &[&str]) -> Output {
    agent(folder, daemon, args).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn terminate(child: &Child) {
    kill_process(Pid::from_child(child), Signal::TERM).unwrap();
}

#[test]
fn once_prunes_and_tells_everybody() {
    let daemon = TestDaemon::builder().start().unwrap();
    let kept = image(&daemon, 1, "", &["app:1"]);
    image(&daemon, 2, "", &["old:1"]);
    let folder = tempfile::tempdir().unwrap();
    let args = ["--once", "--keep", "app", "--metrics-file", "m.prom", "--format", "json"];
    let output = run(folder.path(), &daemon, &args);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&result["outcome"], &result["untagged"]), (&"done".into(), &serde_json::json!(["old:1"])));
    assert_eq!(lines(&folder.path().join("journal")).len(), 3);
    let metrics = fs::read_to_string(folder.path().join("m.prom")).unwrap();
    assert!(metrics.contains("image_prune_images_deleted_total 1\n"), "{metrics}");
    assert_eq!(left(&daemon), [kept].into());
    let output = run(folder.path(), &daemon, &["--once"]);
    assert!(text(&output.stdout).contains(" done: 1 images deleted, 0B reclaimed of 0B foretold, 0 kept\n"));
}

#[test]
fn a_dry_run_deletes_nothing_and_leaves_no_journal() {
    let daemon = TestDaemon::builder().start().unwrap();
    image(&daemon, 1, "", &["app:1"]);
    image(&daemon, 2, "", &["app:2"]);
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &daemon, &["--dry-run", "--keep-last", "1"]);
    let shown = text(&output.stdout);
    assert!(
        shown.contains("Deleted (1):\n") && shown.contains("app:2        it is the newest of app"),
        "{shown}"
    );
    assert_eq!((left(&daemon).len(), folder.path().join("journal").exists()), (2, false));
    let output = run(folder.path(), &daemon, &["--dry-run", "--format", "json"]);
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((plan["how"].as_str(), plan["delete"].as_array().unwrap().len()), (Some("request"), 2));
}

#[test]
fn flags_count_more_than_the_environment_and_that_more_than_the_file() {
    let daemon = TestDaemon::builder().start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = "host = \"unix:///nowhere\"\njournal = \"of-file\"\nkeep = [\"of-file\"]\nevery = \"2h\"\n";
    fs::write(folder.path().join("c.toml"), config).unwrap();
    for (number, name) in (0..).zip(["of-file:1", "of-flag:1", "other:1"]) {
        image(&daemon, number, "", &[name]);
    }
    let run = |set: &dyn Fn(&mut Command) -> &mut Command| {
        let mut command = command(folder.path());
        command.args(["agent", "--once", "--config", "c.toml"]);
        set(&mut command).output().unwrap()
    };
    let output = run(&|command| {
        command
            .env("DOCKER_HOST", daemon.host())
            .env("IMAGE_PRUNE_JOURNAL", "of-env")
            .args(["--keep", "of-flag"])
    });
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(!folder.path().join("of-file").exists());
    assert_eq!(lines(&folder.path().join("of-env")).len(), 3);
    assert_eq!(left(&daemon).len(), 2, "the rules of the file and of the flags");
    let args = ["--host", &daemon.host(), "--journal", "of-flag"];
    let output =
        run(&|command| command.env("DOCKER_HOST", "unix:///x").env("IMAGE_PRUNE_JOURNAL", "no").args(args));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(folder.path().join("of-flag").exists() && !folder.path().join("no").exists());
    let output = run(&|command| command.env("SleepTime", "5").env("SleepUnit", "w"));
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("SleepUnit=w: it is s, m, h or d"), "{}", text(&output.stderr));
    let output = run(&|command| command.env("SleepTime", "x"));
    assert!(text(&output.stderr).contains("SleepTime=x: it is a whole number"));
    let output = run(&|command| command.env("SleepUnit", "d"));
    assert!(text(&output.stderr).contains("without SleepTime"));
}

#[test]
fn it_runs_every_so_often_until_it_is_terminated() {
    let daemon = TestDaemon::builder().start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut child =
        agent(folder.path(), &daemon, &["--startup-delay", "0s", "--metrics-address", "127.0.0.1:0"])
            .env("SleepTime", "1")
            .env("SleepUnit", "s")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    for _ in 0..2 {
        image(&daemon, u64::from(child.id()), "", &[]);
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert!(line.contains(" done: "), "{line}");
    }
    let second = agent(folder.path(), &daemon, &["--once"]).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(text(&second.stderr).contains("another agent is at work with this journal"));
    terminate(&child);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let journal = lines(&folder.path().join("journal"));
    assert_eq!(journal.last().unwrap()["kind"], "result");
}

#[test]
fn sigterm_ends_it_behind_the_current_deletion() {
    let daemon = TestDaemon::builder().start().unwrap();
    // They take longer than any machine is busy.
    for number in 0..200 {
        image(&daemon, number, "", &[]);
    }
    daemon.add_fault("DELETE /images/** delay=400ms".parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut child = agent(folder.path(), &daemon, &["--startup-delay", "0s", "--keep", "x"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    eventually("no deletion", || left(&daemon).len() < 200);
    terminate(&child);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let journal = lines(&folder.path().join("journal"));
    let result = journal.last().unwrap();
    assert_eq!((&result["kind"], &result["outcome"]), (&"result".into(), &"stopped".into()));
    let deleted = result["deleted"].as_array().unwrap().len();
    assert!(deleted < 200 && deleted == 200 - left(&daemon).len(), "{deleted}");
}

#[test]
fn a_killed_run_is_told_by_the_next() {
    let daemon = TestDaemon::builder().start().unwrap();
    image(&daemon, 1, "", &[]);
    daemon.add_fault("POST /images/prune delay=9999h times=1".parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let mut child = agent(folder.path(), &daemon, &["--once"]).spawn().unwrap();
    let journal = folder.path().join("journal");
    eventually("no plan", || fs::read_to_string(&journal).is_ok_and(|text| text.contains("\"plan\"")));
    child.kill().unwrap();
    child.wait().unwrap();
    // It may have been killed before it asked for the prune.
    daemon.clear_faults();
    fs::write(&journal, fs::read_to_string(&journal).unwrap() + "{\"kind\":\"res").unwrap();
    let output = run(folder.path(), &daemon, &["--once"]);
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("dropped 12 bytes") && stderr.contains("has no result: it was killed"),
        "{stderr}"
    );
    let kinds: Vec<String> =
        lines(&journal).iter().map(|line| line["kind"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["plan", "repair", "plan", "result"]);
}

#[test]
fn a_full_disk_is_no_reason_not_to_prune() {
    let daemon = TestDaemon::builder().start().unwrap();
    image(&daemon, 1, "", &[]);
    let folder = tempfile::tempdir().unwrap();
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=8k", "tmpfs"]).arg(folder.path()).status();
    if !mounted.is_ok_and(|status| status.success()) {
        eprintln!("skipped: a full disk needs root, to mount one");
        return;
    }
    let filler = fs::write(folder.path().join("filler"), vec![0; 64 << 10]);
    let host = daemon.host();
    let args = ["agent", "--once", "--journal", "journal", "--host", &host];
    let output = command(folder.path()).args(args).output().unwrap();
    let unmounted = Command::new("umount").arg("-l").arg(folder.path()).status().unwrap();
    assert!(filler.is_err() && unmounted.success());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("No space left on device"), "{}", text(&output.stderr));
    assert!(left(&daemon).is_empty());
}

/// B12: a name or a label that a terminal would obey. No reference can hold one; a container's image name can.
#[test]
fn nothing_that_a_terminal_obeys_is_shown() {
    let daemon = TestDaemon::builder().start().unwrap();
    image(&daemon, 1, r#""evil":"\u001b[31mred""#, &["a:1"]);
    let folder = tempfile::tempdir().unwrap();
    let label = "evil=\u{1b}[31mred";
    let output = run(folder.path(), &daemon, &["--dry-run", "--keep-label", label]);
    assert!(text(&output.stdout).contains(r"evil=\u{1b}[31mred"), "{}", text(&output.stdout));
    assert!(!text(&output.stdout).contains('\u{1b}'));
    let output = run(folder.path(), &daemon, &["--once", "--keep-label", "none\u{1b}[2J"]);
    assert!(
        !text(&output.stderr).contains("\u{1b}[2J") && text(&output.stderr).contains("keeps nothing here")
    );
}

#[test]
fn what_is_packaged_is_valid() {
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging");
    let daemon = TestDaemon::builder().start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = packaging.join("agent.toml");
    let output = run(folder.path(), &daemon, &["--dry-run", "--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let units = ["image-prune-agent.service", "image-prune-once.service", "image-prune-once.timer"];
    for unit in units {
        let text = fs::read_to_string(packaging.join(unit)).unwrap();
        let text = text.replace("/usr/bin/image-prune", env!("CARGO_BIN_EXE_image-prune"));
        fs::write(folder.path().join(unit), text).unwrap();
    }
    for unit in units {
        let checked = Command::new("systemd-analyze")
            .args(["verify", "--man=no"])
            .arg(folder.path().join(unit))
            .output();
        let Ok(checked) = checked else {
            eprintln!("skipped: there is no systemd-analyze to check the units with");
            return;
        };
        let told = text(&checked.stderr);
        assert!(checked.status.success() && !told.contains(unit), "{unit}: {told}");
    }
}
