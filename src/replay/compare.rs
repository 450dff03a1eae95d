//! How far an outcome is from the recorded one. Equal means equal, but for four texts that are not
//! determined or not ours to copy (`testdata/vectors/README.md`, O-5).

use std::fmt::Debug;

use crate::base::digest::short;
use crate::document::world::{Container, World};
use crate::oracle::check::is_same_refusal;
use crate::semantics::Semantics;

use super::scenario::{Action, ErrorText, Outcome, Returned};

/// What is different between moby's outcome of `action` and another one, a line each; empty where
/// nothing is. `world` is the scenario's: its containers, which never change, tell which of several a
/// conflict may name.
#[must_use]
pub fn differences(world: &World, action: &Action, expected: &Outcome, got: &Outcome) -> Vec<String> {
    let mut lines = Vec::new();
    match (&expected.answer, &got.answer) {
        (Returned::Error(expected), Returned::Error(got)) if excused(world, action, expected, got) => {}
        (expected, got) => differ("answer", expected, got, &mut lines),
    }
    differ_in_order("event", &expected.events, &got.events, &mut lines);
    let (expected, got) = (&expected.after, &got.after);
    differ_in_order("image left", &expected.images, &got.images, &mut lines);
    differ("parents left", &expected.parents, &got.parents, &mut lines);
    differ_in_order("reference left", &expected.references, &got.references, &mut lines);
    differ_in_order("layer left", &expected.layers, &got.layers, &mut lines);
    lines
}

pub(super) fn differ<T: PartialEq + Debug>(what: &str, expected: &T, got: &T, lines: &mut Vec<String>) {
    if expected != got {
        lines.push(format!("{what}: expected {expected:?}, got {got:?}"));
    }
}

/// The first place where two lists differ says more than both lists.
pub(super) fn differ_in_order<T: PartialEq + Debug>(
    what: &str,
    expected: &[T],
    got: &[T],
    lines: &mut Vec<String>,
) {
    let at = (0..expected.len().max(got.len())).find(|at| expected.get(*at) != got.get(*at));
    if let Some(at) = at {
        let (wanted, had) = (expected.get(at), got.get(at));
        let (wanted_len, had_len) = (expected.len(), got.len());
        lines.push(format!("{what} {at}: expected {wanted:?} of {wanted_len}, got {had:?} of {had_len}"));
    }
}

/// Whether `got` is an error that moby might as well have answered instead of `expected`.
fn excused(world: &World, action: &Action, expected: &ErrorText, got: &ErrorText) -> bool {
    if expected.class != got.class {
        return false;
    }
    let (expected, got) = (expected.message.as_str(), got.message.as_str());
    match action {
        Action::Delete { .. } => is_other_container(world, expected, got),
        Action::Prune { filters, .. } => {
            let semantics = world.profile.parse().unwrap_or_default();
            is_same_refusal(filters, &semantics, expected, got)
        }
    }
}

/// 4. The container that a conflict names, where several qualify. 1 to 3 are the refusals'.
fn is_other_container(world: &World, expected: &str, got: &str) -> bool {
    let (Some(expected), Some(got)) = (NamedContainer::of(expected), NamedContainer::of(got)) else {
        return false;
    };
    let semantics: Semantics = world.profile.parse().unwrap_or_default();
    let qualifies = |name: &str| {
        world.containers.iter().any(|container| {
            short(&container.id.to_string()) == name && expected.is_used_by(container, &semantics)
        })
    };
    expected.without_container() == got.without_container()
        && qualifies(expected.container)
        && qualifies(got.container)
}

/// A conflict's text around the container that it names.
struct NamedContainer<'a> {
    before: &'a str,
    container: &'a str,
    behind: &'a str,
}

impl<'a> NamedContainer<'a> {
    fn of(message: &'a str) -> Option<Self> {
        let name = ["running container ", "stopped container ", "(must force) - container "]
            .iter()
            .find_map(|marker| Some(message.find(marker)? + marker.len()))?;
        let (before, rest) = message.split_at_checked(name)?;
        let (container, behind) = rest.split_at_checked(rest.find(' ').unwrap_or(rest.len()))?;
        Some(Self { before, container, behind })
    }

    fn without_container(&self) -> (&str, &str) {
        (self.before, self.behind)
    }

    /// Whether this container could have been named: it uses the image, in the state that the text says.
    fn is_used_by(&self, container: &Container, semantics: &Semantics) -> bool {
        let names = |id: &crate::base::digest::ImageId| {
            let id = id.to_string();
            let id = short(&id);
            self.behind.ends_with(id) || self.before.contains(&format!("unable to delete {id} "))
        };
        if self.before.ends_with("running container ") {
            container.running && names(&container.image)
        } else if self.before.ends_with("stopped container ") {
            !container.running && names(&container.image)
        } else {
            names(&container.image)
                || semantics.image_mounts_are_use && container.image_mounts.iter().any(names)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;
    use crate::base::digest::{ContainerId, Digest, ImageId};
    use crate::base::error::ErrorClass;
    use crate::replay::After;

    fn outcome(class: ErrorClass, message: &str) -> Outcome {
        let failure = ErrorText { class, message: message.to_owned() };
        Outcome {
            answer: Returned::Error(failure),
            events: Vec::new(),
            after: After::from(&World::default()),
        }
    }

    fn prune(filters: &str) -> Action {
        Action::Prune { filters: filters.to_owned(), now: String::new(), cancel_after_polls: None }
    }

    /// Whether two messages of an error count as equal, both ways.
    fn same(world: &World, action: &Action, class: ErrorClass, a: &str, b: &str) -> bool {
        let (a, b) = (outcome(class, a), outcome(class, b));
        let there = differences(world, action, &a, &b).is_empty();
        assert_eq!(there, differences(world, action, &b, &a).is_empty());
        there
    }

    #[test]
    fn words_of_gos_json_decoder_are_free() {
        let (world, action) = (World::default(), prune("x"));
        let text = "invalid character 'x' looking for beginning of value";
        let expected = outcome(ErrorClass::System, text);
        assert!(differences(&world, &action, &expected, &outcome(ErrorClass::System, "bad json")).is_empty());
        let other_class = outcome(ErrorClass::InvalidParameter, text);
        assert_eq!(differences(&world, &action, &expected, &other_class).len(), 1);
        let until = outcome(ErrorClass::System, "more than one until filter specified");
        assert_eq!(differences(&world, &action, &until, &expected).len(), 1);
    }

    #[test]
    fn words_of_gos_json_decoder_are_free_behind_a_prefix() {
        let world = World { profile: "moby-23.0".to_owned(), ..World::default() };
        let bad = ErrorClass::InvalidParameter;
        let same = |a: &str, b: &str| same(&world, &prune("x"), bad, a, b);
        assert!(same(
            "invalid filter: json: cannot unmarshal",
            "invalid filter: invalid character 'x' in it"
        ));
        let (a, b) = (outcome(bad, "invalid filter 'x'"), outcome(bad, "invalid filter: json: cannot"));
        assert_eq!(differences(&world, &prune("x"), &a, &b).len(), 1);
    }

    #[test]
    fn dangling_values_are_a_set() {
        let bad = ErrorClass::InvalidParameter;
        let two = |filters: &str, a: &str, b: &str| {
            let message = |values: &str| format!("Invalid filter 'dangling=[{values}]'");
            same(&World::default(), &prune(filters), bad, &message(a), &message(b))
        };
        assert!(two(r#"{"dangling":["x","y"]}"#, "x y", "y x"));
        assert!(two(r#"{"dangling":{"x":true," y":false}}"#, "x  y", " y x"));
        assert!(!two(r#"{"dangling":["x","y"]}"#, "x y", "x x"));
        assert!(!two(r#"{"dangling":["x y"]}"#, "x y", "y x"));
        let action = prune(r#"{"dangling":["x","y"]}"#);
        let texts = ("Invalid filter 'dangling=[x y]'", "invalid filter 'dangling=[y x]'");
        assert!(!same(&World::default(), &action, bad, texts.0, texts.1));
    }

    #[test]
    fn one_of_several_unknown_keys_may_be_named() {
        let bad = ErrorClass::InvalidParameter;
        let named = |profile: &str, filters: &str, a: &str, b: &str| {
            let world = World { profile: profile.to_owned(), ..World::default() };
            same(&world, &prune(filters), bad, a, b)
        };
        let filters = r#"{"a":["1"],"b":["1"],"until":["1h"],"":["x"]}"#;
        assert!(named("moby-20.10", filters, "Invalid filter 'a'", "Invalid filter 'b'"));
        assert!(named("moby-20.10", filters, "Invalid filter 'a'", "Invalid filter ''"));
        assert!(named("moby-28.5", filters, "invalid filter 'a'", "invalid filter"));
        assert!(!named("moby-20.10", filters, "Invalid filter 'a'", "Invalid filter"));
        assert!(!named("moby-20.10", filters, "Invalid filter 'a'", "Invalid filter 'until'"));
        assert!(!named("moby-20.10", filters, "Invalid filter 'a'", "Invalid filter 'c'"));
        assert!(!named("moby-20.10", r#"{"a":["1"]}"#, "Invalid filter 'a'", "Invalid filter 'b'"));
    }

    #[test]
    fn one_of_several_containers_may_be_named() {
        let image = ImageId::of(b"image");
        let id = |n: u8| ContainerId::from(Digest::of(&[n]));
        let container = |n: u8, image: ImageId, running: bool| Container {
            id: id(n),
            image,
            running,
            rw_layer_parent: None,
            image_mounts: Vec::new(),
        };
        let containers = vec![
            container(0, image, true),
            container(1, image, true),
            container(2, image, false),
            container(3, ImageId::of(b"other"), true),
        ];
        let world = World { containers, profile: "moby-28.5".to_owned(), ..World::default() };
        let action = Action::Delete { reference: String::new(), force: false, prune: false };
        let name = |n: u8| short(&id(n).to_string()).to_owned();
        let image = short(&image.to_string()).to_owned();
        let running = |n: u8| {
            let name = name(n);
            format!(
                "conflict: unable to delete {image} (cannot be forced) - \
                 image is being used by running container {name}"
            )
        };
        let any = |n: u8| {
            let name = name(n);
            format!(
                "conflict: unable to remove repository reference \"a\" (must force) - \
                 container {name} is using its referenced image {image}"
            )
        };
        let same = |a: &str, b: &str| same(&world, &action, ErrorClass::Conflict, a, b);
        assert!(same(&running(0), &running(1)));
        assert!(!same(&running(0), &running(2)));
        assert!(!same(&running(0), &running(3)));
        assert!(!same(&running(0), &running(9)));
        assert!(same(&any(0), &any(2)));
        assert!(!same(&any(0), &any(3)));
        assert!(!same(&any(0), &running(0)));
    }

    #[test]
    fn everything_else_is_exact() {
        let line = r#"{"report":{"ImagesDeleted":[{"Untagged":"a:1"}],"SpaceReclaimed":0},
            "events":[{"Type":"image","Action":"prune","ID":"","Attributes":{"reclaimed":"0"}}],
            "after":{"images":[],"parents":{},"references":[],"layers":[]}}"#;
        let expected: Outcome = serde_json::from_str(line).unwrap();
        assert_eq!(differences(&World::default(), &prune(""), &expected, &expected), [""; 0]);
        let d = Digest::of(b"x");
        for (from, to) in [
            ("a:1", "a:2"),
            ("\"SpaceReclaimed\":0", "\"SpaceReclaimed\":1"),
            ("[{\"Untagged\":\"a:1\"}]", "null"),
            ("\"reclaimed\":\"0\"", "\"reclaimed\":\"1\""),
            ("\"layers\":[]", &format!("\"layers\":[\"{d}\"]")),
            ("\"images\":[]", &format!("\"images\":[\"{d}\"]")),
            ("\"parents\":{}", &format!("\"parents\":{{\"{d}\":\"{d}\"}}")),
            ("\"references\":[]", &format!("\"references\":[{{\"name\":\"a\",\"id\":\"{d}\"}}]")),
        ] {
            assert!(line.contains(from), "{from}");
            let got: Outcome = serde_json::from_str(&line.replace(from, to)).unwrap();
            assert_eq!(differences(&World::default(), &prune(""), &expected, &got).len(), 1, "{from}");
        }
    }
}
