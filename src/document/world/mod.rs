//! A plain description of all four stores: what a state file holds, and what a test writes down.

use std::collections::BTreeSet;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::base::digest::{ChainId, ContainerId, DiffId, ImageId};

pub mod containerd;
mod state;

pub use containerd::ContainerdWorld;
pub use state::{CONTAINERD_FORMAT, State};

/// The format of a state file of the classic image store; [`CONTAINERD_FORMAT`] is that of the other one.
pub const FORMAT: u32 = 1;

/// Four stores, described. As JSON it is a state file, and the store of a recorded scenario.
///
/// Nothing is checked but the shape of identifiers: [`Stores::load`](crate::graph::store::Stores::load)
/// checks the rest.
///
/// ```
/// let world: image_prune::World = serde_json::from_str(r#"{"format":1}"#).unwrap();
/// assert!(world.images.is_empty());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct World {
    /// The format of the file; [`FORMAT`] or older.
    #[serde(deserialize_with = "known_format")]
    pub format: u32,
    /// A name for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The [`Semantics`](crate::semantics::Semantics) by name; empty where unknown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub profile: String,
    /// The offset of the daemon's local zone from UTC, in seconds, east positive.
    #[serde(default)]
    pub utc_offset_seconds: i32,
    /// The layers, parents first or not.
    #[serde(default)]
    pub layers: Vec<Layer>,
    /// The images.
    #[serde(default)]
    pub images: Vec<Image>,
    /// The references.
    #[serde(default)]
    pub references: Vec<Reference>,
    /// The containers.
    #[serde(default)]
    pub containers: Vec<Container>,
    /// Images whose config is a stand-in. An API tells what is in a config, but not the bytes, so that the ID is
    /// not their digest; all else is as it would be.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub stand_ins: BTreeSet<ImageId>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            format: FORMAT,
            name: String::new(),
            profile: String::new(),
            utc_offset_seconds: 0,
            layers: Vec::new(),
            images: Vec::new(),
            references: Vec::new(),
            containers: Vec::new(),
            stand_ins: BTreeSet::new(),
        }
    }
}

fn known_format<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        0 => Err(D::Error::custom("format 0 does not exist")),
        CONTAINERD_FORMAT => Err(D::Error::custom(format_args!(
            "format {CONTAINERD_FORMAT} is not of the classic image store"
        ))),
        newer if newer > FORMAT => Err(D::Error::custom(format_args!(
            "format {newer} is newer than this version reads (up to {CONTAINERD_FORMAT}); use a newer image-prune"
        ))),
        format => Ok(format),
    }
}

/// A layer of the layer store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// The layer and all below it.
    pub chain_id: ChainId,
    /// The layer's own tar.
    pub diff_id: DiffId,
    /// The chain below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ChainId>,
    /// The layer's own size in bytes.
    pub size: i64,
}

/// An image of the image store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ImageText", into = "ImageText")]
pub struct Image {
    /// The digest of the config.
    pub id: ImageId,
    /// The raw bytes of the config. As JSON `config` with the text or, where they are not UTF-8,
    /// `config_hex` with hexadecimal digits.
    pub config: Box<[u8]>,
    /// The image store's parent link; it may name an image that does not exist.
    pub parent: Option<ImageId>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Image")]
struct ImageText {
    id: ImageId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    config: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    config_hex: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<ImageId>,
}

impl From<Image> for ImageText {
    fn from(Image { id, config, parent }: Image) -> Self {
        let (config, config_hex) = match String::from_utf8(config.into()) {
            Ok(text) => (Some(text), None),
            Err(error) => (None, Some(encode_hex(error.as_bytes()))),
        };
        Self { id, config, config_hex, parent }
    }
}

impl TryFrom<ImageText> for Image {
    type Error = String;

    fn try_from(ImageText { id, config, config_hex, parent }: ImageText) -> Result<Self, String> {
        let config = match (config, config_hex) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(hex)) => decode_hex(&hex)
                .ok_or_else(|| format!("image {id}: `config_hex` is not pairs of hexadecimal digits"))?,
            _ => return Err(format!("image {id}: needs exactly one of `config` and `config_hex`")),
        };
        Ok(Self { id, config: config.into(), parent })
    }
}

fn encode_hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

fn decode_hex(hex: &str) -> Option<Vec<u8>> {
    let (pairs, []) = hex.as_bytes().as_chunks::<2>() else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

/// A reference of the reference store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// The normalized name: `docker.io/library/a:1`.
    pub name: String,
    /// The image; it need not exist.
    pub id: ImageId,
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Its ID.
    pub id: ContainerId,
    /// The image it was made from; it need not exist.
    pub image: ImageId,
    /// Its running flag: true for paused and restarting containers, too (D-7).
    #[serde(default)]
    pub running: bool,
    /// The chain that its writable layer stands on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rw_layer_parent: Option<ChainId>,
    /// The images that it mounts (D-5.1, since moby 28.0).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_mounts: Vec<ImageId>,
}
