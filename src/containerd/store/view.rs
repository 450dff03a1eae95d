//! What is known of the bytes of a blob, decoded once when the blob comes in.

use super::graph::Graph;
use super::node::{Child, Children, ConfigView, Key, View};
use super::walk::SnapshotKey;
use crate::base::error::Result;
use crate::containerd::decode::{self, Descriptor, Kind};
use crate::document::image::Labels;
use crate::go::json;

impl Graph {
    /// Decodes what the bytes look like, and takes hold of what they name. Bytes that do not decode are read again
    /// whenever somebody walks by, who is then told why.
    pub(super) fn view(&mut self, raw: &[u8]) -> Result<View> {
        Ok(match looks_like(raw) {
            Kind::Manifest => match decode::children(raw, &Kind::Manifest.descriptor()) {
                Ok(children) => View::Manifest(self.children(children)?),
                Err(_) => View::None,
            },
            Kind::Index => match decode::children(raw, &Kind::Index.descriptor()) {
                Ok(children) => View::Index(self.children(children)?),
                Err(_) => View::None,
            },
            Kind::Config => match decode::config(raw) {
                Ok(config) => {
                    let chains: Vec<_> = config.chain_ids().into_iter().map(SnapshotKey::from).collect();
                    let is_plain = chains.iter().all(|key| matches!(key, SnapshotKey::Chain(_)));
                    let keys = chains.iter().map(Key::chain);
                    let snapshots: Option<Result<_>> =
                        is_plain.then(|| keys.map(|key| self.hold(key)).collect());
                    let (labels, snapshots) = (config.labels.map(Labels::from_iter), snapshots.transpose()?);
                    View::Config(Box::new(ConfigView { labels, snapshots }), false)
                }
                Err(_) => View::None,
            },
            Kind::Opaque => View::None,
        })
    }

    /// A child whose digest no content store can have is never there.
    fn children(&mut self, children: Vec<Descriptor>) -> Result<Children> {
        let mut held = Vec::with_capacity(children.len());
        for child in children {
            if let Some(digest) = child.blob() {
                let place = self.hold(Key::blob(digest))?;
                let (size, kind, is_attestation) = (child.size, child.kind(), child.is_attestation());
                held.push(Child { size, place, kind, is_attestation });
            }
        }
        Ok(Children { list: held.into(), are_labelled: false })
    }
}

/// The kind that most readers of these bytes will ask for.
fn looks_like(raw: &[u8]) -> Kind {
    if raw.first() != Some(&b'{') {
        return Kind::Opaque;
    }
    let mut found = Kind::Opaque;
    let decoded = json::decode(raw, |decoder| {
        decoder.object("object", |_, key| {
            if key.is("manifests") {
                found = Kind::Index;
            } else if key.is("layers") {
                found = Kind::Manifest;
            } else if key.is("rootfs") {
                found = Kind::Config;
            }
            Ok(())
        })
    });
    decoded.map_or(Kind::Opaque, |_| found)
}
