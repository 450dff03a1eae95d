//! `conform`: our own daemon prunes as moby does, in every version; so does dockerd, where there is one. What
//! is made is taken away, and nobody else's is touched.

use image_prune::client::conform::{Group, Options, Report, conform};
use image_prune::client::{Client, Host};
use image_prune::graph::select::Order;
use image_prune::graph::store::ImageStore;
use image_prune::server::TestDaemon;
use image_prune::{Evidence, Semantics};

use crate::support::dockerd::Dockerd;
use crate::support::podman::Podman;

fn client(host: &str) -> Client {
    Client::new(Host::parse(host).unwrap()).unwrap()
}

fn options(cases: usize, seed: u64, semantics: Semantics) -> Options {
    Options { cases, seed, semantics, others: false }
}

/// What a person would want to see of a report that is not clean.
fn words(report: &Report) -> String {
    let shortest = report.groups.iter().filter_map(|group| group.shortest.as_ref());
    let lines =
        shortest.map(|failing| format!("{}: {}\n{}", failing.case, failing.difference, failing.request));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn serve_prunes_as_moby() {
    for (release, seed) in Semantics::RELEASES.into_iter().zip(10..) {
        let (semantics, is_recorded) = (release.semantics, release.evidence == Evidence::Executed);
        // A line that was read is a mix of those that were run.
        let cases = if is_recorded { 60 } else { 12 };
        let daemon = TestDaemon::builder().semantics(semantics).order(Order::Shuffled(seed)).start().unwrap();
        let client = client(&daemon.host());
        assert_eq!(client.semantics().unwrap(), semantics, "the version that it says it is");
        let report = conform(&client, &options(cases, seed, semantics), &mut |_| {}).unwrap();
        assert_eq!(report.explained, report.cases, "{semantics}:\n{}", words(&report));
        assert!(daemon.stores().images.ids(false).is_empty(), "images are left");
        assert!(daemon.world().containers.is_empty(), "containers are left");
        let asked = |group| report.groups.iter().any(|found| found.group == group && found.cases > 5);
        assert!(!is_recorded || Group::ALL.into_iter().all(asked), "a group is hardly asked for");
    }
}

/// One version judged by the rules of another is found out, in what they differ in and nothing else.
#[test]
fn another_version_is_told_apart() {
    let daemon = TestDaemon::builder().semantics(Semantics::MOBY_20_10).start().unwrap();
    let report =
        conform(&client(&daemon.host()), &options(40, 1, Semantics::MOBY_26_1), &mut |_| {}).unwrap();
    assert!(report.explained < report.cases);
    let differ = report.groups.iter().filter(|group| group.differ > 0).map(|group| group.group);
    assert_eq!(differ.collect::<Vec<_>>(), [Group::Filters, Group::DiskUsage]);
    for group in report.groups.iter().filter(|group| group.differ > 0) {
        let shortest = group.shortest.as_ref().unwrap();
        assert!(shortest.before.images.len() <= 1, "{shortest:#?}");
    }
}

#[test]
fn a_failing_route_is_a_difference() {
    for (rule, group) in [
        ("POST /images/prune status=500 after=3", Group::Answers),
        ("GET /system/df status=500 after=2", Group::DiskUsage),
        ("GET /events status=500 after=2", Group::Events),
        ("POST /images/load status=500 after=2 times=1", Group::Stores),
        ("POST /images/prune cut=middle after=3", Group::Answers),
    ] {
        let daemon = TestDaemon::builder().fault(rule.parse().unwrap()).start().unwrap();
        let report =
            conform(&client(&daemon.host()), &options(6, 3, Semantics::MOBY_20_10), &mut |_| {}).unwrap();
        let differs = |found: &&image_prune::client::conform::GroupReport| found.differ > 0;
        assert!(
            report.groups.iter().filter(differs).any(|found| found.group == group),
            "{rule}: {}",
            words(&report)
        );
        assert!(daemon.stores().images.ids(false).is_empty(), "{rule}: images are left");
    }
}

#[test]
fn somebody_elses_images_are_not_touched() {
    let daemon = TestDaemon::builder().start().unwrap();
    let config = br#"{"rootfs":{"type":"layers"}}"#;
    let id = daemon.stores().images.create(config.as_slice()).unwrap();
    let options = options(3, 1, Semantics::MOBY_20_10);
    let error = conform(&client(&daemon.host()), &options, &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("holds images (1) or containers (0)"), "{error}");
    assert!(daemon.stores().images.get(id).is_ok());

    // Allowed, they are judged along with the others.
    let report = conform(&client(&daemon.host()), &Options { others: true, ..options }, &mut |_| {}).unwrap();
    assert_eq!(report.explained, 3, "{}", words(&report));
}

/// The same against the real thing. `CONFORM_CASES` says how many.
#[test]
fn dockerd_prunes_as_moby() {
    let Some(daemon) = Dockerd::start("conform") else { return };
    let cases = std::env::var("CONFORM_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(12);
    let client = client(&daemon.host());
    let semantics = client.semantics().unwrap();
    let report = conform(&client, &options(cases, 1, semantics), &mut |_| {}).unwrap();
    assert_eq!(report.explained, report.cases, "{}", words(&report));
    assert!(client.images(true).unwrap().is_empty(), "images are left");
}

/// Podman is no moby: see `src/docs/podman.md`. What it was given is taken away all the same.
#[test]
fn podman_is_told_apart() {
    let Some(podman) = Podman::start("conform") else { return };
    let client = podman.client();
    let report = conform(&client, &options(4, 1, Semantics::MOBY_20_10), &mut |_| {}).unwrap();
    assert_eq!(report.explained, 0, "podman has changed: src/docs/podman.md is to be measured again");
    assert!(client.images(true).unwrap().is_empty(), "images are left");
}
