//! The script form of a case: what a script describes, that each of its lines counts, and what a wrong one is told.

use std::collections::BTreeMap;
use std::fs;

use image_prune::event::Recorder;
use image_prune::graph::Engine;
use image_prune::oracle::graph::Model;
use image_prune::replay::script::{self, is_script};
use image_prune::replay::{Action, Scenario, Subject, differences, replay};
use image_prune::{ChainId, ContainerId, DiffId, Digest, Image, ImageId};
use proptest::prelude::*;

use super::files;

/// A script whose engine answers otherwise, or of which a request says nothing.
fn is_noticed<S: Subject>(case: &Scenario) -> bool {
    let outcomes = replay::<S>(case).unwrap();
    case.ops.iter().zip(&outcomes).any(|(op, got)| {
        op.expect
            .as_ref()
            .is_none_or(|expected| !differences(&case.world, &op.action, expected, got).is_empty())
    })
}

/// The examples that a reader copies.
#[test]
fn the_examples_of_the_documents_hold() {
    let documents = [include_str!("../../src/docs/guide/cases.md"), include_str!("../../testdata/README.md")];
    for document in documents {
        let example = document.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
        let case = script::read(example).unwrap();
        assert!(!case.ops.is_empty());
        assert!(!is_noticed::<Engine<Recorder>>(&case), "{example}");
        assert!(!is_noticed::<Model>(&case), "{example}");
    }
}

/// Each line that says what comes of a request is needed: without it the script is wrong, or the engine differs.
#[test]
fn every_line_of_an_outcome_counts() {
    let mut tried = 0;
    for path in files("case") {
        let text = fs::read_to_string(&path).unwrap();
        for (number, left_out) in text.lines().enumerate() {
            let word = left_out.split(' ').next().unwrap();
            if !["untagged", "deleted", "lost", "reclaimed", "error"].contains(&word) {
                continue;
            }
            let kept = text.lines().enumerate().filter(|(other, _)| *other != number).map(|(_, line)| line);
            let case = script::read(&kept.collect::<Vec<_>>().join("\n"));
            assert!(
                case.is_err() || is_noticed::<Engine<Recorder>>(&case.unwrap()),
                "{}: {left_out}",
                path.display()
            );
            tried += 1;
        }
    }
    assert!(tried > 250, "only {tried} lines");
}

#[test]
fn a_script_is_a_store_and_requests() {
    let case = script::read(
        "# comment\n\
         name D-12: what it shows\n\
         semantics moby-28.5\n\
         utc-offset -03:30\n\
         now 2024-07-01\n\
         layer base size=1\n\
         image App parent=Gone layers=base size=20 tags=app,app:2 digests=app@one label=a=b=c label='d= e' # more\n\
         image Gone missing\n\
         image Windows created=2024-01-01T00:00:00+02:00 os=windows config=none\n\
         container running image=App mounts=Windows\n\
         container stopped web image=Gone layers=App\n\
         prune all until=24h label!=x label!=y\n\
         delete App noprune\n\
         delete app@one force\n",
    )
    .unwrap();
    let world = &case.world;
    let layer = |name: &str| DiffId::from(Digest::of(format!("layer {name}").as_bytes()));
    let (base, own) = (ChainId::on(None, layer("base")), layer("App"));
    let top = ChainId::on(Some(base), own);
    assert_eq!(world.name, "D-12: what it shows");
    assert_eq!((world.profile.as_str(), world.utc_offset_seconds), ("moby-28.5", -12_600));
    let layers = world.layers.iter().map(|layer| (layer.chain_id, layer.diff_id, layer.parent, layer.size));
    let alone = ChainId::on(None, own);
    assert!(layers.eq([(base, layer("base"), None, 1), (top, own, Some(base), 20), (alone, own, None, 20)]));

    let missing = ImageId::from(Digest::of(b"image Gone"));
    let [app, windows] = world.images.as_slice() else { panic!("{:?}", world.images) };
    assert_eq!((app.id, app.parent), (ImageId::of(&app.config), Some(missing)));
    let config = format!(
        r#"{{"comment":"App","os":"linux","config":{{"Labels":{{"a":"b=c","d":" e"}}}},"rootfs":{{"type":"layers","diff_ids":["{}","{own}"]}}}}"#,
        layer("base")
    );
    assert_eq!(String::from_utf8(app.config.to_vec()).unwrap(), config);
    let parsed = Image::parse(windows.config.to_vec(), &case.semantics().unwrap()).unwrap();
    assert_eq!((parsed.os(), parsed.has_config(), parsed.top_layer()), ("windows", false, None));
    assert_eq!(parsed.created().unwrap().unix_seconds(), 1_704_060_000);

    let references: BTreeMap<_, _> = world.references.iter().map(|one| (one.name.clone(), one.id)).collect();
    let digest = format!("docker.io/library/app@{}", Digest::of(b"digest one"));
    let names =
        ["docker.io/library/app:latest".to_owned(), "docker.io/library/app:2".to_owned(), digest.clone()];
    assert_eq!(references, names.map(|name| (name, app.id)).into());

    let [first, second] = world.containers.as_slice() else { panic!("{:?}", world.containers) };
    assert_eq!(first.id, ContainerId::from(Digest::of(b"container c1")));
    assert_eq!((first.image, first.running, first.rw_layer_parent), (app.id, true, Some(top)));
    assert_eq!(first.image_mounts, [windows.id]);
    assert_eq!(second.id, ContainerId::from(Digest::of(b"container web")));
    assert_eq!((second.image, second.running, second.rw_layer_parent), (missing, false, Some(alone)));

    let [prune, by_id, by_digest] = case.ops.as_slice() else { panic!("{:?}", case.ops) };
    assert_eq!(prune.order, [app.id, windows.id]);
    let filters = r#"{"dangling":["false"],"until":["24h"],"label!":["x","y"]}"#.to_owned();
    let now = "2024-07-01T00:00:00Z".to_owned();
    assert_eq!(prune.action, Action::Prune { filters, now, cancel_after_polls: None });
    let delete = |reference, force, prune| Action::Delete { reference, force, prune };
    assert_eq!(by_id.action, delete(app.id.to_string(), false, false));
    let digest = digest.strip_prefix("docker.io/library/").unwrap().to_owned();
    assert_eq!(by_digest.action, delete(digest, true, true));
    assert!(case.ops.iter().all(|op| op.expect.is_none()));
}

#[test]
fn scripts_and_json_are_told_apart() {
    for script in ["image A", "\n# comment\n  prune: all", "name", "error system x"] {
        assert!(is_script(script.as_bytes()), "{script}");
    }
    for other in ["", "# image A", "{\"format\":1}", "images", "imagine A", "\u{feff}image A", "[]", "FROM a"]
    {
        assert!(!is_script(other.as_bytes()), "{other}");
    }
}

/// Wrong scripts and what is said of each: sections that begin with `-- MESSAGE`.
#[test]
fn a_wrong_script_is_told_where_and_what() {
    let sections = include_str!("../../testdata/cases/wrong-scripts.txt");
    let mut tried = 0;
    for section in sections.split("\n-- ").skip(1) {
        let (message, text) = section.split_once('\n').unwrap();
        let error = script::read(text).expect_err(message);
        assert_eq!(error.to_string(), message);
        assert!(error.is_invalid_parameter());
        tried += 1;
    }
    assert!(tried > 40, "only {tried} wrong scripts");
}

/// Words that lines are made of, and some that none is.
const WORDS: [&str; 44] = [
    "name",
    "semantics",
    "moby-28.5",
    "utc-offset",
    "+02:00",
    "now",
    "2024-01-01",
    "layer",
    "base",
    "size=1",
    "size=-1",
    "image",
    "A",
    "B",
    "parent=A",
    "parent=B",
    "base=A",
    "layers=base,A",
    "tags=a:1,b",
    "digests=a@x",
    "label=k=v",
    "created=2024-01-01",
    "config=none",
    "missing",
    "container",
    "running",
    "image=A",
    "mounts=A,B",
    "prune",
    "all",
    "until=24h",
    "order=A",
    "delete",
    "force",
    "a:1",
    "a@x",
    "untagged",
    "deleted",
    "lost",
    "reclaimed",
    "error",
    "conflict",
    "{A}",
    "'",
];

proptest! {
    /// Whatever a script says, it is a case or an error with a line.
    #[test]
    fn any_text_is_a_case_or_an_error(lines in prop::collection::vec(prop::collection::vec(0..WORDS.len(), 1..6), 0..12)) {
        let line = |words: &Vec<usize>| words.iter().map(|at| WORDS[*at]).collect::<Vec<_>>().join(" ");
        let text = lines.iter().map(line).collect::<Vec<_>>().join("\n");
        if let Err(error) = script::read(&text) {
            prop_assert!(error.to_string().starts_with("line "), "{error}");
        }
    }
}
