//! A plain description of the containerd image store: names, content, snapshots and leases, and the daemon's
//! containers.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{decode_hex, encode_hex};
use crate::base::digest::Digest;
use crate::go::layout::parse_rfc3339;
use crate::go::time::Timestamp;
use crate::semantics::GoTime;

/// Labels of a record, a blob, a snapshot or a lease.
pub type Labels = BTreeMap<String, String>;

/// One containerd namespace and the daemon's containers, described (rules N, B and S). As JSON it is the
/// store of a recorded scenario.
///
/// Nothing is checked but the shape of digests and times.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ContainerdWorld {
    /// A name for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The [`Semantics`](crate::semantics::Semantics) by name; empty where unknown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub profile: String,
    /// The platform of the daemon's host.
    #[serde(default)]
    pub host_platform: Platform,
    /// The offset of the daemon's local zone from UTC, in seconds, east positive.
    #[serde(default)]
    pub utc_offset_seconds: i32,
    /// The snapshotter that the daemon uses, `overlayfs` by default (S-3).
    #[serde(default)]
    pub snapshotter: String,
    /// The content store.
    #[serde(default)]
    pub blobs: Vec<Blob>,
    /// The image records, one a name (N-1).
    #[serde(default)]
    pub images: Vec<ImageRecord>,
    /// The snapshots of the snapshotter.
    #[serde(default)]
    pub snapshots: Vec<Snapshot>,
    /// The leases.
    #[serde(default)]
    pub leases: Vec<Lease>,
    /// The daemon's containers, in order of creation.
    #[serde(default)]
    pub containers: Vec<Container>,
}

/// An object that a collector may take: `content`, `image`, `snapshot` or `lease`, and its key.
pub(crate) type Node = (&'static str, String);

impl ContainerdWorld {
    /// The record of this name.
    #[must_use]
    pub fn image(&self, name: &str) -> Option<&ImageRecord> {
        self.images.iter().find(|image| image.name == name)
    }

    /// The blob with this digest, which any text may be.
    #[must_use]
    pub fn blob(&self, digest: &str) -> Option<&Blob> {
        let digest: Digest = digest.parse().ok()?;
        self.blobs.iter().find(|blob| blob.digest == digest)
    }

    /// The snapshot with this key.
    #[must_use]
    pub fn snapshot(&self, key: &str) -> Option<&Snapshot> {
        self.snapshots.iter().find(|snapshot| snapshot.key == key)
    }

    /// Everything that has labels, and they.
    pub(crate) fn labelled(&self) -> impl Iterator<Item = (Node, &Labels)> {
        let blobs = self.blobs.iter().map(|blob| (("content", blob.digest.to_string()), &blob.labels));
        let images = self.images.iter().map(|image| (("image", image.name.clone()), &image.labels));
        let snapshots = self.snapshots.iter();
        let snapshots = snapshots.map(|snapshot| (("snapshot", snapshot.key.clone()), &snapshot.labels));
        let leases = self.leases.iter().map(|lease| (("lease", lease.id.clone()), &lease.labels));
        blobs.chain(images).chain(snapshots).chain(leases)
    }

    /// The labels of everything that has some.
    pub(crate) fn labels_mut(&mut self) -> impl Iterator<Item = &mut Labels> {
        let blobs = self.blobs.iter_mut().map(|blob| &mut blob.labels);
        let images = self.images.iter_mut().map(|image| &mut image.labels);
        let snapshots = self.snapshots.iter_mut().map(|snapshot| &mut snapshot.labels);
        let leases = self.leases.iter_mut().map(|lease| &mut lease.labels);
        blobs.chain(images).chain(snapshots).chain(leases)
    }
}

/// A platform, as OCI writes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Platform {
    /// `amd64`, `arm64`, ….
    #[serde(default)]
    pub architecture: String,
    /// `linux`, ….
    #[serde(default)]
    pub os: String,
    /// `v7`, ….
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
    /// Of Windows.
    #[serde(default, rename = "os.version", skip_serializing_if = "String::is_empty")]
    pub os_version: String,
    /// Of Windows.
    #[serde(default, rename = "os.features", skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
}

/// A blob of the content store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BlobText", into = "BlobText")]
pub struct Blob {
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: i64,
    /// Its bytes, where they are needed: those of manifests, indexes and configs. As JSON `raw` with the text or,
    /// where they are not UTF-8, `raw_hex` with hexadecimal digits; `None` writes the size alone.
    pub raw: Option<Box<[u8]>>,
    /// Its labels, which carry the references (B-4).
    pub labels: Labels,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Blob")]
struct BlobText {
    digest: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    raw: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    raw_hex: Option<String>,
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    labels: Labels,
}

impl From<Blob> for BlobText {
    fn from(Blob { digest, size, raw, labels }: Blob) -> Self {
        let text = |size, raw, raw_hex| Self { digest, size, raw, raw_hex, labels };
        match raw.map(|raw| String::from_utf8(raw.into())) {
            None => text(Some(size), None, None),
            Some(Ok(raw)) => text(None, Some(raw), None),
            Some(Err(error)) => text(None, None, Some(encode_hex(error.as_bytes()))),
        }
    }
}

impl TryFrom<BlobText> for Blob {
    type Error = String;

    fn try_from(BlobText { digest, size, raw, raw_hex, labels }: BlobText) -> Result<Self, String> {
        let raw: Option<Box<[u8]>> = match (raw, raw_hex) {
            (None, None) => None,
            (Some(text), None) => Some(text.into_bytes().into()),
            (None, Some(hex)) => Some(
                decode_hex(&hex)
                    .ok_or_else(|| format!("blob {digest}: `raw_hex` is not pairs of hexadecimal digits"))?
                    .into(),
            ),
            (Some(_), Some(_)) => return Err(format!("blob {digest}: has both `raw` and `raw_hex`")),
        };
        let length = raw.as_ref().and_then(|raw| i64::try_from(raw.len()).ok());
        match (size, length) {
            (Some(size), Some(length)) if size != length => {
                Err(format!("blob {digest}: `size` is {size}, but its content has {length} bytes"))
            }
            (Some(size), _) | (None, Some(size)) => Ok(Self { digest, size, raw, labels }),
            (None, None) => Err(format!("blob {digest}: needs one of `raw`, `raw_hex` and `size`")),
        }
    }
}

/// An image record: a name and the content that it points to (N-1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ImageRecordText", into = "ImageRecordText")]
pub struct ImageRecord {
    /// The unique key: a normalized reference, `moby-dangling@<digest>`, or any other text (N-4).
    pub name: String,
    /// The index or manifest that it names.
    pub target: Target,
    /// The record's labels.
    pub labels: Labels,
    /// The time of creation of the name in this store (N-9).
    pub created_at: Timestamp,
    /// The time of the last change.
    pub updated_at: Timestamp,
}

impl ImageRecord {
    /// The name of the dangling record of a target (N-2).
    #[must_use]
    pub fn dangling_name(target: Digest) -> String {
        format!("moby-dangling@{target}")
    }

    /// Returns true for a record with the dangling name of its own target (N-2).
    #[must_use]
    pub fn is_dangling(&self) -> bool {
        self.name == Self::dangling_name(self.target.digest)
    }
}

/// The descriptor that an image record points to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// Decides how the blob is read (B-1).
    #[serde(default)]
    pub media_type: String,
    /// The digest of the blob; it need not be present.
    pub digest: Digest,
    /// The size, as the descriptor has it.
    #[serde(default)]
    pub size: i64,
    /// The descriptor's annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "ImageRecord")]
struct ImageRecordText {
    name: String,
    target: Target,
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    labels: Labels,
    #[serde(serialize_with = "write_time", deserialize_with = "read_time")]
    created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "write_optional_time")]
    #[serde(deserialize_with = "read_optional_time")]
    updated_at: Option<Timestamp>,
}

impl From<ImageRecord> for ImageRecordText {
    fn from(ImageRecord { name, target, labels, created_at, updated_at }: ImageRecord) -> Self {
        let updated_at = (updated_at != created_at).then_some(updated_at);
        Self { name, target, labels, created_at, updated_at }
    }
}

impl From<ImageRecordText> for ImageRecord {
    fn from(ImageRecordText { name, target, labels, created_at, updated_at }: ImageRecordText) -> Self {
        Self { name, target, labels, created_at, updated_at: updated_at.unwrap_or(created_at) }
    }
}

fn write_time<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

#[expect(clippy::ref_option, reason = "serde's signature")]
fn write_optional_time<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(time),
        None => serializer.serialize_none(),
    }
}

fn read_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_rfc3339(text.as_bytes(), GoTime::Go1_23).map_err(|error| {
        serde::de::Error::custom(format_args!("`{text}` is not a time in RFC 3339: {error}"))
    })
}

fn read_optional_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    read_time(deserializer).map(Some)
}

/// A snapshot of the daemon's snapshotter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// A chain ID, or for a container's writable snapshot the container's ID.
    pub key: String,
    /// The snapshot below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Its own size in bytes.
    #[serde(default)]
    pub size: i64,
    /// Set for a writable snapshot.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub active: bool,
    /// Its labels.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
}

/// A lease and what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Lease {
    /// Its ID; a container's lease has the container's ID (S-2).
    pub id: String,
    /// Its labels (B-5, Q-5).
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Digests of content.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub content: Vec<String>,
    /// Keys of snapshots.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<String>,
    /// Names of images.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
}

/// A container of the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Its ID.
    pub id: String,
    /// `Config.Image`, as it was typed (C-2, C-3).
    #[serde(default)]
    pub image: String,
    /// The digest of the image's target when the container was created.
    pub image_id: Digest,
    /// Set while it runs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub running: bool,
    /// Its mounts (C-5, X-5).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// The platform that it was created for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The manifest that it was created from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_manifest: Option<Digest>,
}

/// A mount of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// `image`, `bind`, `volume`, ….
    #[serde(default, rename = "type")]
    pub kind: String,
    /// What is mounted.
    #[serde(default)]
    pub source: String,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    #[test]
    fn a_store_comes_back_to_the_letter() {
        let text = r#"{"host_platform":{"architecture":"amd64","os":"linux"},"utc_offset_seconds":0,"snapshotter":"overlayfs","blobs":[{"digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":7,"labels":{"a":"b"}}],"images":[{"name":"x","target":{"mediaType":"m","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":-1},"created_at":"2024-03-10T12:00:00.9Z"}],"snapshots":[{"key":"k","size":3,"active":true}],"leases":[{"id":"l","images":["x"]}],"containers":[{"id":"c","image":"a","image_id":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","mounts":[{"type":"image","source":"s"}]}]}"#;
        let world: ContainerdWorld = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&world).unwrap(), text);
    }

    #[test]
    fn a_blob_says_what_is_wrong_with_it() {
        let digest = Digest::of(b"");
        for (rest, wanted) in [
            ("", "needs one of `raw`, `raw_hex` and `size`"),
            (r#","raw":"","raw_hex":"""#, "has both `raw` and `raw_hex`"),
            (r#","raw_hex":"0""#, "`raw_hex` is not pairs of hexadecimal digits"),
            (r#","raw":"ab","size":3"#, "`size` is 3, but its content has 2 bytes"),
        ] {
            let error =
                serde_json::from_str::<Blob>(&format!(r#"{{"digest":"{digest}"{rest}}}"#)).unwrap_err();
            assert!(error.to_string().contains(wanted), "{error}");
        }
    }
}
