//! The command against Debian's `docker-registry`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use image_prune::Digest;
use serde_json::{Value, json};

use super::peer::{DOCKER_MANIFEST, MANIFEST, Peer, Setup};
use super::{image_prune, reason, tags};
use crate::support::eventually;

const A: &str = "62798b9bee0eb12322fc97e8";
const B: &str = "62798b9bee0eb12322fc97e9";
const SHARED: &str = "dominodatalab/environment";
const LATER: &str = "2024-06-01T00:00:00Z";

/// Runs `registry` with an input file.
fn clean(peer: &Peer, input: &str, args: &[&str]) -> Output {
    let mut command = image_prune(&["registry", "--registry", &peer.address, "--environments", "-"]);
    let mut child = command
        .args(["--format", "json", "--now", LATER])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn answer(peer: &Peer, input: &str, args: &[&str]) -> Value {
    let output = clean(peer, input, args);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    super::json(&output)
}

/// Both naming schemes, shared digests, shared layers, indexes, signatures, and repositories of others.
fn fill(peer: &Peer) {
    let own = |id: &str| format!("domino-{id}");
    let day = |day: u32| format!("2024-01-{day:02}T00:00:00Z");
    for (revision, layers) in [("1", ["base", "a1"]), ("2", ["base", "a2"]), ("3", ["base", "a3"])] {
        peer.push_image(&own(A), Some(revision), &layers, &day(1));
        peer.push_image(SHARED, Some(&format!("{A}-{revision}")), &layers, &day(2));
    }
    // Two revisions of one digest: one is kept.
    let four = peer.push_image(SHARED, Some(&format!("{A}-4")), &["base", "a4"], &day(4));
    peer.retag(SHARED, &four, &format!("{A}-5"));
    peer.retag(SHARED, &four, "somebody-elses");
    // Two of one digest, both go.
    let six = peer.push_image(SHARED, Some(&format!("{A}-6")), &["base", "a6"], &day(6));
    peer.retag(SHARED, &six, &format!("{A}-7"));
    // An index that goes, with an image of its own and one that stays; and an index that stays.
    let lonely = peer.push_image(SHARED, None, &["base", "lonely"], &day(7));
    let tagged = peer.push_image(SHARED, Some(&format!("{B}-1")), &["base", "tagged"], &day(7));
    let listed = peer.push_image(SHARED, Some(&format!("{A}-8")), &["base", "listed"], &day(7));
    peer.push_index(SHARED, &format!("{A}-9"), &[lonely, tagged.clone()]);
    peer.push_index(SHARED, &format!("{B}-2"), &[tagged, listed]);
    // The signature of an image that stays.
    let kept = peer.push_image(&own(B), Some("1"), &["base", "b1"], &day(8));
    let signature = kept["digest"].as_str().unwrap().replace(':', "-");
    peer.push_image(&own(B), Some(&format!("{signature}.sig")), &["signature"], &day(8));
    peer.push_image(&own(B), Some("2"), &["base", "b2", "elsewhere"], &day(8));
    // A layer that only somebody else needs, and an old kind of manifest.
    peer.push_image("other/app", Some("1"), &["elsewhere"], &day(9));
    let config = peer.push_blob("other/app", b"{}");
    let manifest = json!({"schemaVersion": 2, "mediaType": DOCKER_MANIFEST, "config": config, "layers": []});
    peer.push_manifest("other/app", Some("2"), DOCKER_MANIFEST, &manifest);
}

const INPUT: &str =
    "62798b9bee0eb12322fc97e8 3 5\n#62798b9bee0eb12322fc97e8 1\n62798b9bee0eb12322fc97e9 1\nmissing 1\n";

fn everything(peer: &Peer) -> BTreeMap<String, String> {
    let repositories = [&format!("domino-{A}"), &format!("domino-{B}"), SHARED, "other/app"];
    repositories.into_iter().flat_map(|repository| peer.whole_tags(repository)).collect()
}

#[test]
fn the_dry_run_says_what_is_deleted_and_what_the_garbage_collection_frees() {
    let Some(mut peer) = Peer::start(Setup::default()) else { return };
    fill(&peer);
    let before = everything(&peer);
    let dry = answer(&peer, INPUT, &[]);
    assert_eq!(everything(&peer), before, "a dry run changes nothing");
    assert_eq!(dry["applied"], false);
    let going: Vec<String> = [
        format!("{SHARED}:{A}-1"),
        format!("{SHARED}:{A}-2"),
        format!("{SHARED}:{A}-6"),
        format!("{SHARED}:{A}-7"),
        format!("{SHARED}:{A}-9"),
        format!("domino-{A}:1"),
        format!("domino-{A}:2"),
        format!("domino-{B}:2"),
    ]
    .into();
    // B-2 goes, too: then nothing lists A-8 any more.
    let mut expected = going.clone();
    expected.extend([format!("{SHARED}:{A}-8"), format!("{SHARED}:{B}-2")]);
    expected.sort();
    assert_eq!(tags(&dry, "delete"), expected);
    for (tag, why) in [
        (format!("{A}-3"), "retained"),
        (format!("{A}-4"), "shared_digest"),
        ("somebody-elses".to_owned(), "no_rule"),
        (format!("{B}-1"), "retained"),
    ] {
        assert_eq!(reason(&dry, &tag), why, "{tag}");
    }
    let signature = dry["keep"].as_array().unwrap().iter().find(|kept| kept["kind"] == "belongs_to").unwrap();
    assert!(signature["tag"].as_str().unwrap().starts_with("sha256-"));
    let notes = dry["notes"].to_string();
    assert!(
        notes.contains("`domino-missing` does not exist")
            && notes.contains("revision 1 of environment missing")
    );
    assert_eq!(dry["bytes_exact"], true);

    let applied = answer(&peer, INPUT, &["--apply"]);
    assert_eq!(applied["delete"], dry["delete"]);
    assert_eq!(applied["keep"], dry["keep"]);
    assert_eq!(applied["bytes"], dry["bytes"]);
    let mut after = before.clone();
    after.retain(|tag, _| !expected.contains(tag));
    assert_eq!(everything(&peer), after, "exactly the listed tags are gone, all others can be pulled");

    let disk = peer.blob_bytes();
    peer.collect_garbage();
    assert_eq!(disk - peer.blob_bytes(), dry["bytes"].as_u64().unwrap());
    assert_eq!(everything(&peer), after, "and still after the garbage collection");

    let again = answer(&peer, INPUT, &["--apply"]);
    assert_eq!((&again["delete"], &again["bytes"]), (&json!([]), &json!(0)));
}

#[test]
fn an_index_that_stays_keeps_what_it_lists() {
    let Some(mut peer) = Peer::start(Setup::default()) else { return };
    fill(&peer);
    let input = format!("{A} 3 5\n{B} 1 2\n");
    let dry = answer(&peer, &input, &[]);
    assert_eq!(reason(&dry, &format!("{A}-8")), "in_index");
    let before = everything(&peer);
    let disk = peer.blob_bytes();
    let applied = answer(&peer, &input, &["--apply"]);
    let gone = tags(&applied, "delete");
    assert_eq!(applied["delete"], dry["delete"]);
    let mut after = before;
    after.retain(|tag, _| !gone.contains(tag));
    assert_eq!(everything(&peer), after);
    peer.collect_garbage();
    assert_eq!(disk - peer.blob_bytes(), dry["bytes"].as_u64().unwrap());
}

#[test]
fn schemes_are_turned_off() {
    let Some(peer) = Peer::start(Setup::default()) else { return };
    fill(&peer);
    let own = answer(&peer, INPUT, &["--no-shared-repository"]);
    assert!(tags(&own, "delete").iter().all(|tag| tag.starts_with("domino-")), "{own}");
    let shared = answer(&peer, INPUT, &["--no-own-repositories"]);
    assert!(tags(&shared, "delete").iter().all(|tag| tag.starts_with(SHARED)), "{shared}");
    let both = answer(&peer, INPUT, &[]);
    let sum = tags(&own, "delete").len() + tags(&shared, "delete").len();
    assert_eq!(tags(&both, "delete").len(), sum);
}

#[test]
fn rules_for_other_repositories() {
    let Some(peer) = Peer::start(Setup::default()) else { return };
    for day in 1..=9 {
        peer.push_image(
            "team/app",
            Some(&format!("v{day}")),
            &["base"],
            &format!("2024-05-{day:02}T00:00:00Z"),
        );
    }
    peer.push_image("team/app", Some("stable"), &["base"], "2020-01-01T00:00:00Z");
    peer.push_image("team/app", Some("reproducible"), &["base"], "1970-01-01T00:00:00Z");
    peer.push_image("team/deep/app", Some("v1"), &["base"], "2020-01-01T00:00:00Z");
    let dry = answer(&peer, "team/* keep-last 3 keep ^sta older-than 25days", &[]);
    let gone: Vec<String> = (1..=6).map(|day| format!("team/app:v{day}")).collect();
    assert_eq!(tags(&dry, "delete"), gone, "25 days before June are May 7");
    assert_eq!(reason(&dry, "v7"), "newest");
    assert_eq!(reason(&dry, "stable"), "matches");
    assert_eq!(reason(&dry, "reproducible"), "unknown_age");
    let young = answer(&peer, "team/app older-than 27days", &[]);
    assert_eq!(reason(&young, "v5"), "young");
    assert!(tags(&young, "delete").contains(&"team/app:v4".to_owned()));
}

/// The index form of `BuildKit`'s cache: layers and a config in the list of an index.
fn push_cache(peer: &Peer, repository: &str, tag: &str, layers: &[&str]) {
    let mut listed: Vec<Value> = layers
        .iter()
        .map(|layer| {
            let mut layer = peer.push_blob(repository, layer.as_bytes());
            layer["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar+gzip");
            layer["annotations"] = json!({"buildkit/createdat": "2024-01-01T00:00:00Z"});
            layer
        })
        .collect();
    let mut config = peer.push_blob(repository, json!({"records": tag}).to_string().as_bytes());
    config["mediaType"] = json!("application/vnd.buildkit.cacheconfig.v0");
    listed.push(config);
    peer.push_index(repository, tag, &listed);
}

#[test]
fn build_caches_block_nothing_and_their_layers_count() {
    const REPOSITORY: &str = "team/app";
    let Some(mut peer) = Peer::start(Setup::default()) else { return };
    let layer = |number: usize| "layer".repeat(1_000 + number);
    for day in 1..=4 {
        let created = format!("2024-02-0{day}T00:00:00Z");
        peer.push_image(REPOSITORY, Some(&format!("main-{day}")), &[&layer(day)], &created);
    }
    let layers: Vec<String> = (10..70).map(layer).collect();
    let layers: Vec<&str> = layers.iter().map(String::as_str).collect();
    push_cache(&peer, REPOSITORY, "buildcache", &layers);
    push_cache(&peer, REPOSITORY, "buildcache-of-main-4", &[&layer(4), &layer(10), &layer(80)]);
    // The cache stays, for nobody knows its age, and holds back nothing.
    let dry = answer(&peer, "team/app keep-last 2", &[]);
    assert_eq!(tags(&dry, "delete"), ["team/app:main-1", "team/app:main-2"]);
    assert_eq!(reason(&dry, "buildcache"), "unknown_age");
    assert_eq!(dry["notes"], json!([]));

    let input = "team/app keep ^main-[34]$ keep ^buildcache-of";
    let dry = answer(&peer, input, &[]);
    assert_eq!(tags(&dry, "delete"), ["team/app:buildcache", "team/app:main-1", "team/app:main-2"]);
    assert_eq!(dry["bytes_exact"], true);
    let applied = answer(&peer, input, &["--apply"]);
    assert_eq!((&applied["delete"], &applied["bytes"]), (&dry["delete"], &dry["bytes"]));
    let disk = peer.blob_bytes();
    peer.collect_garbage();
    assert_eq!(disk - peer.blob_bytes(), dry["bytes"].as_u64().unwrap());
    for number in [3, 4, 10, 80] {
        let digest = Digest::of(layer(number).as_bytes());
        let (status, ..) = peer.send("HEAD", &format!("/v2/{REPOSITORY}/blobs/{digest}"), "", b"");
        assert_eq!(status, 200, "layer {number}");
    }
}

#[test]
fn streams_are_counted_apart() {
    let Some(peer) = Peer::start(Setup::default()) else { return };
    for environment in 18..=20 {
        for build in 1..=3 {
            let created = format!("2024-0{}-0{build}T00:00:00Z", environment - 17);
            peer.push_image("t/env", Some(&format!("env{environment}-{build}")), &["base"], &created);
        }
    }
    for minor in 1..=6 {
        let (generated, release) = (format!("v1.{minor}.0-{minor}-gabc"), format!("v1.{minor}.0"));
        peer.push_image("t/app", Some(&generated), &["base"], &format!("2024-01-0{minor}T00:00:00Z"));
        peer.push_image("t/app", Some(&release), &["base"], &format!("2024-02-0{minor}T00:00:00Z"));
    }
    let input =
        "t/env keep-last 2 of ^env18-\nt/env keep-last 1 of ^env19-\nt/app keep-last 3 keep ^v[0-9.]+$\n";
    let dry = answer(&peer, input, &[]);
    let mut expected: Vec<String> = (1..=3).map(|minor| format!("t/app:v1.{minor}.0-{minor}-gabc")).collect();
    expected.extend(["env18-1", "env19-1", "env19-2"].map(|tag| format!("t/env:{tag}")));
    assert_eq!(tags(&dry, "delete"), expected);
    assert_eq!(reason(&dry, "env20-1"), "no_rule");
    let applied = answer(&peer, input, &["--apply"]);
    assert_eq!(applied["delete"], dry["delete"]);
    assert_eq!((peer.whole_tags("t/env").len(), peer.whole_tags("t/app").len()), (6, 9));
    let only = answer(&peer, "t/app only -gabc$ keep-last 1", &[]);
    assert_eq!(tags(&only, "delete"), ["t/app:v1.4.0-4-gabc", "t/app:v1.5.0-5-gabc"]);
    assert_eq!(reason(&only, "v1.1.0"), "no_rule");
}

#[test]
fn signatures_stay_with_what_they_are_about() {
    const REPOSITORY: &str = "team/app";
    let Some(mut peer) = Peer::start(Setup::default()) else { return };
    let bundle = |tag: Option<&str>, subject: &Value| {
        let config = peer.push_blob(REPOSITORY, b"{}");
        let layer = peer.push_blob(REPOSITORY, json!({"of": subject, "tag": tag}).to_string().as_bytes());
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer], "subject": subject});
        peer.push_manifest(REPOSITORY, tag, MANIFEST, &manifest)
    };
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        let image = peer.push_image(REPOSITORY, None, &[version], "2024-01-01T00:00:00Z");
        let index = peer.push_index(REPOSITORY, version, std::slice::from_ref(&image));
        let signature = bundle(Some(&format!("bundle-{version}")), &index);
        bundle(Some(&format!("of-the-bundle-{version}")), &signature);
        bundle(Some(&format!("of-the-image-{version}")), &image);
        // A referrers index, as clients make it where the registry has no API for that.
        let untagged = bundle(None, &index);
        let fallback = index["digest"].as_str().unwrap().replace(':', "-");
        peer.push_index(REPOSITORY, &fallback, &[untagged]);
    }
    let before = peer.whole_tags(REPOSITORY);
    assert_eq!(before.len(), 15);
    let input = r"team/app keep ^1\.2\.0$";
    let dry = answer(&peer, input, &[]);
    for tag in ["bundle-1.2.0", "of-the-bundle-1.2.0", "of-the-image-1.2.0"] {
        assert_eq!(reason(&dry, tag), "belongs_to", "{tag}");
    }
    assert_eq!(tags(&dry, "delete").len(), 10);
    // By age, too: a signature has none of its own.
    let by_count = answer(&peer, "team/app keep-last 1 keep ^1\\.2", &[]);
    assert_eq!(reason(&by_count, "1.1.0"), "newest", "images of one age all stay");
    let by_name = answer(&peer, r"team/app keep ^1\.2\.0$ keep-last 0", &[]);
    assert_eq!(by_name["delete"], dry["delete"]);
    answer(&peer, input, &["--apply"]);
    let mut expected = before;
    expected.retain(|tag, _| !tags(&dry, "delete").contains(tag));
    assert_eq!(peer.whole_tags(REPOSITORY), expected);
    let disk = peer.blob_bytes();
    peer.collect_garbage();
    assert_eq!(disk - peer.blob_bytes(), dry["bytes"].as_u64().unwrap());
    assert_eq!(peer.whole_tags(REPOSITORY), expected);
}

#[test]
fn deletion_that_is_disabled_is_recognised() {
    let Some(peer) = Peer::start(Setup { no_deletion: true, ..Setup::default() }) else { return };
    fill(&peer);
    let before = everything(&peer);
    let output = clean(&peer, INPUT, &["--apply"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("REGISTRY_STORAGE_DELETE_ENABLED=true"), "{stderr}");
    assert_eq!(super::json(&output)["delete"], json!([]));
    assert_eq!(everything(&peer), before);
}

#[test]
fn passwords_come_from_the_environment_or_a_file() {
    let Some(peer) = Peer::start(Setup { user: Some(("me", "s3cret")), ..Setup::default() }) else { return };
    peer.push_image(&format!("domino-{A}"), Some("1"), &["base"], LATER);
    let run = |args: &[&str], environment: &[(&str, &str)]| {
        let base = ["registry", "--registry", &peer.address, "--rule", A];
        image_prune(&base).args(args).envs(environment.iter().copied()).output().unwrap()
    };
    let file = peer.folder.path().join("password");
    fs::write(&file, "s3cret\n").unwrap();
    let file = file.to_str().unwrap();
    for (args, environment) in [
        (&["--username", "me"][..], &[("IMAGE_PRUNE_PASSWORD", "s3cret")][..]),
        (&["--username", "me"], &[("SKOPEO_PASSWORD", "s3cret")]),
        (&["--username", "me"], &[("IMAGE_PRUNE_PASSWORD", "s3cret"), ("SKOPEO_PASSWORD", "wrong")]),
        (&["--username", "me", "--password-file", file], &[("SKOPEO_PASSWORD", "wrong")]),
        (&[], &[("SKOPEO_USERNAME", "me"), ("SKOPEO_PASSWORD", "s3cret")]),
    ] {
        let output = run(args, environment);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{args:?} {environment:?}: {stderr}");
        assert!(!stderr.contains("s3cret"));
    }
    for (args, environment, problem) in [
        (&[][..], &[][..], "asks for a user and a password"),
        (&["--username", "me"], &[("SKOPEO_PASSWORD", "wrong")], "refuses the user `me`"),
        (&["--username", "me"], &[], "without a password"),
        (&[], &[("SKOPEO_PASSWORD", "s3cret")], "asks for a user and a password"),
    ] {
        let output = run(args, environment);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_ne!(output.status.code(), Some(0), "{args:?} {environment:?}: {stderr}");
        assert!(stderr.contains(problem) && !stderr.contains("s3cret"), "{stderr}");
    }
    let applied = run(&["--username", "me", "--apply"], &[("SKOPEO_PASSWORD", "s3cret")]);
    assert_eq!(applied.status.code(), Some(0));
    assert!(peer.whole_tags(&format!("domino-{A}")).is_empty());
}

#[test]
fn certificates_are_checked() {
    let Some(peer) = Peer::start(Setup { tls: true, ..Setup::default() }) else { return };
    let address = format!("https://{}", peer.address);
    let authority = peer.folder.path().join("ca.pem");
    let key = peer.folder.path().join("ca.key");
    let run = |args: &[&str]| {
        let base = ["registry", "--registry", &address, "--rule", A, "--format", "json"];
        image_prune(&base).args(args).output().unwrap()
    };
    let trusted = run(&["--ca-file", authority.to_str().unwrap()]);
    assert_eq!(trusted.status.code(), Some(0), "{}", String::from_utf8_lossy(&trusted.stderr));
    for (args, problem) in [
        (&[][..], "--ca-file names the certificates to trust"),
        (&["--ca-file", key.to_str().unwrap()], "none in the file"),
        (&["--ca-file", "/nowhere"], "No such file"),
    ] {
        let output = run(args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(problem), "{stderr}");
    }
}

#[test]
fn five_thousand_tags() {
    const REVISIONS: usize = 5_000;
    let Some(peer) = Peer::start(Setup::default()) else { return };
    // One push makes the repository; the others are written to its disk, which is a hundred times as fast.
    let image = peer.push_image(SHARED, Some("first"), &["base"], LATER);
    let (_, _, text) =
        peer.send("GET", &format!("/v2/{SHARED}/manifests/first"), image["mediaType"].as_str().unwrap(), b"");
    let manifest: Value = serde_json::from_slice(&text).unwrap();
    let link = |folder: std::path::PathBuf, digest: Digest| {
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("link"), digest.to_string()).unwrap();
    };
    for number in 0..REVISIONS {
        let mut manifest = manifest.clone();
        manifest["annotations"] = json!({"number": number.to_string()});
        let text = manifest.to_string();
        let digest = Digest::of(text.as_bytes());
        let hex = digest.hex();
        let blob = peer.data().join(format!("blobs/sha256/{}/{hex}", &hex[..2]));
        fs::create_dir_all(&blob).unwrap();
        fs::write(blob.join("data"), text).unwrap();
        let manifests = peer.data().join(format!("repositories/{SHARED}/_manifests"));
        link(manifests.join(format!("revisions/sha256/{hex}")), digest);
        // Every tenth is of the environment to clean up.
        let id = if number % 10 == 0 { A } else { B };
        let tag = manifests.join(format!("tags/{id}-{number}"));
        link(tag.join("current"), digest);
        link(tag.join(format!("index/sha256/{hex}")), digest);
    }
    let kept: Vec<String> = (100..REVISIONS).map(|revision| revision.to_string()).collect();
    let input = format!("{A} {}\n", kept.join(" "));
    let started = Instant::now();
    let dry = answer(&peer, &input, &[]);
    println!("{REVISIONS} tags read in {:?}", started.elapsed());
    assert_eq!(tags(&dry, "delete").len(), 10);
    assert_eq!(dry["keep"].as_array().unwrap().len(), REVISIONS + 1 - 10);
    let applied = answer(&peer, &input, &["--apply"]);
    assert_eq!(applied["delete"], dry["delete"]);
    let (_, _, list) = peer.send("GET", &format!("/v2/{SHARED}/tags/list"), "", b"");
    let list: Value = serde_json::from_slice(&list).unwrap();
    assert_eq!(list["tags"].as_array().unwrap().len(), REVISIONS + 1 - 10);
}

#[test]
fn a_killed_run_loses_nothing_that_is_kept_and_the_next_one_goes_on() {
    const ROUNDS: u32 = 100;
    let Some(peer) = Peer::start(Setup::default()) else { return };
    let repository = format!("domino-{A}");
    let input = format!("{A} 1 2 3\n");
    let kept = fill_for_kill(&peer, &repository);
    let snapshot = snapshot(&peer.data().join("repositories"));
    let tags = peer.data().join("repositories").join(&repository).join("_manifests/tags");
    let all = fs::read_dir(&tags).unwrap().count();
    let mut whole = Duration::ZERO;
    let mut partial = 0;
    for round in 0..ROUNDS {
        restore(&peer.data().join("repositories"), &snapshot);
        let mut command =
            image_prune(&["registry", "--registry", &peer.address, "--environments", "-", "--apply"]);
        let started = Instant::now();
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        if round == 0 {
            assert!(child.wait().unwrap().success());
            whole = started.elapsed();
        } else {
            if round % 2 == 0 {
                // Spread over the whole run, in no order.
                std::thread::sleep(whole * (round * 37 % ROUNDS) / ROUNDS);
            } else {
                // In the middle, however busy the machine is.
                let going = 1 + usize::try_from(round).unwrap() % 5;
                eventually("the run deletes nothing", || {
                    let tags = fs::read_dir(&tags).map_or(0, Iterator::count);
                    tags + going <= all || child.try_wait().unwrap().is_some()
                });
            }
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let left = peer.listed_tags(&repository);
        for (tag, digest) in &kept {
            assert_eq!(left.get(tag), Some(digest), "round {round}: {tag} is lost");
        }
        partial += usize::from(left.len() > kept.len() && left.len() < kept.len() + 6);
        if round % 10 == 9 {
            answer(&peer, &input, &["--apply"]);
            assert_eq!(peer.listed_tags(&repository), kept, "round {round}: the next run goes on");
        }
    }
    assert!(partial > 5, "only {partial} runs were killed in the middle");
}

/// The files below a folder, with what is in them.
fn snapshot(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(snapshot(&path));
        } else {
            found.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    found
}

fn restore(folder: &Path, snapshot: &[(PathBuf, Vec<u8>)]) {
    fs::remove_dir_all(folder).unwrap();
    for (path, content) in snapshot {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

/// Three revisions that stay, one by an index and one by another tag's digest, and six that go.
fn fill_for_kill(peer: &Peer, repository: &str) -> BTreeMap<String, String> {
    let image = |tag: Option<&str>, layer: &str| peer.push_image(repository, tag, &["base", layer], LATER);
    let part = image(Some("4"), "part");
    peer.push_index(repository, "1", &[part]);
    let two = image(Some("2"), "two");
    peer.retag(repository, &two, "5");
    image(Some("3"), "three");
    for revision in 6..=10 {
        image(Some(&revision.to_string()), &revision.to_string());
    }
    let lonely = image(None, "lonely");
    peer.push_index(repository, "11", &[lonely]);
    let tags = peer.whole_tags(repository);
    assert_eq!(tags.len(), 11);
    let stays = ["1", "2", "3", "4", "5"].map(|tag| format!("{repository}:{tag}"));
    tags.into_iter().filter(|(tag, _)| stays.contains(tag)).collect()
}
