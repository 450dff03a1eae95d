//! Disk usage of images (rules U; moby's `daemon/images/images.go`, `service.go`).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde::Serialize;

use crate::base::digest::{ChainId, ImageId};
use crate::base::error::{Error, Kind, Result};
use crate::document::image::Image;
use crate::document::reference::Reference;
use crate::go::time::Timestamp;
use crate::graph::store::{ContainerStore, ImageStore, Layer, LayerStore, ReferenceStore, Stores};
use crate::semantics::Semantics;

/// What images take on disk: the image part of `GET /system/df` (U-6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Usage {
    /// Bytes of all layers that an image with a reference, or without children, uses; each counted once
    /// (U-5).
    pub layers_size: i64,
    /// Newest first; by ID where two were created in the same second (U-2).
    pub images: Vec<ImageSummary>,
}

/// One line of the image list (U-3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageSummary {
    /// The number of containers made from it, in any state.
    pub containers: i64,
    /// Unix seconds; what stands for "unknown" depends on the version (U-3).
    pub created: i64,
    /// The image.
    pub id: ImageId,
    /// The labels; none is written as `null`.
    pub labels: Option<BTreeMap<String, String>>,
    /// Its parent as text, empty without one.
    pub parent_id: String,
    /// Its digest references, familiar.
    pub repo_digests: Option<Vec<String>>,
    /// Its tags, familiar.
    pub repo_tags: Option<Vec<String>>,
    /// Bytes of its layers that another image uses, too (U-4).
    pub shared_size: i64,
    /// Bytes of all its layers.
    pub size: i64,
    /// The same as the size.
    pub virtual_size: i64,
}

impl ImageSummary {
    /// What a list of images says (U-3): containers and shared bytes are −1, not counted.
    pub(crate) fn new(
        (id, image): (ImageId, &Image),
        parent: Option<ImageId>,
        references: &[Reference],
        size: i64,
        semantics: &Semantics,
    ) -> Self {
        let familiar = |canonical: bool| {
            let of_kind = references.iter().filter(|reference| reference.is_canonical() == canonical);
            let texts: Vec<_> = of_kind.map(|reference| reference.familiar().to_owned()).collect();
            (!texts.is_empty()).then_some(texts)
        };
        let placeholder = |text: &str| references.is_empty().then(|| vec![text.to_owned()]);
        let unknown = if semantics.created_is_optional { 0 } else { Timestamp::ZERO.unix_seconds() };
        let pairs = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        Self {
            containers: -1,
            created: image.created().map_or(unknown, Timestamp::unix_seconds),
            id,
            labels: image.labels().map(|labels| labels.iter().map(pairs).collect()),
            parent_id: parent.map(|id| id.to_string()).unwrap_or_default(),
            repo_digests: familiar(true).or_else(|| placeholder("<none>@<none>")),
            repo_tags: familiar(false).or_else(|| placeholder("<none>:<none>")),
            shared_size: -1,
            size,
            virtual_size: size,
        }
    }
}

/// What images take on disk.
///
/// # Errors
///
/// A layer in an image's chain is missing (U-4).
pub fn usage<I, R, L, C>(stores: &Stores<I, R, L, C>, semantics: &Semantics) -> Result<Usage>
where
    I: ImageStore,
    R: ReferenceStore,
    L: LayerStore,
    C: ContainerStore,
{
    let mut sizes = Sizes { layers: &stores.layers, known: HashMap::new() };
    let ids = stores.images.ids(false).into_iter();
    let all: Vec<_> = ids.filter_map(|id| Entry::read(stores, id, &mut sizes)).collect();

    let named = all.iter().filter(|entry| !entry.is_intermediate);
    let used: HashSet<ChainId> = named.flat_map(|entry| entry.chains.iter().copied()).collect();
    let layers_size = used.iter().filter_map(|chain| sizes.diff_size(*chain)).fold(0, i64::wrapping_add);

    let listed: Vec<_> = all.iter().filter(|entry| entry.is_listed()).collect();
    let is_counted = |entry: &&Entry| semantics.shared_size_over_all_images || entry.is_listed();
    let counted = all.iter().filter(is_counted);
    refuse_empty_chains(counted.clone(), &listed, semantics)?;
    let mut users: HashMap<ChainId, usize> = HashMap::new();
    for chain in counted.flat_map(|entry| &entry.chains) {
        *users.entry(*chain).or_default() += 1;
    }
    let summarize = |entry: &Entry| {
        let shared_size = entry.shared_size(&users, &mut sizes, semantics)?;
        Ok(entry.summarize(stores, semantics, shared_size))
    };
    let mut images = listed.into_iter().map(summarize).collect::<Result<Vec<_>>>()?;
    images.sort_unstable_by_key(|image| (std::cmp::Reverse(image.created), image.id));
    Ok(Usage { layers_size, images })
}

/// I-5, U-4: an empty diff ID makes an empty chain ID, which no layer has. Later versions look for shared ones
/// only.
fn refuse_empty_chains<'a>(
    counted: impl Iterator<Item = &'a Entry>,
    listed: &[&Entry],
    semantics: &Semantics,
) -> Result<()> {
    let users: usize = counted.map(|entry| entry.image.empty_diff_ids()).sum();
    let limit = usize::from(semantics.shared_size_over_all_images);
    if users > limit && listed.iter().any(|entry| entry.image.empty_diff_ids() > 0) {
        return Err(corrupt(""));
    }
    Ok(())
}

fn corrupt(chain: &str) -> Error {
    Error::system(format!("layer {chain} was not found (corruption?)")).of_kind(Kind::LayerMissing)
}

/// Layers that were looked at, so that a chain that many images share is walked in the store once.
struct Sizes<'a, L> {
    layers: &'a L,
    known: HashMap<ChainId, Option<Layer>>,
}

impl<L: LayerStore> Sizes<'_, L> {
    /// Asks for a chain as a whole, so that no deletion comes between its layers.
    fn layer(&mut self, chain: ChainId) -> Option<Layer> {
        if let Some(known) = self.known.get(&chain) {
            return *known;
        }
        self.layers.walk(chain, &mut |chain, layer| self.known.insert(chain, Some(layer)).is_none());
        *self.known.entry(chain).or_insert(None)
    }

    fn diff_size(&mut self, chain: ChainId) -> Option<i64> {
        self.layer(chain).map(|layer| layer.diff_size)
    }
}

/// An image, with the layers it stands on.
struct Entry {
    id: ImageId,
    image: Arc<Image>,
    references: Vec<Reference>,
    is_intermediate: bool,
    /// Top to base; a missing one is the last.
    chains: Vec<ChainId>,
    /// The size of the chain; none where the top layer is missing.
    size: Option<i64>,
}

impl Entry {
    fn read<I: ImageStore, R: ReferenceStore, L: LayerStore, C>(
        stores: &Stores<I, R, L, C>,
        id: ImageId,
        sizes: &mut Sizes<'_, L>,
    ) -> Option<Self> {
        let image = stores.images.get(id).ok()?;
        let references = stores.references.references(id);
        let is_intermediate = references.is_empty() && stores.images.has_children(id);
        let mut next = image.top_layer();
        let mut size = next.map_or(Some(0), |top| sizes.layer(top).map(|_| 0));
        let mut chains = Vec::new();
        while let Some(chain) = next {
            chains.push(chain);
            let layer = sizes.layer(chain);
            next = layer.and_then(|layer| layer.parent);
            size = size.map(|size: i64| size.wrapping_add(layer.map_or(0, |layer| layer.diff_size)));
        }
        Some(Self { id, image, references, is_intermediate, chains, size })
    }

    /// U-2.
    fn is_listed(&self) -> bool {
        !self.is_intermediate && self.image.is_os_supported() && self.size.is_some()
    }

    /// U-4.
    fn shared_size<L: LayerStore>(
        &self,
        users: &HashMap<ChainId, usize>,
        sizes: &mut Sizes<'_, L>,
        semantics: &Semantics,
    ) -> Result<i64> {
        let mut shared = 0_i64;
        for chain in &self.chains {
            let is_shared = users.get(chain).is_some_and(|users| *users > 1);
            match sizes.diff_size(*chain) {
                None if is_shared || !semantics.shared_size_over_all_images => {
                    return Err(corrupt(&chain.to_string()));
                }
                Some(size) if is_shared => shared = shared.wrapping_add(size),
                _ => {}
            }
        }
        Ok(shared)
    }

    /// U-3, with what only the disk usage says.
    fn summarize<I: ImageStore, R, L, C: ContainerStore>(
        &self,
        stores: &Stores<I, R, L, C>,
        semantics: &Semantics,
        shared_size: i64,
    ) -> ImageSummary {
        let parent = stores.images.parent(self.id);
        let mut summary = ImageSummary::new(
            (self.id, &self.image),
            parent,
            &self.references,
            self.size.unwrap_or(0),
            semantics,
        );
        if self.references.is_empty() && semantics.unreferenced_tags_are_null {
            (summary.repo_digests, summary.repo_tags) = (None, None);
        }
        summary.containers = i64::try_from(stores.containers.count(self.id)).unwrap_or(i64::MAX);
        summary.shared_size = shared_size;
        summary
    }
}
