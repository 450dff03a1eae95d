//! Containerd stores that nobody would make, and requests on them: shared blobs, nested indexes, attestations, missing
//! labels, broken JSON, labels across everything, leases of all kinds, names that are none. A seed means the same ones
//! for ever.

use std::collections::BTreeMap;

use image_prune::replay::containerd::Action;
use image_prune::world::ContainerdWorld;
use image_prune::world::containerd::{
    Blob, Container, ImageRecord, Labels, Lease, Mount, Platform, Snapshot, Target,
};
use image_prune::{Digest, Timestamp};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// `SplitMix64`.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

#[derive(Clone)]
struct Described {
    media_type: &'static str,
    digest: Digest,
    size: usize,
}

impl Described {
    fn json(&self, random: &mut Random, rest: &str) -> String {
        let size = i64::try_from(self.size).unwrap() - if random.percent(5) { 7 } else { 0 };
        let Self { media_type, digest, .. } = self;
        format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size}{rest}}}"#)
    }
}

struct Maker<'a> {
    random: &'a mut Random,
    world: ContainerdWorld,
    /// Per hundred: how odd the store is.
    oddity: usize,
    layers: Vec<Described>,
    configs: Vec<Described>,
    manifests: Vec<Described>,
    indexes: Vec<Described>,
}

/// A store; `oddity` of a hundred things in it are odd, none at all where it is 0 (K-3's clean store).
pub fn world(random: &mut Random, profile: &str, oddity: usize) -> ContainerdWorld {
    let host_platform = Platform { architecture: "amd64".into(), os: "linux".into(), ..Platform::default() };
    let world = ContainerdWorld {
        profile: profile.to_owned(),
        host_platform,
        snapshotter: "overlayfs".to_owned(),
        ..ContainerdWorld::default()
    };
    let (layers, configs, manifests, indexes) = <(Vec<_>, Vec<_>, Vec<_>, Vec<_>)>::default();
    let mut maker = Maker { random, world, oddity, layers, configs, manifests, indexes };
    for number in 0..=maker.random.below(6) {
        let raw = format!("layer {number} {}", maker.random.next());
        let layer = maker.blob(LAYER, raw, Labels::new());
        maker.layers.push(layer);
    }
    for _ in 0..=maker.random.below(5) {
        maker.manifest();
    }
    for _ in 0..maker.random.below(4) {
        maker.index();
    }
    maker.images();
    if oddity > 0 {
        maker.odd_labels();
    }
    maker.leases();
    maker.containers();
    if oddity > 0 {
        maker.lose();
    }
    maker.world
}

impl Maker<'_> {
    fn is_odd(&mut self) -> bool {
        let oddity = self.oddity;
        self.random.percent(oddity)
    }

    fn blob(&mut self, media_type: &'static str, raw: String, mut labels: Labels) -> Described {
        if self.oddity > 0 {
            let leaky = self.oddity;
            labels.retain(|_, _| !self.random.percent(leaky / 3));
        }
        let digest = Digest::of(raw.as_bytes());
        let size = raw.len();
        if self.world.blobs.iter().all(|blob| blob.digest != digest) {
            let (raw, size) = (Some(raw.into_bytes().into()), i64::try_from(size).unwrap());
            self.world.blobs.push(Blob { digest, size, raw, labels });
        }
        Described { media_type, digest, size }
    }

    /// Layers of an image, those of others among them; each once in a clean store.
    fn chain(&mut self) -> Vec<Described> {
        let length = self.random.below(4);
        let mut chain: Vec<Described> = Vec::new();
        while chain.len() < length.min(self.layers.len()) {
            let layer = self.random.pick(&self.layers).clone();
            if self.is_odd() || chain.iter().all(|other| other.digest != layer.digest) {
                chain.push(layer);
            }
        }
        chain
    }

    fn snapshots(&mut self, diff_ids: &[Digest]) -> Option<String> {
        let mut below: Option<String> = None;
        for diff_id in diff_ids {
            let key = match &below {
                None => diff_id.to_string(),
                Some(below) => Digest::of(format!("{below} {diff_id}").as_bytes()).to_string(),
            };
            if self.world.snapshots.iter().all(|snapshot| snapshot.key != key) {
                let size = i64::try_from(self.random.below(1000)).unwrap();
                let (parent, labels) = (below.clone(), Labels::new());
                self.world.snapshots.push(Snapshot { key: key.clone(), parent, size, active: false, labels });
            }
            below = Some(key);
        }
        below
    }

    fn manifest(&mut self) {
        let chain = self.chain();
        let diff_ids: Vec<Digest> =
            chain.iter().map(|layer| Digest::of(format!("diff {}", layer.digest).as_bytes())).collect();
        let texts: Vec<String> = diff_ids.iter().map(|id| format!("\"{id}\"")).collect();
        let label = ["", r#""Labels":{"a":"1"}"#, r#""Labels":{"a":"2","b":""}"#, r#""Labels":{"b":"x"}"#];
        let (number, label) = (self.random.below(1000), *self.random.pick(&label));
        let architecture = *self.random.pick(&["amd64", "arm64", "386"]);
        let mut config = format!(
            r#"{{"n":{number},"architecture":"{architecture}","os":"linux","config":{{{label}}},"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
            texts.join(",")
        );
        if self.is_odd() {
            let broken = ["{", "[]", r#"{"rootfs":1}"#, r#"{"config":{"Labels":{"a":1}}}"#];
            (*self.random.pick(&broken)).clone_into(&mut config);
        }
        let mut labels = Labels::new();
        if self.random.percent(80)
            && let Some(top) = self.snapshots(&diff_ids)
        {
            labels.insert("containerd.io/gc.ref.snapshot.overlayfs".to_owned(), top);
        }
        let config = if self.random.percent(20) && !self.configs.is_empty() && self.oddity > 0 {
            self.random.pick(&self.configs).clone()
        } else {
            self.blob(CONFIG, config, labels)
        };
        self.configs.push(config.clone());
        let prefix = "containerd.io/gc.ref.content.";
        let mut labels = Labels::from([(format!("{prefix}config"), config.digest.to_string())]);
        let layers: Vec<String> = chain
            .iter()
            .enumerate()
            .map(|(at, layer)| {
                labels.insert(format!("{prefix}l.{at}"), layer.digest.to_string());
                layer.json(self.random, "")
            })
            .collect();
        let mut raw = format!(
            r#"{{"schemaVersion":2,"config":{},"layers":[{}]}}"#,
            config.json(self.random, ""),
            layers.join(",")
        );
        if self.is_odd() {
            let broken = ["{}", r#"{"config":4,"layers":[]}"#, r#"{"manifests":[]}"#];
            (*self.random.pick(&broken)).clone_into(&mut raw);
        }
        let manifest = self.blob(MANIFEST, raw, labels);
        self.manifests.push(manifest);
    }

    fn index(&mut self) {
        let prefix = "containerd.io/gc.ref.content.";
        let (mut labels, mut children, mut taken) = (Labels::new(), Vec::new(), Vec::new());
        for at in 0..=self.random.below(3) {
            let nested = self.is_odd() && !self.indexes.is_empty();
            let child = self.random.pick(if nested { &self.indexes } else { &self.manifests }).clone();
            // In a clean store no walk comes by a blob twice.
            if self.oddity == 0 && (self.shares(&child, &taken)) {
                continue;
            }
            taken.push(child.digest);
            labels.insert(format!("{prefix}m.{at}"), child.digest.to_string());
            let rest = *self.random.pick(&[
                "",
                r#","platform":{"os":"linux","architecture":"amd64"}"#,
                r#","platform":{"os":"linux","architecture":"arm64","variant":"v8"}"#,
                r#","annotations":{"vnd.docker.reference.type":"attestation-manifest"}"#,
            ]);
            children.push(child.json(self.random, rest));
        }
        let raw = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, children.join(","));
        let index = self.blob(INDEX, raw, labels);
        self.indexes.push(index);
    }

    /// Whether two manifests have a blob in common.
    fn shares(&self, one: &Described, others: &[Digest]) -> bool {
        let children = |digest: Digest| {
            let blob = self.world.blobs.iter().find(|blob| blob.digest == digest).unwrap();
            blob.labels.values().cloned().chain([digest.to_string()]).collect::<Vec<_>>()
        };
        let own = children(one.digest);
        others.iter().any(|other| children(*other).iter().any(|child| own.contains(child)))
    }

    fn images(&mut self) {
        let names = [
            "docker.io/library/a:1",
            "docker.io/library/a:2",
            "docker.io/library/a:latest",
            "docker.io/library/b:1",
            "docker.io/me/app:x",
            "ghcr.io/o/r:1",
            "localhost:5000/x:1",
            "quay.io/z:9",
        ];
        for _ in 0..=self.random.below(9) {
            let indexes = self.random.percent(50) && !self.indexes.is_empty();
            let mut target = self.random.pick(if indexes { &self.indexes } else { &self.manifests }).clone();
            if self.is_odd() {
                target = self.random.pick(&self.layers).clone();
            }
            let digest = target.digest;
            let odd = [digest.to_string(), "Not A Name".into(), "busybox".into(), digest.hex()];
            let name = match self.random.below(10) {
                0 | 1 => format!("moby-dangling@{digest}"),
                2 => format!("docker.io/library/a@{digest}"),
                3 if self.oddity > 0 => self.random.pick(&odd).clone(),
                _ => (*self.random.pick(&names)).to_owned(),
            };
            let mut labels = Labels::new();
            if self.is_odd() {
                let parent = self.random.pick(&self.manifests).digest;
                labels.insert("org.mobyproject.image.parent".into(), parent.to_string());
            }
            if self.is_odd() {
                labels.insert("containerd.io/gc.expire".into(), self.expiry());
            }
            let seconds = 1_700_000_000 + i64::try_from(self.random.below(20)).unwrap() * 86_400;
            let created_at = Timestamp::new(seconds, 0);
            let target = Target {
                media_type: target.media_type.to_owned(),
                digest,
                size: i64::try_from(target.size).unwrap(),
                annotations: BTreeMap::new(),
            };
            if self.world.images.iter().all(|image| image.name != name) {
                self.world.images.push(ImageRecord {
                    name,
                    target,
                    labels,
                    created_at,
                    updated_at: created_at,
                });
            }
        }
    }

    fn expiry(&mut self) -> String {
        let all = ["2000-01-01T00:00:00Z", "2099-01-01T00:00:00Z", "2024-06-05T00:00:00Z", "soon"];
        (*self.random.pick(&all)).to_owned()
    }

    /// Labels from anything to anything, cycles included.
    fn odd_labels(&mut self) {
        for _ in 0..self.random.below(6) {
            let digest = self.random.pick(&self.world.blobs).digest.to_string();
            let image = self.random.pick(&self.world.images).name.clone();
            let snapshot = self.world.snapshots.get(self.random.below(self.world.snapshots.len().max(1)));
            let snapshot = snapshot.map_or_else(|| "none".to_owned(), |snapshot| snapshot.key.clone());
            let (key, value) = match self.random.below(9) {
                0 | 1 => ("containerd.io/gc.ref.content.x", digest),
                2 => ("containerd.io/gc.ref.image", image),
                3 => ("containerd.io/gc.ref.snapshot.overlayfs/x", snapshot),
                4 | 5 => ("containerd.io/gc.bref.content", digest),
                6 => ("containerd.io/gc.bref.image.x", image),
                7 => ("containerd.io/gc.bref.snapshot.overlayfs", snapshot),
                _ => ("containerd.io/gc.root.x", "y".to_owned()),
            };
            let (blobs, snapshots) = (self.world.blobs.len(), self.world.snapshots.len());
            let at = self.random.below(blobs + snapshots + self.world.images.len());
            let labels = if at < blobs {
                &mut self.world.blobs[at].labels
            } else if at < blobs + snapshots {
                &mut self.world.snapshots[at - blobs].labels
            } else {
                &mut self.world.images[at - blobs - snapshots].labels
            };
            labels.insert(key.to_owned(), value);
        }
    }

    fn leases(&mut self) {
        for number in 0..self.random.below(3) {
            let mut lease = lease(self.random, &self.world, &format!("lease{number}"));
            if self.oddity == 0 {
                lease.labels.remove("containerd.io/gc.expire");
            }
            self.world.leases.push(lease);
        }
    }

    fn containers(&mut self) {
        for number in 0..self.random.below(4) {
            let image = self.random.pick(&self.world.images).clone();
            let digest = image.target.digest;
            let texts = [
                image.name.clone(),
                "a".to_owned(),
                "a:2".to_owned(),
                digest.hex()[..12].to_owned(),
                digest.to_string(),
                format!("a:1@{digest}"),
                digest.hex()[..1].to_owned(),
                String::new(),
                "gone".to_owned(),
            ];
            let mounts = if self.random.percent(10) {
                vec![Mount { kind: "image".into(), source: digest.to_string() }]
            } else {
                Vec::new()
            };
            self.world.containers.push(Container {
                id: Digest::of(&[u8::try_from(number).unwrap()]).hex(),
                image: self.random.pick(&texts).clone(),
                image_id: digest,
                running: self.random.percent(40),
                mounts,
                platform: None,
                image_manifest: self.manifests.first().map(|manifest| manifest.digest),
            });
        }
    }

    /// Content that never came.
    fn lose(&mut self) {
        let oddity = self.oddity;
        self.world.blobs.retain(|_| !self.random.percent(oddity / 3));
        if self.world.blobs.is_empty() {
            let raw = b"left".to_vec().into_boxed_slice();
            let (digest, size) = (Digest::of(&raw), 4);
            self.world.blobs.push(Blob { digest, size, raw: Some(raw), labels: Labels::new() });
        }
    }
}

/// A lease on some of a store.
pub fn lease(random: &mut Random, world: &ContainerdWorld, id: &str) -> Lease {
    let mut lease = Lease { id: id.to_owned(), ..Lease::default() };
    for (key, percent) in [("moby/prune.images", 40), ("containerd.io/gc.flat", 40)] {
        if random.percent(percent) {
            lease.labels.insert(key.to_owned(), "x".to_owned());
        }
    }
    if random.percent(40) {
        let times = ["2000-01-01T00:00:00Z", "2099-01-01T00:00:00Z", "2024-06-05T00:00:00Z", "soon"];
        lease.labels.insert("containerd.io/gc.expire".into(), (*random.pick(&times)).to_owned());
    }
    for _ in 0..random.below(3) {
        match random.below(3) {
            0 if !world.blobs.is_empty() => lease.content.push(random.pick(&world.blobs).digest.to_string()),
            1 if !world.snapshots.is_empty() => {
                lease.snapshots.push(random.pick(&world.snapshots).key.clone());
            }
            _ if !world.images.is_empty() => lease.images.push(random.pick(&world.images).name.clone()),
            _ => {}
        }
    }
    lease
}

/// Filters of prunes.
pub const FILTERS: [&str; 11] = [
    "",
    r#"{"dangling":["false"]}"#,
    r#"{"dangling":["false"]}"#,
    r#"{"dangling":["false"]}"#,
    r#"{"dangling":["false"],"label":["a"]}"#,
    r#"{"dangling":["false"],"label!":["a=1"]}"#,
    r#"{"dangling":["false"],"label":["a=1","b!"]}"#,
    r#"{"dangling":["false"],"until":["2023-11-20T00:00:00Z"]}"#,
    r#"{"until":["24h"],"label!":["b","a=2"]}"#,
    r#"{"until":["x"]}"#,
    r#"{"bogus":["x"]}"#,
];

/// A request.
pub fn action(random: &mut Random, world: &ContainerdWorld) -> Action {
    let mut names: Vec<String> = world.images.iter().map(|image| image.name.clone()).collect();
    let digests: Vec<Digest> = world.images.iter().map(|image| image.target.digest).collect();
    match random.below(10) {
        0..=4 => {
            let mut order = Vec::new();
            while !names.is_empty() && random.percent(90) {
                order.push(names.swap_remove(random.below(names.len())));
            }
            let cancel = random.below(12);
            Action::Prune {
                filters: (*random.pick(&FILTERS)).to_owned(),
                order,
                cancelled: cancel == 0,
                cancel_after_considered: (cancel == 1).then(|| random.below(4)),
                cancel_after_visited: (cancel == 2).then(|| random.below(4)),
            }
        }
        5..=8 => {
            let digest = digests.first().map_or_else(|| Digest::of(b""), |_| *random.pick(&digests));
            names.extend(["a".into(), "a:2".into(), "b:1".into(), digest.to_string(), digest.hex()]);
            names.extend([digest.hex()[..6].to_owned(), format!("a@{digest}"), format!("z@{digest}")]);
            let (architecture, os) = ("arm64".to_owned(), "linux".to_owned());
            let platform = Platform { architecture, os, ..Platform::default() };
            Action::Delete {
                reference: random.pick(&names).clone(),
                force: random.percent(40),
                prune: random.percent(60),
                platforms: if random.percent(10) { vec![platform] } else { Vec::new() },
            }
        }
        _ => match random.below(3) {
            0 => Action::Gc {},
            1 => Action::List { all: random.percent(50), shared_size: random.percent(50) },
            _ => Action::DiskUsage {},
        },
    }
}
