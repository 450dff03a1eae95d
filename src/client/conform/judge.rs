//! Holds what a daemon did against what moby does.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::api::request::PruneRequest;
use crate::base::cancel;
use crate::base::error::Result;
use crate::client::Response;
use crate::document::world::World;
use crate::oracle::check::{Asked, Observed, Verdict, check};
use crate::oracle::graph::{Model, Usage};
use crate::replay::PruneText;
use crate::semantics::Semantics;

use super::group::{Difference, Group};
use super::lab::Pruned;

/// What the daemon did, as `image-prune check` reads it.
pub(super) fn observed(pruned: &Pruned) -> Value {
    let mut observed = pruned.observation.to_json();
    observed.extend(pruned.after.clone().map(|after| ("after".to_owned(), after)));
    observed.into()
}

/// Everything that moby does otherwise.
pub(super) fn differences(
    before: &World,
    filters: &str,
    pruned: &Pruned,
    semantics: &Semantics,
) -> Result<Vec<Difference>> {
    let asked = Asked::new(filters, pruned.observation.now);
    let request = PruneRequest::parse(filters, semantics, pruned.observation.now).ok();
    let is_all = request.as_ref().is_some_and(|request| !request.dangling_only());
    let mut found: Vec<Difference> = pruned.differences.clone();
    found.extend(pruned.observation.answer.as_ref().and_then(form));
    let mut order = Vec::new();
    match serde_json::from_value::<Observed>(observed(pruned)) {
        Err(error) => found.push(Difference {
            group: Group::Answers,
            place: "answer".to_owned(),
            observed: Some(error.to_string()),
            moby: None,
            rule: "H-5",
            why: "this is not of the shape that the API has".to_owned(),
        }),
        Ok(observed) => match check(before, &asked, &observed, semantics)? {
            Verdict::Explained { order: explained } => order = explained,
            Verdict::Impossible(contradiction) | Verdict::GaveUp { nearest: contradiction, .. } => {
                found.push(Difference::new(contradiction, is_all));
            }
        },
    }
    let mut model = Model::new(before, semantics)?;
    let [usage_before, usage_after] = &pruned.usage;
    found.extend(different_usage("before", &model.usage()?, usage_before.as_ref(), semantics));
    if let Some(request) = request {
        model.prune(&request, &order, &cancel::Never)?;
    }
    // What the prune did otherwise is otherwise in the usage, too, and was told.
    if found.is_empty() {
        found.extend(different_usage("afterwards", &model.usage()?, usage_after.as_ref(), semantics));
    }
    Ok(found)
}

/// H-5, H-6: the bytes of the answer, whatever it says.
fn form(answer: &Response) -> Option<Difference> {
    #[derive(serde::Deserialize)]
    struct Message {
        message: String,
    }
    let expected = if answer.status == 200 {
        serde_json::from_slice::<PruneText>(&answer.body).ok().map(|mut report| {
            report.images_deleted = report.images_deleted.filter(|records| !records.is_empty());
            json_line(&report)
        })
    } else {
        serde_json::from_slice::<Message>(&answer.body)
            .ok()
            .map(|Message { message }| json_line(&json!({ "message": message })))
    };
    let rule = if answer.status == 200 { "H-5" } else { "H-6" };
    let difference = |observed: String, moby: Option<String>, why: &str| {
        let place = "body".to_owned();
        let why = why.to_owned();
        Some(Difference { group: Group::Answers, place, observed: Some(observed), moby, rule, why })
    };
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    match (expected, answer.header("Content-Type")) {
        (_, kind) if kind != Some("application/json") => {
            let moby = Some("application/json".to_owned());
            difference(kind.unwrap_or_default().to_owned(), moby, "the type of the answer")
        }
        (Some(expected), _) if expected != body => {
            difference(body, Some(expected), "the bytes of the answer, where it says the same")
        }
        _ => None,
    }
}

/// As Go's encoder writes it, but for `&`, `<` and `>`, which it does not escape here either.
fn json_line(value: &impl serde::Serialize) -> String {
    let text = serde_json::to_string(value).unwrap_or_default();
    format!("{text}\n").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

/// The first part of the images' usage that is not as the model has it (U-2 to U-6).
fn different_usage(
    when: &str,
    expected: &Usage,
    got: Option<&Value>,
    semantics: &Semantics,
) -> Option<Difference> {
    let got = got?;
    let difference = |place: String, observed: &Value, moby: &Value| {
        Some(Difference {
            group: Group::DiskUsage,
            place: format!("{place} {when}"),
            observed: Some(observed.to_string()),
            moby: Some(moby.to_string()),
            rule: "U-3",
            why: "disk usage follows from the stores".to_owned(),
        })
    };
    let moby = json!(expected);
    let (size, expected_size) = (got.get("LayersSize"), moby.get("LayersSize"));
    let is_left_out = size.is_none() && semantics.zero_layers_size_is_omitted && expected.layers_size == 0;
    if size != expected_size && !is_left_out {
        let null = Value::Null;
        return difference("LayersSize".to_owned(), size.unwrap_or(&null), expected_size.unwrap_or(&null));
    }
    let images = |usage: &Value| -> BTreeMap<String, Value> {
        let images = usage.get("Images").and_then(Value::as_array).into_iter().flatten();
        images
            .map(|image| (image.get("Id").map(Value::to_string).unwrap_or_default(), image.clone()))
            .collect()
    };
    let (got, moby) = (images(got), images(&moby));
    let keys: std::collections::BTreeSet<&String> = got.keys().chain(moby.keys()).collect();
    for id in keys {
        let (Some(got), Some(moby)) = (got.get(id), moby.get(id)) else {
            let listed = |images: &BTreeMap<String, Value>| Value::Bool(images.contains_key(id));
            return difference(format!("image {id} listed"), &listed(&got), &listed(&moby));
        };
        for (key, expected) in moby.as_object().into_iter().flatten() {
            let value = got.get(key);
            // Gone from API 1.44 on.
            if value != Some(expected) && !(key == "VirtualSize" && value.is_none()) {
                return difference(format!("{key} of {id}"), value.unwrap_or(&Value::Null), expected);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    #[test]
    fn an_empty_daemon_of_29_leaves_the_size_of_its_layers_out() {
        // dockerd 29 without images, on its store of graph drivers.
        let of_29 =
            json!({ "Images": [], "Containers": [], "Volumes": [], "BuildCache": [], "ImageUsage": {} });
        let of_28 =
            json!({ "LayersSize": 0, "Images": [], "Containers": [], "Volumes": [], "BuildCache": [] });
        let wrong = json!({ "LayersSize": 1, "Images": [] });
        let judge = |usage: &Value, semantics: &Semantics, layers_size| {
            let expected = Usage { layers_size, images: Vec::new() };
            different_usage("before", &expected, Some(usage), semantics).map(|found| found.place)
        };
        let place = Some("LayersSize before".to_owned());
        assert_eq!(judge(&of_29, &Semantics::MOBY_29, 0), None);
        assert_eq!(judge(&of_29, &Semantics::MOBY_29, 1), place);
        assert_eq!(judge(&of_29, &Semantics::MOBY_28_5, 0), place);
        assert_eq!(judge(&of_28, &Semantics::MOBY_28_5, 0), None);
        assert_eq!(judge(&wrong, &Semantics::MOBY_29, 0), place);
    }
}
