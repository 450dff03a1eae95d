//! Real clients: the docker CLI, curl, docker-py, dockerode and bollard, each with what people do with it.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use image_prune::graph::store::ImageStore;
use image_prune::server::TestDaemon;
use serde_json::json;

use crate::support::dockerd::is_installed;
use crate::support::http::request;
use crate::support::image_tar::{ImageTar, TestLayer};

/// A daemon with `base:1`, its child `app:1`, and a child of that without a name.
fn daemon() -> TestDaemon {
    let daemon = TestDaemon::builder().start().unwrap();
    fill(&daemon);
    daemon
}

fn archive() -> Vec<u8> {
    let layers = [TestLayer::new("a", "hi\n"), TestLayer::new("b", "there\n"), TestLayer::new("c", "!\n")];
    let created =
        |day: u32| json!({ "created": format!("2020-01-0{day}T00:00:00Z"), "config": { "Cmd": ["run"] } });
    let mut tar = ImageTar::new();
    let base = tar.image(created(1), &layers[..1], &["base:1"], None);
    let app = tar.image(created(2), &layers[..2], &["app:1"], Some(base));
    tar.image(created(3), &layers, &[], Some(app));
    tar.finish()
}

fn fill(daemon: &TestDaemon) {
    let tar = archive();
    let loaded = request(daemon.socket().unwrap(), "POST", "/images/load", "application/x-tar", &tar);
    assert!(!loaded.body.contains("error"), "{}", loaded.body);
}

/// Whether the programs are there; else says in one line what is skipped.
fn has(test: &str, programs: &[&str]) -> bool {
    let missing: Vec<_> = programs.iter().filter(|program| !is_installed(program)).collect();
    if !missing.is_empty() {
        eprintln!("skipped: server::clients::{test} needs {missing:?}");
    }
    missing.is_empty()
}

/// Runs a program that must succeed; what it printed.
fn run(daemon: &TestDaemon, program: &str, args: &[&str], input: &[u8]) -> String {
    let config = tempfile::tempdir().unwrap();
    let mut child = Command::new(program)
        .args(args)
        .env("DOCKER_HOST", daemon.host())
        .env("DOCKER_CONFIG", config.path())
        .env_remove("DOCKER_CONTEXT")
        .env_remove("DOCKER_API_VERSION")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {args:?}: {error}{out}");
    out.into_owned()
}

fn docker(daemon: &TestDaemon, args: &[&str]) -> String {
    run(daemon, "docker", args, b"")
}

#[test]
fn the_docker_cli_looks() {
    if !has("the_docker_cli_looks", &["docker"]) {
        return;
    }
    let daemon = daemon();
    let images = docker(&daemon, &["images"]);
    assert_eq!(images.lines().count(), 4, "{images}");
    assert!(images.contains("base") && images.contains("<none>"), "{images}");
    assert_eq!(docker(&daemon, &["images", "-aq", "--no-trunc"]).lines().count(), 3);
    assert_eq!(docker(&daemon, &["images", "-q", "-f", "dangling=true"]).lines().count(), 1);
    assert_eq!(docker(&daemon, &["images", "-q", "app"]).lines().count(), 1);
    let inspected: serde_json::Value = serde_json::from_str(&docker(&daemon, &["inspect", "app:1"])).unwrap();
    assert_eq!(inspected[0]["RepoTags"], json!(["app:1"]));
    let history = docker(&daemon, &["history", "app:1"]);
    assert_eq!(history.lines().count(), 3, "{history}");
    let usage = docker(&daemon, &["system", "df", "-v"]);
    assert!(usage.contains("SHARED SIZE") && usage.contains("app"), "{usage}");
    assert!(docker(&daemon, &["system", "df"]).contains("Build Cache"));
    assert!(docker(&daemon, &["version"]).contains("20.10.24"));
    assert!(docker(&daemon, &["info"]).contains("Images: 3"));
    docker(&daemon, &["create", "--name", "one", "base:1", "x"]);
    let containers = docker(&daemon, &["ps", "-a"]);
    assert!(containers.contains("Created") && containers.contains("one"), "{containers}");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let soon = (now.as_secs() + 1).to_string();
    let events = docker(&daemon, &["events", "--since", "1", "--until", &soon]);
    assert_eq!(events.lines().count(), 4, "{events}");
    assert!(events.contains("image load sha256:"), "{events}");
}

#[test]
fn the_docker_cli_changes() {
    if !has("the_docker_cli_changes", &["docker"]) {
        return;
    }
    let daemon = daemon();
    docker(&daemon, &["tag", "app:1", "reg.io:5000/team/app:2"]);
    let removed = docker(&daemon, &["rmi", "reg.io:5000/team/app:2"]);
    assert_eq!(removed, "Untagged: reg.io:5000/team/app:2\n");
    let id = docker(&daemon, &["create", "base:1", "x"]);
    docker(&daemon, &["start", id.trim()]);
    assert!(docker(&daemon, &["ps"]).contains("Up "));
    let pruned = docker(&daemon, &["image", "prune", "-f"]);
    assert!(
        pruned.starts_with("Deleted Images:\ndeleted: sha256:")
            && pruned.contains("\n\nTotal reclaimed space: 2B"),
        "{pruned}"
    );
    let kept = docker(&daemon, &["image", "prune", "-af", "--filter", "until=100000h"]);
    assert_eq!(kept, "Total reclaimed space: 0B\n");
    let pruned = docker(&daemon, &["image", "prune", "-af", "--filter", "label!=keep"]);
    assert!(pruned.contains("untagged: app:1") && !pruned.contains("base:1"), "{pruned}");
    docker(&daemon, &["stop", id.trim()]);
    assert!(docker(&daemon, &["ps", "-a"]).contains("Exited (143)"));
    let all = docker(&daemon, &["system", "prune", "-af"]);
    assert!(all.contains("Deleted Containers:") && all.contains("untagged: base:1"), "{all}");
    assert!(daemon.stores().images.is_empty() && daemon.stores().layers.is_empty());
    daemon.stores().validate().unwrap();

    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    std::fs::write(file.path(), archive()).unwrap();
    let loaded = docker(&daemon, &["load", "-i", path]);
    assert!(loaded.contains("Loaded image: app:1"), "{loaded}");
    docker(&daemon, &["save", "-o", path, "base:1", "app:1"]);
    docker(&daemon, &["rmi", "-f", "base:1", "app:1"]);
    assert!(docker(&daemon, &["load", "-i", path]).contains("Loaded image: base:1"));
    let imported = run(
        &daemon,
        "docker",
        &["import", "-c", "LABEL a=b", "-", "imported:1"],
        TestLayer::new("x", "y").bytes(),
    );
    assert!(imported.starts_with("sha256:"), "{imported}");
    let refused = |args: &[&str]| {
        let output = Command::new("docker").args(args).env("DOCKER_HOST", daemon.host()).output().unwrap();
        assert!(!output.status.success(), "{args:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(refused(&["pull", "alpine"]).contains("pull access denied for alpine"));
    assert!(refused(&["inspect", "nosuch"]).contains("No such object: nosuch"));
    assert!(refused(&["exec", "nosuch", "x"]).contains("No such container: nosuch"));
    assert!(refused(&["swarm", "init"]).contains("is not implemented by image-prune serve"));
    assert!(docker(&daemon, &["pull", "base:1"]).contains("Image is up to date for base:1"));
}

#[test]
fn the_docker_cli_lives_with_containers() {
    if !has("the_docker_cli_lives_with_containers", &["docker"]) {
        return;
    }
    let daemon = daemon();
    let id = docker(&daemon, &["run", "-d", "--name", "one", "-v", "data:/data", "base:1", "x"]);
    assert_eq!(id.trim().len(), 64, "{id}");
    daemon.set_logs("one", "first\nsecond\n").unwrap();
    assert_eq!(docker(&daemon, &["logs", "--tail", "1", "one"]), "second\n");
    docker(&daemon, &["pause", "one"]);
    assert!(docker(&daemon, &["ps"]).contains("(Paused)"));
    docker(&daemon, &["unpause", "one"]);
    assert!(docker(&daemon, &["top", "one"]).contains("CMD"));
    assert!(docker(&daemon, &["stats", "--no-stream"]).contains("one"));
    docker(&daemon, &["rename", "one", "two"]);
    docker(&daemon, &["update", "--restart", "always", "two"]);
    let policy = docker(&daemon, &["inspect", "-f", "{{.HostConfig.RestartPolicy.Name}}", "two"]);
    assert_eq!(policy, "always\n");
    let made = docker(&daemon, &["commit", "-m", "of two", "-c", "LABEL a=b", "two", "committed:1"]);
    assert!(made.starts_with("sha256:"), "{made}");
    assert!(docker(&daemon, &["history", "committed:1"]).contains("of two"));
    assert_eq!(docker(&daemon, &["inspect", "-f", "{{.Config.Labels.a}}", "committed:1"]), "b\n");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| docker(&daemon, &["wait", "two"]));
        let attached = scope.spawn(|| docker(&daemon, &["run", "--rm", "--name", "attached", "base:1", "x"]));
        crate::support::eventually("the container does not run", || daemon.exit("attached", 0) == Ok(true));
        attached.join().unwrap();
        assert!(daemon.exit("two", 7).unwrap());
        assert!(matches!(waiting.join().unwrap().trim(), "7"));
    });
    assert_eq!(docker(&daemon, &["network", "ls", "-q"]).lines().count(), 3);
    docker(&daemon, &["network", "create", "own"]);
    docker(&daemon, &["network", "connect", "own", "two"]);
    docker(&daemon, &["restart", "two"]);
    assert_eq!(docker(&daemon, &["network", "prune", "-f"]), "");
    docker(&daemon, &["rm", "-f", "two"]);
    assert!(docker(&daemon, &["network", "prune", "-f"]).contains("own"));
    assert_eq!(docker(&daemon, &["volume", "ls", "-q"]), "data\n");
    docker(&daemon, &["volume", "rm", "data"]);
    assert_eq!(docker(&daemon, &["plugin", "ls", "-q"]), "");
}

/// The line that devices run every night.
#[test]
fn curl_prunes_as_devices_do() {
    if !has("curl_prunes_as_devices_do", &["curl"]) {
        return;
    }
    let daemon = daemon();
    let socket = daemon.socket().unwrap().to_str().unwrap();
    let url = "http://localhost/images/prune?filters=%7B%22dangling%22%3A%20%5B%22false%22%5D%7D";
    let answer = run(&daemon, "curl", &["-sf", "-X", "POST", "--unix-socket", socket, url], b"");
    assert!(
        answer.starts_with("{\"ImagesDeleted\":[{\"") && answer.ends_with("\"SpaceReclaimed\":11}\n"),
        "{answer}"
    );
    let again = run(&daemon, "curl", &["-sf", "-X", "POST", "--unix-socket", socket, url], b"");
    assert_eq!(again, "{\"ImagesDeleted\":null,\"SpaceReclaimed\":0}\n");
}

/// What people look at first, on each version that there is.
#[test]
fn clients_speak_every_version() {
    // The newest version of the API that the docker CLI speaks.
    let newest = has("clients_speak_every_version", &["docker"]).then(|| {
        let version = docker(&daemon(), &["version", "--format", "{{.Client.DefaultAPIVersion}}"]);
        version.trim().strip_prefix("1.").unwrap().parse::<u16>().unwrap()
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for semantics in image_prune::Semantics::ALL {
        let daemon = TestDaemon::builder().semantics(semantics).start().unwrap();
        fill(&daemon);
        runtime.block_on(async {
            let host = daemon.host();
            let docker = bollard::Docker::connect_with_unix(&host, 60, bollard::API_DEFAULT_VERSION).unwrap();
            let docker = docker.negotiate_version().await.unwrap();
            let name = semantics.name;
            assert_eq!(docker.inspect_image("app:1").await.unwrap().repo_tags.unwrap(), ["app:1"], "{name}");
            let networks =
                docker.list_networks(None::<bollard::query_parameters::ListNetworksOptions>).await.unwrap();
            assert_eq!(networks.len(), 3, "{name}");
            assert!(
                docker.list_volumes(None::<bollard::query_parameters::ListVolumesOptions>).await.is_ok(),
                "{name}"
            );
            assert!(docker.df(None::<bollard::query_parameters::DataUsageOptions>).await.is_ok(), "{name}");
        });
        if newest.is_none_or(|newest| newest < semantics.api_versions.0) {
            continue;
        }
        let run = |args: &[&str]| docker(&daemon, args);
        run(&["run", "-d", "--name", "one", "-v", "data:/data", "base:1", "x"]);
        for args in [
            &["version"][..],
            &["info"],
            &["images", "-a"],
            &["ps", "-a", "--filter", "status=running"],
            &["inspect", "one", "base:1"],
            &["system", "df", "-v"],
            &["network", "ls"],
            &["volume", "inspect", "data"],
            &["logs", "one"],
            &["tag", "base:1", "again:2"],
            &["pull", "again:2"],
            &["rm", "-fv", "one"],
            &["volume", "prune", "-f"],
            &["image", "prune", "-af", "--filter", "until=1h"],
            &["events", "--since", "1", "--until", "2"],
        ] {
            run(args);
        }
        assert!(daemon.stores().images.is_empty(), "{semantics}");
    }
}

const DOCKER_PY: &str = r#"
import docker, os, sys
client = docker.DockerClient(base_url=os.environ["DOCKER_HOST"])
assert client.ping()
assert len(client.images.list(all=True)) == 3
image = client.images.get("app:1")
image.tag("again", "2")
assert sorted(client.images.get("app:1").tags) == ["again:2", "app:1"], client.images.get("app:1").tags
assert len(image.history()) == 2
container = client.containers.create("base:1", ["x"], name="one")
assert client.containers.get("one").status == "created"
container.start()
assert client.containers.get("one").status == "running"
container.stop()
report = client.images.prune({"dangling": False})
assert report["SpaceReclaimed"] == 8, report
assert {"Untagged": "again:2"} in report["ImagesDeleted"], report
container.remove()
assert client.df()["LayersSize"] == 3
try:
    client.images.get("app:1")
    sys.exit("app:1 is still there")
except docker.errors.ImageNotFound:
    pass
client.images.load(sys.stdin.buffer.read())
container = client.containers.run("base:1", ["x"], name="two", detach=True, network_mode="none",
                                  volumes={"data": {"bind": "/data", "mode": "rw"}})
container.pause()
container.reload()
assert container.status == "paused"
container.unpause()
assert container.logs() == b""
assert container.top()["Titles"][-1] == "CMD"
assert container.stats(stream=False)["name"] == "/two"
container.rename("three")
container.update(mem_limit=64 << 20)
committed = container.commit("committed", "1")
assert committed.tags == ["committed:1"], committed.tags
container.stop()
assert container.wait()["StatusCode"] == 143
container.restart()
container.remove(force=True)
network = client.networks.create("net", labels={"a": "b"})
assert client.networks.get("net").attrs["Labels"] == {"a": "b"}
assert len(client.networks.list()) == 4
assert client.networks.prune()["NetworksDeleted"] == ["net"]
assert [volume.name for volume in client.volumes.list()] == ["data"]
assert client.volumes.prune()["VolumesDeleted"] == ["data"]
assert client.images.pull("base", "1").tags == ["base:1"]
try:
    client.images.pull("nope")
    sys.exit("nope was pulled")
except docker.errors.NotFound:
    pass
data = b"".join(client.images.get("app:1").save(named=True))
assert b"manifest.json" in data
events = [event["Action"] for event in client.events(since=1, until=1, decode=True)]
print("done", events)
"#;

#[test]
fn docker_py_works() {
    const PYTHON: &str = "/usr/bin/python3";
    let has_module = |python: &str| {
        Command::new(python)
            .args(["-c", "import docker"])
            .output()
            .is_ok_and(|output| output.status.success())
    };
    let Some(python) = [PYTHON, "python3"].into_iter().find(|python| has_module(python)) else {
        eprintln!("skipped: server::clients::docker_py_works needs python3-docker");
        return;
    };
    let daemon = daemon();
    assert_eq!(run(&daemon, python, &["-c", DOCKER_PY], &archive()), "done []\n");
}

const COMPOSE: &str = r#"
version: "3.3"
services:
  web:
    image: app:1
    labels: { role: front }
    volumes: ["data:/data", "/anonymous"]
    networks: [front, back]
    depends_on: [db]
  db:
    image: base:1
    command: ["x"]
    networks: [back]
networks: { front: {}, back: {} }
volumes: { data: {} }
"#;

#[test]
fn docker_compose_works() {
    if !has("docker_compose_works", &["docker-compose"]) {
        return;
    }
    let daemon = daemon();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("docker-compose.yml");
    std::fs::write(&file, COMPOSE).unwrap();
    let file = file.to_str().unwrap();
    let compose =
        |args: &[&str]| run(&daemon, "docker-compose", &[&["-f", file, "-p", "it"], args].concat(), b"");
    assert!(compose(&["config"]).contains("image: app:1"));
    compose(&["up", "--no-start"]);
    let listed = compose(&["ps"]);
    assert!(listed.contains("it_web_1") && listed.contains("it_db_1"), "{listed}");
    assert!(compose(&["images"]).contains("base"));
    assert!(of_route(&daemon, "networks").contains("it_back"));
    compose(&["up", "-d"]);
    assert_eq!(compose(&["ps"]).matches("Up").count(), 2);
    compose(&["pause", "db"]);
    assert!(compose(&["ps"]).contains("Paused"));
    compose(&["unpause", "db"]);
    daemon.set_logs("it_db_1", "ready\n").unwrap();
    assert!(compose(&["logs", "--no-color", "db"]).contains("| ready"));
    assert!(compose(&["top"]).contains("CMD"));
    compose(&["restart", "-t", "0"]);
    compose(&["stop", "-t", "0"]);
    assert!(!compose(&["ps"]).contains("Up"));
    compose(&["up", "-d"]);
    compose(&["down", "--rmi", "all", "--volumes"]);
    let left = of_route(&daemon, "networks") + &of_route(&daemon, "volumes");
    assert!(!left.contains("it_"), "{left}");
    assert!(daemon.stores().containers.is_empty());
    assert!(daemon.stores().images.search("app:1").is_err());
}

/// What a route lists.
fn of_route(daemon: &TestDaemon, route: &str) -> String {
    crate::support::http::get(daemon.socket().unwrap(), &format!("/{route}")).body
}

const DOCKERODE: &str = r#"
const Docker = require("dockerode");
const docker = new Docker({ socketPath: process.env.DOCKER_HOST.replace("unix://", "") });
const check = (holds, what) => { if (!holds) { console.error("wrong:", what); process.exit(1); } };
(async () => {
  check((await docker.ping()).toString() === "OK", "ping");
  check((await docker.listImages({ all: true })).length === 3, "list");
  await docker.getImage("app:1").tag({ repo: "again", tag: "2" });
  check((await docker.getImage("app:1").inspect()).RepoTags.length === 2, "inspect");
  check((await docker.getImage("app:1").history()).length === 2, "history");
  const container = await docker.createContainer({ Image: "base:1", Cmd: ["x"] });
  await container.start();
  const report = await docker.pruneImages({ filters: { dangling: ["false"] } });
  check(report.SpaceReclaimed === 8, report);
  await container.remove({ force: true });
  check((await docker.listContainers({ all: true })).length === 0, "containers");
  check((await docker.df()).LayersSize === 3, "df");
  await docker.getImage("base:1").remove();
  const network = await docker.createNetwork({ Name: "net" });
  check((await network.inspect()).Driver === "bridge", "network");
  check((await docker.listNetworks()).length === 4, "networks");
  await network.remove();
  await docker.createVolume({ Name: "data" });
  check((await docker.listVolumes()).Volumes.length === 1, "volumes");
  await docker.getVolume("data").remove();
  const missing = await docker.getImage("base:1").inspect().catch((error) => error.statusCode);
  check(missing === 404, missing);
  console.log("done");
})().catch((error) => { console.error(error); process.exit(1); });
"#;

#[test]
fn dockerode_works() {
    // Installed by `npm install --prefix target/node dockerode`.
    let modules = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/node/node_modules"));
    if !has("dockerode_works", &["node"]) || !modules.join("dockerode").exists() {
        eprintln!("skipped: server::clients::dockerode_works needs dockerode in target/node");
        return;
    }
    let daemon = daemon();
    let script = format!("module.paths.push({modules:?});{DOCKERODE}");
    assert_eq!(run(&daemon, "node", &["-e", &script], b""), "done\n");
}

#[test]
fn bollard_works() {
    use bollard::Docker;
    use bollard::query_parameters::{
        ListImagesOptionsBuilder, PruneImagesOptionsBuilder, RemoveImageOptions, TagImageOptionsBuilder,
    };

    let daemon = daemon();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let host = daemon.host();
        let docker = Docker::connect_with_unix(&host, 10, bollard::API_DEFAULT_VERSION).unwrap();
        let docker = docker.negotiate_version().await.unwrap();
        assert_eq!(docker.ping().await.unwrap(), "OK");
        let all = ListImagesOptionsBuilder::default().all(true).build();
        assert_eq!(docker.list_images(Some(all)).await.unwrap().len(), 3);
        let to = TagImageOptionsBuilder::default().repo("again").tag("2").build();
        docker.tag_image("app:1", Some(to)).await.unwrap();
        let tags = docker.inspect_image("app:1").await.unwrap().repo_tags.unwrap();
        assert_eq!(tags, ["again:2", "app:1"]);
        assert_eq!(docker.image_history("app:1").await.unwrap().len(), 2);
        let removed = docker.remove_image("again:2", None::<RemoveImageOptions>, None).await.unwrap();
        assert_eq!(removed[0].untagged.as_deref(), Some("again:2"));
        let filters = std::collections::HashMap::from([("dangling", vec!["false"])]);
        let all = PruneImagesOptionsBuilder::default().filters(&filters).build();
        let report = docker.prune_images(Some(all)).await.unwrap();
        assert_eq!(report.space_reclaimed, Some(11));
        assert_eq!(report.images_deleted.unwrap().len(), 8);
        assert!(docker.inspect_image("app:1").await.is_err());
    });
    assert!(daemon.stores().images.ids(false).is_empty());
}
