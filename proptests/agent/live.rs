//! The agent, `df` and `clean` on a real dockerd, with a socket and a data root of its own.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use image_prune::ImageId;
use image_prune::client::{Client, Host};
use serde_json::{Value, json};

use crate::command::case::command;
use crate::support::dockerd::Dockerd;
use crate::support::eventually;
use crate::support::image_tar::{ImageTar, TestLayer};

fn client(daemon: &Dockerd) -> Client {
    Client::new(Host::parse(&daemon.host()).unwrap()).unwrap()
}

fn run(daemon: &Dockerd, folder: &Path, args: &[&str]) -> Output {
    command(folder).env("DOCKER_HOST", daemon.host()).args(args).output().unwrap()
}

fn shown(output: &Output) -> &str {
    let stderr = std::str::from_utf8(&output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    std::str::from_utf8(&output.stdout).unwrap()
}

/// A layer of `kilobytes`.
fn layer(name: &str, kilobytes: usize) -> TestLayer {
    TestLayer::new(name, &name.repeat(kilobytes * 1024 / name.len()))
}

/// `app:1` to `app:4`, each a day younger, on one base; `web:1` on the same; `pinned:1` with a label; `solo:1` on a base
/// of its own; an image without a name.
fn fill(daemon: &Dockerd) -> Vec<(&'static str, ImageId)> {
    let mut tar = ImageTar::new();
    let base = layer("base", 300);
    let mut images = Vec::new();
    let mut add = |name: &'static str, day: u32, labels: Value, layers: &[TestLayer]| {
        let config =
            json!({ "created": format!("2020-01-{day:02}T00:00:00Z"), "config": { "Labels": labels } });
        let tags: &[&str] = if name.is_empty() { &[] } else { &[name] };
        images.push((name, tar.image(config, layers, tags, None)));
    };
    add("app:1", 1, json!(null), &[base.clone(), layer("app-1", 10)]);
    add("app:2", 2, json!(null), &[base.clone(), layer("app-2", 20)]);
    add("app:3", 3, json!(null), &[base.clone(), layer("app-3", 30)]);
    add("app:4", 4, json!(null), &[base.clone(), layer("app-4", 40)]);
    add("web:1", 5, json!(null), &[base, layer("web", 50)]);
    add("pinned:1", 6, json!({ "keep": "yes" }), &[layer("pinned", 60)]);
    add("solo:1", 7, json!(null), &[layer("solo", 70), layer("solo-top", 7)]);
    add("", 8, json!(null), &[layer("nameless", 80)]);
    let tar = tar.finish();
    client(daemon).load(&mut tar.as_slice()).unwrap();
    images
}

fn names(daemon: &Dockerd) -> Vec<String> {
    let mut names: Vec<String> =
        client(daemon).images(true).unwrap().into_iter().flat_map(|image| image.repo_tags).collect();
    names.sort();
    names
}

#[test]
fn an_agent_with_rules_deletes_one_by_one() {
    let Some(daemon) = Dockerd::start("the agent on a daemon") else { return };
    fill(&daemon);
    client(&daemon).create_container("user", &json!({ "Image": "web:1", "Cmd": ["x"] })).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("compose.yml"), "services: {s: {image: 'app:${TAG}'}}").unwrap();
    let before = client(&daemon).disk_usage().unwrap().layers_size;
    let args =
        ["agent", "--once", "--journal", "j", "--keep-label", "keep", "--keep-last", "2", "--format", "json"];
    let with = |more: &[&'static str]| [&args[..], more].concat();
    // `solo` and the image without a name: the others are the newest, pinned or used.
    let output = run(&daemon, folder.path(), &with(&["--keep-last", "2"][..0]));
    let result: Value = serde_json::from_str(shown(&output)).unwrap();
    assert_eq!(result["outcome"], "done", "{result}");
    assert_eq!(names(&daemon), ["app:3", "app:4", "pinned:1", "solo:1", "web:1"]);
    let freed = before - client(&daemon).disk_usage().unwrap().layers_size;
    assert_eq!(result["bytes_reported"], freed);
    assert_eq!((&result["bytes_foretold"], &result["bytes_at_least"]), (&json!(freed), &json!(freed)));
    let output =
        run(&daemon, folder.path(), &["agent", "--once", "--journal", "j", "--needed-by", "compose.yml"]);
    assert!(shown(&output).contains(" done: 2 images deleted, "), "{}", shown(&output));
    assert_eq!(names(&daemon), ["app:3", "app:4", "web:1"], "a variable stands for any tag");
}

#[test]
fn an_agent_without_rules_prunes() {
    let Some(daemon) = Dockerd::start("the agent on a daemon") else { return };
    fill(&daemon);
    client(&daemon).create_container("user", &json!({ "Image": "web:1", "Cmd": ["x"] })).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let output = run(&daemon, folder.path(), &["agent", "--once", "--journal", "j", "--format", "json"]);
    let result: Value = serde_json::from_str(shown(&output)).unwrap();
    assert_eq!((&result["outcome"], result["deleted"].as_array().unwrap().len()), (&json!("done"), 7));
    assert_eq!(result["bytes_reported"], result["bytes_foretold"]);
    assert_eq!(names(&daemon), ["web:1"]);
}

#[test]
fn df_is_the_daemons_and_dockers() {
    let Some(daemon) = Dockerd::start("df of a daemon") else { return };
    let images = fill(&daemon);
    let folder = tempfile::tempdir().unwrap();
    let client = client(&daemon);
    let volume = json!({ "Name": "data" });
    client.call(image_prune::client::Method::POST, "/volumes/create", Some(&volume)).unwrap();
    let body = json!({ "Image": "web:1", "Cmd": ["a command", "that is long enough to be cut"], "HostConfig": { "Binds": ["data:/data"] } });
    client.create_container("user", &body).unwrap();
    let told: Value = serde_json::from_slice(
        &client.call(image_prune::client::Method::GET, "/system/df", None).unwrap().body,
    )
    .unwrap();
    let ours: Value =
        serde_json::from_str(shown(&run(&daemon, folder.path(), &["df", "--format", "json"]))).unwrap();
    assert_eq!(ours["LayersSize"], told["LayersSize"]);
    assert_eq!(ours["Images"].as_array().unwrap().len(), images.len());
    for (ours, told) in ours["Images"].as_array().unwrap().iter().zip(told["Images"].as_array().unwrap()) {
        for key in ["Id", "Size", "SharedSize", "Containers", "Created"] {
            assert_eq!(ours[key], told[key], "{key}");
        }
    }
    // Debian's own docker is as old as its daemon; later ones round a column differently.
    let docker = "/usr/bin/docker";
    let version = Command::new(docker).arg("--version").output();
    if !version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(" 20.10.")) {
        eprintln!("skipped: there is no docker 20.10 to compare the tables of df with");
        return;
    }
    for args in [&["df"][..], &["df", "-v"]] {
        // Ages are told in seconds: of two equal answers around ours one is of the same second.
        let docker = || {
            let output = Command::new(docker)
                .env("DOCKER_HOST", daemon.host())
                .arg("system")
                .args(args)
                .output()
                .unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let is_same = (0..20).any(|_| {
            let before = docker();
            let ours = shown(&run(&daemon, folder.path(), args)).to_owned();
            trimmed(&before) == trimmed(&ours) || trimmed(&docker()) == trimmed(&ours)
        });
        let ours = run(&daemon, folder.path(), args);
        assert!(is_same, "docker's:\n{}\nours:\n{}", docker(), shown(&ours));
    }
}

/// docker pads the last column of each line.
fn trimmed(table: &str) -> Vec<&str> {
    table.lines().map(str::trim_end).collect()
}

#[test]
fn df_set_is_what_deleting_the_set_frees() {
    let Some(daemon) = Dockerd::start("df --set of a daemon") else { return };
    fill(&daemon);
    client(&daemon).create_container("user", &json!({ "Image": "web:1", "Cmd": ["x"] })).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let size = || client(&daemon).disk_usage().unwrap().layers_size;
    let marginal: Value =
        serde_json::from_str(shown(&run(&daemon, folder.path(), &["df", "--marginal", "--format", "json"])))
            .unwrap();
    let alone = |name: &str| {
        let all = marginal.as_array().unwrap();
        all.iter().find(|image| image["references"] == json!([name])).unwrap()["bytes"].as_i64().unwrap()
    };
    let solo = alone("solo:1");
    for set in [&["solo:1"][..], &["app:1", "app:3"], &["app:2", "pinned:1"], &["app:4", "web:1"]] {
        let (before, names) = (size(), set.join(","));
        let told: Value = serde_json::from_str(shown(&run(
            &daemon,
            folder.path(),
            &["df", "--set", &names, "--format", "json"],
        )))
        .unwrap();
        for name in set {
            // The one that is used stays, as df says.
            let refused = client(&daemon).remove_image(name, false, false).is_err();
            assert_eq!(refused, *name == "web:1");
        }
        let freed = before - size();
        assert_eq!((&told["bytes"], &told["bytes_at_least"]), (&json!(freed), &json!(freed)), "{set:?}");
        assert_eq!(told["stays"].as_object().unwrap().len(), usize::from(set.contains(&"web:1")));
        if set == ["solo:1"] {
            assert_eq!(solo, freed);
        }
    }
    assert_eq!(alone("app:1"), 10 * 1024 / 5 * 5);
}

/// Containers run where runc works; a shell with its two libraries is image enough.
#[test]
fn clean_removes_what_it_showed_and_empties_logs() {
    let Some(daemon) = Dockerd::start("clean on a daemon") else { return };
    let folder = tempfile::tempdir().unwrap();
    let docker = |args: &[&str]| {
        let output = Command::new("docker").env("DOCKER_HOST", daemon.host()).args(args).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let files = ["/bin/dash", "/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"];
    let tar = folder.path().join("shell.tar");
    let packed = Command::new("tar").arg("-chPf").arg(&tar).args(files).status();
    let script = "i=0; while [ $i -lt 100 ]; do echo a line of the log; i=$((i+1)); done; read x; echo on";
    if !packed.is_ok_and(|status| status.success())
        || !docker(&["import", tar.to_str().unwrap(), "shell:1"]).0
        || !docker(&[
            "run",
            "--network",
            "none",
            "--name",
            "ended",
            "shell:1",
            "/bin/dash",
            "-c",
            "echo ended",
        ])
        .0
        || !docker(&[
            "run",
            "-d",
            "-i",
            "--network",
            "none",
            "--name",
            "runs",
            "shell:1",
            "/bin/dash",
            "-c",
            script,
        ])
        .0
    {
        eprintln!("skipped: containers cannot run here, so that there is no log to empty");
        return;
    }
    fill(&daemon);
    client(&daemon).create_container("idle", &json!({ "Image": "app:1", "Cmd": ["x"] })).unwrap();
    for name in ["gone", "stays"] {
        let volume = json!({ "Name": name });
        client(&daemon).call(image_prune::client::Method::POST, "/volumes/create", Some(&volume)).unwrap();
    }
    let log = docker(&["inspect", "--format", "{{.LogPath}}", "runs"]).1;
    let lines = || std::fs::read_to_string(&log).unwrap().matches('\n').count();
    eventually("the container does not write a hundred lines", || lines() == 100);
    let args = ["clean", "--containers", "--images", "-a", "--keep", "app:2", "--volume", "gone"];
    let plan = run(&daemon, folder.path(), &[&args[..], &["--logs", "--dry-run"]].concat());
    assert!(
        shown(&plan).contains("ended") && shown(&plan).contains("Logs to empty (1):"),
        "{}",
        shown(&plan)
    );
    assert_eq!(client(&daemon).containers(false).unwrap().len(), 3, "a dry run");
    let output = run(&daemon, folder.path(), &[&args[..], &["-f"]].concat());
    assert!(shown(&output).contains("volume: gone\n"), "{}", shown(&output));
    assert_eq!(lines(), 100, "logs were not asked for");
    assert_eq!(names(&daemon), ["app:2", "shell:1"]);
    let volumes: Vec<_> =
        client(&daemon).disk_usage().unwrap().volumes.into_iter().map(|volume| volume.name).collect();
    assert_eq!(volumes, ["stays"]);
    let output = run(&daemon, folder.path(), &["clean", "--logs", "-f"]);
    assert!(shown(&output).contains("log of: "), "{}", shown(&output));
    assert_eq!(std::fs::metadata(&log).unwrap().len(), 0);
    let mut attached = Command::new("docker")
        .env("DOCKER_HOST", daemon.host())
        .args(["attach", "runs"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    attached.stdin.take().unwrap().write_all(b"go on\n").unwrap();
    assert!(attached.wait().unwrap().success());
    eventually("the container does not write again", || lines() == 1);
    let first = std::fs::read_to_string(&log).unwrap();
    assert!(first.starts_with("{\"log\":\"on"), "the daemon appends: {first:?}");

    // A link in the place of the log is left, and so is what it points to.
    let precious = folder.path().join("precious.log");
    std::fs::write(&precious, "precious").unwrap();
    std::fs::remove_file(&log).unwrap();
    std::os::unix::fs::symlink(&precious, &log).unwrap();
    let output = run(&daemon, folder.path(), &["clean", "--logs", "-f"]);
    assert!(!shown(&output).contains("log of: "), "{}", shown(&output));
    std::fs::remove_file(&log).unwrap();
    let beside = Path::new(&log).with_file_name("beside");
    std::fs::write(&beside, "precious").unwrap();
    std::fs::hard_link(&beside, &log).unwrap();
    let output = run(&daemon, folder.path(), &["clean", "--logs", "--dry-run"]);
    assert!(shown(&output).contains("left: there is a link on its way"), "{}", shown(&output));
    for untouched in [precious, beside] {
        assert_eq!(std::fs::read_to_string(untouched).unwrap(), "precious");
    }
}
