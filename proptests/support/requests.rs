//! Random requests to a random world.

use image_prune::replay::{Action, Op, Scenario};
use image_prune::{ImageId, Reference, World};
use proptest::prelude::*;
use proptest::sample::select;

use super::worlds::{Shape, world};
use super::{NOW, semantics_of};

/// The first few of each are the usual ones. `until` meets the `created` of the worlds.
const DANGLING: [&str; 7] = [
    r#""dangling":["false"]"#,
    "",
    r#""dangling":["true"]"#,
    r#""dangling":["0"]"#,
    r#""dangling":[]"#,
    r#""dangling":{"true":false}"#,
    r#""dangling":["x"]"#,
];
const LABEL: [&str; 6] =
    ["", "", r#""label":["k"]"#, r#""label":["k=v"]"#, r#""label":["k","j"]"#, r#""label":["","k=w"]"#];
const NEGATED_LABEL: [&str; 5] = ["", "", r#""label!":["k=v"]"#, r#""label!":["k","j=1"]"#, r#""label!":[]"#];
const UNTIL: [&str; 8] = [
    "",
    "",
    "",
    r#""until":["2020-01-01T00:00:00Z"]"#,
    r#""until":["24h"]"#,
    r#""until":["-1h"]"#,
    r#""until":["0001-01-01T00:00:00Z"]"#,
    r#""until":["0000-12-31T00:00:00Z"]"#,
];
/// Refused, each for another reason.
const BAD: [&str; 7] = [
    r#"{"bogus":["1"]}"#,
    r#"{"dangling":["x"]}"#,
    r#"{"until":["x"]}"#,
    r#"{"until":["1h","2h"]}"#,
    r#"{"until":[]}"#,
    r#"{"label":1}"#,
    "nonsense",
];

/// The raw filters of a prune; one in twelve is refused.
pub fn filters() -> impl Strategy<Value = String> {
    let good = (select(&DANGLING[..5]), select(&LABEL[..]), select(&NEGATED_LABEL[..]), select(&UNTIL[..]));
    let good = good.prop_map(|(dangling, label, negated_label, until)| {
        let parts = [dangling, label, negated_label, until];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        if parts.is_empty() { String::new() } else { format!("{{{}}}", parts.join(",")) }
    });
    let plain = select(&["", super::ALL][..]).prop_map(str::to_owned);
    let odd = select(&DANGLING[5..]).prop_map(|dangling| format!("{{{dangling}}}"));
    let bad = select(&BAD[..]).prop_map(str::to_owned);
    prop_oneof![6 => good, 5 => plain, 1 => prop_oneof![odd, bad]]
}

#[derive(Debug, Clone)]
enum Sketch {
    Prune { filters: String, order: u64, cancel: Option<usize> },
    Delete { form: u8, which: u8, force: bool, prune: bool },
}

fn sketch() -> impl Strategy<Value = Sketch> {
    let cancel = prop_oneof![7 => Just(None), 1 => (0..12_usize).prop_map(Some)];
    let prune = (filters(), any::<u64>(), cancel);
    let prune = prune.prop_map(|(filters, order, cancel)| Sketch::Prune { filters, order, cancel });
    let delete = (0..13_u8, any::<u8>(), any::<bool>(), any::<bool>());
    let delete = delete.prop_map(|(form, which, force, prune)| Sketch::Delete { form, which, force, prune });
    prop_oneof![delete, prune]
}

/// A world of this shape and up to `ops` requests to it.
pub fn scenario(shape: Shape, ops: usize) -> impl Strategy<Value = Scenario> {
    (world(shape), prop::collection::vec(sketch(), 1..=ops)).prop_map(|(world, sketches)| {
        let ops = sketches.into_iter().map(|sketch| op(&world, sketch)).collect();
        Scenario { world, ops }
    })
}

fn op(world: &World, sketch: Sketch) -> Op {
    let (action, order) = match sketch {
        Sketch::Prune { filters, order, cancel } => {
            (Action::Prune { filters, now: NOW.to_owned(), cancel_after_polls: cancel }, visits(world, order))
        }
        Sketch::Delete { form, which, force, prune } => {
            (Action::Delete { reference: target(world, form, which), force, prune }, Vec::new())
        }
    };
    Op { action, order, expect: None }
}

/// By ID, all in some order, or some first.
pub fn visits(world: &World, seed: u64) -> Vec<ImageId> {
    let mut ids: Vec<_> = world.images.iter().map(|image| image.id).collect();
    ids.sort_by_key(|id| image_prune::Digest::of(format!("{seed} {id}").as_bytes()));
    match seed % 3 {
        0 => Vec::new(),
        1 => ids,
        _ => ids.into_iter().take(2).collect(),
    }
}

/// What to delete: a reference or an ID in one of its forms, or nonsense.
fn target(world: &World, form: u8, which: u8) -> String {
    let which = usize::from(which);
    let reference = world.references.get(which % world.references.len().max(1));
    let Some(reference) = reference.filter(|_| form < 6) else { return id_target(world, form, which) };
    let parsed = Reference::parse(&reference.name, &semantics_of(world)).unwrap();
    match form {
        0 | 1 => parsed.familiar().to_owned(),
        2 => reference.name.clone(),
        3 => parsed.familiar_name().to_owned(),
        4 => {
            let digest = "sha256:46d37521711864b786dac868b587acf9b2d7afcc417b6c7febb8ba05af6e1fdd";
            format!("{}:1@{digest}", parsed.familiar_name())
        }
        _ => reference.id.to_string(),
    }
}

fn id_target(world: &World, form: u8, which: usize) -> String {
    let Some(image) = world.images.get(which % world.images.len().max(1)) else {
        return "nothing:1".to_owned();
    };
    let hex = image.id.hex();
    match form {
        6 | 7 => hex,
        8 => image.id.to_string(),
        9 => hex[..=which % 12].to_owned(),
        10 => format!("sha256:{}", &hex[..which % 6]),
        11 => "nothing:1".to_owned(),
        _ => "No:Reference".to_owned(),
    }
}
