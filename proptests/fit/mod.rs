//! Whether an update fits: on volumes of a known size, with layouts that skopeo wrote, next to a real daemon.

mod layout;
mod machine;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use image_prune::client::{Client, Host};
use serde_json::{Value, json};

use crate::registry::peer::{Peer, Setup, has};
use crate::registry::{image_prune, json as json_of};
use crate::support::dockerd::Dockerd;
use layout::{Layout, skopeo};
use machine::Mount;

const MB: usize = 1_000_000;

fn fit(args: &[&str]) -> Output {
    let is_said = args.contains(&"--platform");
    let platform: &[&str] = if is_said { &[] } else { &["--platform", "linux/amd64"] };
    image_prune(&["fit", "--format", "json"]).args(platform).args(args).output().unwrap()
}

/// The answer, and whether it fits, which the exit code has to say as well.
fn answer(args: &[&str]) -> Value {
    let output = fit(args);
    let code = output.status.code();
    assert!(matches!(code, Some(0 | 3)), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    let answer = json_of(&output);
    assert_eq!(answer["fits"], code == Some(0));
    answer
}

fn problem(args: &[&str]) -> String {
    let output = fit(args);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(json_of(&output)["error"]["message"].is_string());
    stderr
}

/// An app of a base and a layer of its own, for two platforms, and the names for it.
struct App {
    folder: tempfile::TempDir,
    layout: String,
    base: usize,
    own: usize,
}

impl App {
    fn new(base: usize, own: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout { folder: folder.path() };
        let of = |architecture: &str| {
            let layers = [(format!("base-{architecture}"), base), (format!("own-{architecture}"), own)];
            let layers: Vec<(&str, usize)> =
                layers.iter().map(|(name, size)| (name.as_str(), *size)).collect();
            layout.image(architecture, &layers, &json!({}))
        };
        let index = layout.index(&[of("amd64"), of("arm64")]);
        layout.finish(&[("app", index)]);
        let path = folder.path().to_str().unwrap().to_owned();
        Self { layout: format!("oci:{path}:app"), folder, base, own }
    }
}

fn blocks(bytes: usize) -> u64 {
    bytes.next_multiple_of(4096) as u64
}

#[test]
fn missing_layers_are_summed_in_blocks() {
    let app = App::new(100_000, 50_001);
    let nowhere = tempfile::tempdir().unwrap();
    let root = nowhere.path().join("docker");
    let root = root.to_str().unwrap();
    let found = answer(&[&app.layout, "--data-root", root, "--capacity", "10MB", "--available", "10MB"]);
    let missing = &found["missing"];
    assert_eq!((&missing["layers"], &missing["source"]), (&json!(2), &json!("exact")));
    let unpacked = json!(app.base + app.own);
    assert_eq!((&missing["unpacked_low"], &missing["unpacked_high"]), (&unpacked, &unpacked));
    let volume = &found["volumes"][0];
    assert_eq!(volume["allowed"], 8_000_000);
    let compressed = missing["compressed"].as_u64().unwrap();
    assert!(compressed > 150_000 && compressed < 152_000, "{compressed}");
    let needed = volume["needed_high"].as_u64().unwrap();
    let files = blocks(app.base) + blocks(app.own);
    assert!(needed >= files + compressed && needed <= files + compressed + 2 * 4096, "{needed}");
    assert_eq!(found["prune"], Value::Null);
    assert!(found["notes"].to_string().contains("does not exist yet"));

    // One block less than needed.
    for (spare, fits) in [(0, true), (1, false)] {
        let available = (needed - spare).to_string();
        let found = answer(&[
            &app.layout,
            "--data-root",
            root,
            "--capacity",
            &available,
            "--available",
            &available,
            "--watermark",
            "100",
        ]);
        assert_eq!(found["fits"], fits);
    }
}

#[test]
fn a_full_disk_is_full() {
    let app = App::new(1000, 1000);
    let nowhere = tempfile::tempdir().unwrap();
    let root = nowhere.path().join("docker");
    let root = root.to_str().unwrap();
    for (capacity, available) in
        [("1GB", "0"), ("1GB", "1000"), ("1GB", "1048575"), ("0", "0"), ("0", "1GB"), ("1GB", "200MB")]
    {
        let found =
            answer(&[&app.layout, "--data-root", root, "--capacity", capacity, "--available", available]);
        assert_eq!(
            (&found["fits"], &found["volumes"][0]["allowed"]),
            (&json!(false), &json!(0)),
            "{capacity} {available}"
        );
    }
    let args = [&app.layout, "--data-root", root, "--capacity", "1GB", "--available", "1GB", "--min-free"];
    assert_eq!(answer(&[&args[..], &["100MB"]].concat())["fits"], true);
    assert_eq!(answer(&[&args[..], &["1GB"]].concat())["fits"], false);
    assert_eq!(answer(&[&args[..], &["18446744073709551615"]].concat())["fits"], false);
}

#[test]
fn unknown_sizes_lie_between_nothing_and_the_most_that_the_compression_allows() {
    let folder = tempfile::tempdir().unwrap();
    let layer = |digit: char, size: usize| {
        let kind = "application/vnd.docker.image.rootfs.diff.tar.gzip";
        json!({"mediaType": kind, "digest": format!("sha256:{}", String::from(digit).repeat(64)), "size": size})
    };
    let manifest = json!({"schemaVersion": 2, "config": layer('c', 100), "layers": [layer('a', 8 * MB), layer('b', 2 * MB)]});
    let file = folder.path().join("manifest.json");
    fs::write(&file, manifest.to_string()).unwrap();
    let root = folder.path().join("none");
    let args = [file.to_str().unwrap(), "--data-root", root.to_str().unwrap(), "--watermark", "100"];
    let on = |size: &str, more: &[&str]| {
        answer(&[&args[..], &["--capacity", size, "--available", size], more].concat())
    };
    let unsure = on("100MB", &[]);
    assert_eq!(
        unsure["missing"],
        json!({"layers": 2, "compressed": 10 * MB, "unpacked_low": 0, "unpacked_high": 10 * MB * 1032, "source": "bound"})
    );
    assert_eq!(unsure["fits"], false);
    let notes = unsure["notes"].to_string();
    assert!(notes.contains("no config says"), "{notes}");
    assert!(notes.contains("it may fit") && notes.contains("--assume-ratio"), "{notes}");
    // The bound itself, a byte less, and the download that does not fit whatever the layers are.
    let needed = unsure["volumes"][0]["needed_high"].as_u64().unwrap();
    assert!(needed >= (10 * MB * 9_288) as u64 && needed < (10 * MB * 9_300) as u64, "{needed}");
    assert_eq!(on(&needed.to_string(), &[])["fits"], true);
    assert_eq!(on(&(needed - 1).to_string(), &[])["fits"], false);
    let never = on("9MB", &[]);
    assert!(!never["notes"].to_string().contains("it may fit"), "{never}");

    let assumed = on("70MB", &["--assume-ratio", "5"]);
    assert_eq!(
        assumed["missing"],
        json!({"layers": 2, "compressed": 10 * MB, "unpacked_low": 0, "unpacked_high": 50 * MB, "source": "ratio"})
    );
    assert_eq!(assumed["fits"], true);
    let short = on("50MB", &["--assume-ratio", "5"]);
    assert_eq!(short["fits"], false);
    assert!(short["notes"].to_string().contains("with the ratio that you assume"), "{short}");
    assert_eq!(on("50MB", &["--assume-ratio", "2"])["fits"], true);
}

/// A manifest of one layer, beside its config.
fn manifest_file(folder: &tempfile::TempDir, config: &Value, layer: &Value) -> PathBuf {
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer]});
    let file = folder.path().join("m.json");
    fs::write(&file, manifest.to_string()).unwrap();
    let blob = folder.path().join("blobs/sha256").join(&config["digest"].as_str().unwrap()[7..]);
    fs::copy(blob, folder.path().join("config.json")).unwrap();
    file
}

/// A layer of 2,000 files with 20 bytes each: 27 times its download, and 100 times in blocks.
#[test]
fn many_small_files_are_never_said_to_fit_by_their_download() {
    let mut builder = tar::Builder::new(Vec::new());
    for number in 0..2000 {
        let mut header = tar::Header::new_gnu();
        header.set_size(20);
        header.set_mode(0o644);
        let name = format!("usr/share/zoneinfo/z{number}");
        builder.append_data(&mut header, &name, layout::noise(&name, 20).as_slice()).unwrap();
    }
    let tar = builder.into_inner().unwrap();
    let zstd = "application/vnd.oci.image.layer.v1.tar+zstd";
    let gzip = "application/vnd.oci.image.layer.v1.tar+gzip";
    let plain = "application/vnd.oci.image.layer.v1.tar";
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("none");
    let root = root.to_str().unwrap();
    let layout = Layout { folder: folder.path() };
    let config = json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [image_prune::Digest::of(&tar).to_string()]}});
    let config = layout.blob(config.to_string().as_bytes(), "application/vnd.oci.image.config.v1+json");
    // The daemon may have the same layer on another base: its bytes are known then, its blocks are not.
    let base = image_prune::Digest::of(b"base");
    let diff_id = image_prune::Digest::of(&tar);
    let chain = image_prune::ChainId::on(Some(base.into()), diff_id.into());
    let state = folder.path().join("state.json");
    let world = json!({"format": 1, "layers": [
        {"chain_id": base.to_string(), "diff_id": base.to_string(), "size": 1},
        {"chain_id": chain.to_string(), "diff_id": diff_id.to_string(), "parent": base.to_string(), "size": 40_000},
    ]});
    fs::write(&state, world.to_string()).unwrap();
    let real = 2000 * 4096 + 3 * 4096;
    // What somebody wrote to the layer, and not all of it; files never take less in blocks than they have.
    let written = [
        json!({}),
        json!({"image-prune.size": "40000"}),
        json!({"image-prune.size": "40000", "image-prune.usage": "30000", "image-prune.inodes": "2003"}),
        json!({"image-prune.size": "40000", "image-prune.inodes": "2003"}),
    ];
    let kinds =
        [(gzip, layout::gzip(&tar)), (plain, tar.clone()), (zstd, layout::gzip(&tar)), ("", tar.clone())];
    for ((kind, layer), written) in
        kinds.iter().flat_map(|kind| written.iter().map(move |written| (kind, written)))
    {
        let digest = image_prune::Digest::of(layer);
        let layer = json!({"mediaType": kind, "digest": digest, "size": layer.len(), "annotations": written});
        let file = manifest_file(&folder, &config, &layer);
        for place in [["--data-root", root], ["--state", state.to_str().unwrap()]] {
            let args = [file.to_str().unwrap(), place[0], place[1], "--watermark", "100"];
            let found = answer(&[&args[..], &["--capacity", "8MB", "--available", "8MB"]].concat());
            assert_eq!(found["fits"], false, "{kind} {written} {place:?}: {found}");
            assert_eq!(found["missing"]["source"], "bound", "{kind} {written}: {found}");
            let needed = found["volumes"][0]["needed_high"].as_u64().unwrap();
            assert!(needed >= real, "{kind} {written} {place:?}: {needed}");
            assert!(found["notes"].to_string().contains("it may fit"), "{kind} {written}: {found}");
        }
        // Whoever assumes a ratio is told that it is an assumption, and how far it may be off.
        let args = format!("fit {} --data-root {root} --watermark 100 --assume-ratio 100", file.display());
        let Output { stdout, stderr, .. } =
            image_prune(&args.split(' ').collect::<Vec<_>>()).output().unwrap();
        let told = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
        assert!(told.contains("It fits if no layer is larger than you assume."), "{kind} {written}: {told}");
        assert!(told.contains("your own assumption") && told.contains("inodes"), "{kind} {written}: {told}");
    }
    // Blocks without inodes: those of the worst case are needed.
    let written = json!({"image-prune.size": "40000", "image-prune.usage": real.to_string()});
    let layer = json!({"mediaType": gzip, "digest": image_prune::Digest::of(&layout::gzip(&tar)).to_string(),
        "size": layout::gzip(&tar).len(), "annotations": written});
    let file = manifest_file(&folder, &config, &layer);
    let found = answer(&[file.to_str().unwrap(), "--data-root", root]);
    if let Some(inodes) = found["volumes"][0]["inodes"].as_object() {
        assert!(inodes["needed_high"].as_u64().unwrap() >= 2003, "{found}");
    }
    // Of a layout it is counted, inodes and directories included.
    let layer = layout.blob(&layout::gzip(&tar), gzip);
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer]});
    let image = layout.blob(manifest.to_string().as_bytes(), kind);
    layout.finish(&[("tiny", image)]);
    let image = format!("oci:{}:tiny", folder.path().display());
    let found = answer(&[&image, "--data-root", root]);
    assert_eq!(found["missing"]["source"], "exact");
    let needed = found["volumes"][0]["needed_high"].as_u64().unwrap();
    assert!(needed >= real && needed < real + 200_000, "{needed}");
    if let Some(inodes) = found["volumes"][0]["inodes"].as_object() {
        assert_eq!((&inodes["needed_low"], &inodes["needed_high"]), (&json!(2003), &json!(2003)));
    }
}

/// A tmpfs of few inodes: bytes enough, and no room.
#[test]
fn inodes_are_counted_where_there_are_few() {
    let Some(volume) = Mount::with("size=64m,nr_inodes=100") else { return };
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout { folder: folder.path() };
    let layers: Vec<(String, usize)> = (0..120).map(|number| (format!("file{number}"), 10)).collect();
    let layers: Vec<(&str, usize)> = layers.iter().map(|(name, size)| (name.as_str(), *size)).collect();
    let (few, many) =
        (layout.image("amd64", &layers[..40], &json!({})), layout.image("amd64", &layers, &json!({})));
    layout.finish(&[("few", few), ("many", many)]);
    let root = volume.path().join("docker");
    let of = |name: &str| {
        let image = format!("oci:{}:{name}", folder.path().display());
        answer(&[&image, "--data-root", root.to_str().unwrap()])
    };
    let (few, many) = (of("few"), of("many"));
    assert_eq!((&few["fits"], &few["volumes"][0]["inodes"]["needed_high"]), (&json!(true), &json!(40)));
    assert_eq!(many["fits"], false);
    assert!(many["notes"].to_string().contains("up to 120 inodes are needed"), "{many}");
}

/// Two GiB of a "long name", in 4 MB of gzip. The address space has room for a third of it.
#[test]
fn a_layer_that_names_a_file_without_end_takes_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout { folder: folder.path() };
    let mut header = tar::Header::new_gnu();
    header.set_path("././@LongLink").unwrap();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(2 << 30);
    header.set_cksum();
    let mut layer = layout::gzip(header.as_bytes());
    // A gzip of several members is as good as one.
    let part = layout::gzip(&vec![0; 1 << 20]);
    (0..2048).for_each(|_| layer.extend_from_slice(&part));
    let config =
        layout.blob(br#"{"os":"linux","architecture":"amd64"}"#, "application/vnd.oci.image.config.v1+json");
    let layer = layout.blob(&layer, "application/vnd.oci.image.layer.v1.tar+gzip");
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer]});
    let image = layout.blob(manifest.to_string().as_bytes(), kind);
    layout.finish(&[("a", image)]);
    let output = std::process::Command::new("sh")
        .args(["-c", "ulimit -v 700000 && exec \"$@\"", "sh", env!("CARGO_BIN_EXE_image-prune")])
        .args(["fit", "--format", "json", "--platform", "linux/amd64", "--data-root", "/nonexistent"])
        .arg(format!("oci:{}:a", folder.path().display()))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(json_of(&output)["missing"]["source"], "bound", "it cannot be counted");
}

#[test]
fn what_is_missing_is_an_answer() {
    let app = App::new(1000, 1000);
    let folder = app.folder.path().to_str().unwrap().to_owned();
    let nothing = problem(&[&app.layout, "--platform", "linux/s390x"]);
    assert!(nothing.contains("nothing for linux/s390x; it is for linux/amd64, linux/arm64"), "{nothing}");
    let unnamed = problem(&[&format!("oci:{folder}:nobody")]);
    assert!(unnamed.contains("no image `nobody`; it has app"), "{unnamed}");
    assert!(problem(&["oci:/nowhere:x"]).contains("not an OCI layout"));
    assert!(problem(&["/nowhere.json"]).contains("No such file"));
    let file = app.folder.path().join("x.json");
    for (text, expected) in [
        ("", "not a manifest"),
        ("{}", "neither a manifest nor an index"),
        (r#"{"layers":[{"digest":"sha256:x","size":1}]}"#, "is not `sha256:`"),
        (
            r#"{"layers":[{"digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}]}"#,
            "missing field `size`",
        ),
        (
            r#"{"manifests":[{"digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","size":1,"platform":{"os":"linux","architecture":"amd64"}}]}"#,
            "which is not here",
        ),
        (r#"{"manifests":[]}"#, "nothing for linux/amd64; it is for none"),
    ] {
        fs::write(&file, text).unwrap();
        let found = problem(&[file.to_str().unwrap()]);
        assert!(found.contains(expected), "{text}: {found}");
    }
    // Of a layer that is damaged only limits are known, and a manifest that is damaged is refused.
    let blobs = app.folder.path().join("blobs/sha256");
    for entry in fs::read_dir(&blobs).unwrap() {
        let path = entry.unwrap().path();
        let content = fs::read(&path).unwrap();
        if content.starts_with(&[0x1f, 0x8b]) {
            fs::write(&path, &content[..content.len() / 2]).unwrap();
        }
    }
    let root = app.folder.path().join("none");
    let unknown = answer(&[&app.layout, "--data-root", root.to_str().unwrap()]);
    assert_eq!(unknown["missing"]["source"], "bound");
    for entry in fs::read_dir(&blobs).unwrap() {
        fs::write(entry.unwrap().path(), "{}").unwrap();
    }
    assert!(problem(&[&app.layout]).contains("not what its digest says"));
}

#[test]
fn layers_that_are_there_are_not_counted() {
    let app = App::new(300_000, 20_000);
    let config = |name: &str| {
        layout::tar(name, &layout::noise(name, if name.starts_with("base") { app.base } else { app.own }))
    };
    let diff = image_prune::Digest::of(&config("base-amd64"));
    let world = json!({
        "format": 1,
        "layers": [{"chain_id": diff.to_string(), "diff_id": diff.to_string(), "size": app.base}],
    });
    let state = app.folder.path().join("state.json");
    fs::write(&state, world.to_string()).unwrap();
    let found = answer(&[&app.layout, "--state", state.to_str().unwrap()]);
    assert_eq!(
        (&found["missing"]["layers"], &found["missing"]["unpacked_high"]),
        (&json!(1), &json!(app.own))
    );
    let other = answer(&[&app.layout, "--state", state.to_str().unwrap(), "--platform", "linux/arm64"]);
    assert_eq!(other["missing"]["layers"], 2);
}

#[test]
fn two_stores_on_one_volume_or_on_two() {
    let (Some(first), Some(second)) = (Mount::new("8m"), Mount::new("4m")) else { return };
    let app = App::new(2 * MB, MB);
    let root = first.path().join("docker");
    let root = root.to_str().unwrap();
    let blobs = second.path().to_str().unwrap();
    let apart = answer(&[&app.layout, "--data-root", root, "--blob-store", blobs]);
    let volumes = apart["volumes"].as_array().unwrap();
    assert_eq!(volumes.len(), 2);
    assert_eq!((&volumes[0]["capacity"], &volumes[1]["capacity"]), (&json!(8 << 20), &json!(4 << 20)));
    assert_eq!(volumes[0]["needed_high"], blocks(2 * MB) + blocks(MB));
    // Its blobs: two layers, config, manifest and index; 3.0 MB of 80 per cent of 4 MiB.
    assert_eq!(apart["fits"], true, "{apart}");
    let one = first.path().join("blobs");
    let together = answer(&[&app.layout, "--data-root", root, "--blob-store", one.to_str().unwrap()]);
    assert_eq!(together["volumes"].as_array().unwrap().len(), 1);
    let sum: u64 = volumes.iter().map(|room| room["needed_high"].as_u64().unwrap()).sum();
    assert_eq!(together["volumes"][0]["needed_high"], sum);
    // What is there already is not downloaded again; half a blob is.
    let before = apart["missing"]["compressed"].as_u64().unwrap();
    let folder = second.path().join("blobs/sha256");
    fs::create_dir_all(&folder).unwrap();
    let largest =
        fs::read_dir(app.folder.path().join("blobs/sha256")).unwrap().map(|entry| entry.unwrap().path());
    let base = largest.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    fs::copy(&base, folder.join(base.file_name().unwrap())).unwrap();
    let found = [&app.layout, "--data-root", root, "--blob-store", blobs, "--platform"];
    let after: Vec<u64> = ["linux/amd64", "linux/arm64"]
        .map(|platform| {
            answer(&[&found[..], &[platform]].concat())["missing"]["compressed"].as_u64().unwrap()
        })
        .into();
    assert!(after.contains(&before) || after.iter().any(|bytes| *bytes + (2 * MB as u64) < before + 10_000));
    assert_ne!(after[0], after[1], "one platform's base is there");
    // The volume fills up, and it fits no more.
    fs::write(second.path().join("ballast"), vec![1; MB]).unwrap();
    let full = answer(&[&app.layout, "--data-root", root, "--blob-store", blobs, "--watermark", "60"]);
    assert_eq!(full["fits"], false);
    assert_eq!(full["prune"], Value::Null, "no prune of images helps there");
}

#[test]
fn an_index_says_the_same_as_the_layout() {
    let app = App::new(MB, 50_000);
    let folder = app.folder.path();
    let file = folder.join("layers.jsonl");
    let file = file.to_str().unwrap();
    let root = folder.join("none");
    let root = root.to_str().unwrap();
    let index = |args: &[&str]| {
        let output = image_prune(&["fit", "index"]).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    index(&[&app.layout, "--platform", "linux/amd64", "--platform", "linux/arm64", "-o", file]);
    let lines: Vec<Value> =
        fs::read_to_string(file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    for (line, architecture) in lines.iter().zip(["amd64", "arm64"]) {
        assert_eq!(line["annotations"], json!({"compose-app-layers": "v1"}));
        assert_eq!(line["platform"]["architecture"], architecture);
        let layers = line["layers"].as_array().unwrap();
        assert_eq!(layers.len(), 2);
        assert!(layers.iter().all(|layer| layer["digest"].is_string() && layer["size"].is_u64()));
        assert!(layers[0]["digest"].as_str() < layers[1]["digest"].as_str(), "sorted, so that it is stable");
    }
    let (whole, listed) = (answer(&[&app.layout, "--data-root", root]), answer(&[file, "--data-root", root]));
    for key in ["layers", "compressed", "unpacked_low", "unpacked_high"] {
        assert_eq!(whole["missing"][key], listed["missing"][key], "{key}");
    }
    assert_eq!(listed["missing"]["source"], "metadata");
    assert_eq!(index(&[&app.layout, "--platform", "linux/arm64"]).lines().count(), 1);
    assert!(problem(&[file, "--platform", "linux/s390x"]).contains("it is for linux/amd64, linux/arm64"));

    // As composectl writes it: digests and sizes alone; and the app that lists it.
    let mut bare = lines[0].clone();
    for layer in bare["layers"].as_array_mut().unwrap() {
        layer.as_object_mut().unwrap().remove("annotations");
    }
    bare["platform"] = json!({"architecture": "amd64"});
    let bare = bare.to_string();
    let digest = image_prune::Digest::of(bare.as_bytes());
    let bundle = json!({"mediaType": "application/octet-stream", "digest": format!("sha256:{}", "d".repeat(64)), "size": 500});
    let platform = json!({"architecture": "amd64"});
    let listed = json!({"mediaType": "application/vnd.oci.image.index.v1+json", "digest": digest.to_string(), "size": bare.len(), "platform": platform});
    let app_manifest = json!({"schemaVersion": 2, "config": bundle, "layers": [bundle], "manifests": [listed], "annotations": {"compose-app": "v1"}});
    let files = [("app.json", app_manifest.to_string()), ("bare.json", bare)];
    let paths: Vec<String> = files
        .iter()
        .map(|(name, text)| {
            let path = folder.join(name);
            fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        })
        .collect();
    let of_app = answer(&[&paths[0], &paths[1], "--data-root", root]);
    assert_eq!((&of_app["missing"]["layers"], &of_app["missing"]["source"]), (&json!(2), &json!("bound")));
    assert_eq!(of_app["missing"]["compressed"], whole["missing"]["compressed"]);
    assert!(problem(&[&paths[0], "--data-root", root]).contains("which is not here"));
}

#[test]
fn layouts_that_skopeo_wrote_and_registries_say_the_same() {
    if !has("skopeo") {
        return;
    }
    let Some(peer) = Peer::start(Setup::default()) else { return };
    let app = App::new(MB, 50_000);
    let folder = app.folder.path();
    let made = format!("oci:{}:app", folder.join("made").display());
    skopeo(&["--multi-arch", "all", &app.layout, &made]);
    let remote = format!("docker://{}/team/app:1", peer.address);
    skopeo(&["--multi-arch", "all", "--dest-tls-verify=false", &app.layout, &remote]);
    let root = folder.join("none");
    let [by_hand, by_skopeo, by_registry] =
        [&app.layout, &made, &remote].map(|image| answer(&[image, "--data-root", root.to_str().unwrap()]));
    assert_eq!(by_hand["missing"], by_skopeo["missing"]);
    assert_eq!(by_registry["missing"]["compressed"], by_hand["missing"]["compressed"]);
    assert_eq!(by_registry["missing"]["source"], "bound", "layers are not downloaded to be counted");
    // Half a terabyte is enough for whatever a layer of a megabyte may be, and that is all that would be.
    for (size, fits) in [("500GB", true), ("1GB", false)] {
        let place = ["--data-root", root.to_str().unwrap(), "--capacity", size, "--available", size];
        assert_eq!(answer(&[&[remote.as_str()][..], &place].concat())["fits"], fits, "{size}");
    }
    let output = image_prune(&["fit", "index", &remote, "--platform", "arm64"]).output().unwrap();
    let index = json_of(&output);
    assert!(index["layers"][0]["annotations"]["image-prune.diff-id"].is_string());
    let missing = format!("docker://{}/team/app:2", peer.address);
    assert!(problem(&[&missing]).contains("does not exist"));
    assert_eq!(fit(&["docker://nohost"]).status.code(), Some(2));
}

/// A daemon on a small volume: what the plan says makes room, `--prune` makes it, and then it fits for real.
#[test]
fn a_daemon_makes_room() {
    if !has("skopeo") {
        return;
    }
    let Some(volume) = Mount::new("100m") else { return };
    let root = volume.path().join("root");
    let Some(daemon) = Dockerd::start_on("fit", Some(&root)) else { return };
    let client = Client::new(Host::parse(&daemon.host()).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout { folder: folder.path() };
    let image = |name: &str, size: usize, labels: Value| {
        (name.to_owned(), layout.image("amd64", &[(name, size * MB)], &labels))
    };
    let images = [
        image("old", 20, json!({})),
        image("small", 5, json!({})),
        image("precious", 20, json!({"keep": "1"})),
        image("new", 22, json!({})),
    ];
    let named: Vec<(&str, Value)> =
        images.iter().map(|(name, image)| (name.as_str(), image.clone())).collect();
    layout.finish(&named);
    let load = |name: &str| {
        let (from, to) =
            (format!("oci:{}:{name}", folder.path().display()), folder.path().join(format!("{name}.tar")));
        skopeo(&[&from, &format!("docker-archive:{}:{name}:1", to.display())]);
        client.load(&mut fs::File::open(&to).unwrap())
    };
    for name in ["old", "small", "precious"] {
        load(name).unwrap();
    }
    let root = root.to_str().unwrap();
    let new = format!("oci:{}:new", folder.path().display());
    let args = [&new, "--data-root", root, "--filter", "label!=keep"];
    let before = answer(&args);
    assert_eq!(before["fits"], false, "{before}");
    let prune = &before["prune"];
    assert_eq!(
        (&prune["enough"], &prune["exact"], &prune["applied"]),
        (&json!(true), &json!(true), &json!(false))
    );
    assert_eq!(prune["images"].as_array().unwrap().len(), 1);
    assert_eq!(prune["images"][0]["references"], json!(["old:1"]));
    assert_eq!(client.images(true).unwrap().len(), 3, "a plan changes nothing");
    // What the update stands on, and what the keep rules keep, is no way out.
    let never = answer(&[&args[..], &["--filter", "until=1980-01-01T00:00:00Z"]].concat());
    assert_eq!((&never["prune"]["enough"], &never["prune"]["images"]), (&json!(false), &json!([])));

    let after = answer(&[&new, "--host", &daemon.host(), "--filter", "label!=keep", "--prune"]);
    assert_eq!((&after["fits"], &after["prune"]["applied"]), (&json!(true), &json!(true)), "{after}");
    let left = client.images(true).unwrap();
    let left: Vec<_> = left.iter().flat_map(|image| image.repo_tags.clone()).collect();
    assert_eq!(left.len(), 2);
    assert!(!left.contains(&"old:1".to_owned()));
    load("new").unwrap();
    let used = |path: &Path| {
        let stat = rustix::fs::statvfs(path).unwrap();
        (stat.f_blocks - stat.f_bavail) * stat.f_frsize
    };
    assert!(used(volume.path()) <= 80 << 20, "below the watermark, as foretold: {}", used(volume.path()));
}
