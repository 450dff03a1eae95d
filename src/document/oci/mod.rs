//! Manifests, indexes and configs of a content store, decoded as Go decodes them (B-1, B-2, Q-8.1),
//! and the platforms that they name.

use std::collections::BTreeMap;

use crate::base::digest::Digest;
use crate::base::error::{Error, Result};
use crate::document::world::containerd::{Platform, Target};
use crate::go::base64;
use crate::go::json::{self, Decoder, JsonError, Key, Kind};
use crate::go::layout::parse_rfc3339;
use crate::go::time::Timestamp;
use crate::semantics::GoTime;

pub mod platform;

/// What a document says of a blob.
#[derive(Debug, Clone, Default)]
pub struct Descriptor {
    pub media_type: String,
    /// Any text: a missing config has an empty one, which is not present (B-2).
    pub digest: String,
    pub size: i64,
    pub annotations: BTreeMap<String, String>,
    /// B-3a
    pub data: Vec<u8>,
    pub platform: Option<Platform>,
}

impl From<&Target> for Descriptor {
    fn from(target: &Target) -> Self {
        let Target { media_type, digest, size, annotations } = target.clone();
        Self { media_type, digest: digest.to_string(), size, annotations, ..Self::default() }
    }
}

impl Descriptor {
    /// B-1
    pub fn is_manifest(&self) -> bool {
        is_manifest(&self.media_type)
    }

    /// B-1
    pub fn is_index(&self) -> bool {
        is_index(&self.media_type)
    }

    /// B-1
    pub fn is_config(&self) -> bool {
        is_config(&self.media_type)
    }

    /// True where containerd takes the type for that of an image's layer (W-2).
    pub fn is_layer(&self) -> bool {
        let base = self.media_type.split('+').next().unwrap_or_default();
        let docker = base.strip_prefix("application/vnd.docker.image.rootfs.").unwrap_or_default();
        self.media_type.starts_with("application/vnd.oci.image.layer.")
            || base == "application/vnd.erofs.layer.v1"
            || ["diff.tar", "diff.tar.gzip", "diff.tar.zstd", "foreign.diff.tar", "foreign.diff.tar.gzip"]
                .contains(&docker)
    }

    /// A statement about another manifest (Q-3, W-2).
    pub fn is_attestation(&self) -> bool {
        self.annotations.contains_key("vnd.docker.reference.type")
    }
}

/// B-1. The type of the descriptor that pointed here, never the blob, says what a blob is.
pub fn is_manifest(media_type: &str) -> bool {
    let docker = "application/vnd.docker.distribution.manifest.v2+json";
    [docker, "application/vnd.oci.image.manifest.v1+json"].contains(&media_type)
}

/// B-1
pub fn is_index(media_type: &str) -> bool {
    let docker = "application/vnd.docker.distribution.manifest.list.v2+json";
    [docker, "application/vnd.oci.image.index.v1+json"].contains(&media_type)
}

/// B-1
pub fn is_config(media_type: &str) -> bool {
    let docker = "application/vnd.docker.container.image.v1+json";
    [docker, "application/vnd.oci.image.config.v1+json"].contains(&media_type)
}

/// The bytes of a manifest or an index, decoded.
#[derive(Default)]
pub struct Document {
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
    pub manifests: Vec<Descriptor>,
}

impl Document {
    /// B-2. The checks before anything else, then the document itself; `who` is whom the error names.
    pub fn read(bytes: &[u8], descriptor: &Descriptor, who: &str) -> Result<Self> {
        let Descriptor { media_type, digest, .. } = descriptor;
        check(bytes, media_type)
            .map_err(|text| Error::system(format!("{who}: invalid desc {digest}: {text}")))?;
        let mut document = Self::default();
        decode(bytes, "v1.Manifest", &mut |decoder, key| match key {
            key if key.is("schemaVersion") => decoder.integer("int").map(drop),
            key if key.is("mediaType") || key.is("artifactType") => decoder.pass(Kind::String, "string"),
            key if key.is("config") => descriptor_of(decoder, &mut document.config),
            key if key.is("layers") => descriptors(decoder, &mut document.layers),
            key if key.is("manifests") => descriptors(decoder, &mut document.manifests),
            key if key.is("subject") => descriptor_of(decoder, &mut Descriptor::default()),
            key if key.is("annotations") => texts(decoder, &mut None),
            _ => Ok(()),
        })
        .map_err(|error| Error::system(error.to_string()))?;
        Ok(document)
    }

    /// B-2
    pub fn children(self, media_type: &str) -> Vec<Descriptor> {
        if is_index(media_type) { self.manifests } else { [vec![self.config], self.layers].concat() }
    }
}

/// B-2. What kind of document it is, by the keys that it has.
fn check(bytes: &[u8], media_type: &str) -> Result<(), String> {
    let mut own_type = String::new();
    let mut found = Vec::new();
    decode(bytes, "images.unknownDocument", &mut |decoder, key| {
        found.extend(["config", "layers", "manifests", "fsLayers"].into_iter().filter(|name| key.is(name)));
        if key.is("mediaType") { text(decoder, &mut own_type) } else { Ok(()) }
    })
    .map_err(|error| error.to_string())?;
    if found.contains(&"fsLayers") {
        return Err("media-type: schema 1 not supported".to_owned());
    }
    if is_manifest(media_type) && (found.contains(&"manifests") || is_index(&own_type)) {
        return Err(format!("media-type: expected manifest but found index ({media_type})"));
    }
    let is_manifest = found.contains(&"config") || found.contains(&"layers") || is_manifest(&own_type);
    if is_index(media_type) && is_manifest {
        return Err(format!("media-type: expected index but found manifest ({media_type})"));
    }
    Ok(())
}

/// How much of a config is looked at, and so may be wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// The whole image.
    Image,
    /// The labels and the time of creation.
    Labels,
    /// The platform.
    Platform,
}

/// A config.
#[derive(Debug, Default)]
pub struct Config {
    pub created: Option<Timestamp>,
    pub labels: Option<BTreeMap<String, String>>,
    pub diff_ids: Vec<String>,
    pub platform: Platform,
}

impl Config {
    /// Decodes a config. Where the error is a value's, the config has all that Go reads beside it; where it is one of
    /// syntax, the config is empty.
    pub fn read(bytes: &[u8], view: View) -> (Self, Result<()>) {
        let mut config = Self::default();
        if let Err(error) = json::decode(bytes, Decoder::skip) {
            return (config, Err(refused(&error)));
        }
        let read = decode(bytes, "v1.DockerOCIImage", &mut |decoder, key| config.field(decoder, &key, view));
        (config, read.map_err(|error| refused(&error)))
    }

    /// Decodes a config that has to decode as a whole.
    pub fn whole(bytes: &[u8], view: View) -> Result<Self> {
        let (config, end) = Self::read(bytes, view);
        end.map(|()| config)
    }

    fn field<'a>(&mut self, decoder: &mut Decoder<'a>, key: &Key<'a>, view: View) -> json::Result<()> {
        let is_image = view == View::Image;
        match key {
            key if key.is("created") && view != View::Platform => time(decoder, &mut self.created),
            key if key.is("config") && view != View::Platform => decoder
                .object("v1.DockerOCIImageConfig", |decoder, key| match key {
                    key if key.is("Labels") => texts(decoder, &mut self.labels),
                    key if is_image => run_setting(decoder, &key),
                    _ => Ok(()),
                })
                .map(drop),
            key if key.is("author") && is_image => decoder.pass(Kind::String, "string"),
            key if key.is("history") && is_image => decoder.array("[]v1.History", history).map(drop),
            key if key.is("rootfs") && is_image => decoder
                .object("v1.RootFS", |decoder, key| match key {
                    key if key.is("type") => decoder.pass(Kind::String, "string"),
                    key if key.is("diff_ids") => list(decoder, &mut self.diff_ids),
                    _ => Ok(()),
                })
                .map(drop),
            key if view != View::Labels => platform_field(decoder, key, &mut self.platform).map(drop),
            _ => Ok(()),
        }
    }

    /// S-1
    pub fn chain_ids(&self) -> Vec<String> {
        let mut chain: Vec<String> = Vec::new();
        for diff_id in &self.diff_ids {
            let id = match chain.last() {
                None => diff_id.clone(),
                Some(below) => Digest::of(format!("{below} {diff_id}").as_bytes()).to_string(),
            };
            chain.push(id);
        }
        chain
    }
}

fn refused(error: &JsonError) -> Error {
    Error::system(format!("could not deserialize image config: {error}"))
}

type Read<'r, 'a> = &'r mut dyn FnMut(&mut Decoder<'a>, Key<'a>) -> json::Result<()>;

fn decode<'a>(bytes: &'a [u8], go_type: &str, field: Read<'_, 'a>) -> json::Result<()> {
    json::decode(bytes, |decoder| decoder.object(go_type, field).map(drop))
}

fn text(decoder: &mut Decoder<'_>, into: &mut String) -> json::Result<()> {
    if let Some(text) = decoder.string("string")? {
        *into = text.into_owned();
    }
    Ok(())
}

fn list(decoder: &mut Decoder<'_>, into: &mut Vec<String>) -> json::Result<()> {
    into.clear();
    decoder
        .array("[]string", |decoder| {
            into.push(String::new());
            into.last_mut().map_or(Ok(()), |last| text(decoder, last))
        })
        .map(drop)
}

fn texts(decoder: &mut Decoder<'_>, into: &mut Option<BTreeMap<String, String>>) -> json::Result<()> {
    let map = into.get_or_insert_default();
    let is_map = decoder.object("map[string]string", |decoder, key| {
        let value = decoder.string("string")?.unwrap_or_default().into_owned();
        map.insert(key.text().into_owned(), value);
        Ok(())
    })?;
    if !is_map {
        *into = None;
    }
    Ok(())
}

fn time(decoder: &mut Decoder<'_>, into: &mut Option<Timestamp>) -> json::Result<()> {
    let raw = decoder.raw()?;
    let text = raw.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\""));
    match text.map(|text| parse_rfc3339(text, GoTime::Go1_23)) {
        Some(Ok(instant)) => *into = Some(instant),
        None if raw == b"null" => *into = None,
        Some(Err(error)) => decoder.refuse(JsonError::new(error.to_string())),
        None => decoder.refuse(JsonError::new("Time.UnmarshalJSON: input is not a JSON string")),
    }
    Ok(())
}

/// Reads the value if it is that of a platform's field.
fn platform_field(decoder: &mut Decoder<'_>, key: &Key<'_>, into: &mut Platform) -> json::Result<bool> {
    match key {
        key if key.is("architecture") => text(decoder, &mut into.architecture)?,
        key if key.is("os") => text(decoder, &mut into.os)?,
        key if key.is("os.version") => text(decoder, &mut into.os_version)?,
        key if key.is("os.features") => list(decoder, &mut into.os_features)?,
        key if key.is("variant") => text(decoder, &mut into.variant)?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// The fields of `DockerOCIImageConfig` beside the labels, which only have to be of their type.
fn run_setting(decoder: &mut Decoder<'_>, key: &Key<'_>) -> json::Result<()> {
    let is_any = |names: &[&str]| names.iter().any(|name| key.is(name));
    if is_any(&["User", "WorkingDir", "StopSignal"]) {
        decoder.pass(Kind::String, "string")
    } else if is_any(&["Env", "Entrypoint", "Cmd", "OnBuild", "Shell"]) {
        list(decoder, &mut Vec::new())
    } else if is_any(&["ExposedPorts", "Volumes"]) {
        let set = |decoder: &mut Decoder<'_>, _: Key<'_>| decoder.pass(Kind::Object, "struct {}");
        decoder.object("map[string]struct {}", set).map(drop)
    } else if key.is("ArgsEscaped") {
        decoder.pass(Kind::Bool, "bool")
    } else if key.is("Healthcheck") {
        let check = |decoder: &mut Decoder<'_>, key: Key<'_>| match key {
            key if key.is("Test") => list(decoder, &mut Vec::new()),
            key if ["Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"]
                .iter()
                .any(|name| key.is(name)) =>
            {
                decoder.integer("time.Duration").map(drop)
            }
            _ => Ok(()),
        };
        decoder.object("v1.HealthcheckConfig", check).map(drop)
    } else {
        Ok(())
    }
}

fn history(decoder: &mut Decoder<'_>) -> json::Result<()> {
    let field = |decoder: &mut Decoder<'_>, key: Key<'_>| match key {
        key if key.is("created") => time(decoder, &mut None),
        key if key.is("empty_layer") => decoder.pass(Kind::Bool, "bool"),
        key if ["created_by", "author", "comment"].iter().any(|name| key.is(name)) => {
            decoder.pass(Kind::String, "string")
        }
        _ => Ok(()),
    };
    decoder.object("v1.History", field).map(drop)
}

fn descriptors(decoder: &mut Decoder<'_>, into: &mut Vec<Descriptor>) -> json::Result<()> {
    into.clear();
    decoder
        .array("[]v1.Descriptor", |decoder| {
            into.push(Descriptor::default());
            into.last_mut().map_or(Ok(()), |last| descriptor_of(decoder, last))
        })
        .map(drop)
}

fn descriptor_of(decoder: &mut Decoder<'_>, into: &mut Descriptor) -> json::Result<()> {
    let field = |decoder: &mut Decoder<'_>, key: Key<'_>| match key {
        key if key.is("mediaType") => text(decoder, &mut into.media_type),
        key if key.is("digest") => text(decoder, &mut into.digest),
        key if key.is("artifactType") => decoder.pass(Kind::String, "string"),
        key if key.is("urls") => list(decoder, &mut Vec::new()),
        key if key.is("size") => {
            into.size = decoder.integer("int64")?.unwrap_or(into.size);
            Ok(())
        }
        key if key.is("annotations") => {
            let mut annotations = Some(std::mem::take(&mut into.annotations));
            texts(decoder, &mut annotations)?;
            into.annotations = annotations.unwrap_or_default();
            Ok(())
        }
        key if key.is("data") => {
            match decoder.string("[]uint8")?.map(|text| base64::decode(&text)) {
                Some(Ok(data)) => into.data = data,
                Some(Err(at)) => {
                    decoder.refuse(JsonError::new(format!("illegal base64 data at input byte {at}")));
                }
                None => into.data.clear(),
            }
            Ok(())
        }
        key if key.is("platform") => {
            let mut platform = into.platform.take().unwrap_or_default();
            let read = |decoder: &mut Decoder<'_>, key: Key<'_>| {
                platform_field(decoder, &key, &mut platform).map(drop)
            };
            into.platform = decoder.object("v1.Platform", read)?.then_some(platform);
            Ok(())
        }
        _ => Ok(()),
    };
    decoder.object("v1.Descriptor", field).map(drop)
}
