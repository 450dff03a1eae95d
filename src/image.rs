//! An image: its raw config, which is the truth, and the view of it that matters.

use std::borrow::Cow;

use crate::digest::{ChainId, Digest};
use crate::go::time::Timestamp;
use crate::{Error, Result, Semantics};

mod config;
mod labels;
mod oci;
mod packed;

#[cfg(test)]
mod tests;

pub use labels::Labels;
use packed::Packed;

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
#[expect(clippy::struct_excessive_bools, reason = "a byte each; none depends on another")]
pub struct Image {
    // A store may hold a million of these: what is rare is kept apart, what is small is packed.
    config: Packed,
    /// Of no meaning where `has_created` is false.
    created: Timestamp,
    labels: Option<Labels>,
    chain: Option<ChainId>,
    has_created: bool,
    has_config: bool,
    is_os_named: bool,
    has_too_much_history: bool,
    rarity: Option<Box<Rarity>>,
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
}

impl Image {
    /// Reads a config by Go's JSON rules (SPEC.md I-2, I-2a). This is what restoring an image
    /// checks; creating one also takes [`check_history`](Self::check_history).
    ///
    /// # Errors
    ///
    /// What Go's decoder refuses (with Go 1.19's text), and a config without `rootfs`.
    pub fn parse(config: impl Into<Vec<u8>>, semantics: &Semantics) -> Result<Self> {
        let config = config.into();
        let view = config::read(&config, semantics).map_err(|error| Error::system(error.to_string()))?;
        let Some(rootfs) = view.rootfs else {
            return Err(Error::system("invalid image JSON, no RootFS key"));
        };
        let history = view.history.iter().filter(|entry| !entry.empty_layer).count();
        let has_too_much_history = history > rootfs.diff_ids.iter().count();
        let has_config = view.config.is_some();
        let labels = view.config.and_then(|config| config.labels).map(|pairs| pairs.into_iter().collect());
        let has_created = view.created.is_some();
        let created = view.created.unwrap_or(Timestamp::ZERO);

        let mut rarity = Rarity::default();
        let is_os_named = !view.os.is_empty();
        if is_os_named && view.os != "linux" {
            rarity.os = view.os.into();
        }
        rarity.empty_diff_ids = rootfs.diff_ids.iter().take_while(|id| id.is_empty()).count();
        let chain = chain(rootfs.diff_ids.iter().map(Cow::as_ref)).unwrap_or_else(|odd| {
            rarity.odd_chain = Some(odd);
            None
        });
        let rarity = (rarity != Rarity::default()).then(|| Box::new(rarity));
        let config = Packed::new(&config);
        Ok(Self {
            config,
            created,
            labels,
            chain,
            has_created,
            has_config,
            is_os_named,
            has_too_much_history,
            rarity,
        })
    }

    /// The same image, its raw config thrown away: [`config`](Self::config) and
    /// [`diff_ids`](Self::diff_ids) are empty from now on.
    #[must_use]
    pub fn without_config(self) -> Self {
        Self { config: Packed::default(), ..self }
    }

    /// The raw config, whose SHA-256 is the image's ID (SPEC.md I-1). Empty where it was thrown away.
    #[must_use]
    pub fn config(&self) -> Vec<u8> {
        self.config.unpack()
    }

    /// When it was created; none where the config does not say (SPEC.md I-2, T-11).
    #[must_use]
    pub fn created(&self) -> Option<Timestamp> {
        self.has_created.then_some(self.created)
    }

    /// Whether the config has a non-null `config` object (SPEC.md L-1).
    #[must_use]
    pub fn has_config(&self) -> bool {
        self.has_config
    }

    /// The labels of its `config` object, none where that or the map is absent or null.
    #[must_use]
    pub fn labels(&self) -> Option<&Labels> {
        self.labels.as_ref()
    }

    /// The operating system that the config names, empty for the host's (SPEC.md I-4).
    #[must_use]
    pub fn os(&self) -> &str {
        match self.rarity.as_deref() {
            Some(rarity) if !rarity.os.is_empty() => &rarity.os,
            _ if self.is_os_named => "linux",
            _ => "",
        }
    }

    /// Whether the operating system is the daemon's, Linux (SPEC.md I-4).
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

    /// How many diff IDs are empty before the first that is not (SPEC.md I-5).
    pub(crate) fn empty_diff_ids(&self) -> usize {
        self.rarity.as_ref().map_or(0, |rarity| rarity.empty_diff_ids)
    }

    /// The chain of its layers, none for an image without layers (SPEC.md I-5).
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

    /// Reads what a filter will touch.
    pub(crate) fn fetch_labels(&self) -> u8 {
        self.labels.as_ref().map_or(0, Labels::fetch)
    }

    /// Reads what a deletion will touch.
    pub(crate) fn fetch(&self) -> u8 {
        self.fetch_labels().wrapping_add(self.config.fetch())
    }

    /// The check of the history that creating an image makes and restoring one does not (SPEC.md
    /// I-3).
    ///
    /// # Errors
    ///
    /// `too many non-empty layers in History section`.
    pub fn check_history(&self, semantics: &Semantics) -> Result<()> {
        if !self.has_too_much_history {
            return Ok(());
        }
        // Since 23.0 the image store's errors have classes (SPEC.md 11, I-3), as those of filters.
        Err(Error::new(semantics.bad_filter_class, "too many non-empty layers in History section"))
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
            let digest = Digest::of(chain.as_bytes());
            chain.clear();
            chain.push_str(digest.text().as_str());
        }
    }
    if chain.is_empty() { Ok(None) } else { chain.parse().map(Some).map_err(|_| chain.into()) }
}
