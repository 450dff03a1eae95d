//! The stores that a script describes, with computed IDs.

use std::collections::BTreeMap;

use chrono::FixedOffset;

use crate::base::digest::{ChainId, ContainerId, Digest, ImageId};
use crate::document::reference::Reference;
use crate::document::world::{self, World};
use crate::semantics::Semantics;

use super::config::{ImageConfig, RootFs, RunConfig, diff_id};
use super::line::{Line, Problem, Words, known};

const OF_LAYER: &str = "a name, `size=`";
const OF_IMAGE: &str = "a name, `missing`, `parent=`, `base=`, `layers=`, `size=`, `tags=`, `digests=`, `label=`, \
                        `created=`, `os=`, `config=none`";
const OF_CONTAINER: &str = "`running` or `stopped`, a name, `image=`, `layers=`, `mounts=`";

/// An image that a script names.
#[derive(Debug)]
pub(super) struct Known {
    pub id: ImageId,
    /// Its layers by name, base first.
    layers: Vec<String>,
}

/// The stores that a script describes, and the names that it gives.
#[derive(Debug, Default)]
pub(super) struct Described {
    pub world: World,
    pub semantics: Semantics,
    /// The clock of requests that have none of their own.
    pub now: Option<String>,
    pub images: BTreeMap<String, Known>,
    /// The labels of the images that are there.
    pub labels: BTreeMap<ImageId, BTreeMap<String, String>>,
    /// The images in the order of their lines, in which a prune visits them.
    pub order: Vec<ImageId>,
    pub containers: BTreeMap<String, ContainerId>,
    /// The chains by the names of their layers: `base/app`.
    chains: BTreeMap<String, ChainId>,
    /// The sizes of layers by name.
    sizes: BTreeMap<String, i64>,
    references: BTreeMap<Reference, usize>,
}

impl Described {
    pub fn read(lines: &[Line<'_>]) -> Result<Self, Problem> {
        let mut described = Self::default();
        let mut seen = BTreeMap::new();
        let is_once = |line: &&Line<'_>| !matches!(line.keyword, "layer" | "image" | "container");
        for line in lines.iter().filter(is_once) {
            if let Some(before) = seen.insert(line.keyword, line.number) {
                return Err(line.problem(format!("`{}` stands in line {before} already", line.keyword)));
            }
            described.head(line)?;
        }
        let of = |keyword| lines.iter().filter(move |line| line.keyword == keyword);
        for line in of("layer") {
            described.layer(line)?;
        }
        let mut parents = Vec::new();
        for line in of("image") {
            parents.extend(described.image(line)?.map(|link| (line, link)));
        }
        // A parent may stand below its child, or be the child itself.
        for (line, (child, parent)) in parents {
            let parent = described.find(line, &parent)?.id;
            if let Some(image) = described.world.images.get_mut(child) {
                image.parent = Some(parent);
            }
        }
        for line in of("container") {
            described.container(line)?;
        }
        Ok(described)
    }

    fn head(&mut self, line: &Line<'_>) -> Result<(), Problem> {
        let text = line.rest;
        match line.keyword {
            "name" => text.clone_into(&mut self.world.name),
            "now" => self.now = Some(line.instant("now", text)?),
            "utc-offset" => {
                let offset: FixedOffset = text.parse().map_err(|_| {
                    line.problem(format!("`{text}` is no offset from UTC: write it like +02:00"))
                })?;
                self.world.utc_offset_seconds = offset.local_minus_utc();
            }
            _ => {
                self.semantics = text.parse().map_err(|error| line.problem(format!("{error}")))?;
                if self.semantics.containerd.is_some() {
                    let problem =
                        format!("`{text}` has the containerd image store, of which a script cannot tell");
                    return Err(line.problem(problem));
                }
                text.clone_into(&mut self.world.profile);
            }
        }
        Ok(())
    }

    fn layer(&mut self, line: &Line<'_>) -> Result<(), Problem> {
        let mut words = line.words()?;
        let name = words.name("layer")?;
        let size = words.size()?.ok_or_else(|| line.problem("a layer needs its bytes: `size=10`"))?;
        words.end(OF_LAYER)?;
        if self.sizes.insert(name.clone(), size).is_some() {
            return Err(line.problem(format!("there is a layer `{name}` already")));
        }
        Ok(())
    }

    /// Returns the place of the image and the name of its parent, which may stand below.
    fn image(&mut self, line: &Line<'_>) -> Result<Option<(usize, String)>, Problem> {
        let mut words = line.words()?;
        let name = words.name("image")?;
        if self.images.contains_key(&name) {
            return Err(line.problem(format!("there is an image `{name}` already")));
        }
        let (tags, digests) = (words.list("tags")?, words.list("digests")?);
        let (image, parent) = if words.flag("missing") {
            words.end("`missing`, `tags=`, `digests=`")?;
            let id = Digest::of(format!("image {name}").as_bytes()).into();
            (Known { id, layers: Vec::new() }, None)
        } else {
            self.present(line, &name, words)?
        };
        let id = image.id;
        self.images.insert(name, image);
        for tag in tags.into_iter().flatten() {
            let reference = self.reference(line, &tag)?;
            if reference.is_canonical() {
                return Err(line.problem(format!("`{tag}` has a digest: write `digests={tag}`")));
            }
            self.refer(line, reference, id)?;
        }
        for digest in digests.into_iter().flatten() {
            let reference = self.reference(line, &digest)?.favor_digest();
            if !reference.is_canonical() {
                let problem = format!("`{digest}` has no digest: write `digests={digest}@any-name`");
                return Err(line.problem(problem));
            }
            self.refer(line, reference, id)?;
        }
        Ok(parent.map(|parent| (self.world.images.len() - 1, parent)))
    }

    /// An image that is there, and the name of its parent.
    fn present(
        &mut self,
        line: &Line<'_>,
        name: &str,
        mut words: Words,
    ) -> Result<(Known, Option<String>), Problem> {
        let parent = words.value("parent")?;
        let mut layers = match (words.list("layers")?, words.value("base")?) {
            (Some(_), Some(_)) => {
                return Err(line.problem("`base=` and `layers=` say the same: leave one out"));
            }
            (Some(layers), None) => layers,
            (None, Some(base)) => self.find(line, &base)?.layers.clone(),
            (None, None) => {
                let parent = parent.as_ref().and_then(|parent| self.images.get(parent));
                parent.map(|parent| parent.layers.clone()).unwrap_or_default()
            }
        };
        if let Some(size) = words.size()? {
            self.sizes.insert(name.to_owned(), size);
            layers.push(name.to_owned());
        }
        let labels: BTreeMap<String, String> = words
            .pairs(|key| key == "label")
            .into_iter()
            .map(|(_, label)| match label.split_once('=') {
                Some((key, value)) => (key.to_owned(), value.to_owned()),
                None => (label, String::new()),
            })
            .collect();
        let has_config = match words.value("config")?.as_deref() {
            None => true,
            Some("none") if labels.is_empty() => false,
            Some("none") => return Err(line.problem("`config=none` leaves no place for a `label=`")),
            Some(other) => {
                return Err(line.problem(format!("`config={other}`: only `config=none` is understood")));
            }
        };
        let created = words.value("created")?.map(|text| line.instant("created", &text)).transpose()?;
        let os = words.value("os")?;
        words.end(OF_IMAGE)?;
        self.stack(line, &layers)?;
        let config = ImageConfig {
            comment: name,
            os: os.as_deref().unwrap_or("linux"),
            created: created.as_deref(),
            config: has_config.then(|| RunConfig { labels: labels.clone() }),
            rootfs: RootFs { kind: "layers", diff_ids: layers.iter().map(|layer| diff_id(layer)).collect() },
        };
        let config = serde_json::to_vec(&config).map_err(|error| line.problem(error.to_string()))?;
        let id = ImageId::of(&config);
        self.world.images.push(world::Image { id, config: config.into(), parent: None });
        self.order.push(id);
        self.labels.insert(id, labels);
        Ok((Known { id, layers }, parent))
    }

    fn container(&mut self, line: &Line<'_>) -> Result<(), Problem> {
        let mut words = line.words()?;
        let (running, stopped) = (words.flag("running"), words.flag("stopped"));
        if running == stopped {
            return Err(line.problem("a container is either `running` or `stopped`"));
        }
        let name = if words.has_plain() {
            words.name("container")?
        } else {
            format!("c{}", self.containers.len() + 1)
        };
        let id = ContainerId::from(Digest::of(format!("container {name}").as_bytes()));
        let image = words.value("image")?;
        let image = image.ok_or_else(|| line.problem("a container needs an image: `image=A`"))?;
        let image = self.find(line, &image)?;
        let (image, own) = (image.id, image.layers.clone());
        let layers = words.list("layers")?.unwrap_or(own);
        let mounts = words.list("mounts")?.unwrap_or_default();
        words.end(OF_CONTAINER)?;
        let mounts =
            mounts.iter().map(|mount| Ok(self.find(line, mount)?.id)).collect::<Result<_, Problem>>()?;
        let rw_layer_parent = self.stack(line, &layers)?;
        if self.containers.insert(name.clone(), id).is_some() {
            return Err(line.problem(format!("there is a container `{name}` already")));
        }
        self.world.containers.push(world::Container {
            id,
            image,
            running,
            rw_layer_parent,
            image_mounts: mounts,
        });
        Ok(())
    }

    /// The chain of these layers, base first; it comes to be where it is not yet.
    fn stack(&mut self, line: &Line<'_>, layers: &[String]) -> Result<Option<ChainId>, Problem> {
        let mut parent = None;
        for (index, layer) in layers.iter().enumerate() {
            let size = *self.sizes.get(layer).ok_or_else(|| {
                line.problem(format!("no layer is called `{layer}`; {}", known(self.sizes.keys())))
            })?;
            let diff_id = diff_id(layer);
            let chain_id = ChainId::on(parent, diff_id);
            let path = layers.get(..=index).unwrap_or_default().join("/");
            if self.chains.insert(path, chain_id).is_none() {
                self.world.layers.push(world::Layer { chain_id, diff_id, parent, size });
            }
            parent = Some(chain_id);
        }
        Ok(parent)
    }

    fn refer(&mut self, line: &Line<'_>, reference: Reference, id: ImageId) -> Result<(), Problem> {
        let name = reference.as_str().to_owned();
        if let Some(before) = self.references.insert(reference, line.number) {
            return Err(line.problem(format!("`{name}` names an image in line {before} already")));
        }
        self.world.references.push(world::Reference { name, id });
        Ok(())
    }

    /// A reference as the stores have it. `app@one` has the digest that `one` stands for.
    pub fn reference(&self, line: &Line<'_>, text: &str) -> Result<Reference, Problem> {
        let parsed = Reference::parse(&with_digest(text), &self.semantics);
        parsed.map(Reference::tag_name_only).map_err(|error| line.problem(format!("`{text}`: {error}")))
    }

    /// The image of this name.
    pub fn find(&self, line: &Line<'_>, name: &str) -> Result<&Known, Problem> {
        self.images.get(name).ok_or_else(|| {
            line.problem(format!("no image is called `{name}`; {}", known(self.images.keys())))
        })
    }

    /// The chain whose top is this layer, or whose layers are these: `app`, `base/app`.
    pub fn chain(&self, line: &Line<'_>, layer: &str) -> Result<ChainId, Problem> {
        if layer.contains('/') {
            let chain = self.chains.get(layer).copied();
            return chain.ok_or_else(|| {
                line.problem(format!("no layers lie like `{layer}`; {}", known(self.chains.keys())))
            });
        }
        let is_top = |path: &str| path.rsplit('/').next() == Some(layer);
        let on_top: Vec<(&String, &ChainId)> = self.chains.iter().filter(|(path, _)| is_top(path)).collect();
        match on_top.as_slice() {
            [(_, chain)] => Ok(**chain),
            [] => Err(line.problem(format!("no layer is called `{layer}`; {}", known(self.chains.keys())))),
            several => {
                let paths = known(several.iter().map(|(path, _)| path));
                Err(line.problem(format!("the layer `{layer}` lies on several; {paths}")))
            }
        }
    }
}

/// `app@one` with the digest that `one` stands for; other texts as they are.
pub(super) fn with_digest(text: &str) -> String {
    match text.split_once('@') {
        Some((name, digest)) if !digest.contains(':') => {
            format!("{name}@{}", Digest::of(format!("digest {digest}").as_bytes()))
        }
        _ => text.to_owned(),
    }
}
