//! The config of an image that a script describes.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::base::digest::{DiffId, Digest};

/// The config of an image, in the order of docker's keys.
#[derive(Serialize)]
pub(super) struct ImageConfig<'a> {
    pub comment: &'a str,
    pub os: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<RunConfig>,
    pub rootfs: RootFs,
}

#[derive(Serialize)]
pub(super) struct RunConfig {
    #[serde(rename = "Labels", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

#[derive(Serialize)]
pub(super) struct RootFs {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub diff_ids: Vec<DiffId>,
}

/// The diff ID of a layer, which is made of its name.
pub(super) fn diff_id(layer: &str) -> DiffId {
    Digest::of(format!("layer {layer}").as_bytes()).into()
}
