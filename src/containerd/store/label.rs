//! The labels that the collector reads (B-5).

use crate::go::layout::parse_rfc3339;
use crate::go::time::Timestamp;
use crate::semantics::{Containerd, GoTime};

const REFERENCE: &str = "containerd.io/gc.ref.";
const BACK_REFERENCE: &str = "containerd.io/gc.bref.";
const ROOT: &str = "containerd.io/gc.root";
const EXPIRE: &str = "containerd.io/gc.expire";
const FLAT: &str = "containerd.io/gc.flat";

/// What a label points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aim<'a> {
    /// Content, by its digest.
    Content,
    /// An image record, by its name.
    Image,
    /// A snapshot of the snapshotter with this name, by its key.
    Snapshot(&'a str),
}

/// The meaning of a label's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning<'a> {
    /// Holds what the value names.
    Reference(Aim<'a>),
    /// Lives as long as what the value names.
    BackReference(Aim<'a>),
    /// Is never collected.
    Root,
    /// Nothing to the collector.
    Other,
}

impl<'a> Meaning<'a> {
    /// Reads a key.
    pub(super) fn of(key: &'a str, containerd: &Containerd) -> Self {
        if let Some(rest) = key.strip_prefix(REFERENCE) {
            return aim(rest).map_or(Self::Other, Self::Reference);
        }
        if containerd.back_references
            && let Some(rest) = key.strip_prefix(BACK_REFERENCE)
        {
            return aim(rest).map_or(Self::Other, Self::BackReference);
        }
        let is_root = if containerd.any_root_label { key.starts_with(ROOT) } else { key == ROOT };
        if is_root { Self::Root } else { Self::Other }
    }
}

/// What follows `gc.ref.`; a container, which the store does not know, is nothing.
fn aim(rest: &str) -> Option<Aim<'_>> {
    if let Some(snapshotter) = rest.strip_prefix("snapshot.") {
        return Some(Aim::Snapshot(snapshotter.split_once('/').map_or(snapshotter, |(name, _)| name)));
    }
    let is_one = |word: &str| {
        rest.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '/']))
    };
    match rest {
        _ if is_one("content") => Some(Aim::Content),
        _ if is_one("image") => Some(Aim::Image),
        _ => None,
    }
}

/// The end of a lease's or an image record's time; `None` where there is no such label or where it is no time.
pub(super) fn expiry<'a>(mut labels: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Timestamp> {
    let (_, value) = labels.find(|(key, _)| *key == EXPIRE)?;
    parse_rfc3339(value.as_bytes(), GoTime::Go1_23).ok()
}

/// Whether a lease holds only what it lists.
pub(super) fn is_flat<'a>(mut keys: impl Iterator<Item = &'a str>) -> bool {
    keys.any(|key| key == FLAT)
}

/// The labels that everybody has, as a number: those that a puller writes for the children of a manifest or an index
/// (B-4), and the one for the snapshots of a config.
pub(super) mod family {
    use std::borrow::Cow;

    /// The highest two bits say which.
    const LAYER: u32 = 1 << 30;
    const MANIFEST: u32 = 2 << 30;
    const OTHER: u32 = 3 << 30;
    const NUMBER: u32 = LAYER - 1;
    const CONFIG: u32 = 0;
    pub(in super::super) const SNAPSHOT: u32 = 1;
    const CONTENT: &str = "containerd.io/gc.ref.content.";
    const SNAPSHOT_PREFIX: &str = "containerd.io/gc.ref.snapshot.";

    pub(in super::super) fn code(key: &str, snapshotter: &str) -> Option<u32> {
        if key.strip_prefix(SNAPSHOT_PREFIX) == Some(snapshotter) && !snapshotter.contains('/') {
            return Some(SNAPSHOT);
        }
        let rest = key.strip_prefix(CONTENT)?;
        if rest == "config" {
            return Some(CONFIG);
        }
        let (family, digits) = match rest.split_once('.') {
            Some(("l", digits)) => (LAYER, digits),
            Some(("m", digits)) => (MANIFEST, digits),
            Some(_) => return None,
            None => (OTHER, rest),
        };
        let number: u32 = digits.parse().ok()?;
        (number <= NUMBER && number.to_string() == digits).then_some(family | number)
    }

    /// The label for what a manifest names at this place: its config, then its layers.
    pub(in super::super) fn in_manifest(place: usize) -> u32 {
        place.checked_sub(1).map_or(CONFIG, |layer| numbered(LAYER, layer))
    }

    /// The label for what an index names at this place.
    pub(in super::super) fn in_index(place: usize) -> u32 {
        numbered(MANIFEST, place)
    }

    /// A number beyond all others is no label's.
    fn numbered(family: u32, number: usize) -> u32 {
        family | u32::try_from(number).map_or(NUMBER, |number| number.min(NUMBER))
    }

    pub(in super::super) fn key(code: u32, snapshotter: &str) -> Cow<'static, str> {
        let number = code & NUMBER;
        match code & !NUMBER {
            LAYER => format!("{CONTENT}l.{number}").into(),
            MANIFEST => format!("{CONTENT}m.{number}").into(),
            OTHER => format!("{CONTENT}{number}").into(),
            _ if number == SNAPSHOT => format!("{SNAPSHOT_PREFIX}{snapshotter}").into(),
            _ => "containerd.io/gc.ref.content.config".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    #[test]
    fn keys_mean_what_the_collector_takes_them_for() {
        let content = Meaning::Reference(Aim::Content);
        let snapshot = Meaning::Reference(Aim::Snapshot("overlayfs"));
        for (key, meaning) in [
            ("containerd.io/gc.ref.content", content),
            ("containerd.io/gc.ref.content.l.0", content),
            ("containerd.io/gc.ref.content/x", content),
            ("containerd.io/gc.ref.contentx", Meaning::Other),
            ("containerd.io/gc.ref.image", Meaning::Reference(Aim::Image)),
            ("containerd.io/gc.ref.container.x", Meaning::Other),
            ("containerd.io/gc.ref.snapshot.overlayfs", snapshot),
            ("containerd.io/gc.ref.snapshot.overlayfs/x", snapshot),
            ("containerd.io/gc.ref.snapshot", Meaning::Other),
            ("containerd.io/gc.bref.image.a", Meaning::BackReference(Aim::Image)),
            ("containerd.io/gc.root", Meaning::Root),
            ("containerd.io/gc.rootless", Meaning::Root),
            ("a", Meaning::Other),
        ] {
            assert_eq!(Meaning::of(key, &Containerd::MOBY_29), meaning, "{key}");
        }
        let old = |key| Meaning::of(key, &Containerd::MOBY_28_5);
        assert_eq!(old("containerd.io/gc.root"), Meaning::Root);
        assert_eq!(old("containerd.io/gc.root.x"), Meaning::Other);
        assert_eq!(old("containerd.io/gc.bref.content"), Meaning::Other);
    }

    #[test]
    fn families_come_back_to_the_letter() {
        let prefix = "containerd.io/gc.ref.content.";
        for rest in ["config", "l.0", "l.17", "m.3", "0", "12"] {
            let key = format!("{prefix}{rest}");
            assert_eq!(family::key(family::code(&key, "s").unwrap(), "s"), key);
        }
        let key = "containerd.io/gc.ref.snapshot.s";
        assert_eq!(family::key(family::code(key, "s").unwrap(), "s"), key);
        for rest in ["l.00", "l.-1", "l.+1", "l.", "x.1", "l.4294967295", "referrer.sha256.0", "01"] {
            assert_eq!(family::code(&format!("{prefix}{rest}"), "s"), None, "{rest}");
        }
        assert_eq!(family::code("containerd.io/gc.ref.snapshot.t", "s"), None);
    }
}
