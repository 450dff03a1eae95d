//! A state read over the API: the plan on it is the plan on the stores themselves, and the bytes lie where it says.
//! And the commands that take `--host`, on our own daemon.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;

use image_prune::client::state::DaemonState;
use image_prune::client::{Client, Host};
use image_prune::graph::plan::plan;
use image_prune::graph::select::Order;
use image_prune::graph::store::Stores;
use image_prune::server::TestDaemon;
use image_prune::{Error, Reference, Semantics, World};
use proptest::prelude::*;
use serde_json::Value;

use crate::command::case::command;
use crate::support::proxy::Proxy;
use crate::support::{Shape, config, filters, now, semantics_of, world};

const SEEDS: &str = "proptests/regressions/host.txt";

fn served(world: &World, semantics: Semantics) -> TestDaemon {
    TestDaemon::builder().semantics(semantics).world(world.clone()).start().unwrap()
}

fn client(daemon: &TestDaemon) -> Client {
    Client::new(Host::parse(&daemon.host()).unwrap()).unwrap()
}

/// Without what an API does not tell: layers of no image, references to images that are not there, names that are
/// told as another's (R-9), containers that hold other layers than their image's, and mounts.
fn tellable(mut world: World) -> World {
    let semantics = semantics_of(&world);
    let tops: Vec<_> = world
        .images
        .iter()
        .map(|image| (image.id, image_prune::Image::parse(image.config.clone(), &semantics).unwrap()))
        .map(|(id, image)| (id, image.chain().unwrap()))
        .collect();
    let top = |id| tops.iter().find(|(other, _)| *other == id).map(|(_, top)| *top);
    let is_told = |name: &str| {
        let familiar = Reference::parse(name, &semantics).unwrap();
        Reference::parse(familiar.familiar(), &semantics).unwrap().as_str() == name
    };
    world.references.retain(|reference| top(reference.id).is_some() && is_told(&reference.name));
    world.containers.retain(|container| top(container.image).is_some());
    for container in &mut world.containers {
        container.rw_layer_parent = top(container.image).flatten();
        container.image_mounts.clear();
    }
    let mut used = BTreeSet::new();
    for (_, top) in &tops {
        let mut next = *top;
        while let Some(layer) = next.and_then(|id| world.layers.iter().find(|layer| layer.chain_id == id)) {
            used.insert(layer.chain_id);
            next = layer.parent;
        }
    }
    world.layers.retain(|layer| used.contains(&layer.chain_id));
    world
}

proptest! {
    #![proptest_config(config(SEEDS, 40))]

    #[test]
    fn a_plan_of_what_is_told_is_the_plan(world in world(Shape::typical()), filters in filters()) {
        let semantics = semantics_of(&world);
        let world = tellable(world);
        let daemon = served(&world, semantics);
        let state = DaemonState::read(&client(&daemon), &semantics).unwrap();
        prop_assert_eq!(state.doubts, Vec::<String>::new());

        let plan = |world: World| {
            let stores = Stores::load(world, &semantics).unwrap();
            plan(&stores, &filters, &semantics, now(), &Order::ById)
        };
        match (plan(world), plan(state.world)) {
            (Ok(expected), Ok(told)) => {
                prop_assert_eq!(&told.report.images_deleted, &expected.report.images_deleted);
                // The last tells the bytes.
                let events = |plan: &image_prune::graph::plan::Plan| plan.events.split_last().unwrap().1.to_vec();
                prop_assert_eq!(events(&told), events(&expected));
                let of = |plan: &image_prune::graph::plan::Plan| -> Vec<_> {
                    plan.images.iter().map(|image| (image.id, image.verdict, image.size)).collect()
                };
                prop_assert_eq!(of(&told), of(&expected));
                let range = state.sizes.freed(&told.report.images_deleted);
                prop_assert!(range.contains(&expected.report.space_reclaimed), "{range:?}: {expected:?}");
                prop_assert!(range.contains(&told.report.space_reclaimed), "{range:?}");
            }
            (expected, told) => {
                let error = |plan: Result<image_prune::graph::plan::Plan, Error>| plan.unwrap_err();
                prop_assert_eq!(error(told), error(expected));
            }
        }
    }
}

/// The state that the cases of the command use.
fn small() -> World {
    serde_json::from_str(include_str!("../testdata/cases/cli/files/small.json")).unwrap()
}

fn run(daemon: &TestDaemon, args: &[&str]) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let args = args.iter().map(|arg| if *arg == "HOST" { daemon.host() } else { (*arg).to_owned() });
    let Output { status, stdout, stderr } = command(folder.path()).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn a_daemon_is_planned_for() {
    let daemon = served(&small(), Semantics::MOBY_20_10);
    let (code, stdout, stderr) = run(&daemon, &["plan", "--host", "HOST", "-a", "--no-trunc"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("container container-"), "{stdout}");
    let (_, same, _) = run(&daemon, &["plan", "--host", "HOST", "-a", "--no-trunc"]);
    assert_eq!(stdout, same);
    assert_eq!(daemon.world().images.len(), small().images.len(), "a plan changed something");

    // By the environment, and not where another state is named.
    let folder = tempfile::tempdir().unwrap();
    let with_environment = |args: &[&str]| {
        command(folder.path()).env("DOCKER_HOST", daemon.host()).args(args).output().unwrap().status.code()
    };
    assert_eq!(with_environment(&["plan"]), Some(0));
    assert_eq!(with_environment(&["plan", "--data-root", "no/such/root"]), Some(1));
}

#[test]
fn sizes_that_nobody_tells_are_estimated() {
    let daemon = served(&small(), Semantics::MOBY_20_10);
    let (code, stdout, stderr) = run(&daemon, &["plan", "--host", "HOST", "-a", "--format", "json"]);
    assert_eq!(code, 0, "{stderr}");
    let plan: Value = serde_json::from_str(&stdout).unwrap();
    let (low, high) = (plan["estimate"]["low"].as_u64().unwrap(), plan["estimate"]["high"].as_u64().unwrap());
    let stores = Stores::load(small(), &Semantics::MOBY_20_10).unwrap();
    let exact = image_prune::graph::Engine::new(
        stores,
        Semantics::MOBY_20_10,
        image_prune::event::Recorder::default(),
    );
    let exact = exact
        .prune(&crate::support::parsed(crate::support::ALL), now(), &image_prune::cancel::Never)
        .unwrap();
    assert!((low..=high).contains(&exact.space_reclaimed), "{low} to {high}: {exact:?}");
    assert_eq!(plan["estimate"]["why"].as_array().unwrap().is_empty(), low == high);
}

#[test]
fn an_exported_daemon_is_a_state() {
    let daemon = served(&small(), Semantics::MOBY_20_10);
    let (code, stdout, stderr) = run(&daemon, &["export", "--host", "HOST"]);
    assert_eq!(code, 0, "{stderr}");
    let world: World = serde_json::from_str(&stdout).unwrap();
    assert_eq!(world.stand_ins.len(), small().images.len());
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("state.json"), &stdout).unwrap();
    let prune = |_: usize| {
        let output = command(folder.path()).args(["prune", "-f", "--state", "state.json"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    // What was pruned can be read again.
    (0..2).for_each(prune);
}

#[test]
fn usage_is_what_the_daemon_tells() {
    let daemon = served(&small(), Semantics::MOBY_20_10);
    let (code, told, stderr) = run(&daemon, &["df", "--host", "HOST"]);
    assert_eq!(code, 0, "{stderr}");
    let folder = tempfile::tempdir().unwrap();
    let state = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cases/cli/files/small.json");
    let computed = command(folder.path()).args(["df", "--state"]).arg(state).output().unwrap();
    // A daemon tells of containers, volumes and the build cache, too, and the columns are wider.
    let words =
        |text: &str| text.lines().nth(1).unwrap().split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&told), words(std::str::from_utf8(&computed.stdout).unwrap()));
    assert_eq!(told.lines().count(), 5, "{told}");
}

#[test]
fn a_prune_comes_as_foretold() {
    let daemon = served(&small(), Semantics::MOBY_20_10);
    let (code, stdout, stderr) = run(&daemon, &["prune", "--host", "HOST", "-f", "-a"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(stdout.contains("Would free "), "{stdout}");
    assert!(stdout.ends_with("This is what was foretold.\n"), "{stdout}");
    assert!(daemon.world().images.len() < small().images.len());
    let (code, stdout, _) = run(&daemon, &["prune", "--host", "HOST", "-f", "-a", "--format", "json"]);
    assert_eq!(code, 0);
    let done: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&done["foretold"], &done["daemon"]["status"]), (&Value::Bool(true), &Value::from(200)));
}

#[test]
fn what_something_unseen_holds_stays_and_is_told() {
    // A container whose image is gone, on the layers of one that goes: the API tells of no layer.
    let mut world = small();
    let top = world.layers.iter().find(|layer| layer.parent.is_some()).unwrap().chain_id;
    let made_up = image_prune::Digest::of(b"gone");
    world.containers.clear();
    world.containers.push(image_prune::world::Container {
        id: made_up.into(),
        image: made_up.into(),
        running: false,
        rw_layer_parent: Some(top),
        image_mounts: Vec::new(),
    });
    let daemon = served(&world, Semantics::MOBY_20_10);
    let (code, stdout, stderr) = run(&daemon, &["prune", "--host", "HOST", "-f", "-a"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(stderr.contains("holds layers of an image that is gone"), "{stderr}");
    assert!(stdout.contains("This is what was foretold, less "), "{stdout}");
    assert!(daemon.world().layers.iter().any(|layer| layer.chain_id == top));
}

#[test]
fn a_prune_that_comes_otherwise_is_told() {
    // The daemon does as another version: two values of `dangling` are an error there, and no prune.
    let daemon = served(&small(), Semantics::MOBY_28_5);
    let filters = r#"{"dangling":["1","0"]}"#;
    let args = ["prune", "--host", "HOST", "-f", "--semantics", "moby-20.10", "--filters", filters];
    let (code, stdout, stderr) = run(&daemon, &args);
    assert_eq!(code, 3, "{stdout}{stderr}");
    assert!(stdout.contains("This is not what was foretold"), "{stdout}");
    assert!(stderr.contains("the daemon answered: 400"), "{stderr}");
}

#[test]
fn what_cannot_be_asked_is_an_error() {
    let daemon = served(&small(), Semantics::MOBY_20_10);
    for (args, code, words) in [
        (&["plan", "--host", "unix:///no/such/socket"][..], 1, "/no/such/socket"),
        (&["plan", "--host", "ssh://there"], 2, "ssh:// is not supported"),
        (&["prune", "--host", "HOST"], 2, "no terminal"),
        (&["prune", "--host", "HOST", "-f", "--in", "1h"], 2, "a daemon has its own clock"),
        (&["prune", "--host", "HOST", "--state", "x"], 2, "cannot be used with"),
        (&["prune", "-f"], 2, "--state"),
        (&["conform", "--host", "HOST", "--cases", "1"], 1, "a prune may take them away"),
    ] {
        let (got, stdout, stderr) = run(&daemon, args);
        assert_eq!(got, code, "{args:?}: {stdout}{stderr}");
        assert!(stderr.contains(words), "{args:?}: {stderr}");
    }
    assert_eq!(daemon.world().images.len(), small().images.len());
}

/// Docker 29's default. The classic rules say nothing about it.
#[test]
fn a_daemon_with_the_containerd_image_store_is_refused() {
    let daemon = served(&small(), Semantics::MOBY_28_5);
    let proxy = Proxy::new(&daemon, |request| {
        let info = serde_json::json!({
            "ID": "x", "Driver": "overlayfs", "DockerRootDir": "/", "SystemTime": "2026-01-01T00:00:00Z",
            "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]],
        });
        (request == "GET /info").then_some(info)
    });
    let folder = tempfile::tempdir().unwrap();
    for args in [
        &["plan"][..],
        &["plan", "-a", "--format", "json"],
        &["df"],
        &["df", "-v"],
        &["df", "--set", "acme/new"],
        &["df", "--free", "1kB"],
        &["df", "--marginal"],
        &["export"],
        &["fit", "manifest.json"],
        &["fit", "manifest.json", "--prune"],
        &["prune", "-f", "-a", "--host", "HOST"],
        &["clean", "--images", "-f"],
        &["agent", "--once", "--journal", "journal"],
        &["agent", "--dry-run"],
        &["conform", "--allow-other-images"],
    ] {
        let host = proxy.host();
        let args: Vec<&str> = args.iter().map(|arg| if *arg == "HOST" { &host } else { *arg }).collect();
        let output = command(folder.path()).env("DOCKER_HOST", &host).args(&args).output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        let told = String::from_utf8(told).unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {told}");
        assert!(told.contains("the containerd image store"), "{args:?}: {told}");
        assert!(told.contains("io.containerd.snapshotter.v1") && !told.contains("hint:"), "{args:?}: {told}");
    }
    assert_eq!(daemon.world().images.len(), small().images.len());
}

#[test]
fn conform_tells_people_and_programs() {
    let daemon = TestDaemon::builder().start().unwrap();
    let (code, stdout, stderr) = run(&daemon, &["conform", "--host", "HOST", "--cases", "5"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.ends_with("5 of 5 cases are as moby-20.10 has them (seed 1).\n"), "{stdout}");
    let args = ["conform", "--host", "HOST", "--cases", "5", "--semantics", "moby-26.1", "--format", "json"];
    let (code, stdout, _) = run(&daemon, &args);
    assert_eq!(code, 3);
    let report: Value = serde_json::from_str(&stdout).unwrap();
    let groups = report["groups"].as_array().unwrap();
    let failing = groups.iter().find(|group| group["group"] == "disk-usage").unwrap();
    assert!(
        failing["shortest"]["before"]["format"] == 1 && failing["shortest"]["request"]["now"].is_string()
    );
}

#[test]
fn conform_takes_the_daemon_s_version_and_says_how_it_is_known() {
    for (semantics, is_read) in [(Semantics::MOBY_27_5, true), (Semantics::MOBY_29, false)] {
        let daemon = served(&World::default(), semantics);
        let (code, stdout, stderr) = run(&daemon, &["conform", "--host", "HOST", "--cases", "2"]);
        assert_eq!(code, 0, "{stdout}{stderr}");
        assert!(stdout.contains(&format!("2 of 2 cases are as {semantics} has them")), "{stdout}");
        assert_eq!(stderr.contains("was read in the source of 27.5.1 and not run"), is_read, "{stderr}");
    }
}
