//! An image: its raw config, which is the truth, and the view of it that matters.

use std::borrow::Cow;

use crate::base::digest::ChainId;
use crate::base::error::{Error, Result};
use crate::go::time::Timestamp;
use crate::semantics::Semantics;

mod chain;
mod config;
mod labels;
#[cfg(feature = "oci-spec")]
mod oci;
mod packed;

#[cfg(test)]
mod tests;

pub(crate) use chain::Chains;
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
#[derive(Debug, Clone)]
pub struct Image {
    // A store may hold a million of these: what is rare is kept apart, what is small is packed.
    /// The raw config is packed behind the labels: one allocation for both.
    labels: Labels,
    rarity: Option<Box<Rarity>>,
    /// Of no meaning where `has_created` is false.
    created: Timestamp,
    chain: Option<ChainId>,
    has_created: bool,
    run_config: RunConfig,
    is_os_named: bool,
}

/// What the config's `config` object is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RunConfig {
    Absent,
    WithoutLabels,
    WithLabels,
}

/// What few images have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Rarity {
    /// The operating system, where it is neither unnamed nor `linux`.
    os: Box<str>,
    /// The text of the chain, where it is no chain ID.
    odd_chain: Option<Box<str>>,
    /// How many diff IDs are empty before the first that is not.
    empty_diff_ids: usize,
    has_too_much_history: bool,
}

impl Image {
    /// Reads a config by Go's JSON rules (I-2, I-2a). This is what restoring an image
    /// checks; creating one also takes [`check_history`](Self::check_history).
    ///
    /// # Errors
    ///
    /// What Go's decoder refuses (with Go 1.19's text), and a config without `rootfs`.
    pub fn parse(config: impl Into<Vec<u8>>, semantics: &Semantics) -> Result<Self> {
        Self::read(&config.into(), semantics, &mut Chains::default())
    }

    /// [`Image::parse`], with chains that are remembered from other images.
    pub(crate) fn read(config: &[u8], semantics: &Semantics, chains: &mut Chains) -> Result<Self> {
        let view = config::read(config, semantics).map_err(|error| Error::system(error.to_string()))?;
        let Some(rootfs) = view.rootfs else {
            return Err(Error::system("invalid image JSON, no RootFS key"));
        };
        let run_config = match &view.config {
            None => RunConfig::Absent,
            Some(config) if config.labels.is_none() => RunConfig::WithoutLabels,
            Some(_) => RunConfig::WithLabels,
        };
        let labels = view.config.and_then(|config| config.labels).unwrap_or_default();
        let has_created = view.created.is_some();
        let created = view.created.unwrap_or(Timestamp::ZERO);

        let mut rarity = Rarity::default();
        let history = view.history.iter().filter(|entry| !entry.empty_layer).count();
        rarity.has_too_much_history = history > rootfs.diff_ids.iter().count();
        let is_os_named = !view.os.is_empty();
        if is_os_named && view.os != "linux" {
            rarity.os = view.os.into();
        }
        rarity.empty_diff_ids = rootfs.diff_ids.iter().take_while(|id| id.is_empty()).count();
        let chain = chains.fold(rootfs.diff_ids.iter().map(Cow::as_ref)).unwrap_or_else(|odd| {
            rarity.odd_chain = Some(odd);
            None
        });
        let rarity = (rarity != Rarity::default()).then(|| Box::new(rarity));
        let labels = Labels::pack(labels, &packed::pack(config));
        Ok(Self { labels, rarity, created, chain, has_created, run_config, is_os_named })
    }

    /// The same image, its raw config thrown away: [`config`](Self::config) and
    /// [`diff_ids`](Self::diff_ids) are empty from now on.
    #[must_use]
    pub fn without_config(self) -> Self {
        Self { labels: self.labels.alone(), ..self }
    }

    /// The raw config, whose SHA-256 is the image's ID (I-1). Empty where it was thrown away.
    #[must_use]
    pub fn config(&self) -> Vec<u8> {
        packed::unpack(self.labels.behind())
    }

    /// When it was created; none where the config does not say (I-2, T-11).
    #[must_use]
    pub fn created(&self) -> Option<Timestamp> {
        self.has_created.then_some(self.created)
    }

    /// Whether the config has a non-null `config` object (L-1).
    #[must_use]
    pub fn has_config(&self) -> bool {
        self.run_config != RunConfig::Absent
    }

    /// The labels of its `config` object, none where that or the map is absent or null.
    #[must_use]
    pub fn labels(&self) -> Option<&Labels> {
        (self.run_config == RunConfig::WithLabels).then_some(&self.labels)
    }

    /// The operating system that the config names, empty for the host's (I-4).
    #[must_use]
    pub fn os(&self) -> &str {
        match self.rarity.as_deref() {
            Some(rarity) if !rarity.os.is_empty() => &rarity.os,
            _ if self.is_os_named => "linux",
            _ => "",
        }
    }

    /// Whether the operating system is the daemon's, Linux (I-4).
    #[must_use]
    pub fn is_os_supported(&self) -> bool {
        self.rarity.is_none() || self.os().is_empty() || self.os().eq_ignore_ascii_case("linux")
    }

    /// The `diff_ids` as they stand in the config, and may be anything; null elements are empty. Reads the
    /// config once more.
    #[must_use]
    pub fn diff_ids(&self) -> Vec<String> {
        let config = self.config();
        // It was read once, by rules that are the same in this part for all versions.
        let Ok(view) = config::read(&config, &Semantics::MOBY_20_10) else { return Vec::new() };
        let diff_ids = view.rootfs.iter().flat_map(|rootfs| rootfs.diff_ids.iter());
        diff_ids.map(|id| id.clone().into_owned()).collect()
    }

    /// How many diff IDs are empty before the first that is not (I-5).
    pub(crate) fn empty_diff_ids(&self) -> usize {
        self.rarity.as_ref().map_or(0, |rarity| rarity.empty_diff_ids)
    }

    /// The chain of its layers, none for an image without layers (I-5).
    ///
    /// # Errors
    ///
    /// The text of the chain where it is no chain ID, which no layer store can hold.
    pub fn chain(&self) -> Result<Option<ChainId>, String> {
        match self.rarity.as_ref().and_then(|rarity| rarity.odd_chain.as_deref()) {
            Some(odd) => Err(odd.to_owned()),
            None => Ok(self.chain),
        }
    }

    /// The top layer; `None` for an image without layers, and for one whose chain no layer store can hold.
    #[must_use]
    pub fn top_layer(&self) -> Option<ChainId> {
        self.chain().ok().flatten()
    }

    /// Reads what a filter and a deletion will touch.
    pub(crate) fn fetch(&self) -> u8 {
        self.labels.fetch()
    }

    /// The check of the history that creating an image makes and restoring one does not (
    /// I-3).
    ///
    /// # Errors
    ///
    /// `too many non-empty layers in History section`.
    pub fn check_history(&self, semantics: &Semantics) -> Result<()> {
        if !self.rarity.as_ref().is_some_and(|rarity| rarity.has_too_much_history) {
            return Ok(());
        }
        Err(Error::new(semantics.history_error_class, "too many non-empty layers in History section"))
    }
}

impl PartialEq for Image {
    fn eq(&self, other: &Self) -> bool {
        let rest = |image: &Self| {
            (image.created, image.chain, image.has_created, image.run_config, image.is_os_named)
        };
        self.labels == other.labels
            && self.labels.behind() == other.labels.behind()
            && self.rarity == other.rarity
            && rest(self) == rest(other)
    }
}

impl Eq for Image {}
