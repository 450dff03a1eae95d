//! What containerd's two databases say: names, content, snapshots and leases of one namespace (Z-2), and the sizes of
//! snapshots (Z-4).

use std::collections::BTreeMap;

use super::bolt::{self, Damage, Entry, Meta, ReadAt};
use crate::base::digest::Digest;
use crate::document::world::containerd::{Blob, ImageRecord, Labels, Lease, Snapshot, Target};
use crate::go::time::Timestamp;

/// The layout of the metadata database that this reads; containerd has had no other since 1.0.
const VERSION: i64 = 4;

/// One namespace of the metadata database.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    /// The namespaces that there are, this one or not.
    pub(super) namespaces: Vec<String>,
    pub(super) images: Vec<ImageRecord>,
    /// Without their content.
    pub(super) blobs: BTreeMap<Digest, Blob>,
    /// By snapshotter, then by key; sizes are the snapshotter's to say.
    pub(super) snapshots: BTreeMap<String, Vec<Named>>,
    /// Without their snapshots.
    pub(super) leases: Vec<Lease>,
    /// The snapshots that leases hold: the snapshotter, the place of the lease, and the key.
    pub(super) leased: Vec<(String, usize, String)>,
    /// containerd's own containers; the daemon's are elsewhere (Z-5).
    pub(super) containers: Vec<ContainerRecord>,
    /// Entries that were not understood, each with the reason.
    pub(super) odd: Vec<(String, &'static str)>,
}

/// A snapshot, and its name in the snapshotter's database.
#[derive(Debug, Default)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) snapshot: Option<Snapshot>,
}

/// A container as containerd keeps it. It is a root of the collector (B-6).
#[derive(Debug, Default)]
pub(super) struct ContainerRecord {
    pub(super) id: String,
    /// The name of its image.
    pub(super) image: String,
    pub(super) snapshotter: String,
    pub(super) snapshot_key: String,
}

/// Reads the namespace `wanted`.
pub(super) fn read(file: &impl ReadAt, meta: &Meta, wanted: &str) -> Result<Metadata, Damage> {
    let mut builder = Builder::default();
    let mut version = None;
    bolt::walk(file, meta, &mut |path, key, entry| {
        let names: Vec<&[u8]> = path.iter().map(Vec::as_slice).collect();
        match (names.as_slice(), entry) {
            ([], Entry::Bucket) => key == b"v1",
            ([b"v1"], Entry::Value(value)) => {
                if key == b"version" {
                    version = varint(value);
                }
                false
            }
            ([b"v1"], Entry::Bucket) => {
                builder.metadata.namespaces.push(text(key));
                key == wanted.as_bytes()
            }
            ([b"v1", _, rest @ ..], entry) => builder.entry(rest, key, entry),
            _ => false,
        }
    })?;
    match version {
        Some(VERSION) => Ok(builder.finish()),
        Some(_) => Err(Damage("its layout is of another version of containerd than this reads")),
        None => Err(Damage("it is no metadata database of containerd")),
    }
}

/// Collects entries; each object is finished by the first entry of the next.
#[derive(Default)]
struct Builder {
    metadata: Metadata,
    image: Option<Image>,
    blob: Option<(String, Option<i64>, Labels)>,
}

#[derive(Default)]
struct Image {
    name: String,
    labels: Labels,
    annotations: BTreeMap<String, String>,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
    media_type: String,
    digest: String,
    size: i64,
}

impl Builder {
    /// Takes an entry below a namespace, and says whether to descend into it.
    fn entry(&mut self, path: &[&[u8]], key: &[u8], entry: Entry<'_>) -> bool {
        match path {
            [] => matches!(key, b"images" | b"content" | b"snapshots" | b"leases" | b"containers"),
            [b"images"] => {
                self.finish_image();
                self.image = Some(Image { name: text(key), ..Image::default() });
                true
            }
            [b"images", _, rest @ ..] => {
                self.image.as_mut().is_some_and(|image| image.entry(rest, key, entry))
            }
            [b"content"] => key == b"blob",
            [b"content", b"blob"] => {
                self.finish_blob();
                self.blob = Some((text(key), None, Labels::new()));
                true
            }
            [b"content", b"blob", _] => {
                if let (b"size", Entry::Value(value), Some(blob)) = (key, entry, &mut self.blob) {
                    blob.1 = varint(value);
                }
                key == b"labels"
            }
            [b"content", b"blob", _, b"labels"] => {
                if let (Entry::Value(value), Some(blob)) = (entry, &mut self.blob) {
                    blob.2.insert(text(key), text(value));
                }
                false
            }
            [b"snapshots"] => {
                self.metadata.snapshots.entry(text(key)).or_default();
                true
            }
            [b"snapshots", of, rest @ ..] => {
                let snapshots = self.metadata.snapshots.entry(text(of)).or_default();
                snapshot_entry(snapshots, rest, key, entry)
            }
            [b"containers"] => {
                self.metadata
                    .containers
                    .push(ContainerRecord { id: text(key), ..ContainerRecord::default() });
                true
            }
            [b"containers", _] => {
                if let (Entry::Value(value), Some(container)) = (entry, self.metadata.containers.last_mut()) {
                    match key {
                        b"image" => container.image = text(value),
                        b"snapshotter" => container.snapshotter = text(value),
                        b"snapshotKey" => container.snapshot_key = text(value),
                        _ => {}
                    }
                }
                false
            }
            [b"leases"] => {
                self.metadata.leases.push(Lease { id: text(key), ..Lease::default() });
                true
            }
            [b"leases", _, b"snapshots", snapshotter] => {
                let place = self.metadata.leases.len().saturating_sub(1);
                self.metadata.leased.push((text(snapshotter), place, text(key)));
                false
            }
            [b"leases", _, rest @ ..] => {
                self.metadata.leases.last_mut().is_some_and(|lease| lease_entry(lease, rest, key, entry))
            }
            _ => false,
        }
    }

    fn finish_image(&mut self) {
        let Some(image) = self.image.take() else { return };
        let Ok(digest) = image.digest.parse() else {
            self.metadata.odd.push((image.name, "the name does not point to a SHA-256 digest"));
            return;
        };
        let (Some(created_at), Some(updated_at)) = (image.created_at, image.updated_at) else {
            self.metadata.odd.push((image.name, "the name has no times"));
            return;
        };
        let Image { name, labels, annotations, media_type, size, .. } = image;
        let target = Target { media_type, digest, size, annotations };
        self.metadata.images.push(ImageRecord { name, target, labels, created_at, updated_at });
    }

    fn finish_blob(&mut self) {
        let Some((name, size, labels)) = self.blob.take() else { return };
        match (name.parse(), size) {
            (Ok(digest), Some(size)) => {
                self.metadata.blobs.insert(digest, Blob { digest, size, raw: None, labels });
            }
            (Ok(_), None) => self.metadata.odd.push((name, "the content has no size")),
            (Err(_), _) => self.metadata.odd.push((name, "the content is not named by a SHA-256 digest")),
        }
    }

    fn finish(mut self) -> Metadata {
        self.finish_image();
        self.finish_blob();
        self.metadata
    }
}

impl Image {
    fn entry(&mut self, path: &[&[u8]], key: &[u8], entry: Entry<'_>) -> bool {
        let Entry::Value(value) = entry else {
            return path.is_empty() && matches!(key, b"labels" | b"annotations" | b"target");
        };
        match (path, key) {
            ([], b"createdat") => self.created_at = time(value),
            ([], b"updatedat") => self.updated_at = time(value),
            ([b"labels"], _) => drop(self.labels.insert(text(key), text(value))),
            ([b"annotations"], _) => drop(self.annotations.insert(text(key), text(value))),
            ([b"target"], b"digest") => self.digest = text(value),
            ([b"target"], b"mediatype") => self.media_type = text(value),
            ([b"target"], b"size") => self.size = varint(value).unwrap_or(self.size),
            _ => {}
        }
        false
    }
}

fn snapshot_entry(snapshots: &mut Vec<Named>, path: &[&[u8]], key: &[u8], entry: Entry<'_>) -> bool {
    if path.is_empty() {
        let snapshot =
            Snapshot { key: text(key), parent: None, size: 0, active: false, labels: Labels::new() };
        snapshots.push(Named { name: String::new(), snapshot: Some(snapshot) });
        return true;
    }
    let Some(Named { name, snapshot: Some(snapshot) }) = snapshots.last_mut() else { return false };
    let Entry::Value(value) = entry else { return path.len() == 1 && key == b"labels" };
    match (path, key) {
        ([_], b"name") => *name = text(value),
        ([_], b"parent") => snapshot.parent = Some(text(value)).filter(|parent| !parent.is_empty()),
        ([_, b"labels"], _) => drop(snapshot.labels.insert(text(key), text(value))),
        _ => {}
    }
    false
}

fn lease_entry(lease: &mut Lease, path: &[&[u8]], key: &[u8], entry: Entry<'_>) -> bool {
    match (path, entry) {
        ([], Entry::Bucket) => matches!(key, b"labels" | b"content" | b"snapshots" | b"images"),
        ([b"snapshots"], Entry::Bucket) => true,
        ([b"labels"], Entry::Value(value)) => {
            lease.labels.insert(text(key), text(value));
            false
        }
        ([b"content"], _) => {
            lease.content.push(text(key));
            false
        }
        ([b"images"], _) => {
            lease.images.push(text(key));
            false
        }
        _ => false,
    }
}

/// What a snapshotter says of one snapshot.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stored {
    /// Of a committed one; nothing stores the size of an active one.
    pub(super) size: Option<i64>,
    pub(super) is_active: bool,
}

/// Reads a snapshotter's own database, by the names that the metadata has.
pub(super) fn sizes(file: &impl ReadAt, meta: &Meta) -> Result<BTreeMap<String, Stored>, Damage> {
    /// Go's `snapshots.KindActive`.
    const ACTIVE: u8 = 2;
    let mut stored: BTreeMap<String, Stored> = BTreeMap::new();
    bolt::walk(file, meta, &mut |path, key, entry| {
        let names: Vec<&[u8]> = path.iter().map(Vec::as_slice).collect();
        match (names.as_slice(), entry) {
            ([], Entry::Bucket) => key == b"v1",
            ([b"v1"], Entry::Bucket) => key == b"snapshots",
            ([b"v1", b"snapshots"], Entry::Bucket) => {
                stored.entry(text(key)).or_default();
                true
            }
            ([b"v1", b"snapshots", name], Entry::Value(value)) => {
                let stored = stored.entry(text(name)).or_default();
                match key {
                    b"size" => stored.size = varint(value),
                    b"kind" => stored.is_active = value.first() == Some(&ACTIVE),
                    _ => {}
                }
                false
            }
            _ => false,
        }
    })?;
    Ok(stored)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A signed number as Go's `binary.PutVarint` writes it (Z-3).
fn varint(bytes: &[u8]) -> Option<i64> {
    let mut number: u64 = 0;
    for (place, byte) in bytes.iter().enumerate().take(10) {
        let bits = u64::from(byte & 0x7f);
        let shift = u32::try_from(place * 7).ok()?;
        if bits << shift >> shift != bits {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            let magnitude = (number >> 1).cast_signed();
            return Some(if number & 1 == 0 { magnitude } else { !magnitude });
        }
    }
    None
}

/// An instant as Go's `Time.MarshalBinary` writes it (Z-3). Its zone does not matter.
fn time(bytes: &[u8]) -> Option<Timestamp> {
    /// From the year 1 to 1970.
    const TO_UNIX: i64 = 62_135_596_800;
    let (version, rest) = bytes.split_first()?;
    let is_known = matches!((version, bytes.len()), (1, 15) | (2, 16));
    let seconds = i64::from_be_bytes(*rest.first_chunk()?);
    let nanos = u32::from_be_bytes(*rest.get(8..)?.first_chunk()?);
    (is_known && nanos < 1_000_000_000).then(|| Timestamp::new(seconds.wrapping_sub(TO_UNIX), nanos))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    #[test]
    fn numbers_are_zigzag() {
        for (bytes, number) in [(&[0][..], 0), (&[1], -1), (&[2], 1), (&[8], 4), (&[0xac, 0x02], 150)] {
            assert_eq!(varint(bytes), Some(number));
        }
        let minimum = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(varint(&minimum), Some(i64::MIN));
        assert_eq!(varint(&[0x80]), None);
        assert_eq!(varint(&[0xff; 11]), None);
    }

    #[test]
    fn times_are_gos() {
        let bytes = [0x01, 0, 0, 0, 0x0e, 0xe2, 0x99, 0x0e, 0x03, 0x2f, 0xbe, 0xe0, 0x10, 0xff, 0xff];
        assert_eq!(time(&bytes).unwrap().to_string(), "2026-11-25T17:12:35.801038352Z");
        assert_eq!(time(&bytes[..14]), None);
        assert_eq!(time(&[]), None);
    }
}
