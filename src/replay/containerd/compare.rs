//! How far an outcome is from the recorded one. Equal means equal, but for what moby itself does not determine and
//! for the words of Go's JSON decoder.

use std::collections::BTreeSet;

use crate::base::digest::short;
use crate::base::error::ErrorClass;
use crate::document::world::containerd::{Container, ContainerdWorld};
use crate::oracle::check::{is_other_value, is_same_failure, is_same_refusal};
use crate::replay::compare::{differ, differ_in_order};
use crate::semantics::Semantics;

use super::scenario::{Action, ErrorText, ListRow, Outcome, Report};

/// What is different between moby's outcome of `action` and another one, a line each; empty where nothing is.
/// `world` is the scenario's: its containers, which never change, tell which of several a conflict may name.
#[must_use]
pub fn differences(
    world: &ContainerdWorld,
    action: &Action,
    expected: &Outcome,
    got: &Outcome,
) -> Vec<String> {
    let mut lines = Vec::new();
    match (&expected.report, &got.report) {
        (Some(Some(Report::List(expected))), Some(Some(Report::List(got)))) => {
            differ_in_order("row", &sorted(expected), &sorted(got), &mut lines);
        }
        // An empty array looks like either.
        (Some(Some(Report::Delete(records))), Some(Some(Report::List(rows))))
            if records.is_empty() && rows.is_empty() => {}
        (expected, got) => differ("report", expected, got, &mut lines),
    }
    match (&expected.error, &got.error) {
        (Some(expected), Some(got)) if is_excused(world, action, expected, got) => {}
        (expected, got) => differ("error", expected, got, &mut lines),
    }
    differ_in_order("event", &expected.events, &got.events, &mut lines);
    let (expected, got) = (&expected.after, &got.after);
    differ_in_order("image left", &expected.images, &got.images, &mut lines);
    differ_in_order("new image", &expected.new_images, &got.new_images, &mut lines);
    differ_in_order("blob removed", &expected.blobs_removed, &got.blobs_removed, &mut lines);
    differ_in_order("snapshot removed", &expected.snapshots_removed, &got.snapshots_removed, &mut lines);
    differ_in_order("lease removed", &expected.leases_removed, &got.leases_removed, &mut lines);
    lines
}

/// 4. Rows of equal `Created` come in any order.
fn sorted(rows: &[ListRow]) -> Vec<&ListRow> {
    let mut rows: Vec<_> = rows.iter().collect();
    // Stable: the order of others than these counts.
    rows.chunk_by_mut(|one, next| one.created == next.created)
        .for_each(|ties| ties.sort_by_key(|row| &row.id));
    rows
}

/// Whether `got` is an error that moby might as well have answered instead of `expected`.
fn is_excused(world: &ContainerdWorld, action: &Action, expected: &ErrorText, got: &ErrorText) -> bool {
    if (expected.class, expected.status) != (got.class, got.status) {
        return false;
    }
    let semantics: Semantics = world.profile.parse().unwrap_or_default();
    let is_refusal = expected.class == ErrorClass::InvalidParameter;
    let (expected, got) = (expected.message.as_str(), got.message.as_str());
    match action {
        Action::List { .. } => true,
        Action::Delete { .. } => is_same_failure(expected, got) || is_other_container(world, expected, got),
        Action::Prune { filters, .. } => {
            is_same_failure(expected, got)
                || is_refusal && is_same_refusal(filters, &semantics, expected, got)
                || is_other_value(filters, &semantics, expected, got)
        }
        Action::DiskUsage {} | Action::Gc {} => is_same_failure(expected, got),
    }
}

/// 3. The container that a conflict names, where several qualify.
fn is_other_container(world: &ContainerdWorld, expected: &str, got: &str) -> bool {
    let (Some((before, expected, behind)), Some((own_before, got, own_behind))) =
        (around_container(expected), around_container(got))
    else {
        return false;
    };
    let is_running = before.ends_with("by running container ");
    let is_stopped = before.ends_with("by stopped container ");
    let suits =
        |container: &&Container| !(is_running && !container.running || is_stopped && container.running);
    let named = |name: &str| -> BTreeSet<String> {
        let named = world.containers.iter().filter(|container| short(&container.id) == name).filter(suits);
        named.flat_map(uses).collect()
    };
    (before, behind) == (own_before, own_behind) && !named(expected).is_disjoint(&named(got))
}

/// The images that a container uses, as their IDs.
fn uses(container: &Container) -> impl Iterator<Item = String> {
    let mounts = container.mounts.iter().filter(|mount| mount.kind == "image");
    mounts.map(|mount| mount.source.clone()).chain([container.image_id.to_string()])
}

/// A conflict's text around the container that it names.
fn around_container(message: &str) -> Option<(&str, &str, &str)> {
    let start = message.find("container ")? + "container ".len();
    let (before, rest) = message.split_at_checked(start)?;
    let end = rest.find(' ').unwrap_or(rest.len());
    let (name, behind) = rest.split_at_checked(end)?;
    message.starts_with("conflict: ").then_some((before, name, behind))
}
