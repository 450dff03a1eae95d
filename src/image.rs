//! An image: its raw config, which is the truth, and the view of it that matters.

use std::borrow::Cow;
use std::ops::Range;

use crate::digest::{ChainId, Digest};
use crate::go::time::Timestamp;
use crate::{Error, Result, Semantics};

mod config;
mod labels;
mod oci;

#[cfg(test)]
mod tests;

pub use labels::Labels;

/// An image as the image store has it: its config, and what a prune asks of it.
///
/// ```
/// use image_prune::{Image, Semantics};
///
/// let config = br#"{
///     "created": "2020-01-01T00:00:00Z",
///     "config": {"Labels": {"stage": "build"}},
///     "rootfs": {"type": "layers", "diff_ids": []}
/// }"#;
/// let image = Image::parse(*config, &Semantics::MOBY_20_10)?;
/// assert_eq!(image.labels().and_then(|labels| labels.get("stage")), Some("build"));
/// assert_eq!(image.chain(), Ok(None));
/// # Ok::<(), image_prune::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    config: Box<[u8]>,
    created: Option<Timestamp>,
    run_config: RunConfig,
    os: Cow<'static, str>,
    diff_ids: DiffIds,
    chain: Result<Option<ChainId>, Box<str>>,
    layers_in_history: usize,
}

/// The `config` object.
#[derive(Debug, Clone, PartialEq, Eq)]
enum RunConfig {
    Absent,
    Unlabelled,
    Labelled(Labels),
}

/// Where the `diff_ids` are.
#[derive(Debug, Clone, PartialEq, Eq)]
enum DiffIds {
    /// In these bytes of the config, an array of strings without escapes.
    InConfig(Range<u32>),
    /// Here, since the config has them escaped, in pieces or not at all.
    Owned(Box<[Box<str>]>),
}

impl Image {
    /// Reads a config by Go's JSON rules (SPEC.md I-2, I-2a). This is what restoring an image
    /// checks; creating one also takes [`check_history`](Self::check_history).
    ///
    /// # Errors
    ///
    /// What Go's decoder refuses (with Go 1.19's text), and a config without `rootfs`.
    pub fn parse(config: impl Into<Vec<u8>>, semantics: &Semantics) -> Result<Self> {
        let config: Box<[u8]> = config.into().into();
        let view = config::read(&config, semantics).map_err(|error| Error::system(error.to_string()))?;
        let Some(rootfs) = view.rootfs else {
            return Err(Error::system("invalid image JSON, no RootFS key"));
        };
        let run_config = match view.config {
            None => RunConfig::Absent,
            Some(config::RunConfig { labels: None }) => RunConfig::Unlabelled,
            Some(config::RunConfig { labels: Some(pairs) }) => {
                RunConfig::Labelled(pairs.into_iter().collect())
            }
        };
        let os = match &*view.os {
            "" => Cow::Borrowed(""),
            "linux" => Cow::Borrowed("linux"),
            other => Cow::Owned(other.to_owned()),
        };
        let chain = chain(rootfs.diff_ids.iter().map(Cow::as_ref));
        let diff_ids = match rootfs.in_config.and_then(|Range { start, end }| {
            Some(DiffIds::InConfig(u32::try_from(start).ok()?..u32::try_from(end).ok()?))
        }) {
            Some(in_config) => in_config,
            None => DiffIds::Owned(rootfs.diff_ids.iter().map(|id| Box::from(&**id)).collect()),
        };
        let created = view.created;
        let layers_in_history = view.history.iter().filter(|entry| !entry.empty_layer).count();
        Ok(Self { config, created, run_config, os, diff_ids, chain, layers_in_history })
    }

    /// The raw config, whose SHA-256 is the image's ID (SPEC.md I-1).
    #[must_use]
    pub fn config(&self) -> &[u8] {
        &self.config
    }

    /// When it was created; none where the config does not say (SPEC.md I-2, T-11).
    #[must_use]
    pub fn created(&self) -> Option<Timestamp> {
        self.created
    }

    /// Whether the config has a non-null `config` object (SPEC.md L-1).
    #[must_use]
    pub fn has_config(&self) -> bool {
        self.run_config != RunConfig::Absent
    }

    /// The labels of its `config` object, none where that or the map is absent or null.
    #[must_use]
    pub fn labels(&self) -> Option<&Labels> {
        match &self.run_config {
            RunConfig::Labelled(labels) => Some(labels),
            RunConfig::Absent | RunConfig::Unlabelled => None,
        }
    }

    /// The operating system that the config names, empty for the host's (SPEC.md I-4).
    #[must_use]
    pub fn os(&self) -> &str {
        &self.os
    }

    /// Whether the operating system is the daemon's, Linux (SPEC.md I-4).
    #[must_use]
    pub fn is_os_supported(&self) -> bool {
        self.os.is_empty() || self.os.eq_ignore_ascii_case("linux")
    }

    /// The `diff_ids` as they stand in the config, and may be anything; null elements are empty.
    pub fn diff_ids(&self) -> impl Iterator<Item = &str> {
        let (json, owned): (_, &[_]) = match &self.diff_ids {
            DiffIds::InConfig(range) => (self.text(range), &[]),
            DiffIds::Owned(owned) => ("", owned),
        };
        // Without escapes, every second piece between quotes is a string.
        json.split('"').skip(1).step_by(2).chain(owned.iter().map(|id| &**id))
    }

    /// The chain of its layers, none for an image without layers (SPEC.md I-5).
    ///
    /// # Errors
    ///
    /// The text of the chain where it is no chain ID, which no layer store can hold.
    pub fn chain(&self) -> Result<Option<ChainId>, String> {
        self.chain.clone().map_err(String::from)
    }

    /// The check of the history that creating an image makes and restoring one does not (SPEC.md
    /// I-3).
    ///
    /// # Errors
    ///
    /// `too many non-empty layers in History section`.
    pub fn check_history(&self, semantics: &Semantics) -> Result<()> {
        if self.layers_in_history <= self.diff_ids().count() {
            return Ok(());
        }
        // Since 23.0 the image store's errors have classes (SPEC.md 11, I-3), as those of filters.
        Err(Error::new(semantics.bad_filter_class, "too many non-empty layers in History section"))
    }

    fn text(&self, range: &Range<u32>) -> &str {
        let bytes = usize::try_from(range.start)
            .ok()
            .zip(usize::try_from(range.end).ok())
            .and_then(|(start, end)| self.config.get(start..end));
        bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

/// The chain of these layers, base first: moby folds over text, whatever it is (SPEC.md Y-1, I-5).
fn chain<'a>(diff_ids: impl Iterator<Item = &'a str>) -> Result<Option<ChainId>, Box<str>> {
    let mut chain = String::new();
    for diff_id in diff_ids {
        if chain.is_empty() {
            chain.push_str(diff_id);
        } else {
            chain.push(' ');
            chain.push_str(diff_id);
            chain = Digest::of(chain.as_bytes()).to_string();
        }
    }
    if chain.is_empty() { Ok(None) } else { chain.parse().map(Some).map_err(|_| chain.into()) }
}
