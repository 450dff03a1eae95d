//! Manifests and indexes, as registries and layouts hold them.
//!
//! One view for all kinds: what a manifest lists is needed, whatever its media type says it is. The text is not
//! trusted: sizes and digests are checked here, once.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::base::digest::Digest;
use crate::base::error::{Error, Result};

/// The limit of a manifest, in bytes; registries refuse larger ones, too.
pub const MANIFEST_SIZE: usize = 4 << 20;

/// The media types of manifests and indexes, as an `Accept` header wants them.
pub const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json";

/// The media type of an OCI index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Media types of manifests that list no other manifest.
const PLAIN: [&str; 4] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
];

/// Whether content of this type is known to list no other manifest.
#[must_use]
pub fn is_plain(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    PLAIN.contains(&essence)
}

/// Whether a descriptor of this media type is of a manifest or an index. The descriptor decides how a registry is asked
/// for its content: `BuildKit`'s cache indexes list layers and a config beside each other, and a registry that is asked
/// for a layer as a manifest answers 500. A descriptor without a type is of a manifest.
///
/// ```
/// use image_prune::manifest::is_manifest;
///
/// assert!(is_manifest("application/vnd.oci.image.index.v1+json"));
/// assert!(!is_manifest("application/vnd.oci.image.layer.v1.tar+gzip"));
/// assert!(!is_manifest("application/vnd.buildkit.cacheconfig.v0"));
/// ```
#[must_use]
pub fn is_manifest(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.is_empty() || essence.contains("manifest") || essence.contains(".index.")
}

/// Something that is stored under its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it is; empty where nobody says.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// Its SHA-256.
    #[serde(with = "digest_text")]
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// The platform that it is for, in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Where else it lies: a registry need not have it then.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
    pub urls: Vec<String>,
    /// Notes about it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A manifest, an index, or both.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Manifest {
    /// The format; 2, or 0 where it is not said.
    #[serde(deserialize_with = "null_is_empty")]
    pub schema_version: u64,
    /// What it says that it is; empty where it says nothing.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_is_empty")]
    pub media_type: String,
    /// The platform of a compose app's layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The image's config.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<Descriptor>,
    /// The image's layers, base first.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
    pub layers: Vec<Descriptor>,
    /// The manifests that an index lists; in the index of a build cache, its layers and its config.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
    pub manifests: Vec<Descriptor>,
    /// The manifest that this one is about: a signature or an attestation has one. One that is no sound descriptor
    /// counts as none.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "none_if_odd")]
    pub subject: Option<Descriptor>,
    /// Notes about it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// Reads a manifest or an index.
    ///
    /// ```
    /// use image_prune::manifest::Manifest;
    ///
    /// let error = Manifest::parse(b"{}").unwrap_err();
    /// assert_eq!(error.to_string(), "neither a manifest nor an index");
    /// ```
    ///
    /// # Errors
    ///
    /// JSON of another shape, digests that are not SHA-256, negative sizes, the old schema 1.
    pub fn parse(text: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Shape {
            #[serde(default, rename = "fsLayers")]
            fs_layers: Option<serde::de::IgnoredAny>,
            #[serde(default)]
            config: Option<serde::de::IgnoredAny>,
            #[serde(default)]
            layers: Option<serde::de::IgnoredAny>,
            #[serde(default)]
            manifests: Option<serde::de::IgnoredAny>,
        }
        if text.len() > MANIFEST_SIZE {
            return Err(Error::invalid_parameter(format!("larger than {MANIFEST_SIZE} bytes")));
        }
        let wrong = |error: serde_json::Error| Error::invalid_parameter(format!("not a manifest: {error}"));
        let shape: Shape = serde_json::from_slice(text).map_err(wrong)?;
        if shape.fs_layers.is_some() {
            return Err(Error::invalid_parameter("a manifest of the old schema 1"));
        }
        if shape.config.is_none() && shape.layers.is_none() && shape.manifests.is_none() {
            return Err(Error::invalid_parameter("neither a manifest nor an index"));
        }
        serde_json::from_slice(text).map_err(wrong)
    }

    /// Whether it only lists manifests for platforms.
    #[must_use]
    pub fn is_index(&self) -> bool {
        self.config.is_none() && self.layers.is_empty()
    }

    /// The manifests and indexes that it lists.
    pub fn children(&self) -> impl Iterator<Item = &Descriptor> {
        self.manifests.iter().filter(|listed| is_manifest(&listed.media_type))
    }

    /// The blobs that a registry stores for it: its config, its layers, and what an index lists that is no manifest.
    /// Those with [`Descriptor::urls`] may lie elsewhere.
    pub fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        let listed = self.manifests.iter().filter(|listed| !is_manifest(&listed.media_type));
        self.config.iter().chain(&self.layers).chain(listed)
    }
}

/// What an image runs on, written `os/architecture` or `os/architecture/variant`.
///
/// ```
/// use image_prune::manifest::Platform;
///
/// let wanted: Platform = "linux/arm64".parse()?;
/// assert!(wanted.runs(&"linux/arm64/v8".parse()?));
/// assert!(!wanted.runs(&"linux/arm/v7".parse()?));
/// # Ok::<(), image_prune::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Platform {
    /// The operating system, `linux`; empty where nobody says.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_is_empty")]
    pub os: String,
    /// The processor in Go's words: `amd64`, `arm64`, `arm`.
    #[serde(deserialize_with = "null_is_empty")]
    pub architecture: String,
    /// Its generation: `v7`, `v8`; empty for the usual one.
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "null_is_empty")]
    pub variant: String,
}

impl Platform {
    /// Whether a machine of this platform runs an image of `image`. What nobody says fits.
    #[must_use]
    pub fn runs(&self, image: &Self) -> bool {
        let fits = |own: &str, other: &str| own.is_empty() || other.is_empty() || own == other;
        fits(&self.os, &image.os)
            && self.architecture == image.architecture
            && (self.variant.is_empty() || self.usual_variant() == image.usual_variant())
    }

    fn usual_variant(&self) -> &str {
        match (self.architecture.as_str(), self.variant.as_str()) {
            ("arm", "") => "v7",
            ("arm64", "") => "v8",
            ("amd64", "") => "v1",
            (_, variant) => variant,
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [&self.os, &self.architecture, &self.variant];
        let parts: Vec<&str> =
            parts.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        formatter.write_str(&parts.join("/"))
    }
}

impl FromStr for Platform {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let is_word = |part: &&str| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        };
        let parts: Vec<&str> = text.split('/').collect();
        let (os, architecture, variant) = match parts.as_slice() {
            [architecture] => ("linux", *architecture, ""),
            [os, architecture] => (*os, *architecture, ""),
            [os, architecture, variant] if is_word(variant) => (*os, *architecture, *variant),
            _ => ("", "", ""),
        };
        if !is_word(&os) || !is_word(&architecture) {
            let message = format!("`{text}` is no platform; write it like linux/amd64 or linux/arm/v7");
            return Err(Error::invalid_parameter(message));
        }
        let [os, architecture, variant] = [os, architecture, variant].map(str::to_owned);
        Ok(Self { os, architecture, variant })
    }
}

/// Go writes a nil slice or map as `null`.
fn null_is_empty<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(from).map(Option::unwrap_or_default)
}

/// A subject that cannot be one is ignored, as registries do.
fn none_if_odd<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Descriptor>, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    Ok(serde_json::from_value(value).ok())
}

mod digest_text {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::base::digest::Digest;

    pub fn serialize<S: Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(digest)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error| serde::de::Error::custom(format_args!("`{text}` is {error}")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    #[test]
    fn reads_what_go_writes() {
        let digest = Digest::of(b"");
        let text = format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"a","size":1,"digest":"{digest}"}},"layers":null,
                "manifests":null,"annotations":null,"subject":{{}}}}"#
        );
        let manifest = Manifest::parse(text.as_bytes()).unwrap();
        assert_eq!(manifest.blobs().map(|blob| blob.digest).collect::<Vec<_>>(), [digest]);
        assert!(!manifest.is_index());
    }

    #[test]
    fn the_type_of_a_descriptor_tells_manifests_from_blobs() {
        let digest = Digest::of(b"");
        let listed = |kind: &str| format!(r#"{{"mediaType":"{kind}","digest":"{digest}","size":3}}"#);
        let kinds = [
            "application/vnd.oci.image.manifest.v1+json",
            "application/vnd.docker.distribution.manifest.list.v2+json; charset=utf-8",
            "application/vnd.oci.artifact.manifest.v1+json",
            "",
            "application/vnd.oci.image.layer.v1.tar+zstd",
            "application/vnd.buildkit.cacheconfig.v0",
            "application/octet-stream",
        ];
        let subject = listed(kinds[0]);
        let text = format!(r#"{{"manifests":[{}],"subject":{subject}}}"#, kinds.map(listed).join(","));
        let index = Manifest::parse(text.as_bytes()).unwrap();
        assert_eq!(index.children().count(), 4);
        assert_eq!(index.blobs().count(), 3);
        assert_eq!(index.subject.unwrap().digest, digest);
        for odd in ["{}", "7", "null", r#"{"digest":"sha512:00","size":1}"#] {
            let text = format!(r#"{{"manifests":[],"subject":{odd}}}"#);
            assert_eq!(Manifest::parse(text.as_bytes()).unwrap().subject, None, "{odd}");
        }
    }

    #[test]
    fn refuses_what_it_cannot_trust() {
        let digest = Digest::of(b"");
        for (text, problem) in [
            ("", "not a manifest: EOF"),
            ("[]", "neither"),
            ("null", "not a manifest"),
            (r#"{"errors":[]}"#, "neither"),
            (r#"{"fsLayers":[],"layers":[]}"#, "schema 1"),
            (r#"{"layers":[{"digest":"sha512:00","size":1}]}"#, "`sha512:00` is not"),
            (r#"{"layers":[{"digest":"sha256:../..","size":1}]}"#, "is not"),
            (&format!(r#"{{"layers":[{{"digest":"{digest}","size":-1}}]}}"#), "-1"),
            (&format!(r#"{{"layers":[{{"digest":"{digest}"}}]}}"#), "size"),
            (&format!(r#"{{"layers":{}1{}}}"#, "[".repeat(1000), "]".repeat(1000)), "not a manifest"),
        ] {
            let error = Manifest::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(problem), "{text}: {error}");
        }
        assert!(Manifest::parse(&vec![b' '; MANIFEST_SIZE + 1]).is_err());
    }

    #[test]
    fn platforms() {
        for text in ["", "linux/", "/amd64", "linux/amd64/", "a/b/c/d", "linux/am d64", "linux/\u{1b}"] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
        let arm: Platform = "linux/arm".parse().unwrap();
        assert!(arm.runs(&"linux/arm/v6".parse().unwrap()), "any, where none is asked for");
        assert!(!"linux/arm/v7".parse::<Platform>().unwrap().runs(&"linux/arm/v6".parse().unwrap()));
        assert!("linux/arm64/v8".parse::<Platform>().unwrap().runs(&"arm64".parse().unwrap()));
        assert_eq!("arm64".parse::<Platform>().unwrap().to_string(), "linux/arm64");
    }
}
