//! What each version does otherwise: an example for every field of `Semantics`, which inverting the field changes, and
//! the page `src/docs/versions.md`, which is written from them and the version table.
//!
//! `UPDATE_CASES=1 cargo test --all-features --test proptests versions` writes the page anew; read the difference.

mod server;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use image_prune::cancel::Never;
use image_prune::event::Recorder;
use image_prune::graph::Engine;
use image_prune::graph::delete::Extent;
use image_prune::graph::store::Stores;
use image_prune::graph::usage::usage;
use image_prune::replay::{filters_row, reference_row, until_row};
use image_prune::request::until;
use image_prune::server::TestDaemon;
use image_prune::world::{self, Container, Layer};
use image_prune::{
    BadFilterText, ChainId, ContainerId, DiffId, Digest, Error, ErrorClass, Evidence, GoTime, Image, ImageId,
    Now, PruneRequest, Reference, Semantics, Timestamp, Unicode, World,
};
use serde_json::Value;

use crate::support::http::{get, post};
use crate::support::parsed;
use crate::tables;

/// 2024-03-10T12:00:00.9Z
const NOW: Now = Now { instant: Timestamp::new(1_710_072_000, 900_000_000), utc_offset_seconds: 0 };

/// One difference, by example.
struct Example {
    /// The field of `Semantics`.
    field: &'static str,
    /// What is asked.
    asked: &'static str,
    /// What a version answers.
    answer: fn(&Semantics) -> String,
    /// Turns the field of 29 into what it is in some other version.
    invert: fn(&mut Semantics),
}

/// Those of the library, then those of the daemon in memory.
fn examples() -> impl Iterator<Item = &'static Example> {
    EXAMPLES.iter().chain(&server::EXAMPLES)
}

/// The fields that say which profile it is, and not how it behaves.
const NAMES: [&str; 2] = ["name", "version"];

const EXAMPLES: &[Example] = &[
    Example {
        field: "bad_filter_class",
        asked: "status of `filters=x`",
        answer: |semantics| status(PruneRequest::parse("x", semantics, NOW)),
        invert: |semantics| semantics.bad_filter_class = ErrorClass::System,
    },
    Example {
        field: "history_error_class",
        asked: "class of the error about an image with more layers in its history than in its `rootfs`",
        answer: |semantics| {
            let config = r#"{"rootfs":{"type":"layers"},"history":[{"created_by":"x"}]}"#;
            format!("`{:?}`", Stores::new(semantics).images.create(config).unwrap_err().class())
        },
        invert: |semantics| semantics.history_error_class = ErrorClass::System,
    },
    Example {
        field: "bad_filter_text",
        asked: r#"`filters={"label":1}`"#,
        answer: |semantics| text(PruneRequest::parse(r#"{"label":1}"#, semantics, NOW)),
        invert: |semantics| semantics.bad_filter_text = BadFilterText::Json,
    },
    Example {
        field: "invalid_filter_prefix",
        asked: r#"`filters={"bogus":["1"]}`"#,
        answer: |semantics| text(PruneRequest::parse(r#"{"bogus":["1"]}"#, semantics, NOW)),
        invert: |semantics| semantics.invalid_filter_prefix = "Invalid filter",
    },
    Example {
        field: "empty_key_is_bare",
        asked: r#"`filters={"":["1"]}`"#,
        answer: |semantics| text(PruneRequest::parse(r#"{"":["1"]}"#, semantics, NOW)),
        invert: |semantics| semantics.empty_key_is_bare = false,
    },
    Example {
        field: "strict_dangling",
        asked: r#"`filters={"dangling":[]}`"#,
        answer: |semantics| {
            let request = PruneRequest::parse(r#"{"dangling":[]}"#, semantics, NOW);
            let words = |is_dangling| if is_dangling { "dangling images" } else { "all unused images" };
            request.map_or_else(quoted, |request| words(request.dangling_only()).to_owned())
        },
        invert: |semantics| semantics.strict_dangling = false,
    },
    Example {
        field: "until_error_class",
        asked: "status of `until=2020-13-01`",
        answer: |semantics| status(PruneRequest::parse(r#"{"until":["2020-13-01"]}"#, semantics, NOW)),
        invert: |semantics| semantics.until_error_class = ErrorClass::System,
    },
    Example {
        field: "container_until_error_class",
        asked: "status of `until=2020-13-01` in a prune of containers",
        answer: |semantics| {
            let daemon = TestDaemon::builder().semantics(*semantics).start().unwrap();
            let path = "/containers/prune?filters=%7B%22until%22:%5B%222020-13-01%22%5D%7D";
            post(daemon.socket().unwrap(), path).status.to_string()
        },
        invert: |semantics| semantics.container_until_error_class = ErrorClass::System,
    },
    Example {
        field: "until_error_prefix",
        asked: "`until=2020-13-01`",
        answer: |semantics| text(PruneRequest::parse(r#"{"until":["2020-13-01"]}"#, semantics, NOW)),
        invert: |semantics| semantics.until_error_prefix = "",
    },
    Example {
        field: "blank_until_is_empty",
        asked: "`until=` and a blank",
        answer: |semantics| limit(" ", semantics),
        invert: |semantics| semantics.blank_until_is_empty = false,
    },
    Example {
        field: "durations_keep_nanos",
        asked: "`until=24h` at 2024-03-10T12:00:00.9Z",
        answer: |semantics| limit("24h", semantics),
        invert: |semantics| semantics.durations_keep_nanos = false,
    },
    Example {
        field: "unix_seconds_are_text",
        asked: "`until=1136073600.`",
        answer: |semantics| limit("1136073600.", semantics),
        invert: |semantics| semantics.unix_seconds_are_text = false,
    },
    Example {
        field: "go_time",
        asked: "`until=2020-01-01T00:00:00+99:99`",
        answer: |semantics| limit("2020-01-01T00:00:00+99:99", semantics),
        invert: |semantics| semantics.go_time = GoTime::Go1_20,
    },
    Example {
        field: "unicode",
        asked: "`until=🫨`, which came with Unicode 14",
        answer: |semantics| limit("🫨", semantics),
        invert: |semantics| semantics.unicode = Unicode::V13,
    },
    Example {
        field: "created_is_optional",
        asked: "an image without `created`, under `until=24h`",
        answer: |semantics| {
            let engine = Engine::new(Stores::new(semantics), *semantics, Recorder::default());
            engine.stores().images.create(r#"{"rootfs":{"type":"layers"}}"#).unwrap();
            let report = engine.prune(&parsed(r#"{"until":["24h"]}"#), NOW, &Never).unwrap();
            if report.images_deleted.is_empty() { "kept" } else { "deleted" }.to_owned()
        },
        invert: |semantics| semantics.created_is_optional = false,
    },
    Example {
        field: "null_clears_created",
        asked: r#"a config with `"created":"2020-01-01T00:00:00Z","created":null`"#,
        answer: |semantics| {
            let config = r#"{"created":"2020-01-01T00:00:00Z","created":null,"rootfs":{}}"#;
            let image = Image::parse(config.as_bytes().to_vec(), semantics).unwrap();
            image.created().map_or("no `created`".to_owned(), |created| format!("`{created}`"))
        },
        invert: |semantics| semantics.null_clears_created = false,
    },
    Example {
        field: "os_is_checked_on_delete",
        asked: "deleting an image of `windows`",
        answer: |semantics| {
            let engine = Engine::new(Stores::new(semantics), *semantics, Recorder::default());
            let id = engine.stores().images.create(r#"{"os":"windows","rootfs":{}}"#).unwrap();
            let deleted = engine.delete(&id.to_string(), Extent { force: false, prune: true });
            deleted.map_or_else(|error| quoted(error.into()), |_| "deleted".to_owned())
        },
        invert: |semantics| semantics.os_is_checked_on_delete = true,
    },
    Example {
        field: "ipv6_hosts",
        asked: "the reference `[::1]:5000/a`",
        answer: |semantics| reference("[::1]:5000/a", semantics),
        invert: |semantics| semantics.ipv6_hosts = false,
    },
    Example {
        field: "upper_case_is_domain",
        asked: "the reference `Foo/c`",
        answer: |semantics| reference("Foo/c", semantics),
        invert: |semantics| semantics.upper_case_is_domain = false,
    },
    Example {
        field: "lower_case_error_names_remainder",
        asked: "the reference `A`",
        answer: |semantics| reference("A", semantics),
        invert: |semantics| semantics.lower_case_error_names_remainder = false,
    },
    Example {
        field: "name_limit_is_for_path",
        asked: "the reference `example.com/` and 250 times `a`",
        answer: |semantics| {
            let name = format!("example.com/{}", "a".repeat(250));
            let read = Reference::parse(&name, semantics);
            read.map_or_else(quoted, |_| "a reference".to_owned())
        },
        invert: |semantics| semantics.name_limit_is_for_path = false,
    },
    Example {
        field: "new_tag_conflict_texts",
        asked: "moving a digest reference to another image",
        answer: |semantics| {
            let stores = Stores::new(semantics);
            let name = |id: u8| {
                let digest = Digest::of(b"manifest");
                let reference = Reference::parse(&format!("a@{digest}"), semantics).unwrap();
                stores.references.add_digest(reference, ImageId::of(&[id]))
            };
            name(1).unwrap();
            let error = name(2).unwrap_err().to_string();
            format!("`{}…`", error.split(" digest").next().unwrap())
        },
        invert: |semantics| semantics.new_tag_conflict_texts = false,
    },
    Example {
        field: "image_mounts_are_use",
        asked: "pruning `a:1`, which a container mounts",
        answer: |semantics| {
            let config = r#"{"created":"2020-01-01T00:00:00Z","rootfs":{}}"#;
            let id = ImageId::of(config.as_bytes());
            let world = World {
                images: vec![world::Image { id, config: config.as_bytes().to_vec().into(), parent: None }],
                references: vec![world::Reference { name: "docker.io/library/a:1".to_owned(), id }],
                containers: vec![Container {
                    id: ContainerId::from(Digest::of(b"container")),
                    image: ImageId::of(b"another"),
                    running: true,
                    rw_layer_parent: None,
                    image_mounts: vec![id],
                }],
                ..World::default()
            };
            let engine =
                Engine::new(Stores::load(world, semantics).unwrap(), *semantics, Recorder::default());
            let report = engine.prune(&parsed(r#"{"dangling":["false"]}"#), NOW, &Never).unwrap();
            if report.images_deleted.is_empty() { "kept" } else { "deleted" }.to_owned()
        },
        invert: |semantics| semantics.image_mounts_are_use = false,
    },
    Example {
        field: "shared_size_over_all_images",
        asked: "`SharedSize` of a child with the layer of its unnamed parent, 50 bytes",
        answer: |semantics| {
            let diff = DiffId::from(Digest::of(b"layer"));
            let chain = ChainId::from(Digest::of(b"layer"));
            let image = |created: &str, parent| {
                let config = format!(
                    r#"{{"created":"{created}T00:00:00Z","rootfs":{{"type":"layers","diff_ids":["{diff}"]}}}}"#
                );
                let config = config.into_bytes();
                world::Image { id: ImageId::of(&config), config: config.into(), parent }
            };
            let parent = image("2020-01-01", None);
            let child = image("2020-01-02", Some(parent.id));
            let world = World {
                layers: vec![Layer { chain_id: chain, diff_id: diff, parent: None, size: 50 }],
                images: vec![parent, child],
                ..World::default()
            };
            let stores = Stores::load(world, semantics).unwrap();
            let usage = usage(&stores, semantics).unwrap();
            assert_eq!(usage.images.len(), 1);
            usage.images[0].shared_size.to_string()
        },
        invert: |semantics| semantics.shared_size_over_all_images = false,
    },
    Example {
        field: "concurrent_usage_is_refused",
        asked: "`GET /system/df` while another runs",
        answer: server::concurrent_usage,
        invert: |semantics| semantics.concurrent_usage_is_refused = true,
    },
    Example {
        field: "unreferenced_tags_are_null",
        asked: "`RepoTags` of an image without a name, in `GET /system/df`",
        answer: |semantics| {
            let stores = Stores::new(semantics);
            stores.images.create(r#"{"rootfs":{"type":"layers"}}"#).unwrap();
            let usage = usage(&stores, semantics).unwrap();
            format!("`{}`", serde_json::to_value(&usage.images[0].repo_tags).unwrap())
        },
        invert: |semantics| semantics.unreferenced_tags_are_null = false,
    },
    Example {
        field: "empty_build_cache_is_a_list",
        asked: "`BuildCache` of nothing, in `GET /system/df`",
        answer: |semantics| {
            let daemon = TestDaemon::builder().semantics(*semantics).start().unwrap();
            let body: Value =
                serde_json::from_str(&get(daemon.socket().unwrap(), "/system/df").body).unwrap();
            format!("`{}`", body["BuildCache"])
        },
        invert: |semantics| semantics.empty_build_cache_is_a_list = false,
    },
    Example {
        field: "zero_builder_size_is_omitted",
        asked: "`BuilderSize` of nothing, in `GET /system/df`",
        answer: |semantics| {
            let daemon = TestDaemon::builder().semantics(*semantics).start().unwrap();
            let body = get(daemon.socket().unwrap(), "/system/df").body;
            yes(body.contains("BuilderSize"), "0", "left out")
        },
        invert: |semantics| semantics.zero_builder_size_is_omitted = false,
    },
    Example {
        field: "zero_layers_size_is_omitted",
        asked: "`LayersSize` of nothing, in `GET /system/df`",
        answer: |semantics| {
            let body = server::body(semantics, "/system/df?type=image");
            yes(body.contains("LayersSize"), "0", "left out")
        },
        invert: |semantics| semantics.zero_layers_size_is_omitted = false,
    },
    Example {
        field: "usage_omits_other_types",
        asked: "`Containers` in `GET /system/df?type=image`",
        answer: |semantics| {
            let (_, newest) = semantics.api_versions;
            // Which types are wanted is asked since 1.42.
            let body = server::body(semantics, &format!("/v1.{newest}/system/df?type=image"));
            yes(
                body.contains("\"Containers\":null"),
                "`null`",
                if newest < 42 { "listed" } else { "left out" },
            )
        },
        invert: |semantics| semantics.usage_omits_other_types = false,
    },
    Example {
        field: "usage_objects_since",
        asked: "`ImageUsage` in `GET /system/df`",
        answer: |semantics| server::since(semantics, "/system/df", |reply| reply.body.contains("ImageUsage")),
        invert: |semantics| semantics.usage_objects_since = None,
    },
    Example {
        field: "legacy_event_fields_until",
        asked: "events without `status`, `id` and `from`",
        answer: |semantics| {
            let path = "/events?since=1&until=1700000000.1";
            server::since(semantics, path, |reply| !reply.body.contains("\"status\""))
        },
        invert: |semantics| semantics.legacy_event_fields_until = None,
    },
    Example {
        field: "json_lines_since",
        asked: "events as `application/jsonl`",
        answer: |semantics| {
            let path = "/events?since=1&until=1700000000.1";
            server::since(semantics, path, |reply| reply.header("content-type") == Some("application/jsonl"))
        },
        invert: |semantics| semantics.json_lines_since = None,
    },
    Example {
        field: "event_time_errors_name_parameter",
        asked: "`GET /events?since=x`",
        answer: |semantics| server::ask(semantics, "GET", "/events?since=x"),
        invert: |semantics| semantics.event_time_errors_name_parameter = false,
    },
];

fn status<T: std::fmt::Debug>(answer: Result<T, Error>) -> String {
    answer.unwrap_err().class().http_status().to_string()
}

fn text<T: std::fmt::Debug>(answer: Result<T, Error>) -> String {
    quoted(answer.unwrap_err())
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_or_else`")]
fn quoted(error: Error) -> String {
    format!("`{error}`")
}

fn limit(value: &str, semantics: &Semantics) -> String {
    until::parse(value, NOW, semantics).map_or_else(quoted, |limit| format!("`{limit}`"))
}

fn reference(text: &str, semantics: &Semantics) -> String {
    Reference::parse(text, semantics).map_or_else(quoted, |reference| format!("`{}`", reference.as_str()))
}

fn yes(is_so: bool, so: &str, otherwise: &str) -> String {
    if is_so { so } else { otherwise }.to_owned()
}

/// The fields of `Semantics` with their values.
fn fields(semantics: &Semantics) -> Vec<(String, String)> {
    let debug = format!("{semantics:?}");
    let inside = debug.split_once("{ ").unwrap().1.strip_suffix(" }").unwrap();
    // Values hold `, ` only within parentheses and quotes, and no field's name follows it there.
    let is_name = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let mut found: Vec<(String, String)> = Vec::new();
    for part in inside.split(", ") {
        match part.split_once(": ").filter(|(name, _)| is_name(name)) {
            Some((name, value)) => found.push((name.to_owned(), value.to_owned())),
            None => found.last_mut().unwrap().1.push_str(part),
        }
    }
    found
}

#[test]
fn every_field_has_one_example() {
    let mut names: Vec<String> = fields(&Semantics::MOBY_29).into_iter().map(|(name, _)| name).collect();
    // The differences of the other image store, which its own recorded rows hold.
    names.retain(|name| name != "containerd");
    let with_example: Vec<&str> = NAMES.into_iter().chain(examples().map(|example| example.field)).collect();
    assert_eq!(names, with_example, "in the order of the struct");
}

/// What the example shows is what the field does, and nothing else does it.
#[test]
fn every_field_inverted_shows_in_its_example() {
    for Example { field, answer, invert, .. } in examples() {
        let mut inverted = Semantics::MOBY_29;
        invert(&mut inverted);
        let before: BTreeSet<_> = fields(&Semantics::MOBY_29).into_iter().collect();
        let after: BTreeSet<_> = fields(&inverted).into_iter().collect();
        let changed: Vec<&str> = after.difference(&before).map(|(name, _)| name.as_str()).collect();
        assert_eq!(changed, [*field]);
        assert_ne!(answer(&inverted), answer(&Semantics::MOBY_29), "{field}");
    }
}

/// The recorded rows hold the fields that a row can reach: inverted, some row differs.
#[test]
fn recorded_rows_hold_their_fields() {
    let texts = |file: &str| -> Vec<Value> { tables::read(&Semantics::MOBY_29, file).collect() };
    let (until, reference, filters) = (texts("until"), texts("reference"), texts("filters"));
    let value = |row: &Value| row["value"].as_str().unwrap().to_owned();
    let until_differs = |semantics: &Semantics| {
        until.iter().any(|row| {
            let instant = image_prune::go::layout::parse_rfc3339(
                row["now"].as_str().unwrap().as_bytes(),
                GoTime::Go1_23,
            );
            let utc_offset_seconds = row["utc_offset_seconds"].as_i64().unwrap().try_into().unwrap();
            let answered =
                until_row(&value(row), Now { instant: instant.unwrap(), utc_offset_seconds }, semantics);
            answered.as_object().unwrap().iter().any(|(key, answer)| row.get(key) != Some(answer))
        })
    };
    let differs = |rows: &[Value], answer: &dyn Fn(&str) -> Value| {
        rows.iter().any(|row| {
            let answered = answer(&value(row));
            answered.as_object().unwrap().iter().any(|(key, answer)| row.get(key) != Some(answer))
        })
    };
    let caught = |semantics: &Semantics| {
        until_differs(semantics)
            || differs(&reference, &|value| reference_row(value, semantics))
            || differs(&filters, &|value| filters_row(value, semantics))
    };
    assert!(!caught(&Semantics::MOBY_29));
    for field in [
        "bad_filter_class",
        "bad_filter_text",
        "invalid_filter_prefix",
        "empty_key_is_bare",
        "blank_until_is_empty",
        "durations_keep_nanos",
        "unix_seconds_are_text",
        "go_time",
        "ipv6_hosts",
        "upper_case_is_domain",
        "lower_case_error_names_remainder",
        "name_limit_is_for_path",
    ] {
        let mut inverted = Semantics::MOBY_29;
        (examples().find(|example| example.field == field).unwrap().invert)(&mut inverted);
        assert!(caught(&inverted), "{field}");
    }
}

/// Behind this line the page is written by the test below.
const MARK: &str = "<!-- What follows is written by `proptests/versions/mod.rs`. -->\n";

#[test]
fn the_page_says_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/docs/versions.md");
    let page = fs::read_to_string(&path).unwrap();
    let (by_hand, _) = page.split_once(MARK).expect("the mark of what is written by this test");
    let expected = format!("{by_hand}{MARK}{}", written());
    if std::env::var_os("UPDATE_CASES").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    assert!(
        page == expected,
        "src/docs/versions.md is not what the table says; write it with UPDATE_CASES=1"
    );
    for release in Semantics::RELEASES {
        assert!(
            by_hand.contains(&format!("`{}`", release.semantics.name)) || release.evidence == Evidence::Read
        );
    }
}

/// The version table, and for each of its lines what changed, by example.
fn written() -> String {
    let mut page = String::from(
        "\n| from | up to | `--semantics` | moby | known by | API |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    let releases = Semantics::RELEASES;
    for (line, release) in releases.iter().enumerate() {
        let (major, minor) = release.since;
        let end = releases
            .get(line + 1)
            .map_or("newest".to_owned(), |next| format!("before {}.{}", next.since.0, next.since.1));
        let semantics = release.semantics;
        let evidence = match release.evidence {
            Evidence::Executed => "run",
            Evidence::Read => "read",
            _ => panic!("a kind of evidence without a word"),
        };
        let (oldest, newest) = semantics.api_versions;
        writeln!(
            page,
            "| {major}.{minor} | {end} | `{semantics}` | {} | {evidence} | 1.{oldest} to 1.{newest} |",
            semantics.version
        )
        .unwrap();
    }
    for (before, release) in releases.iter().zip(&releases[1..]) {
        let (major, minor) = release.since;
        write!(page, "\n## {major}.{minor}\n\n| asked | before | since |\n| --- | --- | --- |\n").unwrap();
        let old: BTreeSet<_> = fields(&before.semantics).into_iter().collect();
        let new = fields(&release.semantics);
        let changed = new.into_iter().filter(|field| !old.contains(field)).map(|(name, _)| name);
        for name in changed.filter(|name| !NAMES.contains(&name.as_str())) {
            let example = examples().find(|example| example.field == name).unwrap();
            let (was, is) = ((example.answer)(&before.semantics), (example.answer)(&release.semantics));
            assert_ne!(was, is, "{name} between {} and {}", before.semantics, release.semantics);
            writeln!(page, "| {} | {was} | {is} |", example.asked).unwrap();
        }
    }
    page
}
